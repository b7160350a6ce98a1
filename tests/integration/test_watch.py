"""`bivy app --watch`: real projects, whose files change while what was made of them runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from bivy.sandbox import why_no_sandbox
from tests.app.making import wheel
from tests.app.projects import write_files
from tests.integration.conftest import answer, free_port

pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(why_no_sandbox() is not None, reason=f"no container can be started here: {why_no_sandbox()}"),
]

SERVER = """\
import http.server
import os

import greeting


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = greeting.TEXT.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Watched:
    """A `bivy app --watch` that runs, and what it has written so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def text(self) -> str:
        return re.sub(r"bivy \d\d:\d\d:\d\d ", "", self.log.read_text())

    def until(self, what: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + 90
        while not what(text := self.text()):
            assert time.monotonic() < deadline, text
            assert self.process.poll() is None, text
            time.sleep(0.05)
        return text

    def said(self, *lines: str) -> str:
        """Wait for all of these."""
        return self.until(lambda text: all(line in text for line in lines))

    def interrupt(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@contextlib.contextmanager
def watched(folder: Path, layout: Path, *words: str, environment: Mapping[str, str] | None = None) -> Iterator[Watched]:
    log = layout.parent / f"{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "bivy", "app", str(folder), "--output", str(layout), "--watch", *words]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                   env={**os.environ, **(environment or {})})  # fmt: skip
        try:
            yield Watched(process, log)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)


def becomes(port: int, expected: str) -> None:
    deadline = time.monotonic() + 60
    while (found := answer(port)) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def run_of(layout: Path) -> list[str]:
    """The processes that run an image of a layout: their command lines name it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if str(layout).encode() in words and b"run" in words:
                found.append(str(path))
    return found


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def service(tmp_path: Path, port: int) -> Path:
    return write_files(
        tmp_path / "service",
        {"main.py": SERVER, "greeting.py": 'TEXT = "one"\n', "pyproject.toml": "[tool.bivy]\n"
         f'entrypoint = ["python3", "main.py"]\nenvironment = {{ PORT = "{port}" }}\n'},
    )  # fmt: skip


def greet(service: Path, text: str) -> None:
    (service / "greeting.py").write_text(f'TEXT = "{text}"\n')


def test_a_change_of_a_file_changes_the_answer(service: Path, layout: Path, port: int) -> None:
    with watched(service, layout) as watching:
        assert answer(port) == "one"
        greet(service, "two")
        becomes(port, "two")
        watching.said("service:0 made in", "greeting.py changed: service:0 made again in")
        write_files(service, {"words/more.py": 'TEXT = "three"\n', "greeting.py": "from words.more import TEXT\n"})
        becomes(port, "three")
        (service / "words" / "more.py").write_text('TEXT = "four"\n')  # in a folder that was not there at first
        becomes(port, "four")


def test_a_change_in_a_folder_that_it_depends_on_changes_the_answer(service: Path, layout: Path, port: int) -> None:
    library = write_files(service.parent / "words", {
        "pyproject.toml": '[project]\nname = "words"\nversion = "1"\ndescription = "Words"\n'
                          '[build-system]\nrequires = ["flit_core"]\n'
                          'build-backend = "flit_core.buildapi"\n',
        "words.py": '"""Words."""\nTEXT = "one"\n',
    })  # fmt: skip
    write_files(service, {"greeting.py": "from words import TEXT\n", "requirements.txt": "../words\n"})
    with watched(service, layout) as watching:
        becomes(port, "one")
        write_files(library, {"words.py": '"""Words."""\nTEXT = "two"\n'})
        becomes(port, "two")
        watching.said("words.py changed: service:0 made again in")


def test_an_image_that_cannot_be_made_leaves_the_one_before_running(service: Path, layout: Path, port: int) -> None:
    told = (service / "pyproject.toml").read_text()
    with watched(service, layout) as watching:
        assert answer(port) == "one"
        (service / "pyproject.toml").write_text(told + "name = \n")
        watching.said("pyproject.toml:4:", "pyproject.toml changed, and no image could be made: what runs is left")
        assert answer(port) == "one"
        greet(service, "two")
        watching.said("greeting.py changed, and no image could be made: what runs is left")
        assert answer(port) == "one"
        (service / "pyproject.toml").write_text(told)
        becomes(port, "two")


