"""A build's log tells what was missing, and bivy which package has it."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.package import read_package
from bivy.arch import build_machine
from bivy.build.graph import Recipes, plan
from bivy.build.store import Store
from bivy.files import cache_folder
from bivy.wheels.explain import Need, explain, package_of

TABLE = tomllib.loads(files("bivy.wheels").joinpath("needs.toml").read_text("utf-8"))


def told(log: str, *packages: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    (fault,) = explain(log, name="demo", python="3.14", packages=packages)
    return fault.what, fault.packages, fault.requires


@pytest.mark.parametrize(
    ("log", "what", "package"),
    [
        ("x.c:1:10: fatal error: 'libpq-fe.h' file not found\n", "the header libpq-fe.h is missing", "libpq-dev"),
        ("x.c:9: fatal error: 'libxml/xmlversion.h' file not found", "the header libxml/xmlversion.h", "libxml2-dev"),
        ("x.c:1:10: fatal error: zlib.h: No such file or directory\n", "the header zlib.h is missing", "zlib-dev"),
        ('error: unable to find dynamic system library "pq" using strategy', "the library pq (-lpq)", "libpq-dev"),
        ("ld.lld: error: unable to find library -lxslt\n", "the library xslt (-lxslt)", "libxslt-dev"),
        ("/usr/bin/ld: cannot find -lcurl: No such file", "the library curl", "curl-dev"),
        ("Error: pg_config executable not found.\n", "the program pg_config is missing", "libpq-dev"),
        ("/bin/sh: mysql_config: not found\n", "the program mysql_config", "mariadb-connector-c-dev"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'krb5-config'\n", "krb5-config", "krb5-dev"),
        ("/bin/sh: line 1: make: not found\n", "the program make is missing", "make"),
        ("config.status: error: Something went wrong bootstrapping makefile fragments\n", "the program make", "make"),
        ("Package libffi was not found in the pkg-config search path.\n", "calls libffi", "libffi-dev"),
        ("Package 'cairo', required by 'virtual:world', not found\n", "calls cairo", "cairo-dev"),
        ('../meson.build:31:12: ERROR: Dependency "libxml-2.0" not found, tried', "calls libxml-2.0", "libxml2-dev"),
        ("-- Could NOT find OpenSSL, try to set the path", "calls OpenSSL", "openssl-dev"),
        ('  Could not find a package configuration file provided by "Arrow" with', "calls Arrow", "apache-arrow-dev"),
    ],
)
def test_what_is_missing_is_named_with_its_package(log: str, what: str, package: str) -> None:
    sentence, packages, _ = told(f"building\n{log}\nerror: failed\n")
    assert what in sentence
    assert packages == (package,)


@pytest.mark.parametrize(
    ("log", "what"),
    [
        ("x.c:1:10: fatal error: 'unheard/of.h' file not found", "bivy does not know which package has it"),
        ("error: can't find Rust compiler\n", "it is written in Rust, and takes cargo and rustc"),
        ("Cargo, the Rust package manager, is not installed or is not on PATH.", "it is written in Rust"),
        ("../meson.build:1:0: ERROR: Unknown compiler(s): [['gfortran']]", "it is written in Fortran"),
        ("urllib.error.URLError: <urlopen error [Errno -3] Try again>", "wants to fetch something"),
        ("fatal: unable to access: Could not resolve host: github.com", "wants to fetch something"),
        ("x.c:1:10: fatal error: 'omp.h' file not found", "the compiler has no OpenMP"),
        ("error: unsupported linker arg: --no-such-thing", "does not take the option --no-such-thing"),
        ("x.c:3:1: error: no member named 'ob_digit' in 'struct _longobject'", "its C code is not for Python 3.14"),
        ("SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?", "written for Python 2"),
        ("cc: error: Killed\nKilled\n", "not enough memory"),
        (
            "x.c:1: error: always_inline function '_mm_crc32_u8' requires target feature 'sse4.2'",
            "for processors that have sse4.2",
        ),
    ],
)
def test_other_reasons_are_told_in_a_sentence(log: str, what: str) -> None:
    assert what in told(f"building\n{log}\n")[0]


@pytest.mark.parametrize(
    ("log", "requires"),
    [
        ("ModuleNotFoundError: No module named 'numpy'\n", "numpy"),
        ("ModuleNotFoundError: No module named 'pkg_resources'\n", "setuptools<81"),
        ("ModuleNotFoundError: No module named 'Cython.Build'\n", "cython"),
        ("/bin/sh: cmake: not found\n", "cmake"),
    ],
)
def test_what_a_build_forgot_to_require_is_named(log: str, requires: str) -> None:
    assert told(log)[2] == (requires,)


def test_one_package_is_named_once_however_often_it_was_missed() -> None:
    log = "fatal error: 'libpq-fe.h' file not found\n" * 3 + "fatal error: 'postgres_ext.h' file not found\n"
    assert told(log)[1] == ("libpq-dev",)


def test_what_a_distribution_is_known_to_need_is_said_where_the_log_says_nothing() -> None:
    assert told("Exception\n", "mariadb-dev") == ("demo is known to need mariadb-dev", ("mariadb-dev",), ())


def test_pkg_config_comes_with_the_package() -> None:
    log = "/bin/sh: pkg-config: not found\nException: Can not find valid pkg-config name.\n"
    assert told(log, "mariadb-dev")[1:] == (("mariadb-dev",), ())


def test_a_log_that_tells_nothing_explains_nothing() -> None:
    assert explain("building\nerror: command failed\n", name="demo", python="3.14") == ()


@given(st.text())
def test_whatever_a_log_says_it_is_read(log: str) -> None:
    explain(log, name="demo", python="3.14")


def test_each_thing_is_in_one_package_and_each_package_says_where_that_is_known_from() -> None:
    assert len(TABLE) > 60
    for entry in TABLE.values():
        assert set(entry) <= {"headers", "libraries", "programs", "modules", "known-from"}
        assert entry["known-from"]
    for key in ("headers", "libraries", "programs", "modules"):
        names = [name for entry in TABLE.values() for name in entry.get(key, ())]
        assert sorted(names) == sorted(set(names))


def test_a_header_below_a_folder_is_found_by_the_folder() -> None:
    assert package_of(Need("header", "google/protobuf/compiler/parser.h")) == "protobuf-dev"
    assert package_of(Need("header", "nowhere/at/all.h")) == ""


@pytest.mark.image
def test_what_is_said_of_the_packages_of_bivys_own_recipes_is_in_them() -> None:
    recipes = Recipes()
    makers = {name: recipe for name in TABLE if (recipe := recipes.providing(name))}
    store = Store(cache_folder() / "packages")
    nodes = plan(sorted(set(makers.values())), build_machine(), recipes)
    paths = [path for node in nodes for path in store.find(node.key) or ()]
    built = {package.info.name: package for package in map(read_package, paths)}
    looked_at = 0
    for name in makers.keys() & built.keys():
        files = {entry.path for entry in built[name].entries}
        for header in TABLE[name].get("headers", ()):
            assert any(path.startswith(f"usr/include/{header}") for path in files), header
        for library in TABLE[name].get("libraries", ()):
            assert f"usr/lib/lib{library}.so" in files, library
        looked_at += 1
    assert looked_at > 5
