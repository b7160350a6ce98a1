"""Build CPython with counters, run the training programs, and merge what they counted into the recipe's profile."""

from __future__ import annotations

import datetime as dt
import json
import lzma
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.pythons.archive import closure, debian_name, fetch_index, unpack_packages
from bench.pythons.debian import SCRIPTS_ONLY, SUITE
from bivy.apk.package import extract, read_package
from bivy.arch import build_machine
from bivy.build.builder import build
from bivy.build.graph import Recipes, plan
from bivy.build.profile import origin_path, profile_path, trained_on
from bivy.build.recipe import Recipe
from bivy.errors import BivyError
from bivy.files import copy_folder, remove_folder, scratch_folder, sha256_of, write_whole
from bivy.oci.open import opened
from bivy.progress import under_way
from bivy.run.unpacked import in_use
from bivy.sandbox import Bind, Sandbox, find_bubblewrap, sandbox_hint
from bivy.source.fetch import fetch
from bivy.source.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bivy.arch import Arch
    from bivy.progress import Progress
    from bivy.source.places import Mirrors

PROGRAMS: Final = Path(__file__).parent / "programs"
LLVM: Final = "22"
"""The series of LLVM whose profiles the compiler reads: ziglang 0.17's clang is of it."""

_WANTED: Final = (f"llvm-{LLVM}", f"libclang-rt-{LLVM}-dev")
_PATIENCE: Final = 1800
_PRECISION: Final = 8
"""The least weight of a program; weights are whole numbers."""
# Debian builds the runtime for glibc with checks that musl has not (_FORTIFY_SOURCE).
_SHIM: Final = """\
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#define HERE __attribute__((visibility("hidden")))

HERE int __vfprintf_chk(FILE *file, int flag, const char *form, va_list words) { return vfprintf(file, form, words); }
HERE int __vsnprintf_chk(char *text, size_t most, int flag, size_t size, const char *form, va_list words)
{
    return vsnprintf(text, most, form, words);
}
HERE int __open_2(const char *path, int flags) { return open(path, flags); }
"""


def train(
    recipe: Recipe, *, layout: Path, cache: Path, jobs: int, mirrors: Mirrors, progress: Progress
) -> Path:  # fmt: skip
    """Train the profile of one version of Python and keep it beside the recipe.

    Args:
        recipe: The recipe, of that version.
        layout: The OCI layout that has the version's image: the training runs among its files.
        cache: bivy's cache folder.
        jobs: How many processes build at once.
        mirrors: The user's mirrors.
        progress: Who watches.

    Returns:
        The profile.

    Raises:
        BivyError: Something cannot be had, does not build or does not run.
    """
    arch = build_machine()
    built_of = trained_on(recipe)  # now: somebody may go on working on the recipe
    series = ".".join(recipe.data.version.split(".")[:2])
    index = fetch_index(SUITE, debian_name(arch), mirrors=mirrors, progress=progress)
    packages = closure(index, _WANTED, without=SCRIPTS_ONLY)
    with (
        opened(f"python:{series}-alpine", layout=layout, platform=arch.platform, cache=cache) as image,
        in_use(image, cache) as base,
        scratch_folder(cache / "bench", "training-") as scratch,
    ):
        llvm, root = scratch / "llvm", scratch / "root"
        unpack_packages(packages, llvm, cache=cache, mirrors=mirrors, progress=progress)
        copy_folder(base, root)
        remove_folder(root / "usr/local")
        for path in _instrumented(recipe, scratch, llvm, arch, cache, jobs, mirrors, progress):
            extract(read_package(path), root)
        pin = recipe.pins[0]
        source = scratch / "source"
        unpack(fetch([pin], cache=cache, mirrors=mirrors, progress=progress)[pin], source)
        copy_folder(source / "Lib/test", root / f"usr/local/lib/python{series}/test")
        counted = scratch / "counted"
        counted.mkdir()
        for words in trainings():
            own = counted / words[-1]
            own.mkdir()
            with under_way(progress, f"train with {words[-1]}"):
                _run(root, own, words)
        merged, functions = _merge(llvm, counted, scratch)
    write_whole(profile_path(recipe), lzma.compress(merged, preset=9 | lzma.PRESET_EXTREME))
    said = {
        "of": built_of,
        "on": dt.datetime.now(dt.UTC).date().isoformat(),
        "by": {path.name: sha256_of(path) for path in sorted(PROGRAMS.glob("*.py"))},
        "with": {package.name: package.version for package in packages if package.name in _WANTED},
        "functions": functions,
    }
    write_whole(origin_path(recipe), json.dumps(said, indent=1).encode() + b"\n")
    return profile_path(recipe)


