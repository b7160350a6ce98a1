"""Put what has to change into the order in which it is done: what is needed before what needs it."""

from __future__ import annotations

from dataclasses import dataclass

from bivy.apk import version as versions
from bivy.apk.solve.problem import Name, Need, Option, Prefer, Provider, is_met, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from bivy.apk.solve.problem import Problem
    from bivy.apk.solve.universe import Candidate


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one package.

    Attributes:
        old: What is installed now; ``None`` where nothing is.
        new: What is installed afterwards; ``None`` where nothing is.
        reinstall: Whether it is installed again although it stays the same.
        tag: The tag of the repository that it is held to from then on; empty without.
        available: Whether the file of `new` can be had; not so where it is installed and in no repository.
    """

    old: Candidate | None
    new: Candidate | None
    reinstall: bool = False
    tag: str = ""
    available: bool = True

    @property
    def changes(self) -> bool:
        """Whether anything happens at all."""
        if self.old is None or self.new is not self.old or self.reinstall:
            return True
        return self.old.installed is not None and self.old.installed.repository_tag != self.tag

    def __str__(self) -> str:
        """Say what happens in apk's words: ``Upgrading bash (5.1-r0 -> 5.2-r0)``."""
        after = self.new or self.old
        assert after is not None
        tag = f"@{self.tag}" if self.tag else ""
        if self.old is None or self.new is None or self.old is self.new:
            versions_told = after.version
        else:
            versions_told = f"{self.old.version} -> {self.new.version}"
        return f"{self._verb()} {after.name}{tag} ({versions_told})"

    def _verb(self) -> str:
        if self.old is None:
            return "Installing"
        if self.new is None:
            return "Purging"
        if self.new is not self.old:
            return ("Replacing", "Upgrading", "Downgrading")[versions.compare(self.new.version, self.old.version)]
        if not self.reinstall:
            return "Updating pinning"
        return "Reinstalling" if self.available else "[APK unavailable, skipped] Reinstalling"


