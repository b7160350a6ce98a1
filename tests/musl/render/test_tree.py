"""What requires what, as a tree."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bivy.musl.render.summary import by_name
from bivy.musl.render.tree import Branch, lay_out
from bivy.musl.report import Distribution, Verdict
from tests.musl.render.samples import X86_64, chain

NAMES = st.sampled_from("abcdefgh")


def tree(requires: dict[str, str], asked: str = "", **verdicts: Verdict) -> tuple[Branch, ...]:
    return lay_out(
        by_name(
            Distribution(
                name, "1", X86_64, verdicts.get(name, Verdict.PURE), "It is so.",
                requires=tuple(below), asked=name in asked,
            )
            for name, below in requires.items()
        )
    )  # fmt: skip


def drawn(branches: tuple[Branch, ...]) -> list[str]:
    """Draw a tree: a line each, indented, with an asterisk after what is shown in full elsewhere."""
    lines, depth = [], 0
    for branch in branches:
        lines.append("  " * depth + branch.one.name + ("*" if branch.again else ""))
        depth += bool(branch.below) - branch.closes
    assert depth == 0
    return lines


def test_what_was_asked_for_is_at_the_top() -> None:
    assert drawn(tree({"a": "b", "b": "c", "c": ""}, asked="ab")) == ["a", "  b*", "b", "  c"]


def test_without_that_it_is_what_nothing_requires() -> None:
    assert drawn(tree({"a": "b", "b": "", "c": "b"})) == ["a", "  b", "c", "  b*"]


def test_what_is_shared_is_shown_in_full_where_that_is_nearest_to_the_top() -> None:
    assert drawn(tree({"a": "bc", "b": "d", "c": "", "d": "c"}, asked="a")) == ["a", "  b", "    d", "      c*", "  c"]


def test_circles_end_also_where_nothing_leads_to_them() -> None:
    assert drawn(tree({"a": "b", "b": "ac", "c": "c"}, asked="a")) == ["a", "  b", "    a*", "    c"]
    assert drawn(tree({"a": "b", "b": "a"})) == ["a", "  b", "    a*"]


def test_the_way_to_what_is_worst_comes_first_and_carries_its_verdict() -> None:
    branches = tree({"a": "bc", "b": "", "c": "d", "d": ""}, asked="a", d=Verdict.IMPOSSIBLE)
    assert drawn(branches) == ["a", "  c", "    d", "  b"]
    assert [branch.worst for branch in branches] == [*[Verdict.IMPOSSIBLE] * 3, Verdict.PURE]


def test_requirements_that_are_not_in_the_report_are_left_out() -> None:
    assert drawn(tree({"a": "xyz"})) == ["a"]


def test_a_chain_may_be_longer_than_python_can_recurse() -> None:
    assert len(lay_out(by_name(chain(5000).found.distributions))) == 5000


@given(st.dictionaries(NAMES, st.text("abcdefgh", max_size=6), min_size=1), st.text("abcdefgh", max_size=3))
def test_every_distribution_is_shown_in_full_exactly_once(requires: dict[str, str], asked: str) -> None:
    branches = tree(requires, asked)
    drawn(branches)
    assert sorted(branch.one.name for branch in branches if not branch.again) == sorted(requires)
