from __future__ import annotations

import os
import socket
import ssl
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.fetch.http import Connection, UnavailableError, Url
from bivy.apk.fetch.transfer import Transfer, proxy_for
from tests.loopback import Answer, Loopback, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENT = bytes(range(256)) * 2000


def transfer(**changes: object) -> Transfer:
    """Return one that does not wait long, and knows no proxy of this machine's."""
    return Transfer(**{"patience": 0.3, "pauses": (), "environ": {}} | changes)  # type: ignore[arg-type]


def refused(address: str, **changes: object) -> UnavailableError:
    with transfer(**changes) as client, pytest.raises(UnavailableError) as caught:
        client.get(address)
    return caught.value


@pytest.fixture
def held() -> Iterator[Callable[[], object]]:
    """What a server waits for that has gone quiet; it is let go at the end of the test."""
    event = threading.Event()
    yield lambda: event.wait(20)
    event.set()


def test_several_files_of_one_host_come_over_one_connection(site: Loopback) -> None:
    site.files |= {"/a": CONTENT, "/b": b""}
    with transfer() as client:
        assert client.get(site.url("/a")) == CONTENT
        assert client.get(site.url("/b")) == b""
        with pytest.raises(UnavailableError, match="404 Not Found"):
            client.get(site.url("/none"))
        assert client.get(site.url("/a")) == CONTENT
    assert site.connections == 1
    assert site.headers[0]["user-agent"] == "bivy-apk"
    assert site.headers[0]["accept-encoding"] == "identity"


def test_a_path_is_escaped_where_it_needs_to_be(site: Loopback) -> None:
    site.files |= {"/c%20d/%C3%BC+~%41?x=1": b"yes"}
    with transfer() as client:
        assert client.get(site.url("/c d/ü+~%41?x=1#fragment")) == b"yes"


def test_a_server_that_closes_its_connections_is_asked_over_new_ones() -> None:
    with serve() as site, transfer() as client:
        site.files["/a"] = CONTENT
        assert client.get(site.url("/a")) == CONTENT
        assert client.get(site.url("/a")) == CONTENT
        assert site.connections == 2


def test_a_connection_that_was_closed_meanwhile_is_made_anew(site: Loopback) -> None:
    site.files |= {"/a": b"a", "/b": b"b"}
    # Kept open, as far as the answer says, but closed after it.
    site.answers["/a"] = [Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")]
    with transfer() as client:
        assert client.get(site.url("/a")) == b"a"
        assert client.get(site.url("/b")) == b"b"
    assert site.paths == ["/a", "/b"]
    assert site.connections == 2


def test_progress_is_told(site: Loopback) -> None:
    site.files["/a"] = CONTENT
    told: list[tuple[int, int | None]] = []
    with transfer() as client:
        client.get(site.url("/a"), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


def test_a_body_in_chunks_is_put_together(site: Loopback) -> None:
    site.files |= {"/a": CONTENT, "/b": b"b"}
    site.answers["/a"] = [Answer(chunked=True), Answer(chunked=True)]
    with transfer() as client:
        assert client.get(site.url("/a")) == CONTENT
        assert client.get(site.url("/b")) == b"b"
        assert site.connections == 1
        with pytest.raises(UnavailableError, match="more than the 2500 bytes"):
            client.get(site.url("/a"), 2500)


def test_a_body_without_a_length_ends_with_the_connection(site: Loopback) -> None:
    site.answers["/a"] = [Answer(raw=b"HTTP/1.0 200 OK\r\n\r\n" + CONTENT)] * 2
    site.files["/a"] = b""
    with transfer() as client:
        assert client.get(site.url("/a")) == CONTENT
        with pytest.raises(UnavailableError, match="more than the 10 bytes"):
            client.get(site.url("/a"), 10)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "closes the connection without an answer"),
        (b"HTTP/1.1 200", "broke off in the middle of the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "broke off after 5 of 100 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "broke off after 5 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort\r\n", "broke off after 7 of 9 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nlong\r\n", "not answer as HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "broke off after 0 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 200, "not answer as HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "a length of '-1'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "not answer as HTTP"),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "not answer as HTTP"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not answer as HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "not answer as HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 200, "not answer as HTTP"),
        (b"HTTP/1.1 500 \x1b[31mred\r\n\r\n", r"^500 \[31mred$"),
    ],
)
def test_what_is_no_whole_answer_is_refused(site: Loopback, raw: bytes, why: str) -> None:
    site.answers["/a"] = [Answer(raw=raw)]
    with transfer() as client, pytest.raises(UnavailableError, match=why):
        client.get(site.url("/a"))


