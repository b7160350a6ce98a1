"""The tests run, a sandbox for each file of them, and a report is made of what came of it."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import posixpath
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.errors import BivyError, UsageError
from bivy.files import read_noted, scratch_folder, write_whole
from bivy.progress import Outcome, Silent, under_way
from bivy.tables import nearest
from bivy.threads import StoppedError, side_by_side
from bivy.verify.suite.known import compare, known_for, left_out, read_known
from bivy.verify.suite.report import FileOutcome, Status, SuiteReport
from bivy.verify.suite.results import outcome_of
from bivy.verify.suite.room import OUT, Room, opened_room, program, with_bytecode, with_tests
from bivy.verify.suite.tree import FOLDER, unpacked_tests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.verify.suite.known import Known

PATIENCE: Final = 600
"""Seconds that a file may take, after which regrtest says where it is and ends."""
_GRACE: Final = 60
RESOURCES: Final = "curses,decimal,subprocess,tzdata,walltime"
"""What tests may use that regrtest does not let them by itself: no other machine, screen or sound, no hours."""
MORE_RESOURCES: Final = {"test_socketserver": "network"}
"""Files that ask for more: this one means loopback by the network."""
TERMINAL: Final = "xterm"
"""The terminal that tests of curses and of the interactive interpreter make themselves."""
_OPTIONS: Final = ("-W", "default", "-bb")
"""Python's options, those of regrtest's --fast-ci (libregrtest/main.py, _add_python_opts)."""
_MOST_LOG: Final = 1 << 20
_MOST_RECORD: Final = 1 << 26
# From so many files on it pays to compile everything first, in some twelve seconds.
_MANY: Final = 20


@dataclass(frozen=True, slots=True)
class _Run:
    """What all files of a run share."""

    room: Room
    work: Path
    kept: Path
    known: Sequence[Known]
    patience: float
    progress: Progress
    stop: threading.Event = field(default_factory=threading.Event)


def run_suite(
    image: Image,
    *,
    where: str,
    cache: Path,
    tests: Sequence[str] = (),
    jobs: int = 2,
    resume: bool = False,
    known: Sequence[Known] | None = None,
    tree: Path | None = None,
    patience: float = PATIENCE,
    progress: Progress | None = None,
) -> SuiteReport:
    """Run CPython's own test suite in an image, and compare what fails with what is known to.

    What fails without being known to is run again, alone, when all others are done: on a machine that is busy,
    tests that wait for something fail now and then. Ctrl-C ends the run; the report then says what did not run. What
    came of each file is kept, with its log, in ``suite/DIGEST`` below the cache.

    Args:
        image: The image.
        where: What the person calls it.
        cache: bivy's cache folder.
        tests: Files of tests, as regrtest names them, or packages of them; none for all.
        jobs: How many files run at once.
        resume: Whether what is kept of an earlier run in the same image counts.
        known: What is known to fail; ``None`` for bivy's own list.
        tree: The folder of tests; ``None`` for those of the pinned source of the image's version.
        patience: Seconds that a file may take.
        progress: Who watches.

    Raises:
        UsageError: There is no such test, or no pinned source of the image's version.
        BivyError: No sandbox can be had, the image does not run here or has no Python, or the source cannot be had.
    """
    watcher = progress or Silent()
    entries = read_known() if known is None else known
    started, begun = dt.datetime.now(dt.UTC), time.monotonic()
    with scratch_folder(cache / "work", "suite-") as scratch, opened_room(image, cache, scratch) as bare:
        version, library = _python_of(bare)
        folder = tree or unpacked_tests(version, cache=cache, progress=watcher)
        room = with_tests(bare, folder, f"{library}/test")
        names = _chosen(_all_files(room), tests)
        kept = cache / FOLDER / image.digest.removeprefix("sha256:")
        kept.mkdir(parents=True, exist_ok=True)
        if len(names) > _MANY and room.root.layered:
            room = _compiled(room, library, scratch, watcher)
        entries = known_for(version, entries)
        run = _Run(room, scratch, kept, entries, patience, watcher)
        done = _run_all(run, names, jobs, _kept(kept, names) if resume else {})
    files = tuple(done.get(name) or FileOutcome(name, Status.NOT_RUN) for name in names)
    new, expected, passing = compare(files, entries)
    return SuiteReport(
        image=where,
        digest=image.digest,
        platform=image.config.platform,
        version=version,
        date=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=round(time.monotonic() - begun, 1),
        files=files,
        new=new,
        known=expected,
        passing=passing,
        whole=not tests,
    )


def _python_of(room: Room) -> tuple[str, str]:
    """Ask the image which Python it has, and where its standard library is."""
    asked = "import platform, sysconfig; print(platform.python_version(), sysconfig.get_path('stdlib'))"
    words = _ask(room, ["python3", "-c", asked], "its Python does not say its version").split()
    if len(words) != 2 or not words[1].startswith("/") or words[1] != posixpath.normpath(words[1]):
        raise BivyError(f"the image's Python says {' '.join(words)!r} where it is asked for its version")
    return words[0], words[1]


def _all_files(room: Room) -> list[str]:
    return _ask(room, ["python3", "-m", "test", "--list-tests"], "regrtest does not list the tests").split()


def _ask(room: Room, words: Sequence[str], fault: str) -> str:
    try:
        done = subprocess.run(
            room.command(words), capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=_GRACE
        )
    except subprocess.TimeoutExpired:
        raise BivyError(f"{fault}: no answer within {_GRACE} seconds") from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise BivyError(": ".join([fault, *last]))
    return done.stdout.decode(errors="replace")


def _chosen(files: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the files that are wanted, in regrtest's order; a package of files means all of them."""
    if not wanted:
        return list(files)
    found: set[str] = set()
    for name in wanted:
        plain = name.removeprefix("test.")
        fitting = [file for file in files if f"{file.removeprefix('test.')}.".startswith(f"{plain}.")]
        if not fitting:
            near = nearest(name, files)
            raise UsageError(
                f"CPython has no tests {name!r}{near}", hint="they are called as python -m test lists them"
            )
        found.update(fitting)
    return [file for file in files if file in found]