def _instrumented(
    recipe: Recipe, scratch: Path, llvm: Path, arch: Arch, cache: Path, jobs: int, mirrors: Mirrors, progress: Progress
) -> Sequence[Path]:  # fmt: skip
    """Build the recipe's packages with counters in them, from a copy of the recipes."""
    recipes = scratch / "recipes"
    copy_folder(recipe.folder.parent, recipes)
    own = recipes / recipe.name
    # It has no part in this build, and without it other training needs no other build.
    profile_path(Recipe(recipe.data, own)).unlink(missing_ok=True)
    origin_path(Recipe(recipe.data, own)).unlink(missing_ok=True)
    runtime = llvm / f"usr/lib/llvm-{LLVM}/lib/clang/{LLVM}/lib/linux/libclang_rt.profile-{arch.machine}.a"
    if not runtime.is_file():
        raise BivyError(f"Debian's libclang-rt-{LLVM}-dev has no {runtime.name}")
    shutil.copyfile(runtime, own / "profile-runtime.a")
    (own / "profile-shim.c").write_text(_SHIM)
    nodes = plan([recipe.name], arch, Recipes(recipes), {recipe.name: recipe.data.version})
    found = build(nodes, cache=cache, jobs=jobs, mirrors=mirrors, progress=progress)
    return [path for paths in found.values() for path in paths if path.name.startswith(f"{recipe.name}-")]


def trainings() -> list[list[str]]:
    """Return what is run: each program, and the tests that CPython itself trains with."""
    names = sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem != "run")
    return [
        *(["/training/run.py", name] for name in names),
        ["-m", "test", "--timeout", "300", "--pgo"],
    ]


def _run(root: Path, counted: Path, words: Sequence[str]) -> None:
    program = find_bubblewrap()
    if program is None:
        raise BivyError("bubblewrap is not installed", hint=sandbox_hint())
    sandbox = Sandbox(
        [Bind(root, "/", writable=True), Bind(PROGRAMS, "/training"), Bind(counted, "/counted", writable=True)],
        environment={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LLVM_PROFILE_FILE": "/counted/%m.profraw",
            "HOME": "/tmp",
        },
    )
    try:
        done = subprocess.run(
            sandbox.command(program, ["/usr/local/bin/python3", *words]), stdin=subprocess.DEVNULL, timeout=_PATIENCE,
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BivyError(f"{words[-1]} was still running after {_PATIENCE // 60} minutes") from None
    # Of CPython's tests some fail where there is no network; what they ran is counted all the same.
    if done.returncode and words[0] != "-m":
        raise BivyError(f"{words[-1]} ended with {done.returncode}: {(done.stderr or done.stdout)[-1000:]}")


def _merge(llvm: Path, counted: Path, scratch: Path) -> tuple[bytes, int]:
    """Merge all counts into one profile, in which programs are equals, and tell how many functions it has."""
    totals = {}
    for folder in sorted(counted.iterdir()):
        counts = sorted(folder.glob("*.profraw"))
        if not counts:
            raise BivyError(f"nothing was counted in {folder.name}", hint="was Python built with what counts in it?")
        own = scratch / f"{folder.name}.profdata"
        _profdata(llvm, "merge", "-o", own, *counts)
        totals[own] = _number("Total count", _profdata(llvm, "show", "--detailed-summary", own))
    # Else what is called hot is what the longest program does: it alone would be optimised for.
    largest = max(totals.values())
    weights = {own: round(_PRECISION * largest / total) for own, total in totals.items()}
    merged = scratch / "merged"
    # Not sparse: that a function never ran is worth knowing, it is compiled for size.
    _profdata(llvm, "merge", "-o", merged, *(f"--weighted-input={weight},{own}" for own, weight in weights.items()))
    return merged.read_bytes(), _number("Total functions", _profdata(llvm, "show", merged))


def _number(name: str, text: str) -> int:
    """Return a number that llvm-profdata shows."""
    found = re.search(rf"^{name}: ([0-9]+)$", text, re.MULTILINE)
    if found is None:
        raise BivyError(f'llvm-profdata does not say "{name}"')
    return int(found[1])


def _profdata(llvm: Path, *words: str | Path) -> str:
    """Run llvm-profdata with Debian's own loader and libraries, which may be newer than this machine's."""
    libraries = next((llvm / "usr/lib").glob("*-linux-gnu"))
    loader = next(libraries.glob("ld-linux*"))
    program = llvm / f"usr/lib/llvm-{LLVM}/bin/llvm-profdata"
    done = subprocess.run(
        [loader, "--library-path", f"{libraries}:{llvm}/usr/lib/llvm-{LLVM}/lib", program, *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BivyError(f"llvm-profdata {words[0]} ended with {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout
