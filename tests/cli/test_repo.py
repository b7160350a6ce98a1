"""``bivy repo`` as a person types it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bivy.apk.index import read_index
from bivy.apk.package import read_package
from bivy.apk.sign import load_public_key
from bivy.arch import build_machine

WriteRecipe = Callable[..., Path]
ARCH = build_machine().name
SHELL = """
depends = ["needed"]
scripts = { post-install = "after" }
[[pipeline]]
runs = "mkdir -p $DESTDIR/usr/share/$name; echo $version > $DESTDIR/usr/share/$name/version"
"""
NEEDED = """
[[pipeline]]
runs = "mkdir -p $DESTDIR/usr/share/$name; echo $version > $DESTDIR/usr/share/$name/version"
[[subpackages]]
name = "needed-more"
files = ["usr/share/more"]
[[subpackages]]
name = "shell"
provides = ["/bin/sh"]
files = ["bin"]
""".replace('version"\n', 'version; mkdir -p $DESTDIR/usr/share/more $DESTDIR/bin; touch $DESTDIR/usr/share/more/x"\n')
AFTER = {"after": "#!/bin/sh\necho installed\n"}


class Person:
    """Who types commands, in a folder and with settings of their own."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "BIVY_CACHE": str(cache)}

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bivy", "repo", *words], cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def types(self, *words: str, status: int = 0) -> tuple[str, str]:
        process = self.start(*words)
        said, faults = process.communicate(timeout=300)
        assert process.returncode == status, said + faults
        assert "Traceback" not in faults
        return said, faults


@pytest.fixture
def person(tmp_path: Path, cache: Path) -> Person:
    folder = tmp_path / "person"
    folder.mkdir()
    return Person(folder, cache)


@pytest.fixture
def recipes(write_recipe: WriteRecipe) -> Path:
    write_recipe("hello", SHELL, {"x": ""}, AFTER)
    return write_recipe("needed", NEEDED, {"x": ""})


def make_key(person: Person) -> Path:
    said, _ = person.types("keygen", "someone@example.org", "--bits", "2048", "--json", "-q")
    return Path(json.loads(said)["public"])


def test_from_a_recipe_to_a_signed_repository(person: Person, recipes: Path) -> None:
    public = make_key(person)
    said, _ = person.types("build", "hello", "--recipes", str(recipes), "--description", "mine", "-q")
    package, index = said.splitlines()
    assert package == f"repository/{ARCH}/hello-1.0-r0.apk"
    assert f"1 packages for {ARCH}" in index
    assert f"signed by {public.name}" in index
    keys = {public.name: load_public_key(public)}
    folder = person.folder / "repository"
    assert (folder / public.name).read_bytes() == public.read_bytes()
    assert read_package(folder / ARCH / "hello-1.0-r0.apk", keys).scripts == {"post-install": AFTER["after"].encode()}
    (entry,) = read_index((folder / ARCH / "APKINDEX.tar.gz").read_bytes(), keys)
    assert (entry.name, entry.depends) == ("hello", ("/bin/sh", "needed"))
    assert "(unchanged)" in person.types("build", "hello", "--recipes", str(recipes), "-q")[0]


def test_with_dependencies_what_is_needed_comes_too_and_no_more(person: Person, recipes: Path) -> None:
    words = ("build", "hello", "--recipes", str(recipes), "-o", "made", "--with-dependencies", "--json")
    made = json.loads(person.types(*words)[0])
    assert sorted(Path(path).name for path in made["packages"]) == [
        "hello-1.0-r0.apk", "needed-1.0-r0.apk", "shell-1.0-r0.apk",
    ]  # fmt: skip
    assert made["missing"] == []
    assert made["index"]["signed_by"] is None


def test_what_no_recipe_makes_is_said(person: Person, write_recipe: WriteRecipe) -> None:
    recipes = write_recipe("hello", SHELL.replace('depends = ["needed"]', ""), {"x": ""}, AFTER)
    said, faults = person.types("build", "hello", "--recipes", str(recipes), "--with-dependencies")
    assert "/bin/sh is needed, which no recipe makes" in faults
    assert "not signed: apk will want --allow-untrusted; bivy repo keygen makes a key" in faults
    assert "not signed" in said


def test_packages_from_elsewhere_are_indexed_and_signed(person: Person, recipes: Path) -> None:
    person.types("build", "hello", "needed", "--recipes", str(recipes), "-q")
    folder = person.folder / "repository" / ARCH
    (folder / "APKINDEX.tar.gz").unlink()
    (done,) = json.loads(person.types("index", "repository", "--json", "-q")[0])
    assert [package["name"] for package in done["packages"]] == ["hello", "needed", "needed-more", "shell"]
    public = make_key(person)
    assert f"signed by {public.name}" in person.types("sign", "repository", "-q")[0]
    keys = {public.name: load_public_key(public)}
    assert len(read_index((folder / "APKINDEX.tar.gz").read_bytes(), keys)) == 4
    for path in folder.glob("*.apk"):
        read_package(path, keys)
    assert "(unchanged)" in person.types("sign", f"repository/{ARCH}/hello-1.0-r0.apk")[0]
    person.types("index", "repository", "--unsigned", "-q")
    read_index((folder / "APKINDEX.tar.gz").read_bytes(), None)


@contextmanager
def served(person: Person, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    process = person.start("serve", *words, "--port", "0", "--json")
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "}\n")
        yield process, json.loads("".join(lines) + "}")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_repository_is_served_on_loopback_until_it_is_stopped(
    person: Person, recipes: Path, number: signal.Signals
) -> None:
    public = make_key(person)
    person.types("build", "hello", "--recipes", str(recipes), "-q")
    with served(person) as (process, told):
        url = str(told["url"])
        assert url.startswith("http://127.0.0.1:")
        assert told["keys"] == [f"{url}/{public.name}"]
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        connection.request("GET", f"/{ARCH}/APKINDEX.tar.gz")
        answer = connection.getresponse()
        index = person.folder / "repository" / ARCH / "APKINDEX.tar.gz"
        assert (answer.status, answer.read()) == (200, index.read_bytes())
        process.send_signal(number)
        _, faults = process.communicate(timeout=30)
        assert process.returncode == 0
        assert f'"GET /{ARCH}/APKINDEX.tar.gz HTTP/1.1" 200' in faults
        assert faults.endswith("stopped\n")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("build", "missing"), 2, "no recipe makes the package 'missing'"),
        (("build", "zic"), 2, "zic is a tool"),
        (("build", "zlib", "--arch", "m68k"), 2, "unknown architecture 'm68k'"),
        (("index", "missing"), 1, "missing is not a folder"),
        (("index", "."), 1, "there are no packages in ."),
        (("sign", "."), 2, "there is no key to sign with"),
        (("sign", "missing"), 2, "does not exist"),
        (("keygen", "a/b"), 2, "cannot be a key's name"),
        (("serve", "missing"), 2, "missing is not a folder"),
        (("serve", ".", "--host", "nowhere.invalid"), 2, "is not an address"),
        (("publish",), 2, "No such command"),
    ],
)
def test_what_is_wrong_is_one_message(person: Person, words: tuple[str, ...], status: int, message: str) -> None:
    said, faults = person.types(*words, status=status)
    assert said == ""
    assert message in faults


def test_every_command_explains_itself(person: Person) -> None:
    for word in ("build", "index", "sign", "keygen", "serve"):
        assert person.types(word, "--help")[0].startswith(f"Usage: bivy repo {word}")
