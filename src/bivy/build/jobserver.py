"""The cores of the machine, shared by all makes that run at once (GNU make's manual, "POSIX Jobserver Interaction")."""

from __future__ import annotations

import contextlib
import os
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator


class Jobserver:
    """A pipe with a byte in it for each core that is free.

    A build takes one byte for itself while it runs; every make in it takes one more for each further job.

    Attributes:
        jobs: How many jobs may run at once.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._reader, self._writer = os.pipe()
        # Several wait here for one byte, and who is late must not block: a description of our own, since
        # making the one that the makes inherit non-blocking would change it for them too.
        self._own = os.open(f"/proc/self/fd/{self._reader}", os.O_RDONLY | os.O_NONBLOCK)
        os.write(self._writer, b"+" * jobs)

    @property
    def descriptors(self) -> tuple[int, int]:
        """The file descriptors that a make has to inherit."""
        return self._reader, self._writer

    @property
    def makeflags(self) -> str:
        """The MAKEFLAGS that tell a make of this server."""
        return f" -j{self.jobs} --jobserver-auth={self._reader},{self._writer}"

    @contextlib.contextmanager
    def core(self, stopping: threading.Event) -> Iterator[None]:
        """Hold one core, waiting for one to come free; hold none where `stopping` is set first."""
        token = b""
        while not token and not stopping.is_set():
            select.select([self._own], [], [], 0.1)
            with contextlib.suppress(BlockingIOError):
                token = os.read(self._own, 1)
        try:
            yield
        finally:
            os.write(self._writer, token)

    def close(self) -> None:
        """Close the pipe."""
        for descriptor in (self._reader, self._writer, self._own):
            os.close(descriptor)
