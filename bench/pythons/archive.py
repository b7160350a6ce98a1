"""Packages of Debian's archive: which there are, which of them others need, and their files in a folder.

An index is taken as the archive gives it; packages have to have the digest that it says.
"""

from __future__ import annotations

import io
import lzma
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bivy.apk.errors import ApkError
from bivy.apk.info import PackageInfo
from bivy.apk.package import Package, extract
from bivy.errors import BivyError, UsageError
from bivy.oci.layer import read_tar
from bivy.source.apt import debian_archives
from bivy.source.download import UnavailableError, open_client, opened
from bivy.source.fetch import fetch
from bivy.source.pin import Pin, Place
from bivy.source.places import Candidate
from bivy.source.streams import RefusedError, decompressed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bivy.arch import Arch
    from bivy.progress import Progress
    from bivy.source.places import Mirrors

DEBIAN: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7": "armhf", "x86": "i386", "ppc64le": "ppc64el",
                 "riscv64": "riscv64", "s390x": "s390x"}  # fmt: skip
"""Debian's names of architectures, by Alpine's."""
FIRST: Final = "base-files"
"""It has the links that make /bin one with /usr/bin, and comes first."""

_FIELDS: Final = frozenset({"Package", "Version", "Filename", "SHA256", "Depends", "Pre-Depends", "Provides"})
_NAME: Final = re.compile(r"\s*([a-z0-9][a-z0-9+.-]*)")
_LARGEST_INDEX: Final = 1 << 28
_MAGIC: Final = b"!<arch>\n"
_HEAD: Final = 60


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """A package, as an index has it (deb-control(5)).

    Attributes:
        name: Its name.
        version: Its version.
        path: Its file's path below the archive's root.
        sha256: The file's digest.
        depends: What it needs, each a choice of names.
        provides: What it stands for besides.
    """

    name: str
    version: str
    path: str
    sha256: str
    depends: tuple[tuple[str, ...], ...] = ()
    provides: tuple[str, ...] = ()


def debian_name(arch: Arch) -> str:
    """Return Debian's name of an architecture.

    Raises:
        UsageError: Debian does not have it.
    """
    if arch.name not in DEBIAN:
        raise UsageError(f"Debian has no packages for {arch.name}", hint=f"it has them for {', '.join(DEBIAN)}")
    return DEBIAN[arch.name]


def fetch_index(
    suite: str, arch: str, *, mirrors: Mirrors, progress: Progress, archives: Sequence[str] | None = None
) -> dict[str, DebianPackage]:
    """Return the packages of a suite's ``main``.

    Args:
        suite: The suite's name, such as ``sid``.
        arch: Debian's name of the architecture.
        mirrors: The user's mirrors, which are asked first.
        progress: Who watches.
        archives: The roots of archives; ``None`` for those that this machine's apt is configured for.

    Raises:
        BivyError: No archive has it, or what it has cannot be read.
    """
    path = f"dists/{suite}/main/binary-{arch}/Packages.xz"
    roots = [*mirrors.urls, *(debian_archives() if archives is None else archives)]
    if not roots:
        raise BivyError("no Debian archive is known here", hint="name one: --mirror https://…, or BIVY_MIRRORS")
    reasons = []
    with open_client(connect=15, read=60) as client:
        for root in roots:
            address = f"{root.rstrip('/')}/{path}"
            try:
                with opened(client, address, 0) as body:
                    content = _bounded(body.chunks, address)
                text = lzma.decompress(content, memlimit=1 << 28).decode("utf-8")
            except UnavailableError as fault:
                reasons.append(f"  {Candidate(address, '').shown}: {fault}")
            except (lzma.LZMAError, UnicodeDecodeError) as fault:
                reasons.append(f"  {Candidate(address, '').shown}: it is damaged ({fault})")
            else:
                progress.say(f"{suite}'s index comes from {Candidate(root, '').shown}")
                return parse_index(text)
    raise BivyError("\n".join([f"the index of Debian's {suite} for {arch} cannot be had; tried were", *reasons]))


def _bounded(chunks: Iterator[bytes], address: str) -> bytes:
    found = bytearray()
    for chunk in chunks:
        found += chunk
        if len(found) > _LARGEST_INDEX:
            raise BivyError(f"{address} is too large for an index of packages")
    return bytes(found)


