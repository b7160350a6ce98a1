"""Source archives are compiled under the real base image's Python, and what comes of it loads there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from installer.sources import WheelFile

from bivy.apk.entry import Entry, Kind
from bivy.apk.sign import Signer, generate_key
from bivy.arch import build_machine
from bivy.errors import BivyError
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layout import find_image
from bivy.progress import Silent
from bivy.wheels import Built, Settings, State, build_wheels
from bivy.wheels.packages import Repositories
from tests.elves import Linker
from tests.integration.conftest import NAME, bivy
from tests.mirror import small_package, write_repository
from tests.musl.dependencies.shelf import Shelf, Shelved
from tests.wheels.conftest import TARGET
from tests.wheels.making import archive, module, write_sdist

pytestmark = pytest.mark.image

Compile = Callable[..., Built]


def refusal(make: Compile, *what: object, **how: object) -> BivyError:
    with pytest.raises(BivyError) as raised:
        make(*what, **how)
    return raised.value


def left_over(cache: Path) -> list[str]:
    """What there is of a build that failed, but for its log."""
    wheels = [path.name for path in (cache / "wheels").rglob("*")] if (cache / "wheels").exists() else []
    return [*wheels, *(path.name for path in (cache / "work").glob("*"))]


def run_in_image(dist: Path, wheel: Path, program: str) -> str:
    """Run a program in the plain image, with a wheel unpacked beside it."""
    folder = wheel.parent / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    words = ["--volume", f"{folder}:/wheel:ro", "-e", "PYTHONPATH=/wheel", NAME, "python3", "-c", program]
    return bivy("run", "--output", str(dist), *words).stdout.strip()


def test_an_extension_module_becomes_a_wheel_for_musl_that_the_plain_image_imports(
    make: Compile, tmp_path: Path, dist: Path, cache: Path
) -> None:
    built = make(write_sdist(tmp_path, {"demo.c": module()}), output=tmp_path / "out")
    assert built.file == "demo-1.0-cp314-cp314-musllinux_1_2_x86_64.whl"
    assert (built.state, built.imported, built.bundled, built.linked) == (State.COMPILED, ("demo",), (), ())
    assert (cache / "wheels" / built.file).read_bytes() == (tmp_path / "out" / built.file).read_bytes()
    assert built.wheel
    assert run_in_image(dist, built.wheel, "import demo; print(demo.answer())") == "42"


def test_the_wheel_says_of_itself_what_it_is(make: Compile, tmp_path: Path) -> None:
    built = make(write_sdist(tmp_path, {"demo.c": module()}))
    assert built.wheel
    with zipfile.ZipFile(built.wheel) as archive:
        assert b"Tag: cp314-cp314-musllinux_1_2_x86_64\n" in archive.read("demo-1.0.dist-info/WHEEL")
        assert archive.testzip() is None
    with WheelFile.open(built.wheel) as source:
        source.validate_record()


def test_the_same_source_gives_the_same_bytes(make: Compile, tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path, {"demo.c": module(answer="PyUnicode_FromString(__DATE__ __FILE__)"), "more.cc": CPP})
    first = make(sdist, force=True).sha256
    assert make(sdist, force=True).sha256 == first


CPP = """
#include <stdexcept>
#include <string>
""" + module("more").replace(
    "return PyLong_FromLong(42)",
    """
    try { throw std::runtime_error("caught"); }
    catch (const std::exception &fault) { return PyUnicode_FromString(std::string(fault.what()).c_str()); }
