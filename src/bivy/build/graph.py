"""Which packages have to be built before which, and what decides the bytes of each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from bivy.apk.dependency import name_of
from bivy.arch import Arch, build_machine
from bivy.build.recipe import RECIPES, Recipe, RecipeData, load_recipe, resolve_variables, select_version
from bivy.build.toolchain import Toolchain, find_toolchain
from bivy.epoch import source_date_epoch
from bivy.errors import UsageError
from bivy.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# Changed whenever the code of this room makes other bytes from the same recipe.
GENERATION = 3


@dataclass(frozen=True, slots=True)
class Node:
    """One recipe, built for one target.

    Attributes:
        recipe: The recipe.
        toolchain: What compiles it.
        needs: The nodes whose packages it sees while building: makedepends and tools.
        key: The digest of all that can change its packages, in hexadecimal.
    """

    recipe: Recipe
    toolchain: Toolchain
    needs: tuple[Node, ...]
    key: str

    @property
    def label(self) -> str:
        """Its name for people: ``zlib-1.3.2-r0``."""
        return f"{self.recipe.name}-{self.recipe.version}"


class Recipes:
    """All recipes of a folder, found by the names of the packages that they make."""

    def __init__(self, folder: Path = RECIPES) -> None:
        self.folder = folder
        self._loaded: dict[str, tuple[RecipeData, Path]] = {}
        self._by_package: dict[str, str] = {}
        for path in sorted(folder.glob("*/recipe.toml")):
            data = load_recipe(path.parent)
            self._loaded[data.name] = (data, path.parent)
            for name in (data.name, *(sub.name for sub in data.subpackages)):
                other = self._by_package.setdefault(name, data.name)
                if other != data.name:
                    raise UsageError(f"{path}: the package {name} is made by the recipe {other} already")

    def find(self, package: str, version: str = "") -> Recipe:
        """Find the recipe that makes a package.

        Args:
            package: The package's name, or the recipe's.
            version: A version that the recipe builds, or the beginning of one; empty for the newest.

        Raises:
            UsageError: No recipe makes it, or not in that version.
        """
        name = self._by_package.get(package)
        if name is None:
            raise UsageError(f"no recipe makes the package {package!r}", hint=f"recipes are in {self.folder}")
        return select_version(*self._loaded[name], wanted=version)

    def versions(self, package: str) -> tuple[str, ...]:
        """Return the versions in which the recipe that makes a package builds it.

        Raises:
            UsageError: No recipe makes it.
        """
        newest = self.find(package).data.version
        return tuple(self._loaded[self._by_package[package]][0].versions) or (newest,)

    def providing(self, name: str) -> str | None:
        """Find the recipe that makes a package, or says that one of its packages provides what `name` is."""
        if name in self._by_package:
            return self._by_package[name]
        for recipe, (data, _) in self._loaded.items():
            provides = [*data.provides, *(text for sub in data.subpackages for text in sub.provides)]
            if name in map(name_of, provides):
                return recipe
        return None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the recipes, sorted."""
        return tuple(self._loaded)


def plan(
    packages: Iterable[str], arch: Arch, recipes: Recipes, versions: Mapping[str, str] | None = None
) -> list[Node]:
    """Find what has to be built so that packages, and what they name as their runtime dependencies, are there.

    Args:
        packages: Names of packages.
        arch: The architecture that they are for.
        recipes: The recipes to build from.
        versions: Wanted versions by recipe name, where it is not the newest.

    Returns:
        The nodes of the packages and of all that they depend on while building, dependencies first.

    Raises:
        UsageError: A package has no recipe, or recipes need each other in a circle.
    """
    planner = _Planner(arch, recipes, versions or {})
    waiting = list(packages)
    seen: set[str] = set()
    while waiting:
        package = waiting.pop(0)
        recipe = planner.recipe(package)
        if recipe.name in seen:
            continue
        seen.add(recipe.name)
        planner.node(recipe, ())
        waiting += [name_of(name) for name in _runtime_names(recipe)]
        waiting += list(recipe.data.makedepends)
    return list(planner.nodes.values())


class _Planner:
    """Nodes as they are found, each once."""

    def __init__(self, arch: Arch, recipes: Recipes, versions: Mapping[str, str]) -> None:
        self.nodes: dict[tuple[str, str], Node] = {}
        self._recipes, self._versions = recipes, versions
        machine = build_machine()
        self._target = find_toolchain(arch, machine)
        self._machine = find_toolchain(machine, machine)

    def recipe(self, package: str) -> Recipe:
        name, _, version = package.partition("=")
        recipe = self._recipes.find(name, version)
        wanted = self._versions.get(recipe.name, "")
        return self._recipes.find(name, wanted) if wanted and not version else recipe

    def node(self, recipe: Recipe, path: tuple[str, ...]) -> Node:
        identity = (recipe.name, recipe.version)
        if recipe.name in path:
            circle = " → ".join([*path[path.index(recipe.name) :], recipe.name])
            raise UsageError(
                f"recipes need each other to be built: {circle}",
                hint="take one of them out of another's makedepends",
            )
        if identity not in self.nodes:
            needs = tuple(
                self.node(self.recipe(name), (*path, recipe.name))
                for name in (*recipe.data.tools, *recipe.data.makedepends)
            )
            toolchain = self._machine if recipe.data.machine == "build" else self._target
            self.nodes[identity] = Node(recipe, toolchain, needs, _key(recipe, toolchain, needs))
        return self.nodes[identity]


def _runtime_names(recipe: Recipe) -> list[str]:
    names = [*recipe.data.depends, *(name for sub in recipe.data.subpackages for name in sub.depends)]
    return [name for name in names if ":" not in name and not name.startswith(("!", "/"))]


def _key(recipe: Recipe, toolchain: Toolchain, needs: Iterable[Node]) -> str:
    """Digest all that can change a node's packages."""
    parts = {
        "generation": GENERATION,
        "recipe": recipe.data,
        "variables": resolve_variables(recipe, toolchain.target.name),
        "files": {name: sha256_of(path) for name, path in recipe.small_files().items()},
        "toolchain": toolchain.digest,
        "target": toolchain.target.name,
        "epoch": source_date_epoch(),
        "needs": sorted(node.key for node in needs),
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