class _Order:
    """One run over all that was decided.

    Attributes:
        changes: All packages that are, or were, installed, changed or not, in order.
        faults: How many packages turned out not to be installable.
    """

    def __init__(self, problem: Problem, *, ignore_conflicts: bool) -> None:
        self.changes: list[Change] = []
        self.faults = 0
        self._problem = problem
        self._ignore_conflicts = ignore_conflicts
        self._installed = [problem.option(candidate) for candidate in problem.universe.installed()]
        self._present = set(self._installed)
        # Of names: what is installed under them, and whose package stands for them with a version.
        self._package = {option.name: option for option in self._installed}
        self._owner: dict[Name, Name] = {}
        self._requirers: dict[Name, int] = {}
        self._done: set[Name] = set()
        self._gone: set[Name] = set()
        self._recorded: set[Option] = set()
        self._dependents: dict[Name, list[tuple[Name, list[Option]]]] | None = None
        for option in self._installed:
            self._owner[option.name] = option.name
            for name, version in option.provides:
                if version is not None:
                    self._owner[name] = option.name
        for option in self._installed:
            self._count(option)

    def go_through(self, world: Sequence[Need]) -> None:
        for option in self._installed:
            run(self._remove_if_orphaned(option))
        for need in world:
            run(self._need(need, None))
        for option in self._installed:
            run(self._change(option.name))

    def _record(self, old: Option | None, new: Option | None) -> None:
        if new is None:
            assert old is not None
            self.changes.append(Change(old.candidate, None))
            return
        again = bool(new.prefer & Prefer.REINSTALL)
        tag = self._problem.tag_of(new)
        available = self._problem.is_available(new)
        self.changes.append(Change(old.candidate if old else None, new.candidate, again, tag, available))

    def _count(self, option: Option) -> None:
        for name, dependency in option.needs:
            if not dependency.conflict and (owner := self._owner.get(name)):
                self._requirers[owner] = self._requirers.get(owner, 0) + 1

    def _release(self, option: Option) -> Generator:  # type: ignore[type-arg] # see run
        """Take back what a package needed, and remove what nobody needs any longer."""
        for name, dependency in option.needs:
            owner = self._owner.get(name)
            if dependency.conflict or owner is None:
                continue
            self._requirers[owner] = self._requirers.get(owner, 0) - 1
            if self._requirers[owner] <= 0 and (package := self._package.get(name)):
                yield self._remove(package)

    def _remove_if_orphaned(self, option: Option) -> Generator:  # type: ignore[type-arg]
        # What somebody else provides now is a change of that one's, and comes with it.
        if not self._requirers.get(option.name) and option.name.chosen is None:
            yield self._remove(option)

    def _install_if_wanted(self, name: Name) -> Generator:  # type: ignore[type-arg]
        """Install a package when the last of what it is wanted with has come."""
        if name.chosen is None or not name.seen or name in self._done:
            return
        conditions = name.chosen.option.conditions
        if all(other in self._done and is_met(wanted, other.chosen) for other, wanted in conditions):
            yield self._change(name)

    def _remove_if_unwanted(self, name: Name) -> Generator:  # type: ignore[type-arg]
        """Remove a package when something that it is wanted with has gone."""
        package = self._package.get(name)
        if package is None or name.chosen is not None or name in self._done or name in self._gone:
            return
        if any(other in self._gone and other.chosen is None for other, _ in package.conditions):
            yield self._remove_if_orphaned(package)

    def _each_wanted_with(self, option: Option, do: Callable[[Name], Generator]) -> Generator:  # type: ignore[type-arg]
        for name in (option.name, *(name for name, _ in option.provides)):
            for other in self._problem.wanted_with(name):
                yield do(other)

    def _begin(self, name: Name) -> Generator:  # type: ignore[type-arg]
        """Remove what stood for a name and does no longer, before what stands for it from now on comes."""
        if name in self._done:
            return
        self._done.add(name)
        before = self._package.get(name)
        if before and (name.chosen is None or name.chosen.option.name is not name):
            yield self._remove(before)
        for option, _ in self._problem.providers(name):
            if self._package.get(option.name) is option and option.name.chosen is None:
                yield self._remove(option)

    def _change(self, name: Name) -> Generator:  # type: ignore[type-arg]
        if name in self._done:
            return
        yield self._begin(name)
        if name.chosen is None or name.chosen.option in self._recorded:
            return
        option = name.chosen.option
        self._recorded.add(option)
        yield self._begin(option.name)
        for provided, _ in option.provides:
            yield self._begin(provided)
        old = self._package.get(option.name)
        if old is not None:
            yield self._each_wanted_with(old, self._remove_if_unwanted)
        for need in option.needs:
            yield self._need(need, option)
        self._record(old, option)
        yield self._each_wanted_with(option, self._install_if_wanted)
        self._count(option)
        if old is not None:
            yield self._release(old)

    def _remove(self, option: Option) -> Generator:  # type: ignore[type-arg]
        name = option.name
        stays = name.chosen is not None and name.chosen.option.name is name
        if option in self._recorded or stays:
            return
        self._gone.add(name)
        self._recorded.add(option)
        for dependent in self._installed_dependents(option):
            yield self._remove(dependent)
        yield self._each_wanted_with(option, self._remove_if_unwanted)
        self._record(option, None)
        yield self._release(option)

    def _need(self, need: Need, by: Option | None) -> Generator:  # type: ignore[type-arg]
        name, dependency = need
        if dependency.conflict and self._ignore_conflicts:
            return
        if not is_met(dependency, name.chosen):
            self._mark(by)
        yield self._change(name)
        if name.chosen is not None and name.chosen.option.faulty:
            self._mark(by)

    def _mark(self, option: Option | None) -> None:
        if option is not None and not option.faulty:
            option.faulty = True
            self.faults += 1

    def _installed_dependents(self, option: Option) -> list[Option]:
        """Return the installed packages that need what a package provides, in the order of apk's table."""
        if self._dependents is None:
            names = dict.fromkeys(
                name.text
                for each in self._installed
                for name in (each.name, *(provided for provided, _ in each.provides))
            )
            ordered = self._problem.in_table_order(names)
            self._dependents = self._problem.dependents_of(ordered, self._present.__contains__)
        return [
            dependent
            for name in (option.name, *(provided for provided, _ in option.provides))
            for _, dependents in self._dependents.get(name, ())
            for dependent in dependents
            if any(_serves(option, need) for need in dependent.needs)
        ]


def _serves(option: Option, need: Need) -> bool:
    """Tell whether a package has something to do with a dependency, and meets it."""
    if need.name is option.name:
        return is_met(need.dependency, Provider(option, option.candidate.version))
    for name, version in option.provides:
        if name is need.name:
            return is_met(need.dependency, Provider(option, version))
    return False


def order_changes(
    problem: Problem, world: Sequence[Need], *, ignore_conflicts: bool = False
) -> tuple[list[Change], int]:
    """Return what happens to each package that is or was installed, in order, and how many cannot be installed.

    Args:
        problem: The problem, after everything was decided in it.
        world: What is asked for.
        ignore_conflicts: Whether packages that exclude each other may be together.
    """
    order = _Order(problem, ignore_conflicts=ignore_conflicts)
    order.go_through(world)
    return order.changes, order.faults
