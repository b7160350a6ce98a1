"""What a real registry cannot be made to do: cut off, refuse, wait, lie, send elsewhere."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bivy.errors import BivyError, UsageError
from bivy.oci import media
from bivy.oci.blob import Blob
from bivy.oci.config import canonical
from bivy.oci.graph import make_artifact, node_of_image
from bivy.oci.image import Image
from bivy.oci.registry.faults import RegistryError
from bivy.oci.registry.name import Name
from bivy.oci.registry.pull import pull_image
from bivy.oci.registry.push import Pushed, push
from bivy.oci.registry.referrers import list_referrers
from bivy.oci.registry.session import Session
from bivy.oci.registry.upload import Sent, upload
from bivy.progress import Silent
from tests.oci.images import sample
from tests.oci.registry.conftest import PATIENCE, in_files, large
from tests.oci.registry.real import docker_config
from tests.oci.registry.standin import Fault, Request, StandIn, error, stand_in

MB = 1 << 20


def sent(image: Image, site: StandIn, cache: Path) -> Pushed:
    return push(node_of_image(image), site.name(), cache=cache, progress=Silent(), patience=PATIENCE)


def pulled(name: Name, cache: Path) -> list[bytes]:
    with Session(name, patience=PATIENCE) as session:
        image = pull_image(session, "", cache=cache, progress=Silent())
        return [layer.blob.read() for layer in image.layers]


def holds(site: StandIn, image: Image) -> bool:
    return all(site.blobs.get(("me/app", blob.digest)) == blob.read() for blob in image.blobs[:-1])


# Pushing


def test_what_is_pushed_is_there_before_the_tag(site: StandIn, tmp_path: Path) -> None:
    sent(sample(), site, tmp_path)
    assert holds(site, sample())
    puts = [request.path.partition("?")[0] for request in site.requests if request.method == "PUT"]
    assert puts[-1] == "/v2/me/app/manifests/1"
    assert all("/blobs/uploads/" in path for path in puts[:-1])


def test_an_upload_that_was_cut_off_goes_on_where_it_stopped(site: StandIn, tmp_path: Path) -> None:
    image = in_files(large(3 * MB), tmp_path / "files")
    site.faults.append(Fault("PUT", "upload", after=2 * MB))
    with Session(site.name(), pushes=True, patience=PATIENCE) as session:
        advanced: list[int] = []
        how = upload(session, image.layers[0].blob, mount_from="", advance=advanced.append, piece=MB // 2)
    assert how is Sent.SENT
    assert sum(advanced) == 3 * MB
    patches = [request for request in site.requests if request.method == "PATCH"]
    assert [request.headers["content-range"] for request in patches] == [
        f"{2 * MB}-{2 * MB + MB // 2 - 1}",
        f"{2 * MB + MB // 2}-{3 * MB - 1}",
    ]
    assert site.blobs["me/app", image.layers[0].digest] == image.layers[0].blob.read()


def test_a_registry_that_forgot_an_upload_gets_it_from_the_start(site: StandIn, tmp_path: Path) -> None:
    site.resumes = False
    site.faults.append(Fault("PUT", "upload", after=2 * MB))
    image = large(3 * MB)
    sent(image, site, tmp_path)
    assert holds(site, image)


def test_pieces_are_as_large_as_the_registry_wants_them(site: StandIn) -> None:
    site.least = MB
    site.faults.append(Fault("PUT", "upload"))
    blob = large(3 * MB).layers[0].blob
    with Session(site.name(), pushes=True, patience=PATIENCE) as session:
        upload(session, blob, mount_from="", advance=lambda _: None, piece=1000)
    assert [request.size for request in site.requests if request.method == "PATCH"] == [MB, MB, MB]


def test_a_blob_of_one_byte_is_sent_as_a_piece(site: StandIn) -> None:
    site.faults.append(Fault("PUT", "upload"))
    blob = Blob.of(b"1")
    with Session(site.name(), pushes=True, patience=PATIENCE) as session:
        upload(session, blob, mount_from="", advance=lambda _: None)
    assert site.blobs["me/app", blob.digest] == b"1"


def test_what_is_too_large_at_once_is_sent_in_pieces(site: StandIn, tmp_path: Path) -> None:
    blob = large(3 * MB).layers[0].blob
    site.faults.append(Fault("PUT", "upload", 413, after=1000))
    with Session(site.name(), pushes=True, patience=PATIENCE) as session:
        upload(session, blob, mount_from="", advance=lambda _: None, piece=MB)
    assert site.blobs["me/app", blob.digest] == blob.content
    site.faults += [Fault("PUT", "upload", 413), *[Fault("PATCH", "upload", 413)] * 5]
    with pytest.raises(RegistryError, match="takes nothing this large") as fault:
        sent(large(3 * MB, 1), site, tmp_path)
    assert "client_max_body_size" in (fault.value.hint or "")


def test_an_upload_that_gets_no_further_ends(site: StandIn, tmp_path: Path) -> None:
    site.faults += [Fault(method, "upload", after=1000) for method in ("PUT", "PATCH") for _ in range(20)]
    site.resumes = False
    with pytest.raises(RegistryError, match="was not reached, to push sha256:"):
        sent(large(3 * MB), site, tmp_path)
    assert not site.manifests


def test_a_registry_of_which_one_byte_is_known_gets_all_of_it(site: StandIn, tmp_path: Path) -> None:
    site.faults += [Fault("PUT", "upload", after=1)] * 2
    image = large(MB)
    sent(image, site, tmp_path)
    assert holds(site, image)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.tuples(st.sampled_from(["PUT", "PATCH"]), st.integers(0, 70_000)), max_size=8),
    resumes=st.booleans(),
    piece=st.integers(1, 100_000),
)
def test_wherever_an_upload_is_cut_off_all_of_it_arrives_or_it_is_told(
    site: StandIn, cuts: list[tuple[str, int]], resumes: bool, piece: int
) -> None:
    site.blobs.clear()
    site.resumes = resumes
    site.faults[:] = [Fault(method, "upload", after=after) for method, after in cuts]
    blob = Blob.of(bytes(range(256)) * 256)
    advanced: list[int] = []
    with Session(site.name(), pushes=True, patience=PATIENCE) as session:
        try:
            upload(session, blob, mount_from="", advance=advanced.append, piece=max(piece, 4000))
        except RegistryError:
            assert len(cuts) > len(PATIENCE.pauses)
            assert not site.blobs
            return
    assert site.blobs["me/app", blob.digest] == blob.content
    assert sum(advanced) == blob.size


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_what_may_pass_is_tried_again(site: StandIn, tmp_path: Path, status: int) -> None:
    site.faults += [Fault(method, "me/app", status) for method in ("HEAD", "POST", "PUT", "PUT")]
    sent(sample(), site, tmp_path)
    assert holds(site, sample())


@pytest.mark.parametrize("spell", [lambda: "1", lambda: formatdate(time.time() + 2, usegmt=True)])
def test_a_registry_that_asks_to_wait_is_waited_for(site: StandIn, tmp_path: Path, spell: object) -> None:
    assert callable(spell)
    site.faults.append(Fault("POST", "uploads", 429, {"Retry-After": spell()}))
    begun = time.monotonic()
    sent(sample(), site, tmp_path)
    assert time.monotonic() - begun > 0.5
    assert holds(site, sample())


def test_a_registry_that_asks_to_wait_for_an_hour_is_told_at_once(site: StandIn, tmp_path: Path) -> None:
    site.faults += [Fault("GET", "manifests", 429, {"Retry-After": "3600"}, error("TOOMANYREQUESTS", "slow down"))] * 9
    site.manifests["me/app", "1"] = (media.MANIFEST, b"{}")
    site.faults += [Fault("HEAD", "manifests", 405)]
    with pytest.raises(RegistryError, match=r"no more requests for now.*slow down; it asks to wait for 3600") as fault:
        pulled(site.name(), tmp_path)
    assert "docker login" in (fault.value.hint or "")


@pytest.mark.parametrize(
    ("status", "body", "why", "hint"),
    [
        (403, error("DENIED", "not yours"), "does not let who does not say who it is push .*not yours", "docker login"),
        (401, b"", "wants to know who asks, to push", "docker login"),
        (404, error("NAME_UNKNOWN"), "there is none", "be made before"),
        (405, error("UNSUPPORTED"), "does not do that", "mirror"),
        (400, error("NAME_INVALID", "bad\nname\x1b[31m"), r"refuses \(400 Bad Request\).*bad name", ""),
        (418, b"<html>", r"refuses \(418", ""),
        (507, b"", "has no room left", "make room"),
        (500, error("UNKNOWN", "write /x: no space left on device"), "has no room left", "make room"),
    ],
)
def test_a_registry_that_says_no_is_told_at_once_with_what_to_do(
    site: StandIn, tmp_path: Path, status: int, body: bytes, why: str, hint: str
) -> None:
    site.faults += [Fault("POST", "uploads", status, {}, body)] * 9
    with pytest.raises(RegistryError, match=why) as fault:
        sent(sample(), site, tmp_path)
    assert site.name().host in str(fault.value)
    assert hint in (fault.value.hint or "")
    assert "\x1b" not in str(fault.value)
    assert site.methods("uploads").count("POST") <= 4  # those that were under way side by side
    assert not site.manifests


def test_no_room_in_the_middle_of_an_upload_is_told_at_once(site: StandIn, tmp_path: Path) -> None:
    site.faults += [Fault("PUT", "upload", 507, after=MB)] * 9
    with pytest.raises(RegistryError, match="has no room left, to push sha256:"):
        sent(large(3 * MB), site, tmp_path)


def test_a_failing_registry_is_told_after_some_patience(site: StandIn, tmp_path: Path) -> None:
    site.faults += [Fault("POST", "uploads", 503)] * 99
    with pytest.raises(RegistryError, match=r"failed \(503 Service Unavailable\) to push"):
        sent(sample(), site, tmp_path)
    assert not site.manifests


@pytest.mark.parametrize("location", ["http://[", "http://host:port/x", "", "ftp://127.0.0.1/x", "//"])
def test_a_place_for_uploads_that_is_none_is_told(site: StandIn, tmp_path: Path, location: str) -> None:
    site.faults += [Fault("POST", "uploads", 202, {"Location": location})] * 99
    with pytest.raises(RegistryError):
        sent(sample(), site, tmp_path)


def test_a_mount_that_is_refused_becomes_an_upload(site: StandIn, tmp_path: Path) -> None:
    push(node_of_image(sample()), site.name("base"), cache=tmp_path, progress=Silent(), patience=PATIENCE)
    site.faults += [Fault("POST", "mount=", status) for status in (403, 404, 405)]
    assert set(sent(sample(), site, tmp_path).blobs.values()) == {Sent.SENT}


def test_a_registry_that_keeps_a_list_of_referrers_needs_no_tag_for_it(site: StandIn, tmp_path: Path) -> None:
    image = sample()
    node = node_of_image(image, [make_artifact(image, "a/b", b"1")])
    for _ in range(2):
        push(node, site.name(), cache=tmp_path, progress=Silent(), patience=PATIENCE)
    assert not any(reference.startswith("sha256-") for _, reference in site.manifests)
    with Session(site.name(), patience=PATIENCE) as session:
        assert [each.artifact_type for each in list_referrers(session, image.digest)] == ["a/b"]


def test_a_list_of_referrers_in_parts_is_read_to_its_end(site: StandIn) -> None:
    def part(number: int, link: str) -> object:
        entry = {"mediaType": media.MANIFEST, "digest": f"sha256:{number:064}", "size": 1, "artifactType": "a/b"}
        body = canonical({"schemaVersion": 2, "manifests": [entry]})
        headers = {"Content-Type": media.INDEX, **({"Link": f'<{link}>; rel="next"'} if link else {})}
        return lambda _request, _body: (200, headers, body)

    digest = "sha256:" + "a" * 64
    site.extra[f"/v2/me/app/referrers/{digest}"] = part(1, "/v2/more")  # type: ignore[assignment]
    site.extra["/v2/more"] = part(2, "/v2/more")  # type: ignore[assignment]
    with Session(site.name(), patience=PATIENCE) as session:
        assert len(list_referrers(session, digest)) == 2


# Pulling


def filled(site: StandIn, image: Image, tag: str = "1") -> None:
    for blob in image.blobs[:-1]:
        site.blobs["me/app", blob.digest] = blob.read()
    for reference in (tag, image.digest):
        site.manifests["me/app", reference] = (media.MANIFEST, image.manifest.read())


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(site: StandIn, tmp_path: Path) -> None:
    image = large(3 * MB)
    filled(site, image)
    site.faults.append(Fault("GET", f"blobs/{image.layers[0].digest}", after=MB))
    assert pulled(site.name(), tmp_path) == [layer.blob.read() for layer in image.layers]
    asked = [request for request in site.requests if image.layers[0].digest in request.path]
    assert [request.headers.get("range") for request in asked] == [None, f"bytes={MB}-"]


def test_a_download_goes_on_in_another_process(site: StandIn, tmp_path: Path) -> None:
    image = large(3 * MB)
    filled(site, image)
    site.faults += [Fault("GET", f"blobs/{image.layers[0].digest}", after=after) for after in (MB, 0, 0, 0, 0)]
    with pytest.raises(RegistryError, match=r"gives 1048576 of 3145728 bytes|was not reached"):
        pulled(site.name(), tmp_path)
    site.faults.clear()
    site.requests.clear()
    assert pulled(site.name(), tmp_path) == [layer.blob.read() for layer in image.layers]
    asked = [request for request in site.requests if image.layers[0].digest in request.path]
    assert [request.headers.get("range") for request in asked] == [f"bytes={MB}-"]


def test_other_bytes_than_the_digests_are_refused_and_not_kept(site: StandIn, tmp_path: Path) -> None:
    image = large(MB)
    filled(site, image)
    layer = image.layers[0]
    site.blobs["me/app", layer.digest] = bytes(layer.size)
    with pytest.raises(BivyError, match=f"for {layer.digest}"):
        pulled(site.name(), tmp_path)
    site.blobs["me/app", layer.digest] = bytes(layer.size + 1)
    with pytest.raises(BivyError, match="gives more than"):
        pulled(site.name(), tmp_path)
    assert not [path for path in (tmp_path / "blobs/sha256").iterdir() if path.name == layer.digest[7:]]


def test_a_damaged_part_of_an_earlier_download_is_thrown_away(site: StandIn, tmp_path: Path) -> None:
    image = large(MB)
    filled(site, image)
    for content in (b"x" * 1000, b"x" * MB, b"x" * 2 * MB):
        part = tmp_path / "blobs/sha256" / f"{image.layers[0].digest[7:]}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        assert pulled(site.name(), tmp_path) == [layer.blob.read() for layer in image.layers]
        (tmp_path / "blobs/sha256" / image.layers[0].digest[7:]).unlink()


def test_what_could_not_be_read_can_be_asked_for_again(site: StandIn, tmp_path: Path) -> None:
    image = large(MB)
    filled(site, image)
    site.faults += [Fault("GET", "blobs/sha256", 403, {}, error("DENIED"))] * 9
    with Session(site.name(), patience=PATIENCE) as session:
        site.faults[:0] = [Fault("GET", f"blobs/{image.config_blob.digest}", after=MB)]
        found = pull_image(session, "", cache=tmp_path, progress=Silent())
        for layer in found.layers:
            with pytest.raises(RegistryError, match="does not let"):
                layer.blob.read()
        site.faults.clear()
        assert [layer.blob.read() for layer in found.layers] == [layer.blob.read() for layer in image.layers]


def test_a_manifest_that_is_not_the_digests_is_refused(site: StandIn, tmp_path: Path) -> None:
    image = sample()
    filled(site, image)
    site.manifests["me/app", image.digest] = (media.MANIFEST, sample(note="other").manifest.read())
    with pytest.raises(BivyError, match=f"where it says that it gives {image.digest}"):
        pulled(site.name().at(image.digest), tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b"{}", b'{"schemaVersion":2,"manifests":[{}]}', b"\xff", b"[" * 100_000,
     b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"../../x","size":1},"layers":[]}',
     b'{"schemaVersion":2,"layers":[],"config":{"mediaType":"x","size":9999999999,"digest":"sha256:%064d"}}' % 0],
)  # fmt: skip
def test_a_document_that_is_none_is_refused(site: StandIn, tmp_path: Path, content: bytes) -> None:
    site.manifests["me/app", "1"] = (media.MANIFEST, content)
    with pytest.raises(BivyError):
        pulled(site.name(), tmp_path)


def test_a_document_without_end_is_refused(site: StandIn, tmp_path: Path) -> None:
    site.manifests["me/app", "1"] = (media.MANIFEST, bytes(9 * MB))
    with pytest.raises(RegistryError, match="more than any document has"):
        pulled(site.name(), tmp_path)


def test_an_image_for_another_platform_is_refused(site: StandIn, tmp_path: Path) -> None:
    filled(site, sample("arm64", variant="v8"))
    with Session(site.name(), patience=PATIENCE) as session, pytest.raises(UsageError, match="is for linux/arm64/v8"):
        pull_image(session, "linux/amd64", cache=tmp_path, progress=Silent())


def test_what_is_no_registry_is_told(site: StandIn, tmp_path: Path) -> None:
    site.extra["/v2/"] = lambda _request, _body: (404, {}, b"<html>")
    with pytest.raises(RegistryError, match="is not a registry"):
        pulled(site.name(), tmp_path)


def test_where_nobody_listens_is_told(tmp_path: Path) -> None:
    with stand_in() as site:
        name = site.name()
    with pytest.raises(RegistryError, match=r"was not reached.*refused"):
        pulled(name, tmp_path)


def test_a_proxy_that_refuses_is_told(site: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{site.port}")
    with pytest.raises(RegistryError, match="the proxy refused") as fault:
        pulled(Name("registry.example.org", "app", "1"), tmp_path)
    assert "NO_PROXY" in (fault.value.hint or "")


# Who is told what


@pytest.fixture
def known(site: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The header that the registry wants, which has a credential for it and for no other."""
    monkeypatch.setenv("DOCKER_CONFIG", str(docker_config(tmp_path / "docker", site.name().host)))
    header = "Basic " + base64.b64encode(b"me:s3cret-pass").decode()

    def authorise(request: Request) -> tuple[int, Mapping[str, str]] | None:
        if request.headers.get("authorization") == header:
            return None
        return 401, {"WWW-Authenticate": 'Basic realm="x"'}

    site.authorise = authorise
    return header


