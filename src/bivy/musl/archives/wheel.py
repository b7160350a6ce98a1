"""A wheel: what it is called, what it requires, which files are in it, and those of them that are binaries.

The format is that of PEP 427 (https://packaging.python.org/specifications/binary-distribution-format/). A wheel with
something wrong in it is read as far as it goes, and says what is wrong.
"""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from bivy.errors import BivyError
from bivy.musl.archives.faults import Faults, UnreadableError, quoted
from bivy.musl.archives.metadata import LIMIT as METADATA_LIMIT
from bivy.musl.archives.metadata import Metadata, parse_metadata
from bivy.musl.archives.record import LIMIT as RECORD_LIMIT
from bivy.musl.archives.record import Digest, Line, compare_names, parse_record
from bivy.musl.archives.zipped import Bounds, Member, Zip, open_zip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from packaging.tags import Tag

    from bivy.musl.report import Problem

_ELF = b"\x7fELF"
_TAG_FILE_LIMIT = 1 << 16
_MOST_TAGS = 5000
_NO_LIMIT = 1 << 62  # but that of the archive's bounds
_LIKELY_BINARY = re.compile(r"\.(so|node|bin|elf|exe)(\.[^/]*)?$|(^|/)(bin|sbin|libexec|scripts)/[^/.]+$")


