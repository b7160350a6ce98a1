"""The image passes its checks; what runs in it finds each fault that is planted, and no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bivy.apk.database import InstalledPackage, format_installed, parse_installed
from bivy.apk.entry import Entry, Kind
from bivy.files import cache_folder, scratch_folder
from bivy.oci.archive import write_archive
from bivy.oci.image import Image, make_image, read_tree
from bivy.oci.layer import layer_from_tree
from bivy.oci.layout import read_image
from bivy.rootfs.tree import Tree
from bivy.sandbox import why_no_sandbox
from bivy.verify.check import own_checks
from bivy.verify.report import Report, Status
from bivy.verify.verify import verify
from tests.integration.conftest import NAME, bivy
from tests.rootfs.trees import file
from tests.verify.making import package

pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(why_no_sandbox() is not None, reason=f"no sandbox here: {why_no_sandbox()}"),
]
LIBRARY = "usr/local/lib/python3.14"
DATABASE = "lib/apk/db/installed"


@dataclass(frozen=True)
class Whole:
    """The image, its files and its package database, each read once."""

    image: Image
    tree: Tree
    packages: tuple[InstalledPackage, ...]


@pytest.fixture(scope="module")
def whole(dist: Path) -> Whole:
    image = read_image(dist, NAME)
    tree = read_tree(image)
    content = tree.read(DATABASE)
    assert content
    return Whole(image, tree, parse_installed(content.decode()))


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A cache of one test's own, gone with it: an unpacked image has 50 MB."""
    with scratch_folder(cache_folder() / "work", "test-verify-") as folder:
        yield folder


def failing(report: Report) -> dict[str, tuple[str, ...]]:
    return {outcome.name: outcome.findings for outcome in report.having(Status.FAILED)}


def test_the_image_passes_every_check(dist: Path) -> None:
    told = json.loads(bivy("verify", NAME, "--output", str(dist), "--json").stdout)
    assert told["passed"]
    skipped = {check["name"]: check["reason"] for check in told["checks"] if check["status"] == "skipped"}
    assert skipped in ({}, {"umoci": "umoci is not installed"})


def plant(
    whole: Whole, *entries: Entry, gone: tuple[str, ...] = (), env: tuple[str, ...] = (), **config: object
) -> Image:
    """Return the image with other files, of which its package database knows, and another config."""
    paths = {entry.path for entry in entries}
    packages = [_without(each, {*paths, *gone}) for each in whole.packages]
    packages.append(package("planted", entries, "MIT"))
    database = file(DATABASE, format_installed(packages).encode())
    whiteouts = [Entry(f"{path.rpartition('/')[0]}/.wh.{path.rpartition('/')[2]}", Kind.FILE, 0o644) for path in gone]
    above = Tree.of([*entries, *whiteouts, database])
    changed = replace(whole.image.config, env=(*whole.image.config.env, *env), **config)  # type: ignore[arg-type]
    layers = [*whole.image.layers, layer_from_tree(above, created_by="a test")]
    return make_image(changed, layers, whole.image.annotations)


def _without(installed: InstalledPackage, paths: set[str]) -> InstalledPackage:
    folders = tuple(
        replace(folder, files=tuple(each for each in folder.files if f"{folder.path}/{each.name}" not in paths))
        for folder in installed.folders
    )
    return replace(installed, folders=folders)


# The head of bytecode that Python 3.14 reads: its number, and that a hash of the source follows (PEP 552).
HEAD = b"+\x0e\r\n\x01\x00\x00\x00"
SMALL_STACK = b"""import sys, threading
if "__repr__ that shows itself" in " ".join(sys.orig_argv):
    threading.stack_size(65536)
"""


def _other_version(whole: Whole) -> Image:
    env = tuple(each.replace("PYTHON_VERSION=3.14", "PYTHON_VERSION=3.13") for each in whole.image.config.env)
    return make_image(replace(whole.image.config, env=env), whole.image.layers, whole.image.annotations)


BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def _without_certificates(whole: Whole) -> Image:
    paths = [
        path
        for path, entry in whole.tree.entries.items()
        if path.startswith("etc/ssl/") and entry.kind is not Kind.DIRECTORY and "openssl" not in path
    ]
    # pip's own list is a link to the bundle: that stays, and is empty.
    paths.remove(BUNDLE)
    return plant(whole, file(BUNDLE), gone=tuple(paths))


def _module(whole: Whole, name: str) -> str:
    return next(path for path in whole.tree.entries if path.startswith(f"{LIBRARY}/lib-dynload/{name}.cpython"))


BYTECODE = {
    "__pycache__/this.cpython-314.pyc": "is not of /usr/local/lib/python3.14/this.py as it is now",
    "__pycache__/gone.cpython-314.pyc": "has no source /usr/local/lib/python3.14/gone.py",
    "gone.pyc": "is not in a __pycache__, beside its source",
    "__pycache__/this.cpython-38.pyc": "is for cpython-38, and Python is cpython-314",
    "__pycache__/heapq.cpython-314.pyc": "is of another Python's bytecode",
    "__pycache__/bisect.cpython-314.pyc": "is of /usr/local/lib/python3.14/bisect.py at another time",
}


