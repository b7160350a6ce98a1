"""Which image may claim which tag: official examples, and properties that hold whatever images there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import UsageError
from bivy.images.definition import load_image
from bivy.oci.registry.name import parse_name
from bivy.tags.rules import Edition, assign, parse_version, tag_names

RELEASES = st.sampled_from(["", "3.22", "3.23", "3.24", "edge"])
VERSIONS = st.builds(
    lambda major, minor, micro, stage: f"{major}.{minor}.{micro}{stage}",
    st.integers(3, 4), st.integers(9, 16), st.integers(0, 12), st.sampled_from(["", "", "a1", "b2", "rc1", "rc2"]),
)  # fmt: skip
EDITIONS = st.sets(st.builds(Edition, VERSIONS, RELEASES), min_size=1, max_size=12)


def test_the_newest_has_the_tags_of_the_official_image_of_its_release() -> None:
    assert tag_names("3.14.7", "3.24", known=["3.13.15", "3.15.0rc1"]) == (
        "3.14.7-alpine3.24", "3.14-alpine3.24", "3-alpine3.24", "alpine3.24",
    )  # fmt: skip


def test_the_newest_from_sources_has_those_without_a_release() -> None:
    assert tag_names("3.14.7", known=["3.13.15"]) == ("3.14.7-alpine", "3.14-alpine", "3-alpine", "alpine")


def test_an_older_series_has_its_own_tags_alone() -> None:
    assert tag_names("3.13.15", "3.24", known=["3.14.7"]) == ("3.13.15-alpine3.24", "3.13-alpine3.24")


def test_an_older_patch_keeps_its_exact_tag_alone() -> None:
    assert tag_names("3.14.6", known=["3.14.7"]) == ("3.14.6-alpine",)


def test_a_prerelease_has_the_tag_of_candidates_and_none_of_a_stable_one() -> None:
    assert tag_names("3.15.0rc1", known=["3.14.7", "3.15.0b4"]) == ("3.15.0rc1-alpine", "3.15-rc-alpine")
    assert tag_names("3.15.0b4", known=["3.15.0rc1"]) == ("3.15.0b4-alpine",)


def test_a_prerelease_of_what_has_been_released_has_its_exact_tag_alone() -> None:
    assert tag_names("3.15.0rc1", known=["3.15.0"]) == ("3.15.0rc1-alpine",)


def test_the_newest_of_an_older_major_version_keeps_its_tag() -> None:
    assert tag_names("3.19.2", known=["4.0.0"]) == ("3.19.2-alpine", "3.19-alpine", "3-alpine")


def test_ten_is_newer_than_nine() -> None:
    tags = assign([Edition("3.9.20"), Edition("3.14.9"), Edition("3.14.10")])
    assert tags[Edition("3.14.10")][-1] == "alpine"
    assert tags[Edition("3.9.20")] == ("3.9.20-alpine", "3.9-alpine")


def test_the_names_of_the_definition_are_among_those_of_the_rules() -> None:
    facts = {"version": "3.14.7", "minor": "3.14", "release": "3.24"}
    definition = load_image("python")
    assert {*definition.names(facts)} <= {f"python:{tag}" for tag in tag_names("3.14.7")}
    assert {*definition.of_alpine().names(facts)} <= {f"python:{tag}" for tag in tag_names("3.14.7", "3.24")}


@given(EDITIONS)
def test_each_tag_belongs_to_exactly_one_image(editions: set[Edition]) -> None:
    given_tags = [tag for tags in assign(editions).values() for tag in tags]
    assert len(given_tags) == len(set(given_tags))


@given(EDITIONS)
def test_every_image_has_its_exact_tag_first(editions: set[Edition]) -> None:
    for edition, tags in assign(editions).items():
        assert tags[0] == edition.exact


@given(EDITIONS)
def test_a_loose_tag_belongs_to_the_newest_stable_that_it_fits(editions: set[Edition]) -> None:
    stable = [version for each in editions if not (version := parse_version(each.version)).is_prerelease]
    for edition, tags in assign(editions).items():
        own = parse_version(edition.version)
        for tag in (tag for tag in tags[1:] if "-rc-" not in tag):
            fitting = [each for each in stable if tag[0] == "a" or f"{each}.".startswith(f"{tag.split('-')[0]}.")]
            assert own == max(fitting)


@given(EDITIONS)
def test_of_each_kind_the_newest_stable_has_the_loosest_tag(editions: set[Edition]) -> None:
    assigned = assign(editions)
    stable = [each for each in editions if not parse_version(each.version).is_prerelease]
    for newest in stable:
        if parse_version(newest.version) == max(parse_version(each.version) for each in stable):
            assert assigned[newest][-1] == f"alpine{newest.release}"


@given(EDITIONS)
def test_none_claims_latest_and_each_says_its_kind(editions: set[Edition]) -> None:
    for edition, tags in assign(editions).items():
        for tag in tags:
            assert tag.endswith(f"alpine{edition.release}")
            assert parse_name(f"registry.example/python:{tag}").tag == tag


@given(EDITIONS, VERSIONS)
def test_knowing_of_a_version_takes_tags_away_and_gives_none(editions: set[Edition], version: str) -> None:
    before, after = assign(editions), assign(editions, known=[version])
    for edition, tags in after.items():
        assert set(tags) <= set(before[edition])


@given(EDITIONS)
def test_the_order_of_what_is_known_does_not_matter(editions: set[Edition]) -> None:
    assert list(assign(sorted(editions, key=str)).items()) == list(assign(sorted(editions, key=str)[::-1]).items())


@given(st.text(max_size=40))
def test_whatever_is_taken_for_a_version_makes_tags_that_a_registry_takes(text: str) -> None:
    try:
        tags = tag_names(text)
    except UsageError:
        return
    assert [parse_name(f"registry.example/python:{tag}").tag for tag in tags] == list(tags)


@pytest.mark.parametrize(
    "version",
    ["", "3", "3.14", "3.14.7.1", "3.14.7+x", "1!3.14.7", "v3.14.7", "3.014.7", "3.14.7.dev1", "3.14.7.post1", "latest",
     " 3.14.7", "3.14.7\n", "\uff13.14.7", "3.14.7-alpine", f"3.14.{'9' * 5000}", "3.14.7rc1\x1b[31m"],
)  # fmt: skip
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(UsageError, match="is not a version of Python's"):
        tag_names(version)


@pytest.mark.parametrize("release", ["3", "v3.24", "3.24.1", "3.24 ", "Edge", "../x", "\uff13.24"])
def test_what_is_no_release_is_refused(release: str) -> None:
    with pytest.raises(UsageError, match="is not a release of Alpine's"):
        tag_names("3.14.7", release)
