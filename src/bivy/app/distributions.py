"""Third-party distributions become layers: the large ones one each, the others one together."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import msgspec

from bivy.app import bytecode, install
from bivy.app.bytecode import Module, Pack, write_packs
from bivy.app.install import Origin, bytecode_place, sources_of
from bivy.app.layers import Item, Kept
from bivy.errors import BivyError
from bivy.files import read_noted, write_whole
from bivy.musl.archives.standards import normalised
from bivy.progress import under_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bivy.app.base import Base
    from bivy.app.dependencies import Pinned
    from bivy.app.layers import LayerStore, Workplace
    from bivy.musl.archives.wheel import Wheel
    from bivy.progress import Progress

# Raised when the same wheels come to other layers.
GENERATION: Final = 1

# As large a distribution is worth a layer of its own: half a second of a usual connection, compressed.
LARGE: Final = 8 << 20
# Docker's storage takes 127 layers in all.
MOST_LARGE: Final = 48

_AT_ONCE: Final = 8
# Folders that many wheels bring along by mistake, and that nobody imports from site-packages.
_STRAY: Final = re.compile(r"(tests?|docs?|examples?|benchmarks?|scripts|LICENSE[^/]*|README[^/]*|CHANGE[^/]*)(/.*)?")
_SHOWN: Final = 6


class Component(msgspec.Struct, frozen=True):
    """What a list of an image's content says of a distribution."""

    name: str
    version: str
    license: str
    sha256: str
    url: str
    requires: tuple[str, ...] = ()
    asked: bool = False


@dataclass(frozen=True, slots=True)
class _Opened:
    """A wheel that is open, and what goes into a layer of it."""

    pinned: Pinned
    wheel: Wheel
    items: tuple[Item, ...]

    @property
    def size(self) -> int:
        return sum(item.size for item in self.items)


def dependency_layers(pinned: Sequence[Pinned], at: Workplace) -> tuple[Kept, ...]:
    """Return the layers of distributions, from the lowest; those that were made before are taken from the cache.

    Raises:
        BivyError: A wheel cannot be had or installed, or two have different files in one place.
    """
    if not pinned:
        return ()
    place = at.cache / "app" / "layers" / "dependencies" / f"{_key(pinned, at)}.json"
    kept = _read_kept(place, at.store)
    if kept is None:
        files = fetch_wheels(pinned, at.cache, at.progress)
        packs = _compile(pinned, files, at)
        with contextlib.ExitStack() as stack:
            opened = [_open(each, files[each.file], packs.get(each.file), at.base, stack) for each in pinned]
            made = _make(opened, at)
        kept = tuple(layer for layer, _ in made)
        write_whole(place, msgspec.json.encode([key for _, key in made]))
    return kept


def _read_kept(place: Path, store: LayerStore) -> tuple[Kept, ...] | None:
    keys = read_noted(place, list[str])
    if keys is None:
        return None
    found = [store.find(key) for key in keys]
    return tuple(each for each in found if each) if all(found) else None


def _key(pinned: Sequence[Pinned], at: Workplace) -> str:
    told = [(each.name, each.file, each.sha256 or _stamp(each.url), each.asked, each.direct, each.source)
            for each in pinned]  # fmt: skip
    return at.store.key_of(GENERATION, install.GENERATION, bytecode.GENERATION, at.base.digest, at.compiles, told)


def _stamp(path: str) -> str:
    """Return what tells whether a file on this machine is still the same."""
    status = _local(path).stat()
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


def _local(url: str) -> Path:
    return Path(unquote(urlsplit(url).path)) if url.startswith("file:") else Path(url)


def fetch_wheels(pinned: Sequence[Pinned], cache: Path, progress: Progress) -> dict[str, Path]:
    """Return the file of each wheel, by its name; those with a digest are verified, and fetched where need be.

    Raises:
        BivyError: One cannot be had.
    """
    from bivy.musl.dependencies.settings import with_credentials
    from bivy.source.fetch import fetch
    from bivy.source.pin import Pin, Place
    from bivy.source.places import Mirrors

    pins = {
        each.file: Pin(each.name, each.version, (Place(each.sha256, url=with_credentials(each.url, ())),))
        for each in pinned
        if "://" in each.url and each.sha256
    }
    found = fetch(list(pins.values()), cache=cache, mirrors=Mirrors(()), archives=(), progress=progress, jobs=_AT_ONCE)
    files = {}
    for each in pinned:
        path = found[pins[each.file]] if each.file in pins else _local(each.url)
        if each.file not in pins and not path.is_file():
            raise BivyError(f"{each.name}: {path} is not there", hint="it is where the lock says the wheel is")
        files[each.file] = path
    return files


