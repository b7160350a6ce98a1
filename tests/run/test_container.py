"""Commands in containers: real sandboxes, real processes, real terminals."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bivy.errors import BivyError
from bivy.oci.image import Image
from bivy.run import container
from bivy.run.options import RunOptions, Volume
from bivy.sandbox import find_bubblewrap
from tests.run.conftest import saying
from tests.run.driver import ROOT, command

ORDINARY = 65534


@contextlib.contextmanager
def started(image: Image, options: RunOptions, cache: Path, user: int | None = None) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(image, options, cache, user),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(
    image: Image, options: RunOptions, cache: Path, user: int | None = None, typed: str = ""
) -> tuple[int, str, str]:
    with started(image, options, cache, user) as process:
        out, error = process.communicate(typed, timeout=60)
    return process.returncode, out, error


def output(image: Image, options: RunOptions, cache: Path) -> str:
    status, out, error = ended(image, options, cache)
    assert (status, error) == (0, "")
    return out


def probe(*words: str, **changes: Any) -> RunOptions:
    return RunOptions(("probe", *words), **changes)


def test_the_image_says_what_runs_and_how(image: Image, cache: Path) -> None:
    image = saying(image, cmd=("show", "default"), entrypoint=("/bin/probe",), working_dir="/srv/web", user="web:staff")
    lines = output(image, RunOptions(), cache).splitlines()
    assert lines[:3] == ["word /bin/probe", "word show", "word default"]
    assert {"cwd /srv/web", "uid 1000", "gid 50", "env GREETING=hello", "env HOME=/srv/web"} <= set(lines)


def test_what_is_asked_for_goes_before_what_the_image_says(image: Image, cache: Path) -> None:
    options = probe(
        "show",
        environment=(("GREETING", "a = b\n"), ("PATH", "/bin")),
        directory="/made/here",
        user="7:8",
        hostname="tent",
    )
    lines = output(image, options, cache).splitlines()
    assert {"env GREETING=a = b", "env PATH=/bin", "cwd /made/here", "uid 7", "gid 8", "hostname tent"} <= set(lines)


def test_nothing_of_the_callers_variables_or_open_files_gets_in(
    image: Image, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "value")
    assert "SECRET" not in output(image, probe("show"), cache)
    assert output(image, probe("descriptors"), cache) == ""


def test_variables_cannot_be_read_off_the_list_of_processes(image: Image, cache: Path) -> None:
    with started(image, probe("wait", environment=(("TOKEN", "s3cret-token"),)), cache) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        lines = b""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            if path.parent.name != str(process.pid):
                with contextlib.suppress(OSError):
                    lines += path.read_bytes()
    assert b"wait" in lines
    assert b"s3cret-token" not in lines


def test_the_three_streams_are_passed_through(image: Image, cache: Path) -> None:
    typed = "line\n" * 50_000
    assert ended(image, probe("streams"), cache, typed=typed) == (0, typed, "error\n")


@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_the_exit_status_is_the_commands(image: Image, cache: Path, status: int) -> None:
    assert ended(image, probe("exit", str(status)), cache) == (status, "", "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_command_that_a_signal_ends_is_128_and_the_signal(image: Image, cache: Path, number: int) -> None:
    assert ended(image, probe("kill", str(number)), cache)[0] == 128 + number


def test_a_command_that_signals_its_whole_group_reaches_nothing_outside(image: Image, cache: Path) -> None:
    assert ended(image, probe("kill-group"), cache) == (15, "caught 15\n", "")


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH]
)
def test_a_signal_reaches_the_command(image: Image, cache: Path, number: signal.Signals) -> None:
    with started(image, probe("catch", str(int(number))), cache) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=30)[0] == f"caught {number:02}\n"
    assert process.returncode == number


def test_a_command_that_does_not_mind_a_signal_ends_by_it(image: Image, cache: Path) -> None:
    with started(image, probe("wait"), cache) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM


def test_what_the_command_leaves_behind_ends_with_it(image: Image, cache: Path) -> None:
    assert ended(image, probe("leave", environment=(("MARK", "left-by-pipe"),)), cache)[0] == 0
    assert not marked(b"left-by-pipe")


def test_a_killed_bivy_takes_the_container_with_it(image: Image, cache: Path) -> None:
    with started(image, probe("wait", environment=(("MARK", "orphaned"),)), cache) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        assert process.stdout.read() == ""  # ends once nobody can write any more


def marked(mark: bytes) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if b"MARK=" + mark in path.read_bytes():
                found.append(path.parent.name)
    return found


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("missing",), 127, "the image has no missing in PATH (/usr/bin:/bin)\n"),
        (("/bin/missing",), 127, "the image has no /bin/missing\n"),
        (("plain",), 126, "/bin/plain in the image cannot be executed\n"),
        (("/etc",), 126, "/etc in the image cannot be executed\n"),
    ],
)
def test_a_command_that_cannot_start_is_named(
    image: Image, cache: Path, words: tuple[str, ...], status: int, message: str
) -> None:
    found, out, error = ended(image, RunOptions(words), cache)
    assert (found, out) == (status, "")
    assert error.startswith(message)


def test_a_program_whose_interpreter_is_missing_gets_a_hint(image: Image, cache: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/lib64/nowhere\n")
    script.chmod(0o755)
    status, _, error = ended(image, RunOptions(("/script",), volumes=(Volume(script, "/script"),)), cache)
    assert status == 1
    assert "/script could not be started" in error
    assert "missing interpreter" in error


def test_what_a_run_writes_is_gone_afterwards(image: Image, cache: Path) -> None:
    assert ended(image, probe("write", "/etc/motd", "changed"), cache) == (0, "", "")
    assert output(image, probe("read", "/etc/motd"), cache) == "as it was"


def test_without_overlay_a_run_has_a_copy_of_its_own(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(container, "can_overlay", lambda *_: False)
    assert container.run(image, probe("write", "/etc/motd", "changed"), cache=tmp_path) == 0
    assert container.run(image, probe("read", "/etc/motd"), cache=tmp_path) == 0
    assert container.run(image, probe("write", "/etc/motd", "x", read_only=True), cache=tmp_path) == 1
    assert capfd.readouterr().out == "as it was/etc/motd: Read-only file system\n"
    assert list((tmp_path / "roots").iterdir()) == []


def test_read_only_leaves_tmp_and_volumes_to_write_to(image: Image, cache: Path, tmp_path: Path) -> None:
    def written(path: str) -> tuple[int, str, str]:
        options = probe("write", path, "new", read_only=True, volumes=(Volume(tmp_path, "/data/deep"),))
        return ended(image, options, cache)

    assert written("/etc/motd") == (1, "/etc/motd: Read-only file system\n", "")
    assert written("/tmp/file") == (0, "", "")
    assert written("/data/deep/file") == (0, "", "")
    assert (tmp_path / "file").read_text() == "new"


def test_a_volume_is_seen_where_the_image_s_symlinks_lead(image: Image, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from outside")
    for target in ("/var/data", "/outside/data", "/run/../run/data"):
        assert (
            output(image, probe("read", f"{target}/file", volumes=(Volume(tmp_path, target),)), cache) == "from outside"
        )


def test_a_volume_that_is_read_only_cannot_be_written_to(image: Image, cache: Path, tmp_path: Path) -> None:
    options = probe("write", "/data/file", "x", volumes=(Volume(tmp_path, "/data", writable=False),))
    assert ended(image, options, cache) == (1, "/data/file: Read-only file system\n", "")


def test_volumes_may_lie_in_one_another_in_any_order(image: Image, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "inner").write_text("inner")
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer/deep").write_text("hidden")
    volumes = (Volume(tmp_path / "inner", "/data/deep"), Volume(tmp_path / "outer", "/data"))
    assert output(image, probe("read", "/data/deep", volumes=volumes), cache) == "inner"


def test_a_program_in_a_volume_can_run(image: Image, program: Path, cache: Path) -> None:
    volumes = (Volume(program.parent, "/opt"),)
    assert "word ./probe\n" in output(image, RunOptions(("./probe",), volumes=volumes, directory="/opt"), cache)


def test_the_network_is_the_machines_or_none(image: Image, cache: Path) -> None:
    def interfaces(options: RunOptions) -> set[str]:
        return {line.split(":")[0].strip() for line in output(image, options, cache).splitlines() if ":" in line}

    here = {line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines() if ":" in line}
    assert interfaces(probe("interfaces")) == here
    assert interfaces(probe("interfaces", network="none")) == {"lo"}
    assert output(image, probe("read", "/etc/hosts"), cache) == Path("/etc/hosts").read_text()
    assert ended(image, probe("read", "/etc/hosts", network="none"), cache)[0] == 1


def test_the_hosts_certificates_replace_the_images(
    image: Image, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "company.pem").write_text("a company's own authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
    path = "/etc/ssl/certs/ca-certificates.crt"
    assert output(image, probe("read", path, host_certificates=True), cache) == "a company's own authority"
    assert ended(image, probe("read", path), cache)[0] == 1


def test_a_working_directory_that_is_a_file_is_refused(image: Image, cache: Path) -> None:
    status, _, error = ended(image, probe("show", directory="/etc/motd"), cache)
    assert status == 1
    assert error.startswith("the working directory /etc/motd is a file")


def test_an_image_of_another_machine_is_refused(image: Image, cache: Path) -> None:
    status, _, error = ended(saying(image, architecture="s390x"), probe("show"), cache)
    assert status == 1
    assert "linux/s390x" in error


def test_where_no_sandbox_can_be_had_it_says_why(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "find_bubblewrap", lambda: None)
    monkeypatch.setattr(container, "why_no_sandbox", lambda: "bubblewrap is not installed")
    with pytest.raises(BivyError, match="there is none: bubblewrap is not installed"):
        container.run(image, probe("show"), cache=tmp_path)


@pytest.fixture
def ordinary_cache() -> Iterator[Path]:
    """A cache of an ordinary user's; pytest's own folders are closed to others, again with every pytest that starts."""
    with tempfile.TemporaryDirectory(prefix="bivy-") as folder:
        os.chown(folder, ORDINARY, ORDINARY)
        yield Path(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("user", [None, "0", "1000:1001", "4242"])
def test_an_ordinary_user_can_run_it_as_anybody(image: Image, ordinary_cache: Path, user: str | None) -> None:
    bubblewrap = find_bubblewrap()
    assert bubblewrap is not None
    trial = subprocess.run([bubblewrap, "--version"], capture_output=True, user=ORDINARY, group=ORDINARY)
    if trial.returncode:
        pytest.skip("this checkout lies where only root can read it")
    status, out, error = ended(image, probe("show", user=user), ordinary_cache, ORDINARY)
    assert (status, error) == (0, "")
    assert f"uid {(user or '0').partition(':')[0]}\n" in out
    is_root = user in (None, "0")
    assert ended(image, probe("write", "/etc/motd", "x", user=user), ordinary_cache, ORDINARY)[0] == (
        0 if is_root else 1
    )
    assert ended(image, probe("read", "/etc/motd", user=user), ordinary_cache, ORDINARY) == (0, "as it was", "")


class Terminal:
    """A terminal of its own with a run in it, and what it shows."""

    def __init__(self, words: list[str]) -> None:
        self.process, self.descriptor = pty.fork()
        if self.process == 0:
            os.chdir(ROOT)
            os.execv(words[0], words)
        self.shown = b""

    def until(self, text: bytes) -> None:
        while text not in self.shown:
            ready, _, _ = select.select([self.descriptor], [], [], 30)
            assert ready, self.shown
            self.shown += os.read(self.descriptor, 4096)

    def keys(self, typed: bytes) -> None:
        os.write(self.descriptor, typed)

    def status(self) -> int:
        with contextlib.suppress(OSError):  # what reading gives once nobody has the terminal any more
            while True:
                ready, _, _ = select.select([self.descriptor], [], [], 30)
                assert ready, self.shown
                self.shown += os.read(self.descriptor, 4096)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        os.close(self.descriptor)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.process, 0)


@pytest.fixture
def terminal(image: Image, cache: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*words: str, **changes: Any) -> Terminal:
        opened.append(Terminal(command(image, probe(*words, **changes), cache)))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_a_terminal_is_one_inside_too(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("show")
    assert shown.status() == 0
    assert all(f"isatty {stream} 1\r\n".encode() in shown.shown for stream in (0, 1, 2))
    assert b"env TERM=xterm\r\n" in shown.shown


def test_control_c_reaches_the_command_and_its_status_comes_back(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("catch", "2")
    shown.until(b"ready")
    shown.keys(b"\x03")
    assert shown.status() == 2
    assert b"caught 02" in shown.shown


def test_control_c_ends_a_command_that_does_not_mind_it(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("wait")
    shown.until(b"ready")
    shown.keys(b"\x03")
    assert shown.status() == 128 + signal.SIGINT


def test_a_signal_reaches_a_command_in_a_terminal(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("catch", "15")
    shown.until(b"ready")
    os.kill(shown.process, signal.SIGTERM)
    assert shown.status() == 15


def test_a_change_of_the_terminals_size_reaches_the_command(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("catch", str(int(signal.SIGWINCH)))
    shown.until(b"ready")
    fcntl.ioctl(shown.descriptor, termios.TIOCSWINSZ, struct.pack("4H", 33, 99, 0, 0))
    assert shown.status() == signal.SIGWINCH


def test_typing_ahead_into_the_callers_terminal_is_refused(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("type")
    assert shown.status() == 1
    assert b"typing: Operation not permitted" in shown.shown


def test_what_is_typed_arrives(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("streams")
    shown.until(b"error")
    shown.keys(b"hello\n\x04")
    assert shown.status() == 0
    assert shown.shown.count(b"hello\r\n") == 2


SHELL = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = subprocess.Popen(sys.argv[1:], process_group=0)
os.tcsetpgrp(0, job.pid)
status = os.waitpid(job.pid, os.WUNTRACED)[1]
if os.WIFSTOPPED(status):
    print("stopped", flush=True)
    os.killpg(job.pid, signal.SIGCONT)
    status = os.waitpid(job.pid, 0)[1]
os.tcsetpgrp(0, os.getpgrp())
print("ended", os.waitstatus_to_exitcode(status), flush=True)
input()
"""


