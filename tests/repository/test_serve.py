"""A repository on http: its files, whole or in part, and nothing else."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import BivyError, UsageError
from bivy.repository.serve import address_of, open_server, parse_range

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "x86_64").mkdir(parents=True)
    (root / "x86_64" / "foo-1.0-r0.apk").write_bytes(CONTENT)
    (root / "x86_64" / "empty").touch()
    (root / "x86_64" / "c++ x.apk").write_bytes(b"odd")
    (root / ".hidden").write_text("secret")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("secret")
    (tmp_path / "secret").write_text("secret")
    (root / "outside").symlink_to(tmp_path / "secret")
    (root / "around").symlink_to(tmp_path)
    (root / "inside").symlink_to("x86_64/foo-1.0-r0.apk")
    return root


@pytest.fixture
def connection(folder: Path) -> Iterator[http.client.HTTPConnection]:
    server = open_server(folder, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    yield found
    found.close()
    server.shutdown()
    thread.join()
    server.server_close()


def ask(
    connection: http.client.HTTPConnection, path: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def test_a_file_comes_whole_with_its_length_and_date(connection: http.client.HTTPConnection) -> None:
    status, content, headers = ask(connection, "/x86_64/foo-1.0-r0.apk")
    assert (status, content, headers["Content-Length"]) == (200, CONTENT, str(len(CONTENT)))
    status, content, _ = ask(connection, "/x86_64/foo-1.0-r0.apk", If_Modified_Since=headers["Last-Modified"])
    assert (status, content) == (304, b"")
    assert ask(connection, "/x86_64/foo-1.0-r0.apk", If_Modified_Since="yesterday")[0] == 200


def test_head_says_the_same_without_the_content(connection: http.client.HTTPConnection) -> None:
    status, content, headers = ask(connection, "/x86_64/foo-1.0-r0.apk", "HEAD")
    assert (status, content, headers["Content-Length"]) == (200, b"", str(len(CONTENT)))


@pytest.mark.parametrize("path", ["/x86_64/c++%20x.apk", "//x86_64//c%2B%2B%20x.apk?query", "/x86_64/c++%20x.apk#part"])
def test_names_are_decoded(connection: http.client.HTTPConnection, path: str) -> None:
    assert ask(connection, path)[:2] == (200, b"odd")


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=1000-", 206, 1000, None),
        ("bytes=-7", 206, -7, None),
        ("bytes=255999-999999999", 206, 255999, None),
        ("bytes=0-", 200, 0, None),
        ("bytes=9-3", 200, 0, None),
        ("bytes=0-1,5-9", 200, 0, None),
        ("lines=0-1", 200, 0, None),
        ("bytes=-", 200, 0, None),
    ],
)
def test_a_range_is_what_comes(
    connection: http.client.HTTPConnection, asked: str, status: int, start: int, end: int | None
) -> None:
    found, content, headers = ask(connection, "/x86_64/foo-1.0-r0.apk", Range=asked)
    assert (found, content) == (status, CONTENT[start:end])
    if status == 206:
        first = len(CONTENT) - len(content) if start < 0 else start
        assert headers["Content-Range"] == f"bytes {first}-{first + len(content) - 1}/{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=256000-", "bytes=99999999999999999999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(connection: http.client.HTTPConnection, asked: str) -> None:
    status, content, headers = ask(connection, "/x86_64/foo-1.0-r0.apk", Range=asked)
    assert (status, content, headers["Content-Range"]) == (416, b"", f"bytes */{len(CONTENT)}")


@pytest.mark.parametrize(
    "path",
    [
        "/", "/x86_64", "/x86_64/", "/missing", "/.hidden", "/.git/config", "/outside", "/around/secret",
        "/../secret", "/x86_64/../../secret", "/%2e%2e/secret", "/x86_64/..%2f..%2fsecret", "/x86_64/foo%00",
        "//etc/passwd", "/around/repository/.hidden", "/%ff", "/" + "a" * 5000,
    ],
)  # fmt: skip
def test_what_is_hidden_outside_or_no_file_is_not_found(connection: http.client.HTTPConnection, path: str) -> None:
    status, content, _ = ask(connection, path)
    assert (status, content) == (404, b"")


def test_a_link_inside_is_followed_and_an_empty_file_is_one(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/inside")[:2] == (200, CONTENT)
    assert ask(connection, "/x86_64/empty")[:2] == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading_is_known(connection: http.client.HTTPConnection, folder: Path, method: str) -> None:
    before = sorted(folder.rglob("*"))
    assert ask(connection, "/x86_64/foo-1.0-r0.apk", method)[0] == 501
    assert sorted(folder.rglob("*")) == before


def test_several_are_served_while_one_waits(connection: http.client.HTTPConnection) -> None:
    with socket.create_connection(("127.0.0.1", connection.port)) as slow:
        slow.sendall(b"GET /x86_64/foo")
        assert ask(connection, "/x86_64/foo-1.0-r0.apk")[0] == 200


def test_a_port_that_is_taken_is_refused_with_what_to_do(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BivyError, match="cannot listen") as caught:
            open_server(folder, "127.0.0.1", taken.getsockname()[1])
    assert "--port" in (caught.value.hint or "")


def test_what_is_no_folder_or_no_address_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        open_server(folder / "missing", "127.0.0.1", 0)
    with pytest.raises(UsageError, match="is not an address"):
        open_server(folder, "no such host!", 0)


def test_the_address_can_be_put_into_a_list_of_repositories(folder: Path) -> None:
    server = open_server(folder, "127.0.0.1", 0)
    try:
        assert address_of(server) == f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.server_close()


@given(st.text(alphabet="bytes=-0123456789, ", max_size=30), st.integers(0, 10**6))
def test_whatever_range_is_asked_for_is_within_the_file(text: str, size: int) -> None:
    span = parse_range(text, size)
    if span is not None:
        assert 0 <= span[0] <= span[1] <= size
        assert span == (0, size) or span[0] < span[1]
