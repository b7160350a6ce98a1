"""Against Debian's docker-registry, as it is, with authentication, dying, and without room."""

from __future__ import annotations

import base64
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bivy.errors import BivyError, UsageError
from bivy.oci import media
from bivy.oci.graph import make_artifact, node_of_image, node_of_images
from bivy.oci.image import Image
from bivy.oci.layer import read_layer
from bivy.oci.layout import read_node, write_image
from bivy.oci.open import opened, opened_node
from bivy.oci.registry.faults import RegistryError
from bivy.oci.registry.name import Name
from bivy.oci.registry.pull import pull_image
from bivy.oci.registry.push import Pushed, push
from bivy.oci.registry.referrers import list_referrers
from bivy.oci.registry.session import Session
from bivy.oci.registry.upload import Sent
from bivy.progress import Silent
from bivy.source.fetch import Patience
from tests.oci.images import sample
from tests.oci.registry.conftest import PATIENCE, in_files, large
from tests.oci.registry.real import HTPASSWD, PASSWORD, Registry, docker_config, real_registry, token_server

pytestmark = pytest.mark.registry
SBOM = "application/vnd.cyclonedx+json"


def sent(image: Image, name: Name, cache: Path, patience: Patience = PATIENCE) -> Pushed:
    return push(node_of_image(image), name, cache=cache, progress=Silent(), patience=patience)


def pulled(name: Name, cache: Path, platform: str = "") -> tuple[Image, list[bytes]]:
    with Session(name, patience=PATIENCE) as session:
        image = pull_image(session, platform, cache=cache, progress=Silent())
        return image, [read_layer(layer) for layer in image.layers]


def test_what_was_pushed_is_pulled_again(registry: Registry, tmp_path: Path) -> None:
    pushed = sent(sample(), registry.name(), tmp_path / "a")
    assert pushed.digest == sample().digest
    assert set(pushed.blobs.values()) == {Sent.SENT}
    image, layers = pulled(registry.name(), tmp_path / "b")
    assert image.digest == sample().digest
    assert image.config == sample().config
    assert layers == [read_layer(layer) for layer in sample().layers]


def test_what_is_there_is_not_sent_again(registry: Registry, tmp_path: Path) -> None:
    sent(sample(), registry.name(), tmp_path / "a")
    changed = sent(sample(note="changed"), registry.name(), tmp_path / "b")
    assert sorted(how.name for how in changed.blobs.values()) == ["SENT", "SENT", "THERE"]
    again = sent(sample(note="changed"), registry.name(), tmp_path / "b")
    assert set(again.blobs.values()) == {Sent.THERE}
    assert again.sent == 0


def test_another_repository_takes_over_what_was_pushed_or_pulled_before(registry: Registry, tmp_path: Path) -> None:
    sent(sample(), registry.name("base"), tmp_path / "a")
    assert set(sent(sample(), registry.name("app"), tmp_path / "a").blobs.values()) == {Sent.MOUNTED}
    pulled(registry.name("base"), tmp_path / "b")
    how = sent(sample(note="on top"), registry.name("other"), tmp_path / "b").blobs
    assert sorted(each.name for each in how.values()) == ["MOUNTED", "SENT", "SENT"]


def test_a_repository_that_is_gone_is_no_reason_not_to_push(registry: Registry, tmp_path: Path) -> None:
    sent(sample(), registry.name("base"), tmp_path / "a")
    registry.kill()
    shutil.rmtree(registry.folder / "data")
    registry.start()
    assert set(sent(sample(), registry.name("app"), tmp_path / "a").blobs.values()) == {Sent.SENT}


