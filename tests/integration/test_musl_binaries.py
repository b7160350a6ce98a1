"""What is said of ELF files is what musl's loader makes of them in the image, and the data is the image's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bivy.arch import build_machine
from bivy.elf import is_elf, read_elf
from bivy.files import cache_folder
from bivy.musl.binaries import check_binaries, check_tree, generate
from bivy.musl.binaries.data import FOLDER, musl
from bivy.musl.report import Severity
from bivy.musl.target import make_target
from bivy.oci.inspect import inspect
from bivy.oci.open import opened
from bivy.rootfs.tree import Tree
from tests.elves import Linker
from tests.integration.conftest import NAME, bivy

pytestmark = pytest.mark.image

TARGET = make_target("3.14", build_machine(), "1.2.6")

LOAD = """
import ctypes, json, os, pathlib
answers = {}
for path in sorted(pathlib.Path("/elf").rglob("*.so")):
    reading, writing = os.pipe()
    if not os.fork():
        try:
            ctypes.PyDLL(str(path))
            said = ""
        except OSError as fault:
            said = str(fault)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    answers[str(path.relative_to("/elf"))] = os.read(reading, 4096).decode()
    os.wait()
print(json.dumps(answers))
"""

PRELOAD = """
import ctypes
ctypes.CDLL("/elf/lib/libinner.so.1", ctypes.RTLD_GLOBAL)
ctypes.CDLL("/elf/astray.so")
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for each thing that can be the matter, and some that nothing is the matter with."""
    link = Linker(tmp_path_factory.mktemp("elf"), build_machine().name).link
    folder = tmp_path_factory.mktemp("loaded")
    linker = Linker(folder, build_machine().name)
    glibc = Linker(tmp_path_factory.mktemp("glibc"), build_machine().name).glibc()
    loader = link("ld-linux-x86-64.so.2", "int g(void) {return 0;}", "-soname=ld-linux-x86-64.so.2")
    inner = linker.link("lib/libinner.so.1", "int inner(void) {return 0;}", "-soname=libinner.so.1")
    source = "int inner(void); int f(void) {return inner();}"
    linker.link("finds.so", source, "-rpath=$ORIGIN/lib", needs=[inner])
    linker.link("astray.so", source, needs=[inner])
    linker.link("platform.so", source, "-rpath=$ORIGIN/lib:$ORIGIN/$LIB", needs=[inner])
    linker.link("absent.so", "int f(void) {return 0;}", needs=[link("libabsent.so.1", "", "-soname=libabsent.so.1")])
    linker.link("image.so", "int f(void) {return 0;}", needs=[link("libz.so.1", "", "-soname=libz.so.1")])
    linker.link("harmless.so", "int puts(void); int stat64(void); int f(void) {return puts()+stat64();}", needs=[glibc])
    linker.link("fortified.so", "int __printf_chk(void); int f(void) {return __printf_chk();}", needs=[glibc])
    linker.link("glibc-loader.so", "int f(void) {return 0;}", needs=[loader])
    linker.link("weak.so", "__attribute__((weak)) int gnu(void); int f(void) {return gnu ? gnu() : 0;}")
    linker.link(
        "python.so",
        "extern int PyExc_OSError; int PyLong_FromLong(int); int *f(void) {PyLong_FromLong(1); return &PyExc_OSError;}",
    )
    linker.link("nowhere.so", "int nowhere(void); int f(void) {return nowhere();}")
    linker.link("stack.so", "int f(void) {return 0;}", "-zexecstack")
    linker.link("text.so", "extern int environ; int f(void) {return 0;}", "-znotext")
    tls = "_Thread_local int n; int f(void) {return ++n;}"
    linker.link("tls.so", tls)
    linker.link("static-tls.so", tls, compiled=["-fPIC", "-ftls-model=initial-exec"])
    linker.link("newest.so", "int renameat2(void); int f(void) {return renameat2();}")
    return folder


@pytest.fixture(scope="module")
def tree(dist: Path) -> Tree:
    with opened(NAME, layout=dist, platform="", cache=cache_folder()) as image:
        return inspect(image).tree


def test_what_is_said_to_load_loads_and_what_is_not_does_not(dist: Path, files: Path) -> None:
    done = bivy("run", "--output", str(dist), "--volume", f"{files}:/elf:ro", NAME, "python3", "-c", LOAD)
    answers = json.loads(done.stdout)
    members = [(path.relative_to(files).as_posix(), path.read_bytes()) for path in files.rglob("*.so*")]
    part = check_binaries(members, targets=[TARGET], where="elf")
    doubtful = {"symbol-missing", "library-astray"}
    said = {
        line.removeprefix("elf:")
        for finding in part.findings
        if finding.weight is Severity.ERROR or finding.rule.name in doubtful
        for line in (finding.path, *finding.evidence)
        if line.startswith("elf:") and not line.endswith(" is there")
    }
    assert said == {path for path, answer in answers.items() if answer}, answers
    assert {"fortified.so", "static-tls.so", "astray.so", "platform.so", "nowhere.so"} <= said


def test_a_library_that_was_loaded_by_its_path_is_not_found_by_its_name(dist: Path, files: Path) -> None:
    run = ("run", "--output", str(dist), "--volume", f"{files}:/elf:ro")
    done = bivy(*run, NAME, "python3", "-c", PRELOAD, check=False)
    assert "Error loading shared library libinner.so.1" in done.stderr
    assert bivy(*run, "--env", "LD_LIBRARY_PATH=/elf/lib", NAME, "python3", "-c", PRELOAD).returncode == 0


def test_nothing_is_the_matter_with_the_image_itself(tree: Tree) -> None:
    part = check_tree(tree, targets=[TARGET], where=NAME)
    assert (part.findings, part.problems) == ((), ())
    assert part.looked_at["binaries"] > 60


def test_the_data_is_what_the_image_has(dist: Path, tree: Tree) -> None:
    loader = read_elf(tree.entries[f"lib/{build_machine().loader}"].content)
    exported = {symbol.name for symbol in loader.exports}
    assert musl().by_arch[build_machine().name] == exported | musl().by_loader
    written = (FOLDER / "image.txt").read_text()
    assert generate._image(dist).partition("\n\n")[2] == written.partition("\n\n")[2]


def test_every_file_of_the_image_is_read(tree: Tree) -> None:
    for entry in tree.entries.values():
        if is_elf(entry.content):
            assert read_elf(entry.content).machine == build_machine().elf, entry.path
