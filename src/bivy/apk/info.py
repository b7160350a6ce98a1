"""What a package says of itself: the file ``.PKGINFO``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bivy.apk import version as versions
from bivy.apk.errors import ApkError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class PackageInfo:
    """What a package says of itself.

    Attributes:
        name: Its name.
        version: Its version with the revision: ``1.3.2-r0``.
        arch: Alpine's name of its architecture, or ``noarch``.
        description: What it is, in one line.
        url: Where its project is at home.
        license: Its licence as an SPDX expression.
        origin: The name of the package whose recipe it came from; empty where that is not said.
        commit: The revision of the recipes it was made from, in hexadecimal.
        maintainer: Who looks after it.
        packager: Who made it.
        build_date: When it was made, seconds since 1970.
        installed_size: Bytes that its files take.
        depends: What has to be there with it: ``musl``, ``so:libz.so.1``, ``!other``, ``python3~3.12``.
        provides: What else it stands for: ``so:libz.so.1=1.3.2``, ``cmd:xz=5.8.4-r0``.
        replaces: Packages whose files it may overwrite.
        install_if: When all of these are there, it is wanted too.
        triggers: Folders, with wildcards, at whose change its script ``trigger`` runs.
        provider_priority: Which of several providers is taken, the highest; ``None`` where it does not say.
        replaces_priority: Whose file stays, the highest; ``None`` where it does not say.
        data_hash: SHA-256 of the data segment as it is in the file, in hexadecimal.
    """

    name: str
    version: str
    arch: str
    description: str = ""
    url: str = ""
    license: str = ""
    origin: str = ""
    commit: str = ""
    maintainer: str = ""
    packager: str = ""
    build_date: int = 0
    installed_size: int = 0
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    install_if: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    provider_priority: int | None = None
    replaces_priority: int | None = None
    data_hash: str = ""


# The attribute under each key, in the order in which abuild writes them.
_TEXTS = {
    "pkgname": "name",
    "pkgver": "version",
    "pkgdesc": "description",
    "url": "url",
    "packager": "packager",
    "arch": "arch",
    "origin": "origin",
    "commit": "commit",
    "maintainer": "maintainer",
    "license": "license",
    "datahash": "data_hash",
}
_NUMBERS = {
    "builddate": "build_date",
    "size": "installed_size",
    "replaces_priority": "replaces_priority",
    "provider_priority": "provider_priority",
}
_LISTS = {
    "depend": "depends",
    "provides": "provides",
    "replaces": "replaces",
    "install_if": "install_if",
    "triggers": "triggers",
}
_ORDER = (
    "pkgname", "pkgver", "pkgdesc", "url", "builddate", "packager", "size", "arch", "origin", "commit", "maintainer",
    "replaces_priority", "provider_priority", "license", "replaces", "depend", "install_if", "triggers", "provides",
    "datahash",
)  # fmt: skip
# Left out, apk would call them "(null)" in an index.
_ALWAYS = frozenset({"pkgname", "pkgver", "pkgdesc", "url", "builddate", "size", "arch", "license"})
# apk takes the last line of triggers only, and abuild writes install_if in one too.
_IN_ONE_LINE = frozenset({"install_if", "triggers"})


def _text_of(info: PackageInfo, key: str) -> str:
    value = getattr(info, _TEXTS.get(key) or _NUMBERS[key])
    return "" if value is None else str(value)


def _lines_of(info: PackageInfo, key: str) -> list[str]:
    if key not in _LISTS:
        text = _text_of(info, key)
        return [text] if text or key in _ALWAYS else []
    words: tuple[str, ...] = getattr(info, _LISTS[key])
    for word in words:
        if not word or any(letter.isspace() for letter in word):
            raise ApkError(f"package {info.name}: {key} {word!r} is not one word")
    return [" ".join(words)] if words and key in _IN_ONE_LINE else list(words)


def _check(info: PackageInfo) -> None:
    """Refuse what genuine apk would misread."""
    if not _NAME.fullmatch(info.name):
        raise ApkError(f"{info.name!r} is not a package's name", hint="letters, digits, and . _ + - after the first")
    if not versions.is_valid(info.version):
        raise ApkError(
            f"package {info.name}: {info.version!r} is not a version",
            hint="a version is like 1.2.3b_rc1-r4: numbers, a letter, suffixes, a revision",
        )
    if not _NAME.fullmatch(info.arch):
        raise ApkError(f"package {info.name}: {info.arch!r} is not an architecture")
    if any(number is not None and number < 0 for number in (getattr(info, name) for name in _NUMBERS.values())):
        raise ApkError(f"package {info.name}: a size, date or priority is negative")


def format_pkginfo(info: PackageInfo) -> str:
    """Return the text of ``.PKGINFO`` (apk-package(5) of apk-tools; the order of keys is abuild's).

    Raises:
        ApkError: A value cannot be written so that apk reads the same.
    """
    _check(info)
    lines = [f"{key} = {text}" for key in _ORDER for text in _lines_of(info, key)]
    for line in lines:
        if _CONTROL.search(line):
            raise ApkError(f"package {info.name}: a line break or control character in {line!r}")
    return "".join(f"{line}\n" for line in lines)


def parse_number(text: str, what: str) -> int:
    """Read a number without sign.

    Raises:
        ApkError: It is not one; the message names `what`.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ApkError(f"{what} is {text!r}, not a number")
    return int(text)


def parse_pkginfo(text: str) -> PackageInfo:
    """Read the text of ``.PKGINFO``; comments and unknown keys are passed over, as apk does.

    Raises:
        ApkError: A line is not ``key = value``, a key is there twice or missing, a number is none.
    """
    single: dict[str, str | int] = {}
    several: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        key, separator, value = line.partition(" = ")
        if not separator:
            raise ApkError(f".PKGINFO line {number}: {line!r} is not a key and a value")
        if _CONTROL.search(value):
            raise ApkError(f".PKGINFO line {number}: a control character in {key}")
        if key in _LISTS:
            several[_LISTS[key]] = several.get(_LISTS[key], ()) + tuple(value.split())
            continue
        name = _TEXTS.get(key) or _NUMBERS.get(key)
        if name is None:
            continue
        if name in single:
            raise ApkError(f".PKGINFO line {number}: {key} is there twice")
        single[name] = parse_number(value, f".PKGINFO line {number}: {key}") if key in _NUMBERS else value
    for key in ("pkgname", "pkgver", "arch"):
        if not single.get(_TEXTS[key]):
            raise ApkError(f".PKGINFO has no {key}")
    if not _NAME.fullmatch(str(single["name"])) or "/" in str(single["version"]):
        raise ApkError(f".PKGINFO: {single['name']}-{single['version']} is not a package's name and version")
    return PackageInfo(**single, **several)  # type: ignore[arg-type] # the tables above are by type
