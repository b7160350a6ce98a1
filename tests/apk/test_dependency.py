"""What packages and people ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.dependency import Dependency, name_of, parse_dependency, provided
from bivy.apk.errors import ApkError

names = st.from_regex(r"[a-zA-Z0-9/_.:+-][a-zA-Z0-9/_.:+-]{0,12}", fullmatch=True)
tags = st.one_of(st.just(""), st.from_regex(r"[a-z0-9.-]{1,8}", fullmatch=True))
constraints = st.one_of(
    st.just(("", "")),
    st.tuples(
        st.sampled_from(["=", "<", ">", "<=", ">=", "~", "<~", ">~"]), st.sampled_from(["1", "1.2_rc1-r0", "3b"])
    ),
    st.just(("><", "Q1d2hhdCBpcyB0aGlzIGhlcmUgMQ==")),
)
dependencies = st.builds(
    lambda name, constraint, conflict, tag: Dependency(name, constraint[0], constraint[1], conflict, tag),
    names, constraints, st.booleans(), tags,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bash", Dependency("bash")),
        ("!bash", Dependency("bash", conflict=True)),
        ("bash>=5.2", Dependency("bash", ">=", "5.2")),
        ("bash=>5.2", Dependency("bash", ">=", "5.2")),
        ("bash==5.2-r1", Dependency("bash", "=", "5.2-r1")),
        ("bash~5", Dependency("bash", "~", "5")),
        ("bash@edge", Dependency("bash", tag="edge")),
        ("bash@edge>5", Dependency("bash", ">", "5", tag="edge")),
        ("so:libz.so.1", Dependency("so:libz.so.1")),
        ("/bin/sh", Dependency("/bin/sh")),
        (".build-dependencies=20260101.120000", Dependency(".build-dependencies", "=", "20260101.120000")),
        ("a><Q1abc=", Dependency("a", "><", "Q1abc=")),
    ],
)
def test_a_word_is_a_name_a_tag_and_a_version(text: str, found: Dependency) -> None:
    assert parse_dependency(text) == found


@pytest.mark.parametrize(
    "text", ["", "!", "=1", "a=", "a>>1", "a=xy", "a=1-", "a b", "a@", "@edge", "a@b@c", "!!a", "a\n", "a=1 ", "a<1<2"]
)
def test_what_is_not_a_dependency_is_refused(text: str) -> None:
    with pytest.raises(ApkError) as fault:
        parse_dependency(text)
    assert fault.value.hint


@given(dependencies)
def test_what_is_written_is_read_back(dependency: Dependency) -> None:
    assert parse_dependency(str(dependency)) == dependency


@given(dependencies)
def test_the_name_is_the_one_that_was_asked_for(dependency: Dependency) -> None:
    assert name_of(str(dependency)) == dependency.name


@given(st.one_of(st.text(max_size=20), st.text(alphabet="ab!@<>=~1.-r_ \n", max_size=12)))
def test_any_text_is_a_dependency_or_refused(text: str) -> None:
    try:
        found = parse_dependency(text)
    except ApkError:
        return
    assert parse_dependency(str(found)) == found
    assert found.name == name_of(text)


def test_what_is_provided_has_a_name_and_may_have_a_version() -> None:
    assert provided("so:libz.so.1=1.3") == ("so:libz.so.1", "1.3")
    assert provided("mail-server") == ("mail-server", "")
