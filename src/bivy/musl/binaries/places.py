"""Where ELF files are to be found: in an archive's members, a folder, an installed environment, an image's tree."""

from __future__ import annotations

import functools
import os
import posixpath
import re
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from bivy.apk.entry import Entry, Kind
from bivy.arch import ARCHES
from bivy.elf import ElfError, is_elf, read_elf
from bivy.errors import BivyError
from bivy.musl.binaries.data import image_libraries, interpreter_symbols, musl
from bivy.musl.binaries.judge import Judgement, Scene, judge
from bivy.musl.binaries.rules import rules
from bivy.musl.binaries.search import Files, Library
from bivy.musl.report import Finding, Part, Problem
from bivy.rootfs.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from bivy.arch import Arch
    from bivy.elf import Elf
    from bivy.musl.target import Target

# musl's own, where /etc/ld-musl-ARCH.path names no others.
_SYSTEM = ("lib", "usr/local/lib", "usr/lib")
# Any folder as deep as the real one: what an RPATH counts is the steps up.
_SITE_PACKAGES = "usr/local/lib/python3/site-packages"
_DAMAGED = "take the file from where it came from once more"


def check_binaries(
    files: Iterable[tuple[str, bytes]],
    *,
    targets: Sequence[Target],
    where: str,
    tags: Iterable[str] = (),
    provided: Mapping[str, Elf] | None = None,
) -> Part:
    """Check ELF files that belong together and go into ``site-packages``: the members of a wheel.

    Args:
        files: Paths within the archive, and contents; what is no ELF file is passed over.
        targets: What for.
        where: The archive, as the person named it.
        tags: The wheel's tags, ``cp314-cp314-musllinux_1_2_x86_64`` or the last part of it; none where it has none.
        provided: Libraries that there are besides, by the name that they are asked for, each with what it exports;
            ``None`` for those of the base image.

    Returns:
        The findings, and as problems the files that could not be read.
    """
    elves: dict[str, Elf] = {}
    paths: dict[str, str] = {}
    problems: list[Problem] = []
    for path, content in files:
        if not is_elf(content):
            continue
        place = _installed(path)
        while place in paths:
            # Two members that would be installed as one are looked at both.
            place += "~"
        paths[place] = path
        try:
            elves[place] = read_elf(content)
        except ElfError as fault:
            problems.append(Problem(f"{where}:{path}", str(fault), _DAMAGED))
    platforms = frozenset(platform for tag in tags for platform in tag.rpartition("-")[2].split("."))
    # A wheel for every platform works without its machine code, or has some for others too.
    extras = frozenset(elves) if platforms == {"any"} else frozenset[str]()
    asked = _Asked(elves, lambda place: f"{where}:{paths[place]}", where, extras)
    found: list[tuple[Target, Judgement]] = []
    for target in targets:
        around = Files(
            read=elves.get,
            find=lambda place: place if place in elves else "",
            system=(),
            outside=_beside(target, provided),
            names=_by_name(elves),
        )
        found.append((target, judge(replace(_scene(asked, around, target), platforms=platforms))))
    return _part(where, found, problems, len(paths))


def _installed(path: str) -> str:
    """Return the place of a wheel's member once it is installed (PEP 427, ``NAME.data``)."""
    spread = re.fullmatch(r"[^/]+\.data/(purelib|platlib|data|scripts|headers)/(.*)", path)
    folder = {"data": "usr/local", "scripts": "usr/local/bin"}.get(spread[1]) if spread else None
    return f"{folder or _SITE_PACKAGES}/{spread[2] if spread else path}"


def _beside(target: Target, provided: Mapping[str, Elf] | None) -> Callable[[str], Library | None]:
    """Return what tells whether a library is there beside the files: the base image's, unless others are given."""

    def find(name: str) -> Library | None:
        if re.fullmatch(rf"libpython{re.escape(target.python_name)}\.so\.1\.0|libpython3\.so", name):
            return Library()
        if provided is not None:
            elf = provided.get(name)
            return Library(elf) if elf else None
        return Library() if name in image_libraries() else None

    return find


def _by_name(places: Iterable[str]) -> dict[str, tuple[str, ...]]:
    names: dict[str, list[str]] = {}
    for place in places:
        names.setdefault(place.rpartition("/")[2], []).append(place)
    return {name: tuple(those) for name, those in names.items()}