""",
).replace("static PyMethodDef", 'extern "C" {\nstatic PyMethodDef').replace(
    "PyMODINIT_FUNC PyInit_more", "}\nPyMODINIT_FUNC PyInit_more"
)


def test_cpp_throws_and_catches_without_a_library_that_the_image_lacks(
    make: Compile, tmp_path: Path, dist: Path
) -> None:
    built = make(write_sdist(tmp_path, {"more.cc": CPP}))
    assert built.wheel
    assert (built.bundled, built.linked) == ((), ())
    assert run_in_image(dist, built.wheel, "import more; print(more.answer())") == "caught"


def test_what_was_compiled_is_not_compiled_again(make: Compile, tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path, {"demo.c": module()})
    first, second = make(sdist), make(sdist)
    assert (first.state, second.state) == (State.COMPILED, State.KEPT)
    assert first.sha256 == second.sha256
    assert second.wheel
    second.wheel.write_bytes(b"damaged")
    assert make(sdist).state is State.COMPILED


def test_another_source_of_the_same_name_is_another_build(make: Compile, tmp_path: Path) -> None:
    first = make(write_sdist(tmp_path, {"demo.c": module()}))
    second = make(write_sdist(tmp_path, {"demo.c": module(answer="PyLong_FromLong(43)")}))
    assert second.state is State.COMPILED
    assert second.sha256 != first.sha256


def test_two_at_once_compile_it_once(base: Image, cache: Path, tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path, {"demo.c": module()})
    states: list[State] = []

    def one() -> None:
        built = build_wheels([str(sdist)], target=TARGET, base=base, cache=cache, progress=Silent())
        states.append(built[0].state)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == [State.COMPILED, State.KEPT]


def test_a_missing_header_is_named_with_its_package_and_the_command_to_try(
    make: Compile, tmp_path: Path, cache: Path
) -> None:
    sdist = write_sdist(tmp_path, {"demo.c": module(include="#include <libpq-fe.h>")})
    fault = refusal(make, sdist)
    assert str(fault) == (
        "demo 1.0 was not compiled:\n  the header libpq-fe.h is missing, which Alpine's package libpq-dev has"
    )
    assert fault.hint
    assert f"bivy wheel {sdist} --with libpq-dev" in fault.hint
    log = next((cache / "logs").glob("wheel-demo-1.0-*.log"))
    assert str(log) in fault.hint
    assert "libpq-fe.h" in log.read_text()
    assert left_over(cache) == []


def test_a_missing_library_is_named_with_its_package(make: Compile, tmp_path: Path) -> None:
    fault = refusal(make, write_sdist(tmp_path, {"demo.c": module()}, flags=["-lpq"]))
    assert "the library pq (-lpq) is missing, which Alpine's package libpq-dev has" in str(fault)


def test_what_the_log_does_not_explain_is_shown_as_it_ends(make: Compile, tmp_path: Path) -> None:
    fault = refusal(make, write_sdist(tmp_path, {"demo.c": module(answer="neither C nor sense")}))
    assert "its build ended with 1" in str(fault)
    assert "demo.c" in str(fault)


ZLIB = {"include": "#include <zlib.h>", "answer": "PyUnicode_FromString(zlibVersion())"}


def test_a_library_of_the_base_image_is_linked_and_not_bundled(
    make: Compile, tmp_path: Path, dist: Path, shelf: Shelf
) -> None:
    shelf.wheel("pkgconf", "1.0")
    built = make(
        write_sdist(tmp_path, {"demo.c": module(**ZLIB)}, flags=["-lz"]), packages=("zlib-dev",), build_requires=()
    )
    assert built.wheel
    assert (built.linked, built.bundled) == (("libz.so.1",), ())
    assert built.packages[0].startswith("zlib-dev-1.")
    assert run_in_image(dist, built.wheel, "import demo; print(demo.answer()[:2])") == "1."


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a library that the base image lacks, which needs another that it lacks too."""
    linker = Linker(tmp_path / "libraries")
    deep = linker.link("libdeep.so.2", "int deep(void) { return 40; }", "-soname=libdeep.so.2")
    source = "int deep(void); int shallow(void) { return deep() + 2; }"
    shallow = linker.link("libshallow.so.1", source, "-soname=libshallow.so.1", needs=[deep])
    libraries = [
        Entry("usr/lib/libdeep.so.2", Kind.FILE, 0o755, content=deep.read_bytes()),
        Entry("usr/lib/libshallow.so.1.0", Kind.FILE, 0o755, content=shallow.read_bytes()),
        Entry("usr/lib/libshallow.so.1", Kind.SYMLINK, 0o777, target="libshallow.so.1.0"),
    ]
    development = [
        Entry("usr/include/shallow.h", Kind.FILE, 0o644, content=b"int shallow(void);\n"),
        Entry("usr/lib/libshallow.so", Kind.SYMLINK, 0o777, target="libshallow.so.1.0"),
    ]
    packages = [
        small_package("shallow", entries=libraries, license="Zlib"),
        small_package("shallow-dev", entries=development, depends=("shallow=1.0-r0",)),
    ]
    return write_repository(tmp_path / "repository", packages, Signer(generate_key(1024), "test-0001.rsa.pub"))