@dataclass(slots=True)
class Traffic:
    """What was fetched to read a remote file.

    Attributes:
        requests: How many requests were made.
        bytes: How many bytes of content came back.
    """

    requests: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class FileName:
    """What a wheel's file name says (PEP 427, "File name convention").

    Attributes:
        name: The normalised name (PEP 503); empty where the file name is not a wheel's.
        version: The version.
        build: The build tag, empty where there is none.
        tags: For what it is.
    """

    name: str = ""
    version: str = ""
    build: str = ""
    tags: frozenset[Tag] = frozenset()


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that is open for reading.

    Attributes:
        where: What it is called, for messages.
        file_name: What its file name says.
        metadata: What its METADATA says, ``None`` where it has none that can be read.
        inner_tags: The tags that its WHEEL has; empty where it has none that can be read.
        dist_info: Its ``.dist-info`` folder, empty where it has none.
        members: The files in it, as it announces them.
        local: Whether it is on this machine, so that looking into every file costs next to nothing.
        traffic: What was fetched so far.
    """

    where: str
    file_name: FileName
    metadata: Metadata | None
    inner_tags: frozenset[Tag]
    dist_info: str
    members: tuple[Member, ...]
    local: bool
    traffic: Traffic
    _zip: Zip
    _record: Mapping[str, Line]
    _faults: Faults
    _compared: set[str] = field(default_factory=set)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with it, as far as it was read: reading more of it may add some."""
        return self._faults.problems

    def read(self, path: str, limit: int = 1 << 30) -> bytes:
        """Return the content of a file.

        A digest that differs from RECORD's is noted in `problems`.

        Args:
            path: Which one of `members`.
            limit: How many bytes it may have.

        Raises:
            BivyError: It is not there or cannot be read.
        """
        if path not in self._zip:
            raise BivyError(f"{self.where} has no file {quoted(path)}")
        try:
            return self._read(path, limit)
        except UnreadableError as fault:
            raise BivyError(f"{self.where}: {quoted(path)} cannot be read: it is among the {fault}") from fault

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield the content of a file, piece by piece; else as `read`."""
        if path not in self._zip:
            raise BivyError(f"{self.where} has no file {quoted(path)}")
        digest = Digest(self._record.get(path))
        try:
            for chunk in self._zip.chunks(path, _NO_LIMIT):
                digest.update(chunk)
                yield chunk
        except UnreadableError as fault:
            raise BivyError(f"{self.where}: {quoted(path)} cannot be read: it is among the {fault}") from fault
        self._compare(path, digest)

    def digest(self, path: str) -> str:
        """Return what RECORD says of a file's content, as RECORD writes it (``sha256=…``); empty where it says none."""
        line = self._record.get(path)
        return f"{line.algorithm}={line.digest}" if line and line.algorithm and line.digest else ""

    def binaries(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path and the content of each ELF file, recognised by its first four bytes.

        Those whose name is a library's or a program's come first. Then, in a local wheel, all other files are looked
        at, too; in a remote one they are not, since that would fetch it whole. A file that cannot be read is noted in
        `problems`, and so is one that differs from RECORD.
        """
        likely = [member.path for member in self.members if _LIKELY_BINARY.search(member.path)]
        others = {member.path: None for member in self.members} if self.local else {}
        for path in likely:
            others.pop(path, None)
        for path in [*likely, *others]:
            try:
                if self._zip.start(path, len(_ELF)) != _ELF:
                    continue
                content = self._read(path, _NO_LIMIT)
            except UnreadableError as fault:
                self._faults.add(fault.kind, path)
                continue
            yield path, content

    def check_contents(self) -> None:
        """Read every file that was not read yet, and note in `problems` what cannot be read or differs from RECORD.

        A remote wheel is fetched whole by this.
        """
        for member in self.members:
            if member.path in self._compared:
                continue
            digest = Digest(self._record.get(member.path))
            try:
                for chunk in self._zip.chunks(member.path, _NO_LIMIT):
                    digest.update(chunk)
            except UnreadableError as fault:
                self._faults.add(fault.kind, member.path)
                continue
            self._compare(member.path, digest)

    def _read(self, path: str, limit: int) -> bytes:
        content = self._zip.read(path, limit)
        digest = Digest(self._record.get(path))
        digest.update(content)
        self._compare(path, digest)
        return content

    def _compare(self, path: str, digest: Digest) -> None:
        self._compared.add(path)
        if digest.differs:
            self._faults.add(
                "files whose content is not what RECORD says",
                path,
                hint="do not install it before you know who changed it",
            )


@contextlib.contextmanager
def open_wheel(path: Path, *, bounds: Bounds | None = None) -> Iterator[Wheel]:
    """Open a wheel on this machine.

    Args:
        path: The file.
        bounds: How much is read of it at most.

    Raises:
        BivyError: It cannot be opened, or is no zip archive, so that nothing of it can be read.
    """
    try:
        file = path.open("rb")
    except OSError as fault:
        raise BivyError(f"cannot read {path}: {fault.strerror}") from fault
    with file:
        yield read_wheel(file, path.name, str(path), bounds=bounds)


def read_wheel(
    file: IO[bytes],
    file_name: str,
    where: str,
    *,
    bounds: Bounds | None = None,
    local: bool = True,
    traffic: Traffic | None = None,
) -> Wheel:
    """Read what a wheel says of itself.

    Args:
        file: The wheel; it has to stay open as long as the value is used.
        file_name: Its file name.
        where: What it is called in messages.
        bounds: How much is read of it at most.
        local: Whether looking into every file is cheap.
        traffic: Where what is fetched is counted.

    Raises:
        BivyError: It is no zip archive, so that nothing of it can be read.
    """
    faults = Faults(where)
    named = parse_file_name(file_name, faults)
    opened = open_zip(file, faults, bounds or Bounds())
    folder = _dist_info(opened, named, faults)
    raw_metadata = _part(opened, folder, "METADATA", METADATA_LIMIT, faults)
    raw_tags = _part(opened, folder, "WHEEL", _TAG_FILE_LIMIT, faults)
    raw_record = _part(opened, folder, "RECORD", RECORD_LIMIT, faults)
    metadata = None if raw_metadata is None else parse_metadata(raw_metadata, "METADATA", faults)
    record = {} if raw_record is None else parse_record(raw_record, faults)
    if raw_record is not None:
        compare_names(record, [member.path for member in opened.members], folder, faults)
    if metadata:
        compare_identity(named.name, named.version, metadata, faults)
    return Wheel(
        where=where,
        file_name=named,
        metadata=metadata,
        inner_tags=frozenset() if raw_tags is None else _tags(raw_tags, faults),
        dist_info=folder,
        members=opened.members,
        local=local,
        traffic=traffic or Traffic(),
        _zip=opened,
        _record=record,
        _faults=faults,
    )


def parse_file_name(file_name: str, faults: Faults) -> FileName:
    """Return what a wheel's file name says; one that is not a wheel's is noted."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        name, version, build, tags = parse_wheel_filename(file_name if _few_tags(file_name) else "")
    except InvalidWheelFilename:
        faults.add(
            f"{quoted(file_name)} is not the file name of a wheel",
            hint="it has to be as its builder named it: name-version-python-abi-platform.whl",
        )
        return FileName()
    return FileName(str(name), str(version), "".join(map(str, build)), tags)


def compare_identity(name: str, version: str, metadata: Metadata, faults: Faults) -> None:
    """Note a name or version in the metadata that is not the file name's; an empty one is not compared."""
    from packaging.utils import canonicalize_name, canonicalize_version

    if name and metadata.name and canonicalize_name(metadata.name) != name:
        faults.add(f"its file name says {quoted(name)}, its metadata {quoted(metadata.name)}")
    if version and metadata.version and canonicalize_version(metadata.version) != canonicalize_version(version):
        faults.add(f"its file name says version {quoted(version)}, its metadata {quoted(metadata.version)}")


def _dist_info(opened: Zip, named: FileName, faults: Faults) -> str:
    """Return the folder that installers would read, and note where there is not exactly one."""
    from packaging.utils import canonicalize_name

    tops = dict.fromkeys(top for top, slash, _ in (member.path.partition("/") for member in opened.members) if slash)
    folders = [top for top in tops if top.endswith(".dist-info")]
    if not folders:
        faults.add("there is no .dist-info folder in it, so installers refuse it")
        return ""
    if len(folders) > 1:
        faults.add("there is more than one .dist-info folder in it, so installers refuse it", ", ".join(folders[:5]))
    for folder in folders:
        if named.name and canonicalize_name(folder.partition("-")[0]) == named.name:
            return folder
    return folders[0]


def _part(opened: Zip, folder: str, name: str, limit: int, faults: Faults) -> bytes | None:
    """Return the content of a file in the ``.dist-info`` folder, or ``None`` and note why not."""
    path = f"{folder}/{name}"
    if not folder:
        return None
    if path not in opened:
        faults.add(f"{path} is missing")
        return None
    try:
        return opened.read(path, limit)
    except UnreadableError as fault:
        faults.add(fault.kind, path)
        return None


def _tags(raw: bytes, faults: Faults) -> frozenset[Tag]:
    """Return the tags in a WHEEL file, of which each line may stand for many."""
    from packaging.tags import parse_tag

    found: set[Tag] = set()
    for line in raw.decode(errors="replace").splitlines():
        field, _, value = line.partition(":")
        if field.strip().lower() != "tag":
            continue
        value = value.strip()
        tags: frozenset[Tag] = frozenset()
        if value.count("-") == 2 and _few_tags(value) and len(found) <= _MOST_TAGS:
            with contextlib.suppress(ValueError):  # newer versions of packaging refuse tags that are none
                tags = parse_tag(value)
        if not tags:
            faults.add("tags in WHEEL that cannot be read", value)
        found |= tags
    if not found:
        faults.add("WHEEL has no tags")
    return frozenset(found)


def _few_tags(text: str) -> bool:
    """Tell whether compressed tags (PEP 425) stand for so few that they can be written out."""
    parts = text.removesuffix(".whl").split("-")[-3:]
    return math.prod(part.count(".") + 1 for part in parts) <= _MOST_TAGS
