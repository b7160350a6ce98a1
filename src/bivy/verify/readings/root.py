"""Readings of the root: who may write, whose files are, what was left over, and whether links lead somewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from bivy.apk.entry import Kind
from bivy.elf import is_elf
from bivy.verify.paths import matches
from bivy.verify.readings.registry import CannotBeMadeError, Except, NoSettings, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bivy.apk.entry import Entry
    from bivy.verify.subject import Subject

_MOST_WORDS = 3


@reading("world-writable", NoSettings, needs="tree")
def world_writable(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield what everybody may write to; a folder with the sticky bit, such as /tmp, is meant for that."""
    for path, entry in subject.entries.items():
        if entry.kind is Kind.SYMLINK or not entry.mode & 0o002:
            continue
        if entry.kind is not Kind.DIRECTORY or not entry.mode & 0o1000:
            yield f"/{path} has the mode {entry.mode:04o}"


@reading("setuid", NoSettings, needs="tree")
def setuid(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the files that give who runs them the rights of somebody else."""
    for path, entry in subject.entries.items():
        if entry.kind in (Kind.FILE, Kind.HARDLINK) and entry.mode & 0o6000:
            yield f"/{path} is {'setuid' if entry.mode & 0o4000 else 'setgid'} (mode {entry.mode:04o})"
        elif any(name == "security.capability" for name, _ in entry.xattrs):
            yield f"/{path} has capabilities of its own (security.capability)"


@reading("owners", NoSettings, needs="tree")
def owners(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the files whose user or group has no account."""
    users, groups = _numbers(subject, "etc/passwd"), _numbers(subject, "etc/group")
    for path, entry in subject.entries.items():
        if entry.uid not in users:
            yield f"/{path} belongs to user {entry.uid}, who is not in /etc/passwd"
        if entry.gid not in groups:
            yield f"/{path} belongs to group {entry.gid}, which is not in /etc/group"


def _numbers(subject: Subject, path: str) -> set[int]:
    """Return the numbers of the accounts in a file (passwd(5), group(5)); root is always one."""
    lines = (line.split(":") for line in (subject.text(path) or "").splitlines())
    return {0} | {int(words[2]) for words in lines if len(words) > 2 and words[2].isdecimal() and words[2].isascii()}


class LeftoverKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left over, and by what."""

    path: str
    what: str


class Leftovers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files are left over from building an image."""

    files: tuple[LeftoverKind, ...]
    allowed: tuple[Except, ...] = ()


@reading("leftovers", Leftovers, needs="tree")
def leftovers(subject: Subject, settings: Leftovers) -> Iterator[str]:
    """Yield files that only served to build the image, or that running something in it left behind."""
    for path, entry in subject.entries.items():
        if entry.kind is Kind.DIRECTORY or any(matches(path, each.path) for each in settings.allowed):
            continue
        kind = next((kind for kind in settings.files if matches(path, kind.path)), None)
        if kind:
            yield f"/{path}: {kind.what}"


class PathKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Paths that only the builder's machine has.

    Attributes:
        pattern: A regular expression of them.
        what: What they are.
        generated_only: Whether it counts only in files that a build writes: in upstream's sources it is an example.
    """

    pattern: str
    what: str
    generated_only: bool = False

    def __post_init__(self) -> None:
        _examine(self.pattern)


class AllowedPath(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A path that may be in a file, and why."""

    path: str
    pattern: str
    why: str

    def __post_init__(self) -> None:
        _examine(self.pattern)


def _examine(pattern: str) -> None:
    """Refuse what is no regular expression; msgspec tells it with the key."""
    try:
        re.compile(pattern.encode())
    except re.error as fault:
        raise ValueError(f"the pattern {pattern!r} is none: {fault}") from None


class BuilderPaths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which paths give the builder's machine away."""

    paths: tuple[PathKind, ...]
    generated: tuple[str, ...]
    allowed: tuple[AllowedPath, ...] = ()


@reading("builder-paths", BuilderPaths, needs="tree")
def builder_paths(subject: Subject, settings: BuilderPaths) -> Iterator[str]:
    """Yield the files that have absolute paths of the machine that they were built on."""
    everywhere = _any_of([each.pattern for each in settings.paths if not each.generated_only])
    generated = _any_of([each.pattern for each in settings.paths])
    own = [folder.encode() for folder in subject.here]
    for path, entry in subject.entries.items():
        content = entry.content
        if entry.kind is Kind.SYMLINK:
            content = entry.target.encode("utf-8", "surrogateescape")
        elif entry.kind is not Kind.FILE:
            continue
        found = {word for word in own if word in content}
        sought = generated if _is_generated(path, entry, settings) else everywhere
        found |= set(sought.findall(content)) if sought else set()
        words = sorted(word.decode("utf-8", "replace") for word in found)
        words = [word for word in words if not _is_allowed(path, word, settings)]
        if words:
            more = f" and {len(words) - _MOST_WORDS} more" if len(words) > _MOST_WORDS else ""
            yield f"/{path} has {', '.join(words[:_MOST_WORDS])}{more}"


def _any_of(patterns: list[str]) -> re.Pattern[bytes] | None:
    # A path begins where a longer one, a word or a variable does not go on.
    joined = "|".join(f"(?:{pattern})" for pattern in patterns)
    return re.compile(rf"(?<![\w./$)}}~+-])(?:{joined})".encode()) if patterns else None


def _is_generated(path: str, entry: Entry, settings: BuilderPaths) -> bool:
    return (
        is_elf(entry.content) or entry.kind is Kind.SYMLINK or any(matches(path, each) for each in settings.generated)
    )


def _is_allowed(path: str, word: str, settings: BuilderPaths) -> bool:
    return any(matches(path, each.path) and re.fullmatch(each.pattern, word) for each in settings.allowed)


class Links(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where links may lead that nothing is at in the image."""

    later: tuple[Except, ...] = ()


@reading("links", Links, needs="tree")
def links(subject: Subject, settings: Links) -> Iterator[str]:
    """Yield the links that lead nowhere."""
    tree = subject.tree
    if tree is None:
        return
    for path, entry in tree.entries.items():
        if entry.kind is not Kind.SYMLINK or tree.resolve(path) is not None or _leads_to_root(path, entry):
            continue
        if not any(matches(_target(path, entry), each.path) for each in settings.later):
            yield f"/{path} leads to {entry.target or 'nowhere'}, which is not there"


def _target(path: str, entry: Entry) -> str:
    """Return where a link leads by its words alone."""
    import posixpath

    return posixpath.normpath(posixpath.join("/", posixpath.dirname(path), entry.target)).lstrip("/")


def _leads_to_root(path: str, entry: Entry) -> bool:
    return _target(path, entry) in ("", ".")


@reading("passwords", NoSettings, needs="tree")
def passwords(subject: Subject, _settings: NoSettings) -> Iterator[str]:
    """Yield the accounts with a password in the image, or that need none (passwd(5), shadow(5))."""
    accounts = subject.text("etc/passwd")
    if accounts is None:
        raise CannotBeMadeError("it has no /etc/passwd, and so no accounts")
    shadow = dict(_secrets(subject.text("etc/shadow") or ""))
    for name, secret in _secrets(accounts):
        where = "/etc/passwd"
        if secret == "x":  # noqa: S105 - the mark that the password is in /etc/shadow
            if name not in shadow:
                continue
            secret, where = shadow[name], "/etc/shadow"  # noqa: PLW2901
        if not secret:
            yield f"{name} needs no password: the field in {where} is empty"
        elif secret[0] not in "*!":
            yield f"{name} has a password in {where}"


def _secrets(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        if colon and name and not name.startswith("#"):
            yield name, rest.partition(":")[0]