def test_a_project_that_is_wrong_from_the_start_is_made_once_it_is_right(
    service: Path, layout: Path, port: int
) -> None:
    told = (service / "pyproject.toml").read_text()
    (service / "pyproject.toml").write_text(told.replace("python3", "missing"))
    with watched(service, layout) as watching:
        watching.said("no program 'missing'", "no image could be made: waiting for a change")
        (service / "pyproject.toml").write_text(told)
        assert answer(port) == "one"


def test_what_the_project_depends_on_changes_with_what_it_says(
    service: Path, layout: Path, port: int, tmp_path: Path
) -> None:
    wheel(tmp_path / "wheels", "words", "1.0", {"words.py": 'TEXT = "from a wheel"\n'})
    (service / "requirements.txt").write_text("--no-index\n--find-links ../wheels\n")
    with watched(service, layout) as watching:
        assert answer(port) == "one"
        (service / "requirements.txt").write_text("--no-index\n--find-links ../wheels\nmissing\n")
        watching.said("requirements.txt changed, and no image could be made")
        (service / "greeting.py").write_text("from words import TEXT\n")
        (service / "requirements.txt").write_text("--no-index\n--find-links ../wheels\nwords\n")
        becomes(port, "from a wheel")


def test_a_program_that_ends_is_told_of_and_started_again_after_a_change(
    service: Path, layout: Path, port: int
) -> None:
    (service / "greeting.py").write_text("import sys\nprint('going down', flush=True)\nsys.exit(7)\n")
    with watched(service, layout) as watching:
        watching.said("going down", "the program ended with status 7: waiting for a change")
        greet(service, "up again")
        becomes(port, "up again")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_nothing_is_left_when_it_is_interrupted(
    service: Path, layout: Path, port: int, number: int, status: int
) -> None:
    with watched(service, layout) as watching:
        assert answer(port) == "one"
        assert run_of(layout)
        assert watching.interrupt(number) == status
        assert run_of(layout) == []
        with socket.socket() as asking:
            assert asking.connect_ex(("127.0.0.1", port)) != 0
    assert watching.text().endswith("stopped\n")
    assert not [path for path in layout.rglob(".*") if path.name not in (".lock", ".known")]


def test_an_interruption_in_the_middle_of_a_build_leaves_nothing(service: Path, layout: Path, tmp_path: Path) -> None:
    (service / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n'
        '[project]\nname = "service"\nversion = "1"\n[project.scripts]\nservice = "main:main"\n'
    )
    (service / "slow.py").write_text(
        f"import pathlib, time\n\ndef build_wheel(*_):\n    pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n"
        "    time.sleep(600)\n"
    )
    with watched(service, layout) as watching:
        watching.until(lambda _: (tmp_path / "begun").exists())
        os.kill(watching.process.pid, signal.SIGINT)
        for child in children(watching.process.pid):  # a terminal sends it to all
            os.kill(child, signal.SIGINT)
        assert watching.process.wait(60) == 0
    assert "service" not in (layout / "index.json").read_text()


def children(process: int) -> list[int]:
    return [
        int(child) for path in Path(f"/proc/{process}/task").glob("*/children") for child in path.read_text().split()
    ]


def test_ctrl_c_on_a_terminal_ends_it(service: Path, layout: Path, port: int) -> None:
    main, other = pty.openpty()
    log = layout.parent / "terminal.log"
    child = os.fork()
    if not child:
        _login_tty(other)
        words = [sys.executable, "-m", "bivy", "app", str(service), "--output", str(layout), "--watch"]
        os.execv(sys.executable, words)
    os.close(other)
    try:
        assert answer(port) == "one"
        os.write(main, b"\x03")
        with log.open("wb") as file, contextlib.suppress(OSError):
            while piece := os.read(main, 1 << 16):
                file.write(piece)
    finally:
        os.close(main)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, log.read_text()
    assert run_of(layout) == []
    assert "stopped" in log.read_text()
    assert "Traceback" not in log.read_text()


