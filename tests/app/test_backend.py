"""A project whose own code has to be compiled is compiled for musl, once, and again when that code changes."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from bivy.app.contents import read_contents
from bivy.app.dependencies import Asking, pin_dependencies
from bivy.app.library import open_library
from bivy.app.package import project_wheel
from bivy.app.project import read_project
from bivy.errors import BivyError
from bivy.oci.image import Image
from bivy.progress import Silent
from tests.app.projects import write_files
from tests.integration.conftest import bivy, dist  # noqa: F401 - a fixture
from tests.musl.dependencies.conftest import shelf  # noqa: F401 - likewise
from tests.musl.dependencies.shelf import Shelf, Shelved
from tests.wheels.conftest import TARGET, base, cache  # noqa: F401 - likewise
from tests.wheels.making import module, write_sdist

pytestmark = pytest.mark.image


def project(folder: Path, source: str = "", name: str = "demo") -> Path:
    """Write a project with an extension module, and a backend of its own that needs no index."""
    from bivy.source.unpack import unpack

    sdist = write_sdist(folder.parent, {f"{name}.c": source or module(name)}, name=name,
                        others={"plain.py": "x = 1\n"})  # fmt: skip
    unpack(sdist, folder)
    (folder / "PKG-INFO").unlink()
    sdist.unlink()
    path = folder / "pyproject.toml"
    path.write_text(path.read_text() + f'[project]\nname = "{name}"\nversion = "1.0"\n')
    return folder


def made(folder: Path, asking: Asking) -> Path:
    found = open_library(folder)
    return project_wheel(found, read_contents(found, {}), TARGET, asking)


@pytest.fixture
def asking(base: Image, cache: Path) -> Asking:  # noqa: F811 - pytest's way
    return Asking(cache, Silent(), base=base)


def test_a_project_with_an_extension_module_becomes_a_wheel_for_musl(asking: Asking, tmp_path: Path) -> None:
    folder = project(tmp_path / "demo")
    before = sorted(folder.rglob("*"))
    wheel = made(folder, asking)
    assert wheel.name == f"demo-1.0-cp314-cp314-musllinux_1_2_{TARGET.arch.machine}.whl"
    assert sorted(folder.rglob("*")) == before
    assert not list((asking.cache / "wheels").glob("*.whl"))  # where its name would make it somebody else's


def test_it_is_compiled_again_when_anything_changes_that_may_matter(asking: Asking, tmp_path: Path) -> None:
    folder = project(tmp_path / "demo")
    first = made(folder, asking)
    stamp = first.stat().st_mtime_ns
    assert made(folder, asking).stat().st_mtime_ns == stamp
    path = folder / "demo.c"
    path.write_text(path.read_text().replace("42", "43"))
    second = made(folder, asking)
    assert second.stat().st_mtime_ns != stamp
    with zipfile.ZipFile(second) as archive:
        assert any(name.startswith("demo.cpython") for name in archive.namelist())


SETUPTOOLS = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "fast"
version = "1.0"
[tool.setuptools]
ext-modules = [{name = "fast._speed", sources = ["src/fast/_speed.c"]}]
"""


