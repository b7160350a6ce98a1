"""The sandbox that a file of tests runs in: the image, the tests, an ordinary user, no network but loopback."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError
from bivy.run.container import arguments, opened_root, overlay
from bivy.run.inside import Inside, read_text
from bivy.run.options import RunOptions, Volume, plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bivy.oci.image import Image
    from bivy.run.container import Root

HOSTNAME: Final = "bivy"
OUT: Final = "/bivy/out"
"""Where a program in the sandbox leaves what the host is to read."""
_USER: Final = "1000:1000"
_HOME: Final = "/home/bivy"
# What docker gives a container: names for loopback and for itself. Without a name server musl asks 127.0.0.1, and
# waits for ten seconds.
_FILES: Final = {
    "/etc/hosts": f"127.0.0.1\tlocalhost {HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback {HOSTNAME}\n",
    "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
}
_ACCOUNTS: Final = {
    "/etc/passwd": f"bivy:x:1000:1000:Runs the tests:{_HOME}:/bin/sh\n",
    "/etc/group": "bivy:x:1000:bivy\n",
}


@dataclass(frozen=True, slots=True)
class Room:
    """What all sandboxes of a run share.

    Attributes:
        image: The image.
        root: Its files on disk.
        files: Files of the sandbox's own that lie over the image's: the path inside, and the path on the machine.
        overlays: Folders that are seen inside as one: the path inside, and the folders, the lowest first.
        above: Folders whose files are laid over the image's.
    """

    image: Image
    root: Root
    files: dict[str, Path]
    overlays: dict[str, tuple[Path, ...]]
    above: tuple[Path, ...] = ()

    def command(self, words: Sequence[str], out: Path | None = None, **variables: str) -> list[str]:
        """Return the command line that runs a command of the image's inside.

        The user is an ordinary one: for root many tests are skipped, and a sandbox's root cannot give files away,
        which others take for granted. /tmp is a file system of its own, because on one that is laid over another a
        file's device differs from its folder's.

        Args:
            words: The command.
            out: The folder that `OUT` is.
            variables: Variables besides the image's.

        Raises:
            BivyError: The image has no such command.
        """
        volumes = [Volume(source, target, writable=False) for target, source in self.files.items()]
        if out is not None:
            volumes.append(Volume(out, OUT))
        options = RunOptions(
            command=tuple(words),
            environment=tuple(variables.items()),
            volumes=tuple(volumes),
            user=_USER,
            entrypoint="",
            network="none",
            hostname=HOSTNAME,
        )
        inside = Inside(self.root.folder)
        planned = plan(
            self.image.config,
            options,
            passwd=self.files["/etc/passwd"].read_text(),
            group=self.files["/etc/group"].read_text(),
            hostname=HOSTNAME,
        )
        layered = self.root.layered
        start = arguments(planned, options, inside, hostname=HOSTNAME, layered=layered, above=self.above)
        shown = [word for target, sources in self.overlays.items() for word in overlay(sources, target)]
        own = ["--perms", "1777", "--tmpfs", "/tmp", "--perms", "0755", "--tmpfs", _HOME]  # noqa: S108
        end = ["--new-session", "--die-with-parent", "--", *planned.argv]
        return [str(self.root.bubblewrap), *start, *shown, *own, *end]


@contextlib.contextmanager
def opened_room(image: Image, cache: Path, scratch: Path) -> Iterator[Room]:
    """Make the sandbox of an image, without tests.

    Args:
        image: The image.
        cache: bivy's cache folder.
        scratch: A folder for as long as the block lasts.

    Raises:
        BivyError: No sandbox can be had here, or the image does not run on this machine.
    """
    with opened_root(image, cache, "CPython's test suite") as root:
        files = {}
        inside = Inside(root.folder)
        # First, since an image may have given the number away.
        contents = _FILES | {name: line + read_text(inside, name) for name, line in _ACCOUNTS.items()}
        for name, content in contents.items():
            files[name] = scratch / name.rpartition("/")[2]
            files[name].write_text(content)
        yield Room(image, root, files, {})


def with_tests(room: Room, tests: Path, target: str) -> Room:
    """Return a sandbox with tests in it.

    Args:
        room: The sandbox.
        tests: The folder of tests.
        target: Where they are seen.

    Raises:
        BivyError: They cannot be copied to where they are needed.
    """
    if room.root.layered:
        return Room(room.image, room.root, room.files, {target: (tests,)}, room.above)
    # An old kernel lays nothing over another thing: then the files on disk are for this run alone.
    place = Inside(room.root.folder).outside(target)
    try:
        shutil.copytree(tests, place, dirs_exist_ok=True, symlinks=True)
    except (OSError, shutil.Error) as fault:
        raise BivyError(f"cannot copy the tests to {place}: {fault}") from None
    return room


def with_bytecode(room: Room, bytecode: Path) -> Room:
    """Return a sandbox with bytecode laid over its files, which `bivy.verify.suite.inside.compiler` wrote."""
    overlays = {}
    for target, sources in room.overlays.items():
        compiled = bytecode / target.lstrip("/")
        # The image's Python wrote it, and a link in the place of a folder would show what is on the machine.
        honest = compiled.is_dir() and compiled.resolve() == bytecode.resolve() / target.lstrip("/")
        overlays[target] = (*sources, compiled) if honest else sources
    return Room(room.image, room.root, room.files, overlays, (*room.above, bytecode))


def program(name: str) -> str:
    """Return the text of one of the programs that run inside."""
    return resources.files("bivy.verify.suite.inside").joinpath(f"{name}.py").read_text()
