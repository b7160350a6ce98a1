"""Sandboxes, with real bubblewrap."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bivy import sandbox
from bivy.sandbox import Bind, Sandbox, find_bubblewrap, sandbox_hint, why_no_sandbox

MACHINE = (Bind(Path("/"), "/"),)


def inside(box: Sandbox, script: str, **how: int) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a sandbox."""
    reason = why_no_sandbox()
    if reason is not None:
        pytest.skip(f"no sandbox: {reason}")
    program = find_bubblewrap()
    assert program is not None
    return subprocess.run(box.command(program, ["/bin/sh", "-c", script]), capture_output=True, text=True, **how)  # type: ignore[call-overload,no-any-return]


def test_nothing_of_the_machine_is_there_but_what_is_given(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "secret").touch()
    system = [Bind(Path(name), name) for name in ("/bin", "/lib", "/lib64", "/usr") if Path(name).exists()]
    box = Sandbox(binds=[*system, Bind(tmp_path / "given", "/given")], symlinks=[("given", "/link")])
    found = set(inside(box, "ls /").stdout.split())
    assert found == {bind.target.strip("/") for bind in system} | {"given", "link", "proc", "dev", "tmp"}


def test_only_what_is_writable_can_be_changed(tmp_path: Path) -> None:
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
    box = Sandbox([*MACHINE, Bind(tmp_path / "open", "/mnt", writable=True), Bind(tmp_path / "closed", "/srv")])
    assert inside(box, "echo x > /mnt/file; echo x > /srv/file; echo x > /tmp/file").stderr.count("Read-only") == 1
    assert (tmp_path / "open/file").exists()
    assert not (tmp_path / "closed/file").exists()


def test_variables_directory_and_name_are_those_given() -> None:
    box = Sandbox(MACHINE, environment={"A": "b c", "PATH": os.defpath}, directory="/usr", hostname="tent")
    assert inside(box, "env; pwd; uname -n").stdout.splitlines() == [
        "A=b c",
        f"PATH={os.defpath}",
        "PWD=/usr",
        "/usr",
        "tent",
    ]


def test_the_user_is_the_one_given() -> None:
    box = Sandbox(MACHINE, environment={"PATH": os.defpath}, uid=4242, gid=4343)
    assert inside(box, "id -u; id -g").stdout.split() == ["4242", "4343"]
    assert inside(Sandbox(MACHINE, environment={"PATH": os.defpath}), "id -u").stdout.split() == [str(os.getuid())]


def test_root_inside_may_what_it_is_told_it_may(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    binds = [*MACHINE, Bind(tmp_path, "/mnt", writable=True)]

    def touch(*capabilities: str) -> int:
        box = Sandbox(binds, environment={"PATH": os.defpath}, uid=0, gid=0, capabilities=capabilities)
        return inside(box, "touch /mnt/closed/x").returncode

    assert touch("CAP_FOWNER", "CAP_DAC_OVERRIDE") == 0
    assert touch("CAP_FOWNER") != 0


def test_without_network_there_is_only_the_loopback() -> None:
    def interfaces(*, network: bool) -> int:
        box = Sandbox(MACHINE, environment={"PATH": os.defpath}, network=network)
        return inside(box, "cat /proc/net/dev").stdout.count(":")

    assert interfaces(network=False) == 1
    assert interfaces(network=True) == Path("/proc/net/dev").read_text().count(":")


def test_no_process_of_the_machine_is_seen() -> None:
    assert inside(Sandbox(MACHINE, environment={"PATH": os.defpath}), "echo $$").stdout == "2\n"


def test_the_status_is_the_commands() -> None:
    assert inside(Sandbox(MACHINE), "exit 7").returncode == 7


def test_a_machine_without_bubblewrap_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "find_bubblewrap", lambda: None)
    assert why_no_sandbox.__wrapped__() == "bubblewrap is not installed"
    assert "package bubblewrap" in sandbox_hint()


def test_a_bubblewrap_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bwrap"
    monkeypatch.setattr(sandbox, "find_bubblewrap", lambda: program)
    assert why_no_sandbox.__wrapped__() == f"{program} does not start: No such file or directory"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions' >&2; exit 1\n")
    program.chmod(0o755)
    assert why_no_sandbox.__wrapped__() == "bwrap: No permissions"
    program.write_text("#!/bin/sh\nexit 3\n")
    assert why_no_sandbox.__wrapped__() == "bwrap ended with 3"


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
        ("user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=10000"),
        ("kernel/unprivileged_userns_clone", "1", "within docker"),
    ],
)
def test_the_hint_names_the_setting_that_forbids_it(tmp_path: Path, name: str, value: str, hint: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(f"{value}\n")
    assert hint in sandbox_hint(tmp_path)
