from __future__ import annotations

import base64
import fcntl
import gzip
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bivy.apk import tar
from bivy.apk.database import RecordedFolders, format_installed, installed_package, parse_installed
from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.apk.system.root import Root, create, locked, read_state
from tests.apk.installing import REPOSITORY, empty_root, package, plain, transact
from tests.apk.samples import DATE, demo, file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return empty_root(tmp_path / "root")


def where(root: Root, path: str) -> str:
    """Return which folder of the machine a root's folder is."""
    return os.readlink(f"/proc/self/fd/{root.folder(path)}")  # noqa: PTH115 - what procfs says is no path to follow


# The way to folders


def test_links_are_followed_as_from_inside(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/deep").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "absolute").symlink_to("/usr/lib")
    (tmp_path / "usr/up").symlink_to("../../../../usr/./lib//deep/..")
    (tmp_path / "again").symlink_to("lib/deep")
    with Root(str(tmp_path)) as root:
        inside = f"{tmp_path}/usr/lib"
        found = [where(root, path) for path in ("lib", "absolute", "usr/up", "lib/deep", "again", "")]
        assert found == [inside, inside, inside, f"{inside}/deep", f"{inside}/deep", str(tmp_path)]


def test_a_link_to_the_outside_is_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for made in (inside, outside):
        made.mkdir()
    (outside / "file").write_text("secret")
    (inside / "up").symlink_to("../outside")
    (inside / "absolute").symlink_to(outside)
    (inside / "file").symlink_to(outside / "file")
    with Root(str(inside)) as root:
        for path in ("up", "absolute"):
            with pytest.raises(FileNotFoundError):
                root.folder(path)
            assert root.read(f"{path}/file") is None
        assert root.read("file") is None
        status = root.status("file")
        assert status is not None
        assert stat.S_ISLNK(status.st_mode)


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with Root(str(tmp_path)) as root, pytest.raises(OSError, match="symbolic links"):
        root.folder("a")


def test_a_changed_link_is_followed_anew_once_that_is_known(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("first")
    with Root(str(tmp_path)) as root:
        assert where(root, "link").endswith("first")
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to("second")
        root.changed("link")
        assert where(root, "link").endswith("second")


def test_more_folders_than_may_be_open_are_no_matter(tmp_path: Path) -> None:
    for number in range(1200):
        (tmp_path / f"{number}").mkdir()
    with Root(str(tmp_path)) as root:
        for number in range(1200):
            root.folder(f"{number}")


WORD = st.sampled_from(["a", "b", "c", "..", ".", "", "etc"])
TARGET = st.lists(WORD, min_size=1, max_size=6).map("/".join) | st.just("/tmp") | st.just("/")


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "b", "c", "d/a", "d/b"]), TARGET, max_size=5),
    st.lists(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=4).map("/".join), max_size=6),
)
def test_no_links_lead_out_of_a_root(links: dict[str, str], paths: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name).resolve() / "x/y/root"
        (base / "d").mkdir(parents=True)
        for path, target in links.items():
            (base / path).symlink_to(target or ".")
        with Root(str(base)) as root:
            for path in paths:
                try:
                    found = where(root, path)
                except OSError:
                    continue
                assert f"{found}/".startswith(f"{base}/")


# The database


def test_a_state_is_what_was_installed(root: Path) -> None:
    tool = demo()
    transact(root, tool, plain("base", "etc/x"))
    with Root(str(root)) as opened:
        state = read_state(opened)
    assert [record.entry.name for record in state.installed] == ["base", "demo"]
    assert state.installed[1] == installed_package(tool)
    assert state.world == ("base", "demo")
    assert state.scripts == {tool.checksum: tool.scripts}
    assert state.triggers == {tool.checksum: ("/usr/share/demo", "/usr/lib/*")}
    assert state.arch == "x86_64"


def test_files_are_read_only_when_they_are_asked_for_and_kept_as_they_are(root: Path) -> None:
    transact(root, demo())
    place = root / "lib/apk/db/installed"
    text = place.read_text().replace("F:usr/bin\n", "F:usr/bin\nM:0:0:odd\n")
    place.write_text(text)
    with Root(str(root)) as opened:
        record = read_state(opened).installed[0]
    assert format_installed([record]) == text
    assert isinstance(record.folders, RecordedFolders)
    assert record.folders.paths() == ["usr", "usr/bin", "usr/share", "usr/share/demo"]
    assert [folder.path for folder in record.folders.among({"usr", "usr/share/demo"})] == ["usr", "usr/share/demo"]
    with pytest.raises(ApkError, match="'0:0:odd' is not user, group and mode"):
        len(record.folders)


