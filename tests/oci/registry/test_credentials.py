from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.oci.registry.credentials import Credential, find_credential
from bivy.oci.registry.name import parse_name

GHCR = parse_name("ghcr.io/me/app:1")
HUB = parse_name("python:3")


def auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {
        "HOME": str(tmp_path),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
    }


def write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


def helper(tmp_path: Path, name: str, body: str) -> None:
    path = tmp_path / "bin" / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def told(credential: Credential | None) -> tuple[str, str] | None:
    return (credential.user, credential.password) if credential else None


@pytest.mark.parametrize(
    "key", ["ghcr.io", "https://ghcr.io", "https://ghcr.io/v1/", "http://ghcr.io/v2/", "ghcr.io/me", "ghcr.io/me/app"]
)
def test_what_docker_login_wrote_is_found_under_each_spelling_of_the_registry(
    tmp_path: Path, environ: dict[str, str], key: str
) -> None:
    write(
        tmp_path / "docker/config.json",
        {"auths": {"other.io": {"auth": auth("x", "y")}, key: {"auth": auth("me", "a:b")}}},
    )
    assert told(find_credential(GHCR, environ).credential) == ("me", "a:b")


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_goes_by_all_its_names(tmp_path: Path, environ: dict[str, str], key: str) -> None:
    write(tmp_path / "docker/config.json", {"auths": {key: {"auth": auth("me", "pw")}}})
    assert told(find_credential(HUB, environ).credential) == ("me", "pw")


@pytest.mark.parametrize(
    "key",
    ["ghcr.io.evil.org", "evil.org/ghcr.io", "ghcr.io:443", "ghcr.io/you", "ghcr.io/me/app2", "ghcr.io/m", "hcr.io"],
)
def test_a_credential_for_another_place_is_not_taken(tmp_path: Path, environ: dict[str, str], key: str) -> None:
    write(tmp_path / "docker/config.json", {"auths": {key: {"auth": auth("me", "pw")}}})
    assert find_credential(GHCR, environ).credential is None


def test_the_credential_for_the_smallest_part_of_a_registry_counts(tmp_path: Path, environ: dict[str, str]) -> None:
    entries = {"ghcr.io": "all", "ghcr.io/me/app": "app", "ghcr.io/me": "mine"}
    write(tmp_path / "run/containers/auth.json", {"auths": {key: {"auth": auth("u", p)} for key, p in entries.items()}})
    assert told(find_credential(GHCR, environ).credential) == ("u", "app")
    assert told(find_credential(parse_name("ghcr.io/me/b"), environ).credential) == ("u", "mine")
    assert told(find_credential(parse_name("ghcr.io/b"), environ).credential) == ("u", "all")


def test_files_are_asked_in_their_order(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / ".config/containers/auth.json", {"auths": {"ghcr.io": {"auth": auth("me", "third")}}})
    assert told(find_credential(GHCR, environ).credential) == ("me", "third")
    write(tmp_path / "run/containers/auth.json", {"auths": {"ghcr.io": {"auth": auth("me", "second")}}})
    assert told(find_credential(GHCR, environ).credential) == ("me", "second")
    write(tmp_path / "docker/config.json", {"auths": {"ghcr.io": {"auth": auth("me", "first")}}})
    assert told(find_credential(GHCR, environ).credential) == ("me", "first")
    write(tmp_path / "told.json", {"auths": {}})
    assert find_credential(GHCR, environ | {"REGISTRY_AUTH_FILE": str(tmp_path / "told.json")}).credential is None


def test_tokens_in_a_file_are_taken(tmp_path: Path, environ: dict[str, str]) -> None:
    entry = {"auth": auth("me", ""), "identitytoken": "it", "registrytoken": "rt"}
    write(tmp_path / "docker/config.json", {"auths": {"ghcr.io": entry}})
    found = find_credential(GHCR, environ).credential
    assert found
    assert (found.identity_token, found.registry_token) == ("it", "rt")