def _compile(pinned: Sequence[Pinned], files: Mapping[str, Path], at: Workplace) -> dict[str, Path]:
    """Compile the modules of wheels for which that was not done yet; return the file of each wheel's bytecode."""
    folder = at.cache / "app" / "bytecode"
    packs = {each.file: folder / f"{_pack_name(each, at)}.zip" for each in pinned}
    missing = [each for each in pinned if not packs[each.file].is_file()]
    if not missing:
        return packs
    compiler = at.compiler()
    if isinstance(compiler, str):
        at.progress.say(f"there will be no bytecode in the image, which makes it start more slowly: {compiler}")
        return {}
    several = "s" if len(missing) > 1 else ""
    task = f"compile {len(missing)} distribution{several} to bytecode"
    with under_way(at.progress, task), contextlib.ExitStack() as stack:
        wanted = {packs[each.file]: _modules(each, files[each.file], at.base, stack) for each in missing}
        write_packs(wanted, compiler, at.cache / "work")
    return packs


def _pack_name(pinned: Pinned, at: Workplace) -> str:
    content = pinned.sha256 or _stamp(pinned.url)
    return at.store.key_of(bytecode.GENERATION, content, at.compiles, at.base.site_packages)[:40]


def _modules(pinned: Pinned, path: Path, base: Base, stack: contextlib.ExitStack) -> list[Module]:
    wheel = _wheel(pinned, path, stack)
    return [
        Module(place, lambda member=member: wheel.read(member))  # type: ignore[misc]
        for member, place in sorted(sources_of(wheel, base).items())
    ]


def _wheel(pinned: Pinned, path: Path, stack: contextlib.ExitStack) -> Wheel:
    from bivy.musl.archives.wheel import read_wheel

    return read_wheel(stack.enter_context(path.open("rb")), pinned.file, pinned.file)


def _open(pinned: Pinned, path: Path, pack: Path | None, base: Base, stack: contextlib.ExitStack) -> _Opened:
    wheel = _wheel(pinned, path, stack)
    _check_python(pinned, wheel, base)
    compiled: dict[str, tuple[int, Callable[[], Iterator[bytes]]]] = {}
    if pack is not None:
        opened = stack.enter_context(contextlib.closing(Pack(pack)))
        compiled = {place: (size, _loader(opened, place)) for place, size in opened.sizes.items()}
    origin = _origin(pinned)
    items = install.install(wheel, base, origin, compiled)
    return _Opened(pinned, wheel, (*items, *_hiding(pinned.name, items, base)))


def _origin(pinned: Pinned) -> Origin:
    source = pinned.source
    if source and source.place.startswith("file:"):  # which means nothing on another machine
        return Origin(pinned.asked)
    if source and source.kind == "git":
        return Origin(pinned.asked, source.place, commit=source.commit, revision=source.revision,
                      subdirectory=source.subdirectory)  # fmt: skip
    digest = source.sha256 if source else pinned.sha256
    return Origin(pinned.asked, pinned.direct, digest if pinned.direct else "")


def _check_python(pinned: Pinned, wheel: Wheel, base: Base) -> None:
    """Refuse what is for other versions of Python: uv passes over upper bounds, and locks do not have them."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    told = wheel.metadata.requires_python if wheel.metadata else ""
    with contextlib.suppress(InvalidSpecifier):
        if told and not SpecifierSet(told).contains(f"{base.python}.99", prereleases=True):
            raise BivyError(
                f"{pinned.name} {pinned.version} is not for Python {base.python}: it requires {told}",
                hint="require another version of it, or name a base with another Python",
            )


def _loader(pack: Pack, place: str) -> Callable[[], Iterator[bytes]]:
    return lambda: iter((pack.read(place),))


def _hiding(name: str, items: Sequence[Item], base: Base) -> Iterator[Item]:
    """Yield what hides the base's version of a distribution (image-spec 1.1, layer.md, "Whiteouts")."""
    from bivy.oci.layer import OPAQUE, WHITEOUT

    if name not in base.distributions:
        return
    for folder in base.folders:
        parent, _, last = folder.rpartition("/")
        match = re.fullmatch(r"(.+)-[^-]+\.dist-info", last)
        if parent == base.site_packages and match and normalised(match[1]) == name:
            if all(not item.entry.path.startswith(f"{folder}/") for item in items):
                yield Item.of(f"{parent}/{WHITEOUT}{last}", b"")
            else:
                yield Item.of(f"{folder}/{OPAQUE}", b"")
    inside = f"{base.site_packages}/"
    tops = {item.entry.path.removeprefix(inside).partition("/")[0] for item in items if "/" in item.entry.path}
    for top in sorted(tops):
        if f"{inside}{top}/__init__.py" in base.files:
            yield Item.of(f"{inside}{top}/{OPAQUE}", b"")


