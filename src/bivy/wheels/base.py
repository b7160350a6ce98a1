"""The base image that wheels are for: its files, its Python, its packages, and the libraries that need no bundling."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bivy.alpine import INSTALLED
from bivy.apk.database import parse_installed
from bivy.elf import ElfError, is_elf, read_elf
from bivy.errors import BivyError
from bivy.run.container import opened_root
from bivy.run.inside import Inside, read_text
from bivy.sandbox import Bind, Overlay, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bivy.apk.database import InstalledPackage
    from bivy.elf import Elf
    from bivy.musl.target import Target
    from bivy.oci.image import Image

_LIBRARIES: Final = ("lib", "usr/lib", "usr/local/lib")
_PROBE: Final = """
import json, os, sys, sysconfig
print(json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "executable": sys.executable,
    "headers": os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")),
    "platform": sysconfig.get_platform(),
}))
"""
_PATIENCE: Final = 120


@dataclass(frozen=True, slots=True)
class Base:
    """A base image, unpacked, with a Python that has answered.

    Attributes:
        root: Its files.
        layered: Whether they can be laid under what a command writes; else they are this run's own.
        bubblewrap: The program that makes sandboxes.
        environment: The image's variables.
        python: Where its Python is inside.
        version: That Python's version, ``3.14.7``.
        headers: Whether its headers are there.
        libraries: Its shared libraries, by the name that they are asked for.
        installed: Its packages, as apk's database has them.
        own: Whether bivy made it of its own recipes.
    """

    root: Path
    layered: bool
    bubblewrap: Path
    environment: Mapping[str, str]
    python: str
    version: str
    headers: bool
    libraries: Mapping[str, Elf]
    installed: tuple[InstalledPackage, ...]
    own: bool = False

    def sandbox(
        self, *, upper: Path | None = None, binds: tuple[Bind, ...] = (),
        environment: Mapping[str, str] | None = None, directory: str = "/", network: bool = False,
    ) -> Sandbox:  # fmt: skip
        """Return a sandbox in the image's files.

        Args:
            upper: A folder of files that are laid over the image's.
            binds: What else is seen inside.
            environment: All variables there are; the image's own where nothing is said.
            directory: Where the command starts.
            network: Whether it has the machine's network.
        """
        sources = (self.root, upper) if upper else (self.root,)
        below = (Overlay(sources, "/"),) if self.layered else ()
        whole = () if self.layered else (Bind(self.root, "/", writable=True),)
        return Sandbox(
            overlays=below, binds=(*whole, *binds), empty=(), network=network, uid=1000, gid=1000,
            environment=self.environment if environment is None else environment, directory=directory,
        )  # fmt: skip


@contextlib.contextmanager
def opened_base(image: Image, target: Target, cache: Path) -> Iterator[Base]:
    """Unpack a base image and ask its Python what it is.

    Args:
        image: The image.
        target: What it is to be for.
        cache: bivy's cache folder.

    Raises:
        BivyError: No sandbox can be had here, the image is for another architecture or Python, or has none, or its
            programs do not run on this machine.
    """
    with opened_root(image, cache, "compiling") as opened:
        root, layered, bubblewrap = opened.folder, opened.layered, opened.bubblewrap
        environment = image.config.variables
        bare = Base(root, layered, bubblewrap, environment, "", "", False, {}, ())  # noqa: FBT003
        told = _ask_python(bare)
        if told["version"].rsplit(".", 1)[0] != target.python:
            raise BivyError(
                f"the base image has Python {told['version']}, and the wheel is to be for {target.python}",
                hint=f"name another image with --base, or --python {told['version'].rsplit('.', 1)[0]}",
            )
        yield Base(
            root, layered, bubblewrap, environment, told["executable"], told["version"], bool(told["headers"]),
            libraries_below(root), _installed(root),
            "ID=bivy" in read_text(Inside(root), "/etc/os-release").splitlines(),
        )  # fmt: skip


def _ask_python(base: Base) -> dict[str, str]:
    """Run the image's Python once.

    Raises:
        BivyError: There is none, or it does not answer.
    """
    command = base.sandbox().command(base.bubblewrap, ["python3", "-IS", "-c", _PROBE])
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
        answer: dict[str, str] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise BivyError("the base image's Python did not answer") from None
    except ValueError:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise BivyError(
            "the base image has no python3 that runs" + (f": {said[-1]}" if said else ""),
            hint="name an image of Python's with --base",
        ) from None
    return answer


def libraries_below(root: Path) -> dict[str, Elf]:
    """Return the libraries in the folders that musl's loader searches, by file name and by soname."""
    found: dict[str, Elf] = {}
    inside = Inside(root)
    for folder in _LIBRARIES:
        place = inside.outside(f"/{folder}")
        for path in sorted(place.glob("*.so*")) if place.is_dir() else ():
            library = inside.outside(f"/{folder}/{path.name}")
            if not library.is_file():
                continue
            content = library.read_bytes()
            try:
                elf = read_elf(content) if is_elf(content) else None
            except ElfError:
                continue
            if elf:
                found.setdefault(path.name, elf)
                found.setdefault(elf.soname or path.name, elf)
    return found


def _installed(root: Path) -> tuple[InstalledPackage, ...]:
    for path in INSTALLED:
        place = Inside(root).outside(f"/{path}")
        if place.is_file():
            return parse_installed(place.read_text("utf-8", "replace"), path)
    return ()
