"""What a package, or a person, asks for: a name, a version that it has to have, or that it must not be there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bivy.apk import version as versions
from bivy.apk.errors import ApkError

# As apk-tools 2.14 reads it (package.c): `!`, a name, `@` and a tag, signs and a version. `><` is followed by the
# checksum of one package, which is how a package that was added by its file's path is kept in the world.
_FORM = re.compile(r"(?P<not>!?)(?P<name>[^<>=~@!\s]+)(?:@(?P<tag>[^<>=~@\s]+))?(?:(?P<sign>[<>=~]+)(?P<version>\S+))?")
_AFTER_NAME = re.compile(r"[@<>=~]")
_SIGNS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "<=": "<=", "=<": "<=", ">=": ">=", "=>": ">=", "~": "~", "=~": "~",
    "~=": "~", "<~": "<~", "~<": "<~", ">~": ">~", "~>": ">~", "><": "><", "<>": "><",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dependency:
    """One thing that is asked for.

    Attributes:
        name: A package's name, or what packages provide: ``so:libz.so.1``, ``cmd:bash``.
        operator: ``=``, ``<``, ``>``, ``<=``, ``>=``, ``~``, ``<~``, ``>~``, ``><``; empty where any version does.
        version: The version after the operator; for ``><`` a checksum (``Q1…``); empty without one.
        conflict: Whether it must not be there (``!name``).
        tag: The tag of the repository that it is to come from (``name@edge``), empty for any without one.
    """

    name: str
    operator: str = ""
    version: str = ""
    conflict: bool = False
    tag: str = ""

    def __str__(self) -> str:
        tag = f"@{self.tag}" if self.tag else ""
        return f"{'!' if self.conflict else ''}{self.name}{tag}{self.operator}{self.version}"


def parse_dependency(text: str) -> Dependency:
    """Read one word of a world, of a package's dependencies, or of a command line.

    Raises:
        ApkError: It is not one.
    """
    match = _FORM.fullmatch(text)
    operator = _SIGNS.get(match["sign"] or "") if match else None
    if match is None or (match["sign"] and operator is None):
        raise ApkError(f"{text!r} is not a package or a dependency", hint="such as bash, bash>=5.2, bash~5, !bash")
    version = match["version"] or ""
    if operator and operator != "><" and not versions.is_valid(version):
        raise ApkError(f"{text!r}: {version!r} is not a version", hint="a version is like 1.2.3b_rc1-r4")
    return Dependency(match["name"], operator or "", version, bool(match["not"]), match["tag"] or "")


def name_of(text: str) -> str:
    """Return the name in what is asked for or provided: ``zlib>=1.3``, ``!zlib`` and ``zlib=1.3.2`` are ``zlib``."""
    return _AFTER_NAME.split(text.removeprefix("!"), maxsplit=1)[0]


def provided(text: str) -> tuple[str, str]:
    """Split what a package provides: ``so:libz.so.1=1.3.2`` is its name and its version, which may be empty."""
    name, _, version = text.partition("=")
    return name, version