SHALLOW = {"include": "#include <shallow.h>", "answer": "PyLong_FromLong(shallow())"}


def test_libraries_that_the_base_image_lacks_are_bundled_with_what_they_need(
    make: Compile, tmp_path: Path, repository: Path, dist: Path, shelf: Shelf
) -> None:
    shelf.wheel("pkgconf", "1.0")
    sdist = write_sdist(tmp_path, {"demo.c": module(**SHALLOW)}, flags=["-lshallow"])
    around = Repositories((str(repository),), repository / "keys")
    built = make(sdist, packages=("shallow-dev",), repositories=around)
    assert {each.soname: each.package for each in built.bundled} == {
        "libshallow.so.1": "shallow-1.0-r0", "libdeep.so.2": "shallow-1.0-r0",
    }  # fmt: skip
    assert built.wheel
    assert run_in_image(dist, built.wheel, "import demo; print(demo.answer())") == "42"
    with zipfile.ZipFile(built.wheel) as archive:
        bill = json.loads(archive.read("demo-1.0.dist-info/sboms/bivy.cdx.json"))
    assert [each["purl"] for each in bill["components"]] == ["pkg:apk/alpine/shallow@1.0-r0"] * 2


def test_a_repository_that_no_key_vouches_for_is_not_taken(
    make: Compile, tmp_path: Path, repository: Path, cache: Path
) -> None:
    sdist = write_sdist(tmp_path, {"demo.c": module(**SHALLOW)}, flags=["-lshallow"])
    fault = refusal(make, sdist, packages=("shallow-dev",), repositories=Repositories((str(repository),)))
    assert "it needs shallow-dev" in str(fault)
    assert left_over(cache) == []


def test_a_package_that_no_repository_has_is_named(make: Compile, tmp_path: Path, repository: Path) -> None:
    around = Repositories((str(repository),), repository / "keys")
    fault = refusal(make, write_sdist(tmp_path, {}), packages=("absent-dev",), repositories=around)
    assert "absent-dev" in str(fault)
    assert fault.hint
    assert "--repository" in fault.hint


def test_what_the_build_requires_comes_from_the_index_with_its_programs(
    make: Compile, tmp_path: Path, shelf: Shelf
) -> None:
    shelf.wheel("helper", "2.0")
    sdist = write_sdist(tmp_path, {"demo.c": module()}, requires=["helper>=1"],
                        before="from importlib.metadata import version\nassert version('helper') == '2.0'")  # fmt: skip
    assert make(sdist).built_with == ("helper==2.0",)


def test_a_build_requirement_without_a_wheel_is_compiled_first(
    make: Compile, tmp_path: Path, shelf: Shelf, cache: Path
) -> None:
    helper = write_sdist(tmp_path / "helper", {"helper.c": module("helper")}, name="helper", version="3.0")
    shelf.projects["helper"] = [Shelved("helper-3.0.tar.gz", helper.read_bytes())]
    sdist = write_sdist(tmp_path, {"demo.c": module()}, requires=["helper"],
                        before="import helper\nassert helper.answer() == 42")  # fmt: skip
    assert make(sdist).built_with == ("helper==3.0",)
    assert (cache / "wheels" / "helper-3.0-cp314-cp314-musllinux_1_2_x86_64.whl").is_file()


def test_builds_that_require_each_other_are_named(make: Compile, tmp_path: Path, shelf: Shelf) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        sdist = write_sdist(tmp_path / name, {}, name=name, requires=[other])
        shelf.projects[name] = [Shelved(sdist.name, sdist.read_bytes())]
    assert "one → two → one" in str(refusal(make, "one"))


@pytest.mark.usefixtures("shelf")
def test_a_build_requirement_that_is_nowhere_is_named(make: Compile, tmp_path: Path) -> None:
    fault = refusal(make, write_sdist(tmp_path, {}, requires=["nowhere"]))
    assert "its build requires nowhere: No index has a distribution of this name" in str(fault)


