"""Debian's Python in a folder: the side on glibc, built by Debian with profile-guided and link-time optimisation."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Final

from bench.pythons.archive import FIRST, closure, debian_name, fetch_index, unpack_packages
from bivy.arch import build_machine
from bivy.errors import BivyError, UsageError
from bivy.files import scratch_folder, write_whole
from bivy.progress import under_way
from bivy.sandbox import Bind, Sandbox, find_bubblewrap, sandbox_hint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bench.pythons.archive import DebianPackage
    from bivy.progress import Progress
    from bivy.source.places import Mirrors

MANIFEST: Final = "debian-packages.json"
"""What was unpacked, in the folder that it was unpacked into."""
SUITE: Final = "sid"
"""Debian's newest, where Python 3.14 is."""
SCRIPTS_ONLY: Final = ("debconf", "dpkg", "install-info", "perl", "perl-base", "binfmt-support")
"""What packages need when they are installed, and what is in them does not."""

# A shell and its tools, since programs start commands; names of services and protocols.
_BESIDE: Final = (FIRST, "dash", "coreutils", "libc-bin", "netbase")
_FILES: Final = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
}
_FOLDERS: Final = ("dev", "proc", "tmp", "root")
_PATIENCE: Final = 900


def make_debian(
    folder: Path, *, cache: Path, mirrors: Mirrors, progress: Progress, suite: str = SUITE, series: str = "3.14",
    archives: tuple[str, ...] | None = None,
) -> None:  # fmt: skip
    """Unpack Debian's Python with what it needs into a new folder, and compile its library as Debian's scripts do.

    Args:
        folder: The folder; nothing is there when something fails.
        cache: bivy's cache folder.
        mirrors: The user's mirrors of Debian.
        progress: Who watches.
        suite: The suite's name.
        series: Python's version without its last number.
        archives: The roots of archives; ``None`` for those that this machine's apt is configured for.

    Raises:
        UsageError: The folder is there already.
        BivyError: A package cannot be had or is damaged, or this Python does not run here.
    """
    refuse_existing(folder)
    arch = debian_name(build_machine())
    index = fetch_index(suite, arch, mirrors=mirrors, progress=progress, archives=archives)
    python = f"python{series}"
    if python not in index:
        raise UsageError(f"Debian's {suite} has no package {python}", hint="--suite names another")
    packages = closure(index, [*_BESIDE, python], without=SCRIPTS_ONLY)
    with scratch_folder(folder.absolute().parent, f".{folder.name}.") as scratch:
        root = scratch / "root"
        unpack_packages(packages, root, cache=cache, mirrors=mirrors, progress=progress, archives=archives)
        complete(root, _FILES, _FOLDERS)
        with under_way(progress, "compile the standard library"):
            compile_library(root, f"/usr/bin/{python}", f"/usr/lib/{python}")
        write_manifest(root, packages)
        root.rename(folder)


def refuse_existing(folder: Path) -> None:
    """Refuse a folder that is there.

    Raises:
        UsageError: It is there.
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="remove it first, or name another folder")


def complete(root: Path, files: Mapping[str, str], folders: Iterable[str]) -> None:
    """Add files and folders that scripts of packages would have made; what is there stays."""
    for name in folders:
        (root / name).mkdir(exist_ok=True, parents=True)
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(exist_ok=True, parents=True)
        if not place.exists():
            place.write_text(text)


def compile_library(root: Path, python: str, library: str) -> None:
    """Write the bytecode of a standard library, with its own Python.

    Raises:
        BivyError: It does not run here.
    """
    bubblewrap = find_bubblewrap()
    if bubblewrap is None:
        raise BivyError("bubblewrap is not installed", hint=sandbox_hint())
    sandbox = Sandbox([Bind(root, "/", writable=True)], environment={"PATH": "/usr/bin"})
    words = [python, "-I", "-S", "-m", "compileall", "-q", library]
    done = subprocess.run(
        sandbox.command(bubblewrap, words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=_PATIENCE, check=False,
    )  # fmt: skip
    if not any((root / library.lstrip("/") / "__pycache__").glob("*.pyc")):
        said = done.stderr.strip() or done.stdout.strip()
        raise BivyError(f"{python} in {root} does not compile its library: {said[-1000:]}")


def write_manifest(root: Path, packages: Iterable[DebianPackage]) -> None:
    """Write down what was unpacked: names, versions, and the files that they came from with their digests."""
    said = {
        package.name: {"version": package.version, "path": package.path, "sha256": package.sha256}
        for package in packages
    }
    write_whole(root / MANIFEST, json.dumps(said, indent=1).encode() + b"\n")


def read_manifest(root: Path) -> dict[str, str]:
    """Return the versions of the packages that a folder was made of, by name; none where it does not say."""
    try:
        return {name: str(said["version"]) for name, said in json.loads((root / MANIFEST).read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as fault:
        raise BivyError(f"{root / MANIFEST} cannot be read: {fault!r}", hint="make the folder anew") from fault
