"""What a build backend needs becomes a virtual environment of the base image's Python, made without running it."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bivy.wheels.base import Base

INSIDE: Final = "/bivy/env"
"""Where builds see it."""


def make_environment(folder: Path, base: Base) -> None:
    """Make an empty environment (PEP 405) in a new folder; it is good where it is seen as `INSIDE`."""
    minor = base.version.rsplit(".", 1)[0]
    (folder / "bin").mkdir(parents=True)
    packages_of(folder, base).mkdir(parents=True)
    for name in ("python", "python3", f"python{minor}"):
        (folder / "bin" / name).symlink_to(base.python)
    home = base.python.rpartition("/")[0]
    text = f"home = {home}\ninclude-system-site-packages = false\nversion = {base.version}\n"
    (folder / "pyvenv.cfg").write_text(text, "utf-8")


def packages_of(folder: Path, base: Base) -> Path:
    """Return where the packages of an environment are."""
    return folder / "lib" / f"python{base.version.rsplit('.', 1)[0]}" / "site-packages"


def install_wheels(wheels: Iterable[Path], folder: Path, base: Base) -> None:
    """Install wheels into an environment, by the specification (binary distribution format, PyPA specifications).

    Raises:
        BivyError: One of them is damaged.
    """
    from installer.destinations import SchemeDictionaryDestination

    packages = str(packages_of(folder, base))
    destination = SchemeDictionaryDestination(
        {
            "purelib": packages, "platlib": packages, "scripts": str(folder / "bin"), "data": str(folder),
            "headers": str(folder / "include"),
        },
        interpreter=f"{INSIDE}/bin/python",
        script_kind="posix",
        overwrite_existing=True,
    )  # fmt: skip
    for wheel in wheels:
        _install(wheel, destination)


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Install a wheel into a plain folder, as for a look at it: modules, scripts and data below it.

    Raises:
        BivyError: It is damaged.
    """
    from installer.destinations import SchemeDictionaryDestination

    packages = str(folder)
    destination = SchemeDictionaryDestination(
        {"purelib": packages, "platlib": packages, "scripts": f"{folder}/bin", "data": packages, "headers": packages},
        interpreter="/usr/bin/python3",
        script_kind="posix",
        overwrite_existing=True,
    )
    _install(wheel, destination)


def _install(wheel: Path, destination: object) -> None:
    from installer import install
    from installer.exceptions import InstallerError
    from installer.sources import WheelFile

    try:
        with zipfile.ZipFile(wheel) as archive:
            install(WheelFile(archive), destination, additional_metadata={})  # type: ignore[arg-type]
    except (OSError, zipfile.BadZipFile, InstallerError, ValueError, KeyError, UnicodeError) as fault:
        raise BivyError(f"{wheel.name} cannot be installed: {fault}") from fault
