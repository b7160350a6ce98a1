from __future__ import annotations

import contextlib
import hashlib
import signal
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from bivy.errors import BivyError
from bivy.progress import Outcome, Silent
from bivy.source.fetch import Patience, cached, fetch
from bivy.source.pin import Pin, Place
from bivy.source.places import Mirrors
from tests.loopback import Answer, Loopback, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = bytes(range(256)) * 4096  # 1 MiB
DIGEST = hashlib.sha256(CONTENT).hexdigest()
REPACK = b"repacked" * 1000
POOL = "pool/main/z/zlib/zlib_1.3+dfsg.orig.tar.gz"
QUICK = Patience(connect=5, read=5, pauses=(0.01, 0.01))


class Recorder(Silent):
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.said: list[str] = []

    def begin(self, key: str, *, total: int | None = None) -> None:
        self.events.append(("begin", key, total))

    def advance(self, key: str, amount: int) -> None:
        kind, _, size = self.events[-1]
        if kind == "advance":
            self.events[-1] = ("advance", key, size + amount)
        else:
            self.events.append(("advance", key, amount))

    def end(self, key: str, outcome: Outcome, detail: str = "") -> None:  # noqa: ARG002
        self.events.append(("end", key, outcome))

    def say(self, message: str) -> None:
        self.said.append(message)


def pinned(url: str, *more: Place, digest: str = DIGEST, name: str = "zlib") -> Pin:
    return Pin(name, "1.3", (Place(digest, url=url), *more))


def get(pin: Pin, cache: Path, progress: Silent | None = None, **options: Any) -> Path:
    told: dict[str, Any] = {"mirrors": Mirrors(), "archives": (), "patience": QUICK} | options
    return fetch([pin], cache=cache, progress=progress or Silent(), **told)[pin]


def fault_of(pin: Pin, cache: Path, **options: Any) -> BivyError:
    with pytest.raises(BivyError) as caught:
        get(pin, cache, **options)
    return caught.value


def files(cache: Path) -> list[str]:
    """List what is in the cache beside locks."""
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.parent.name != "locks")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_pin_becomes_a_verified_file_that_is_asked_for_once(site: Loopback, cache: Path) -> None:
    site.files["/zlib-1.3.tar.gz"] = CONTENT
    pin = pinned(site.url("/zlib-1.3.tar.gz"))
    assert cached(pin, cache) is None
    path = get(pin, cache)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o644
    assert get(pin, cache) == cached(pin, cache) == path
    assert site.paths == ["/zlib-1.3.tar.gz"]
    assert files(cache) == [DIGEST]


def test_upstream_is_asked_first_then_the_mirror_then_the_archive(site: Loopback, cache: Path) -> None:
    repack = Place(hashlib.sha256(REPACK).hexdigest(), debian=POOL)
    site.files[f"/debian/{POOL}"] = REPACK
    pin = pinned(site.url("/up/zlib.tar.gz"), repack)
    path = get(pin, cache, mirrors=Mirrors((site.url("/mirror"),)), archives=(site.url("/debian"),))
    assert path.read_bytes() == REPACK
    assert site.paths == [
        "/up/zlib.tar.gz",
        "/mirror/zlib.tar.gz",
        "/mirror/zlib_1.3+dfsg.orig.tar.gz",
        f"/mirror/{POOL}",
        f"/debian/{POOL}",
    ]
    assert cached(pin, cache) == path


def test_a_place_that_works_spares_the_waiting_for_one_that_does_not(
    site: Loopback, cache: Path, closed_port: int
) -> None:
    site.files["/mirror/zlib.tar.gz"] = CONTENT
    pin = pinned(f"http://127.0.0.1:{closed_port}/zlib.tar.gz")
    patience = Patience(pauses=(1000.0,))
    path = get(pin, cache, mirrors=Mirrors((site.url("/mirror"),)), patience=patience)
    assert path.read_bytes() == CONTENT


def test_a_mirror_can_be_a_folder(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "my mirror").mkdir()
    (tmp_path / "my mirror" / "zlib.tar.gz").write_bytes(CONTENT)
    pin = pinned(f"file://{tmp_path}/nowhere/zlib.tar.gz")
    assert get(pin, cache, mirrors=Mirrors((f"file://{tmp_path}/my%20mirror",))).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_what_may_pass_is_asked_again(site: Loopback, cache: Path, status: int) -> None:
    site.files["/a.tar"] = CONTENT
    site.answers["/a.tar"] = [Answer(status), Answer(status)]
    assert get(pinned(site.url("/a.tar")), cache).read_bytes() == CONTENT
    assert len(site.requests) == 3


