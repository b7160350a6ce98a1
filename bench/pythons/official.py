"""Python built as the official image on Alpine builds it, in a folder: the other side on musl.

The recipe is that of docker-library/python for Alpine, on x86_64 and aarch64: configured with link-time and without
profile-guided optimisation, threads of 1 MiB, frame pointers, everything stripped. GCC is of the series that Alpine
3.23 and 3.24 have, from Debian's packages, and so is musl, as upstream has it. The other libraries, and all that is in
the root beside /usr/local, are bivy's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from bench.pythons.archive import FIRST, closure, debian_name, fetch_index, unpack_packages
from bench.pythons.debian import SCRIPTS_ONLY, SUITE, complete, refuse_existing, write_manifest
from bivy.apk.package import extract, read_package
from bivy.arch import build_machine
from bivy.build.graph import Recipes, plan
from bivy.build.store import Store
from bivy.errors import BivyError, UsageError
from bivy.files import copy_folder, remove_folder, scratch_folder
from bivy.oci.open import opened
from bivy.progress import under_way
from bivy.run.unpacked import in_use
from bivy.sandbox import Bind, Sandbox, find_bubblewrap, sandbox_hint
from bivy.source.fetch import fetch
from bivy.source.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bivy.arch import Arch
    from bivy.build.recipe import Recipe
    from bivy.progress import Progress
    from bivy.source.places import Mirrors

COMPILER: Final = "gcc-15"
CONFIGURE: Final = ("--enable-loadable-sqlite-extensions", "--enable-option-checking=fatal", "--enable-shared",
                    "--with-lto", "--with-ensurepip")  # fmt: skip
FLAGS: Final = "-DTHREAD_STACK_SIZE=0x100000 -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer"
LINKER: Final = "-Wl,--strip-all"

_TOOLS: Final = (FIRST, "dash", "coreutils", "sed", "grep", "gawk", "findutils", "diffutils", "make", "pkgconf",
                 "libc-bin", "musl", "musl-dev", "musl-tools", "linux-libc-dev", COMPILER)  # fmt: skip
# The compiler that musl's packages ask for is Debian's newest.
_WITHOUT: Final = (*SCRIPTS_ONLY, "gcc", "gcc-x86-64-linux-gnu", "gcc-aarch64-linux-gnu")
_LIBRARIES: Final = "/musl"
_SOURCE: Final = "/usr/src/python"
_ARCHES: Final = ("x86_64", "aarch64")
# Alpine's compiler has no folders for several architectures; Debian's would name glibc's.
_WRAPPER: Final = """\
#!/bin/sh
[ "$*" != --print-multiarch ] || exit 0
exec {compiler} "$@" -specs /usr/lib/{multiarch}/musl-gcc.specs
"""
_UNWANTED: Final = ("test", "tests", "idle_test", "__pycache__")


def make_official(
    folder: Path, reference: str, *, layout: Path, cache: Path, mirrors: Mirrors, progress: Progress,
    suite: str = SUITE, series: str = "3.14", jobs: int = 2,
) -> None:  # fmt: skip
    """Build Python by the official recipe and put it into a copy of an image's files, in a new folder.

    Args:
        folder: The folder; nothing is there when something fails.
        reference: The image, of bivy's.
        layout: The OCI layout that plain names of images are in.
        cache: bivy's cache folder, which has the packages that the image was built of.
        mirrors: The user's mirrors.
        progress: Who watches.
        suite: Debian's suite whose packages are taken.
        series: Python's version, or the beginning of one that bivy has a recipe for.
        jobs: How many compilers run at once.

    Raises:
        UsageError: The folder is there already, or there is no recipe for this machine or version.
        BivyError: Something cannot be had, or the build fails.
    """
    refuse_existing(folder)
    arch = build_machine()
    if arch.name not in _ARCHES:
        raise UsageError(f"the official recipe is not written down here for {arch.name}")
    recipes = Recipes()
    recipe = recipes.find("python", series)
    libraries = _development_packages(recipe, arch, recipes, cache)
    index = fetch_index(suite, debian_name(arch), mirrors=mirrors, progress=progress)
    packages = closure(index, _TOOLS, without=_WITHOUT)
    with (
        opened(reference, layout=layout, platform=arch.platform, cache=cache) as image,
        in_use(image, cache) as base,
        scratch_folder(folder.absolute().parent, f".{folder.name}.") as scratch,
    ):
        tools = scratch / "tools"
        unpack_packages(packages, tools, cache=cache, mirrors=mirrors, progress=progress)
        _furnish(tools, libraries, arch)
        pin = recipe.pins[0]
        unpack(fetch([pin], cache=cache, mirrors=mirrors, progress=progress)[pin], tools / _SOURCE.lstrip("/"))
        _build(tools, arch, jobs, cache, progress)
        root = scratch / "root"
        assemble(base, tools, root, arch)
        write_manifest(root, [package for package in packages if package.name in (COMPILER, "musl", "binutils")])
        root.rename(folder)


def _development_packages(recipe: Recipe, arch: Arch, recipes: Recipes, cache: Path) -> list[Path]:
    """Return the package files of the libraries that Python is built with."""
    store = Store(cache / "packages")
    found: list[Path] = []
    for node in plan(recipe.data.makedepends, arch, recipes):
        if node.recipe.data.machine != "target" or node.recipe.name in ("musl", "python"):
            continue
        paths = store.find(node.key)
        if paths is None:
            raise BivyError(
                f"{node.label}, which Python is built with, is not in the cache",
                hint="bivy build makes it, with all the rest of the image",
            )
        found += paths
    return found


def _furnish(tools: Path, libraries: Sequence[Path], arch: Arch) -> None:
    """Give a root with Debian's tools the libraries, a compiler for musl, and what scripts of packages would make."""
    own = tools / _LIBRARIES.lstrip("/")
    for path in libraries:
        extract(read_package(path), own)
    multiarch = f"{arch.machine}-linux-gnu"
    include = own / "usr/include"
    for name, target in (
        ("linux", "/usr/include/linux"), ("asm-generic", "/usr/include/asm-generic"),
        ("asm", f"/usr/include/{multiarch}/asm"),
    ):  # fmt: skip
        (include / name).symlink_to(target)
    complete(
        tools,
        {
            "usr/local/bin/gcc": _WRAPPER.format(compiler=COMPILER, multiarch=arch.multiarch),
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        },
        ("dev", "proc", "tmp", "root"),
    )
    (tools / "usr/local/bin/gcc").chmod(0o755)
    # Where musl's loader looks for libraries (ldso/dynlink.c); Debian's musl says it otherwise.
    (tools / f"etc/ld-musl-{arch.name}.path").write_text(f"{_LIBRARIES}/usr/lib\n")
    for name, target in (("usr/bin/awk", "gawk"), ("usr/local/bin/cc", "gcc")):
        with contextlib.suppress(FileExistsError):
            (tools / name).symlink_to(target)


