"""Recipes become a repository: their packages, and those that these need, signed and indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.apk.dependency import name_of
from bivy.apk.package import read_info
from bivy.build.builder import build
from bivy.build.graph import plan
from bivy.errors import UsageError
from bivy.files import write_whole
from bivy.repository.index import Indexed, alone, index_folder, publish_key, sign_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bivy.apk.info import PackageInfo
    from bivy.apk.sign import Signer
    from bivy.arch import Arch
    from bivy.build.graph import Node, Recipes
    from bivy.progress import Progress
    from bivy.source.places import Mirrors


@dataclass(frozen=True, slots=True)
class Order:
    """Which packages are wanted.

    Attributes:
        recipes: Names of recipes or of packages that they make, or ``NAME=VERSION``.
        arch: The architecture that they are for.
        with_dependencies: Whether what they need at run time is to be there too, as far as there are recipes.
    """

    recipes: tuple[str, ...]
    arch: Arch
    with_dependencies: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a repository is made, and of what.

    Attributes:
        output: The repository's folder.
        recipes: The recipes to build from.
        cache: bivy's cache folder.
        jobs: How many processes may work at once.
        mirrors: Where else sources may be had.
    """

    output: Path
    recipes: Recipes
    cache: Path
    jobs: int
    mirrors: Mirrors


@dataclass(frozen=True, slots=True)
class Made:
    """What was put into a repository.

    Attributes:
        packages: The package files of the recipes, and what they need, by name.
        missing: What they need that no recipe makes.
        index: The index.
    """

    packages: tuple[Path, ...]
    missing: tuple[str, ...]
    index: Indexed


def make_repository(
    order: Order, around: Surroundings, *, description: str, signer: Signer | None, progress: Progress
) -> Made:
    """Build packages into a repository, beside those that are there, and write its index.

    Raises:
        UsageError: A recipe is not known or wrong, or makes a tool, which is no package.
        BivyError: Something could not be fetched, built or written, or a package that is there is damaged.
    """
    built, missing = _built(order, around, progress)
    folder = around.output / order.arch.name
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        written = [_put(path, folder, signer) for path in sorted(built, key=lambda path: path.name)]
    index = index_folder(folder, description=description, signer=signer, progress=progress)
    if signer:
        publish_key(around.output, signer)
    return Made(tuple(written), missing, index)


def _put(path: Path, folder: Path, signer: Signer | None) -> Path:
    """Put a package into a repository's folder, unless the same bytes are there."""
    content = path.read_bytes()
    if signer:
        content = sign_bytes(content, signer, str(path))
    target = folder / path.name
    if not target.is_file() or target.read_bytes() != content:
        write_whole(target, content)
    return target


def _built(order: Order, around: Surroundings, progress: Progress) -> tuple[list[Path], tuple[str, ...]]:
    """Build what is wanted and return its files, and the names of what no recipe makes."""
    versions = {
        around.recipes.find(name).name: version
        for name, _, version in (text.partition("=") for text in order.recipes)
        if version
    }
    names = [around.recipes.find(text.partition("=")[0]).name for text in order.recipes]

    def run(nodes: Sequence[Node]) -> Mapping[str, list[Path]]:
        return build(
            nodes, cache=around.cache, jobs=around.jobs, mirrors=around.mirrors, progress=progress
        )  # fmt: skip

    wanted = set(names)
    if not order.with_dependencies:
        nodes = [n for n in plan(names, order.arch, around.recipes, versions) if n.recipe.name in wanted]
        _refuse_tools(nodes)
        return [path for paths in run(nodes).values() for path in paths], ()
    while True:
        nodes = plan(names, order.arch, around.recipes, versions)
        _refuse_tools(node for node in nodes if node.recipe.name in wanted)
        found = run(nodes)
        infos = {
            path: (read_info(path).info, node.recipe.name)
            for node in nodes for path in found.get(node.key, ())
        }  # fmt: skip
        chosen, missing = _closure(infos, wanted)
        more = sorted({recipe for name in missing if (recipe := around.recipes.providing(name))} - set(names))
        if not more:
            return chosen, tuple(missing)
        # Such as musl, which nothing is built with, and /bin/sh, which scripts need.
        names += more


def _closure(infos: Mapping[Path, tuple[PackageInfo, str]], wanted: Iterable[str]) -> tuple[list[Path], list[str]]:
    """Choose the packages of the wanted recipes and what these need, and name what none of the packages is."""
    providers: dict[str, Path] = {}
    for path, (info, _) in infos.items():
        providers[info.name] = path
    for path, (info, _) in infos.items():
        for text in info.provides:
            providers.setdefault(name_of(text), path)
    chosen = [path for path, (_, recipe) in infos.items() if recipe in wanted]
    missing: set[str] = set()
    for path in chosen:
        for text in infos[path][0].depends:
            if text.startswith("!"):
                continue
            provider = providers.get(name_of(text))
            if provider is None:
                missing.add(name_of(text))
            elif provider not in chosen:
                chosen.append(provider)
    return chosen, sorted(missing)


def _refuse_tools(nodes: Iterable[Node]) -> None:
    for node in nodes:
        if node.recipe.data.machine == "build":
            raise UsageError(
                f"{node.recipe.name} is a tool that packages are built with, and no package itself",
                hint="bivy repo build takes recipes that make packages",
            )