@pytest.fixture
def shell(image: Image, cache: Path) -> Iterator[Callable[..., Terminal]]:
    """The script does what an interactive shell does with its jobs."""
    opened: list[Terminal] = []

    def start(*words: str, **changes: Any) -> Terminal:
        opened.append(Terminal([sys.executable, "-c", SHELL, *command(image, probe(*words, **changes), cache)]))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_control_z_stops_the_run_and_it_can_go_on(shell: Callable[..., Terminal]) -> None:
    shown = shell("catch", "2")
    shown.until(b"ready")
    shown.keys(b"\x1a")
    shown.until(b"stopped")
    shown.keys(b"\x03")
    shown.until(b"ended 2")


def test_what_a_command_leaves_in_a_terminal_ends_with_it(shell: Callable[..., Terminal]) -> None:
    shell("leave", environment=(("MARK", "left-quietly"),)).until(b"ended 0")
    assert not marked(b"left-quietly")


def test_after_control_c_nothing_that_the_command_left_is_waited_for(shell: Callable[..., Terminal]) -> None:
    shown = shell("leave", "and-wait", environment=(("MARK", "left-in-terminal"),))
    shown.until(b"ready")
    shown.keys(b"\x03")
    shown.until(b"ended 2")
    assert not marked(b"left-in-terminal")
