"""What apk answers, and with which exit status."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bivy.apk.sign import Signer
from tests.apk.cli.conftest import PACKAGES, TOOL_1, TOOL_2, System, run_apk
from tests.mirror import write_repository


@pytest.fixture
def filled(system: System) -> System:
    """A root with packages in it."""
    system.apk("add", "tool", "configured")
    return system


def test_what_is_installed_is_listed(filled: System) -> None:
    assert filled.said("info").split() == ["configured", "libhelp", "tool"]
    assert filled.said("info", "-v").split() == ["configured-1-r0", "libhelp-1.2-r3", "tool-1.0-r0"]
    assert filled.said("list", "-I").splitlines()[-1] == "tool-1.0-r0 x86_64 {tool} (MIT) [installed]"


def test_what_a_package_says_of_itself_is_printed(filled: System) -> None:
    assert filled.said("info", "tool") == (
        "tool-1.0-r0 description:\nA tool\n\n"
        "tool-1.0-r0 webpage:\nhttps://example.org/tool\n\n"
        "tool-1.0-r0 installed size:\n16 KiB\n\n"
    )
    assert filled.said("info", "-L", "libhelp") == (
        "libhelp-1.2-r3 contains:\nusr/lib/libhelp.so\nusr/lib/libhelp.so.1\n\n"
    )
    assert filled.said("info", "-R", "tool") == "tool-1.0-r0 depends on:\nso:libhelp.so.1>=1.0\n\n"
    assert filled.said("info", "-r", "libhelp") == "libhelp-1.2-r3 is required by:\ntool-1.0-r0\n\n"
    assert filled.said("info", "-P", "tool") == "tool-1.0-r0 provides:\ncmd:tool=1.0-r0\n\n"
    assert "license:\nApache-2.0" in filled.said("info", "--license", "configured")


def test_whether_packages_are_installed_is_the_exit_status(filled: System) -> None:
    assert filled.said("info", "-e", "tool") == "tool\n"
    assert filled.said("info", "-e", "tool>0.5", "so:libhelp.so.1").split() == ["tool", "libhelp"]
    assert filled.said("info", "-e", "tool", "nonesuch", "tool-doc", status=2) == "tool\n"
    filled.apk("info", "-e", "tool>5", status=1)


def test_whose_a_file_is_is_said(filled: System) -> None:
    assert filled.said("info", "-W", "/usr/bin/tool") == "/usr/bin/tool is owned by tool-1.0-r0\n"
    done = filled.apk("info", "--who-owns", "/usr/bin/nothing", status=1)
    assert "Could not find owner package" in done.stderr


def test_packages_are_found_by_name_and_description(filled: System) -> None:
    assert filled.said("search", "too").split() == ["tool-1.0-r0", "tool-doc-1.0-r0"]
    assert filled.said("search", "-e", "tool").split() == ["tool-1.0-r0"]
    assert filled.said("search", "-q", "cmd:tool").split() == ["tool"]
    assert filled.said("search", "-d", "a TOOL").split() == ["tool-1.0-r0"]
    assert filled.said("search", "-o", "libhelp").split() == ["help-1.2-r3"]
    assert filled.said("search", "nonesuch") == ""


def test_where_versions_come_from_is_said(filled: System, signer: Signer) -> None:
    write_repository(filled.repository, (*PACKAGES, TOOL_2), signer)
    assert filled.said("policy", "tool").splitlines() == [
        "tool policy:",
        "  2.0-r0:",
        f"    {filled.repository}",
        "  1.0-r0:",
        "    lib/apk/db/installed",
        f"    {filled.repository}",
    ]


def test_what_is_installed_is_compared_with_what_there_is(filled: System, signer: Signer) -> None:
    assert filled.said("version").splitlines() == [f"{'Installed:':39}   Available:"]
    write_repository(filled.repository, (*PACKAGES, TOOL_2), signer)
    assert filled.said("version").splitlines()[1].split() == ["tool-1.0-r0", "<", "2.0-r0"]
    assert len(filled.said("version", "-v").splitlines()) == 4
    assert filled.said("version", "-l", "=").count("=") == 2


@pytest.mark.parametrize(
    ("one", "sign", "other"), [("1.0", "<", "1.1"), ("1_rc1", "<", "1"), ("2", "=", "2"), ("3", ">", "2")]
)
def test_two_versions_are_compared(one: str, sign: str, other: str) -> None:
    assert run_apk("version", "-t", one, other).stdout == f"{sign}\n"


def test_versions_that_are_none_are_counted() -> None:
    done = run_apk("version", "--check", "1.0", "1.0-r1", "1.0-x", "1 2", status=2)
    assert done.stdout.splitlines() == ["1.0-x", "1 2"]


def test_packages_are_downloaded(filled: System, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert "Downloading tool-1.0-r0" in filled.said("fetch", "-o", str(out), "tool")
    assert [path.name for path in out.iterdir()] == ["tool-1.0-r0.apk"]
    assert (out / "tool-1.0-r0.apk").read_bytes() == (filled.repository / "x86_64/tool-1.0-r0.apk").read_bytes()
    filled.apk("fetch", "--recursive", "-o", str(out), "tool")
    assert sorted(path.name for path in out.iterdir()) == ["libhelp-1.2-r3.apk", "tool-1.0-r0.apk"]
    assert "unable to select" in filled.apk("fetch", "nonesuch", status=1).stderr


def test_a_package_is_verified(filled: System, tmp_path: Path) -> None:
    good = filled.repository / "x86_64" / "tool-1.0-r0.apk"
    assert filled.said("verify", str(good)) == f"{good}: OK\n"
    unsigned = tmp_path / "unsigned.apk"
    unsigned.write_bytes(TOOL_1)
    assert "UNTRUSTED" in filled.said("verify", str(good), str(unsigned), status=1)


def test_numbers_are_counted(filled: System) -> None:
    said = filled.said("stats")
    assert "installed:\n  packages: 3\n" in said
    assert "available:\n  names: 4\n" in said


def test_the_repositories_are_read_when_told(filled: System) -> None:
    assert filled.said("update").splitlines() == [
        f"v3.24 for repository [{filled.repository}]",
        "OK: 4 distinct packages available",
    ]
    (filled.root / "etc/apk/repositories").write_text("/nowhere\n")
    done = filled.apk("update", status=1)
    assert "/nowhere" in done.stderr
    assert "1 unavailable, 0 stale; 3 distinct packages available" in done.stdout


def test_what_was_changed_is_audited(filled: System) -> None:
    assert filled.said("audit", "--system") == ""
    (filled.root / "usr/bin/tool").write_text("changed")
    (filled.root / "etc/configured.conf").write_text("changed")
    assert "U usr/bin/tool" in filled.said("audit", "--system")
    assert "U etc/configured.conf" in filled.said("audit")


def test_the_architecture_is_printed(filled: System) -> None:
    assert filled.said("--print-arch").strip() == os.uname().machine


@pytest.mark.parametrize("words", [["--help"], ["add", "--help"], ["-h"], ["info", "-h"]])
def test_help_is_for_people(words: list[str]) -> None:
    said = run_apk(*words).stdout
    assert "usage: apk" in said
    assert "--no-cache" in said
    assert max(map(len, said.splitlines())) <= 120


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "'frobnicate' is not an apk command"),
        (["ad"], "is 'add' meant?"),
        (["add", "--frob"], "--frob"),
        (["--wait", "x", "add"], "takes a number"),
        (["list", "--from", "nowhere"], "--from takes"),
    ],
)
def test_what_is_no_command_or_option_is_refused(words: list[str], said: str) -> None:
    done = run_apk(*words, status=1)
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_options_may_stand_before_and_after_the_command(filled: System) -> None:
    assert filled.said("-q", "info") == filled.said("info", "-q")
