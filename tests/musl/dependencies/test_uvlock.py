from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.musl.dependencies.lock import Locked, Origin, Repository, Stated, reach
from bivy.musl.dependencies.uvlock import PLAIN, Wanted, parse_uv_lock, read_uv_lock
from tests.musl.dependencies.conftest import target

LOCK = """
version = 1
revision = 3
requires-python = ">=3.11"

[manifest]
members = ["app", "helper"]

[[package]]
name = "app"
version = "0.1"
source = { editable = "." }
dependencies = [
    { name = "helper" },
    { name = "Fast_JSON", marker = "platform_machine == 'x86_64'" },
    { name = "web", extra = ["speed"] },
]
[package.optional-dependencies]
docs = [{ name = "sphinx" }]
[package.dev-dependencies]
dev = [{ name = "pytest" }]

[[package]]
name = "helper"
version = "0.1"
source = { virtual = "helper" }
dependencies = [{ name = "six" }]

[[package]]
name = "six"
version = "1.17.0"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "https://example.org/six-1.17.0.tar.gz", hash = "sha256:ab", size = 5 }
wheels = [{ url = "https://example.org/six%2B1-1.17.0-py3-none-any.whl", hash = "sha256:cd", size = 3 }]

[[package]]
name = "fast-json"
version = "1.0"
source = { registry = "/srv/wheels" }
wheels = [{ path = "fast_json-1.0-py3-none-any.whl" }]

[[package]]
name = "web"
version = "2.0"
source = { url = "https://example.org/web-2.0-py3-none-any.whl" }
dependencies = [{ name = "numbers", version = "1.0", marker = "platform_machine == 'x86_64'" },
                { name = "numbers", version = "2.0", marker = "platform_machine != 'x86_64'" }]
wheels = [{ url = "https://example.org/web-2.0-py3-none-any.whl", hash = "sha256:ef" }]
[package.optional-dependencies]
speed = [{ name = "six" }, { name = "web" }]

[[package]]
name = "numbers"
version = "1.0"
source = { git = "https://example.org/numbers?rev=1#abc" }

[[package]]
name = "numbers"
version = "2.0"
source = { directory = "../numbers" }

[[package]]
name = "sphinx"
version = "8"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "pytest"
version = "9"
source = { path = "pytest-9-py3-none-any.whl" }
wheels = [{ filename = "pytest-9-py3-none-any.whl", hash = "sha256:00" }]
"""


BAD_MARKER = """
version = 1
[[package]]
name = "a"
version = "1"
source = { registry = "i" }
dependencies = [{ name = "b", marker = "nonsense" }]
"""


def names(text: str, arch: str = "x86_64", wanted: Wanted = PLAIN) -> dict[str, str]:
    lock = parse_uv_lock(text, "uv.lock", wanted)
    return {each.package.name: each.package.version for each in reach(lock, target(arch))}


def test_what_the_members_need_is_reached_and_nothing_else() -> None:
    assert names(LOCK) == {
        "app": "0.1", "helper": "0.1", "six": "1.17.0", "fast-json": "1.0", "web": "2.0", "numbers": "1.0",
    }  # fmt: skip


def test_markers_are_evaluated_for_each_architecture() -> None:
    assert "fast-json" not in names(LOCK, "aarch64")
    assert names(LOCK, "aarch64")["numbers"] == "2.0"


def test_extras_and_groups_are_followed_where_they_are_wanted() -> None:
    assert "sphinx" in names(LOCK, wanted=Wanted(extras=frozenset({"docs"})))
    assert "pytest" in names(LOCK, wanted=Wanted(groups=frozenset({"dev"})))
    assert {"sphinx", "pytest"} <= names(LOCK, wanted=Wanted(every=True)).keys()


def test_what_an_extra_requires_is_followed_once_it_is_asked_for() -> None:
    lock = parse_uv_lock(LOCK, "uv.lock")
    web = next(each for each in reach(lock, target()) if each.package.name == "web")
    assert web.requires == ("numbers", "six", "web")
    assert web.asked


def test_who_was_asked_for_by_name_is_known() -> None:
    asked = {each.package.name for each in reach(parse_uv_lock(LOCK, "uv.lock"), target()) if each.asked}
    assert {"fast-json", "web"} <= asked
    assert "numbers" not in asked


def test_origins_and_files_are_read() -> None:
    packages = {(each.name, each.version): each for each in parse_uv_lock(LOCK, "uv.lock").packages}
    assert packages["app", "0.1"].origin is Origin.OWN
    assert packages["helper", "0.1"].origin is Origin.OWN
    assert packages["numbers", "1.0"].origin is Origin.GIT
    assert packages["numbers", "2.0"].origin is Origin.FOLDER
    assert packages["web", "2.0"].origin is Origin.URL
    assert packages["pytest", "9"].origin is Origin.PATH
    six = packages["six", "1.17.0"].files
    assert [each.name for each in six] == ["six+1-1.17.0-py3-none-any.whl", "six-1.17.0.tar.gz"]
    assert (six[0].sha256, six[0].size) == ("cd", 3)
    assert packages["fast-json", "1.0"].files[0].name == "fast_json-1.0-py3-none-any.whl"


def test_a_folders_files_may_be_named_by_their_whole_paths() -> None:
    whole = LOCK.replace('path = "fast_json-1.0', 'path = "/srv/wheels/fast_json-1.0')
    for text in (LOCK, whole):
        (package,) = [each for each in parse_uv_lock(text, "uv.lock").packages if each.name == "fast-json"]
        assert package.files[0].url == "/srv/wheels/fast_json-1.0-py3-none-any.whl"