def _stale(whole: Whole) -> Image:
    contents = {
        "__pycache__/heapq.cpython-314.pyc": b"?" * 16,
        "__pycache__/bisect.cpython-314.pyc": HEAD[:4] + bytes(12),
    }
    contents = {path: contents.get(path, HEAD + bytes(8) + b"N") for path in BYTECODE}
    return plant(whole, *(file(f"{LIBRARY}/{path}", content) for path, content in contents.items()))


def _broken_modules(whole: Whole) -> Image:
    return plant(whole, file(_module(whole, "_lsprof"), b"nothing", 0o755), gone=(_module(whole, "_codecs_kr"),))


FAULTS: dict[str, tuple[str, Callable[[Whole], Image], str]] = {
    "another version": ("python-version", _other_version, "PYTHON_VERSION is 3.13"),
    "a package that is not to be there": (
        "imports", lambda it: plant(it, file(f"{LIBRARY}/site-packages/wheel/__init__.py")), "wheel is there",
    ),
    "bytecode that is not of its source": ("bytecode", _stale, "gone.pyc is not in a __pycache__"),
    "threads with a small stack": (
        "recursion-in-thread", lambda it: plant(it, file(f"{LIBRARY}/site-packages/sitecustomize.py", SMALL_STACK)),
        "the signal SIGSEGV",
    ),
    "sqlite that does not import": (
        "sqlite", lambda it: plant(it, file(f"{LIBRARY}/sqlite3/__init__.py", b"raise ImportError('planted')")),
        "planted",
    ),
    "no certificates": ("pip-https", _without_certificates, "no certificate authority is trusted"),
    "an entrypoint that runs nothing else": (
        "override-command", lambda it: plant(it, entrypoint=("/bin/busybox", "true")), "it printed ''",
    ),
    "a command that is not there": (
        "default-command", lambda it: plant(it, cmd=("python4",)), "the image has no python4",
    ),
    "another time zone": ("utc", lambda it: plant(it, env=("TZ=CET-1",)), "it printed 'CET'"),
    "a pack of bytecode that was lost": (
        "awake", lambda it: plant(it, file(f"{LIBRARY}/bytecode.pack")),
        "/usr/local/lib/python3.14/json/decoder.py is compiled at each start",
    ),
    "modules that are missing or do not load": ("extension-modules", _broken_modules, "_codecs_kr is not there"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_only_running_shows_fails_the_check_that_is_for_it_and_no_other(
    fault: str, whole: Whole, scratch: Path
) -> None:
    name, make, finding = FAULTS[fault]
    # Two take as long as all others together; what is planted may be more than the budget has room for.
    apart = {"umoci", "pip-https", "budget"} - {name}
    checks = [check for check in own_checks() if check.name not in apart]
    found = failing(verify(make(whole), checks, where="planted", cache=scratch))
    assert list(found) == [name], found
    assert any(finding in line for line in found[name]), found
    if name == "bytecode":
        assert {line.removeprefix(f"/{LIBRARY}/") for line in found[name]} == {f"{p} {s}" for p, s in BYTECODE.items()}
    if name == "extension-modules":
        assert any(line.startswith("_lsprof does not import") for line in found[name])


def test_an_image_that_is_a_program_of_its_own_may_serve_and_has_no_command_to_replace(
    whole: Whole, scratch: Path
) -> None:
    checks = [check for check in own_checks() if check.name in ("override-command", "default-command")]
    report = verify(plant(whole, entrypoint=("sleep", "1000"), cmd=()), checks, where="a service", cache=scratch)
    assert {outcome.name: outcome.status for outcome in report.outcomes} == {
        "override-command": Status.SKIPPED,
        "default-command": Status.PASSED,
    }


def test_a_program_that_does_not_end_is_ended_and_told(whole: Whole) -> None:
    import msgspec

    endless = msgspec.structs.replace(
        own_checks()[0], name="endless", command=("sh", "-c", "sleep 1000 & while :; do :; done"), timeout=2
    )
    (outcome,) = verify(whole.image, [endless], where="x", cache=cache_folder()).outcomes
    assert outcome.status is Status.FAILED
    assert outcome.findings[0] == "it did not end within 2 seconds"


def test_a_program_may_say_that_its_check_does_not_apply(whole: Whole) -> None:
    import msgspec

    check = msgspec.structs.replace(own_checks()[0], name="not-here", command=("sh", "-c", "echo not here; exit 77"))
    (outcome,) = verify(whole.image, [check], where="x", cache=cache_folder()).outcomes
    assert (outcome.status, outcome.reason) == (Status.SKIPPED, "not here")


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_an_archive_of_the_image_passes_too(form: str, whole: Whole, tmp_path: Path) -> None:
    write_archive(whole.image, tmp_path / "x.tar", NAME, form)
    done = bivy("verify", f"{form}:{tmp_path / 'x.tar'}", "--only", "format", "--only", "root", check=False)
    assert done.returncode == 0, done.stdout