@pytest.mark.parametrize("status", [404, 403, 410, 501 - 100])
def test_what_will_not_pass_is_asked_once(site: Loopback, cache: Path, status: int) -> None:
    site.answers["/a.tar"] = [Answer(status)] * 5
    assert f"/a.tar: {status}" in str(fault_of(pinned(site.url("/a.tar")), cache))
    assert len(site.requests) == 1


def test_a_redirection_is_followed(site: Loopback, cache: Path) -> None:
    site.files["/b.tar"] = CONTENT
    site.answers["/a.tar"] = [Answer(302, location="/b.tar")]
    assert get(pinned(site.url("/a.tar")), cache).read_bytes() == CONTENT


def test_redirections_in_a_circle_are_a_fault_of_that_place(site: Loopback, cache: Path) -> None:
    site.answers["/a.tar"] = [Answer(302, location="/a.tar")] * 50
    assert "redirect" in str(fault_of(pinned(site.url("/a.tar")), cache))


def test_a_transfer_cut_short_goes_on_where_it_was(site: Loopback, cache: Path) -> None:
    site.files["/a.tar"] = CONTENT
    site.answers["/a.tar"] = [Answer(bytes_sent=300_000), Answer(bytes_sent=400_000)]
    assert get(pinned(site.url("/a.tar")), cache, patience=Patience(pauses=())).read_bytes() == CONTENT
    assert [wanted for _, wanted in site.requests] == ["", "bytes=300000-", "bytes=700000-"]


def test_a_transfer_starts_over_where_no_part_can_be_had(site: Loopback, cache: Path) -> None:
    site.files["/a.tar"] = CONTENT
    site.answers["/a.tar"] = [Answer(bytes_sent=300_000), Answer(ranges=False)]
    assert get(pinned(site.url("/a.tar")), cache).read_bytes() == CONTENT


def test_a_transfer_that_always_ends_at_the_same_byte_ends_in_a_fault(site: Loopback, cache: Path) -> None:
    site.files["/a.tar"] = CONTENT
    site.answers["/a.tar"] = [Answer(bytes_sent=300_000, ranges=False)] * 50
    assert "/a.tar: peer closed connection" in str(fault_of(pinned(site.url("/a.tar")), cache))


@pytest.mark.parametrize("part", [b"something else", CONTENT, CONTENT + b"more", CONTENT[:5000]])
def test_whatever_an_earlier_process_left_ends_in_the_right_file(site: Loopback, cache: Path, part: bytes) -> None:
    site.files["/a.tar"] = CONTENT
    (cache / "sources/sha256").mkdir(parents=True)
    (cache / f"sources/sha256/{DIGEST}.part").write_bytes(part)
    assert get(pinned(site.url("/a.tar")), cache).read_bytes() == CONTENT
    assert files(cache) == [DIGEST]


def test_a_wrong_file_is_never_kept_and_the_next_place_is_asked(site: Loopback, cache: Path) -> None:
    site.files |= {"/zlib-1.3.tar.gz": b"tampered", "/mirror/zlib-1.3.tar.gz": CONTENT}
    progress = Recorder()
    pin = pinned(site.url("/zlib-1.3.tar.gz"))
    assert get(pin, cache, progress, mirrors=Mirrors((site.url("/mirror"),))).read_bytes() == CONTENT
    assert files(cache) == [DIGEST]
    (said,) = progress.said
    assert all(part in said for part in (pin.places[0].url, DIGEST, hashlib.sha256(b"tampered").hexdigest()))


def test_a_wrong_file_everywhere_is_a_fault_that_names_both_digests(site: Loopback, cache: Path) -> None:
    site.files["/zlib-1.3.tar.gz"] = b"tampered"
    pin = pinned(site.url("/zlib-1.3.tar.gz"))
    message = str(fault_of(pin, cache))
    found = hashlib.sha256(b"tampered").hexdigest()
    assert all(part in message for part in ("zlib 1.3", pin.places[0].url, f"expected sha256 {DIGEST}, found {found}"))
    assert files(cache) == []
    assert len(site.requests) == 1


def test_a_file_damaged_on_disk_is_fetched_again_and_said(site: Loopback, cache: Path) -> None:
    site.files["/a.tar"] = CONTENT
    pin = pinned(site.url("/a.tar"))
    path = get(pin, cache)
    path.write_bytes(CONTENT[:-1] + b"x")
    assert cached(pin, cache) is None
    progress = Recorder()
    assert get(pin, cache, progress) == path
    assert path.read_bytes() == CONTENT
    assert "damaged on disk" in progress.said[0]