def test_a_helper_is_asked_for_its_registry(tmp_path: Path, environ: dict[str, str]) -> None:
    helper(tmp_path, "one", 'read host; printf \'{"ServerURL":"x","Username":"%s","Secret":"%s"}\' "$host" "$1"')
    config = {"credHelpers": {"ghcr.io": "one"}, "auths": {"ghcr.io": {"auth": auth("file", "x")}}}
    write(tmp_path / "docker/config.json", config)
    assert told(find_credential(GHCR, environ).credential) == ("ghcr.io", "get")
    assert find_credential(parse_name("other.io/a"), environ).credential is None


def test_the_store_is_asked_for_all_registries(tmp_path: Path, environ: dict[str, str]) -> None:
    helper(tmp_path, "all", 'read host; echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"for $host\\"}"')
    write(tmp_path / "docker/config.json", {"credsStore": "all", "auths": {"ghcr.io": {}}})
    ghcr, hub = (find_credential(name, environ).credential for name in (GHCR, HUB))
    assert ghcr
    assert ghcr.identity_token == "for ghcr.io"
    assert hub
    assert hub.identity_token == "for https://index.docker.io/v1/"


def test_where_a_helper_has_none_the_file_is_looked_into(tmp_path: Path, environ: dict[str, str]) -> None:
    helper(tmp_path, "none", "echo credentials not found in native keychain; exit 1")
    config = {"credsStore": "none", "auths": {"ghcr.io": {"auth": auth("file", "x")}}}
    write(tmp_path / "docker/config.json", config)
    found = find_credential(GHCR, environ)
    assert told(found.credential) == ("file", "x")
    assert found.faults == ()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("echo the vault is closed; exit 2", "failed: the vault is closed"),
        ("echo nonsense", "gives no credential"),
        ("echo '{\"Username\": 1}'", "gives no credential"),
        (None, "cannot be started"),
    ],
)
def test_a_helper_that_fails_is_told_and_the_next_file_asked(
    tmp_path: Path, environ: dict[str, str], body: str | None, why: str
) -> None:
    if body:
        helper(tmp_path, "bad", body)
    write(tmp_path / "docker/config.json", {"credsStore": "bad"})
    write(tmp_path / "run/containers/auth.json", {"auths": {"ghcr.io": {"auth": auth("podman", "x")}}})
    found = find_credential(GHCR, environ)
    assert told(found.credential) == ("podman", "x")
    assert why in found.faults[0]
    assert "docker-credential-bad" in found.faults[0]


@pytest.mark.parametrize("name", ["../../bin/sh", "a b", "a;b"])
def test_a_helper_whose_name_leads_elsewhere_is_not_started(tmp_path: Path, environ: dict[str, str], name: str) -> None:
    write(tmp_path / "docker/config.json", {"credsStore": name})
    assert "cannot be one" in find_credential(GHCR, environ).faults[0]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"auths": []}',
        '{"auths": {"ghcr.io": {"auth": "???"}}}',
        "\xff",
        '{"auths":{"ghcr.io":{"auth":7}}}',
    ],
)
def test_a_damaged_file_is_told_without_what_is_in_it(tmp_path: Path, environ: dict[str, str], content: str) -> None:
    write(tmp_path / "docker/config.json", content)
    found = find_credential(GHCR, environ)
    assert found.credential is None
    assert str(tmp_path / "docker/config.json") in found.faults[0]
    assert len(found.faults) == 1


def test_secrets_are_not_shown(tmp_path: Path, environ: dict[str, str]) -> None:
    entry = {"auth": auth("me", "hidden1"), "identitytoken": "hidden2", "registrytoken": "hidden3"}
    write(tmp_path / "docker/config.json", {"auths": {"ghcr.io": entry}})
    assert "hidden" not in repr(find_credential(GHCR, environ))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "auths": JSON | st.dictionaries(st.sampled_from(["ghcr.io", "https://ghcr.io/v1/"]), JSON),
        "credHelpers": JSON,
    },
)


@given(CONFIGS)
def test_no_file_is_a_fault_of_bivys(tmp_path_factory: pytest.TempPathFactory, config: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "config.json"
    path.write_text(json.dumps(config))
    find_credential(GHCR, {"REGISTRY_AUTH_FILE": str(path), "PATH": ""})