def _make(opened: Sequence[_Opened], at: Workplace) -> list[tuple[Kept, str]]:
    """Write the layers that are not there yet."""
    opened = _without_repetitions(opened, at)
    large = sorted(
        (each for each in opened if each.size > LARGE and not each.pinned.local), key=lambda each: -each.size
    )[:MOST_LARGE]
    large.sort(key=lambda each: each.pinned.name)
    rest = [each for each in opened if each not in large and not each.pinned.local]
    own = [each for each in opened if each.pinned.local]
    groups = [[each] for each in large] + [group for group in (rest, own) if group]
    made = []
    for group in groups:
        key = at.store.key_of(
            "distributions", _key([each.pinned for each in group], at),
            [sorted(item.entry.path for item in each.items) for each in group],
        )  # fmt: skip
        made.append((at.store.find(key) or _write(key, group, at), key))
    return made


def _write(key: str, group: Sequence[_Opened], at: Workplace) -> Kept:
    title = _title([each.pinned for each in group])
    with under_way(at.progress, f"layer {title}"):
        items = [item for each in group for item in each.items]
        components = [_component(each) for each in group]
        kept = at.store.make(key, items, at.base.folders, f"bivy app: {title}", components)
        for each in group:
            for problem in each.wheel.problems:
                at.progress.say(f"{problem.subject}: {problem.message}")
    return kept


def _title(group: Sequence[Pinned]) -> str:
    names = [f"{each.name} {each.version}" for each in group]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _without_repetitions(opened: Sequence[_Opened], at: Workplace) -> list[_Opened]:
    """Leave out files that an earlier wheel has just so, and refuse those that another one has differently.

    Raises:
        BivyError: Two wheels, or a wheel and the base, have different files in one place.
    """
    owners: dict[str, tuple[str, str]] = {}
    kept = []
    for each in opened:
        name = f"{each.pinned.name} {each.pinned.version}"
        digests = {install.place_of(member.path, each.wheel, at.base): each.wheel.digest(member.path)
                   for member in each.wheel.members}  # fmt: skip
        stay = []
        for item in each.items:
            path = item.entry.path
            digest = digests.get(path, "")
            other = owners.setdefault(path, (name, digest))
            if other[0] == name:
                _check_base(path, name, each.pinned, at.base)
                stay.append(item)
            elif not (digest and digest == other[1]):
                _refuse(path, name, other[0], at)
        kept.append(replace(each, items=tuple(stay)))
    gone = _lost_bytecode(kept, at.base)
    return [
        replace(each, items=tuple(item for item in each.items if (each.pinned.name, item.entry.path) not in gone))
        for each in kept
    ]


def _lost_bytecode(kept: Sequence[_Opened], base: Base) -> set[tuple[str, str]]:
    """Return the bytecode whose module was left out, or is another wheel's."""
    gone = set()
    for each in kept:
        modules = {bytecode_place(item.entry.path, base.python) for item in each.items
                   if item.entry.path.endswith(".py")}  # fmt: skip
        gone |= {
            (each.pinned.name, item.entry.path)
            for item in each.items
            if item.entry.path.endswith(".pyc") and "/__pycache__/" in item.entry.path
            and item.entry.path not in modules
        }  # fmt: skip
    return gone


def _check_base(path: str, name: str, pinned: Pinned, base: Base) -> None:
    inside = path.startswith(f"{base.site_packages}/")
    if path in base.files and not inside and pinned.name not in base.distributions:
        raise BivyError(
            f"{name} brings /{path}, which the base has already", hint="another version may not, or another base"
        )


def _refuse(path: str, name: str, other: str, at: Workplace) -> None:
    inside = path.removeprefix(f"{at.base.site_packages}/")
    if inside == path or not (_STRAY.fullmatch(inside) or inside.startswith("__pycache__/")):
        raise BivyError(
            f"/{path} is in two distributions, and not the same: {other} and {name}",
            hint="they cannot both be installed: leave one out",
        )
    at.progress.say(f"/{path} is in {other} and, other than there, in {name}: that of {other} is taken")


def _component(opened: _Opened) -> Component:
    from bivy.sbom.distributions import license_of

    pinned = opened.pinned
    raw = opened.wheel.read(f"{opened.wheel.dist_info}/METADATA")
    return Component(
        pinned.name, pinned.version, license_of(raw), pinned.sha256, _address(pinned), pinned.requires, pinned.asked
    )


def _address(pinned: Pinned) -> str:
    """Return the address that a distribution comes from; empty for a file or folder on this machine."""
    source = pinned.source
    place = source.place if source else pinned.url
    if "://" not in place or place.startswith("file:"):
        return ""
    return f"git+{place}@{source.commit}" if source and source.kind == "git" else place
