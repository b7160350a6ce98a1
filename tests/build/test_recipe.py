"""A recipe's file: what it gives, and how a wrong one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.arch import ARCHES
from bivy.build.graph import Recipes, plan
from bivy.build.recipe import load_recipe, resolve_variables, select_version
from bivy.errors import UsageError

GOOD = """\
name = "hello"
version = "1.0"
description = "Says hello"
license = "MIT"
makedepends = []

[[sources]]
name = "hello"
[[sources.places]]
url = "https://example.org/hello-1.0.tar.gz"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[variables]
asm = { x86_64 = "yes", default = "no" }

[[pipeline]]
uses = "configure"
with = { options = ["--asm=${asm}"] }

[[pipeline]]
uses = "make"
"""


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(text)
    return folder


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_recipe(write(folder / "hello", text))
    return str(caught.value)


def test_a_good_recipe_gives_its_packages_pins_and_version(tmp_path: Path) -> None:
    folder = write(tmp_path / "hello", GOOD)
    recipe = select_version(load_recipe(folder), folder)
    assert recipe.version == "1.0-r0"
    assert recipe.package_names == ("hello",)
    assert recipe.pins[0].places[0].url == "https://example.org/hello-1.0.tar.gz"


def test_variables_are_chosen_by_architecture(tmp_path: Path) -> None:
    folder = write(tmp_path / "hello", GOOD)
    recipe = select_version(load_recipe(folder), folder)
    assert resolve_variables(recipe, "x86_64") == {"asm": "yes"}
    assert resolve_variables(recipe, "s390x") == {"asm": "no"}


@pytest.mark.parametrize(
    ("good", "wrong", "line", "words"),
    [
        ('license = "MIT"', 'licence = "MIT"', 4, ["licence", "license"]),
        ('uses = "make"', 'uses = "mke"', 21, ["pipeline[1].uses", "mke"]),
        ('uses = "make"', 'usess = "make"', 21, ["pipeline[1].usess", "uses"]),
        ('version = "1.0"', "version = 1.0", 2, ["version", "a text"]),
        ('url = "https', 'uri = "https', 10, ["sources[0].places[0].uri", "url"]),
        ("makedepends = []", 'makedepends = "zlib-dev"', 5, ["makedepends", "a list"]),
        ('0000000000000000"', 'cafe"', 11, ["64 hex digits"]),
        ("x86_64 = ", "amd64 = ", 14, ["asm", "amd64"]),
        ('name = "hello"\nversion', 'name = "hullo"\nversion', 1, ["hullo", "hello"]),
        ('uses = "make"', 'uses = "make"\narch = ["arm64"]', 22, ["arch", "arm64"]),
    ],
)
def test_a_wrong_key_or_value_is_named_with_file_and_line(
    tmp_path: Path, good: str, wrong: str, line: int, words: list[str]
) -> None:
    assert good in GOOD
    said = complaint(tmp_path, GOOD.replace(good, wrong, 1))
    assert f"recipe.toml:{line}:" in said
    for word in words:
        assert word in said


def test_what_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    said = complaint(tmp_path, GOOD + "\n[[pipeline]\n")
    assert "line 23" in said


def test_a_missing_patch_is_named(tmp_path: Path) -> None:
    said = complaint(
        tmp_path, GOOD.replace('[[sources]]\nname = "hello"', '[[sources]]\nname = "hello"\npatches = ["a.patch"]')
    )
    assert "a.patch is not in" in said


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('scripts = { post-instal = "a" }', ["post-instal", "is `post-install` meant?"]),
        ('scripts = { post-install = "missing" }', ["the script missing is not in"]),
        ('scripts = { post-install = "text" }', ["text does not begin with #!/bin/sh"]),
        ('triggers = ["/usr/lib"]', ["`triggers` and the script `trigger` go together"]),
        ('scripts = { trigger = "a" }', ["`triggers` and the script `trigger` go together"]),
        ('scripts = { trigger = "a" }\ntriggers = ["usr/lib"]', ["/usr/lib"]),
    ],
)
@pytest.mark.parametrize("sub", [False, True], ids=["main", "subpackage"])
def test_scripts_that_apk_could_not_run_are_refused(tmp_path: Path, keys: str, words: list[str], sub: bool) -> None:
    folder = write(tmp_path / "hello", GOOD)
    (folder / "a").write_text("#!/bin/sh\n")
    (folder / "text").write_text("echo hello\n")
    text = f'{GOOD}\n[[subpackages]]\nname = "sub"\nfiles = ["usr"]\n{keys}\n' if sub else f"{keys}\n{GOOD}"
    said = complaint(tmp_path, text)
    assert f"recipe.toml:{text.splitlines().index(keys.splitlines()[-1]) + 1}:" in said
    for word in words:
        assert word in said


def test_recipes_that_need_each_other_are_named_in_their_circle(tmp_path: Path) -> None:
    for name, other in (("one", "two"), ("two", "three"), ("three", "one")):
        write(
            tmp_path / name,
            f'name = "{name}"\nversion = "1"\ndescription = "x"\nlicense = "MIT"\nmakedepends = ["{other}"]\n',
        )
    with pytest.raises(UsageError, match="one → two → three → one"):
        plan(["one"], ARCHES["x86_64"], Recipes(tmp_path))


def test_two_recipes_that_make_the_same_package_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "one", 'name = "one"\nversion = "1"\ndescription = "x"\nlicense = "MIT"\n')
    write(
        tmp_path / "two",
        'name = "two"\nversion = "1"\ndescription = "x"\nlicense = "MIT"\n'
        '[[subpackages]]\nname = "one"\nfiles = ["usr"]\n',
    )
    with pytest.raises(UsageError, match="the package one is made by the recipe one already"):
        Recipes(tmp_path)


def test_a_version_is_found_by_its_beginning_and_an_unknown_one_is_refused_with_those_there_are(tmp_path: Path) -> None:
    place = '{ url = "https://example.org/a.tar.gz", sha256 = "' + "0" * 64 + '" }'
    folder = write(
        tmp_path / "p",
        f"""name = "p"
