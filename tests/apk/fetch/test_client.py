from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bivy.apk.errors import ApkError
from bivy.apk.fetch.cache import Cache
from bivy.apk.fetch.client import Client
from bivy.apk.fetch.repository import Repository
from bivy.apk.fetch.transfer import Transfer
from bivy.apk.index import IndexEntry, index_entry, parse_index, write_index
from bivy.apk.package import read_info, read_package, write_package
from bivy.apk.segments import compress
from bivy.apk.sign import Signer, format_public_key, generate_key
from tests.apk.samples import ENTRIES, INFO, SCRIPTS, file
from tests.loopback import Answer, Loopback, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGE = write_package(INFO, ENTRIES, SCRIPTS)
ENTRY = index_entry(read_info(PACKAGE))
INDEX_PATH = "/main/x86_64/APKINDEX.tar.gz"
PACKAGE_PATH = "/main/x86_64/demo-1.2.3_rc1-r4.apk"
OTHER = write_package(INFO, [*ENTRIES, file("usr/other", b"other")], SCRIPTS)


@pytest.fixture(scope="module")
def index(signer: Signer) -> bytes:
    return write_index([read_info(PACKAGE)], "demonstration 1", signer)


@pytest.fixture
def site(site: Loopback, index: bytes) -> Loopback:
    site.files |= {INDEX_PATH: index, PACKAGE_PATH: PACKAGE}
    return site


class Told:
    """A client's options, and what it said."""

    def __init__(self, signer: Signer) -> None:
        self.said: list[str] = []
        self.keys = {signer.name: signer.key.public}

    def client(self, **changes: object) -> Client:
        transfer = Transfer(patience=0.3, pauses=(0.01,), environ={})
        options = {"say": self.said.append, "transfer": transfer, "keys_folder": "/etc/apk/keys"} | changes
        arch, keys = options.pop("arch", "x86_64"), options.pop("keys", self.keys)
        return Client(arch, keys, **options)  # type: ignore[arg-type]

    def warnings(self) -> list[str]:
        return [line for line in self.said if line.startswith("WARNING: ")]


@pytest.fixture
def told(signer: Signer) -> Told:
    return Told(signer)


def main(site: Loopback) -> Repository:
    return Repository(site.url("/main"))


@pytest.fixture
def held() -> Iterator[Callable[[], object]]:
    event = threading.Event()
    yield lambda: event.wait(20)
    event.set()


# Indexes


def test_an_index_is_fetched_checked_and_described(site: Loopback, told: Told, signer: Signer) -> None:
    with told.client() as client:
        (opened,) = client.open_indexes([main(site)])
    assert opened.fault is None
    assert opened.stale is None
    assert opened.repository == main(site)
    assert opened.url == site.url(INDEX_PATH)
    assert opened.description == "demonstration 1"
    assert opened.signed_by == signer.name
    assert not opened.cached
    assert parse_index(opened.text, "x") == (ENTRY,)
    assert told.said == [f"fetch {site.url(INDEX_PATH)}"]


def test_an_index_on_this_machine_is_read_without_a_word_and_not_kept(tmp_path: Path, index: bytes, told: Told) -> None:
    (tmp_path / "repository/x86_64").mkdir(parents=True)
    (tmp_path / "repository/x86_64/APKINDEX.tar.gz").write_bytes(index)
    with told.client(cache=Cache(tmp_path / "cache"), network=False) as client:
        for url in (f"{tmp_path}/repository", f"file:{tmp_path}/repository"):
            (opened,) = client.open_indexes([Repository(url)])
            assert opened.fetched_at is None
            assert parse_index(opened.text, "x") == (ENTRY,)
    assert told.said == []
    assert not (tmp_path / "cache").exists()


