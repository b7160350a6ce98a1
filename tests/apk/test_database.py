from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk.database import (
    Access,
    InstalledFile,
    InstalledFolder,
    database_entries,
    format_installed,
    installed_package,
    parse_installed,
)
from bivy.apk.entry import Kind
from bivy.apk.errors import ApkError
from bivy.apk.package import Package, read_package, write_package
from bivy.apk.tar import read_members
from tests.apk.samples import INFO, LONG, SCRIPTS, demo, file, folder
from tests.apk.test_index import TEXT

# What apk-tools 2.14.4 wrote when it installed this package.
INSTALLED = f"""\
{TEXT}\
r:demo-old demo-older<2
q:3
F:usr
F:usr/bin
R:demo
a:0:0:755
Z:Q1s8Ra46Kmfu1r/JzXowx+Lw11NcM=
R:demo-again
a:0:0:755
Z:Q1s8Ra46Kmfu1r/JzXowx+Lw11NcM=
R:demo-link
a:0:0:777
Z:Q1ieSV55Qc+eQOaYDRSha/AjzNTJE=
F:usr/share
F:usr/share/demo
M:33:34:1777
R:Főtanúsítvány.txt
a:0:0:4755
Z:Q1flOBk9fZ5pBGWVzgVrvAb8chVVc=
R:empty
a:0:0:600
Z:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=
R:far
a:0:0:777
Z:Q19OzJJ2IvCdOyU5DdM/b0mBcXGXs=
R:{LONG.rpartition("/")[2]}
Z:Q1vTAn+laeoVynbYTbIcZ+LVFMGlo=

"""


def small(name: str) -> Package:
    return read_package(write_package(replace(INFO, name=name, triggers=()), [file(f"{name}/x")]))


def test_an_installed_package_is_recorded_as_apk_records_it() -> None:
    assert format_installed([installed_package(demo())]) == INSTALLED


def test_the_database_is_read_back_the_same() -> None:
    text = format_installed([installed_package(demo()), installed_package(small("other"))])
    assert format_installed(parse_installed(text)) == text
    assert parse_installed(INSTALLED) == (installed_package(demo()),)


def test_packages_are_sorted_by_name_whatever_the_case() -> None:
    text = format_installed(installed_package(small(name)) for name in ("b", "C", "a"))
    assert [package.entry.name for package in parse_installed(text)] == ["a", "b", "C"]


def test_fields_of_packages_with_a_history_are_kept() -> None:
    text = "C:Q1\nP:a\nV:1\nS:0\nI:0\nT:\nU:\nL:\nq:1000\ns:edge\nf:fsx\nF:\nM:0:0:700:Q1abc\nR:x\na:1:2:600:Q1xyz\n\n"
    assert format_installed(parse_installed(text)) == text
    package = parse_installed(text)[0]
    assert package.broken == "fsx"
    assert package.folders == (
        InstalledFolder("", Access(0o700, 0, 0, "Q1abc"), (InstalledFile("x", Access(0o600, 1, 2, "Q1xyz")),)),
    )


def test_extended_attributes_have_a_checksum() -> None:
    entry = file("x", xattrs=(("user.a", b"value"),))
    package = read_package(write_package(INFO, [entry]))
    recorded = installed_package(package).folders[0]
    assert recorded.path == ""
    assert recorded.files[0].access.xattrs.startswith("Q1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C:Q1\nP:a\nV:1\nF:a\nR:b\nR\n", "'R' is not a field"),
        ("C:Q1\nP:a\nV:1\nF:a\nM:0:0\n", "'0:0' is not user, group and mode"),
        ("C:Q1\nP:a\nV:1\nF:a\nR:b\nM:0:0:755\n", "b has fields that a file does not have"),
        ("C:Q1\nP:a\nV:1\nF:a\nZ:Q1\n", "a has fields that a folder does not have"),
        ("C:Q1\nP:a\nV:1\nq:1\nq:2\n", "a field is there twice"),
        ("F:a\n", "line 1: the field C is missing"),
    ],
)
def test_a_faulty_database_is_refused(text: str, message: str) -> None:
    with pytest.raises(ApkError, match=message):
        parse_installed(text)


@given(st.text(alphabet="CPVFMRaZ:01\n", max_size=60).map("C:Q1\nP:a\nV:1\n{}".format))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        packages = parse_installed(text)
    except ApkError:
        return
    assert sorted(parse_installed(format_installed(packages)), key=repr) == sorted(packages, key=repr)


def test_the_files_of_the_database_have_apk_s_places_and_modes() -> None:
    packages = [small("base"), demo()]
    entries = {entry.path: entry for entry in database_entries(packages, ["python3~3.14", "base"], "x86_64")}
    assert {path: entry.mode for path, entry in entries.items()} == {
        "etc/apk": 0o755,
        "etc/apk/arch": 0o644,
        "etc/apk/world": 0o644,
        "lib/apk": 0o755,
        "lib/apk/db": 0o755,
        "lib/apk/db/installed": 0o644,
        "lib/apk/db/lock": 0o600,
        "lib/apk/db/scripts.tar": 0o644,
        "lib/apk/db/triggers": 0o644,
    }
    assert all((entry.uid, entry.gid, entry.mtime) == (0, 0, INFO.build_date) for entry in entries.values())
    assert entries["etc/apk/arch"].content == b"x86_64\n"
    assert entries["etc/apk/world"].content == b"base\npython3~3.14\n"
    assert entries["lib/apk/db/lock"].content == b""
    assert entries["lib/apk/db/triggers"].content == f"{demo().checksum} /usr/share/demo /usr/lib/*\n".encode()
    assert parse_installed(entries["lib/apk/db/installed"].content.decode())[1] == installed_package(demo())


def test_scripts_are_kept_under_the_package_s_name_and_checksum() -> None:
    entries = {entry.path: entry for entry in database_entries([demo()], [], "x86_64")}
    members = read_members(entries["lib/apk/db/scripts.tar"].content, "scripts.tar")
    start = f"demo-1.2.3_rc1-r4.{demo().checksum}"
    assert {member.entry.path: member.entry.content for member in members} == {
        f"{start}.{name}": content for name, content in SCRIPTS.items()
    }
    assert all(member.entry.mode == 0o755 and member.entry.kind is Kind.FILE for member in members)


def test_the_database_does_not_depend_on_who_asks_twice() -> None:
    packages = [demo(), small("base")]
    assert database_entries(packages, ["a", "b"], "x86_64") == database_entries(packages, ["b", "a", "a"], "x86_64")


@pytest.mark.parametrize("word", ["", "two words", "line\nbreak"])
def test_a_world_of_what_are_no_words_is_refused(word: str) -> None:
    with pytest.raises(ApkError, match="not the name of a package"):
        database_entries([], [word], "x86_64")


def test_folders_of_a_package_without_files_are_recorded() -> None:
    package = read_package(write_package(INFO, [folder("var"), folder("var/empty", 0o555)]))
    assert [(found.path, found.access.mode) for found in installed_package(package).folders] == [
        ("var", 0o755),
        ("var/empty", 0o555),
    ]
