"""Which packages a world means: what has to be installed, replaced and removed so that everything asked for is there.

The answers, and their order, are those of apk-tools 2.14.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bivy.apk.errors import ApkError
from bivy.apk.solve.changes import Change, order_changes
from bivy.apk.solve.choose import choose
from bivy.apk.solve.problem import Need, Prefer, Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bivy.apk.dependency import Dependency
    from bivy.apk.solve.universe import Candidate, Universe

__all__ = ["Change", "Prefer", "Solution", "SolverOptions", "solve"]


@dataclass(frozen=True, slots=True)
class SolverOptions:
    """What to prefer where a world leaves a choice.

    Attributes:
        prefer: What to prefer everywhere.
        asked: What to prefer of the packages that a person named, by their names; those without a wish have
            ``Prefer.NOTHING``, since what was named is decided first.
        below: Whether that holds for all that these need, too.
        ignore_conflicts: Whether packages that exclude each other may be together (``apk fetch -R``).
        choose_freely: Names of packages that may be taken for what they provide without a version (``apk fetch -R``).
        self_upgrade: Whether to keep what is installed except where something else is asked for, as for the upgrade of
            apk itself.
        force: Whether to give up what cannot be had and go on (``--force-broken-world``).
    """

    prefer: Prefer = Prefer.NOTHING
    asked: Mapping[str, Prefer] = field(default_factory=dict)
    below: bool = False
    ignore_conflicts: bool = False
    choose_freely: frozenset[str] = frozenset()
    self_upgrade: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Solution:
    """An answer.

    Attributes:
        changes: What is done, in order.
        packages: All that is installed afterwards, in the order in which it would be installed anew.
        given_up: What of the world could not be had, where that was allowed.
    """

    changes: tuple[Change, ...]
    packages: tuple[Candidate, ...]
    given_up: tuple[Dependency, ...] = ()


def _by_display(dependency: Dependency) -> tuple[str, str]:
    return dependency.name.lower(), dependency.name


def _check_tags(universe: Universe, world: Sequence[Dependency]) -> None:
    for each in world:
        if each.tag and not universe.repositories_tagged(each.tag):
            raise ApkError(
                f"{each}: no repository has the tag @{each.tag}",
                hint="a repository gets it in /etc/apk/repositories: @tag, a blank, and its address",
            )


def solve(universe: Universe, world: Sequence[Dependency], options: SolverOptions | None = None) -> Solution:
    """Return which packages a world means, and what has to be done so that they are there.

    Args:
        universe: What there is.
        world: What is asked for; its order does not matter.
        options: What to prefer.

    Raises:
        UnsolvableError: There is no answer; the message says why, package by package.
        ApkError: An index does not describe one of the packages as it has to.
    """
    options = options or SolverOptions()
    if not options.force:
        _check_tags(universe, world)
    ordered = sorted(world, key=_by_display)
    given_up: list[Dependency] = []
    asked = {name: int(wish) for name, wish in options.asked.items()}
    while True:
        problem = Problem(universe, ordered, int(options.prefer), asked, below=options.below)
        # What was given up is not looked for, but is still looked at when the changes are put in order.
        kept = [need for need in problem.world if need.dependency not in given_up]
        problem.discover(kept)
        faults = choose(
            problem,
            kept,
            ignore_conflicts=options.ignore_conflicts,
            self_upgrade=options.self_upgrade,
            alone=options.choose_freely,
        )
        changes, more = order_changes(problem, problem.world, ignore_conflicts=options.ignore_conflicts)
        if not faults and not more:
            break
        broken = [need.dependency for need in kept if _is_broken(need)] if options.force else []
        if not broken:
            raise _unsolvable(problem, kept, changes)
        given_up += broken
        asked = dict.fromkeys(asked, 0)
    packages = tuple(change.new for change in changes if change.new is not None)
    return Solution(tuple(change for change in changes if change.changes), packages, tuple(given_up))


def _is_broken(need: Need) -> bool:
    return need.name.chosen is None or need.name.chosen.option.faulty


def _unsolvable(problem: Problem, world: Sequence[Need], changes: Sequence[Change]) -> Exception:
    # Most have an answer, and need not wait for the code that explains why there is none.
    from bivy.apk.solve.explain import explain

    return explain(problem, world, changes)
