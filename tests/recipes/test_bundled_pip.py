"""The bundled pip as it comes out of the wheel, with what an installer adds."""

import base64
import csv
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bivy.build.recipe import RECIPES

SCRIPT = RECIPES / "python" / "bundled_pip.py"


def install(destination: Path) -> Path:
    """Install a small wheel that is called pip; return Python's site-packages."""
    bundled = destination / "usr/local/lib/python3.14/ensurepip/_bundled"
    bundled.mkdir(parents=True)
    with zipfile.ZipFile(bundled / "pip-26.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pip/__init__.py", "answer = 42\n")
        wheel.writestr("pip-26.2.dist-info/METADATA", "Name: pip\n")
        wheel.writestr("pip-26.2.dist-info/RECORD", "pip/__init__.py,sha256=x,12\npip-26.2.dist-info/RECORD,,\n")
    subprocess.run([sys.executable, "-I", "-B", SCRIPT, destination, "/usr/local", "3.14"], check=True)
    return bundled.parents[1] / "site-packages"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return install(tmp_path)


def test_the_package_and_its_metadata_are_unpacked(site: Path) -> None:
    assert (site / "pip/__init__.py").read_text() == "answer = 42\n"
    assert (site / "pip-26.2.dist-info/INSTALLER").read_text() == "pip\n"
    assert (site / "pip-26.2.dist-info/REQUESTED").read_bytes() == b""


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
