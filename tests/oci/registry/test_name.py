from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import UsageError
from bivy.oci.registry.name import Name, names_a_host, parse_name

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("python", Name("docker.io", "library/python", "latest")),
        ("me/app:1", Name("docker.io", "me/app", "1")),
        ("docker.io/python:3", Name("docker.io", "library/python", "3")),
        ("index.docker.io/me/app", Name("docker.io", "me/app", "latest")),
        ("docker://ghcr.io/me/app:1.0", Name("ghcr.io", "me/app", "1.0")),
        ("localhost/app", Name("localhost", "app", "latest")),
        ("localhost:5000/a/b/c:x", Name("localhost:5000", "a/b/c", "x")),
        ("[::1]:5000/app", Name("[::1]:5000", "app", "latest")),
        (f"ghcr.io/me/app@{DIGEST}", Name("ghcr.io", "me/app", "", DIGEST)),
        (f"ghcr.io/me/app:1@{DIGEST}", Name("ghcr.io", "me/app", "1", DIGEST)),
    ],
)
def test_a_name_says_registry_repository_and_image(text: str, name: Name) -> None:
    assert parse_name(text) == name
    assert parse_name(str(name)) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' is not a name"),
        ("ghcr.io/", "'' is not a name"),
        ("ghcr.io/Me/app", "'Me/app' is not a name"),
        ("ghcr.io/me//app", "is not a name"),
        ("ghcr.io/me/../app", "is not a name"),
        ("ghcr.io/me/app:", "'' is not a tag"),
        ("ghcr.io/me/app:-x", "'-x' is not a tag"),
        ("ghcr.io/me/app:é", "'é' is not a tag"),
        ("ghcr.io/me/app@sha256:00", "'sha256:00' is not a digest"),
        ("ghcr.io/me/app@md5:00", "is not a digest"),
        ("localhost:0/app", "'localhost:0' is not a host"),
        ("localhost:99999/app", "is not a host"),
        ("ghcr.io/" + "a" * 255, "is not a name"),
        ("user:password@ghcr.io/app", "is not a digest"),
        ("a b/c", "is not a name"),
    ],
)
def test_what_names_no_image_says_which_part_is_wrong(text: str, why: str) -> None:
    with pytest.raises(UsageError) as fault:
        parse_name(text)
    assert why in str(fault.value)


def test_a_name_in_capitals_is_answered_with_the_one_that_may_be_meant() -> None:
    with pytest.raises(UsageError) as fault:
        parse_name("ghcr.io/Me/App:1")
    assert "is me/app meant?" in (fault.value.hint or "")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True), ("localhost:5000", True), ("app.localhost:80", True), ("127.0.0.1:5000", True),
        ("127.9.9.9", True), ("[::1]:5000", True), ("docker.io", False), ("10.0.0.1:5000", False),
        ("localhost.example.org", False), ("127.0.0.1.example.org", False), ("[fe80::1]", False),
    ],
)  # fmt: skip
def test_plain_http_is_for_registries_on_this_machine_alone(host: str, local: bool) -> None:
    assert Name(host, "app", "1").is_local is local


HOSTS = st.from_regex(r"[a-z0-9]{1,9}(\.[a-z0-9]{1,9}){1,3}(:[1-9][0-9]{0,3})?", fullmatch=True).filter(
    lambda host: host.partition(":")[0] not in ("docker.io", "index.docker.io")
)
REPOSITORIES = st.from_regex(r"[a-z0-9]{1,9}([._/-][a-z0-9]{1,9}){0,4}", fullmatch=True)
TAGS = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=128)
NAMES = st.builds(Name, HOSTS, REPOSITORIES, TAGS, st.sampled_from(["", DIGEST]))


@given(NAMES)
def test_every_name_is_read_as_it_is_spelled(name: Name) -> None:
    assert names_a_host(str(name))
    assert parse_name(str(name)) == name


@given(st.one_of(st.text(), st.text("a.:/@-_[]0 A", max_size=30)))
def test_whatever_is_typed_is_a_name_that_is_safe_in_an_address_or_refused(text: str) -> None:
    try:
        name = parse_name(text)
    except UsageError:
        return
    assert not set(name.repository) - set(string.ascii_lowercase + string.digits + "._-/")
    assert ".." not in name.repository.split("/")
    assert not set(name.host) - set(string.ascii_letters + string.digits + ".-:[]")
    assert parse_name(str(name)) == name
