from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.musl.archives.build_files import languages_in, libraries_in


@pytest.mark.parametrize(
    ("path", "content", "libraries"),
    [
        ("meson.build", "blas = dependency('openblas', required: true)\n", ["openblas"]),
        ("a/meson.build", "z = cc.find_library( 'z' )\n# dependency('not-this')", ["z"]),
        ("meson.build", "py.dependency()\ndependency('python3')\ndependency('threads')", []),
        ("CMakeLists.txt", "find_package(ZLIB REQUIRED)\nFIND_PACKAGE( Boost 1.70 )", ["ZLIB", "Boost"]),
        ("CMakeLists.txt", "find_package(Python3 COMPONENTS Development)\nfind_package(pybind11)", []),
        ("CMakeLists.txt", "# find_package(ZLIB)", []),
        (
            "CMakeLists.txt",
            "pkg_check_modules(GTK REQUIRED IMPORTED_TARGET gtk+-3.0>=3.2 glib-2.0)",
            ["gtk+-3.0", "glib-2.0"],
        ),
        ("Cargo.toml", '[dependencies]\nopenssl-sys = "0.9"\nserde = "1"\n', ["openssl"]),
        ("Cargo.toml", '[target.x.dependencies]\nwindows-sys = "0.9"\ncore-foundation-sys = "1"\n', []),
        ("Cargo.lock", '[[package]]\nname = "lzma-sys"\nversion = "0.1"\n', ["lzma"]),
        ("setup.py", "find_package(ZLIB)", []),
    ],
)
def test_libraries_are_found_by_the_form_of_what_asks_for_them(path: str, content: str, libraries: list[str]) -> None:
    assert list(libraries_in(path, content.encode())) == libraries


def test_languages_are_those_that_meson_is_told() -> None:
    content = b"project('demo', 'c', 'cpp',\n  version: 'rust')\nadd_languages('fortran', native: false)\n"
    assert set(languages_in("meson.build", content)) == {"c", "c++", "fortran"}
    assert list(languages_in("CMakeLists.txt", content)) == []


@given(st.sampled_from(["meson.build", "CMakeLists.txt", "Cargo.toml", "Cargo.lock"]), st.binary(max_size=500))
def test_any_bytes_are_read(path: str, content: bytes) -> None:
    assert all(libraries_in(path, content))
    list(languages_in(path, content))


@pytest.mark.parametrize(
    "piece", ["(", "find_package(", "dependency('", "pkg_check_modules(A ", "project(", 'name = "', "a-"]
)
@pytest.mark.parametrize("path", ["meson.build", "CMakeLists.txt", "Cargo.lock"])
def test_a_file_that_begins_the_same_thing_again_and_again_is_read(path: str, piece: str) -> None:
    content = (piece * (500_000 // len(piece))).encode()
    list(libraries_in(path, content))
    list(languages_in(path, content))
