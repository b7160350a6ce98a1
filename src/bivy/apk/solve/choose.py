"""Decide which package provides each name, as apk 2.14 does: step by step, without taking a step back.

What follows from what is asked for is worked out first: a name that is required rules out the packages that do not
fit, what all of its remaining options need is required too, and so on. When nothing more follows, one name is decided,
and it goes on from there. Which name that is, and which of its options is taken, is the order that matters here: it is
that of apk-tools 2.14, solver.c, and any other would answer differently where several answers are right.
"""

from __future__ import annotations

from collections import deque

from bivy.apk import version as versions
from bivy.apk.solve.problem import UNTAGGED, Name, Need, Option, Prefer, Provider, is_met

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bivy.apk.solve.problem import Problem

_UPGRADE, _AVAILABLE, _REINSTALL = int(Prefer.UPGRADE), int(Prefer.AVAILABLE), int(Prefer.REINSTALL)
_LATEST, _INSTALLED, _REMOVE = int(Prefer.LATEST), int(Prefer.INSTALLED), int(Prefer.REMOVE)


class _Chooser:
    """One run of decisions.

    Attributes:
        faults: How many names and packages came out wrong.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        ignore_conflicts: bool = False,
        self_upgrade: bool = False,
        alone: Collection[str] = (),
    ) -> None:
        self.faults = 0
        self._problem = problem
        self._ignore_conflicts = ignore_conflicts
        self._self_upgrade = self_upgrade
        self._alone = alone
        # Names to look at again, in turn; names to be decided, the last added first.
        self._again: deque[Name] = deque()
        self._waiting: set[Name] = set()
        self._open: dict[Name, None] = {}

    # What follows

    def require_world(self, world: Sequence[Need]) -> None:
        for need in world:
            tag = 1 << self._problem.tags[need.dependency.tag]
            self._require(need, None, tag)

    def _look_again(self, name: Name) -> None:
        if not name.locked and name not in self._waiting and (name.requirers or name.check_conditions):
            self._again.append(name)
            self._waiting.add(name)

    def _check_dependents(self, name: Name) -> None:
        concerned: list[Name] = []
        for dependent in name.dependents:
            dependent.check_needs = True
            wanted = dependent.requirers or dependent.check_conditions
            if wanted and not dependent.locked and dependent not in self._waiting:
                concerned.append(dependent)
        for dependent in self._problem.dependents_in_order(name, concerned):
            self._look_again(dependent)

    def _check_conditions_on(self, name: Name) -> None:
        for other in self._problem.wanted_with(name):
            if other.seen and not other.never_conditional:
                other.check_conditions = True
                self._look_again(other)

    def _check_conditions_with(self, option: Option) -> None:
        for name in option.is_condition:
            self._check_conditions_on(name)

    def _keep_open(self, name: Name) -> None:
        """Put a name among those to be decided, or take it out, by whether anybody wants it."""
        if name.locked:
            return
        if not name.requirers and not name.conditional:
            self._open.pop(name, None)
        elif name not in self._open:
            self._open[name] = None

    def _rule_out(self, option: Option) -> None:
        option.possible = False
        if option.name.dependents:
            self._check_dependents(option.name)
        for name, _ in option.provides:
            if name.dependents:
                self._check_dependents(name)
        self._check_conditions_with(option)

    def _become_required(self, name: Name) -> None:
        self._keep_open(name)
        self._check_conditions_on(name)
        self._look_again(name)

    def _require(self, need: Need, by: Option | None, tag: int = 0) -> None:
        """Take a dependency for one that has to be met, of a package or of the world."""
        name, dependency = need
        if dependency.conflict and self._ignore_conflicts:
            return
        if not dependency.conflict:
            name.requirers += 1
            if name.requirers == 1:
                self._become_required(name)
        for provider in self._problem.providers(name):
            option = provider.option
            met = is_met(dependency, provider)
            option.conflicts += not met
            if option.possible and option.conflicts:
                self._rule_out(option)
            if met and by is not None:
                self._inherit(option, by)
            elif met:
                self._inherit_from_world(option, tag)

    def _inherit(self, option: Option, by: Option) -> None:
        option.prefer |= by.prefer_below
        option.prefer_below |= by.prefer_below
        option.tags |= by.tags
        self._allow(option)

    def _inherit_from_world(self, option: Option, tag: int) -> None:
        problem = self._problem
        option.prefer |= problem.prefer
        option.prefer_below |= problem.prefer
        option.tags |= tag
        option.preferred = bool(problem.reachable_from(option) & problem.allowed_by(tag))
        self._allow(option)

    def _allow(self, option: Option) -> None:
        problem = self._problem
        if not option.allowed:
            option.allowed = bool(problem.reachable_from(option) & problem.allowed_by(option.tags))

    def _is_satisfiable(self, need: Need) -> bool:
        name, dependency = need
        if dependency.conflict and self._ignore_conflicts:
            return True
        if name.locked:
            return is_met(dependency, name.chosen)
        if not name.requirers and dependency.conflict:
            return True
        return any(
            provider.option.possible and is_met(dependency, provider) for provider in self._problem.providers(name)
        )

    # What follows from the options of one name

    def _reconsider(self, name: Name) -> None:
        check_needs, check_conditions = name.check_needs, name.check_conditions
        name.check_needs = name.check_conditions = name.selectable_alone = False
        conditional, never = False, True
        merged: list[Provider] = []
        for provider in self._problem.providers(name):
            option = provider.option
            option.merged = False
            if check_needs and option.possible and not all(map(self._is_satisfiable, option.needs)):
                self._rule_out(option)
            if not option.possible:
                continue
            if check_conditions:
                self._check_own_conditions(option)
            conditional |= option.triggered
            never &= option.never_triggered
            name.selectable_alone |= option.triggered
            if name.requirers:
                option.merged = True
                merged.append(provider)
                name.selectable_alone = name.selectable_alone or self._is_selectable_alone(provider)
        name.has_options = len(merged) > 1 or any(not option.allowed for option, _ in merged)
        name.conditional, name.never_conditional = conditional, never
        self._keep_open(name)
        if merged:
            self._conclude(name, merged)
        name.dependents_done = all(dependent.locked for dependent in name.dependents)

    def _check_own_conditions(self, option: Option) -> None:
        """Find out whether all that a package is wanted with is there, or can no longer be."""
        if not option.triggered and not option.never_triggered:
            option.triggered = True
            for name, dependency in option.conditions:
                if not name.locked:
                    option.triggered = False
                    break
                if not is_met(dependency, name.chosen):
                    option.triggered, option.never_triggered = False, True
                    break
        if option.triggered:
            for name, _ in option.conditions:
                if name.chosen is not None:
                    self._inherit(option, name.chosen.option)
                else:
                    # It is wanted because something is not there, and so from no repository before others.
                    option.preferred = False

    def _is_selectable_alone(self, provider: Provider) -> bool:
        """Tell whether a package may be taken for a name that it has no version for.

        Several may provide such a name, so that a person has to choose, unless a priority does.
        """
        option, version = provider
        return (
            version is not None
            or option.candidate.entry.provider_priority != 0
            or option.name.text in self._alone
            or option.name.requirers > 0
        )

    def _conclude(self, name: Name, merged: Sequence[Provider]) -> None:
        """Require what all options of a name need, and that what they all provide is provided by one of them."""
        for option, _ in self._problem.providers(name):
            option.used = option.merged
        first = merged[0].option
        if len(merged) == 1:
            counted: set[Name] = set()
            for need in first.needs:
                if not need.dependency.conflict:
                    counted.add(need.name)
            for need in first.needs:
                if need.name in counted:
                    counted.discard(need.name)
                    self._require(need, first)
        else:
            self._require_common_needs(first, merged)
        self._require_common_provides(name, first, merged)

    def _require_common_needs(self, first: Option, merged: Sequence[Provider]) -> None:
        common = {need.name for need in first.needs if not need.dependency.conflict}
        for option, _ in merged[1:]:
            if not common:
                return
            common &= {need.name for need in option.needs if not need.dependency.conflict}
        for needed, _ in first.needs:
            if needed in common and not needed.requirers:
                common.discard(needed)
                needed.requirers += 1
                self._become_required(needed)
                for option, _ in self._problem.providers(needed):
                    self._inherit(option, first)

    def _require_common_provides(self, name: Name, first: Option, merged: Sequence[Provider]) -> None:
        """Rule out the packages that provide what all of these do, but not the name itself."""
        names = dict.fromkeys((first.name, *(provided for provided, _ in first.provides)))
        without_version: set[Name] = set()
        for number, (option, version) in enumerate(merged):
            own = dict.fromkeys(names, False)
            provided = [(option.name, version), *option.provides]
            met: set[Name] = set()
            for other, its_version in provided:
                if other in own and other not in met:
                    met.add(other)
                    if its_version is None:
                        without_version.add(other)
            if number:
                names = {other: None for other in names if other in met}
        for other in names:
            self._rule_out_others(other, name, skip_virtual=other in without_version)

    def _rule_out_others(self, name: Name, wanted: Name, *, skip_virtual: bool) -> None:
        if name is wanted or self._ignore_conflicts:
            return
        for option, version in self._problem.providers(name):
            if option.name is wanted or not option.possible or (skip_virtual and version is None):
                continue
            if any(
                provided is wanted or (skip_virtual and its_version is None)
                for provided, its_version in option.provides
            ):
                continue
            self._rule_out(option)

    # What is decided

    def decide_all(self) -> None:
        """Decide about everything that is wanted."""
        while True:
            while self._again:
                name = self._again.popleft()
                self._waiting.discard(name)
                if not name.locked:
                    self._reconsider(name)
            if not self._open:
                return
            self._decide(self._next())

    def _next(self) -> Name:
        """Return the name to decide about: one without a choice, or else one that was reached late."""
        best: Name | None = None
        best_rank = (False, False, 0)
        for name in reversed(self._open):
            if name.selectable_alone and not name.has_options and name.dependents_done and name.requirers:
                return name
            rank = (name.selectable_alone, name.asked, name.order)
            if best is None or rank > best_rank:
                best, best_rank = name, rank
        assert best is not None
        return best

    def _decide(self, name: Name) -> None:
        chosen: Provider | None = None
        for provider in self._problem.providers(name):
            option = provider.option
            if not name.requirers and not (option.triggered and option.allowed and option.possible):
                continue
            if self._is_selectable_alone(provider) and (chosen is None or self._compare(provider, chosen) > 0):
                chosen = provider
        if chosen is None:
            self._assign(name, None)
            self.faults += name.requirers > 0
            return
        option = chosen.option
        if not option.possible or not option.allowed:
            self._mark(option)
        self._assign(option.name, Provider(option, option.candidate.version))
        for provided, version in option.provides:
            self._assign(provided, Provider(option, version))
        for need in option.needs:
            self._require(need, option)

    def _mark(self, option: Option) -> None:
        if not option.faulty:
            option.faulty = True
            self.faults += 1

    def _assign(self, name: Name, provider: Provider | None) -> None:
        """Lock a name, and rule out who else provides it."""
        if name.locked:
            self._assign_again(name, provider)
            return
        name.locked = True
        name.chosen = provider
        self._open.pop(name, None)
        if not self._ignore_conflicts:
            for other, version in self._problem.providers(name):
                if provider is not None and other is provider.option:
                    continue
                if version is None and (provider is None or provider.version is None):
                    continue
                self._rule_out(other)
        self._check_dependents(name)
        if provider is None:
            self._check_conditions_on(name)
        else:
            self._check_conditions_with(provider.option)

    def _assign_again(self, name: Name, provider: Provider | None) -> None:
        """Take a second provider of a name for a fault, unless both provide it without a version."""
        before = name.chosen
        if self._ignore_conflicts or (
            (provider is None or provider.version is None) and (before is None or before.version is None)
        ):
            return
        if provider is not None:
            self._mark(provider.option)
        if before is not None:
            self._mark(before.option)

    # Which of two providers is better

    def _compare(self, one: Provider, other: Provider) -> int:
        """Return more than 0 where the first is better, less where the second is, 0 where neither."""
        first, second = one.option, other.option
        prefer = first.prefer | second.prefer
        if prefer & _REMOVE and (result := (second.prefer & _REMOVE) - (first.prefer & _REMOVE)):
            return result
        if prefer & _LATEST and first.tags == UNTAGGED and second.tags == UNTAGGED:
            result = self._compare_for_latest(first, second, prefer)
        else:
            result = self._compare_for_peace(first, second, prefer)
        return result or self._compare_versions(one, other) or self._compare_at_last(first, second)

    def _compare_for_latest(self, first: Option, second: Option, prefer: int) -> int:
        if result := first.allowed - second.allowed:
            return result
        if prefer & _AVAILABLE:
            return first.available - second.available
        return first.possible - second.possible if prefer & _REINSTALL else 0

    def _compare_for_peace(self, first: Option, second: Option, prefer: int) -> int:
        """Compare by what disturbs least: no conflicts, what is pinned, what is installed."""
        installed = (first.candidate.installed is not None) - (second.candidate.installed is not None)
        keep = (self._self_upgrade and not prefer & _UPGRADE) or prefer & _INSTALLED
        return (
            first.possible - second.possible
            or first.used - second.used
            or second.conflicts - first.conflicts
            or (installed if keep else 0)
            or first.allowed - second.allowed
            or (first.available - second.available if prefer & _AVAILABLE else 0)
            or first.preferred - second.preferred
            or (0 if prefer & _UPGRADE else installed)
        )

    def _compare_versions(self, one: Provider, other: Provider) -> int:
        if one.version is not None and other.version is not None:
            result = versions.compare(one.version, other.version)
            if result:
                return result
        first, second = one.option, other.option
        if first.name is second.name:
            return versions.compare(first.candidate.version, second.candidate.version)
        return 0

    def _compare_at_last(self, first: Option, second: Option) -> int:
        return (
            (first.candidate.installed is not None) - (second.candidate.installed is not None)
            or first.candidate.entry.provider_priority - second.candidate.entry.provider_priority
            or first.possible - second.possible
            or _lowest(second.repositories) - _lowest(first.repositories)
        )


def _lowest(repositories: int) -> int:
    """Return the number of the first repository, counted from 1; 0 for none."""
    return (repositories & -repositories).bit_length()


def choose(
    problem: Problem,
    world: Sequence[Need],
    *,
    ignore_conflicts: bool = False,
    self_upgrade: bool = False,
    alone: Collection[str] = (),
) -> int:
    """Decide about all names that a world needs, in the problem itself, and return how many faults that has.

    Args:
        problem: The problem, after it was discovered.
        world: What is asked for; of the problem's world, what is not given up.
        ignore_conflicts: Whether packages that exclude each other may be together.
        self_upgrade: Whether to keep what is installed except where a person wants otherwise.
        alone: Names of packages that may be taken for what they provide without a version.
    """
    chooser = _Chooser(problem, ignore_conflicts=ignore_conflicts, self_upgrade=self_upgrade, alone=alone)
    chooser.require_world(world)
    chooser.decide_all()
    return chooser.faults
