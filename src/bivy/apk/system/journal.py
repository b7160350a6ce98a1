"""The journal of a transaction: what is to be done, so that it can be finished, or undone, after an interruption.

It is a file in apk's database, in lines of fields with tabs between them. As long as it is called ``journal.new``, what
exists is untouched, and what the steps name as staged may be removed. As ``journal`` it says what has to be done still;
each step can be done again. The line of marks has a letter for each step, which is overwritten in place, so that this
needs no space.
"""

from __future__ import annotations

import contextlib
import enum
import os
from dataclasses import dataclass, fields

from bivy.apk.errors import ApkError
from bivy.apk.system.root import DATABASE, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bivy.apk.system.root import Root

PREPARED = f"{DATABASE}/journal.new"
DECIDED = f"{DATABASE}/journal"
_FIRST = "bivy apk journal 1\n"
_LAST = "end"
_LIST = "\x1f"
NOT_YET, DONE, FAILED = "-", "d", "f"
UNRECORDED = "-"
"""Instead of a checksum: the database does not know the path."""


class Action(enum.Enum):
    """What a step does.

    SAY: Tell the person `path`, a line of text.
    FOLDER: Make the folder `path` while staging.
    SCRIPT: Run the staged script `temporary`, called `path`, with `arguments`.
    PUT: Give the staged file `temporary` its place `path`.
    REMOVE: Remove the file `path`.
    LEAVE: Remove the folder `path` if it is empty.
    OWN: Note whose the folder `path` is in the record of its package.
    ACCESS: Give the folder `path` the owner and mode that its packages say.
    SWITCH: Give the database's staged file `temporary` its place `path`.
    """

    SAY = "say"
    FOLDER = "folder"
    SCRIPT = "script"
    PUT = "put"
    REMOVE = "remove"
    LEAVE = "leave"
    OWN = "own"
    ACCESS = "access"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        action: What.
        path: Where, relative to the root, or what `action` says.
        package: The checksum of the package whose record tells if it fails.
        temporary: The staged file's path.
        checksum: What the database says of the new content (PUT), or of the one to remove.
        known: What the database said of this path before: a checksum, empty where it had none, UNRECORDED.
        guarded: Whether a file that a person changed stays.
        mode: Permission bits.
        uid: Number of the user that owns it, as far as that was known when it was planned.
        gid: Number of the group.
        user: Name of the user, where there may be another number for it once scripts have run.
        group: Name of the group, likewise.
        chown: Whether things are given to their owners.
        discard: Whether the new file is dropped where the one that is there stays, rather than put beside it.
        arguments: The words that a script is called with.
    """

    action: Action
    path: str
    package: str = ""
    temporary: str = ""
    checksum: str = ""
    known: str = UNRECORDED
    guarded: bool = False
    mode: int = 0
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    chown: bool = True
    discard: bool = False
    arguments: tuple[str, ...] = ()


_NUMBERS = ("mode", "uid", "gid")
_TRUTHS = ("guarded", "chown", "discard")
_NAMES = tuple(field.name for field in fields(Step))


def _line(step: Step) -> str:
    values = {name: getattr(step, name) for name in _NAMES}
    values |= {"action": step.action.value, "arguments": _LIST.join(step.arguments)}
    line = "\t".join("" if value is False else str(value) for value in values.values())
    if line.count("\t") != len(_NAMES) - 1 or "\n" in line:
        raise ApkError(f"{step.path!r} has a control character in it")
    return line


def _parse(line: str) -> Step:
    values: dict[str, str] = dict(zip(_NAMES, line.split("\t"), strict=True))
    numbers = {name: int(values.pop(name)) for name in _NUMBERS}
    truths = {name: bool(values.pop(name)) for name in _TRUTHS}
    action, arguments = values.pop("action"), values.pop("arguments")
    words = tuple(arguments.split(_LIST)) if arguments else ()
    return Step(Action(action), **values, **numbers, **truths, arguments=words)  # type: ignore[arg-type] # by type


def prepare(root: Root, steps: Sequence[Step]) -> int:
    """Write the journal of what will be staged, and return its open file.

    Raises:
        OSError: It cannot be written.
    """
    lines = [_FIRST + NOT_YET * len(steps), *map(_line, steps), _LAST, ""]
    folder, name = root.place(PREPARED)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        write_all(descriptor, "\n".join(lines).encode(errors="surrogateescape"))
    except OSError:
        os.close(descriptor)
        os.unlink(name, dir_fd=folder)
        raise
    return descriptor


def decide(root: Root, journal: int) -> None:
    """Make the prepared journal the one that has to be followed: all that is staged will take its place.

    Raises:
        OSError: It could not be made durable; nothing is decided.
    """
    os.fsync(journal)
    folder, name = root.place(PREPARED)
    os.rename(name, DECIDED.rpartition("/")[2], src_dir_fd=folder, dst_dir_fd=folder)


def mark(journal: int, index: int, letter: str) -> None:
    """Note that a step is done."""
    with contextlib.suppress(OSError):
        os.pwrite(journal, letter.encode(), len(_FIRST) + index)


def remove(root: Root, path: str) -> None:
    """Remove a journal that has been followed or undone."""
    folder, name = root.place(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def read_prepared(root: Root) -> list[Step]:
    """Return the steps of a journal that was not decided; it may have been cut off before anything was staged."""
    steps: list[Step] = []
    for line in (root.read(PREPARED) or b"").decode(errors="surrogateescape").split("\n")[2:]:
        with contextlib.suppress(ValueError, TypeError):
            steps.append(_parse(line))
    return steps


def read_decided(root: Root) -> tuple[list[Step], str] | None:
    """Return the steps of the journal that has to be followed, and their marks; ``None`` where there is none.

    Raises:
        ApkError: It is damaged.
    """
    content = root.read(DECIDED)
    if content is None:
        return None
    lines = content.decode(errors="surrogateescape").split("\n")
    try:
        steps = [_parse(line) for line in lines[2:-2]]
    except (ValueError, TypeError):
        steps = []
    if f"{lines[0]}\n" != _FIRST or lines[-2:] != [_LAST, ""] or len(steps) != len(lines[1]):
        raise ApkError(
            f"{DECIDED}, which says how to finish what an interrupted apk began, is damaged",
            hint="remove it, then apk fix --reinstall the packages that were being installed",
        )
    return steps, lines[1]