def test_all_platforms_of_a_name_become_one_index_with_the_layouts_digest(registry: Registry, tmp_path: Path) -> None:
    images = [sample(), sample("arm64", variant="v8"), sample("arm", variant="v7")]
    for image in images:
        write_image(image, tmp_path / "dist", ["app:1"])
    node = read_node(tmp_path / "dist", "app:1")
    pushed = push(node, registry.name(), cache=tmp_path, progress=Silent())
    index = json.loads((tmp_path / "dist/index.json").read_bytes())["manifests"][0]["digest"]
    assert pushed.digest == index == node_of_images([node_of_image(image) for image in images]).digest
    assert pushed.platforms == ("linux/amd64", "linux/arm/v7", "linux/arm64/v8")
    for image in images:
        assert pulled(registry.name(), tmp_path / "cache", image.config.platform)[0].digest == image.digest
    assert pulled(registry.name(), tmp_path / "cache", "linux/arm64")[0].digest == images[1].digest
    with pytest.raises(UsageError, match="has no image for linux/s390x") as fault:
        pulled(registry.name(), tmp_path / "cache", "linux/s390x")
    assert "linux/arm/v7" in (fault.value.hint or "")


def test_one_platform_of_several_is_pushed_as_it_is(registry: Registry, tmp_path: Path) -> None:
    for image in (sample(), sample("arm64", variant="v8")):
        write_image(image, tmp_path / "dist", ["app:1"])
    node = read_node(tmp_path / "dist", "app:1", "linux/arm64/v8")
    pushed = push(node, registry.name(), cache=tmp_path, progress=Silent())
    assert pushed.digest == sample("arm64", variant="v8").digest


def test_a_digest_that_was_pulled_once_needs_no_registry(registry: Registry, tmp_path: Path) -> None:
    sent(sample(), registry.name(), tmp_path / "a")
    pulled(registry.name(), tmp_path / "b")
    registry.kill()
    _, layers = pulled(registry.name().at(sample().digest), tmp_path / "b")
    assert layers == [read_layer(layer) for layer in sample().layers]


def test_layers_are_fetched_only_when_they_are_read(registry: Registry, tmp_path: Path) -> None:
    sent(sample(), registry.name(), tmp_path / "a")
    with opened(str(registry.name()), layout=tmp_path, platform="", cache=tmp_path / "b") as image:
        there = {path.name for path in (tmp_path / "b/blobs/sha256").iterdir()}
        assert there == {image.digest[7:], image.config_blob.digest[7:]}
        read_layer(image.layers[0])
        there = {path.name for path in (tmp_path / "b/blobs/sha256").iterdir()}
        assert there == {blob.digest[7:] for blob in image.blobs}


def test_a_blob_that_was_damaged_in_the_cache_is_fetched_again(registry: Registry, tmp_path: Path) -> None:
    sent(sample(), registry.name(), tmp_path / "a")
    image, _ = pulled(registry.name(), tmp_path / "b")
    for blob in image.blobs:
        (tmp_path / "b/blobs/sha256" / blob.digest[7:]).write_bytes(bytes(blob.size))
    _, layers = pulled(registry.name(), tmp_path / "b")
    assert layers == [read_layer(layer) for layer in sample().layers]


def test_an_image_is_copied_from_one_registry_to_another_with_all_that_belongs_to_it(
    registry: Registry, tmp_path: Path
) -> None:
    images = [sample(), sample("arm64", variant="v8")]
    node = node_of_images([node_of_image(image, [make_artifact(image, SBOM, b"{}")]) for image in images])
    push(node, registry.name(), cache=tmp_path, progress=Silent())
    with (
        real_registry(tmp_path / "second") as second,
        opened_node(str(registry.name()), layout=tmp_path, platform="", cache=tmp_path / "c") as copied,
    ):
        assert push(copied, second.name(), cache=tmp_path / "c", progress=Silent()).digest == node.digest
        assert pulled(second.name(), tmp_path / "d", "linux/arm64/v8")[0].digest == images[1].digest
        with Session(second.name(), patience=PATIENCE) as session:
            for image in images:
                assert [each.artifact_type for each in list_referrers(session, image.digest)] == [SBOM]


