"""Layers become a folder, and nothing else changes."""

from __future__ import annotations

import contextlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.run.layers import write_layers

Member = tuple[str, bytes, str]


def layer(*members: Member, mode: int = 0o755, mtime: int = 1_000_000) -> io.BytesIO:
    """An archive of members: name, type, and a file's content or a link's target."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        for name, kind, text in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.mtime = kind, mode, mtime
            member.uid = member.gid = 4242
            if kind == tarfile.REGTYPE:
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
            else:
                member.linkname = text
                archive.addfile(member)
    memory.seek(0)
    return memory


def file(name: str, text: str = "") -> Member:
    return name, tarfile.REGTYPE, text


def folder(name: str) -> Member:
    return name, tarfile.DIRTYPE, ""


def link(name: str, target: str) -> Member:
    return name, tarfile.SYMTYPE, target


def other_name(name: str, target: str) -> Member:
    return name, tarfile.LNKTYPE, target


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/kept").write_text("kept")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_files_folders_and_links_are_written_with_their_modes_and_times(root: Path) -> None:
    write_layers(
        [layer(folder("./"), folder("a"), file("a/b", "text"), link("c", "a/b"), other_name("a/d", "a/b"))], root
    )
    assert (root / "c").read_text() == "text"
    assert (root / "a/d").samefile(root / "a/b")
    assert (root / "a/b").stat().st_mode & 0o7777 == 0o755
    assert {(root / name).lstat().st_mtime for name in ("a", "a/b", "c")} == {1_000_000}


def test_a_folder_that_may_not_be_written_to_is_filled_first(root: Path) -> None:
    write_layers([layer(folder("a"), file("a/b"), mode=0o4555), layer(file("a/c"))], root)
    assert (root / "a").stat().st_mode & 0o7777 == 0o4555
    assert (root / "a/c").exists()


def test_upper_layers_hide_what_lower_ones_have(root: Path) -> None:
    lower = layer(file("a/old"), file("a/kept"), file("b/old"), folder("c"), file("c/deep/old"), file("d"))
    upper = layer(
        file("a/.wh.old"),
        file("b/new"),
        file("b/.wh..wh..opq"),
        file("c"),
        folder("d"),
        file(".wh.missing"),
        file("a/.wh.."),
    )
    write_layers([lower, upper], root)
    found = {str(path.relative_to(root)) for path in root.rglob("*")}
    assert found == {"a", "a/kept", "b", "b/new", "c", "d"}
    assert (root / "c").is_file()
    assert (root / "d").is_dir()


def test_links_of_lower_layers_are_followed_inside(root: Path) -> None:
    write_layers([layer(folder("usr/bin"), link("bin", "/usr/bin")), layer(file("bin/sh", "shell"))], root)
    assert (root / "bin").is_symlink()
    assert (root / "usr/bin/sh").read_text() == "shell"


@pytest.mark.parametrize(
    "members",
    [
        (file("../outside/kept", "changed"),),
        (file("/../../outside/kept", "changed"),),
        (link("a", "../outside"), file("a/kept", "changed")),
        (link("a", "../outside"), file("a/.wh.kept")),
        (link("a", "../outside"), file("a/.wh..wh..opq")),
        (link("a", "../outside"), folder("a/new")),
        (link("a", "../../root/../outside/kept"), file("a", "changed")),
        (folder("a/outside"), link("a", "..")),
        (link("a", ".."), link("b", "a/../outside"), file("b/kept", "changed")),
    ],
)
def test_nothing_outside_is_ever_touched(root: Path, members: tuple[Member, ...]) -> None:
    outside = root.parent / "outside"
    before = outside.stat().st_mode
    write_layers([layer(*members, mode=0o711)], root)
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert (outside / "kept").read_text() == "kept"
    assert (outside.stat().st_mode, (outside / "kept").stat().st_mode & 0o777) == (before, 0o644)


def test_a_hard_link_reaches_nothing_outside(root: Path) -> None:
    members = (link("a", "../outside"), other_name("b", "a/kept"))
    with pytest.raises(BivyError, match="another name of /a/kept, which is not there"):
        write_layers([layer(*members)], root)


@pytest.mark.parametrize("member", [link(".", "../outside"), file("a/..", "x")])
def test_the_root_itself_stays_a_folder(root: Path, member: Member) -> None:
    with pytest.raises(BivyError, match="is not a folder"):
        write_layers([layer(member)], root)


def test_devices_are_left_out(root: Path) -> None:
    write_layers([layer(("dev/null", tarfile.CHRTYPE, ""), ("pipe", tarfile.FIFOTYPE, ""))], root)
    assert not (root / "dev/null").exists()


def test_a_sparse_file_that_claims_a_terabyte_is_refused(root: Path) -> None:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=tarfile.PAX_FORMAT) as archive:
        claim = tarfile.TarInfo("a")
        claim.pax_headers = {"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": "0,1", "GNU.sparse.major": "0"}
        claim.size = 1
        archive.addfile(claim, io.BytesIO(b"x"))
    memory.seek(0)
    with pytest.raises(BivyError, match="/a in the image is of a kind"):
        write_layers([memory], root)
    assert not (root / "a").exists()


def test_a_damaged_layer_is_named(root: Path) -> None:
    whole = layer(file("a", "text" * 1000)).getvalue()
    for damaged in (whole[:2000], b"no archive at all" * 100):
        with pytest.raises(BivyError, match="layer 2 of the image is damaged"):
            write_layers([layer(file("b")), io.BytesIO(damaged)], root)


names = st.lists(st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq", "outside"]), max_size=4).map(
    "/".join
)
members = st.tuples(names, st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]), names)


@settings(max_examples=150, deadline=None)
@given(layers=st.lists(st.lists(members, max_size=6), max_size=3))
def test_no_layers_whatever_touch_anything_outside(
    tmp_path_factory: pytest.TempPathFactory, layers: list[list[Member]]
) -> None:
    base = tmp_path_factory.mktemp("any")
    (base / "outside/a").mkdir(parents=True)
    (base / "root").mkdir()
    with contextlib.suppress(BivyError, OSError):
        write_layers([layer(*found, mode=0o700) for found in layers], base / "root")
    assert sorted(path.name for path in base.iterdir()) == ["outside", "root"]
    assert not (base / "root").is_symlink()
    assert [path.name for path in base.rglob("outside/*") if "root" not in path.parts] == ["a"]
    assert (base / "outside/a").stat().st_mode & 0o777 != 0o700