def test_a_continue_before_the_answer_is_passed_over(site: Loopback) -> None:
    site.answers["/a"] = [Answer(raw=b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")]
    with transfer() as client:
        assert client.get(site.url("/a")) == b"a"


def test_a_body_that_is_announced_too_large_is_not_taken(site: Loopback) -> None:
    site.files["/a"] = CONTENT
    with transfer() as client, pytest.raises(UnavailableError, match="has 512000 bytes, more than the 1000"):
        client.get(site.url("/a"), 1000)


def test_a_server_that_does_not_answer_is_given_up(site: Loopback, held: Callable[[], object]) -> None:
    site.answers["/a"] = [Answer(raw=b"", hold=held)]
    assert "no answer for 0.3 seconds" in str(refused(site.url("/a")))


def test_a_server_that_stalls_in_the_middle_is_given_up(site: Loopback, held: Callable[[], object]) -> None:
    site.files["/a"] = CONTENT
    site.answers["/a"] = [Answer(bytes_sent=10_000, hold=held)]
    assert "stalls after 10000 bytes" in str(refused(site.url("/a")))


def test_a_server_that_trickles_is_given_up_as_if_it_stalled() -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                while not stop.wait(0.02):
                    connection.send(b"x")

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        fault = refused(f"http://127.0.0.1:{server.getsockname()[1]}/a")
        stop.set()
        thread.join(5)
    assert "stalls after" in fault.why


def test_a_port_at_which_nobody_listens_is_refused_and_not_asked_again(closed_port: int) -> None:
    fault = refused(f"http://127.0.0.1:{closed_port}/a", pauses=(100.0,))
    assert fault.why == "the connection is refused"
    assert not fault.missing


def test_a_server_that_accepts_nothing_is_given_up() -> None:
    with socket.socket() as server, ExitStack() as waiting:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):  # fills the queue of connections that nobody takes
            first = waiting.enter_context(socket.socket())
            first.setblocking(False)
            first.connect_ex(server.getsockname())
        fault = refused(f"http://127.0.0.1:{server.getsockname()[1]}/a")
    assert fault.why in ("no connection within 0.3 seconds", "no answer for 0.3 seconds")


def test_an_unknown_name_is_said() -> None:
    assert "the name nowhere.invalid " in refused("http://nowhere.invalid/a").why


def test_passing_faults_are_tried_again_and_lasting_ones_are_not(site: Loopback) -> None:
    site.files |= {"/a": CONTENT, "/b": CONTENT}
    site.answers["/a"] = [Answer(status=500), Answer(bytes_sent=100)]
    site.answers["/b"] = [Answer(status=403), Answer()]
    with transfer(pauses=(0.01, 0.01)) as client:
        assert client.get(site.url("/a")) == CONTENT
        with pytest.raises(UnavailableError, match="403 Forbidden"):
            client.get(site.url("/b"))
    assert site.paths == ["/a", "/a", "/a", "/b"]


def test_a_passing_fault_that_does_not_pass_is_said(site: Loopback) -> None:
    site.answers["/a"] = [Answer(status=503)] * 5
    fault = refused(site.url("/a"), pauses=(0.01, 0.01))
    assert fault.why == "503 Service Unavailable"
    assert len(site.requests) == 3


def test_missing_is_told_from_broken(site: Loopback, tmp_path: Path) -> None:
    assert refused(site.url("/none")).missing
    assert refused(str(tmp_path / "none")).missing
    site.answers["/a"] = [Answer(status=500)]
    assert not refused(site.url("/a")).missing
    assert not refused(str(tmp_path)).missing


def test_redirections_are_followed_and_loops_are_not(site: Loopback) -> None:
    site.files["/new/a"] = CONTENT
    site.answers["/old/a"] = [Answer(status=301, location="../new/a")]
    site.answers["/loop"] = [Answer(status=302, location=site.url("/loop"))] * 20
    with transfer() as client:
        assert client.get(site.url("/old/a")) == CONTENT
        with pytest.raises(UnavailableError, match="redirects more than 5 times"):
            client.get(site.url("/loop"))
    assert site.connections == 1


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://a:99999/"])
def test_a_redirection_to_anything_but_http_is_refused(site: Loopback, location: str) -> None:
    site.answers["/a"] = [Answer(status=302, location=location)]
    assert "is no URL" in refused(site.url("/a")).why


def test_name_and_password_are_sent_to_their_own_host_only(site: Loopback) -> None:
    with serve(protocol="HTTP/1.1") as other, transfer() as client:
        other.files["/b"] = b"b"
        site.files |= {"/c": b"c"}
        site.answers["/a"] = [Answer(status=302, location=other.url("/b"))]
        site.answers["/d"] = [Answer(status=302, location="/c")]
        start = f"http://me:p%40ss@127.0.0.1:{site.port}"
        assert client.get(f"{start}/a") == b"b"
        assert client.get(f"{start}/d") == b"c"
        assert [headers.get("authorization") for headers in site.headers] == ["Basic bWU6cEBzcw=="] * 3
        assert "authorization" not in other.headers[0]


def test_a_file_and_a_path_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a b"
    file.write_bytes(CONTENT)
    os.mkfifo(tmp_path / "pipe")
    with transfer() as client:
        assert client.get(f"file:{file}") == CONTENT
        assert client.get(f"file://{file}") == CONTENT
        assert client.get(str(file)) == CONTENT
        with pytest.raises(UnavailableError, match="has 512000 bytes, more than the 5"):
            client.get(str(file), 5)
        for path, why in {"none": "No such file", ".": "directory|not a file", "pipe": "not a file"}.items():
            with pytest.raises(UnavailableError, match=why):
                client.get(str(tmp_path / path))
        with pytest.raises(UnavailableError, match="null"):
            client.get("a\0b")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Loopback]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with serve(context, "HTTP/1.1") as site:
        site.files["/a"] = CONTENT
        yield site


