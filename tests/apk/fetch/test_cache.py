from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bivy.apk.errors import ApkError
from bivy.apk.fetch.cache import Cache, age_in_words, cache_of_root, fetched_at
from bivy.apk.index import IndexEntry
from bivy.sandbox import find_bubblewrap, why_no_sandbox

ENTRY = IndexEntry("Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=", "demo", "1.2-r0", "x86_64")


def test_files_are_called_as_apk_calls_them() -> None:
    cache = Cache("/c")
    # What apk-tools 2.14.4 called the index that it fetched from this address.
    address = "http://127.0.0.1:18765/v3.16/main/x86_64/APKINDEX.tar.gz"
    assert cache.index_path(address) == "/c/APKINDEX.6c5aca5e.tar.gz"
    assert cache.package_path(ENTRY) == "/c/demo-1.2-r0.a8a719fa.apk"


@pytest.mark.parametrize("checksum", ["", "Q1", "Q1AAAA", "Q2" + "A" * 43 + "=", "Q1?"])
def test_a_package_with_a_checksum_that_is_none_is_not_looked_for(checksum: str) -> None:
    with pytest.raises(ApkError, match=r"demo-1\.2-r0 with a checksum that is none"):
        Cache("/c").package_path(IndexEntry(checksum, "demo", "1.2-r0"))


def test_what_is_kept_is_whole_and_has_its_age(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "deep" / "cache")
    path = cache.index_path("http://example.org")
    assert fetched_at(path) is None
    before = time.time()
    cache.keep(path, b"one")
    cache.keep(path, b"two")
    assert Path(path).read_bytes() == b"two"
    assert Path(path).stat().st_mode & 0o777 == 0o644
    kept = fetched_at(path)
    assert kept is not None
    assert before - 1 <= kept <= time.time() + 1
    assert list(Path(cache.folder).iterdir()) == [Path(path)]


def test_what_cannot_be_kept_leaves_what_was_there(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path = cache.index_path("http://example.org")
    Path(path).mkdir()
    (Path(path) / "x").write_bytes(b"")
    with pytest.raises(OSError, match="directory"):
        cache.keep(path, b"new")
    assert list(tmp_path.iterdir()) == [Path(path)]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="exists"):
        Cache(tmp_path / "file").keep(str(tmp_path / "file" / "x"), b"new")


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    if why_no_sandbox():
        pytest.skip("no bubblewrap")
    code = """
import os
from bivy.apk.fetch.cache import Cache
cache = Cache("/small")
path = cache.index_path("http://example.org")
cache.keep(path, b"old")
try:
    cache.keep(path, bytes(1 << 20))
except OSError as fault:
    print(fault.strerror)
print(open(path).read(), len(os.listdir("/small")))
"""
    argv = [str(find_bubblewrap()), "--bind", "/", "/", "--dev", "/dev", "--size", "65536", "--tmpfs", "/small"]
    shutil.copytree(Path(__file__).parents[3] / "src", tmp_path / "src")
    done = subprocess.run(
        [*argv, sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["No space left on device", "old 1"], done.stderr


def keep_often(folder: str, letter: bytes) -> None:
    cache = Cache(folder)
    for _ in range(100):
        cache.keep(cache.index_path("x"), letter * 100_000)


def test_two_processes_that_keep_the_same_file_do_not_mix_it(tmp_path: Path) -> None:
    spawned = multiprocessing.get_context("spawn")
    processes = [spawned.Process(target=keep_often, args=(str(tmp_path), letter)) for letter in (b"a", b"b")]
    for process in processes:
        process.start()
    path = Path(Cache(tmp_path).index_path("x"))
    seen = set[bytes]()
    while any(process.is_alive() for process in processes):
        if path.exists():
            seen.add(path.read_bytes())
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert seen <= {b"a" * 100_000, b"b" * 100_000}
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_processes_left_is_swept_after_a_day(tmp_path: Path) -> None:
    old, new, other = tmp_path / ".bivy-1-a", tmp_path / ".bivy-2-b", tmp_path / "demo.apk"
    for file in (old, new, other):
        file.write_bytes(b"")
    os.utime(old, (1, 1))
    os.utime(other, (1, 1))
    Cache(tmp_path).sweep()
    Cache(tmp_path / "none").sweep()
    assert sorted(tmp_path.iterdir()) == [new, other]


def test_a_root_keeps_packages_where_its_user_asked_for_it(tmp_path: Path) -> None:
    plain = cache_of_root(str(tmp_path))
    assert (plain.folder, plain.packages) == (str(tmp_path / "var/cache/apk"), False)
    (tmp_path / "etc/apk/cache").mkdir(parents=True)
    whole = cache_of_root(str(tmp_path))
    assert (whole.folder, whole.packages) == (str(tmp_path / "etc/apk/cache"), True)
    (tmp_path / "mine").mkdir()
    assert cache_of_root(str(tmp_path), "mine").folder == str(tmp_path / "mine")


def test_a_link_to_the_cache_is_followed_inside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc/apk").mkdir(parents=True)
    (root / "var/cache/apk").mkdir(parents=True)
    link = root / "etc/apk/cache"
    link.symlink_to("/var/cache/apk")
    assert cache_of_root(str(root)).folder == str(root / "var/cache/apk")
    assert cache_of_root(str(root)).packages
    link.unlink()
    link.symlink_to("../../../../../var/cache/apk")
    assert cache_of_root(str(root)).folder == str(root / "var/cache/apk")
    link.unlink()
    link.symlink_to("cache")
    assert not cache_of_root(str(root)).packages


def test_an_age_is_said_in_words() -> None:
    assert age_in_words(5) == "less than a minute ago"
    assert age_in_words(61) == "1 minute ago"
    assert age_in_words(3 * 3600 + 5) == "3 hours ago"
    assert age_in_words(86400 * 2) == "2 days ago"
