"""A project's image is made again, and what runs of it started again, each time that a file of the project changes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NoReturn, Self

from bivy.apk.errors import ApkError
from bivy.app.alarm import Alarm
from bivy.app.make import make_app
from bivy.app.sight import look_at, spell_changes, with_beside
from bivy.arch import build_machine
from bivy.errors import BivyError
from bivy.oci.layout import read_image
from bivy.run.container import unpack_ahead
from bivy.run.unpacked import forget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from bivy.app.make import MadeApp, Wish
    from bivy.oci.image import Image
    from bivy.progress import Outcome, Progress

GRACE: Final = 10.0
"""The seconds that a program has to end in when it is asked to, as in ``docker stop``."""
_LAST: Final = 5.0


@dataclass(frozen=True, slots=True)
class Manner:
    """How a watch shows itself, and starts what it made.

    Attributes:
        words: Returns the command that starts an image, by its name and platform. It has to end with what it started
            when it gets SIGTERM, and its children are what has to be killed where it does not.
        progress: Gives who watches a build; told whether the program runs meanwhile and may write to the same place.
        say: Shows one line.
        blame: Shows a fault.
    """

    words: Callable[[str, str], Sequence[str]]
    progress: Callable[[bool], AbstractContextManager[Progress]]
    say: Callable[[str], None]
    blame: Callable[[Exception], None]


def watch(wish: Wish, manner: Manner, *, cache: Path, jobs: int) -> NoReturn:
    """Make a project's image and start it; and again, each time that one of the project's files changes.

    What runs is only stopped when there is another image to take its place. A build that fails is shown, and so is a
    program that ends by itself; the next change tries again. It goes on until it is interrupted, and then stops what
    runs.

    Args:
        wish: What is wanted; to resolve anew or to write a lock is done once.
        manner: How that shows, and how an image is started.
        cache: bivy's cache folder.
        jobs: How many processes work at once.

    Raises:
        KeyboardInterrupt: It was interrupted; nothing of it runs any more.
    """
    happened: SimpleQueue[_Ended | None] = SimpleQueue()
    alarm = Alarm(lambda: happened.put(None), manner.say)
    with contextlib.closing(alarm), _Program(happened.put, manner.say) as program:
        run = _Run(wish, manner, program, cache, jobs)
        before = None
        while True:
            beside = run.beside
            seen = look_at(wish.where, wish.told, before, wish.sbom)
            now = with_beside(seen, beside)
            alarm.watch(now.folders)
            if before is None or now.differs(before):
                run.build(spell_changes(before, now) if before else "")
            if run.beside != beside:  # only now it is known where to look, too
                now = with_beside(seen, run.beside)
                alarm.watch(now.folders)
            before = now
            ended = happened.get()
            if ended and program.is_current(ended.process):
                manner.say(f"the program ended with status {ended.status}: waiting for a change")


@dataclass(slots=True)
class _Run:
    """What has been made so far, and what is done for a change."""

    wish: Wish
    manner: Manner
    program: _Program
    cache: Path
    jobs: int
    image: Image | None = None
    beside: tuple[str, ...] = ()
    said: set[str] = field(default_factory=set)

    def build(self, what: str) -> None:
        """Make the image, and start it where it is another one.

        Args:
            what: What changed; empty for the first time.
        """
        started = time.monotonic()
        try:
            made, image = self._made()
        except (BivyError, ApkError, OSError) as fault:
            self.manner.blame(fault)
            left = "what runs is left as it is" if self.program.runs else "waiting for a change"
            self.manner.say(
                f"{what}, and no image could be made: {left}" if what else f"no image could be made: {left}"
            )
            return
        took = f"{time.monotonic() - started:.2f} s"
        if self.image and self.image.digest == image.digest and self.program.runs:
            self.manner.say(f"{what}: the image is the same, and runs on")
            return
        self.program.stop()
        if self.image and self.image.digest != image.digest:
            forget(self.image, self.cache)
        self.image = image
        self.manner.say(f"{what}: {made.name} made again in {took}, started again" if what else
                        f"{made.name} made in {took}, started: {' '.join(made.start)}")  # fmt: skip
        self.program.start(self.manner.words(made.name, image.config.platform))

    def _made(self) -> tuple[MadeApp, Image]:
        with self.manner.progress(self.program.runs) as progress:
            once = _Once(progress, self.said)
            made = make_app(self.wish, cache=self.cache, jobs=self.jobs, progress=once)
            self.wish = replace(self.wish, lock=False, upgrade=False)
            self.beside = made.beside
            platforms = [each.platform for each in made.images]
            own = build_machine().platform
            image = read_image(self.wish.output, made.name, own if own in platforms else platforms[0])
            # While the one before still runs: to unpack takes longer than to start.
            unpack_ahead(image, self.cache)
            return made, image


@dataclass(frozen=True, slots=True)
class _Ended:
    process: subprocess.Popen[bytes]
    status: int


class _Program:
    """What runs: one process at a time, in a session of its own, so that what a terminal sends does not reach it.

    Args:
        tell: Called, from another thread, when it ended.
        say: Called with what a person ought to know.
    """

    def __init__(self, tell: Callable[[_Ended], None], say: Callable[[str], None]) -> None:
        self._tell = tell
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._gone = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except KeyboardInterrupt:  # a second time: somebody is in a hurry
            self._kill()
            raise

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self._process is not None and not self._gone.is_set()

    def is_current(self, process: subprocess.Popen[bytes]) -> bool:
        """Tell whether a process is the one that was started last, and was not stopped."""
        return process is self._process

    def start(self, words: Sequence[str]) -> None:
        """Start it; it was stopped before."""
        self._gone = threading.Event()
        self._process = subprocess.Popen(words, start_new_session=True)
        threading.Thread(target=self._wait, args=(self._process, self._gone), daemon=True).start()

    def _wait(self, process: subprocess.Popen[bytes], gone: threading.Event) -> None:
        status = process.wait()
        gone.set()
        self._tell(_Ended(process, status if status >= 0 else 128 - status))

    def stop(self) -> None:
        """Ask it to end, and make it end where it does not."""
        if self._process is None:
            return
        self._send(self._process.pid, signal.SIGTERM)
        if not self._gone.wait(GRACE):
            self._say(f"the program did not end within {GRACE:.0f} s of SIGTERM, and was killed")
            self._kill()
        self._process = None

    def _kill(self) -> None:
        """End the sandbox, so that who started it can clean up, and that one itself where it does not end then."""
        if self._process is None:
            return
        pid = self._process.pid
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
                self._send(int(child), signal.SIGKILL)
        if not self._gone.wait(_LAST):
            self._send(pid, signal.SIGKILL)
            self._gone.wait()

    def _send(self, pid: int, number: int) -> None:
        if not self._gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


@dataclass(frozen=True, slots=True)
class _Once:
    """A watcher that is told everything, but says the same thing once: each build has the same notes."""

    progress: Progress
    said: set[str]

    def begin(self, key: str, *, total: int | None = None) -> None:
        self.progress.begin(key, total=total)

    def advance(self, key: str, amount: int) -> None:
        self.progress.advance(key, amount)

    def end(self, key: str, outcome: Outcome, detail: str = "") -> None:
        self.progress.end(key, outcome, detail)

    def say(self, message: str) -> None:
        if message not in self.said:
            self.said.add(message)
            self.progress.say(message)