def test_an_artifact_is_attached_where_the_registry_keeps_no_list_of_them(registry: Registry, tmp_path: Path) -> None:
    image = sample()
    artifacts = [
        make_artifact(image, SBOM, b'{"bomFormat":"CycloneDX"}', {"note": "x"}),
        make_artifact(image, "a/b", b"1"),
    ]
    node = node_of_image(image, artifacts)
    for _ in range(2):
        pushed = push(node, registry.name(), cache=tmp_path, progress=Silent())
    assert pushed.referrers == tuple(artifact.digest for artifact in artifacts)
    with Session(registry.name(), patience=PATIENCE) as session:
        assert [each.digest for each in list_referrers(session, image.digest)] == [each.digest for each in artifacts]
        (found,) = list_referrers(session, image.digest, SBOM)
        assert found.annotations == {"note": "x"}
        assert list_referrers(session, "sha256:" + "0" * 64) == ()
        tag = f"manifests/{image.digest.replace(':', '-')}"
        listed = session.ask("GET", tag, "look", headers={"Accept": media.INDEX})
        assert json.loads(listed.body)["mediaType"] == media.INDEX


def test_artifacts_in_a_layout_are_pushed_with_their_image(registry: Registry, tmp_path: Path) -> None:
    image = sample()
    write_image(image, tmp_path / "dist", ["app:1"], [make_artifact(image, SBOM, b"{}")])
    pushed = push(read_node(tmp_path / "dist", "app:1"), registry.name(), cache=tmp_path, progress=Silent())
    assert len(pushed.referrers) == 1


def test_a_tag_that_is_not_there_is_answered_with_the_nearest(registry: Registry, tmp_path: Path) -> None:
    for tag in ("3.13-alpine", "3.14-alpine"):
        sent(sample(), registry.name("python", tag), tmp_path)
    with pytest.raises(UsageError, match=r"has no tag 3\.14-alpin") as fault:
        pulled(registry.name("python", "3.14-alpin"), tmp_path)
    assert "is 3.14-alpine meant? it has 3.13-alpine, 3.14-alpine" in (fault.value.hint or "")


def test_a_repository_that_is_not_there_is_told(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="there is none") as fault:
        pulled(registry.name("nothing"), tmp_path)
    assert "is the name right?" in (fault.value.hint or "")


def test_a_digest_in_the_destination_has_to_be_the_images(registry: Registry, tmp_path: Path) -> None:
    name = registry.name()
    wrong = Name(name.host, name.repository, "1", "sha256:" + "0" * 64)
    with pytest.raises(UsageError, match="has the digest"):
        sent(sample(), wrong, tmp_path)
    right = Name(name.host, name.repository, "", sample().digest)
    sent(sample(), right, tmp_path)
    assert pulled(right, tmp_path / "b")[0].digest == sample().digest


def test_a_layer_that_was_altered_here_is_not_sent(registry: Registry, tmp_path: Path) -> None:
    image = in_files(sample(), tmp_path / "files")
    (tmp_path / "files/1").write_bytes(bytes(image.layers[1].size))
    with pytest.raises(BivyError, match="was altered"):
        sent(image, registry.name(), tmp_path)
    with pytest.raises(RegistryError, match="there is none"):
        pulled(registry.name(), tmp_path / "b")


# Who asks


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Registry]:
    """A registry that wants a password."""
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "a realm", "path": str(tmp_path / "htpasswd")}}
    with real_registry(tmp_path / "guarded", auth=auth) as found:
        yield found


def test_a_registry_that_wants_a_password_is_told_what_docker_login_wrote(
    guarded: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(docker_config(tmp_path / "docker", guarded.name().host)))
    assert set(sent(sample(), guarded.name(), tmp_path).blobs.values()) == {Sent.SENT}
    assert pulled(guarded.name(), tmp_path / "b")[0].digest == sample().digest


def test_without_a_credential_the_person_is_told_to_log_in(guarded: Registry, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="wants to know who asks") as fault:
        sent(sample(), guarded.name(), tmp_path)
    assert f"docker login {guarded.name().host}" in (fault.value.hint or "")
    with pytest.raises(RegistryError, match="wants to know who asks"):
        pulled(guarded.name(), tmp_path)


