"""The index of a repository: ``APKINDEX.tar.gz``, what is in it and who signed it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from bivy.apk import segments, tar
from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.apk.info import parse_number
from bivy.apk.sign import check_signatures, read_signed, signature_segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol

    class Described(Protocol):
        """What an index can list: a package, or only what its control segment says."""

        @property
        def info(self) -> PackageInfo:
            """What the package says of itself."""

        @property
        def checksum(self) -> str:
            """What it is known by."""

        @property
        def size(self) -> int:
            """Bytes of its file."""

    from bivy.apk.info import PackageInfo
    from bivy.apk.sign import PublicKey, Signer

_BOUND = 1 << 29


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What an index says of one package.

    Attributes:
        checksum: What the package is known by: ``Q1`` and SHA-1 of its control segment in base64.
        name: Its name.
        version: Its version with the revision.
        arch: Alpine's name of its architecture; empty where it does not say.
        size: Bytes of the package's file.
        installed_size: Bytes that its files take.
        description: What it is, in one line.
        url: Where its project is at home.
        license: Its licence.
        origin: The name of the package whose recipe it came from.
        maintainer: Who looks after it.
        build_date: When it was made, seconds since 1970; 0 where it does not say.
        commit: The revision of the recipes it was made from.
        provider_priority: Which of several providers is taken, the highest; 0 where it does not say.
        depends: What has to be there with it.
        provides: What else it stands for.
        install_if: When all of these are there, it is wanted too.
        unknown: Fields that are none of these, as pairs of letter and text, in order.
    """

    checksum: str
    name: str
    version: str
    arch: str = ""
    size: int = 0
    installed_size: int = 0
    description: str = ""
    url: str = ""
    license: str = ""
    origin: str = ""
    maintainer: str = ""
    build_date: int = 0
    commit: str = ""
    provider_priority: int = 0
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    install_if: tuple[str, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class IndexText:
    """An index that was checked, and not yet taken apart.

    Attributes:
        text: Its ``APKINDEX``.
        description: Its ``DESCRIPTION``: what the repository calls itself, such as its version.
        signed_by: The name of the key that it is signed by; empty where that was not asked.
    """

    text: str
    description: str
    signed_by: str


# The letter of each attribute; the order of the attributes is that in which apk writes the letters.
_LETTERS = dict(zip((field.name for field in fields(IndexEntry)), "CPVASITULomtckDpi", strict=False))
_NAMES = {letter: name for name, letter in _LETTERS.items()}
_NUMBERS = frozenset("SItk")
_LISTS = frozenset("Dpi")
_ALWAYS = frozenset("CPVSITUL")
# The fields of a package as it usually is, and the numbers in it, as parse_number takes them.
_USUAL = frozenset(f"{letter}:" for letter in _NAMES)
_FOUR_NUMBERS = re.compile(" ".join(["[0-9]{1,18}"] * 4))


def index_entry(package: Described) -> IndexEntry:
    """Return what an index says of a package."""
    info = package.info
    return IndexEntry(
        checksum=package.checksum,
        name=info.name,
        version=info.version,
        arch=info.arch,
        size=package.size,
        installed_size=info.installed_size,
        description=info.description,
        url=info.url,
        license=info.license,
        origin=info.origin,
        maintainer=info.maintainer,
        build_date=info.build_date,
        commit=info.commit,
        provider_priority=info.provider_priority or 0,
        depends=info.depends,
        provides=info.provides,
        install_if=info.install_if,
    )


def format_index_entry(entry: IndexEntry) -> str:
    """Return the lines of one package in an index, without the empty one after them (apk-tools, package.c)."""
    lines: list[str] = []
    for name, letter in _LETTERS.items():
        value = getattr(entry, name)
        if value or letter in _ALWAYS:
            lines.append(f"{letter}:{' '.join(value) if letter in _LISTS else value}\n")
    lines += (f"{letter}:{text}\n" for letter, text in entry.unknown)
    return "".join(lines)


def split_fields(lines: Iterable[str], where: str) -> list[tuple[str, str]]:
    """Split lines into letter and text.

    Raises:
        ApkError: A line is not a letter, a colon and a text.
    """
    found: list[tuple[str, str]] = []
    for line in lines:
        if line[1:2] != ":" or not line[0].isalpha():
            raise ApkError(f"{where}: {line!r} is not a field")
        found.append((line[0], line[2:]))
    return found


def parse_index_entry(found: Iterable[tuple[str, str]], where: str) -> IndexEntry:
    """Read the fields of one package.

    Raises:
        ApkError: A field is there twice or missing, or a number is none; the message begins with `where`.
    """
    values: dict[str, str | int | tuple[str, ...]] = {}
    unknown: list[tuple[str, str]] = []
    for letter, text in found:
        name = _NAMES.get(letter)
        if name is None:
            unknown.append((letter, text))
        elif name in values:
            raise ApkError(f"{where}: the field {letter} is there twice")
        elif letter in _NUMBERS:
            values[name] = parse_number(text, f"{where}: the field {letter}")
        else:
            values[name] = tuple(text.split()) if letter in _LISTS else text
    for letter in "CPV":
        if not values.get(_NAMES[letter]):
            raise ApkError(f"{where}: the field {letter} is missing")
    return IndexEntry(**values, unknown=tuple(unknown))  # type: ignore[arg-type] # the tables above are by type


def read_usual_entry(paragraph: str) -> IndexEntry | None:
    """Read the lines of one package, faster than :func:`parse_index_entry`.

    Returns:
        What they say; ``None`` where a field is unknown, there twice or missing, or anything else is not as usual.
    """
    lines = paragraph.split("\n")
    texts = {line[:2]: line[2:] for line in lines}
    get = texts.get
    checksum, name, version = get("C:"), get("P:"), get("V:")
    numbers = get("S:", "0"), get("I:", "0"), get("t:", "0"), get("k:", "0")
    is_usual = len(texts) == len(lines) and _USUAL.issuperset(texts) and _FOUR_NUMBERS.fullmatch(" ".join(numbers))
    if not (is_usual and checksum and name and version):
        return None
    size, installed_size, build_date, priority = map(int, numbers)
    return IndexEntry(
        checksum, name, version, get("A:", ""), size, installed_size, get("T:", ""), get("U:", ""), get("L:", ""),
        get("o:", ""), get("m:", ""), build_date, get("c:", ""), priority,
        tuple(get("D:", "").split()), tuple(get("p:", "").split()), tuple(get("i:", "").split()),
    )  # fmt: skip


def paragraphs(text: str) -> list[tuple[int, list[str]]]:
    """Split a text at its empty lines; each paragraph is its first line's number and its lines."""
    found: list[tuple[int, list[str]]] = []
    start, lines = 1, list[str]()
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line:
            lines.append(line)
            continue
        if lines:
            found.append((start, lines))
        start, lines = number + 1, []
    return found


def _by_name(entry: IndexEntry) -> tuple[str, str, str]:
    return entry.name, entry.version, entry.checksum


def _text_of(entry: IndexEntry) -> str:
    text = format_index_entry(entry)
    where = f"package {entry.name}"
    if "\n\n" in text or parse_index_entry(split_fields(text[:-1].split("\n"), where), where) != entry:
        raise ApkError(f"{where}: what it says of itself does not fit the lines of an index")
    return f"{text}\n"


def write_index(
    packages: Iterable[Described | IndexEntry],
    description: str,
    signer: Signer | None = None,
    *,
    compress: Callable[[bytes], bytes] = segments.compress,
) -> bytes:
    """Return the index of packages as the bytes of its file: the same for the same packages in whatever order.

    Args:
        packages: What to list; of what was read from another index, its entries.
        description: What the repository calls itself, such as its version.
        signer: Who signs it; not signed without.
        compress: What makes a gzip stream of bytes, as in :func:`bivy.apk.package.write_package`.

    Raises:
        ApkError: A text has a line break in it.
    """
    listed = sorted((it if isinstance(it, IndexEntry) else index_entry(it) for it in packages), key=_by_name)
    content = "".join(_text_of(entry) for entry in listed).encode()
    mtime = max((entry.build_date for entry in listed), default=0)
    archive = tar.write_members(
        [
            Entry("DESCRIPTION", Kind.FILE, 0o644, mtime=mtime, content=description.encode()),
            Entry("APKINDEX", Kind.FILE, 0o644, mtime=mtime, content=content),
        ]
    )
    segment = compress(archive + tar.end_of_archive())
    return (signature_segment(signer, segment, mtime, compress=compress) if signer else b"") + segment


def parse_index(text: str, where: str) -> tuple[IndexEntry, ...]:
    """Read the text of an index.

    Raises:
        ApkError: A package in it is not described as it has to be; the message names the line.
    """
    return tuple(
        parse_index_entry(split_fields(lines, here), here)
        for here, lines in ((f"{where}, line {number}", lines) for number, lines in paragraphs(text))
    )


def _content_of(members: Iterable[tar.Member], path: str) -> bytes | None:
    found = [member.entry.content for member in members if member.entry.path == path]
    return found[0] if len(found) == 1 else None


def read_index_text(
    content: bytes, keys: Mapping[str, PublicKey] | None, where: str = "the index", folder: str = ""
) -> IndexText:
    """Check an index and unpack its text, which :func:`parse_index` reads.

    Args:
        content: The file's bytes.
        keys: The public keys to trust, by the name of their file; ``None`` takes it unsigned or signed by anyone.
        where: What the file is called, for messages.
        folder: Where the keys are from, for messages.

    Raises:
        ApkError: It is damaged, or not signed by one of the keys.
    """
    signed = read_signed(content, _BOUND, where)
    if signed.end != len(content):
        raise ApkError(f"{where}: something follows the index, at byte {signed.end}")
    signer = ""
    if keys is not None:
        signer = check_signatures(signed.signatures, memoryview(content)[signed.start :], keys, where, folder)
    text = _content_of(signed.members, "APKINDEX")
    if text is None:
        raise ApkError(f"{where} has no APKINDEX", hint="is it a repository's APKINDEX.tar.gz?")
    description = (_content_of(signed.members, "DESCRIPTION") or b"").decode(errors="replace").strip()
    try:
        return IndexText(text.decode(), description, signer)
    except UnicodeDecodeError:
        raise ApkError(f"{where} is not UTF-8") from None


def read_index(
    content: bytes, keys: Mapping[str, PublicKey] | None, where: str = "the index"
) -> tuple[IndexEntry, ...]:
    """Read an index, in its order.

    Args:
        content: The file's bytes.
        keys: The public keys to trust, by the name of their file; ``None`` takes it unsigned or signed by anyone.
        where: What the file is called, for messages.

    Raises:
        ApkError: It is damaged, or not signed by one of the keys.
    """
    return parse_index(read_index_text(content, keys, where).text, where)
