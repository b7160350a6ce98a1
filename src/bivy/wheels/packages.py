"""Alpine packages that a build needs become a folder that is laid over the base image's files while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bivy.apk.dependency import name_of, parse_dependency
from bivy.apk.errors import ApkError
from bivy.apk.fetch.repository import Repository, parse_repository, printable, read_repositories
from bivy.apk.index import index_entry
from bivy.apk.keys import FOLDER, load_keys
from bivy.apk.package import extract, read_info
from bivy.apk.solve.solver import solve
from bivy.apk.solve.universe import LocalPackage, Source, Universe
from bivy.build.builder import build
from bivy.build.graph import Recipes, plan
from bivy.build.store import Store
from bivy.compose.repositories import fetch_chosen, open_client, trusted_keys
from bivy.errors import BivyError
from bivy.musl.dependencies.known import Known, known_distributions
from bivy.source.places import Mirrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bivy.apk.fetch.client import Client
    from bivy.apk.solve.universe import Candidate
    from bivy.arch import Arch
    from bivy.build.graph import Node
    from bivy.progress import Progress
    from bivy.wheels.base import Base

IN_COMPILER: Final = ("linux-headers", "musl-dev", "libc-dev", "gcc", "g++", "build-base", "pkgconf", "pkgconfig")
"""Packages of Alpine's that builds are said to need, and whose place the compiler and a wheel take."""


@dataclass(frozen=True, slots=True)
class Repositories:
    """Where Alpine packages come from.

    Attributes:
        places: Addresses or folders, as ``apk --repository`` takes them; none for the base image's own.
        keys: A folder with further public keys to trust; ``None`` for those of the image, of Alpine, and of folders
            among `places`.
        allow_untrusted: Whether an index is taken that none of the keys vouches for.
        recipes: Whether packages that bivy's recipes make are taken from these, where the base image has their others.
        offline: Whether nothing may be fetched.
        jobs: How many processes may build at once.
    """

    places: tuple[str, ...] = ()
    keys: Path | None = None
    allow_untrusted: bool = False
    recipes: bool = True
    offline: bool = False
    jobs: int = 2


@dataclass(frozen=True, slots=True)
class Added:
    """A package that was added for a build.

    Attributes:
        name: Its name.
        version: Its version.
        license: Its licence.
        files: The paths of its files.
    """

    name: str
    version: str
    license: str
    files: frozenset[str]

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


def known_packages(name: str) -> tuple[str, ...]:
    """Return the Alpine packages that bivy knows a distribution's build needs, beside a compiler."""
    known = known_distributions().get(name, Known()).packages
    return tuple(each for each in known if each not in IN_COMPILER)


def add_packages(
    names: Sequence[str], folder: Path, *, base: Base, arch: Arch, around: Repositories, cache: Path, progress: Progress
) -> tuple[Added, ...]:
    """Unpack packages, and what these need that the base image has not, into a folder. Install scripts are not run.

    Args:
        names: What to add, as ``apk add`` takes it.
        folder: Where to.
        base: The base image.
        arch: The architecture.
        around: Where packages come from.
        cache: bivy's cache folder.
        progress: Who watches.

    Raises:
        BivyError: A package cannot be had.
    """
    if not names:
        return ()
    own = _from_recipes(names, base, arch, around, cache, progress) if around.recipes else []
    with _client(base, arch, around, cache, progress) as client:
        repositories = _repositories(base, around) if _needs_others(names, own, base) else []
        indexes = [each for each in client.open_indexes(repositories) if not each.fault]
        try:
            world = [parse_dependency(each.entry.name) for each in base.installed]
            world += [parse_dependency(name) for name in names]
            sources = [Source(index.text, where=index.url) for index in indexes]
            solution = solve(Universe(sources, base.installed, own), world)
            new = [each.new for each in solution.changes if each.new]
            places = [index.repository for index in indexes]
            return tuple(_unpack(each, folder, client, places) for each in new)
        except ApkError as fault:
            raise BivyError(_refusal(names, fault, repositories, found=len(indexes)), hint=_hint(around)) from None


