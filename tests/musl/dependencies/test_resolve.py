from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bivy.musl.dependencies import Terms, ask_requirements, check_distributions
from bivy.musl.dependencies.resolve import Resolution
from bivy.musl.report import Verdict
from tests.musl.dependencies.conftest import target
from tests.musl.dependencies.shelf import HTML, Shelf


def locked(resolution: Resolution) -> dict[str, str]:
    return {each.name: each.version for each in resolution.lock.packages}


def test_versions_are_chosen_as_asked_for(shelf: Shelf, make_terms: Callable[..., Terms]) -> None:
    for version in ("1.0", "1.5", "2.0"):
        shelf.wheel("top", version)
    assert locked(ask_requirements(["top<2"], make_terms())) == {"top": "1.5"}


def test_an_index_in_html_is_as_good(shelf: Shelf, make_terms: Callable[..., Terms]) -> None:
    shelf.kind = HTML
    shelf.wheel("top", "1.0", requires=["stuck"])
    shelf.wheel("stuck", "2.0", "cp314-cp314-manylinux_2_28_x86_64")
    shelf.wheel("stuck", "1.0", "cp314-cp314-musllinux_1_2_x86_64", requires_python=">=3.9")
    terms = make_terms()
    part = check_distributions(ask_requirements(["top"], terms), terms.targets, cache=terms.cache)
    assert {each.name: each.version for each in part.distributions} == {"top": "1.0", "stuck": "1.0"}


def test_every_python_that_is_asked_for_is_resolved(shelf: Shelf, make_terms: Callable[..., Terms]) -> None:
    shelf.wheel("top", "1.0", requires=["old; python_version < '3.13'", "new; python_version >= '3.13'"])
    shelf.wheel("old", "1.0")
    shelf.wheel("new", "1.0")
    terms = make_terms(target(python="3.12"), target(python="3.14"))
    part = check_distributions(ask_requirements(["top"], terms), terms.targets, cache=terms.cache)
    reached = {(each.name, each.target.python) for each in part.distributions}
    assert reached == {("top", "3.12"), ("old", "3.12"), ("top", "3.14"), ("new", "3.14")}


