"""Which versions of libraries packages ask for."""

from __future__ import annotations

import pytest

from bivy.apk.dependency import parse_dependency
from bivy.apk.info import PackageInfo
from bivy.arch import ARCHES, build_machine
from bivy.build.minimum import Library, libc_of, libraries_of, with_minimum_versions
from bivy.build.toolchain import find_toolchain


def info(name: str, version: str, *provides: str) -> PackageInfo:
    return PackageInfo(name, version, "x86_64", provides=provides)


KNOWN = libraries_of(
    [
        info("zlib", "1.3.2-r0", "so:libz.so.1=1.3.2", "pc:zlib=1.3.2"),
        info("libssl3", "3.5.7-r12", "so:libssl.so.3=3"),
        info("odd-libs", "2.1_p3-r1", "so:libodd.so=0", "so:libodd-2.1.so=2.1", "so:libplain.so"),
    ]
)


def test_only_libraries_are_known_each_with_its_package_without_the_revision() -> None:
    assert set(KNOWN) == {"so:libz.so.1", "so:libssl.so.3", "so:libodd.so", "so:libodd-2.1.so", "so:libplain.so"}
    assert KNOWN["so:libssl.so.3"] == Library("3", "libssl3", "3.5.7")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("so:libz.so.1", {"so:libz.so.1>=1.3.2"}),
        ("so:libssl.so.3", {"so:libssl.so.3>=3", "libssl3>=3.5.7"}),
        ("so:libodd.so", {"so:libodd.so>=0", "odd-libs>=2.1_p3"}),
        ("so:libodd-2.1.so", {"so:libodd-2.1.so>=2.1", "odd-libs>=2.1_p3"}),
        ("so:libplain.so", {"so:libplain.so"}),
        ("so:libstrange.so.1", {"so:libstrange.so.1"}),
        ("ca-certificates", {"ca-certificates"}),
        ("pc:zlib", {"pc:zlib"}),
    ],
)
def test_a_library_is_asked_for_in_its_version_and_by_its_package_where_that_says_nothing(
    name: str, asked: set[str]
) -> None:
    assert with_minimum_versions([name], KNOWN) == asked
    assert all(parse_dependency(text) for text in asked)


@pytest.mark.parametrize("arch", ARCHES)
def test_the_c_library_is_the_compilers_own(arch: str) -> None:
    target = ARCHES[arch]
    asked = with_minimum_versions([f"so:{target.libc}"], libc_of(find_toolchain(target, build_machine())))
    assert f"so:{target.libc}>=1" in asked
    (package,) = (parse_dependency(text) for text in asked if not text.startswith("so:"))
    assert (package.name, package.operator, package.version[:4]) == ("musl", ">=", "1.2.")
