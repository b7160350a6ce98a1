"""Alpine packages are added to a base, as ``apk add`` would in a container of it, without one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bivy.apk.entry import Kind
from bivy.app.layers import Item
from bivy.errors import BivyError
from bivy.sbom.packages import Package, package_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from bivy.apk.database import Recorded
    from bivy.apk.entry import Entry
    from bivy.apk.fetch.client import Client
    from bivy.apk.fetch.repository import Repository
    from bivy.apk.package import Package as Opened
    from bivy.apk.sign import PublicKey
    from bivy.apk.solve.universe import LocalPackage
    from bivy.arch import Arch
    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.rootfs.base import BaseRootfs


@dataclass(frozen=True, slots=True)
class Added:
    """What came of it.

    Attributes:
        items: What the base gets: files of packages, what scripts made, the database; and what hides what went.
        packages: The packages that are installed in the end, the base's among them.
    """

    items: tuple[Item, ...]
    packages: tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where packages come from.

    Attributes:
        repositories: Addresses or folders, as ``apk --repository`` takes them; none for the base's own.
        keys: A folder with the public keys to trust; ``None`` for the base's and Alpine's.
        offline: Whether nothing may be fetched.
        jobs: How many processes may build at once what bivy's recipes make.
        upgrade: Whether versions are looked up anew that were decided before.
    """

    repositories: tuple[str, ...] = ()
    keys: Path | None = None
    offline: bool = False
    jobs: int = 2
    upgrade: bool = False


def add_packages(
    names: Sequence[str], image: Image, arch: Arch, places: Places, *, epoch: int, cache: Path, progress: Progress
) -> Added:
    """Add packages, and what these need, to a base. What bivy's recipes make is taken from them.

    Raises:
        BivyError: A package cannot be had or installed, or a script of one failed.
    """
    from bivy.apk.dependency import parse_dependency
    from bivy.apk.errors import ApkError
    from bivy.apk.solve.solver import solve
    from bivy.apk.solve.universe import Source, Universe
    from bivy.compose.repositories import fetch_chosen
    from bivy.oci.image import read_tree
    from bivy.rootfs.base import base_of

    base = base_of(read_tree(image, "the base"), "the base")
    own = _from_recipes(names, base, arch, places, cache, progress)
    installed = [each.installed for each in base.packages]
    known = {each.entry.name for each in own} | {each.entry.name for each in installed}
    try:
        world = [parse_dependency(word) for word in (*base.world, *names)]
        asks = not known.issuperset(each.name for each in world)
        with _client(base, arch, places, cache, progress) as client:
            repositories = _repositories(base, places) if asks else []
            indexes = [each for each in client.open_indexes(repositories) if not each.fault]
            sources = [Source(index.text, where=index.url) for index in indexes]
            chosen = [each.new for each in solve(Universe(sources, installed, own), world).changes if each.new]
            found = [fetch_chosen(each, client, [index.repository for index in indexes]) for each in chosen]
    except ApkError as fault:
        raise BivyError(
            f"{', '.join(names)} cannot be added to the base: {fault}", hint=fault.hint or _hint(places)
        ) from None
    return _install(found, base, (*base.world, *names), arch, epoch, cache, progress)


def _hint(places: Places) -> str:
    asked = ", ".join(places.repositories) or "the base's own repositories"
    return f"asked were {asked}; --repository names another, an address or a folder"


def _repositories(base: BaseRootfs, places: Places) -> list[Repository]:
    from bivy.apk.fetch.repository import parse_repository

    text = (base.tree.read("etc/apk/repositories") or b"").decode("utf-8", "replace")
    told = places.repositories or tuple(
        line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    )
    return [parse_repository(place) for place in told]


def _client(base: BaseRootfs, arch: Arch, places: Places, cache: Path, progress: Progress) -> Client:
    from bivy.apk.keys import load_keys
    from bivy.compose.repositories import open_client, trusted_keys

    keys = load_keys(places.keys) if places.keys else trusted_keys(_own_keys(base), arch.name, places.repositories)
    return open_client(
        arch.name, keys, folder=places.keys, cache=cache, progress=progress, network=not places.offline
    )  # fmt: skip


def _own_keys(base: BaseRootfs) -> dict[str, PublicKey]:
    from bivy.apk.sign import parse_public_key

    return {
        path.rpartition("/")[2]: parse_public_key(entry.content.decode("ascii", "replace"))
        for path, entry in base.tree.entries.items()
        if path.startswith("etc/apk/keys/") and entry.kind is Kind.FILE
    }


def _from_recipes(
    names: Sequence[str], base: BaseRootfs, arch: Arch, places: Places, cache: Path, progress: Progress
) -> list[LocalPackage]:
    """Return what bivy's recipes make of what is asked for, where the base is made of such packages itself."""
    from bivy.apk.dependency import parse_dependency
    from bivy.apk.index import index_entry
    from bivy.apk.package import read_info
    from bivy.apk.solve.universe import LocalPackage
    from bivy.build.builder import build
    from bivy.build.graph import Recipes, plan
    from bivy.source.places import mirrors_told

    if not any(each.installed.entry.name == "alpine-release" and not base.release for each in base.packages):
        return []
    recipes = Recipes()
    wanted = [word.name for name in names if recipes.providing((word := parse_dependency(name)).name)]
    if not wanted:
        return []
    nodes = plan([recipes.providing(name) or name for name in wanted], arch, recipes)
    built = build(nodes, cache=cache, jobs=places.jobs, mirrors=mirrors_told(()), progress=progress)
    return [LocalPackage(index_entry(read_info(path)), str(path)) for paths in built.values() for path in paths]


def _install(
    found: Sequence[Opened], base: BaseRootfs, world: Sequence[str], arch: Arch, epoch: int, cache: Path,
    progress: Progress,
) -> Added:  # fmt: skip
    from bivy.rootfs.disk import memory_folder
    from bivy.rootfs.install import database_tree, install_root
    from bivy.rootfs.scripts import run_scripts

    root = install_root([found], base)
    scripted = run_scripts(
        root.trees, root.packages, arch=arch, epoch=epoch, below=base.packages, progress=progress,
        scratch=memory_folder(sum(tree.size for tree in root.trees)) or cache / "work",
    )  # fmt: skip
    root = replace(root, trees=scripted.trees, packages=scripted.packages)
    last = database_tree(root, tuple(dict.fromkeys(world)), arch.name)
    upper = {
        **dict(root.trees[1].entries), **dict(scripted.changes.entries), **dict(last.entries),
    }  # fmt: skip
    gone = set(base.tree.entries) - set(root.trees[0].entries) - set(upper)
    items = [*map(_item, upper.values()), *_hidden(gone)]
    return Added(tuple(items), (*_below(root.below), *_new(root.packages)))


def _item(entry: Entry) -> Item:
    return Item(entry, len(entry.content))


def _hidden(gone: Iterable[str]) -> Iterator[Item]:
    """Yield what hides what an upgrade or a script removed; of a folder that went, the folder alone."""
    from bivy.oci.layer import WHITEOUT
    from bivy.rootfs.tree import parents_of

    lost = set(gone)
    for path in sorted(lost):
        if lost.isdisjoint(parents_of(path)):
            folder, _, name = path.rpartition("/")
            yield Item.of(f"{folder}/{WHITEOUT}{name}".lstrip("/"), b"")


def _below(recorded: Iterable[Recorded]) -> Iterator[Package]:
    for each in recorded:
        yield package_of(each.installed.entry)


def _new(packages: Sequence[Opened]) -> Iterator[Package]:
    from bivy.apk.index import index_entry

    for each in packages:
        yield package_of(index_entry(each))