def check_tree(tree: Tree, *, targets: Sequence[Target], where: str, library_path: Sequence[str] = ()) -> Part:
    """Check all ELF files of an image's tree, against the musl and the libraries that it has itself.

    Args:
        tree: The tree.
        targets: What for; the tree's own musl counts, whichever version they name.
        where: The image, as the person named it.
        library_path: The folders of its ``LD_LIBRARY_PATH``.

    Returns:
        The findings, and as problems the files that could not be read.
    """
    elves: dict[str, Elf] = {}
    problems: list[Problem] = []
    for path, entry in tree.entries.items():
        if is_elf(entry.content):
            try:
                elves[path] = read_elf(entry.content)
            except ElfError as fault:
                problems.append(Problem(f"{where}:/{path}", str(fault), _DAMAGED))

    @functools.cache
    def find(place: str) -> str:
        entry = tree.resolve(place)
        return entry.path if entry and entry.path in elves else ""

    def text(path: str) -> str:
        return (tree.read(path) or b"").decode("utf-8", "replace")

    folders = [path for path in tree.entries if path.endswith(".dist-info")]
    asked = _Asked(elves, lambda place: f"{where}:/{place}", where, _extras(folders, text))
    found: list[tuple[Target, Judgement]] = []
    for target in targets:
        files = Files(
            read=elves.get,
            find=find,
            system=(*(folder.strip("/") for folder in library_path), *_system(target.arch, text)),
            outside=lambda _name: None,
            names=_by_name(elves),
        )
        found.append((target, _in_root(asked, files, target)))
    return _part(where, found, problems, len(elves) + len(problems))


def read_root(folder: Path) -> Tree:
    """Read an unpacked root filesystem as a tree, for `check_tree`: of files only what the check looks into.

    Raises:
        BivyError: Something in it cannot be read, or has no place in a tree.
    """
    entries = []
    try:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                entries.append(Entry(name, Kind.SYMLINK, 0o777, target=str(path.readlink())))
            elif stat.S_ISDIR(mode):
                entries.append(Entry(name, Kind.DIRECTORY, 0o755))
            elif stat.S_ISREG(mode):
                text = path.suffix == ".path" or path.parent.suffix == ".dist-info"
                content = path.read_bytes() if text else _elf_content(path)
                entries.append(Entry(name, Kind.FILE, 0o644, content=content or b""))
    except OSError as fault:
        raise BivyError(f"{fault.filename or folder}: {fault.strerror or fault}") from None
    return Tree.of(entries)


def check_folder(path: Path, *, targets: Sequence[Target]) -> Part:
    """Check the ELF files of a folder: shared libraries, ``site-packages``, a virtual environment; or a single file.

    Libraries that are not of an environment are taken to be put where the loader looks, all of them. An environment
    on a machine with musl is checked against what that machine has, everything else against the base image.

    Args:
        path: The folder, or the file.
        targets: What for.

    Returns:
        The findings, and as problems the files that could not be read.

    Raises:
        BivyError: There is no such folder or file.
    """
    if not path.exists():
        raise BivyError(f"{path}: there is no such file or folder")
    root = Path(os.path.realpath(path))
    disk = _Disk(_bound(root))
    elves: dict[str, Elf] = {}
    problems: list[Problem] = []
    shown: dict[str, str] = {}
    for file in _files_below(root):
        place = str(file).lstrip("/")
        shown[place] = str(path / file.relative_to(root)) if file != root else str(path)
        try:
            content = _elf_content(file)
            if content is not None:
                elves[place] = disk.elves[place] = read_elf(content)
        except (ElfError, OSError) as fault:
            reason = getattr(fault, "strerror", None) or str(fault)
            problems.append(Problem(shown[place], reason, _DAMAGED if isinstance(fault, ElfError) else ""))
    folders = [str(folder).lstrip("/") for folder in root.rglob("*.dist-info") if folder.is_dir()]
    environment = bool(folders) or "site-packages" in root.parts
    asked = _Asked(elves, shown.__getitem__, str(path), _extras(folders, _read_text))
    found = [(target, _in_folder(asked, disk, target, environment=environment)) for target in targets]
    return _part(str(path), found, problems, len(elves) + len(problems))