def test_a_repository_that_cannot_be_read_does_not_keep_the_others(
    site: Loopback, told: Told, closed_port: int, tmp_path: Path
) -> None:
    repositories = [
        Repository(f"http://127.0.0.1:{closed_port}/main"),
        Repository(site.url("/none")),
        main(site),
        Repository(str(tmp_path)),
        Repository(site.url("/main"), "tag"),
    ]
    with told.client() as client:
        opened = client.open_indexes(repositories)
    assert [one.repository for one in opened] == repositories
    assert [bool(one.fault) for one in opened] == [True, True, False, True, False]
    assert opened[4].text == opened[2].text
    down = f"http://127.0.0.1:{closed_port}/main"
    # In order, whatever came first.
    assert told.said == [
        f"fetch {down}/x86_64/APKINDEX.tar.gz",
        f"WARNING: fetching {down}: {down}/x86_64/APKINDEX.tar.gz: the connection is refused",
        f"fetch {site.url('/none')}/x86_64/APKINDEX.tar.gz",
        f"WARNING: fetching {site.url('/none')}: {site.url('/none')}/x86_64/APKINDEX.tar.gz: 404 Not Found",
        f"fetch {site.url(INDEX_PATH)}",
        f"WARNING: opening {tmp_path}: {tmp_path}/x86_64/APKINDEX.tar.gz: No such file or directory",
    ]
    assert site.paths.count(INDEX_PATH) == 1


def faulty(site: Loopback, told: Told, content: bytes, **changes: object) -> str:
    """Return the fault of an index of these bytes."""
    site.files[INDEX_PATH] = content
    with told.client(**changes) as client:
        (opened,) = client.open_indexes([main(site)])
    assert opened.fault
    assert opened.text == ""
    assert told.warnings() == [f"WARNING: fetching {site.url('/main')}: {opened.fault}"]
    return str(opened.fault)


def test_an_unsigned_index_is_refused(site: Loopback, told: Told) -> None:
    assert faulty(site, told, write_index([read_info(PACKAGE)], "")) == f"{site.url(INDEX_PATH)} is not signed"


def test_an_index_signed_by_an_unknown_key_is_refused_by_the_key_s_name(site: Loopback, told: Told) -> None:
    stranger = Signer(generate_key(1024), "stranger@example.org-2.rsa.pub")
    fault = faulty(site, told, write_index([read_info(PACKAGE)], "", stranger))
    assert "is signed by stranger@example.org-2.rsa.pub, whose key is not in /etc/apk/keys" in fault


def test_an_index_signed_wrongly_is_refused(site: Loopback, told: Told, signer: Signer) -> None:
    forged = replace(signer, key=generate_key(1024))
    fault = faulty(site, told, write_index([read_info(PACKAGE)], "", forged))
    assert f"the signature by {signer.name} is wrong" in fault


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"<html>not found, said politely</html>", "is damaged"),
        (lambda _: compress(b"no archive" * 100), "no tar header"),
        (lambda _: b"", "is truncated"),
        (lambda index: index[:-20], "is truncated"),
        (lambda index: index + index, "something follows"),
    ],
)
def test_a_damaged_index_is_refused(
    site: Loopback, told: Told, index: bytes, damage: Callable[[bytes], bytes], message: str
) -> None:
    assert message in faulty(site, told, damage(index))


def test_an_index_that_breaks_off_again_and_again_is_refused(site: Loopback, told: Told, index: bytes) -> None:
    site.answers[INDEX_PATH] = [Answer(bytes_sent=50)] * 2
    assert f"broke off after 50 of {len(index)} bytes" in faulty(site, told, index)


def test_a_slow_server_is_given_up(site: Loopback, told: Told, index: bytes, held: Callable[[], object]) -> None:
    site.answers[INDEX_PATH] = [Answer(bytes_sent=50, hold=held)]
    assert "stalls after 50 bytes" in faulty(site, told, index)


def test_an_index_of_another_architecture_is_refused(site: Loopback, told: Told, index: bytes) -> None:
    site.files["/main/aarch64/APKINDEX.tar.gz"] = index
    with told.client(arch="aarch64") as client:
        (opened,) = client.open_indexes([main(site)])
    assert "is of another architecture: x86_64, not aarch64" in str(opened.fault)