def _needs_others(names: Iterable[str], own: Sequence[LocalPackage], base: Base) -> bool:
    """Tell whether a repository has to be asked: not so where bivy's recipes make all that is named."""
    known = {each.entry.name for each in own} | {each.entry.name for each in base.installed}
    return not known.issuperset(map(name_of, names))


def _refusal(names: Sequence[str], fault: ApkError, repositories: Sequence[Repository], *, found: int) -> str:
    wanted = ", ".join(names)
    if repositories and not found:
        asked = ", ".join(dict.fromkeys(printable(each.url) for each in repositories))
        return f"it needs {wanted}, and no repository of Alpine packages can be read (asked: {asked})"
    return f"it needs {wanted}, which cannot be had: {fault}"


def _hint(around: Repositories) -> str:
    if around.places:
        return "name a repository that has them with --repository, an address or a folder"
    return (
        "the base image's own repositories were asked; name another mirror or a folder with --repository, "
        "such as one that bivy repo build has made"
    )


def _repositories(base: Base, around: Repositories) -> list[Repository]:
    try:
        if around.places:
            return [parse_repository(place) for place in around.places]
        return read_repositories(str(base.root))
    except ApkError as fault:
        raise BivyError(str(fault), hint=fault.hint) from None


def _client(base: Base, arch: Arch, around: Repositories, cache: Path, progress: Progress) -> Client:
    try:
        if around.keys:
            keys = load_keys(around.keys, progress.say)
        else:
            keys = trusted_keys(load_keys(base.root / FOLDER), arch.name, around.places)
    except ApkError as fault:
        raise BivyError(str(fault), hint=fault.hint) from None
    return open_client(
        arch.name, keys, folder=around.keys, cache=cache, progress=progress, network=not around.offline,
        allow_untrusted=around.allow_untrusted,
    )  # fmt: skip


def _unpack(new: Candidate, folder: Path, client: Client, repositories: Sequence[Repository]) -> Added:
    entry, package = new.entry, fetch_chosen(new, client, repositories)
    extract(package, folder)
    return Added(entry.name, entry.version, entry.license, frozenset(each.path for each in package.entries))


def _from_recipes(
    names: Sequence[str], base: Base, arch: Arch, around: Repositories, cache: Path, progress: Progress
) -> list[LocalPackage]:
    """Return the packages of the recipes that the base image is made of.

    A development package goes with one build of its library. So where the image has a recipe's library, in its
    version, it is the recipe's own that fits, and no repository's. What is asked for is built where it has to be;
    what else is there comes along, for what packages of a repository need.
    """
    recipes = Recipes()
    there = {each.entry.origin or each.entry.name: each.entry.version for each in base.installed}
    made = [name for name in recipes.names if there.get(name) == recipes.find(name).version]
    if base.own:  # what such an image lacks is made as what it has
        wanted = (recipes.providing(name_of(name)) for name in names)
        made += [recipe for recipe in dict.fromkeys(wanted) if recipe and recipe not in there]
    asked = {recipe for name in names if (recipe := recipes.providing(name_of(name))) in made}
    try:
        planned = plan(made, arch, recipes)
        nodes = [each for each in planned if each.recipe.data.machine == "target" and _fits(each, there, own=base.own)]
    except BivyError:
        if asked:
            raise
        return []  # a machine that builds no packages
    store = Store(cache / "packages")
    missing = [node for node in nodes if node.recipe.name in asked and not store.has(node.key)]
    if missing:
        build(missing, cache=cache, jobs=around.jobs, mirrors=Mirrors(), progress=progress)
    return [
        LocalPackage(index_entry(read_info(path)), str(path))
        for node in nodes if store.has(node.key) for path in store.find(node.key) or ()
    ]  # fmt: skip


def _fits(node: Node, there: Mapping[str, str], *, own: bool) -> bool:
    """Tell whether a recipe's packages go with an image's: it has them in this version, or is bivy's and has none."""
    version = there.get(node.recipe.name)
    return own if version is None else version == node.recipe.version
