"""Folders, environments and images are checked against what is there, wherever links lead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bivy.arch import ARCHES
from bivy.errors import BivyError
from bivy.musl.binaries import check_folder, check_tree, read_root
from bivy.musl.report import Part, Severity
from bivy.musl.target import make_target
from bivy.rootfs.tree import Tree
from tests.elves import Linker
from tests.rootfs.trees import file, folder, symlink

X86_64 = make_target("3.14", ARCHES["x86_64"], "1.2.6")
AARCH64 = make_target("3.14", ARCHES["aarch64"], "1.2.6")
LOADER = "lib/ld-musl-x86_64.so.1"


@pytest.fixture(scope="module")
def linker(tmp_path_factory: pytest.TempPathFactory) -> Linker:
    return Linker(tmp_path_factory.mktemp("elf"))


@pytest.fixture(scope="module")
def inner(linker: Linker) -> bytes:
    return linker.link("inner.so", "int inner(void) {return 0;}", "-soname=libinner.so.1").read_bytes()


@pytest.fixture(scope="module")
def outer(linker: Linker, inner: bytes) -> bytes:
    """A library that needs the other one, and says of no folder where it is."""
    assert inner
    source = "int inner(void); int outer(void) {return inner();}"
    return linker.link("outer.so", source, needs=[linker.folder / "inner.so"]).read_bytes()


@pytest.fixture(scope="module")
def leading(linker: Linker, inner: bytes) -> bytes:
    """A library that needs the other one, and leads to it."""
    assert inner
    source = "int inner(void); int outer(void) {return inner();}"
    needs = [linker.folder / "inner.so"]
    return linker.link("leading.so", source, "-rpath=$ORIGIN/../pkg.libs", needs=needs).read_bytes()


@pytest.fixture(scope="module")
def musl(linker: Linker) -> bytes:
    return linker.link("musl/libc.so", "int puts(void) {return 0;}", "-soname=libc.musl-x86_64.so.1").read_bytes()


def names(part: Part) -> list[tuple[str, str]]:
    return [(finding.rule.name, finding.path) for finding in part.findings]


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def test_libraries_in_a_folder_find_each_other_wherever_they_lie(tmp_path: Path, outer: bytes, inner: bytes) -> None:
    write(tmp_path, {"a/libouter.so": outer, "b/libinner.so.1": inner, "README": b"no library"})
    part = check_folder(tmp_path, targets=[X86_64])
    assert (part.findings, part.problems, part.looked_at) == ((), (), {"binaries": 2})
    (tmp_path / "b/libinner.so.1").unlink()
    assert names(check_folder(tmp_path, targets=[X86_64])) == [("library-missing", f"{tmp_path}/a/libouter.so")]


def test_libraries_in_an_environment_have_to_lead_to_each_other(tmp_path: Path, outer: bytes, inner: bytes) -> None:
    write(tmp_path, {"pkg/_fast.so": outer, "pkg.libs/libinner.so.1": inner, "pkg-1.0.dist-info/METADATA": b""})
    assert names(check_folder(tmp_path, targets=[X86_64])) == [("library-astray", f"{tmp_path}/pkg/_fast.so")]


def test_a_single_file_is_checked_with_what_lies_beside_it_where_it_is_installed(
    tmp_path: Path, leading: bytes, inner: bytes
) -> None:
    site = tmp_path / "lib/python3.14/site-packages"
    write(site, {"pkg/_fast.so": leading, "pkg.libs/libinner.so.1": inner, "other/_bad.so": b"\x7fELF"})
    part = check_folder(site / "pkg/_fast.so", targets=[X86_64])
    assert (part.findings, part.problems, part.looked_at) == ((), (), {"binaries": 1})
    assert names(check_folder(site / "pkg", targets=[X86_64])) == []


def test_a_library_that_a_link_names_is_found(tmp_path: Path, leading: bytes, inner: bytes) -> None:
    write(tmp_path, {"pkg/_fast.so": leading, "pkg.libs/libinner.so.1.0": inner, "pkg-1.0.dist-info/METADATA": b""})
    (tmp_path / "pkg.libs/libinner.so.1").symlink_to("libinner.so.1.0")
    assert check_folder(tmp_path, targets=[X86_64]).findings == ()


def test_files_of_a_wheel_for_every_platform_are_extras_where_it_is_installed(tmp_path: Path, outer: bytes) -> None:
    write(tmp_path, {"pkg/_fast.so": outer, "pure/helper.so": outer})
    for name, tag in (("pkg", "cp314-cp314-musllinux_1_2_x86_64"), ("pure", "py3-none-any")):
        record = f"{name}/__init__.py,,\n{name}/{'_fast' if name == 'pkg' else 'helper'}.so,sha256=x,1\n"
        info = {"WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n".encode(), "RECORD": record.encode()}
        write(tmp_path / f"{name}-1.0.dist-info", info)
    part = check_folder(tmp_path, targets=[X86_64])
    assert {finding.path: finding.weight for finding in part.findings} == {
        f"{tmp_path}/pkg/_fast.so": Severity.ERROR,
        f"{tmp_path}/pure/helper.so": Severity.WARNING,
    }


def test_what_cannot_be_read_is_a_problem_and_what_is_no_file_is_passed_over(tmp_path: Path, inner: bytes) -> None:
    write(tmp_path, {"good.so": inner, "bad.so": inner[:100]})
    os.mkfifo(tmp_path / "pipe.so")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.so").symlink_to("gone")
    part = check_folder(tmp_path, targets=[X86_64])
    assert [problem.subject for problem in part.problems] == [f"{tmp_path}/bad.so"]
    assert part.looked_at == {"binaries": 2}


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BivyError, match="there is no such file or folder"):
        check_folder(tmp_path / "gone", targets=[X86_64])


def test_an_image_is_checked_against_its_own_musl(linker: Linker, musl: bytes) -> None:
    source = "int puts(void); int qsort_r(void); int f(void) {return puts() + qsort_r();}"
    module = linker.link("sorts.so", source, needs=[linker.folder / "musl/libc.so"]).read_bytes()
    tree = Tree.of([file(LOADER, musl), file("usr/lib/sorts.so", module)])
    part = check_tree(tree, targets=[X86_64], where="ref")
    assert names(part) == [("musl-too-old", "ref:/usr/lib/sorts.so")]
    assert part.findings[0].message == "it needs the symbol qsort_r, which the musl that is there does not have yet"


def test_libraries_of_an_image_are_found_where_its_loader_looks(musl: bytes, outer: bytes, inner: bytes) -> None:
    def check(*entries: tuple[str, bytes] | tuple[str, str], library_path: tuple[str, ...] = ()) -> list[str]:
        found = [file(path, to) if isinstance(to, bytes) else symlink(path, to) for path, to in entries]
        tree = Tree.of([file(LOADER, musl), file("usr/bin/outer.so", outer), *found])
        part = check_tree(tree, targets=[X86_64], where="ref", library_path=library_path)
        return [finding.rule.name for finding in part.findings]

    assert check(("usr/local/lib/libinner.so.1", inner)) == []
    assert check(("usr/lib/libinner.so.1", "../../opt/real.so"), ("opt/real.so", inner)) == []
    assert check(("usr/local/lib", "/opt/lib"), ("opt/lib/libinner.so.1", inner)) == []
    assert check(("opt/libinner.so.1", inner)) == ["library-astray"]
    assert check(("opt/libinner.so.1", inner), library_path=("/opt",)) == []
    assert check(("opt/libinner.so.1", inner), ("etc/ld-musl-x86_64.path", b"/lib\n/opt\n")) == []
    assert check(("usr/lib/libinner.so.1", inner), ("etc/ld-musl-x86_64.path", b"/opt")) == ["library-astray"]
    assert check(("usr/lib/libinner.so.1", "libinner.so.1")) == ["library-missing"]


def test_a_module_may_take_symbols_from_the_program_that_loads_it(linker: Linker, musl: bytes) -> None:
    program = linker.link("server", "int hook(void) {return 0;} void _start(void) {}", "--export-dynamic",
                          "--dynamic-linker=/lib/ld-musl-x86_64.so.1", kind="-pie").read_bytes()  # fmt: skip
    plugin = linker.link("mod.so", "int hook(void); int f(void) {return hook();}").read_bytes()
    entries = [file(LOADER, musl), file("usr/lib/server/mod.so", plugin)]
    assert [f.rule.name for f in check_tree(Tree.of(entries), targets=[X86_64], where="r").findings] == [
        "symbol-missing"
    ]
    entries.append(file("usr/bin/server", program))
    assert check_tree(Tree.of(entries), targets=[X86_64], where="r").findings == ()


def test_a_program_with_another_loader_that_is_there_is_left_to_it(linker: Linker, musl: bytes) -> None:
    source = "int __printf_chk(void); void _start(void) { __printf_chk(); }"
    program = linker.link("foreign", source, "--dynamic-linker=/lib64/ld-linux-x86-64.so.2", kind="-pie",
                          needs=[linker.glibc()]).read_bytes()  # fmt: skip
    compat = linker.link("gcompat.so", "int g(void) {return 0;}").read_bytes()
    entries = [file(LOADER, musl), file("usr/bin/tool", program)]
    assert names(check_tree(Tree.of(entries), targets=[X86_64], where="r")) == [("loader-missing", "r:/usr/bin/tool")]
    entries.append(file("lib64/ld-linux-x86-64.so.2", compat))
    assert check_tree(Tree.of(entries), targets=[X86_64], where="r").findings == ()


def test_an_image_without_musl_or_with_anothers_is_told_in_one_finding(musl: bytes, outer: bytes) -> None:
    without = check_tree(Tree.of([file("usr/lib/a.so", outer)]), targets=[X86_64], where="ref")
    assert names(without) == [("no-musl", "ref")]
    other = check_tree(Tree.of([file(LOADER, musl)]), targets=[X86_64, AARCH64], where="ref")
    assert names(other) == [("other-architecture", "ref")]
    assert other.findings[0].targets == (AARCH64,)
    nothing = check_tree(Tree.of([folder("etc")]), targets=[X86_64], where="ref")
    assert (nothing.findings, nothing.looked_at) == ((), {"binaries": 0})


def test_a_damaged_file_in_an_image_is_a_problem(musl: bytes) -> None:
    tree = Tree.of([file(LOADER, musl), file("usr/lib/a.so", b"\x7fELF\x02\x01")])
    part = check_tree(tree, targets=[X86_64], where="ref")
    assert [problem.subject for problem in part.problems] == ["ref:/usr/lib/a.so"]


def test_an_unpacked_root_is_checked_like_an_images_tree(
    tmp_path: Path, musl: bytes, outer: bytes, inner: bytes
) -> None:
    write(tmp_path, {LOADER: musl, "usr/lib/outer.so": outer, "opt/lib/libinner.so.1": inner, "etc/passwd": b"root"})
    (tmp_path / "usr/local").mkdir()
    # A link from the root on leads there, not to this machine's.
    (tmp_path / "usr/local/lib").symlink_to("/opt/lib")
    assert check_tree(read_root(tmp_path), targets=[X86_64], where=str(tmp_path)).findings == ()
