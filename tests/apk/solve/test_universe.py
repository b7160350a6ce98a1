"""What there is to choose from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.database import InstalledPackage
from bivy.apk.errors import ApkError
from bivy.apk.index import IndexEntry, format_index_entry, parse_index, read_index
from bivy.apk.solve.buckets import bucket, murmur3
from bivy.apk.solve.universe import LocalPackage, Source, Universe, provided_by

A1 = IndexEntry("Q1a1", "a", "1-r0", provides=("so:a.so=1", "sh"), depends=("b",))
A2 = IndexEntry("Q1a2", "a", "2-r0", provides=("so:a.so=2",), install_if=("b", "c=1-r0"))
B = IndexEntry("Q1b", "b", "1-r0", provides=("a=0.5", "sh"), depends=("zz",))


def text(*entries: IndexEntry) -> str:
    return "\n".join(map(format_index_entry, entries))


def told(universe: Universe, name: str) -> list[tuple[str, str | None]]:
    return [(str(candidate), version) for candidate, version in universe.providers(name)]


def test_a_name_is_provided_by_its_packages_and_by_others() -> None:
    universe = Universe([Source(text(A1, B, A2))])
    assert told(universe, "a") == [("a-1-r0", "1-r0"), ("b-1-r0", "0.5"), ("a-2-r0", "2-r0")]
    assert told(universe, "so:a.so") == [("a-1-r0", "1"), ("a-2-r0", "2")]
    assert told(universe, "sh") == [("a-1-r0", None), ("b-1-r0", None)]
    assert told(universe, "nothing") == []
    assert [str(candidate) for candidate in universe.find("a")] == ["a-1-r0", "b-1-r0", "a-2-r0"]


def test_the_same_checksum_is_the_same_package_wherever_it_comes_from() -> None:
    universe = Universe([Source(text(A1)), Source(text(B, A1))], [InstalledPackage(A1)], [LocalPackage(A1, "a.apk")])
    (found,) = universe.named("a")
    assert found.repositories == (0, 1)
    assert found.installed == InstalledPackage(A1)
    assert found.local == LocalPackage(A1, "a.apk")


def test_what_is_installed_comes_first() -> None:
    universe = Universe([Source(text(A2))], [InstalledPackage(B), InstalledPackage(A1)])
    assert [str(each) for each in universe.find("a")] == ["b-1-r0", "a-1-r0", "a-2-r0"]
    assert [str(each) for each in universe.installed()] == ["b-1-r0", "a-1-r0"]
    assert str(universe.installed_named("a")) == "a-1-r0"
    assert universe.installed_named("c") is None


def test_what_is_wanted_with_a_name_is_found_by_it() -> None:
    universe = Universe([Source(text(A1, A2, B))])
    assert [str(each) for each in universe.wanted_with("c")] == ["a-2-r0"]
    assert universe.wanted_with("a") == ()


def test_conditions_may_have_any_sign() -> None:
    entry = IndexEntry("Q1d", "d", "1-r0", install_if=("!b", "c>=1", "e~2"))
    universe = Universe([Source(text(entry))])
    for name in "bce":
        assert [str(each) for each in universe.wanted_with(name)] == ["d-1-r0"]


def test_repositories_are_found_by_their_tag() -> None:
    universe = Universe([Source(""), Source("", "edge"), Source("")])
    assert universe.repositories_tagged("") == (0, 2)
    assert universe.repositories_tagged("edge") == (1,)


def test_a_faulty_package_is_refused_when_somebody_asks_for_it_and_not_before() -> None:
    universe = Universe([Source(f"{text(A1)}\nP:broken\nV:1\nnonsense\n", where="the repository")])
    assert told(universe, "a") == [("a-1-r0", "1-r0")]
    with pytest.raises(ApkError, match="the repository, package broken: 'nonsense' is not a field"):
        universe.find("broken")
    with pytest.raises(ApkError, match="broken"):
        list(universe.packages())


def test_a_name_is_mentioned_first_where_it_is_needed_or_provided() -> None:
    universe = Universe([Source(text(A1, B))], [InstalledPackage(A2)])
    assert universe.first_mention("c")[:2] == (0, 0)
    assert universe.first_mention("sh") < universe.first_mention("zz") < universe.first_mention("nowhere")


def test_what_is_provided_in_no_version_ends_the_list_as_it_does_for_apk() -> None:
    assert provided_by(IndexEntry("Q1", "a", "1", provides=("b=1", "c=what", "d=1"))) == (("b", "1"),)


def test_all_packages_of_alpine_3_16_are_found(genuine: Path) -> None:
    entries = read_index((genuine / "APKINDEX.tar.gz").read_bytes(), None)
    universe = Universe([Source(text(*entries))])
    assert {candidate.entry for candidate in universe.packages()} == set(entries)
    for entry in entries[::50]:
        for name, version in provided_by(entry):
            assert (str(entry.name) + "-" + entry.version, version) in told(universe, name)


def test_the_hash_is_murmur3() -> None:
    # The vectors are those of the reference implementation (SMHasher).
    assert murmur3(b"") == 0
    assert murmur3(b"", 1) == 0x514E28B7
    assert murmur3(b"\xff\xff\xff\xff") == 0x76293B50
    assert murmur3(b"\x21\x43\x65\x87") == 0xF55B516B
    assert murmur3(b"\x21\x43\x65") == 0x7E4A8634
    assert murmur3(b"\x21\x43") == 0xA0F7B07A
    assert murmur3(b"\x21") == 0x72661CF4
    assert 0 <= bucket("so:libc.musl-x86_64.so.1") < 20_000


words = st.from_regex(r"[a-c](=[1-9])?", fullmatch=True)
entries = st.builds(
    lambda name, version, depends, provides: IndexEntry(
        f"Q1{hash((name, version, depends, provides))}", name, version, depends=depends, provides=provides
    ),
    st.sampled_from("abcde"),
    st.sampled_from(["1", "2", "3-r1"]),
    st.lists(words, max_size=2).map(tuple),
    st.lists(words, max_size=2).map(tuple),
)


@given(st.lists(entries, max_size=6))
def test_an_index_is_read_as_the_whole_of_it_would_be(listed: list[IndexEntry]) -> None:
    universe = Universe([Source(text(*listed))])
    parsed = dict.fromkeys(parse_index(text(*listed), "the index"))
    assert {candidate.entry for candidate in universe.packages()} == set(parsed)
    for name in "abc":
        expected = {
            (entry, version)
            for entry in parsed
            for provided, version in ((entry.name, entry.version), *provided_by(entry))
            if provided == name
        }
        assert {(candidate.entry, version) for candidate, version in universe.providers(name)} == expected


@given(st.one_of(st.text(max_size=200), st.text(alphabet="PVCDpi:ab=1 \n", max_size=120)))
def test_any_text_is_an_index_or_refused(anything: str) -> None:
    universe = Universe([Source(anything)])
    for name in (*universe.names(), "a", "b", ""):
        try:
            universe.find(name)
            universe.wanted_with(name)
        except ApkError:
            continue