def test_with_nothing_reachable_every_place_is_listed_with_its_reason(
    site: Loopback, cache: Path, closed_port: int
) -> None:
    port = closed_port
    pins = [
        pinned(f"http://127.0.0.1:{port}/a.tar", Place(DIGEST, debian="pool/a"), name="a"),
        pinned(site.url("/b.tar"), name="b"),
        pinned("gopher://example.org/c.tar", name="c"),
        pinned("http://a..b/d.tar", name="d"),
    ]
    with pytest.raises(BivyError) as caught:
        fetch(pins, cache=cache, mirrors=Mirrors((f"http://me:secret@127.0.0.1:{port}/m", f"file://{cache}")),
              archives=(site.url("/debian"),), progress=Silent(), patience=QUICK)  # fmt: skip
    message = str(caught.value)
    for expected in (
        f"a 1.3 could not be fetched; tried were\n  http://127.0.0.1:{port}/a.tar: [Errno 111] Connection refused\n",
        f"\n  http://me:…@127.0.0.1:{port}/m/pool/a: [Errno 111] Connection refused\n",
        f"\n  file://{cache}/pool/a: No such file or directory\n",
        f"\n  {site.url('/debian/pool/a')}: 404 Not Found\n",
        f"b 1.3 could not be fetched; tried were\n  {site.url('/b.tar')}: 404 Not Found\n",
        "\n  gopher://example.org/c.tar: ",
        "\n  http://a..b/d.tar: ",
    ):
        assert expected in message
    assert "secret" not in message
    assert all(word in (caught.value.hint or "") for word in ("HTTPS_PROXY", "SSL_CERT_FILE", "--mirror"))
    assert files(cache) == []


def test_a_machine_without_an_archive_says_so(cache: Path) -> None:
    pin = Pin("a", "1", (Place(DIGEST, debian="pool/a"),))
    assert "pool/a: this machine has no Debian archive configured" in str(fault_of(pin, cache))


def test_one_file_that_cannot_be_had_does_not_lose_the_others(site: Loopback, cache: Path) -> None:
    site.files["/b.tar"] = CONTENT
    pins = [pinned(site.url("/a.tar"), digest="0" * 64, name="a"), pinned(site.url("/b.tar"), name="b")]
    with pytest.raises(BivyError, match=r"a 1\.3 could not be fetched"):
        fetch(pins, cache=cache, mirrors=Mirrors(), archives=(), progress=Silent(), jobs=1, patience=QUICK)
    assert cached(pins[1], cache)


def test_files_come_side_by_side(site: Loopback, cache: Path) -> None:
    both_under_way = threading.Barrier(2, timeout=20)
    pins = []
    for name in "ab":
        content = name.encode() * 1000
        site.files[f"/{name}"] = content
        site.answers[f"/{name}"] = [Answer(bytes_sent=500, hold=both_under_way.wait)]
        pins.append(pinned(site.url(f"/{name}"), digest=hashlib.sha256(content).hexdigest(), name=name))
    got = fetch(pins, cache=cache, mirrors=Mirrors(), archives=(), progress=Silent(), jobs=2)
    assert not both_under_way.broken
    assert [path.read_bytes()[:1] for path in map(got.__getitem__, pins)] == [b"a", b"b"]


def test_progress_tells_the_size_and_every_byte(site: Loopback, cache: Path) -> None:
    site.files["/a.tar"] = CONTENT
    site.answers["/a.tar"] = [Answer(bytes_sent=300_000)]
    progress = Recorder()
    get(pinned(site.url("/a.tar")), cache, progress)
    assert progress.events == [
        ("begin", "fetch zlib 1.3", len(CONTENT)),
        ("advance", "fetch zlib 1.3", 300_000),
        ("end", "fetch zlib 1.3", Outcome.FAILED),
        ("begin", "fetch zlib 1.3", len(CONTENT)),
        ("advance", "fetch zlib 1.3", len(CONTENT)),
        ("end", "fetch zlib 1.3", Outcome.DONE),
    ]


def test_a_full_disk_is_said_to_be_full(site: Loopback, cache: Path) -> None:
    site.files["/a.tar"] = CONTENT
    (cache / "sources/sha256").mkdir(parents=True)
    (cache / f"sources/sha256/{DIGEST}.part").symlink_to("/dev/full")
    fault = fault_of(pinned(site.url("/a.tar")), cache)
    assert f"no space left in {cache}/sources/sha256 while fetching zlib 1.3" in str(fault)
    assert "make room" in (fault.hint or "")


def test_a_cache_that_cannot_be_written_is_a_fault_that_names_it(site: Loopback, cache: Path) -> None:
    cache.write_text("a file in its place")
    fault = fault_of(pinned(site.url("/a.tar")), cache)
    assert f"cannot keep zlib 1.3 in {cache}" in str(fault)
    assert "BIVY_CACHE" in (fault.hint or "")