description = "x"
license = "MIT"
tools = ["build-p"]
[versions."3.13.9"]
sources = [{{ name = "p", places = [{place}] }}]
[versions."3.14.7"]
release = 2
sources = [{{ name = "p", places = [{place}] }}]
[versions."3.14.10"]
sources = [{{ name = "p", places = [{place}] }}]
""",
    )
    data = load_recipe(folder)
    assert select_version(data, folder, "3.14").version == "3.14.10-r0"
    assert select_version(data, folder, "3.14.7").version == "3.14.7-r2"
    assert select_version(data, folder, "3.13").data.tools == ("build-p=3.13.9",)
    with pytest.raises(UsageError, match=r"p 3\.1 is not known") as caught:
        select_version(data, folder, "3.1")
    assert caught.value.hint == "known are 3.13.9, 3.14.7, 3.14.10"


def test_a_key_changes_with_all_that_can_change_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "hello", GOOD)

    def key(arch: str = "x86_64") -> str:
        return plan(["hello"], ARCHES[arch], Recipes(tmp_path))[0].key

    first = key()
    assert key() == first
    keys = {first, key("aarch64")}
    (folder / "small-file").write_text("a")
    keys.add(key())
    (folder / "small-file").write_text("b")
    keys.add(key())
    write(tmp_path / "hello", GOOD.replace('"1.0"', '"1.1"', 1))
    keys.add(key())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    keys.add(key())
    assert len(keys) == 6


def test_a_key_does_not_depend_on_where_the_recipes_are(tmp_path: Path) -> None:
    write(tmp_path / "a" / "hello", GOOD)
    write(tmp_path / "b" / "hello", GOOD)
    keys = {plan(["hello"], ARCHES["x86_64"], Recipes(tmp_path / name))[0].key for name in "ab"}
    assert len(keys) == 1