def _login_tty(terminal: int) -> None:
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for stream in range(3):
        os.dup2(terminal, stream)


def test_a_burst_of_changes_makes_one_image(service: Path, layout: Path, port: int) -> None:
    with watched(service, layout) as watching:
        assert answer(port) == "one"
        for number in range(40):
            (service / f"module{number}.py").write_text(f"NUMBER = {number}\n")
            (service / "greeting.new").write_text(f'TEXT = "{number}"\n')
            (service / "greeting.new").rename(service / "greeting.py")
        becomes(port, "39")
        text = watching.said("greeting.py, module0.py, module1.py and 38 more changed: service:0 made again")
        assert text.count("made again") == 1


def test_what_is_no_part_of_the_project_makes_no_image(service: Path, port: int, layout: Path) -> None:
    (service / ".gitignore").write_text("*.log\n/data/\n")
    inside = service / "images"
    layout.rename(inside)
    (service / "data").mkdir()
    with watched(service, inside, "--sbom", str(service / "list.json")) as watching:
        assert answer(port) == "one"
        write_files(service, {"a.log": "a", "data/b": "b", "__pycache__/c.pyc": "c", ".env": "SECRET=1", "dist/d": ""})
        time.sleep(1)
        greet(service, "two")
        becomes(port, "two")
        text = watching.said("greeting.py changed: service:0 made again")
        assert text.count("changed") == 1
        assert "added" not in text


def test_two_watches_of_one_project_do_not_disturb_each_other(layout: Path, port: int, tmp_path: Path) -> None:
    package = write_files(
        tmp_path / "service",
        {"greeting.py": 'TEXT = "one"\n', "server.py": SERVER, "pyproject.toml":
         '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
         '[project]\nname = "service"\nversion = "1"\n[tool.hatch.build.targets.wheel]\n'
         'only-include = ["greeting.py", "server.py"]\n[tool.bivy]\nmodule = "server"\n'},
    )  # fmt: skip
    other = free_port()
    with watched(package, layout, "--run", f"-e PORT={port}") as first:  # noqa: SIM117
        with watched(package, layout, "--run", f"-e PORT={other}") as second:
            assert (answer(port), answer(other)) == ("one", "one")
            for text in ("two", "three", "four"):
                greet(package, text)
                becomes(port, text)
                becomes(other, text)
            (package / "pyproject.toml").write_text(
                (package / "pyproject.toml").read_text().replace('version = "1"', 'version = "2"')
            )
            first.said("pyproject.toml changed: service:2 made again")
            second.said("pyproject.toml changed: service:2 made again")
            assert (answer(port), answer(other)) == ("four", "four")
            assert "no image" not in first.text() + second.text()


def test_options_of_run_reach_what_is_started(service: Path, layout: Path, tmp_path: Path, port: int) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "text").write_text("from outside")
    (service / "greeting.py").write_text('import os\nTEXT = os.environ["WHO"] + open("/data/text").read()\n')
    options = f"-e 'WHO=somebody ' --volume {tmp_path / 'data'}:/data:ro"
    with watched(service, layout, "--run", options):
        assert answer(port) == "somebody from outside"


def test_changes_are_found_by_looking_where_the_kernel_does_not_tell(service: Path, layout: Path, port: int) -> None:
    with watched(service, layout, environment={"WATCHFILES_FORCE_POLLING": "1"}):
        assert answer(port) == "one"
        greet(service, "two")
        becomes(port, "two")


def test_a_script_is_watched_by_itself(layout: Path, tmp_path: Path) -> None:
    script = write_files(tmp_path / "jobs", {"job.py": "print('first')\n"}) / "job.py"
    with watched(script, layout) as watching:
        watching.said("first", "the program ended with status 0: waiting for a change")
        (tmp_path / "jobs" / "other.py").write_text("")
        (tmp_path / "jobs" / "job.new").write_text("print('second')\n")
        (tmp_path / "jobs" / "job.new").rename(script)  # as many editors write
        text = watching.said("second", "job.py changed: job:0 made again")
        assert "other.py" not in text
