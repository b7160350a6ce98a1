"""Say why a world cannot be had, package by package, so that a person sees what to change."""

from __future__ import annotations

from bivy.apk.errors import ApkError
from bivy.apk.solve.problem import Provider, is_met

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bivy.apk.dependency import Dependency
    from bivy.apk.solve.changes import Change
    from bivy.apk.solve.problem import Name, Need, Option, Problem

# Of a long list, so many are told; the rest is counted.
_MOST = 8


class UnsolvableError(ApkError):
    """What is asked for cannot be had together; the message says why."""


def _some(words: Sequence[str]) -> str:
    shown = list(dict.fromkeys(words))
    more = len(shown) - _MOST
    return ", ".join(shown[:_MOST]) + (f" and {more} more" if more > 0 else "")


class _Requirers:
    """Who asks for what, of all that was chosen."""

    def __init__(self, world: Sequence[Need], chosen: Sequence[Option]) -> None:
        self._by_name: dict[Name, list[tuple[Dependency, Option | None]]] = {}
        for name, dependency in world:
            self._by_name.setdefault(name, []).append((dependency, None))
        for option in chosen:
            for name, dependency in option.needs:
                self._by_name.setdefault(name, []).append((dependency, option))

    def of(self, name: Name) -> list[tuple[Dependency, Option | None]]:
        return self._by_name.get(name, [])

    def told(self, name: Name) -> str:
        return _some([_asking(dependency, by) for dependency, by in self.of(name) if not dependency.conflict])


def _asking(dependency: Dependency, by: Option | None) -> str:
    return f"{by.candidate if by else 'world'}[{dependency}]"


def _missing(problem: Problem, name: Name, requirers: _Requirers) -> Iterator[str]:
    """Say why nobody provides a name."""
    providers = problem.providers(name)
    if not providers:
        yield f"  {name.text} (no such package):"
    else:
        yield f"  {name.text} (virtual):"
        yield f"    provided by: {_some([provider.option.name.text for provider in providers])}"
        wanted = [dependency for dependency, _ in requirers.of(name) if not dependency.conflict]
        if any(is_met(dependency, provider) for dependency in wanted for provider in providers):
            yield "    note: several packages may provide it; name one of them explicitly"
        else:
            yield "    note: none of them provides it in such a version"
    yield f"    required by: {requirers.told(name)}"


def _repositories(problem: Problem, option: Option) -> str:
    tags = [f"@{problem.universe.sources[number].tag}" for number in option.candidate.repositories]
    return _some([tag for tag in tags if tag != "@"])


def _masked(problem: Problem, option: Option) -> Iterator[str]:
    """Say why a package's file may not or cannot be used."""
    if option.candidate.installed is not None:
        return
    if not problem.is_available(option) and option.candidate.entry.installed_size:
        yield "    masked: its repository cannot be reached now (--no-network)"
    elif not option.allowed:
        yield f"    masked: it is only in a repository with a tag: {_repositories(problem, option)}"


def _conflicts(problem: Problem, option: Option, chosen: set[Option]) -> Iterator[str]:
    """Say which other packages that are needed stand for the same names."""
    found = []
    for name, version in ((option.name, option.candidate.version), *option.provides):
        own = 0
        for other, its_version in problem.providers(name):
            if other is option:
                own += 1
            if other not in chosen or (version is None and its_version is None):
                continue
            if other is not option or own > 1:
                found.append(f"{other.candidate}[{name.text}]" if name is not other.name else str(other.candidate))
    if found:
        yield f"    conflicts: {_some(found)}"


def _breaks(option: Option, requirers: _Requirers) -> tuple[list[str], list[str]]:
    """Return which dependencies a package is against, and which it satisfies."""
    against, satisfied = [], []
    stands: dict[Name, list[Provider]] = {option.name: [Provider(option, option.candidate.version)]}
    for name, version in option.provides:
        stands.setdefault(name, []).append(Provider(option, version))
    for name, providers in stands.items():
        for dependency, by in requirers.of(name):
            if any(is_met(dependency, provider) for provider in providers):
                if not dependency.conflict:
                    satisfied.append(_asking(dependency, by))
            elif name is option.name or dependency.conflict or name.chosen in providers:
                against.append(_asking(dependency, by))
    return against, satisfied


def _unmet(problem: Problem, option: Option) -> Iterator[str]:
    """Say what a package needs that is not to be had in the version that it needs."""
    for need in option.needs:
        name, dependency = need
        if dependency.conflict or is_met(dependency, name.chosen) or name.chosen is None:
            continue
        if any(is_met(dependency, provider) for provider in problem.providers(name)):
            yield f"    needs: {dependency}, but {name.chosen.option.candidate} was taken"
        else:
            yield f"    needs: {dependency}, of which there is only {_versions(problem.providers(name))}"


def _versions(providers: Sequence[Provider]) -> str:
    return _some([str(provider.option.candidate) for provider in providers])


def _package(problem: Problem, option: Option, chosen: set[Option], requirers: _Requirers) -> Iterator[str]:
    lines = [*_masked(problem, option), *_conflicts(problem, option, chosen)]
    against, satisfied = _breaks(option, requirers)
    if against:
        lines.append(f"    breaks: {_some(against)}")
    lines += _unmet(problem, option)
    if lines:
        yield f"  {option.candidate}:"
        yield from lines
        if satisfied:
            yield f"    satisfies: {_some(satisfied)}"


def _names_without(needs: Sequence[Need]) -> list[Name]:
    return [name for name, dependency in needs if not dependency.conflict and name.chosen is None]


def _hint(messages: str) -> str:
    if "(no such package)" in messages:
        return "check the name, and /etc/apk/repositories; `apk update` reads the repositories anew"
    if "masked: it is only" in messages:
        return "ask for it with the tag: name@tag"
    if "(virtual)" in messages:
        return "add one of the packages that provide it"
    return "ask for other versions, or leave out one of what conflicts"


def explain(problem: Problem, world: Sequence[Need], changes: Sequence[Change]) -> UnsolvableError:
    """Return why a problem has no answer.

    Args:
        problem: The problem, after the attempt to decide everything in it.
        world: What is asked for.
        changes: What would have been done.
    """
    chosen = [problem.option(change.new) for change in changes if change.new is not None]
    requirers = _Requirers(world, chosen)
    lines: list[str] = []
    told: set[Name] = set()
    for needs in (world, *(option.needs for option in chosen)):
        for name in _names_without(needs):
            if name not in told:
                told.add(name)
                lines += _missing(problem, name, requirers)
    together = set(chosen)
    for option in chosen:
        lines += _package(problem, option, together, requirers)
    message = "\n".join(["unable to select packages:", *(lines or ["  what is asked for excludes itself"])])
    return UnsolvableError(message, hint=_hint(message))
