"""What of the system an application needs beside its base: a user without rights, and a first process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bivy.apk.entry import Entry, Kind
from bivy.app.layers import Item, Kept, LayerStore
from bivy.app.values import HOME, UNPRIVILEGED
from bivy.errors import BivyError
from bivy.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bivy.app.base import Base
    from bivy.arch import Arch
    from bivy.progress import Progress

# Raised when the same base gets something else.
GENERATION: Final = 1

INIT: Final = "/sbin/bivy-init"
RECIPE: Final = "bivy-init"
USER: Final = "nonroot"
USER_HOME: Final = f"/home/{USER}"


def system_layer(base: Base, arch: Arch, store: LayerStore, *, cache: Path, jobs: int, progress: Progress) -> Kept:
    """Return the layer with the user, the first process and the folders that an application is in.

    Raises:
        BivyError: The first process cannot be compiled.
    """
    key = store.key_of("system", GENERATION, base.digest, _init_key(arch))
    kept = store.find(key)
    if kept is None:
        program = _init_program(arch, cache=cache, jobs=jobs, progress=progress)
        items = [*_accounts(base), *_folders(), Item.of(INIT.lstrip("/"), program, 0o755)]
        kept = store.make(key, items, base.folders, f"bivy app: the user {USER}, {INIT}")
    return kept


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
    from importlib import metadata

    from bivy.build.recipe import RECIPES
    from bivy.epoch import source_date_epoch

    folder = RECIPES / RECIPE
    files = [sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()]
    return [arch.name, metadata.version("ziglang"), str(source_date_epoch()), *files]


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