SCRIPT = """
import sys
from pathlib import Path
from bivy.progress import Silent
from bivy.source.fetch import fetch
from bivy.source.pin import Pin, Place
from bivy.source.places import Mirrors
url, digest, cache = sys.argv[1:]
pin = Pin("zlib", "1.3", (Place(digest, url=url),))
try:
    print(fetch([pin], cache=Path(cache), mirrors=Mirrors(), archives=(), progress=Silent())[pin])
except KeyboardInterrupt:
    sys.exit(130)
"""


def start(url: str, cache: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", SCRIPT, url, DIGEST, str(cache)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def open_files(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append(str(link.readlink()))
    return found


def test_two_processes_share_one_download(site: Loopback, cache: Path) -> None:
    site.files["/a.tar"] = CONTENT
    under_way, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        under_way.set()
        go_on.wait(20)

    site.answers["/a.tar"] = [Answer(bytes_sent=1000, hold=hold)]
    processes = [start(site.url("/a.tar"), cache)]
    assert under_way.wait(20)
    processes.append(start(site.url("/a.tar"), cache))
    while f"{cache}/sources/locks/{DIGEST}" not in open_files(processes[1].pid):
        assert processes[1].poll() is None
    go_on.set()
    assert [process.communicate(timeout=30)[0].strip() for process in processes] == [
        f"{cache}/sources/sha256/{DIGEST}"
    ] * 2
    assert len(site.requests) == 1


def test_ctrl_c_ends_at_once_and_leaves_what_came_to_go_on_from(site: Loopback, cache: Path) -> None:
    site.files["/a.tar"] = CONTENT
    under_way, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        under_way.set()
        let_go.wait(30)

    site.answers["/a.tar"] = [Answer(bytes_sent=1000, hold=hold)]
    part = cache / f"sources/sha256/{DIGEST}.part"
    process = start(site.url("/a.tar"), cache)
    assert under_way.wait(20)
    while not part.exists() or part.stat().st_size < 1000:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert files(cache) == [part.name]
    let_go.set()
    assert get(pinned(site.url("/a.tar")), cache).read_bytes() == CONTENT
    assert site.requests[-1] == ("/a.tar", "bytes=1000-")


def test_a_proxy_in_the_environment_is_used(site: Loopback, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files["http://upstream.invalid/a.tar"] = CONTENT
    monkeypatch.setenv("HTTP_PROXY", site.url())
    assert get(pinned("http://upstream.invalid/a.tar"), cache).read_bytes() == CONTENT


@pytest.mark.parametrize("proxy", ["nonsense://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_a_proxy_that_is_none_is_a_fault(cache: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    fault = fault_of(pinned("http://upstream.invalid/a.tar"), cache)
    assert "proxy in the environment cannot be used" in str(fault)
    assert "HTTPS_PROXY" in (fault.hint or "")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Loopback]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "upstream.invalid").configure_cert(context)
    with serve(context) as site:
        site.files["/a.tar"] = CONTENT
        yield site


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_companys_authority_is_trusted_when_the_environment_names_it(
    secure: Loopback, authority: trustme.CA, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bundle = tmp_path / "authorities" / "company.pem"
    bundle.parent.mkdir()
    authority.cert_pem.write_to_path(str(bundle))
    if name == "SSL_CERT_DIR":
        subprocess.run(["openssl", "rehash", str(bundle.parent)], check=True)
        bundle = bundle.parent
    monkeypatch.setenv(name, str(bundle))
    assert get(pinned(secure.url("/a.tar")), cache).read_bytes() == CONTENT


def test_an_unknown_authority_is_refused_and_the_message_says_why(secure: Loopback, cache: Path) -> None:
    fault = fault_of(pinned(secure.url("/a.tar")), cache, patience=Patience(pauses=(1000,)))
    assert "CERTIFICATE_VERIFY_FAILED" in str(fault)
    assert "SSL_CERT_FILE" in (fault.hint or "")
    assert secure.requests == []


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_is_none_is_a_fault_that_names_the_variable(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str | None
) -> None:
    bundle = tmp_path / "company.pem"
    if content:
        bundle.write_text(content)
    monkeypatch.setenv(name, str(bundle))
    fault = fault_of(pinned("https://upstream.invalid/a.tar"), cache)
    assert f"{name} names {bundle}, which holds no certificates" in str(fault)


def test_https_goes_through_a_proxy(
    site: Loopback, secure: Loopback, authority: trustme.CA, cache: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    authority.cert_pem.write_to_path(str(tmp_path / "company.pem"))
    site.tunnel_to = secure.port
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
    monkeypatch.setenv("HTTPS_PROXY", site.url())
    assert get(pinned("https://upstream.invalid/a.tar"), cache).read_bytes() == CONTENT
    assert site.paths == ["upstream.invalid:443"]


def test_the_client_is_not_loaded_before_something_is_fetched() -> None:
    script = "import sys, bivy.source.fetch, bivy.source.unpack; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
