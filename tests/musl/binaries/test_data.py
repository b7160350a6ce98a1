"""The data is of the musl that bivy builds and the compiler that it builds with, and says which names are whose."""

from __future__ import annotations

from bivy.arch import ARCHES
from bivy.build.recipe import RECIPES, load_recipe
from bivy.musl.binaries import generate
from bivy.musl.binaries.data import (
    FOLDER,
    Section,
    format_sections,
    glibc,
    image_libraries,
    interpreter_symbols,
    is_musl_itself,
    musl,
    read_sections,
)
from bivy.musl.binaries.rules import alpine_packages, rules
from bivy.musl.report import Severity


def test_the_symbols_are_those_of_the_musl_that_is_built_now() -> None:
    assert musl().version == load_recipe(RECIPES / "musl").version


def test_every_architecture_has_its_symbols() -> None:
    assert set(musl().by_arch) == set(ARCHES)
    for names in musl().by_arch.values():
        assert {"printf", "pthread_create", "__tls_get_addr"} - names <= {"__tls_get_addr"}
        assert not {"__printf_chk", "getcontext", "backtrace"} & names
    assert "__aeabi_read_tp" in musl().by_arch["armv7"] - musl().by_arch["x86_64"]
    assert "__clock_gettime64" in musl().by_arch["x86"] - musl().by_arch["x86_64"]


def test_symbols_are_counted_from_the_version_that_they_came_with() -> None:
    arch = ARCHES["aarch64"]
    given = {version: musl().symbols(arch, version) for version in ("1.1.24", "1.2.2", "1.2.3", "1.2.5", "1.2.6")}
    assert [version for version in given if "qsort_r" in given[version]] == ["1.2.3", "1.2.5", "1.2.6"]
    assert [version for version in given if "statx" in given[version]] == ["1.2.5", "1.2.6"]
    assert [version for version in given if "printf" in given[version]] == list(given)


def test_the_old_names_for_large_files_are_found_by_the_loader() -> None:
    assert {"open64", "readdir64_r", "__fxstat64"} <= musl().by_loader <= musl().by_arch["s390x"]


def test_the_list_of_glibcs_names_is_what_the_compiler_has() -> None:
    assert generate._glibc() == (FOLDER / "glibc.txt").read_text()
    assert glibc()["__printf_chk"] == "libc.so.6"
    assert glibc()["__exp_finite"] == "libm.so.6"


def test_the_libraries_of_the_base_image_are_known_by_their_folder() -> None:
    assert image_libraries()["libz.so.1"] == "/usr/lib"
    assert not any(name.startswith("libpython") for name in image_libraries())
    assert all(not name.startswith(("Py", "_Py")) for name in interpreter_symbols())


def test_which_names_musls_loader_takes_for_itself() -> None:
    ours = ("libc.so.6", "libm.so.6", "libpthread.so.0", "libc.musl-x86_64.so.1", "libc.so", "librt.so.1")
    assert all(map(is_musl_itself, ours))
    assert not any(map(is_musl_itself, ("ld-linux-x86-64.so.2", "libresolv.so.2", "libcrypt.so.1", "libmagic.so.1")))


def test_what_is_written_is_read_back() -> None:
    sections = (Section("one two", ("a", "b" * 100, "c" * 100)), Section("none", ()))
    path_text = format_sections("of a test\nin two lines", sections)
    assert path_text.startswith("# of a test\n# in two lines\n\n[one two]\n")
    assert max(map(len, path_text.splitlines())) <= 116


def test_data_files_have_names_in_order_and_each_once() -> None:
    for name in ("musl.txt", "glibc.txt", "image.txt"):
        for section in read_sections(FOLDER / name):
            if section.heading != "versions":
                assert list(section.names) == sorted(set(section.names)), (name, section.heading)


def test_every_rule_says_why_and_what_to_do_instead() -> None:
    for name, rule in rules().items():
        assert rule.name == name
        assert rule.why.endswith((".", ")"))
        assert rule.instead.endswith(".")
        assert isinstance(rule.severity, Severity)


def test_packages_are_named_for_sonames() -> None:
    assert alpine_packages()["libstdc++.so.6"] == "libstdc++"
    assert all(".so." in name for name in alpine_packages())