def test_https_trusts_the_authority_that_the_environment_names(
    secure: Loopback, authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with transfer(patience=5.0, environ={"SSL_CERT_FILE": str(bundle)}) as client:
        assert client.get(secure.url("/a")) == CONTENT
        assert client.get(secure.url("/a", "localhost")) == CONTENT
    fault = refused(secure.url("/a"), patience=5.0)
    assert "its certificate is not trusted" in fault.why
    assert "ca-certificates" in (fault.hint or "")
    (tmp_path / "empty").write_text("")
    assert "holds no certificates" in refused(secure.url("/a"), environ={"SSL_CERT_FILE": str(tmp_path / "empty")}).why
    (tmp_path / "folder").mkdir()
    fault = refused(secure.url("/a"), patience=5.0, environ={"SSL_CERT_DIR": str(tmp_path / "folder")})
    assert "its certificate is not trusted" in fault.why


def test_a_certificate_for_another_host_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.org").configure_cert(context)
    bundle = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with serve(context) as site:
        fault = refused(site.url("/a", "localhost"), patience=5.0, environ={"SSL_CERT_FILE": str(bundle)})
    assert "certificate is not valid for 'localhost'" in fault.why


def test_a_server_need_not_prove_who_it_is_where_that_is_told(secure: Loopback) -> None:
    assert "its certificate is not trusted" in refused(secure.url("/a"), patience=5.0).why
    with transfer(patience=5.0, check_servers=False) as client:
        assert client.get(secure.url("/a")) == CONTENT


def test_caches_on_the_way_are_passed_where_that_is_told(site: Loopback) -> None:
    site.files["/a"] = CONTENT
    for fresh in (False, True):
        with transfer(fresh=fresh) as client:
            client.get(site.url("/a"))
    assert site.cache_controls == ["", "no-cache"]


def test_https_to_a_port_without_it_is_said(site: Loopback) -> None:
    fault = refused(f"https://127.0.0.1:{site.port}/a", patience=5.0)
    assert "no connection by TLS" in fault.why or "broke off" in fault.why


def test_a_proxy_is_asked_for_http_and_tunnels_https(
    site: Loopback, secure: Loopback, authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(bundle))
    site.files["http://example.org/a"] = b"by proxy"
    site.tunnel_to = secure.port
    environ = {
        "http_proxy": f"http://me:secret@127.0.0.1:{site.port}",
        "HTTPS_PROXY": f"127.0.0.1:{site.port}",
        "no_proxy": "elsewhere.example, .internal",
        "SSL_CERT_FILE": str(bundle),
    }
    with transfer(patience=5.0, environ=environ) as client:
        assert client.get("http://example.org/a") == b"by proxy"
        assert client.get("https://localhost:4430/a") == CONTENT
        assert client.get("https://localhost:4430/a") == CONTENT
    assert site.headers[0]["proxy-authorization"] == "Basic bWU6c2VjcmV0"
    assert site.headers[0]["host"] == "example.org"
    assert site.paths == ["http://example.org/a", "localhost:4430"]
    assert secure.paths == ["/a", "/a"]


def test_a_proxy_that_refuses_is_named_as_such(site: Loopback) -> None:
    site.tunnel_to = 1
    fault = refused("https://example.org/a", environ={"https_proxy": site.url()})
    assert "proxy" in fault.why or "without an answer" in fault.why


@pytest.mark.parametrize(
    ("address", "unproxied", "proxied"),
    [
        ("http://example.org/", "example.org", False),
        ("http://www.example.org/", "other,.example.org", False),
        ("http://www.example.org/", "example.org", False),
        ("http://notexample.org/", "example.org", True),
        ("http://example.org:8080/", "example.org:8080", False),
        ("http://example.org:8081/", "example.org:8080", True),
        ("http://[::1]/", "::1", False),
        ("http://anything/", "*", False),
        ("http://anything/", "", True),
    ],
)
def test_hosts_that_are_asked_without_the_proxy(address: str, unproxied: str, proxied: bool) -> None:
    environ = {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": unproxied}
    found = proxy_for(Url(address), environ)
    assert (found is not None and found.authority == "proxy.example:3128") is proxied


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://me:secret@:80"])
def test_a_proxy_of_another_kind_is_refused_without_its_password(proxy: str) -> None:
    fault = refused("http://example.org/", environ={"http_proxy": proxy})
    assert "proxy" in fault.why
    assert "secret" not in str(fault)


def answered(raw: bytes) -> bytes | None:
    """Read what comes from the other end of a connection; ``None`` where it is refused."""
    near, far = socket.socketpair()
    with near, far:
        far.sendall(raw)
        far.shutdown(socket.SHUT_WR)
        connection = Connection(near, 5)
        try:
            answer = connection.read_head()
            return None if answer is None else connection.read_body(answer, 1000)
        except UnavailableError:
            return None


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_refused(raw: bytes) -> None:
    answered(raw)
    answered(b"HTTP/1.1 200 OK\r\n" + raw)
    body = answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + raw)
    assert body is None or len(body) <= len(raw)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10))
def test_any_chunks_are_put_together(pieces: list[bytes]) -> None:
    coded = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    assert answered(b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n" + coded + b"0\r\n\r\n") == b"".join(pieces)


@given(st.text(max_size=60))
def test_any_url_is_one_that_can_be_asked_or_refused(text: str) -> None:
    for address in (text, f"http://{text}", f"http://example.org/{text}"):
        try:
            url = Url(address)
        except UnavailableError:
            continue
        assert url.address.isascii()
        assert not set(url.address) & set("\r\n \0")
        assert Url(url.address).address == url.address