def test_files_read_late_are_the_same_as_those_read_at_once(root: Path) -> None:
    transact(root, demo(), package("x", [file("top", b"x")]))
    text = (root / "lib/apk/db/installed").read_text()
    with Root(str(root)) as opened:
        assert read_state(opened).installed == parse_installed(text)


def test_the_scripts_of_apk_tools_3_are_read_and_continued(root: Path) -> None:
    tool = demo()
    transact(root, tool)
    db = root / "lib/apk/db"
    (db / "scripts.tar").unlink()
    digest = base64.b64decode(tool.checksum[2:]).hex()
    name = f"demo-1.2.3_rc1-r4.X1{digest}.post-install"
    entry = Entry(name, Kind.FILE, 0o755, mtime=DATE, content=b"#!/bin/sh\n")
    (db / "scripts.tar.gz").write_bytes(gzip.compress(tar.write_members([entry]) + tar.end_of_archive()))
    transact(root, plain("other", "x"))
    assert not (db / "scripts.tar").exists()
    members = tar.read_members(gzip.decompress((db / "scripts.tar.gz").read_bytes()), "scripts.tar.gz")
    assert [(member.entry.path, member.entry.content) for member in members] == [
        (f"demo-1.2.3_rc1-r4.{tool.checksum}.post-install", b"#!/bin/sh\n")
    ]


def test_a_root_without_a_database_says_how_to_make_one(tmp_path: Path) -> None:
    with Root(str(tmp_path)) as opened:
        with pytest.raises(ApkError, match="has no database of packages") as caught:
            read_state(opened)
        assert "--initdb" in str(caught.value.hint)
        with pytest.raises(ApkError, match="has no database of packages"), locked(opened):
            pass


def test_what_is_no_folder_is_no_root(tmp_path: Path) -> None:
    with pytest.raises(ApkError, match="cannot open the root"):
        Root(str(tmp_path / "missing"))


def test_an_empty_database_is_made_once(tmp_path: Path) -> None:
    with Root(str(tmp_path)) as opened:
        create(opened, "aarch64")
        state = read_state(opened)
        assert (state.installed, state.world, state.arch) == ((), (), "aarch64")
        (tmp_path / "etc/apk/world").write_text("kept\n")
        create(opened, "x86_64")
    assert (tmp_path / "etc/apk/world").read_text() == "kept\n"
    assert (tmp_path / "etc/apk/arch").read_text() == "aarch64\n"
    assert stat.S_IMODE((tmp_path / "tmp").stat().st_mode) == 0o1777
    for path in ("dev", "lib/apk/db/installed", "var/cache/apk"):
        assert (tmp_path / path).exists()


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("lib/apk/db/installed", b"\xff", "is not UTF-8"),
        ("lib/apk/db/installed", b"C:Q1\nP:a\n", "the field V is missing"),
        ("lib/apk/db/scripts.tar", b"x" * 600, "no tar header"),
    ],
)
def test_a_damaged_database_is_named(root: Path, path: str, content: bytes, message: str) -> None:
    (root / path).write_bytes(content)
    with Root(str(root)) as opened, pytest.raises(ApkError, match=message):
        read_state(opened)


# The lock

HOLDER = """
import sys
from bivy.apk.system.root import Root, locked
with Root(sys.argv[1]) as root, locked(root):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(root: Path) -> object:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_of_two_at_once_is_told_so(root: Path, holder: object) -> None:
    assert holder
    with pytest.raises(ApkError, match="Unable to lock database: temporary error") as caught:
        transact(root, plain("a", "x"))
    assert "--wait" in str(caught.value.hint)
    assert not (root / "x").exists()


def test_the_second_of_two_at_once_may_wait(root: Path, holder: subprocess.Popen[str]) -> None:
    waited: list[str] = []

    def waiting() -> None:
        waited.append("told")
        holder.kill()

    with Root(str(root)) as opened, locked(opened, 60, waiting):
        assert waited == ["told"]


def test_waiting_ends_when_it_is_to_end(root: Path, holder: object) -> None:
    assert holder
    before = time.monotonic()
    with Root(str(root)) as opened, pytest.raises(ApkError, match="Unable to lock"), locked(opened, 0.2):
        pass
    assert time.monotonic() - before >= 0.2


def test_the_lock_is_genuine_apk_s(root: Path) -> None:
    lock = root / "lib/apk/db/lock"
    with Root(str(root)) as opened, locked(opened), lock.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert stat.S_IMODE((root / "lib/apk/db/lock").stat().st_mode) == 0o600