def test_extras_that_exclude_each_other_are_told_apart() -> None:
    text = """
version = 1
[[package]]
name = "app"
version = "1"
source = { virtual = "." }
[package.optional-dependencies]
old = [{ name = "lib", version = "1", source = { registry = "i" }, marker = "extra == 'extra-3-app-old'" }]
new = [{ name = "lib", version = "2", source = { registry = "i" }, marker = "extra == 'extra-3-app-new'" }]
[[package]]
name = "lib"
version = "1"
source = { registry = "i" }
[[package]]
name = "lib"
version = "2"
source = { registry = "i" }
"""
    assert names(text, wanted=Wanted(extras=frozenset({"new"}))) == {"app": "1", "lib": "2"}


def test_of_a_workspace_one_project_can_be_meant_and_the_others_are_then_folders() -> None:
    lock = parse_uv_lock(LOCK, "uv.lock", Wanted(project="helper"), Path("/ws"))
    assert {each.package.name for each in reach(lock, target())} == {"helper", "six"}
    app = parse_uv_lock(LOCK, "uv.lock", Wanted(project="app"), Path("/ws"))
    (helper,) = (each for each in app.packages if each.name == "helper")
    assert (helper.origin, helper.folder, helper.virtual) == (Origin.FOLDER, Path("/ws/helper"), True)
    assert parse_uv_lock(LOCK, "uv.lock", Wanted(project="somebody")) == parse_uv_lock(LOCK, "uv.lock")


def sourced(source: str, more: str = "") -> Locked:
    text = f'version = 1\n[[package]]\nname = "a"\nversion = "1"\nsource = {{ {source} }}\n{more}'
    return parse_uv_lock(text, "uv.lock", folder=Path("/here")).packages[0]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("https://x.org/a?rev=v1#abc", Repository("https://x.org/a", "abc", "v1")),
        ("https://x.org/a?branch=b%2Fc&subdirectory=p%2Fq#abc", Repository("https://x.org/a", "abc", "b/c", "p/q")),
        ("ssh://git@x.org/a?q=1&tag=t#abc", Repository("ssh://git@x.org/a?q=1", "abc", "t")),
        ("file:///x", Repository("file:///x", "")),
    ],
)
def test_the_commit_that_a_distribution_comes_from_is_read(place: str, expected: Repository) -> None:
    assert sourced(f'git = "{place}"').repository == expected


def test_folders_are_relative_to_the_lock() -> None:
    assert sourced('directory = "../lib"').folder == Path("/lib")
    assert sourced('editable = "/else/lib"').folder == Path("/else/lib")
    assert sourced('url = "https://x.org/a.zip", subdirectory = "p"').subdirectory == "p"


def test_what_a_project_required_when_it_was_locked_is_read() -> None:
    more = """
[package.metadata]
requires-dist = [
    { name = "B_b", extras = ["X"], specifier = ">=1", marker = "extra == 'fast'" },
    { name = "c", git = "g" },
]
[package.metadata.requires-dev]
dev = [{ name = "d" }]
"""
    assert sourced('virtual = "."', more).requires_dist == (
        Stated("b-b", ("x",), ">=1", "extra fast"), Stated("c", elsewhere=True), Stated("d", of="group dev"),
    )  # fmt: skip
    assert sourced('virtual = "."').requires_dist == ()  # uv leaves out what is empty
    assert sourced('virtual = "."', 'dependencies = [{ name = "b" }]').requires_dist is None


def test_a_newer_format_is_named_with_what_to_do() -> None:
    with pytest.raises(BivyError, match="version 2 of uv's lock format, and bivy reads version 1") as fault:
        parse_uv_lock("version = 2", "uv.lock")
    assert "update bivy" in str(fault.value.hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not say which version"),
        ("nonsense", "not in the form of a lock"),
        ("a = " + "[" * 5000, "not in the form of a lock"),
        ("version = 1\npackage = 3", "not laid out as a lock"),
        ("version = 1\n[[package]]\nversion = '1'", "not laid out as a lock of uv's: a package has no 'name'"),
        ("version = 1\n[[package]]\nname = 'a'\nsource = 3", "not laid out"),
        ("version = 1\nmanifest = { members = [3] }", "not laid out"),
        (BAD_MARKER, "a marker that is none: nonsense"),
    ],
)  # fmt: skip
def test_what_is_no_lock_is_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(BivyError, match=message):
        parse_uv_lock(text, "uv.lock")


def test_markers_that_nest_without_end_or_compare_what_cannot_be_compared_are_survived() -> None:
    deep = BAD_MARKER.replace("nonsense", "(" * 5000 + "os_name == 'posix'" + ")" * 5000)
    with pytest.raises(BivyError, match="a marker that is none"):
        parse_uv_lock(deep, "uv.lock")
    odd = (
        BAD_MARKER.replace("nonsense", "platform_machine ~= '1.0'")
        + "[[package]]\nname = 'b'\nsource = { registry = 'i' }\n"
    )
    assert set(names(odd)) == {"a", "b"}


def test_a_lock_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BivyError, match=r"gone\.lock cannot be read: No such file"):
        read_uv_lock(tmp_path / "gone.lock")
    (tmp_path / "uv.lock").write_bytes(b"\xff\xfe")
    with pytest.raises(BivyError, match="not text in UTF-8"):
        read_uv_lock(tmp_path / "uv.lock")


@given(st.integers(0, len(LOCK)), st.integers(0, 60), st.sampled_from(["", "3", "[", "'", "{}", "\n", "\x00", "true"]))
def test_a_damaged_lock_is_read_or_refused(start: int, length: int, instead: str) -> None:
    text = LOCK[:start] + instead + LOCK[start + length :]
    try:
        lock = parse_uv_lock(text, "uv.lock")
    except BivyError:
        return
    reach(lock, target())