def test_a_build_that_hangs_is_ended(make: Compile, tmp_path: Path, cache: Path) -> None:
    sdist = write_sdist(tmp_path, {}, before="import time\nprint('waiting')\ntime.sleep(1000)")
    fault = refusal(make, sdist, timeout=4)
    assert "it took longer than 4 s, and was ended" in str(fault)
    assert "waiting" in str(fault)
    assert left_over(cache) == []


def test_a_build_has_no_network_and_says_so(make: Compile, tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path, {}, before="import urllib.request\nurllib.request.urlopen('http://example.org/')")
    fault = refusal(make, sdist)
    assert "the build wants to fetch something, and has no network" in str(fault)
    assert fault.hint
    assert "--network" in fault.hint


def test_a_build_has_a_network_where_it_is_given_one(make: Compile, tmp_path: Path, shelf: Shelf) -> None:
    shelf.wheel("helper", "1.0")
    fetching = f"import urllib.request\nurllib.request.urlopen('{shelf.address}/helper/')"
    assert make(write_sdist(tmp_path, {}, before=fetching), network=True).state is State.COMPILED


def test_a_build_sees_nothing_of_the_machine(make: Compile, tmp_path: Path) -> None:
    looking = f"""import os
for place in ({str(tmp_path)!r}, {str(Path.home())!r} + "/.cache", {sys.executable!r}, "/usr/bin/gcc"):
    assert not os.path.exists(place), place
assert "BIVY_SECRET" not in os.environ and os.getuid() == 1000"""
    os.environ["BIVY_SECRET"] = "1"
    try:
        make(write_sdist(tmp_path, {}, before=looking))
    finally:
        del os.environ["BIVY_SECRET"]


def test_what_does_not_load_in_the_base_image_is_no_result(make: Compile, tmp_path: Path, cache: Path) -> None:
    source = module(include="int absent(void);", answer="PyLong_FromLong(absent())")
    fault = refusal(make, write_sdist(tmp_path, {"demo.c": source}, flags=["-Wl,--unresolved-symbols=ignore-all"]))
    assert "absent" in str(fault)
    assert left_over(cache) == []


def test_what_ends_python_when_it_is_imported_is_no_result(make: Compile, tmp_path: Path) -> None:
    fault = refusal(make, write_sdist(tmp_path, {"demo.c": module(init="*(volatile int *)0 = 1;")}))
    assert "demo ends Python with SIGSEGV" in str(fault)


def test_a_module_that_needs_another_distribution_is_not_at_fault(make: Compile, tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path, {"demo.c": module()}, others={"plain.py": "import numpy\n"})
    built = make(sdist)
    assert built.imported == ("demo",)
    assert built.notes == ("plain was not tried: it needs numpy, which another distribution has",)


def test_nothing_compiled_is_said_where_there_was_something_to_compile(make: Compile, tmp_path: Path) -> None:
    trying = "import subprocess\nsubprocess.run(['cc', '-c', 'left-out.c'])"
    sdist = write_sdist(tmp_path, {}, before=trying)
    files = {"left-out.c": "#include <lmdb.h>\n"}

    with tarfile.open(sdist) as opened:
        for member in opened:
            content = opened.extractfile(member)
            assert content
            files[member.name.partition("/")[2]] = content.read().decode()
    sdist.write_bytes(archive("demo-1.0", files))
    built = make(sdist)
    assert built.file == "demo-1.0-py3-none-any.whl"
    (note,) = built.notes
    assert note.startswith("nothing in it is compiled: the build went on without: the header lmdb.h is missing")


def test_a_backend_that_makes_something_else_than_a_wheel_is_refused(make: Compile, tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path, {}, others={"../../outside.py": "1\n"})
    assert "cannot be installed" in str(refusal(make, sdist))
    nothing = write_sdist(tmp_path, {}, version="2.0", before="raise SystemExit(0)")
    assert "its build made no wheel, and said that it was done" in str(refusal(make, nothing))


def test_what_has_a_wheel_that_fits_is_not_compiled(make: Compile, tmp_path: Path, shelf: Shelf, cache: Path) -> None:
    shelf.wheel("ready", "1.0", "cp314-cp314-musllinux_1_2_x86_64")
    shelf.sdist("ready", "1.0")
    told = make("ready")
    assert (told.state, told.wheel) == (State.FITTING, None)
    assert told.file == "ready-1.0-cp314-cp314-musllinux_1_2_x86_64.whl"
    fetched = make("ready", output=tmp_path / "out")
    assert fetched.wheel == tmp_path / "out" / told.file
    assert fetched.wheel.is_file()
    assert left_over(cache) == []