def _compiled(room: Room, library: str, scratch: Path, progress: Progress) -> Room:
    bytecode = scratch / "bytecode"
    bytecode.mkdir()
    words = ["python3", "-c", program("compiler"), OUT, library]
    command = room.command(words, bytecode)
    with (
        under_way(progress, "compile the standard library and its tests"),
        contextlib.suppress(subprocess.TimeoutExpired),  # what is not compiled, Python compiles itself
    ):
        subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=PATIENCE)
    return with_bytecode(room, bytecode)


def _run_all(run: _Run, names: Sequence[str], jobs: int, before: Mapping[str, FileOutcome]) -> dict[str, FileOutcome]:
    """Run files side by side, and those again, one after the other, that failed as they are not known to."""
    done = dict(before)

    def one(name: str) -> None:
        done[name] = _run_file(run, name)

    with contextlib.suppress(KeyboardInterrupt):
        side_by_side(one, [name for name in names if name not in done], jobs, run.stop)
        for name in [name for name in names if _surprises(done[name], run.known) and name not in before]:
            done[name] = _again(done[name], _run_file(run, name))
    return done


def _surprises(file: FileOutcome, known: Sequence[Known]) -> bool:
    return file.status is not Status.SKIPPED and bool(compare([file], known)[0])


def _again(first: FileOutcome, second: FileOutcome) -> FileOutcome:
    failed = {fault.name for fault in second.faults}
    return replace(second, again=tuple(dict.fromkeys(f.name for f in first.faults if f.name not in failed)))


def _run_file(run: _Run, name: str) -> FileOutcome:
    """Run a file of tests in a sandbox of its own."""
    key = f"test {name.removeprefix('test.')}"
    run.progress.begin(key)
    try:
        outcome = _outcome(run, name)
    except BaseException:
        run.progress.end(key, Outcome.STOPPED)
        raise
    write_whole(run.kept / f"{name}.json", msgspec.json.encode(outcome))
    good = not compare([outcome], run.known)[0]
    word = "failed as known" if good and outcome.status is Status.FAILED else outcome.status.value
    run.progress.end(key, Outcome.DONE if good else Outcome.FAILED, f"{word}, {outcome.seconds} s")
    return outcome


def _outcome(run: _Run, name: str) -> FileOutcome:
    resources = ",".join(filter(None, [RESOURCES, MORE_RESOURCES.get(name)]))
    ignored = [word for pattern in left_out(run.known) for word in ("--ignore", pattern)]
    options = ["-u", resources, "--timeout", str(run.patience), "-v", *ignored]
    words = ["python3", *_OPTIONS, "-c", program("recorder"), *options, name]
    log = run.kept / f"{name}.log"
    begun = time.monotonic()
    with scratch_folder(run.work, f"{name}-") as out:
        command = run.room.command(words, out, BIVY_SUITE_RECORD=f"{OUT}/record", TERM=TERMINAL)
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
            status = _ended(process, run.patience + _GRACE, run.stop)
        record = out / "record"
        # It is the sandbox's to write: what is not a plain file of its own is not read.
        said = _tail(record, _MOST_RECORD) if record.is_file() and not record.is_symlink() else b""
    seconds = time.monotonic() - begun
    return outcome_of(name, said, _tail(log, _MOST_LOG).decode(errors="replace"), status, seconds)


def _ended(process: subprocess.Popen[bytes], patience: float, stop: threading.Event) -> int | None:
    """Wait for a process and return its exit status; ``None`` where it was ended for taking too long.

    Raises:
        StoppedError: The person ended the run.
    """
    deadline = time.monotonic() + patience
    try:
        while time.monotonic() < deadline:
            if stop.is_set():
                raise StoppedError
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(0.1)
        return None
    finally:
        if process.poll() is None:
            # Its children are the sandbox's, which end with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _tail(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - most))
        return file.read(most)


def _kept(folder: Path, names: Sequence[str]) -> dict[str, FileOutcome]:
    """Read what came of files in an earlier run; what cannot be read did not run."""
    outcomes = {name: read_noted(folder / f"{name}.json", FileOutcome) for name in names}
    return {name: outcome for name, outcome in outcomes.items() if outcome}