def test_untrusted_indexes_are_taken_where_told_and_each_is_named(site: Loopback, told: Told, index: bytes) -> None:
    site.files["/unsigned/x86_64/APKINDEX.tar.gz"] = write_index([read_info(PACKAGE)], "")
    repositories = [main(site), Repository(site.url("/unsigned"))]
    with told.client(allow_untrusted=True) as client:
        opened = client.open_indexes(repositories)
    assert [one.fault for one in opened] == [None, None]
    assert opened[0].signed_by
    assert not opened[1].signed_by
    unsigned = site.url("/unsigned/x86_64/APKINDEX.tar.gz")
    assert told.warnings() == [f"WARNING: {unsigned} is not signed: taken all the same (--allow-untrusted)"]
    site.files[INDEX_PATH] = index[:-20]
    with told.client(allow_untrusted=True) as client:
        assert client.open_indexes([main(site)])[0].fault


def test_a_password_is_sent_and_not_shown(site: Loopback, told: Told, tmp_path: Path) -> None:
    repository = Repository(f"http://me:secret@127.0.0.1:{site.port}/main")
    with told.client(cache=Cache(tmp_path)) as client:
        assert client.open_indexes([repository])[0].text
        site.files.clear()
        site.answers.clear()
    with told.client(cache=Cache(tmp_path), max_age=0) as client:
        client.open_indexes([repository])
        with pytest.raises(ApkError) as caught:
            client.fetch_package(ENTRY, [repository, Repository(repository.url + "/other")])
    assert all("authorization" in headers for headers in site.headers)
    assert "secret" not in "".join([*told.said, str(caught.value), caught.value.hint or ""])
    assert told.said[0] == f"fetch http://me:*@127.0.0.1:{site.port}{INDEX_PATH}"


# Mirrors


def test_the_first_mirror_that_has_the_index_is_taken(
    site: Loopback, told: Told, closed_port: int, index: bytes
) -> None:
    site.files["/broken/x86_64/APKINDEX.tar.gz"] = index[:100]
    mirrors = [
        Repository(f"http://127.0.0.1:{closed_port}"), Repository(site.url("/broken")), main(site),
        Repository(site.url("/never")),
    ]  # fmt: skip
    with told.client() as client:
        assert client.open_first(mirrors).repository == main(site)
    assert len(told.warnings()) == 2
    assert site.paths == ["/broken/x86_64/APKINDEX.tar.gz", INDEX_PATH]


def test_when_no_mirror_answers_each_is_listed_with_its_reason(told: Told, closed_port: int, tmp_path: Path) -> None:
    mirrors = [Repository(f"http://127.0.0.1:{closed_port}"), Repository(str(tmp_path))]
    with told.client() as client, pytest.raises(ApkError) as caught:
        client.open_first(mirrors)
    first, down, missing = str(caught.value).splitlines()
    assert first == "no mirror has the index:"
    assert down == f"  http://127.0.0.1:{closed_port}/x86_64/APKINDEX.tar.gz: the connection is refused"
    assert missing == f"  {tmp_path}/x86_64/APKINDEX.tar.gz: No such file or directory"
    with told.client() as client, pytest.raises(ApkError, match="none was named"):
        client.open_first([])


# The cache of indexes