def test_what_is_written_in_rust_is_refused_with_the_version_that_has_a_wheel(
    make: Compile, shelf: Shelf, cache: Path
) -> None:
    project = '[build-system]\nrequires = ["maturin>=1"]\nbuild-backend = "maturin"\n'
    shelf.sdist("oxide", "2.0", {"pyproject.toml": project, "src/lib.rs": ""})
    shelf.wheel("oxide", "1.5", "cp39-abi3-musllinux_1_2_x86_64")
    fault = refusal(make, "oxide")
    assert str(fault) == (
        "oxide 2.0 was not compiled: it is written in Rust, and takes cargo and rustc to compile, "
        "which bivy does not have yet"
    )
    assert fault.hint == "oxide==1.5 has a wheel for musl"
    assert left_over(cache) == []


@pytest.mark.usefixtures("shelf")
def test_a_requirement_that_no_index_has_is_named(make: Compile) -> None:
    assert "nowhere: No index has a distribution of this name" in str(refusal(make, "nowhere"))


def test_an_archive_with_another_digest_than_the_index_says_is_refused(make: Compile, shelf: Shelf) -> None:
    shelf.sdist("demo", "1.0", {"setup.py": ""})
    (file,) = shelf.projects["demo"]
    shelf.bodies[f"/files/{file.name}"] = ("application/octet-stream", file.content + b"more")
    assert "demo" in str(refusal(make, "demo"))


def test_an_image_for_another_machine_is_refused_with_what_would_help(cache: Path, tmp_path: Path) -> None:
    foreign = make_image(ImageConfig("s390x"), [])
    with pytest.raises(BivyError, match="does not run on this machine") as raised:
        build_wheels(
            [str(write_sdist(tmp_path, {}))], target=TARGET, base=foreign, cache=cache, progress=Silent(),
            settings=Settings(),
        )  # fmt: skip
    assert raised.value.hint
    assert "qemu-s390x" in raised.value.hint


def test_another_python_than_the_images_is_refused(base: Image, cache: Path, tmp_path: Path) -> None:
    other = replace(TARGET, python="3.12")
    with pytest.raises(BivyError, match=r"the base image has Python 3\.14"):
        build_wheels([str(write_sdist(tmp_path, {}))], target=other, base=base, cache=cache, progress=Silent())


def test_the_command_prints_what_it_made(dist: Path, cache: Path, tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path, {"demo.c": module()})
    command = [sys.executable, "-m", "bivy", "wheel", str(sdist), "--layout", str(dist), "-o", str(tmp_path / "out")]
    variables = {**os.environ, "BIVY_CACHE": str(cache)}
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert told["wheel"] == str(tmp_path / "out" / "demo-1.0-cp314-cp314-musllinux_1_2_x86_64.whl")
    assert "compile demo 1.0: done" in done.stderr
    again = subprocess.run(command, capture_output=True, text=True, env=variables)
    assert "was compiled before" in again.stdout


def test_a_wheel_in_the_cache_counts_as_built_for_bivy_check(
    make: Compile, tmp_path: Path, shelf: Shelf, cache: Path
) -> None:
    sdist = write_sdist(tmp_path, {"demo.c": module()})
    shelf.projects["demo"] = [Shelved(sdist.name, sdist.read_bytes())]
    make("demo")
    command = [sys.executable, "-m", "bivy", "check", "demo", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "BIVY_CACHE": str(cache)})
    (found,) = json.loads(done.stdout)["distributions"]
    assert found["verdict"] == "built"
    assert make("demo").state is State.KEPT


def test_a_base_image_that_is_named_and_not_there_is_a_wrong_question(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bivy", "wheel", "demo", "--base", "mine:1", "--layout", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "is not an OCI layout" in done.stderr


def test_the_usual_base_image_is_made_where_it_is_not_there_yet(tmp_path: Path) -> None:
    layout = tmp_path / "none"
    command = [sys.executable, "-m", "bivy", "wheel", "--offline", "demo", "--layout", str(layout)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "it is built first" in done.stderr
    assert find_image(layout, NAME, build_machine().platform)
