"""An image of Alpine's own packages: which ones, from which mirror, as a lock file says or as they are today."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from bivy.alpine import default_keys
from bivy.apk.dependency import parse_dependency
from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.apk.fetch.repository import Repository
from bivy.apk.index import IndexEntry, index_entry
from bivy.apk.keys import load_keys
from bivy.apk.package import read_info, read_package
from bivy.apk.solve.solver import solve
from bivy.apk.solve.universe import LocalPackage, Source, Universe
from bivy.build.builder import build
from bivy.compose.lock import Lock, LockedPackage, read_lock, write_lock
from bivy.compose.repositories import open_client
from bivy.compose.request import Ingredients
from bivy.errors import BivyError
from bivy.files import sha256_of
from bivy.rootfs.base import read_base_rootfs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bivy.apk.fetch.client import Client
    from bivy.apk.package import Package
    from bivy.apk.sign import PublicKey
    from bivy.build.graph import Node
    from bivy.compose.request import AlpineRequest, Request, Surroundings
    from bivy.images.definition import ImageDefinition
    from bivy.progress import Progress
    from bivy.rootfs.base import BaseRootfs


def from_alpine(
    definition: ImageDefinition,
    request: Request,
    nodes: Sequence[Node],
    around: Surroundings,
    progress: Progress,
) -> Ingredients:
    """Find out which packages the image consists of: bivy's Python, and from Alpine all that the definition asks for.

    Args:
        definition: What the image is to be.
        request: The release, where its packages are, the architecture.
        nodes: What has to be built for Python.
        around: Where the image is made.
        progress: Who watches.

    Raises:
        UsageError: The lock file is none, or for another release.
        BivyError: No mirror has the release, or the packages that are asked for cannot be together.
    """
    alpine = request.alpine
    assert alpine is not None
    _say_if_past(alpine, progress)
    base = read_base_rootfs(alpine.base_rootfs) if alpine.base_rootfs else None
    python = _built_python(definition, nodes, around, progress)
    own = LocalPackage(index_entry(read_info(python)), str(python))
    with _client(request, alpine, around.cache, progress) as client:
        locked = _locked(alpine, request.arch.name)
        if locked is None:
            locked = _choose(definition, alpine, client, own, base)
            if alpine.lock:
                _write(alpine, request.arch.name, locked)

    def packages() -> list[Package]:
        with _client(request, alpine, around.cache, progress) as fetching:
            return [*_fetch(alpine, fetching, locked), read_package(python)]

    keys = [own.entry.checksum, *(package.checksum for package in locked)]
    if alpine.base_rootfs:
        keys.append(sha256_of(alpine.base_rootfs))
    return Ingredients(keys, packages, files=(_repositories(alpine),), base=base)


def _say_if_past(alpine: AlpineRequest, progress: Progress) -> None:
    release = alpine.release
    if release.past(dt.datetime.now(dt.UTC).date()):
        progress.say(
            f"Alpine {release.name} is out of support since {release.until}: it gets no security fixes any more"
        )


def _built_python(definition: ImageDefinition, nodes: Sequence[Node], around: Surroundings, progress: Progress) -> Path:
    built = build(nodes, cache=around.cache, jobs=around.jobs, mirrors=around.mirrors, progress=progress)
    for node in nodes:
        for path in built.get(node.key, ()):
            if path.name == f"{definition.package}-{node.recipe.version}.apk":
                return path
    raise BivyError(f"the recipe of {definition.package} made no package of that name")


def _keys(request: Request, alpine: AlpineRequest) -> tuple[Path, Mapping[str, PublicKey]]:
    folder = alpine.keys or default_keys(request.arch.name)
    keys = load_keys(folder)
    if not keys:
        raise BivyError(f"there are no public keys in {folder}", hint="--keys takes a folder of files *.rsa.pub")
    return folder, keys


def _client(request: Request, alpine: AlpineRequest, cache: Path, progress: Progress) -> Client:
    folder, keys = _keys(request, alpine)
    return open_client(request.arch.name, keys, folder=folder, cache=cache, progress=progress)


def _mirrors(alpine: AlpineRequest, repository: str) -> list[Repository]:
    """Return where a repository of the release is to be had, the first to be tried first."""
    position = alpine.release.repositories.index(repository)
    return [Repository(alpine.release.urls(mirror)[position]) for mirror in alpine.mirrors or ("",)]


def _choose(
    definition: ImageDefinition, alpine: AlpineRequest, client: Client, own: LocalPackage, base: BaseRootfs | None
) -> list[LockedPackage]:
    """Decide which packages the image consists of, in the order of their installation."""
    # Only from main: community is not supported for as long, and nothing of it is needed.
    names = alpine.release.repositories[:1]
    try:
        indexes = [client.open_first(_mirrors(alpine, name)) for name in names]
    except ApkError as fault:
        raise BivyError(
            f"Alpine {alpine.release.name} cannot be had: {fault}",
            hint="--mirror URL names another mirror; the build from sources, without --alpine, needs none",
        ) from None
    installed = [record.installed for record in base.packages] if base else []
    universe = Universe([Source(index.text, where=index.url) for index in indexes], installed, [own])
    world = [parse_dependency(word) for word in (*definition.packages, *(base.world if base else ()))]
    chosen = []
    for change in solve(universe, world).changes:
        if change.new is None or (change.new.local and change.new.entry == own.entry):
            continue
        entry = change.new.entry
        chosen.append(
            LockedPackage(entry.name, entry.version, entry.checksum, entry.size, names[change.new.repositories[0]])
        )
    return chosen


def _locked(alpine: AlpineRequest, arch: str) -> list[LockedPackage] | None:
    """Return what the lock file says for an architecture; ``None`` where it says nothing."""
    lock = read_lock(alpine.lock) if alpine.lock else None
    if lock is None:
        return None
    if lock.release != alpine.release.name:
        raise BivyError(
            f"{alpine.lock} is for Alpine {lock.release}, not {alpine.release.name}",
            hint="remove it, and it is written anew",
        )
    found = lock.packages.get(arch)
    unknown = [package for package in found or () if package.repository not in alpine.release.repositories]
    if unknown:
        raise BivyError(f"{alpine.lock}: {unknown[0].name}: there is no repository {unknown[0].repository!r}")
    return None if found is None else list(found)


def _write(alpine: AlpineRequest, arch: str, packages: Sequence[LockedPackage]) -> None:
    assert alpine.lock is not None
    known = read_lock(alpine.lock)
    others = dict(known.packages) if known else {}
    write_lock(alpine.lock, Lock(alpine.release.name, {**others, arch: tuple(packages)}))


def _fetch(alpine: AlpineRequest, client: Client, locked: Sequence[LockedPackage]) -> list[Package]:
    """Fetch packages, each from the first mirror that has it; their checksums were signed with the index."""
    wanted = [
        (IndexEntry(package.checksum, package.name, package.version, client.arch, package.size),
         _mirrors(alpine, package.repository))
        for package in locked
    ]  # fmt: skip
    try:
        return [
            read_package(content, where=f"{package.name}-{package.version}.apk")
            for package, content in zip(locked, client.fetch_packages(wanted), strict=True)
        ]
    except ApkError as fault:
        hint = fault.hint
        if alpine.lock:
            hint = f"mirrors keep a release's newest packages alone: remove {alpine.lock}, and it is written anew"
        raise BivyError(str(fault), hint=hint) from None


def _repositories(alpine: AlpineRequest) -> Entry:
    """Make the list of repositories that the image has: Alpine's own, whichever mirror the packages came from."""
    text = "".join(f"{url}\n" for url in alpine.release.urls())
    return Entry("etc/apk/repositories", Kind.FILE, 0o644, content=text.encode())