def test_a_source_archive_is_never_built_to_know_what_it_requires(
    shelf: Shelf, make_terms: Callable[..., Terms], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    setup = f"open({str(trace)!r}, 'w')\nfrom setuptools import setup\nsetup(name='legacy', install_requires=['x'])\n"
    shelf.sdist("legacy", "1.0", {"setup.py": setup}, ["below"], metadata="2.1")
    shelf.wheel("below", "1.0")
    resolution = ask_requirements(["legacy"], make_terms())
    assert locked(resolution) == {"legacy": "1.0", "below": "1.0"}
    assert not trace.exists()


def test_what_does_not_say_what_it_requires_is_said(shelf: Shelf, make_terms: Callable[..., Terms]) -> None:
    shelf.sdist("legacy", "1.0", {"setup.py": "from setuptools import setup\nsetup()\n"}, metadata="1.0")
    terms = make_terms()
    part = check_distributions(ask_requirements(["legacy"], terms), terms.targets, cache=terms.cache)
    assert any("what it requires is not known" in line for line in part.distributions[0].evidence)


def test_a_version_that_there_is_not_is_left_out_and_the_rest_resolved(
    shelf: Shelf, make_terms: Callable[..., Terms]
) -> None:
    shelf.wheel("top", "1.0")
    shelf.wheel("rest", "1.0")
    resolution = ask_requirements(["top>99", "rest"], make_terms())
    assert locked(resolution) == {"rest": "1.0"}
    assert [each.name for each in resolution.missing] == ["top"]
    assert "only top==1.0 is available" in resolution.problems[0].message


def test_requirements_that_contradict_each_other_leave_the_others_standing(
    shelf: Shelf, make_terms: Callable[..., Terms]
) -> None:
    for version in ("1.0", "2.0"):
        shelf.wheel("below", version)
    shelf.wheel("top", "1.0", requires=["below>=2"])
    shelf.wheel("rest", "1.0")
    resolution = ask_requirements(["top", "below<2", "rest"], make_terms())
    assert locked(resolution)["rest"] == "1.0"
    assert len(resolution.problems) == 1


def test_what_is_no_requirement_is_named(shelf: Shelf, make_terms: Callable[..., Terms]) -> None:
    shelf.wheel("top", "1.0")
    resolution = ask_requirements(["top", "not a requirement!"], make_terms())
    assert locked(resolution) == {"top": "1.0"}
    assert resolution.problems[0].subject == "not a requirement!"
    assert resolution.problems[0].message.startswith("This is not a requirement:")


@pytest.mark.usefixtures("shelf")
def test_an_index_that_is_gone_is_a_problem(monkeypatch: pytest.MonkeyPatch, make_terms: Callable[..., Terms]) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    terms = make_terms()
    resolution = ask_requirements(["top", "other"], terms)
    assert len(resolution.problems) == 1
    assert "http://127.0.0.1:1/simple/" in resolution.problems[0].message
    assert "Connection refused" in resolution.problems[0].message
    part = check_distributions(resolution, terms.targets, cache=terms.cache)
    assert {each.name: each.verdict for each in part.distributions} == {
        "top": Verdict.UNKNOWN, "other": Verdict.UNKNOWN,
    }  # fmt: skip


def test_an_index_that_refuses_one_distribution_leaves_the_others_standing(
    shelf: Shelf, make_terms: Callable[..., Terms]
) -> None:
    shelf.wheel("top", "1.0")
    shelf.wheel("bad", "1.0")
    shelf.refusals["/simple/bad/"] = 500
    resolution = ask_requirements(["top", "bad"], make_terms())
    assert locked(resolution) == {"top": "1.0"}
    assert [each.subject for each in resolution.problems] == ["bad"]
    assert "500" in resolution.problems[0].message


def test_an_index_that_answers_nonsense_is_a_problem(shelf: Shelf, make_terms: Callable[..., Terms]) -> None:
    shelf.wheel("top", "1.0")
    shelf.bodies["/simple/bad/"] = ("application/vnd.pypi.simple.v1+json", b"{nonsense")
    resolution = ask_requirements(["top", "bad"], make_terms())
    assert "bad" in {each.name for each in resolution.missing}
    assert resolution.problems


def test_an_index_that_is_slow_is_given_up(
    monkeypatch: pytest.MonkeyPatch, shelf: Shelf, make_terms: Callable[..., Terms]
) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    shelf.wheel("top", "1.0")
    shelf.delay = 20
    started = time.monotonic()
    resolution = ask_requirements(["top"], make_terms())
    assert time.monotonic() - started < 15
    assert resolution.problems
    assert [each.name for each in resolution.missing] == ["top"]


def test_offline_what_was_fetched_before_is_enough(shelf: Shelf, make_terms: Callable[..., Terms]) -> None:
    shelf.wheel("top", "1.0")
    ask_requirements(["top"], make_terms())
    asked = len(shelf.asked)
    resolution = ask_requirements(["top", "other"], make_terms(offline=True))
    assert locked(resolution) == {"top": "1.0"}
    assert len(shelf.asked) == asked
    assert resolution.missing[0].why == "It is not in uv's cache, and nothing may be fetched."


def test_pips_index_is_asked_where_uv_has_none(
    monkeypatch: pytest.MonkeyPatch, shelf: Shelf, make_terms: Callable[..., Terms]
) -> None:
    shelf.wheel("top", "1.0")
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", shelf.address)
    assert locked(ask_requirements(["top"], make_terms())) == {"top": "1.0"}


def test_what_was_probably_meant_is_named(shelf: Shelf, make_terms: Callable[..., Terms]) -> None:
    shelf.wheel("top", "1.0")
    resolution = ask_requirements(["requsts", "yaml", "qqqqqqqqqq", "top"], make_terms())
    assert {each.subject: each.hint for each in resolution.problems} == {
        "requsts": "the nearest that bivy knows: requests",
        "yaml": "the nearest that bivy knows: pyyaml",
        "qqqqqqqqqq": "",
    }
