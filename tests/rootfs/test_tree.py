import pytest
from hypothesis import given

from bivy.apk.entry import Entry, Kind
from bivy.errors import BivyError
from bivy.rootfs.tree import Tree, merge, normalise
from tests.rootfs.trees import DATE, contents, file, folder, hardlink, symlink, trees


def test_folders_come_before_what_is_in_them_and_missing_ones_are_roots() -> None:
    tree = Tree.of([file("usr/bin/python", uid=7), folder("usr-local"), folder("usr", 0o700)])
    assert list(tree.entries) == ["usr", "usr/bin", "usr/bin/python", "usr-local"]
    assert tree.entries["usr"].mode == 0o700
    assert tree.entries["usr/bin"] == Entry("usr/bin", Kind.DIRECTORY, 0o755, mtime=DATE)


def test_a_tree_does_not_depend_on_the_order_that_it_is_given_in() -> None:
    entries = [file("a/b", mtime=1), file("a/c", mtime=2), folder("d")]
    assert list(Tree.of(entries).entries.values()) == list(Tree.of(reversed(entries)).entries.values())


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "", "a/", "a\0b"])
def test_a_path_that_is_not_inside_is_refused(path: str) -> None:
    with pytest.raises(BivyError, match="is not a path inside a tree"):
        Tree.of([file(path)])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([file("a", b"1"), file("a", b"2")], "/a is there twice, and not the same"),
        ([file("a"), file("a/b")], "/a/b is below /a, which is a file"),
        ([symlink("a", "../../etc"), file("a/b/c")], "/a/b/c is below /a, which is a symlink"),
        ([hardlink("a", "b")], "/a is another name of /b, which is not a file here"),
        ([hardlink("a", "b"), folder("b")], "/a is another name of /b, which is not a file here"),
    ],
)
def test_what_cannot_be_a_tree_is_refused(entries: list[Entry], message: str) -> None:
    with pytest.raises(BivyError, match=message):
        Tree.of(entries)


def test_the_same_entry_twice_is_once_there() -> None:
    assert Tree.of([file("a"), file("a")]).entries.keys() == {"a"}


def test_a_tree_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Tree.of([]).entries["a"] = file("a")  # type: ignore[index]


LINKED = Tree.of([
    file("usr/lib/libz.so.1.3", b"zlib"), symlink("usr/lib/libz.so.1", "libz.so.1.3"), symlink("lib", "usr/lib"),
    symlink("usr/lib/up", "../../../../lib/libz.so.1"), symlink("absolute", "/lib/./libz.so.1"),
    symlink("round", "round"), symlink("nowhere", "/nothing"), hardlink("second", "usr/lib/libz.so.1.3"),
])  # fmt: skip


@pytest.mark.parametrize("path", ["lib/libz.so.1", "/usr/lib/up", "absolute", "second", "usr/../lib/libz.so.1.3"])
def test_links_are_followed_inside_the_tree_and_never_out_of_it(path: str) -> None:
    found = LINKED.resolve(path)
    assert found
    assert found.path == "usr/lib/libz.so.1.3"
    assert LINKED.read(path) == b"zlib"


@pytest.mark.parametrize("path", ["round", "nowhere", "usr/lib/libz.so.1.3/..", "second/x", "lib/nothing"])
def test_a_path_to_nothing_leads_nowhere(path: str) -> None:
    assert LINKED.resolve(path) is None
    assert LINKED.read(path) is None


@pytest.mark.parametrize(("links", "reached"), [(40, True), (41, False)])
def test_as_many_links_are_followed_as_linux_follows(links: int, reached: bool) -> None:
    chain = [symlink(f"link{number}", f"link{number + 1}") for number in range(links)]
    tree = Tree.of([*chain, file(f"link{links}")])
    assert (tree.resolve("link0") is not None) is reached


def test_a_folder_has_no_bytes_to_read() -> None:
    assert LINKED.read("usr") is None


def test_the_size_is_that_of_all_files() -> None:
    assert Tree.of([file("a", b"12"), file("b/c", b"345"), hardlink("d", "a")]).size == 5


def test_the_upper_tree_wins_and_the_rest_stays() -> None:
    lower = Tree.of([file("a/one", b"1"), file("a/two", b"2"), folder("tmp", 0o1777)])
    merged = merge(lower, [file("a/two", b"new"), file("tmp/x")])
    assert contents(merged) == {"a": "/", "a/one": b"1", "a/two": b"new", "tmp": "/", "tmp/x": b""}
    assert merged.entries["tmp"].mode == 0o1777


def test_a_file_in_place_of_a_folder_takes_what_is_in_it_along() -> None:
    lower = Tree.of([file("a/b/c"), file("a/d")])
    assert contents(merge(lower, [symlink("a/b", "d")])) == {"a": "/", "a/b": "-> d", "a/d": b""}


def test_a_folder_in_place_of_a_file_is_a_folder() -> None:
    assert contents(merge(Tree.of([file("a")]), [folder("a"), file("a/b")])) == {"a": "/", "a/b": b""}


def test_another_name_of_a_replaced_file_keeps_its_content() -> None:
    lower = Tree.of([file("python", b"old", 0o755), hardlink("python3", "python", 0o755)])
    merged = merge(lower, [file("python", b"new")])
    assert contents(merged) == {"python": b"new", "python3": b"old"}
    assert merged.entries["python3"].mode == 0o755


@given(trees(), trees())
def test_what_is_merged_holds_all_of_the_upper_tree(lower: Tree, upper: Tree) -> None:
    merged = merge(lower, upper.entries.values())
    assert {path: merged.entries[path] for path in upper.entries} == dict(upper.entries)
    assert merge(merged, upper.entries.values()) == merged


def test_normalised_every_time_is_the_epoch() -> None:
    tree = Tree.of([file("a", mtime=5), folder("b", mtime=2**32)])
    assert {entry.mtime for entry in normalise(tree, 1000).entries.values()} == {1000}
    assert normalise(tree, 5).entries["a"] == tree.entries["a"]