def test_another_host_that_keeps_the_blobs_is_not_told_the_credential(
    site: StandIn, known: str, tmp_path: Path
) -> None:
    image = large(MB)
    filled(site, image)
    with stand_in() as elsewhere:
        filled(elsewhere, image)
        for layer in image.layers:
            path = f"/v2/me/app/blobs/{layer.digest}"
            location = f"http://localhost:{elsewhere.port}{path}"
            site.faults.append(Fault("GET", path, 307, {"Location": location}))
        assert pulled(site.name(), tmp_path) == [layer.blob.read() for layer in image.layers]
        assert elsewhere.requests
        assert not any("authorization" in request.headers for request in elsewhere.requests)
    assert any(request.headers.get("authorization") == known for request in site.requests)


def test_another_host_that_takes_the_uploads_is_not_told_the_credential(
    site: StandIn, known: str, tmp_path: Path
) -> None:
    with stand_in() as elsewhere:
        site.elsewhere = f"http://localhost:{elsewhere.port}"
        elsewhere.uploads = site.uploads
        elsewhere.blobs = site.blobs
        sent(sample(), site, tmp_path)
        assert elsewhere.requests
        assert not any("authorization" in request.headers for request in elsewhere.requests)
    assert known


def test_another_host_that_wants_to_know_who_asks_is_not_told(site: StandIn, known: str, tmp_path: Path) -> None:
    image = large(MB)
    filled(site, image)
    with stand_in() as elsewhere:
        elsewhere.authorise = lambda _: (401, {"WWW-Authenticate": 'Basic realm="x"'})
        location = f"http://localhost:{elsewhere.port}/x"
        site.faults += [Fault("GET", "blobs/sha256", 307, {"Location": location})] * 99
        with pytest.raises(RegistryError):
            pulled(site.name(), tmp_path)
        assert not any("authorization" in request.headers for request in elsewhere.requests)
    assert known


