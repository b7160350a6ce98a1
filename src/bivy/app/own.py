"""The project itself becomes the topmost layer: its files where they are, or what a wheel of it installs."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.apk.entry import Entry, Kind
from bivy.app import bytecode
from bivy.app.beside import included
from bivy.app.bytecode import Module, compile_modules
from bivy.app.install import GENERATION as INSTALLED
from bivy.app.install import Origin, bytecode_place, install, sources_of
from bivy.app.layers import Item, Kept
from bivy.app.values import HOME, ProjectKind
from bivy.files import locked, read_noted, sha256_of, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from bivy.app.contents import Contents
    from bivy.app.layers import Workplace
    from bivy.app.values import Project, ProjectFile
    from bivy.musl.archives.wheel import Wheel

# Raised when the same project comes to another layer.
GENERATION: Final = 1

# As many layers of a project are kept: who goes back and forth between a few branches has them all.
_REMEMBERED: Final = 12


def own_layer(
    project: Project, contents: Contents, at: Workplace, folders: Sequence[Item], wheel: Callable[[], Path]
) -> Kept:
    """Return the layer with the project.

    Args:
        project: The project.
        contents: What is in its files.
        at: What it is made with.
        folders: Folders that it is to have besides.
        wheel: Returns a wheel of the project, where it is one that has a build backend.

    Raises:
        BivyError: A file cannot be read, or no wheel can be made.
    """
    if project.kind is ProjectKind.PACKAGE:
        # Who else makes an image of it waits, and finds the wheel: a new one takes the place of the one before.
        with locked(at.cache / "locks" / f"wheel-{hashlib.sha256(str(project.root).encode()).hexdigest()[:32]}"):
            return _remembered(project, at, *_installed(project, contents, wheel(), at, folders))
    files = _described(project.files, contents)
    key = at.store.key_of("files", GENERATION, bytecode.GENERATION, at.base.python, at.compiles, files, _told(folders))
    kept = at.store.find(key)
    if kept is None:
        items = [*folders, *_in_place(project, project.files, contents, at)]
        kept = at.store.make(key, items, at.base.folders, f"bivy app: {project.name}")
    return _remembered(project, at, kept, key)


def _described(files: Sequence[ProjectFile], contents: Contents) -> list[tuple[str, str, int, str, str]]:
    return [(file.path, str(file.kind), file.mode, file.target, contents.digests.get(file.path, "")) for file in files]


def _in_place(project: Project, files: Sequence[ProjectFile], contents: Contents, at: Workplace) -> list[Item]:
    """Return files of the project's where they are in the image, with the bytecode of its modules."""
    places = {f"{HOME[1:]}/{path}": _reader(project.root / path) for path in _modules(files)}
    digests = {f"{HOME[1:]}/{path}": sha for path, sha in contents.digests.items()}
    return [*(_item(project, file) for file in files), *compiled(places, digests, at)]


def _remembered(project: Project, at: Workplace, kept: Kept, key: str) -> Kept:
    """Remove from the cache what the project was long ago: each change of it leaves a layer behind."""
    name = hashlib.sha256(f"{project.root} {project.name}".encode()).hexdigest()[:32]
    place = at.cache / "app" / "layers" / "own" / f"{name}.json"
    keys = read_noted(place, list[str]) or []
    if not keys or keys[-1] != key:
        keys = [*(each for each in keys if each != key), key]
        for old in keys[:-_REMEMBERED]:
            at.store.remove(old)
        write_whole(place, msgspec.json.encode(keys[-_REMEMBERED:]))
    return kept


def _told(folders: Sequence[Item]) -> list[tuple[str, int, int, int]]:
    return [(each.entry.path, each.entry.mode, each.entry.uid, each.entry.gid) for each in folders]


def _modules(files: Sequence[ProjectFile]) -> list[str]:
    return [file.path for file in files if file.kind is Kind.FILE and file.path.endswith(".py")]


def _item(project: Project, file: ProjectFile) -> Item:
    place = f"{HOME[1:]}/{file.path}"
    if file.kind is Kind.SYMLINK:
        return Item(Entry(place, Kind.SYMLINK, file.mode, target=file.target))
    return Item(Entry(place, Kind.FILE, file.mode), file.size, _pieces(project.root / file.path))


def _pieces(path: Path) -> Callable[[], Iterable[bytes]]:
    def read() -> Iterable[bytes]:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                yield piece

    return read


def _reader(path: Path) -> Callable[[], bytes]:
    return path.read_bytes


def compiled(places: Mapping[str, Callable[[], bytes]], digests: Mapping[str, str], at: Workplace) -> list[Item]:
    """Return the bytecode of modules, each compiled by itself and kept by what is in it.

    Python looks at the text each time and compiles it anew where that is another one: people mount files over those of
    their own project, and not over those of a library.
    """
    folder = at.cache / "app" / "bytecode" / "own"
    names = {place: at.store.key_of(bytecode.GENERATION, place, digests[place], at.compiles)[:40] for place in places}
    found = {}
    for place, name in names.items():
        with contextlib.suppress(OSError):
            found[place] = (folder / name[:2] / name).read_bytes()
    missing = sorted(set(places) - set(found))
    compiler = at.compiler() if missing else ""
    if missing and not isinstance(compiler, str):
        batches = [[Module(place, places[place], checked=True)] for place in missing]
        for module, content in compile_modules(batches, compiler, at.cache / "work"):
            found[module.place] = content
            name = names[module.place]
            write_whole(folder / name[:2] / name, content)
    return [
        Item.of(bytecode_place(place, at.base.python), content) for place, content in sorted(found.items()) if content
    ]


def _installed(
    project: Project, contents: Contents, path: Path, at: Workplace, folders: Sequence[Item]
) -> tuple[Kept, str]:
    from bivy.musl.archives.wheel import read_wheel

    beside = included(project.files, project.options.include)
    key = at.store.key_of("wheel", GENERATION, INSTALLED, bytecode.GENERATION, at.base.digest, at.compiles,
                          path.name, sha256_of(path), _told(folders), _described(beside, contents))  # fmt: skip
    kept = at.store.find(key)
    if kept is not None:
        return kept, key
    with path.open("rb") as file:
        wheel = read_wheel(file, path.name, f"the wheel of {project.name}")
        sources = {place: member for member, place in sources_of(wheel, at.base).items()}
        items = compiled(
            {place: _member(wheel, member) for place, member in sources.items()},
            {place: wheel.digest(member) or hashlib.sha256(wheel.read(member)).hexdigest()
             for place, member in sources.items()},
            at,
        )  # fmt: skip
        made = {item.entry.path: item for item in items}
        bytes_of = {
            place: (made[compiled_place].size, _once(made[compiled_place].entry.content))
            for place in sources
            if (compiled_place := bytecode_place(place, at.base.python)) in made
        }
        everything = [*folders, *install(wheel, at.base, Origin(requested=True), bytes_of)]
        everything += _in_place(project, beside, contents, at)
        return at.store.make(key, everything, at.base.folders, f"bivy app: {project.name} {project.version}"), key


def _member(wheel: Wheel, member: str) -> Callable[[], bytes]:
    return lambda: wheel.read(member)


def _once(content: bytes) -> Callable[[], Iterable[bytes]]:
    return lambda: (content,)
