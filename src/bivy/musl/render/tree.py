"""What requires what, laid out as a tree to read: each distribution in full once, wherever else by reference."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.musl.render.summary import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bivy.musl.render.summary import Named
    from bivy.musl.report import Verdict


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree.

    Attributes:
        one: The distribution.
        again: Whether it is shown in full elsewhere.
        below: How many lines are directly below it.
        worst: The worst verdict of it and all that it brings in.
        closes: How many branches end after it.
    """

    one: Named
    again: bool
    below: int
    worst: Verdict
    closes: int


def lay_out(named: Sequence[Named]) -> tuple[Branch, ...]:
    """Lay a report's distributions out as a tree, line by line.

    At the top is what was asked for, or what nothing else requires. What is required in several places is shown in full
    where that is nearest to the top, so that circles end and nothing appears twice.

    Args:
        named: All distributions by name, in the order in which they are to appear.
    """
    by_name = {one.name: one for one in named}
    worst = _worst_below(named, by_name)
    order = {one.name: (VERDICTS.index(worst[one.name]), one.name) for one in named}
    requires = {
        one.name: sorted({name for name in one.requires if name in by_name} - {one.name}, key=order.__getitem__)
        for one in named
    }
    tops, owned = _own(named, requires)
    branches: list[Branch] = []
    # A stack instead of recursion: requirements may be nested as deep as somebody likes.
    stack = [iter([(name, False) for name in sorted(tops, key=order.__getitem__)])]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            if branches and stack:
                last = branches[-1]
                branches[-1] = Branch(last.one, last.again, last.below, last.worst, last.closes + 1)
            continue
        name, again = entry
        below = [] if again else requires[name]
        branches.append(Branch(by_name[name], again, len(below), worst[name], 0))
        if below:
            stack.append(iter([(child, child not in owned[name]) for child in below]))
    return tuple(branches)


def _own(named: Sequence[Named], requires: Mapping[str, Sequence[str]]) -> tuple[list[str], dict[str, set[str]]]:
    """Return what is at the top, and which of its requirements each distribution shows in full: breadth first."""
    required = {name for one in named for name in requires[one.name]}
    asked = [one.name for one in named if one.asked]
    loose = [one.name for one in named if one.name not in required]
    # What is left after these goes in circles that nothing leads to: any way in will do.
    candidates = deque([*asked, *loose, *(one.name for one in named)])
    owned: dict[str, set[str]] = {one.name: set() for one in named}
    tops: list[str] = list(dict.fromkeys(asked))
    seen = set(tops)
    waiting = deque(tops)
    while waiting or candidates:
        if not waiting:
            name = candidates.popleft()
            if name in seen:
                continue
            tops.append(name)
            seen.add(name)
            waiting.append(name)
        name = waiting.popleft()
        for child in requires[name]:
            if child not in seen:
                seen.add(child)
                owned[name].add(child)
                waiting.append(child)
    return tops, owned


def _worst_below(named: Sequence[Named], by_name: Mapping[str, Named]) -> dict[str, Verdict]:
    """Return the worst verdict of each distribution and all that it brings in."""
    parents: dict[str, list[str]] = {one.name: [] for one in named}
    for one in named:
        for name in one.requires:
            if name in by_name:
                parents[name].append(one.name)
    worst: dict[str, Verdict] = {}
    for one in sorted(named, key=lambda one: VERDICTS.index(one.verdict)):
        waiting = [one.name]
        while waiting:
            name = waiting.pop()
            if name not in worst:
                worst[name] = one.verdict
                waiting += parents[name]
    return worst