def test_a_kept_index_is_used_until_it_is_too_old(site: Loopback, told: Told, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path = Path(cache.index_path(site.url(INDEX_PATH)))
    with told.client(cache=cache) as client:
        first = client.open_indexes([main(site)])[0]
        again = client.open_indexes([main(site)])[0]
    assert (first.cached, again.cached) == (False, True)
    assert again.text == first.text
    assert again.signed_by == first.signed_by
    assert len(site.requests) == 1
    os.utime(path, (1e9, path.stat().st_mtime - 4 * 3600))
    with told.client(cache=cache, max_age=math.inf) as client:
        assert client.open_indexes([main(site)])[0].cached
    with told.client(cache=cache) as client:
        assert not client.open_indexes([main(site)])[0].cached
        assert client.open_indexes([main(site)])[0].cached
    with told.client(cache=cache, max_age=0) as client:
        assert not client.open_indexes([main(site)])[0].cached
    assert len(site.requests) == 3


def test_a_kept_index_from_the_future_is_fetched_again(site: Loopback, told: Told, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with told.client(cache=cache) as client:
        client.open_indexes([main(site)])
        os.utime(cache.index_path(site.url(INDEX_PATH)), (1e9, 1e10))
        assert not client.open_indexes([main(site)])[0].cached
        assert client.open_indexes([main(site)])[0].cached


def test_an_old_index_is_used_when_no_newer_one_can_be_had(site: Loopback, told: Told, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with told.client(cache=cache) as client:
        before = client.open_indexes([main(site)])[0]
    path = Path(cache.index_path(site.url(INDEX_PATH)))
    os.utime(path, (1e9, path.stat().st_mtime - 3 * 86400))
    site.answers[INDEX_PATH] = [Answer(status=403)]
    with told.client(cache=cache) as client:
        opened = client.open_indexes([main(site)])[0]
        assert opened.cached
        assert opened.text == before.text
        assert opened.fault is None
        assert "403 Forbidden" in str(opened.stale)
        site.files[INDEX_PATH] = write_index([], "")
        assert "is not signed" in str(client.open_indexes([main(site)])[0].stale)
    start, end = f"WARNING: updating {site.url('/main')}: {site.url(INDEX_PATH)}", "; using what was fetched 3 days ago"
    assert told.warnings() == [f"{start}: 403 Forbidden{end}", f"{start} is not signed{end}"]


def test_without_network_there_is_what_the_cache_has(site: Loopback, told: Told, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with told.client(cache=cache) as client:
        client.open_indexes([main(site)])
    asked = len(site.requests)
    with told.client(cache=cache, network=False, max_age=0) as client:
        there, missing = client.open_indexes([main(site), Repository(site.url("/other"))])
        assert there.cached
        assert "/other/x86_64/APKINDEX.tar.gz is not in the cache" in str(missing.fault)
        assert not client.available(main(site))
        assert client.available(Repository("/srv"))
    with told.client(network=False) as client:
        assert client.open_indexes([main(site)])[0].fault
    assert len(site.requests) == asked


def test_a_damaged_kept_index_is_fetched_again(site: Loopback, told: Told, tmp_path: Path, index: bytes) -> None:
    cache = Cache(tmp_path)
    path = Path(cache.index_path(site.url(INDEX_PATH)))
    for content in (index[:200], b"", write_index([], "")):
        path.write_bytes(content)
        with told.client(cache=cache) as client:
            opened = client.open_indexes([main(site)])[0]
        assert not opened.cached
        assert opened.text
        assert path.read_bytes() == index
    assert len(told.warnings()) == 3
    assert all(f"{path}" in line and line.endswith("not used, and fetched again") for line in told.warnings())
    path.write_bytes(b"")
    with told.client(cache=cache, network=False) as client:
        assert f"{path} is truncated" in str(client.open_indexes([main(site)])[0].fault)


def test_a_cache_that_cannot_be_written_is_said_and_done_without(site: Loopback, told: Told, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with told.client(cache=Cache(tmp_path / "file")) as client:
        assert client.open_indexes([main(site)])[0].text
    assert "cannot be kept in the cache" in told.warnings()[0]


# Packages


def test_a_package_is_fetched_and_checked(site: Loopback, told: Told) -> None:
    with told.client() as client:
        assert client.fetch_package(ENTRY, [main(site)]) == PACKAGE
    assert read_package(PACKAGE).checksum == ENTRY.checksum
    assert told.said == []


def flipped(position: int) -> bytes:
    damaged = bytearray(PACKAGE)
    damaged[position] ^= 1
    return bytes(damaged)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PACKAGE[:-30], f"has {len(PACKAGE) - 30} bytes, not the {len(PACKAGE)} that the index says"),
        (PACKAGE + b"x", f"has {len(PACKAGE) + 1} bytes, more than the {len(PACKAGE)} that are taken"),
        (flipped(len(PACKAGE) - 20), "the data segment is not what .PKGINFO says"),
        (flipped(60), "damaged"),
        (OTHER, "more than|is not what the index lists|bytes, not"),
        (b"<html>".ljust(len(PACKAGE)), "damaged"),
    ],
    ids=["short", "long", "data", "control", "other", "page"],
)
def test_another_mirror_is_tried_when_one_has_something_else(
    site: Loopback, told: Told, content: bytes, message: str
) -> None:
    site.files["/bad/x86_64/demo-1.2.3_rc1-r4.apk"] = content
    bad = Repository(site.url("/bad"))
    with told.client() as client:
        assert client.fetch_package(ENTRY, [bad, main(site)]) == PACKAGE
        (warning,) = told.said
        assert warning.startswith(f"WARNING: demo-1.2.3_rc1-r4: {bad.url}/x86_64/demo-1.2.3_rc1-r4.apk")
        assert warning.endswith(f"; trying {site.url('/main')}")
        with pytest.raises(ApkError, match=message):
            client.fetch_package(ENTRY, [bad])


def test_a_whole_package_with_another_checksum_is_refused(site: Loopback, told: Told) -> None:
    site.files[PACKAGE_PATH] = OTHER
    unsized = replace(ENTRY, size=0)
    with told.client() as client, pytest.raises(ApkError, match="is not what the index lists: its checksum is Q1"):
        client.fetch_package(unsized, [main(site)])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(bytes_sent=100), f"broke off after 100 of {len(PACKAGE)} bytes"),
        (Answer(status=404), "404 Not Found"),
        (Answer(status=500), "500 Internal Server Error"),
        (Answer(raw=b""), "closes the connection without an answer"),
    ],
)
def test_another_mirror_is_tried_when_one_fails(site: Loopback, told: Told, answer: Answer, message: str) -> None:
    with serve(protocol="HTTP/1.1") as other, told.client() as client:
        other.files[PACKAGE_PATH] = PACKAGE
        site.answers[PACKAGE_PATH] = [answer] * 2
        assert client.fetch_package(ENTRY, [main(site), main(other)]) == PACKAGE
    assert len(told.said) == 1
    assert message in told.said[0]