@dataclass(frozen=True, slots=True)
class _Asked:
    """The files that are asked about; which of them are only extras of a wheel for every platform."""

    elves: Mapping[str, Elf]
    shown: Callable[[str], str]
    where: str
    extras: AbstractSet[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Disk:
    """Files of this machine's that a file may bring along, read when they are asked for.

    Attributes:
        bound: The folder that is looked into, no other.
        elves: What has been read, by place.
    """

    bound: Path
    elves: dict[str, Elf | None] = field(default_factory=dict)

    def read(self, place: str) -> Elf | None:
        if place not in self.elves:
            try:
                content = _elf_content(Path("/", place))
                self.elves[place] = read_elf(content) if content is not None else None
            except (ElfError, OSError):
                self.elves[place] = None
        return self.elves[place]

    def find(self, place: str) -> str:
        path = Path(os.path.realpath(f"/{place}"))
        return str(path).lstrip("/") if path.is_relative_to(self.bound) and path.is_file() else ""


def _in_folder(asked: _Asked, disk: _Disk, target: Target, *, environment: bool) -> Judgement:
    loader = Path("/lib", target.arch.loader)
    if environment and loader.exists():
        here = replace(disk, bound=Path("/"))
        files = Files(here.read, here.find, _system(target.arch, _read_text), lambda _name: None, _by_name(asked.elves))
        return _in_root(asked, files, target)
    files = Files(disk.read, disk.find, (), _beside(target, None), _by_name(asked.elves), loose=not environment)
    return judge(_scene(asked, files, target))


def _bound(root: Path) -> Path:
    """Return the folder in which a file's libraries may lie: what it is installed in, or where it is."""
    for folder in (root, *root.parents):
        if folder.name in ("site-packages", "dist-packages"):
            return folder
    return root if root.is_dir() else root.parent


def _files_below(root: Path) -> Iterator[Path]:
    """Yield the regular files below a folder, in order; links are other names of what is there or is elsewhere."""
    if not root.is_dir():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            try:
                regular = stat.S_ISREG(file.lstat().st_mode)
            except OSError:
                continue
            if regular:
                yield file


def _elf_content(file: Path) -> bytes | None:
    """Return the bytes of an ELF file, ``None`` for any other."""
    with file.open("rb") as opened:
        start = opened.read(4)
        return start + opened.read() if is_elf(start) else None


def _read_text(place: str) -> str:
    try:
        return Path("/", place).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _system(arch: Arch, text: Callable[[str], str]) -> tuple[str, ...]:
    """Return the folders that musl's loader searches for everybody."""
    own = text(f"etc/{arch.loader.removesuffix('.so.1')}.path")
    folders = [folder.strip("/") for folder in re.split(r"[:\n]", own) if folder]
    return tuple(folders) or _SYSTEM


def _extras(folders: Iterable[str], text: Callable[[str], str]) -> frozenset[str]:
    """Return the places of the files of installed wheels that are for every platform (PEP 376, PEP 427)."""
    places: set[str] = set()
    for folder in folders:
        tags = re.findall(r"^Tag: *\S+-(\S+) *$", text(f"{folder}/WHEEL"), re.MULTILINE)
        if tags and set(tags) == {"any"}:
            above = posixpath.dirname(folder)
            names = (line.partition(",")[0] for line in text(f"{folder}/RECORD").splitlines())
            places |= {posixpath.normpath(posixpath.join(above, name)) for name in names}
    return frozenset(places)


def _in_root(asked: _Asked, files: Files, target: Target) -> Judgement:
    """Judge files that are in a root with a musl of its own."""
    if not asked.elves:
        return Judgement()
    loader = files.read(files.find(f"lib/{target.arch.loader}"))
    if loader is None:
        others = sorted({arch.name for arch in ARCHES.values() if files.find(f"lib/{arch.loader}")})
        if others:
            message = f"its musl is for {' and '.join(others)}, not for {target.arch.name}"
            return Judgement((Finding(rules()["other-architecture"], asked.where, message),))
        return Judgement((Finding(rules()["no-musl"], asked.where, f"it has no /lib/{target.arch.loader}"),))
    scene = _scene(asked, files, target)
    programs = (elf for elf in asked.elves.values() if elf.type in ("pie", "exec"))
    return judge(
        replace(
            scene,
            # What the loader finds without exporting it, it has exported in the versions before.
            symbols=frozenset(symbol.name for symbol in loader.exports) | musl().by_loader,
            musl="the musl that is there",
            hosts=scene.hosts | {symbol.name for elf in programs for symbol in elf.exports},
        )
    )


def _scene(asked: _Asked, files: Files, target: Target) -> Scene:
    return Scene(
        target=target,
        elves=asked.elves,
        files=files,
        shown=asked.shown,
        where=asked.where,
        symbols=musl().symbols(target.arch, target.musl),
        newest=musl().by_arch[target.arch.name],
        musl=f"musl {target.musl}",
        hosts=interpreter_symbols(),
        extras=asked.extras,
    )


def _part(where: str, found: Sequence[tuple[Target, Judgement]], problems: Sequence[Problem], count: int) -> Part:
    """Put together what was found for each target: the same finding for several is one."""
    targets: dict[Finding, list[Target]] = {}
    for target, judgement in found:
        for finding in judgement.findings:
            targets.setdefault(finding, []).append(target)
    if any(judgement.cut_short for _, judgement in found):
        message = (
            "its files need each other in more ways than were followed: not all libraries and symbols were checked"
        )
        problems = [*problems, Problem(where, message)]
    return Part(
        findings=tuple(
            replace(finding, targets=() if len(those) == len(found) else tuple(those))
            for finding, those in targets.items()
        ),
        problems=tuple(problems),
        looked_at=MappingProxyType({"binaries": count}),
    )
