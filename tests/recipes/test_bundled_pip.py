"""The bundled pip as it comes out of the wheel, with what an installer adds."""

import base64
import csv
import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from bivy.apk.entry import Kind
from bivy.build.recipe import RECIPES
from bivy.build.split import read_installed

SCRIPT = RECIPES / "python" / "bundled_pip.py"
RECORD = """\
pip/__init__.py,sha256=x,12
pip/_vendor/certifi/cacert.pem,sha256=z,3
pip/_vendor/t64.exe,sha256=y,2
pip-26.2.dist-info/RECORD,,
"""
CERTIFICATES = Path("pip/_vendor/certifi/cacert.pem")


def install(destination: Path) -> Path:
    """Install a small wheel that is called pip; return Python's site-packages."""
    bundled = destination / "usr/local/lib/python3.14/ensurepip/_bundled"
    bundled.mkdir(parents=True)
    with zipfile.ZipFile(bundled / "pip-26.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pip/__init__.py", "answer = 42\n")
        wheel.writestr(str(CERTIFICATES), "PEM")
        wheel.writestr("pip/_vendor/t64.exe", "MZ")
        wheel.writestr("pip-26.2.dist-info/METADATA", "Name: pip\n")
        wheel.writestr("pip-26.2.dist-info/licenses/LICENSE.txt", "MIT\n")
        wheel.writestr("pip-26.2.dist-info/RECORD", RECORD)
    (bundled.parent / "__init__.py").touch()
    subprocess.run([sys.executable, "-I", "-B", SCRIPT, destination, "/usr/local", "3.14"], check=True)
    return bundled.parents[1] / "site-packages"


def packing(site: Path) -> ModuleType:
    """Import what the image's `ensurepip` has to pack a wheel."""
    spec = importlib.util.spec_from_file_location("unpacked", site.parent / "ensurepip/_unpacked.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def members(site: Path) -> dict[str, bytes]:
    """Return what the wheel that `ensurepip` packs has in it."""
    with packing(site).packed("26.2") as path, zipfile.ZipFile(path) as wheel:
        assert path.name == "pip-26.2-py3-none-any.whl"
        return {name: wheel.read(name) for name in wheel.namelist()}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return install(tmp_path)


def test_the_package_and_its_metadata_are_unpacked(site: Path) -> None:
    assert (site / "pip/__init__.py").read_text() == "answer = 42\n"
    assert (site / "pip-26.2.dist-info/INSTALLER").read_text() == "pip\n"
    assert (site / "pip-26.2.dist-info/REQUESTED").read_bytes() == b""


def test_pip_has_the_certificates_of_the_system(site: Path) -> None:
    assert (site / CERTIFICATES).readlink() == Path("/etc/ssl/certs/ca-certificates.crt")
    with (site / "pip-26.2.dist-info/RECORD").open(newline="") as file:
        assert [str(CERTIFICATES), "", ""] in list(csv.reader(file))


def test_a_virtual_environments_pip_has_the_certificates_that_the_system_has_then(tmp_path: Path) -> None:
    site = install(tmp_path)
    ours = site.parent / "unpacked-wheels/pip-26.2" / CERTIFICATES
    assert ours.readlink() == Path("/etc/ssl/certs/ca-certificates.crt")
    ours.unlink()
    (tmp_path / "bundle.crt").write_text("the system's")
    ours.symlink_to(tmp_path / "bundle.crt")
    assert members(site)[str(CERTIFICATES)] == b"the system's"


@pytest.mark.parametrize("name", ["pip3", "pip3.14"])
def test_scripts_run_the_python_they_are_installed_for(site: Path, name: str) -> None:
    script = site.parents[2] / "bin" / name
    assert script.read_text().startswith("#!/usr/local/bin/python3.14\n")
    assert script.stat().st_mode & 0o777 == 0o755


def test_every_file_that_was_added_is_recorded_with_its_digest(site: Path) -> None:
    with (site / "pip-26.2.dist-info/RECORD").open(newline="") as file:
        recorded = {name: (digest, size) for name, digest, size in csv.reader(file)}
    for name in ("pip-26.2.dist-info/INSTALLER", "../../../bin/pip3", "../../../bin/pip3.14"):
        content = (site / name).read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert recorded[name] == (f"sha256={digest}", str(len(content)))
    assert recorded["pip-26.2.dist-info/RECORD"] == ("", "")
    assert recorded["pip/__init__.py"] == ("sha256=x", "12")


def test_no_bytecode_is_left(site: Path) -> None:
    assert not list(site.rglob("*.pyc"))


def test_programs_for_windows_are_left_out_and_no_longer_recorded(site: Path) -> None:
    assert not list(site.parent.rglob("*.exe"))
    assert ".exe" not in (site / "pip-26.2.dist-info/RECORD").read_text()


def test_the_wheel_is_gone_and_its_files_are_other_names_of_the_installed_ones(site: Path) -> None:
    assert not list(site.parent.rglob("*.whl"))
    spare = site.parent / "unpacked-wheels/pip-26.2"
    assert (spare / "pip/__init__.py").samefile(site / "pip/__init__.py")
    assert (spare / "metadata/METADATA").samefile(site / "pip-26.2.dist-info/METADATA")


def test_in_a_package_the_content_is_where_pip_is_installed(site: Path, tmp_path: Path) -> None:
    entries = read_installed(tmp_path, {}, epoch=0)
    folder = site.parent.relative_to(tmp_path).as_posix()
    installed = entries[f"{folder}/site-packages/pip/__init__.py"]
    spare = entries[f"{folder}/unpacked-wheels/pip-26.2/pip/__init__.py"]
    assert (installed.kind, spare.kind, spare.target) == (Kind.FILE, Kind.HARDLINK, installed.path)


def test_the_wheel_is_packed_again_with_a_record_of_its_own(site: Path) -> None:
    found = members(site)
    information = "pip-26.2.dist-info"
    assert set(found) - {str(CERTIFICATES)} == {
        "pip/__init__.py", f"{information}/METADATA", f"{information}/licenses/LICENSE.txt", f"{information}/RECORD",
    }  # fmt: skip
    assert found["pip/__init__.py"] == b"answer = 42\n"
    rows = {name: digest for name, digest, _ in csv.reader(found[f"{information}/RECORD"].decode().splitlines())}
    assert set(rows) == set(found)
    for name in set(found) - {f"{information}/RECORD"}:
        digest = base64.urlsafe_b64encode(hashlib.sha256(found[name]).digest()).rstrip(b"=").decode()
        assert rows[name] == f"sha256={digest}"


def test_the_wheel_is_the_same_when_the_installed_pip_is_removed_or_replaced(site: Path) -> None:
    before = members(site)
    (site / "pip/__init__.py").unlink()
    (site / "pip-26.2.dist-info/METADATA").unlink()
    (site / "pip/__init__.py").write_text("answer = 43\n")
    assert members(site) == before


def test_bytecode_beside_the_spare_files_does_not_get_into_the_wheel(site: Path) -> None:
    before = members(site)
    cache = site.parent / "unpacked-wheels/pip-26.2/pip/__pycache__"
    cache.mkdir()
    (cache / "__init__.cpython-314.pyc").write_bytes(b"x")
    assert members(site) == before


def test_who_removed_the_spare_files_is_told_what_to_do(site: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match=r"pip 9.9 that this Python brings .* --without-pip"),
        packing(site).packed("9.9"),
    ):
        pass