def test_a_fault_that_passes_is_not_even_said(site: Loopback, told: Told) -> None:
    site.answers[PACKAGE_PATH] = [Answer(status=500)]
    with told.client() as client:
        assert client.fetch_package(ENTRY, [main(site)]) == PACKAGE
    assert told.said == []


def test_a_mirror_that_stalls_is_asked_last_from_then_on(
    site: Loopback, told: Told, held: Callable[[], object]
) -> None:
    with serve() as slow, told.client() as client:
        slow.files[PACKAGE_PATH] = PACKAGE
        slow.answers[PACKAGE_PATH] = [Answer(bytes_sent=10, hold=held)]
        for _ in range(3):
            assert client.fetch_package(ENTRY, [main(slow), main(site)]) == PACKAGE
        assert len(slow.requests) == 1
        del site.files[PACKAGE_PATH]
        assert client.fetch_package(ENTRY, [main(slow), main(site)]) == PACKAGE
    assert "stalls after 10 bytes" in told.said[0]


def test_when_no_repository_has_it_each_is_listed_with_its_reason(site: Loopback, told: Told, closed_port: int) -> None:
    down = Repository(f"http://127.0.0.1:{closed_port}")
    site.files.clear()
    with told.client() as client, pytest.raises(ApkError) as caught:
        client.fetch_package(ENTRY, [down, main(site)])
    assert str(caught.value).splitlines() == [
        "demo-1.2.3_rc1-r4 could not be fetched from any repository:",
        f"  {down.url}/x86_64/demo-1.2.3_rc1-r4.apk: the connection is refused",
        f"  {site.url(PACKAGE_PATH)}: 404 Not Found",
    ]
    with told.client() as client, pytest.raises(ApkError, match=f"^demo-1.2.3_rc1-r4: {site.url(PACKAGE_PATH)}") as one:
        client.fetch_package(ENTRY, [main(site)])
    assert one.value.hint == "the repository has changed since its index was fetched: update that"
    with told.client(network=False) as client, pytest.raises(ApkError, match="no repository to fetch it from") as none:
        client.fetch_package(ENTRY, [main(site)])
    assert "without network" in (none.value.hint or "")


def test_a_repository_on_this_machine_is_asked_first(site: Loopback, told: Told, tmp_path: Path) -> None:
    (tmp_path / "x86_64").mkdir()
    (tmp_path / "x86_64/demo-1.2.3_rc1-r4.apk").write_bytes(PACKAGE)
    with told.client() as client:
        assert client.fetch_package(ENTRY, [main(site), Repository(str(tmp_path))]) == PACKAGE
    assert site.requests == []