def test_a_wrong_password_is_told_with_where_it_comes_from_and_not_shown(
    guarded: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = docker_config(tmp_path / "docker", guarded.name().host, password="wr0ng-secret")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    with pytest.raises(RegistryError, match="does not accept me") as fault:
        sent(sample(), guarded.name(), tmp_path)
    told = f"{fault.value} {fault.value.hint}"
    assert str(folder / "config.json") in told
    assert "wr0ng-secret" not in told


def test_a_helper_that_fails_is_named_where_the_registry_says_no(
    guarded: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text('{"credsStore": "that-is-not-there"}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with pytest.raises(RegistryError) as fault:
        pulled(guarded.name(), tmp_path)
    assert "docker-credential-that-is-not-there" in (fault.value.hint or "")


@dataclass
class Tokens:
    """A token server, and what it was asked."""

    port: int = 0
    asked: list[tuple[str, dict[str, list[str]], str]] = field(default_factory=list)
    allowed: set[str] = field(default_factory=lambda: {"pull", "push"})
    seconds: int = 60
    refresh: str = ""


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[tuple[Registry, Tokens]]:
    """A registry that takes tokens, and the server that gives them to who knows the password."""
    signer = token_server(tmp_path)
    state = Tokens()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.give(parse_qs(urlsplit(self.path).query))

        def do_POST(self) -> None:
            self.give(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))

        def give(self, query: dict[str, list[str]]) -> None:
            said = self.headers.get("Authorization", "")
            state.asked.append((self.command, query, said))
            known = said == "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()
            known = known or bool(state.refresh and query.get("refresh_token") == [state.refresh])
            if said and not known:
                self.send_response(401)
                self.end_headers()
                return
            scopes = [scope for each in query.get("scope", []) for scope in each.split()]
            token = signer.token(scopes, state.allowed if known else {"pull"}, state.seconds)
            body = json.dumps({"token": token, "expires_in": state.seconds}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    auth = {
        "token": {
            "realm": f"http://127.0.0.1:{state.port}/token", "service": "test service", "issuer": "test issuer",
            "rootcertbundle": str(signer.certificate),
        }
    }  # fmt: skip
    with real_registry(tmp_path / "tokens", auth=auth) as found:
        yield found, state
    server.shutdown()
    server.server_close()


def test_a_token_is_asked_for_with_the_password_and_used(
    tokens: tuple[Registry, Tokens], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, state = tokens
    monkeypatch.setenv("DOCKER_CONFIG", str(docker_config(tmp_path / "docker", registry.name().host)))
    sent(sample(), registry.name(), tmp_path / "a")
    ((method, query, _),) = state.asked
    assert method == "GET"
    assert query["service"] == ["test service"]
    assert query["scope"] == ["repository:me/app:pull,push"]
    how = sent(sample(), registry.name("me/other"), tmp_path / "a").blobs
    assert set(how.values()) == {Sent.MOUNTED}
    assert ["repository:me/other:pull,push", "repository:me/app:pull"] in [
        query["scope"] for _, query, _ in state.asked
    ]


def test_who_says_nothing_gets_a_token_that_reads(tokens: tuple[Registry, Tokens], tmp_path: Path) -> None:
    registry, state = tokens
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(docker_config(tmp_path / "docker", registry.name().host)))
        sent(sample(), registry.name(), tmp_path / "a")
    state.asked.clear()
    assert pulled(registry.name(), tmp_path / "b")[0].digest == sample().digest
    assert {said for _, _, said in state.asked} == {""}
    assert {tuple(query["scope"]) for _, query, _ in state.asked} == {("repository:me/app:pull",)}
    with pytest.raises(RegistryError, match="wants to know who asks") as fault:
        sent(sample(note="mine"), registry.name(), tmp_path / "c")
    assert "docker login" in (fault.value.hint or "")


def test_an_identity_token_is_exchanged(
    tokens: tuple[Registry, Tokens], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, state = tokens
    state.refresh = "refresh-me"
    folder = docker_config(tmp_path / "docker", registry.name().host, user="", password="", identitytoken="refresh-me")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    sent(sample(), registry.name(), tmp_path / "a")
    ((method, query, said),) = state.asked
    assert (method, said) == ("POST", "")
    assert query["grant_type"] == ["refresh_token"]


def test_a_token_that_ended_is_replaced(
    tokens: tuple[Registry, Tokens], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, state = tokens
    state.seconds = -3600  # over already: the registry refuses it, and a new one is asked for
    monkeypatch.setenv("DOCKER_CONFIG", str(docker_config(tmp_path / "docker", registry.name().host)))
    with Session(registry.name(), pushes=True, patience=PATIENCE) as session:
        with pytest.raises(RegistryError, match="does not accept me"):
            session.ask("GET", "tags/list", "look")
        state.seconds = 60
        session.ask("GET", "tags/list", "look", accept=(200, 404))


def test_a_user_who_may_only_read_is_told_so(
    tokens: tuple[Registry, Tokens], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, state = tokens
    state.allowed = {"pull"}
    monkeypatch.setenv("DOCKER_CONFIG", str(docker_config(tmp_path / "docker", registry.name().host)))
    with pytest.raises(RegistryError, match=r"does not let me .*push sha256:") as fault:
        sent(sample(), registry.name(), tmp_path / "a")
    assert PASSWORD not in f"{fault.value} {fault.value.hint}"


# What goes wrong


@dataclass
class Watcher:
    """A watcher that does something when so many bytes were sent."""

    after: int
    act: Callable[[], None]
    seen: int = 0

    def begin(self, key: str, *, total: int | None = None) -> None: ...
    def end(self, key: str, outcome: object, detail: str = "") -> None: ...
    def say(self, message: str) -> None: ...
    def advance(self, key: str, amount: int) -> None:  # noqa: ARG002
        self.seen += amount
        if self.seen >= self.after:
            act, self.act = self.act, lambda: None
            self.after = 1 << 62
            act()


def test_a_registry_that_dies_in_the_middle_and_comes_again_gets_all_of_it(registry: Registry, tmp_path: Path) -> None:
    image = in_files(large(12 << 20), tmp_path / "files")

    def die() -> None:
        registry.kill()
        threading.Timer(0.5, registry.start).start()

    watcher = Watcher(6 << 20, die)
    patience = Patience(connect=5, read=10, pauses=(0.3, 0.6, 1.2))
    pushed = push(node_of_image(image), registry.name(), cache=tmp_path, progress=watcher, patience=patience)
    assert pushed.digest == image.digest
    assert watcher.seen == sum(blob.size for blob in image.blobs[:-1])
    read, _ = pulled(registry.name(), tmp_path / "b")
    assert [layer.blob.read() for layer in read.layers] == [layer.blob.read() for layer in image.layers]


def test_a_registry_that_dies_and_stays_away_is_told_and_the_tag_stays_where_it_was(
    registry: Registry, tmp_path: Path
) -> None:
    sent(sample(), registry.name(), tmp_path)
    image = in_files(large(12 << 20), tmp_path / "files")
    with pytest.raises(RegistryError, match="was not reached, to push sha256:") as fault:
        push(
            node_of_image(image), registry.name(), cache=tmp_path, progress=Watcher(6 << 20, registry.kill),
            patience=PATIENCE,
        )  # fmt: skip
    assert "network" in (fault.value.hint or "")
    registry.start()
    assert pulled(registry.name(), tmp_path / "b")[0].digest == sample().digest


def test_a_registry_without_room_is_told_and_the_tag_stays_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    (folder / "data").mkdir(parents=True)
    inside = f'mount -t tmpfs -o size=1m none {folder / "data"} && exec "$0" "$@"'
    before = ["unshare", "--mount", *(["--map-root-user"] if not_root() else []), "sh", "-c", inside]
    if subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("no file system of one's own can be mounted here")
    with real_registry(folder, before=before) as registry:
        sent(sample(), registry.name(), tmp_path)
        with pytest.raises(RegistryError, match=r"has no room left, to push sha256:.*no space left on device") as fault:
            sent(large(), registry.name(), tmp_path)
        assert "make room" in (fault.value.hint or "")
        assert pulled(registry.name(), tmp_path / "b")[0].digest == sample().digest


def not_root() -> bool:
    return os.geteuid() != 0
