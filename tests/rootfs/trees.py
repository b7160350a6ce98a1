"""Trees that the tests of rootfs/ and oci/ start from, made by hand or by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from bivy.apk.entry import Entry, Kind
from bivy.rootfs.tree import Tree, parents_of

DATE = 1_700_000_000


def file(path: str, content: bytes = b"", mode: int = 0o644, **more: object) -> Entry:
    return Entry(path, Kind.FILE, mode, content=content, **{"mtime": DATE, **more})  # type: ignore[arg-type]


def folder(path: str, mode: int = 0o755, **more: object) -> Entry:
    return Entry(path, Kind.DIRECTORY, mode, **{"mtime": DATE, **more})  # type: ignore[arg-type]


def symlink(path: str, target: str) -> Entry:
    return Entry(path, Kind.SYMLINK, 0o777, mtime=DATE, target=target)


def hardlink(path: str, target: str, mode: int = 0o644) -> Entry:
    return Entry(path, Kind.HARDLINK, mode, mtime=DATE, target=target)


def contents(tree: Tree) -> dict[str, bytes | str]:
    """What a person sees in a tree: content by path, ``/`` for folders, a link's target after an arrow."""
    seen: dict[str, bytes | str] = {}
    for path, entry in tree.entries.items():
        if entry.kind is Kind.DIRECTORY:
            seen[path] = "/"
        elif entry.kind is Kind.SYMLINK:
            seen[path] = f"-> {entry.target}"
        else:
            seen[path] = tree.read(path) or b""
    return seen


_names = st.text("ab.-ü/", min_size=1, max_size=4) | st.sampled_from(["usr", "lib", "python3", "x" * 120])
_paths = st.lists(
    _names.filter(lambda name: "/" not in name and name not in (".", "..") and not name.startswith(".wh.")),
    min_size=1,
    max_size=4,
).map("/".join)
_xattrs = st.dictionaries(st.sampled_from(["security.capability", "user.note"]), st.binary(max_size=20), max_size=2)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Any tree that a layer can have, users' names aside, which layers do not."""
    found: dict[str, Entry] = {}
    for path in draw(st.lists(_paths, max_size=12)):
        if path in found or any(
            found.get(above, folder(above)).kind is not Kind.DIRECTORY for above in parents_of(path)
        ):
            continue
        kind = draw(st.sampled_from(Kind))
        targets = [name for name, entry in found.items() if entry.kind is Kind.FILE]
        if kind is Kind.HARDLINK and not targets:
            kind = Kind.FILE
        found[path] = Entry(
            path,
            kind,
            draw(st.integers(0, 0o7777)),
            draw(st.integers(0, 65_534)),
            draw(st.integers(0, 65_534)),
            "",
            "",
            draw(st.integers(0, 2**33 - 1)),
            {
                Kind.SYMLINK: draw(st.sampled_from(["/usr", "../x", "y" * 130, "ü"])),
                Kind.HARDLINK: draw(st.sampled_from(targets)) if targets else "",
            }.get(kind, ""),
            draw(st.binary(max_size=1500)) if kind is Kind.FILE else b"",
            tuple(sorted(draw(_xattrs).items())) if kind is Kind.FILE else (),
        )
        for above in parents_of(path):
            found.setdefault(above, Entry(above, Kind.DIRECTORY, 0o755, 0, 0, "", "", 0))
    return Tree.of(found.values())