def test_a_token_server_is_given_the_credential_and_its_token_goes_to_the_registry(
    site: StandIn, known: str, tmp_path: Path
) -> None:
    image = large(MB)
    filled(site, image)
    with stand_in() as server:
        server.extra["/token"] = lambda request, _: (
            (200, {}, b'{"access_token":"the-token"}')
            if request.headers.get("authorization") == known
            else (401, {}, b"")
        )
        challenge = f'Bearer realm="{server.scheme}://127.0.0.1:{server.port}/token",service="s"'
        site.authorise = lambda request: (
            None
            if request.headers.get("authorization") == "Bearer the-token"
            else (401, {"WWW-Authenticate": challenge})
        )
        assert pulled(site.name(), tmp_path) == [layer.blob.read() for layer in image.layers]


def test_a_token_that_cannot_be_sent_is_not_shown(
    site: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = docker_config(tmp_path / "docker", site.name().host, user="", password="", registrytoken="hid\nden")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    site.authorise = lambda _: (401, {"WWW-Authenticate": f'Bearer realm="http://127.0.0.1:{site.port}/token"'})
    with pytest.raises(RegistryError) as fault:
        pulled(site.name(), tmp_path)
    assert "hid" not in f"{fault.value} {fault.value.hint}"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token":""}', b'{"token":7}', b'{"token":"a\\nb"}', b"\xff"])
def test_a_token_server_that_gives_none_is_told(site: StandIn, tmp_path: Path, body: bytes) -> None:
    site.extra["/token"] = lambda _request, _body: (200, {}, body)
    realm = f'Bearer realm="http://127.0.0.1:{site.port}/token"'
    site.authorise = lambda _: (401, {"WWW-Authenticate": realm})
    with pytest.raises(RegistryError, match="gives no token"):
        pulled(site.name(), tmp_path)


@pytest.mark.parametrize("realm", ["ftp://127.0.0.1/token", "/token", "file:///etc/passwd", "http://[", "https://"])
def test_a_token_server_whose_address_is_none_is_told(site: StandIn, tmp_path: Path, realm: str) -> None:
    site.authorise = lambda _: (401, {"WWW-Authenticate": f'Bearer realm="{realm}"'})
    with pytest.raises(RegistryError):
        pulled(site.name(), tmp_path)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def secured(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def test_a_registry_on_this_machine_that_speaks_https_alone_is_spoken_to_so(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with stand_in(secured(authority)) as site:
        filled(site, sample())
        assert pulled(site.name(), tmp_path) == [layer.blob.read() for layer in sample().layers]


def test_a_certificate_of_an_unknown_authority_is_told(authority: trustme.CA, tmp_path: Path) -> None:
    with stand_in(secured(authority)) as site, pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED") as fault:
        pulled(site.name(), tmp_path)
    assert "SSL_CERT_FILE" in (fault.value.hint or "")


def test_a_token_server_that_is_not_secured_gets_no_credential_of_a_secured_registry(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with stand_in(secured(authority)) as site, stand_in() as server:
        monkeypatch.setenv("DOCKER_CONFIG", str(docker_config(tmp_path / "docker", site.name().host)))
        realm = f'Bearer realm="http://127.0.0.1:{server.port}/token"'
        site.authorise = lambda _: (401, {"WWW-Authenticate": realm})
        with pytest.raises(RegistryError, match="not https"):
            pulled(site.name(), tmp_path)
        assert not server.requests