def test_modules_in_python_of_a_project_that_setuptools_compiles_are_changed_without_a_compiler(
    asking: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_files(
        tmp_path / "fast",
        {"pyproject.toml": SETUPTOOLS, "src/fast/__init__.py": "", "src/fast/plain.py": "x = 1\n",
         "src/fast/_speed.c": module("_speed")},
    )  # fmt: skip
    made(folder, asking)
    (folder / "src/fast/plain.py").write_text("x = 2\n")
    monkeypatch.setattr("bivy.app.package.make_wheel", None)
    with zipfile.ZipFile(made(folder, asking)) as archive:
        assert archive.read("fast/plain.py") == b"x = 2\n"
        assert any(name.startswith("fast/_speed.cpython") for name in archive.namelist())
    (folder / "src/fast/_speed.c").write_text(module("_speed", "PyLong_FromLong(1)"))
    with pytest.raises(TypeError):  # a compiler is asked for
        made(folder, asking)


def test_a_header_that_is_missing_is_named_with_what_to_write_into_the_table(asking: Asking, tmp_path: Path) -> None:
    folder = project(tmp_path / "demo", module(include="#include <libpq-fe.h>"))
    with pytest.raises(BivyError, match=r"the header libpq-fe\.h is missing, .* libpq-dev") as fault:
        made(folder, asking)
    assert 'build-packages = ["libpq-dev"]' in (fault.value.hint or "")
    assert not list((asking.cache / "apart").rglob("*.whl"))


def test_a_folder_and_an_archive_that_are_required_are_compiled_too(
    asking: Asking, tmp_path: Path, shelf: Shelf  # noqa: F811 - pytest's way
) -> None:  # fmt: skip
    project(tmp_path / "demo")
    write_sdist(tmp_path, {"more.c": module("more")}, name="more")
    place = tmp_path / "more-1.0.tar.gz"
    shelf.bodies["/files/more-1.0.tar.gz"] = ("application/gzip", place.read_bytes())
    address = shelf.address.replace("/simple", "/files/more-1.0.tar.gz")
    folder = write_files(tmp_path / "service", {"main.py": "", "requirements.txt": f"../demo\nmore @ {address}\n"})
    found = pin_dependencies(read_project(folder, {"entrypoint": ["python3", "main.py"]}), TARGET, asking)
    assert [each.file.split("-")[-1][:9] for each in found] == ["musllinux", "musllinux"]
    assert found[1].direct == address


def test_bivy_wheel_takes_a_folder_and_bivy_app_makes_an_image_of_it(
    dist: Path, tmp_path: Path  # noqa: F811 - pytest's way
) -> None:  # fmt: skip
    folder = project(tmp_path / "demo")
    (made_wheel,) = json.loads(bivy("wheel", str(folder), "--layout", str(dist), "-o", str(tmp_path), "--json").stdout)
    assert made_wheel["file"] == f"demo-1.0-cp314-cp314-musllinux_1_2_{TARGET.arch.machine}.whl"
    assert (tmp_path / made_wheel["file"]).is_file()
    words = [
        "--output",
        str(dist),
        "--name",
        "compiled:1",
        "--entrypoint",
        "python3 -c 'import demo; print(demo.answer())'",
    ]
    bivy("app", str(folder), *words)
    assert bivy("run", "--output", str(dist), "compiled:1").stdout.strip() == "42"
    refused = bivy("wheel", str(tmp_path / "nothing"), "--layout", str(dist), check=False)
    assert (refused.returncode, "there is no such file or folder" in refused.stderr) == (2, True)


def test_the_source_archive_that_is_compiled_is_the_locked_one(
    asking: Asking, tmp_path: Path, shelf: Shelf  # noqa: F811 - pytest's way
) -> None:  # fmt: skip
    content = write_sdist(tmp_path, {"more.c": module("more")}, name="more").read_bytes()
    shelf.projects["more"] = [Shelved("more-1.0.tar.gz", content)]
    lock = (
        'version = 1\nrequires-python = ">=3.11"\n[[package]]\nname = "more"\nversion = "1.0"\n'
        f'source = {{ registry = "{shelf.address}" }}\n'
        f'sdist = {{ url = "{shelf.address.replace("/simple", "/files/more-1.0.tar.gz")}", hash = "sha256:DIGEST" }}\n'
        '[[package]]\nname = "service"\nversion = "1"\nsource = { virtual = "." }\ndependencies = [{ name = "more" }]\n'
    )
    said = '[project]\nname = "service"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["more"]\n'
    folder = write_files(tmp_path / "service", {"main.py": "", "pyproject.toml": said})
    (folder / "uv.lock").write_text(lock.replace("DIGEST", "0" * 64))
    told = {"entrypoint": ["python3", "main.py"]}
    with pytest.raises(BivyError, match=r"more.*0000"):
        pin_dependencies(read_project(folder, told), TARGET, asking)
    (folder / "uv.lock").write_text(lock.replace("DIGEST", hashlib.sha256(content).hexdigest()))
    (found,) = pin_dependencies(read_project(folder, told), TARGET, asking)
    assert "musllinux" in found.file