def _build(tools: Path, arch: Arch, jobs: int, cache: Path, progress: Progress) -> None:
    log = cache / "logs" / "official-python.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LC_ALL": "C", "TZ": "UTC",
        "CPPFLAGS": f"-I{_LIBRARIES}/usr/include",
        "PKG_CONFIG_LIBDIR": f"{_LIBRARIES}/usr/lib/pkgconfig", "PKG_CONFIG_SYSROOT_DIR": _LIBRARIES,
    }  # fmt: skip
    search = f"-L{_LIBRARIES}/usr/lib -Wl,-rpath-link={_LIBRARIES}/usr/lib"
    make = ["make", f"-j{jobs}", f"EXTRA_CFLAGS={FLAGS}"]
    steps: list[tuple[str, list[str], dict[str, str]]] = [
        ("configure", ["./configure", f"--build={arch.gnu}", *CONFIGURE], {"LDFLAGS": search}),
        ("make", [*make, f"LDFLAGS={search} {LINKER}"], {}),
        # The program again, so that it finds its library beside it.
        ("link", ["sh", "-c", 'rm python && exec "$@"', "sh", *make,
                  f"LDFLAGS={search} {LINKER},-rpath='$$ORIGIN/../lib'", "python"], {}),
        ("install", ["make", "install", "DESTDIR=/out"], {}),
    ]  # fmt: skip
    with log.open("wb") as file:
        for name, words, own in steps:
            with under_way(progress, f"the official Python: {name}"):
                _step(tools, words, {**environment, **own}, file, f"{name} failed; the log is {log}")


def _step(tools: Path, words: Sequence[str], environment: Mapping[str, str], log: IO[bytes], message: str) -> None:
    bubblewrap = find_bubblewrap()
    if bubblewrap is None:
        raise BivyError("bubblewrap is not installed", hint=sandbox_hint())
    sandbox = Sandbox([Bind(tools, "/", writable=True)], environment=environment, directory=_SOURCE, uid=0, gid=0)
    done = subprocess.run(
        sandbox.command(bubblewrap, words), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        raise BivyError(f"building the official Python: {message}")


def assemble(base: Path, tools: Path, root: Path, arch: Arch) -> None:
    """Make a root of an image's files, with the Python that was built and Debian's musl instead of its own.

    Args:
        base: The image's files, which stay as they are.
        tools: The root that Python was built in; it was installed below ``/out``.
        root: The new root.
        arch: The machine's architecture.
    """
    copy_folder(base, root)
    remove_folder(root / "usr/local")
    shutil.copytree(tools / "out/usr/local", root / "usr/local", symlinks=True)
    local = root / "usr/local"
    for path, folders, _ in os.walk(local):
        for name in [each for each in folders if each in _UNWANTED]:
            shutil.rmtree(Path(path) / name)
            folders.remove(name)
    for archive in local.rglob("libpython*.a"):
        archive.unlink()
    for name in ("idle", "pip", "pydoc", "python", "python-config"):
        with contextlib.suppress(FileExistsError):
            (local / "bin" / name).symlink_to(name.replace("python", "python3") if "python" in name else f"{name}3")
    loader = root / "lib" / arch.loader
    loader.unlink()
    shutil.copy2((tools / "lib" / arch.loader).resolve(), loader)
