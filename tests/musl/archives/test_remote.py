from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bivy.errors import BivyError
from bivy.musl.archives.remote import open_remote_wheel, remote_file
from bivy.source.download import open_client
from tests.loopback import Answer, Loopback, serve
from tests.musl.archives.making import ELF, NAME, make_wheel

if TYPE_CHECKING:
    import httpx

PATH = f"/packages/{NAME}"
SMALL = make_wheel({"demo/_fast.so": ELF})
NOISE = random.Random(1).randbytes(3 << 20)  # what compression leaves as it is
LARGE = make_wheel({"demo/data.bin": NOISE, "demo/_fast.so": ELF + NOISE[: 1 << 20], "demo/more.txt": NOISE[::-1]})


def problems(client: httpx.Client, site: Loopback) -> str:
    """Read a wheel and all of its content, and return what is wrong with it."""
    with open_remote_wheel(client, site.url(PATH)) as wheel:
        wheel.check_contents()
        return "\n".join(problem.message for problem in wheel.problems)


def test_a_small_wheel_takes_one_request(client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = SMALL
    with open_remote_wheel(client, site.url(PATH)) as wheel:
        assert wheel.file_name.name == "demo"
        assert wheel.metadata
        assert wheel.metadata.requires == ("other>=2",)
        assert list(wheel.binaries()) == [("demo/_fast.so", ELF)]
        assert wheel.problems == ()
        assert (wheel.traffic.requests, wheel.traffic.bytes) == (1, len(SMALL))
    assert site.requests == [(PATH, "bytes=-65536")]


def test_of_a_large_wheel_a_small_share_is_fetched_for_its_metadata_and_files(
    client: httpx.Client, site: Loopback
) -> None:
    files = {f"demo/{number:05}_{'long' * 12}.py": NOISE[number : number + 3000] for number in range(5000)}
    site.files[PATH] = make_wheel(files)
    with open_remote_wheel(client, site.url(PATH)) as wheel:
        assert len(wheel.members) == 5004
        assert wheel.metadata
        assert wheel.problems == ()
        assert wheel.traffic.requests <= 3
        assert wheel.traffic.bytes < len(site.files[PATH]) / 10
        fetched = wheel.traffic.bytes
        assert wheel.read("demo/00007_" + "long" * 12 + ".py") == NOISE[7:3007]
        assert wheel.traffic.bytes - fetched <= 512 << 10


def test_a_large_member_is_fetched_in_few_requests_and_others_are_not(client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = LARGE
    with open_remote_wheel(client, site.url(PATH)) as wheel:
        assert list(wheel.binaries()) == [("demo/_fast.so", ELF + NOISE[: 1 << 20])]
        assert wheel.traffic.requests <= 4
        assert wheel.traffic.bytes < len(LARGE) * 2 / 3


def test_every_byte_of_a_remote_file_is_where_it_is_in_the_file(client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = LARGE
    numbers = random.Random(2)
    with remote_file(client, site.url(PATH)) as file:
        for _ in range(200):
            start, size = numbers.randrange(len(LARGE) + 10), numbers.choice([0, 1, 100, 70_000, 600_000])
            file.seek(start)
            assert file.read(size) == LARGE[start : start + size]
        file.seek(-5, 2)
        assert file.read() == LARGE[-5:]
        assert file.tell() == len(LARGE)
        with pytest.raises(OSError, match="Invalid argument"):
            file.seek(-1)


@pytest.mark.parametrize("content", [SMALL, LARGE])
def test_a_server_that_gives_whole_files_only_is_read_all_the_same(
    content: bytes, client: httpx.Client, site: Loopback
) -> None:
    site.files[PATH] = content
    site.answers[PATH] = [Answer(ranges=False)] * 5
    assert problems(client, site) == ""


def test_a_whole_file_beyond_the_limit_is_not_downloaded(client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = LARGE
    site.answers[PATH] = [Answer(ranges=False)] * 5
    with (
        pytest.raises(BivyError, match="whole files are downloaded up to 1000000 bytes"),
        open_remote_wheel(client, site.url(PATH), limit=1_000_000),
    ):
        pass


def test_a_whole_file_that_breaks_off_is_taken_up_again(client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = LARGE
    site.answers[PATH] = [Answer(ranges=False)] * 2 + [Answer(bytes_sent=1_000_000), Answer(bytes_sent=700_000)]
    assert problems(client, site) == ""
    assert site.requests[-1] == (PATH, "bytes=1700000-")


def test_a_server_that_does_not_know_the_last_bytes_is_asked_for_the_first(
    client: httpx.Client, site: Loopback
) -> None:
    for answer in (Answer(suffix=False), Answer(status=501), Answer(ranges=False)):
        site.files[PATH] = LARGE
        site.answers[PATH] = [answer]
        site.requests.clear()
        assert problems(client, site) == ""
        assert site.requests[1] == (PATH, "bytes=0-65535")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(headers={"Content-Range": "bytes 0-9/100"}), "gives more bytes than it announces"),
        (Answer(headers={"Content-Range": "bytes 5-2/100"}), "a piece that cannot be: bytes 5-2/100"),
        (Answer(headers={"Content-Range": "bytes 50-200/100"}), "a piece that cannot be"),
        (Answer(headers={"Content-Range": f"bytes 0-{1 << 40}/{1 << 41}"}), "a larger piece"),
        (Answer(headers={"Content-Range": "bytes 0-65535/*"}), "does not say which"),
        (Answer(headers={"Content-Range": "nonsense"}), "does not say which"),
        (Answer(headers={"Content-Encoding": "gzip"}), "does not say which"),
        (Answer(status=404), "404 Not Found"),
        (Answer(status=403), "403 Forbidden"),
        (Answer(raw=b"HTTP/1.0 206 Partial Content\r\n\r\nabc"), "does not say which"),
    ],
)
def test_a_wrong_answer_is_an_error_that_says_so(
    answer: Answer, message: str, client: httpx.Client, site: Loopback
) -> None:
    site.files[PATH] = LARGE
    site.answers[PATH] = [answer]
    with pytest.raises(BivyError, match=message), open_remote_wheel(client, site.url(PATH)):
        pass


@pytest.mark.parametrize("answer", [Answer(status=503), Answer(status=429), Answer(raw=b""), Answer(bytes_sent=1000)])
def test_a_passing_fault_is_waited_for(answer: Answer, client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = LARGE
    site.answers[PATH] = [answer]
    assert problems(client, site) == ""
    assert len(site.requests) > 1


def test_a_fault_that_stays_is_an_error_that_says_to_try_later(client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = LARGE
    site.answers[PATH] = [Answer(status=503)] * 10
    with pytest.raises(BivyError, match="503") as caught, open_remote_wheel(client, site.url(PATH)):
        pass
    assert caught.value.hint == "try again later"
    assert len(site.requests) == 3


def test_a_file_that_is_changed_while_it_is_read_is_a_problem(client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = LARGE
    with open_remote_wheel(client, site.url(PATH)) as wheel:
        site.files[PATH] = LARGE[:-1000] + bytes(2000)
        assert list(wheel.binaries()) == []
        assert ["was changed while it was read" in problem.message for problem in wheel.problems] == [True]
        with pytest.raises(BivyError, match="was changed while it was read"):
            wheel.read("demo/data.bin")


def test_a_file_that_is_changed_to_one_of_the_same_size_is_a_problem(client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = LARGE
    site.answers[PATH] = [Answer(headers={"ETag": '"1"'})] * 2 + [Answer(headers={"ETag": '"2"'})] * 10
    assert "was changed while it was read" in problems(client, site)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(headers={"Content-Range": f"bytes 0-262143/{len(LARGE)}"}),
        Answer(ranges=False),
        Answer(status=404),
        Answer(raw=b"garbage"),
    ],
)
def test_a_server_that_goes_wrong_later_is_one_problem_and_is_left_alone(
    answer: Answer, client: httpx.Client, site: Loopback
) -> None:
    site.files[PATH] = LARGE
    with open_remote_wheel(client, site.url(PATH)) as wheel:
        before = len(site.requests)
        site.answers[PATH] = [answer] * 20
        wheel.check_contents()
        assert len(wheel.problems) == 1
        assert "could not be fetched" in wheel.problems[0].message
        assert len(site.requests) - before <= 3
        assert wheel.metadata


def test_a_server_that_is_too_slow_is_an_error(site: Loopback) -> None:
    site.files[PATH] = LARGE
    over = threading.Event()
    site.answers[PATH] = [Answer(bytes_sent=100, hold=lambda: over.wait(20))] * 3
    with (
        open_client(connect=5, read=0.2) as hasty,
        pytest.raises(BivyError, match="timed out"),
        open_remote_wheel(hasty, site.url(PATH)),
    ):
        pass
    over.set()


def test_a_server_that_gives_a_byte_now_and_then_is_too_slow_too(client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = LARGE
    over = threading.Event()
    site.answers[PATH] = [Answer(bytes_sent=100, hold=lambda: over.wait(0.3))]
    with (
        pytest.raises(BivyError, match="the server is too slow"),
        open_remote_wheel(client, site.url(PATH), patience=0.1),
    ):
        pass
    over.set()


def test_a_server_that_is_not_there_is_an_error(client: httpx.Client) -> None:
    with serve() as gone:
        address = gone.url(PATH)
    with pytest.raises(BivyError, match="refused"), open_remote_wheel(client, address):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<html>", "no zip archive"),
        (SMALL[:-100], "cut off"),
        (LARGE[:-90_000], "cut off"),
    ],
)
def test_what_is_no_wheel_is_an_error(content: bytes, message: str, client: httpx.Client, site: Loopback) -> None:
    site.files[PATH] = content
    with pytest.raises(BivyError, match=message), open_remote_wheel(client, site.url(PATH)):
        pass


def test_a_password_in_an_address_is_not_shown(client: httpx.Client, site: Loopback) -> None:
    address = site.url(PATH).replace("http://", "http://user:secret@")
    with pytest.raises(BivyError, match="404") as caught, open_remote_wheel(client, f"{address}?token=secret"):
        pass
    assert "secret" not in str(caught.value)
    assert PATH in str(caught.value)


def test_a_wheel_on_this_machine_can_be_named_by_its_address(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(SMALL)
    with open_remote_wheel(client, path.as_uri()) as wheel:
        assert list(wheel.binaries()) == [("demo/_fast.so", ELF)]
        assert wheel.local