def test_packages_are_kept_where_the_cache_keeps_them(site: Loopback, told: Told, tmp_path: Path) -> None:
    with told.client(cache=Cache(tmp_path / "no", packages=False)) as client:
        client.fetch_package(ENTRY, [main(site)])
    assert not (tmp_path / "no").exists()
    cache = Cache(tmp_path / "yes")
    path = Path(cache.package_path(ENTRY))
    with told.client(cache=cache) as client:
        client.fetch_package(ENTRY, [main(site)])
        assert path.read_bytes() == PACKAGE
        assert client.fetch_package(ENTRY, []) == PACKAGE
        path.write_bytes(PACKAGE[:-5])
        assert client.fetch_package(ENTRY, [main(site)]) == PACKAGE
        assert path.read_bytes() == PACKAGE
    why = f"has {len(PACKAGE) - 5} bytes, not the {len(PACKAGE)} that the index says"
    assert told.said == [f"WARNING: {path} {why}: it is not used, and fetched again"]
    with told.client(cache=cache, network=False) as client:
        assert client.fetch_package(ENTRY, [main(site)]) == PACKAGE
    assert len(site.requests) == 3


def many(count: int) -> dict[str, tuple[IndexEntry, bytes]]:
    made = {}
    for number in range(count):
        content = write_package(replace(INFO, name=f"p{number}"), [file("x", bytes([number]) * 10_000)])
        made[f"/main/x86_64/p{number}-{INFO.version}.apk"] = (index_entry(read_info(content)), content)
    return made


def test_several_packages_come_in_order_from_few_connections(site: Loopback, told: Told) -> None:
    made = many(20)
    site.files |= {path: content for path, (_, content) in made.items()}
    first, *_ = made
    site.answers[first] = [Answer(status=500)]
    with told.client() as client:
        fetched = list(client.fetch_packages([(entry, [main(site)]) for entry, _ in made.values()]))
    assert fetched == [content for _, content in made.values()]
    assert site.connections <= 4
    assert told.said == []


def test_several_packages_stop_at_the_first_that_cannot_be_had(site: Loopback, told: Told) -> None:
    made = many(30)
    site.files |= {path: content for path, (_, content) in made.items()}
    gone = list(made)[5]
    del site.files[gone]
    fetched: list[bytes] = []
    with told.client() as client, pytest.raises(ApkError, match=r"^p5-1"):
        fetched.extend(client.fetch_packages([(entry, [main(site)]) for entry, _ in made.values()]))
    assert fetched == [content for _, content in made.values()][:5]
    assert len(site.requests) < 30


FETCH_ALL = """
import sys
from bivy.apk.fetch.cache import Cache
from bivy.apk.fetch.client import Client
from bivy.apk.index import parse_index
from bivy.apk.keys import load_keys
from bivy.apk.fetch.repository import Repository
url, keys, cache = sys.argv[1:]
with Client("x86_64", load_keys(keys), cache=Cache(cache), max_age=0, say=print) as client:
    (opened,) = client.open_indexes([Repository(url)])
    entries = parse_index(opened.text, "x")
    got = list(client.fetch_packages([(entry, [Repository(url)]) for entry in entries]))
    print([len(content) for content in got] == [entry.size for entry in entries])
"""


def test_two_processes_that_fetch_into_one_cache_both_get_it_whole(
    site: Loopback, signer: Signer, tmp_path: Path
) -> None:
    made = many(10)
    site.files |= {path: content for path, (_, content) in made.items()}
    site.files[INDEX_PATH] = write_index([entry for entry, _ in made.values()], "", signer)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / signer.name).write_text(format_public_key(signer.key.public))
    argv = [sys.executable, "-c", FETCH_ALL, main(site).url, str(tmp_path / "keys"), str(tmp_path / "cache")]
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    children = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=plain) for _ in range(2)]
    said = [child.communicate(timeout=60)[0].splitlines() for child in children]
    assert said == [[f"fetch {site.url(INDEX_PATH)}", "True"]] * 2
    assert len(list((tmp_path / "cache").iterdir())) == 11
    for entry, content in made.values():
        assert Path(Cache(tmp_path / "cache").package_path(entry)).read_bytes() == content
