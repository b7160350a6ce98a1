"""What of the system an application needs beside its base: a user without rights, and a first process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.apk.entry import Entry, Kind
from bivy.app.layers import Item, Kept, LayerStore
from bivy.app.values import HOME, UNPRIVILEGED
from bivy.errors import BivyError
from bivy.files import sha256_of
from bivy.progress import under_way
from bivy.sbom.packages import Package  # noqa: TC001 - msgspec looks at it

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bivy.app.base import Base
    from bivy.app.packages import Places
    from bivy.arch import Arch
    from bivy.oci.image import Image
    from bivy.progress import Progress

# Raised when the same base gets something else.
GENERATION: Final = 2

INIT: Final = "/sbin/bivy-init"
RECIPE: Final = "bivy-init"
USER: Final = "nonroot"
USER_HOME: Final = f"/home/{USER}"


def system_layers(
    base: Base, image: Image, packages: Sequence[str], places: Places, arch: Arch, store: LayerStore,
    *, cache: Path, progress: Progress,
) -> tuple[Kept, ...]:  # fmt: skip
    """Return the layers with Alpine packages, and with the user, the first process and the folders of an application.

    Raises:
        BivyError: A package cannot be had or installed, or the first process not be compiled.
    """
    layers = []
    if packages:
        added = packages_layer(base, image, packages, places, arch, store, cache=cache, progress=progress)
        layers.append(added)
        # Packages may bring users of their own: what is added comes to those.
        told = msgspec.json.decode(added.content, type=_Packages)
        base = msgspec.structs.replace(base, passwd=told.passwd or base.passwd, group=told.group or base.group)
    key = store.key_of("system", GENERATION, base.digest, _init_key(arch), base.passwd, base.group)
    kept = store.find(key)
    if kept is None:
        program = _init_program(arch, cache=cache, jobs=places.jobs, progress=progress)
        items = [*_accounts(base), *_folders(), Item.of(INIT.lstrip("/"), program, 0o755)]
        kept = store.make(key, items, base.folders, f"bivy app: the user {USER}, {INIT}")
    return (*layers, kept)


class _Packages(msgspec.Struct, frozen=True):
    """What is to be known of a layer with packages: what is installed in the end, and the accounts."""

    packages: tuple[Package, ...]
    passwd: str
    group: str


def packages_layer(
    base: Base, image: Image, packages: Sequence[str], places: Places, arch: Arch, store: LayerStore,
    *, cache: Path, progress: Progress,
) -> Kept:  # fmt: skip
    """Return the layer with Alpine packages; which versions they are is decided when it is made the first time."""
    key = store.key_of("packages", GENERATION, base.digest, sorted(packages), places.repositories)
    kept = None if places.upgrade else store.find(key)
    if kept is None:
        from bivy.app.packages import add_packages

        with under_way(progress, f"add {', '.join(packages)}"):
            added = add_packages(packages, image, arch, places, epoch=store.epoch, cache=cache, progress=progress)
            texts = {item.entry.path: item.entry.content.decode("utf-8", "replace") for item in added.items
                     if item.entry.path in ("etc/passwd", "etc/group")}  # fmt: skip
            told = _Packages(added.packages, texts.get("etc/passwd", ""), texts.get("etc/group", ""))
            kept = store.make(key, added.items, base.folders, f"bivy app: apk add {' '.join(sorted(packages))}", told)
    return kept


def packages_in(layers: Sequence[Kept], base: Base) -> tuple[Package, ...]:
    """Return the packages that an image has in the end."""
    for kept in layers:
        try:
            return msgspec.json.decode(kept.content, type=_Packages).packages
        except msgspec.ValidationError:
            continue
    return base.packages


def _accounts(base: Base) -> Iterator[Item]:
    """Yield the lists of users and groups with the unprivileged ones, where the base lacks the numbers."""
    uid, _, gid = UNPRIVILEGED.partition(":")
    users = [line.split(":") for line in base.passwd.splitlines()]
    groups = [line.split(":") for line in base.group.splitlines()]
    if not any(each[2:3] == [uid] for each in users):
        line = f"{USER}:x:{uid}:{gid}:what runs without rights:{USER_HOME}:/sbin/nologin\n"
        yield Item.of("etc/passwd", _with(base.passwd, line))
    if not any(each[2:3] == [gid] for each in groups):
        yield Item.of("etc/group", _with(base.group, f"{USER}:x:{gid}:\n"))


def _with(text: str, line: str) -> bytes:
    return (text + ("" if not text or text.endswith("\n") else "\n") + line).encode()


def _folders() -> Iterator[Item]:
    uid, _, gid = UNPRIVILEGED.partition(":")
    yield Item(Entry(USER_HOME.lstrip("/"), Kind.DIRECTORY, 0o700, int(uid), int(gid)))
    yield Item(Entry(HOME.lstrip("/"), Kind.DIRECTORY, 0o755))


def _init_key(arch: Arch) -> list[str]:
    """Return what decides the bytes of the first process, without asking the room that builds it: that takes longer."""
    from importlib.util import find_spec

    from bivy.epoch import source_date_epoch

    folder = Path(__file__).parents[1] / "recipes" / RECIPE
    files = [sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()]
    spec = find_spec("ziglang")
    # What importlib.metadata would read of the compiler, without what it takes to load that.
    places = [Path(each).parent for each in (spec.submodule_search_locations or ())] if spec else []
    versions = sorted(each.name for place in places for each in place.glob("ziglang-*.dist-info"))
    return [arch.name, *versions, str(source_date_epoch()), *files]


def _init_program(arch: Arch, *, cache: Path, jobs: int, progress: Progress) -> bytes:
    """Compile the first process, where that was not done yet, and return it."""
    from bivy.apk.package import read_package
    from bivy.build.builder import build
    from bivy.build.graph import Recipes, plan
    from bivy.source.places import mirrors_told

    nodes = plan([RECIPE], arch, Recipes())
    built = build(nodes, cache=cache, jobs=jobs, mirrors=mirrors_told(()), progress=progress)
    for node in nodes:
        for path in built.get(node.key, ()):
            for entry in read_package(path).entries:
                if f"/{entry.path}" == INIT:
                    return entry.content
    raise BivyError(f"the recipe {RECIPE} made no {INIT}")