def parse_index(text: str) -> dict[str, DebianPackage]:
    """Read an index, with stanzas of ``Name: value`` lines; of several versions of a package the last counts.

    A stanza without a name, a path or a digest is passed over.
    """
    found = {}
    for stanza in text.split("\n\n"):
        fields = {}
        for line in stanza.split("\n"):
            name, colon, value = line.partition(":")
            if colon and name in _FIELDS:
                fields[name] = value.strip()
        if fields.keys() >= {"Package", "Version", "Filename", "SHA256"}:
            needs = [fields[each] for each in ("Pre-Depends", "Depends") if each in fields]
            found[fields["Package"]] = DebianPackage(
                fields["Package"], fields["Version"], fields["Filename"], fields["SHA256"],
                depends=tuple(_names(choice, "|") for each in needs for choice in each.split(",")),
                provides=_names(fields.get("Provides", ""), ","),
            )  # fmt: skip
    return found


def _names(text: str, separator: str) -> tuple[str, ...]:
    return tuple(match[1] for each in text.split(separator) if (match := _NAME.match(each)))


def closure(
    index: Mapping[str, DebianPackage], wanted: Iterable[str], *, without: Collection[str] = ()
) -> list[DebianPackage]:
    """Return packages and all that they need, `FIRST` first where it is among them, then by name.

    Versions are not looked at: within a suite they fit. Of a choice the first that the index has, or that something
    there provides, is taken.

    Args:
        index: The packages that there are.
        wanted: The names of those that are asked for.
        without: Names of packages that are needed only by scripts that run when packages are installed.

    Raises:
        BivyError: The index does not have one of them.
    """
    providers: dict[str, str] = {}
    for package in index.values():
        for name in package.provides:
            providers.setdefault(name, package.name)
    providers |= {name: name for name in index}
    found: dict[str, DebianPackage] = {}
    ahead: list[tuple[tuple[str, ...], str]] = [((name,), "you") for name in wanted]
    while ahead:
        choice, needed_by = ahead.pop()
        if not choice or not set(choice).isdisjoint(without):
            continue
        name = next((providers[each] for each in choice if each in providers), "")
        if not name:
            raise BivyError(f"the index has no package {' or '.join(choice)}, which {needed_by} asked for")
        if name not in found and name not in without:
            found[name] = index[name]
            ahead += [(each, name) for each in index[name].depends]
    return sorted(found.values(), key=lambda package: (package.name != FIRST, package.name))


def unpack_packages(
    packages: Sequence[DebianPackage], folder: Path, *, cache: Path, mirrors: Mirrors, progress: Progress,
    archives: tuple[str, ...] | None = None,
) -> None:  # fmt: skip
    """Fetch packages and write their files into a folder; none of their scripts is run.

    What was fetched is kept in bivy's cache, and a download that broke off goes on from there.

    Args:
        packages: The packages, in the order in which they are written.
        folder: Where to; it need not be there.
        cache: bivy's cache folder.
        mirrors: The user's mirrors.
        progress: Who watches.
        archives: The roots of archives; ``None`` for those that this machine's apt is configured for.

    Raises:
        BivyError: One cannot be had, or is damaged.
    """
    pins = {
        package: Pin(package.name, package.version, (Place(package.sha256, debian=package.path),))
        for package in packages
    }
    files = fetch(list(pins.values()), cache=cache, mirrors=mirrors, archives=archives, progress=progress)
    for package, pin in pins.items():
        where = package.path.rpartition("/")[2]
        try:
            changes = read_tar(data_of(files[pin].read_bytes(), where), where)
            info = PackageInfo(package.name, package.version, "noarch")
            extract(Package(info, changes.entries, {}, "", 0), folder)
        except (ApkError, OSError) as fault:
            raise BivyError(f"{where} cannot be unpacked into {folder}: {fault}") from fault


def data_of(content: bytes, where: str) -> bytes:
    """Return the archive of a package's files, decompressed (deb(5): an ar archive with a member ``data.tar.*``).

    Args:
        content: The package.
        where: What it is called, for messages.

    Raises:
        BivyError: It is not a package of Debian's, or damaged.
    """
    if not content.startswith(_MAGIC):
        raise BivyError(f"{where} is not a package of Debian's")
    position = len(_MAGIC)
    while len(head := content[position : position + _HEAD]) == _HEAD:
        size = head[48:58].strip()
        if head[58:] != b"`\n" or not size.isdigit():
            break
        start, end = position + _HEAD, position + _HEAD + int(size)
        if head[:16].startswith(b"data.tar") and end <= len(content):
            return _decompressed(content[start:end], where)
        position = end + end % 2
    raise BivyError(f"{where} is damaged: there are no files in it")


def _decompressed(content: bytes, where: str) -> bytes:
    import zstandard

    try:
        with decompressed(io.BytesIO(content), content[:262]) as stream:
            return stream.read()
    except (RefusedError, OSError, EOFError, lzma.LZMAError, zstandard.ZstdError) as fault:
        raise BivyError(f"the files in {where} are damaged: {fault}") from fault
