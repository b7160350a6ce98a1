"""What the programs need, installed for the Python and the C library of a side, with bytecode, once."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.pythons.programs import FOLDER
from bench.pythons.sides import PROGRAMS, FailedError, run
from bivy.errors import BivyError
from bivy.files import locked, scratch_folder, sha256_of
from bivy.progress import under_way

if TYPE_CHECKING:
    from bench.pythons.record import Facts
    from bench.pythons.sides import Side
    from bivy.progress import Progress

LOCK: Final = Path(__file__).parent / "requirements.txt"
"""Every distribution, in one version for all sides, with the digests of its files."""
# The versions of glibc that uv knows the tags of.
_NEWEST_GLIBC: Final = 40
_PATIENCE: Final = 900


def lock_digest() -> str:
    """Return the digest of the file that says what the programs need."""
    return sha256_of(LOCK)


def programs_version() -> str:
    """Return the version of pyperformance that is measured."""
    found = re.search(r"^pyperformance==(\S+)", LOCK.read_text("utf-8"), re.MULTILINE)
    assert found
    return found[1]


def platform_of(facts: Facts) -> str:
    """Return what uv calls the platform of a side.

    Raises:
        BivyError: It has another C library than musl and glibc.
    """
    libc, _, version = facts.libc.partition(" ")
    if libc == "musl":
        return f"{facts.machine}-unknown-linux-musl"
    if libc == "glibc":
        minor = int(version.split(".")[1])
        known = [17, 28, *range(31, _NEWEST_GLIBC + 1)]
        return f"{facts.machine}-manylinux_2_{max((each for each in known if each <= minor), default=known[0])}"
    raise BivyError(f"the C library of {facts.name} is not known, so nothing can be installed for it")


def with_programs(side: Side, *, cache: Path, progress: Progress) -> Side:
    """Return a side with the programs and all that they need, installed the first time.

    Args:
        side: The side.
        cache: bivy's cache folder; the programs are kept in ``bench/programs`` below it.
        progress: Who watches.

    Raises:
        BivyError: Something cannot be installed.
    """
    platform = platform_of(side.facts)
    key = hashlib.sha256(f"{lock_digest()}\n{platform}\n{side.facts.version}".encode()).hexdigest()[:16]
    kept = cache / "bench" / "programs"
    folder = kept / f"{side.facts.version}-{platform}-{key}"
    with locked(kept / f"{folder.name}.lock"):
        if not folder.is_dir():
            task = f"install the programs for Python {side.facts.version} on {platform}"
            with under_way(progress, task), scratch_folder(kept, f".{folder.name}-") as scratch:
                _install(scratch / "programs", side.facts, platform)
                _compile(side, scratch)
                (scratch / "programs").rename(folder)
    return replace(side, programs=folder)


def _install(target: Path, facts: Facts, platform: str) -> None:
    from uv import find_uv_bin

    command = [
        find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", str(target),
        "--python", sys.executable, "--python-platform", platform, "--python-version", facts.version,
        # What is not pure Python is to come as a wheel: a compiler here would make it for this machine.
        "--only-binary", ":all:", "--no-binary", "pyaes", "-r", str(LOCK),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise BivyError(
            f"what the programs need cannot be installed for {facts.name}, {platform}:\n{done.stderr.strip()}",
            hint="is the package index reachable? UV_DEFAULT_INDEX names another",
        )
    # The program is in the wheel, and would install itself with pip.
    shutil.copytree(target / FOLDER / "bm_2to3/vendor/src/lib2to3", target / "lib2to3")


def _compile(side: Side, scratch: Path) -> None:
    """Write bytecode, as an image of ``bivy app`` has it: valid without a look at the text it was made of (PEP 552)."""
    words = ["-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", PROGRAMS]
    said = ""
    try:
        run(side, words, scratch=scratch, patience=_PATIENCE)
    except FailedError as fault:  # some files are templates, or meant not to compile: what is imported does
        said = str(fault)
    if not list((scratch / "programs" / "pyperf" / "__pycache__").glob("*.pyc")):
        raise BivyError(f"the programs cannot be compiled for {side.name}: {said}")
