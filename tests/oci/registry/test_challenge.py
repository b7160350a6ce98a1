from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.oci.registry.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="a registry"', [Challenge("basic", {"realm": "a registry"})]),
        (
            'Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "r.example",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'Basic realm="x", charset="UTF-8", BEARER Realm=y, service="z"',
            [
                Challenge("basic", {"realm": "x", "charset": "UTF-8"}),
                Challenge("bearer", {"realm": "y", "service": "z"}),
            ],
        ),
        ("Negotiate, Basic realm=x", [Challenge("negotiate"), Challenge("basic", {"realm": "x"})]),
        ("Negotiate YII+abc==, Basic realm=x", [Challenge("negotiate"), Challenge("basic", {"realm": "x"})]),
        (r'Basic realm="a \"b\" \\ c"', [Challenge("basic", {"realm": r"a \ c".replace("a ", 'a "b" ')})]),
        ('Bearer realm = "x" , service = y', [Challenge("bearer", {"realm": "x", "service": "y"})]),
        ("Basic", [Challenge("basic")]),
        ("", []),
        (", ,", []),
        ("=", []),
        ('Basic realm="unfinished', [Challenge("basic")]),
        ('Basic realm="a", realm="b"', [Challenge("basic", {"realm": "a"})]),
    ],
)
def test_challenges_are_read_as_rfc_9110_has_them(header: str, challenges: list[Challenge]) -> None:
    assert list(parse_challenges([header])) == challenges


def test_several_headers_are_several_challenges() -> None:
    assert [challenge.scheme for challenge in parse_challenges(["Bearer realm=x", "Basic realm=y"])] == [
        "bearer",
        "basic",
    ]


TOKENS = st.text(string.ascii_lowercase + string.digits + "-_!", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
CHALLENGES = st.lists(
    st.builds(Challenge, TOKENS, st.dictionaries(TOKENS, VALUES, min_size=1, max_size=4)), max_size=3
)  # fmt: skip


def spell(challenge: Challenge) -> str:
    quoted = (
        f'{name}="{"".join(chr(92) + c if c in chr(92) + chr(34) else c for c in value)}"'
        for name, value in challenge.parameters.items()
    )
    return f"{challenge.scheme} {', '.join(quoted)}"


@given(CHALLENGES)
def test_whatever_is_spelled_is_read_again(challenges: list[Challenge]) -> None:
    assert list(parse_challenges([", ".join(map(spell, challenges))])) == challenges


@given(st.one_of(st.text(), st.text('Basicrealm=", \\x', max_size=60)))
def test_nothing_that_a_server_says_is_a_fault(header: str) -> None:
    for challenge in parse_challenges([header]):
        assert challenge.scheme == challenge.scheme.lower()
