"""What the commands of apk ask the solver: which world, and what to prefer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bivy.apk import version as versions
from bivy.apk.dependency import Dependency, parse_dependency
from bivy.apk.solve.problem import Prefer, meets
from bivy.apk.solve.solver import SolverOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bivy.apk.solve.universe import Candidate, Universe


class Request(NamedTuple):
    """What to solve: the world as it is to be, and what to prefer."""

    world: tuple[Dependency, ...]
    options: SolverOptions


def parse_world(text: str) -> tuple[Dependency, ...]:
    """Read the text of ``etc/apk/world``: words between blanks and line ends.

    Raises:
        ApkError: A word is not a dependency.
    """
    return tuple(parse_dependency(word) for word in text.split())


def with_dependencies(world: Sequence[Dependency], wanted: Iterable[Dependency]) -> tuple[Dependency, ...]:
    """Return a world with more asked for; of each name, what was asked for last counts."""
    by_name = {each.name: each for each in world}
    by_name.update((each.name, each) for each in wanted)
    return tuple(by_name.values())


def to_add(
    world: Sequence[Dependency], wanted: Sequence[Dependency], *, upgrade: bool = False, latest: bool = False
) -> Request:
    """Ask for more: ``apk add``.

    Args:
        world: The world as it is.
        wanted: What to add to it.
        upgrade: Whether to take the newest versions of these and of what they need (``--upgrade``).
        latest: Whether to insist on the newest (``--latest``).
    """
    prefer = Prefer.UPGRADE * upgrade | Prefer.LATEST * latest
    asked = {each.name: Prefer(prefer) for each in wanted}
    return Request(with_dependencies(world, wanted), SolverOptions(asked=asked, below=True))


def _dependents(universe: Universe, first: Candidate) -> list[Candidate]:
    """Return an installed package and all installed packages that need it, directly or not."""
    needing: dict[str, list[tuple[Candidate, Dependency]]] = {}
    for candidate in universe.installed():
        for word in candidate.entry.depends:
            dependency = parse_dependency(word)
            needing.setdefault(dependency.name, []).append((candidate, dependency))
    found = {first: None}
    waiting = [first]
    while waiting:
        gone = waiting.pop()
        for name, version in ((gone.name, gone.version), *gone.provides):
            for candidate, dependency in needing.get(name, ()):
                if candidate not in found and meets(gone, version, dependency):
                    found[candidate] = None
                    waiting.append(candidate)
    return list(found)


def to_delete(
    universe: Universe, world: Sequence[Dependency], names: Sequence[str], *, recursive: bool = False
) -> Request:
    """Ask for less: ``apk del``. What others need stays.

    Args:
        universe: What there is.
        world: The world as it is.
        names: Which packages are to go.
        recursive: Whether what needs them is to go with them (``--rdepends``).
    """
    asked: dict[str, Prefer] = {}
    gone: set[str] = set()
    for name in names:
        package = universe.installed_named(name)
        if package is None:
            gone.add(name)
            continue
        for each in _dependents(universe, package) if recursive else [package]:
            asked[each.name] = Prefer.REMOVE
            gone.add(each.name)
            if recursive:
                gone.update(provided for provided, _ in each.provides)
    return Request(tuple(each for each in world if each.name not in gone), SolverOptions(asked=asked))


def to_upgrade(
    world: Sequence[Dependency],
    names: Sequence[str] = (),
    *,
    available: bool = False,
    latest: bool = False,
    ignore: bool = False,
) -> Request:
    """Ask for the newest versions: ``apk upgrade``.

    Args:
        world: The world as it is.
        names: Which packages; all where there are none.
        available: Whether to take what repositories have, even where that is older (``--available``).
        latest: Whether to insist on the newest (``--latest``).
        ignore: Whether the names are those not to upgrade (``--ignore``).
    """
    prefer = Prefer.AVAILABLE * available | Prefer.LATEST * latest
    if not names or ignore:
        prefer |= Prefer.UPGRADE
    wish = Prefer.INSTALLED if ignore else Prefer.UPGRADE
    if available:
        # What was added as a file is looked for in the repositories from now on.
        world = [Dependency(each.name, tag=each.tag) if each.operator == "><" else each for each in world]
    return Request(tuple(world), SolverOptions(prefer=Prefer(prefer), asked=dict.fromkeys(names, wish)))


def to_fix(
    world: Sequence[Dependency],
    names: Sequence[str],
    *,
    reinstall: bool = False,
    upgrade: bool = False,
    depends: bool = False,
) -> Request:
    """Ask for packages to be put right: ``apk fix``.

    Args:
        world: The world as it is.
        names: Which packages; those that the database calls broken where a person names none.
        reinstall: Whether to install them again; so too where neither this nor `upgrade` is told.
        upgrade: Whether to take the newest versions of them.
        depends: Whether to do the same with all that they need.
    """
    wish = Prefer(Prefer.REINSTALL * (reinstall or not upgrade) | Prefer.UPGRADE * upgrade)
    return Request(tuple(world), SolverOptions(asked=dict.fromkeys(names, wish), below=depends))


def to_upgrade_self(
    universe: Universe, world: Sequence[Dependency], *, available: bool = False, latest: bool = False
) -> Request | None:
    """Ask for a newer ``apk-tools`` and as little else as possible, as ``apk upgrade`` does first.

    Returns:
        What to ask, or ``None`` where there is none newer, or none at all.
    """
    installed = universe.installed_named("apk-tools")
    if installed is None or not any(
        each.repositories and versions.compare(each.version, installed.version) > 0
        for each in universe.named("apk-tools")
    ):
        return None
    wish = Prefer(Prefer.UPGRADE | Prefer.AVAILABLE * available | Prefer.LATEST * latest)
    return Request(tuple(world), SolverOptions(asked={"apk-tools": wish}, self_upgrade=True))
