"""Write the data files of this folder: ``python -m bivy.musl.binaries.generate``, in a checkout.

``musl.txt``: what musl exports. The recipe ``musl`` is built for every architecture, and for two of them, one of each
width, once more from the sources of older versions; all is taken from the cache, or from upstream or Debian's archive.
An hour on two cores the first time, some seconds once the packages are in the cache.

``glibc.txt``: what some version of glibc exports, from the list that the compiler (the wheel ``ziglang``) links by.

``image.txt``: the libraries of the base image, and what Python's own exports. ``--layout`` names the layout to read
``python:3.14-alpine`` from.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tarfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.apk.package import read_package
from bivy.arch import ARCHES, Arch, build_machine
from bivy.build.builder import build
from bivy.build.graph import Recipes, plan
from bivy.build.recipe import RECIPES
from bivy.elf import Elf, is_elf, read_elf
from bivy.errors import BivyError
from bivy.files import cache_folder, scratch_folder, write_whole
from bivy.musl.binaries.data import FOLDER, Section, format_sections, number
from bivy.oci.inspect import inspect
from bivy.oci.open import opened
from bivy.progress import Lines
from bivy.source.fetch import fetch
from bivy.source.places import mirrors_told

if TYPE_CHECKING:
    from collections.abc import Callable

    from bivy.build.graph import Node

# Released sources, as https://musl.libc.org/releases.html has them; those that Debian's archive has too.
OLDER = {
    "1.2.2": "9b969322012d796dc23dda27a35866034fa67d8fb67e0e2c45c913c3d43219dd",
    "1.2.3": "7d5b0b6062521e4627e099e4c9dc8248d32a30285e959b7eecaa780cf8cfd4a4",
    "1.2.5": "a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4",
}
# What came new came to all architectures; what depends on the width of a pointer, to those of one.
OLDER_ARCHES = {64: "x86_64", 32: "x86"}

IMAGE = "python:3.14-alpine"


def main() -> int:
    """Write the data files that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m bivy.musl.binaries.generate", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("what", nargs="*", default=["musl", "glibc", "image"], help="musl, glibc, image (default: all)")
    parser.add_argument("--layout", type=Path, default=Path("dist"), help="the layout that has the image")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write (default: beside this file)")
    told = parser.parse_args()
    makers: dict[str, Callable[[], str]] = {"musl": _musl, "glibc": _glibc, "image": lambda: _image(told.layout)}
    try:
        for what in told.what:
            if what not in makers:
                parser.error(f"{what!r} is none of {', '.join(makers)}")
            write_whole(told.folder / f"{what}.txt", makers[what]().encode())
    except BivyError as fault:
        sys.stderr.write(f"generate: {fault}\n" + (f"  {fault.hint}\n" if fault.hint else ""))
        return fault.exit_status
    return 0


def _musl() -> str:
    nodes = {arch: plan(["musl"], arch, Recipes(RECIPES))[-1] for arch in ARCHES.values()}
    version = next(iter(nodes.values())).recipe.data.version
    by_arch = {arch.name: _exported(_build(node)) for arch, node in nodes.items()}
    by_loader = _found_by_loader(next(iter(nodes.values())))
    since = _since(by_arch, by_loader, version)
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in sorted(set().union(*by_arch.values())):
        groups[tuple(arch for arch in ARCHES if name in by_arch[arch])].append(name)
    sections = [Section("versions", (*OLDER, version)), Section("loader", tuple(sorted(by_loader)))]
    sections += [
        Section(f"exported {' '.join(arches)}", tuple(names))
        for arches, names in sorted(groups.items(), key=lambda item: (-len(item[0]), item[0]))
    ]
    sections += [Section(f"since {heading}", tuple(names)) for heading, names in sorted(since.items())]
    return format_sections(
        f"What musl {version} exports as bivy builds it for each architecture; what its loader finds besides (the old\n"
        "names for large files); and which versions some names came with, read from builds of\n"
        f"{', '.join(OLDER)} for {' and '.join(OLDER_ARCHES.values())}, so that one may be a version older than said.\n"
        "Generated; do not edit: python -m bivy.musl.binaries.generate musl",
        sections,
    )


def _since(by_arch: dict[str, set[str]], by_loader: set[str], newest: str) -> dict[str, list[str]]:
    """Give the names that came with each version after the oldest one, by the version and the architectures."""
    before = {version: _older(version) for version in OLDER}
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for arch, exported in by_arch.items():
        alike = OLDER_ARCHES[ARCHES[arch].bits]
        for name in (exported | by_loader) & (by_arch[alike] | by_loader):
            lacking = [version for version in OLDER if name not in before[version][alike]]
            if lacking:
                first = next(version for version in (*OLDER, newest) if number(version) > number(lacking[-1]))
                found[name, first].append(arch)
    groups: dict[str, list[str]] = defaultdict(list)
    for (name, first), arches in sorted(found.items()):
        groups[" ".join([first, *arches])].append(name)
    return groups


def _older(version: str) -> dict[str, set[str]]:
    """Build an older version by today's recipe."""
    with scratch_folder(cache_folder() / "work", f"musl-{version}-") as scratch:
        folder = scratch / "musl"
        shutil.copytree(RECIPES / "musl", folder)
        recipe = folder / "recipe.toml"
        text = recipe.read_text()
        today = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
        if not today:
            raise BivyError(f"{recipe} names no version")
        text = text.replace(today[1], version)
        recipe.write_text(re.sub(r'sha256 = "\w+"', f'sha256 = "{OLDER[version]}"', text))
        found = {}
        for name in OLDER_ARCHES.values():
            node = plan(["musl"], ARCHES[name], Recipes(scratch))[-1]
            found[name] = _exported(_build(node)) | _found_by_loader(node)
        return found


def _build(node: Node) -> Elf:
    """Build musl, and return its loader, which is the library."""
    paths = build(
        [node], cache=cache_folder(), jobs=os.cpu_count() or 1, mirrors=mirrors_told([]), progress=Lines(sys.stderr)
    )
    for path in (path for paths_of in paths.values() for path in paths_of):
        for entry in read_package(path).entries:
            if re.fullmatch(r"lib/ld-musl-\w+\.so\.1", entry.path) and is_elf(entry.content):
                return read_elf(entry.content)
    raise BivyError(f"{node.label} has no loader in it")


def _exported(elf: Elf) -> set[str]:
    return {symbol.name for symbol in elf.exports}


def _found_by_loader(node: Node) -> set[str]:
    """Read from musl's source the names that its loader finds though it does not export them (get_lfs64)."""
    (source,) = fetch(
        node.recipe.pins, cache=cache_folder(), mirrors=mirrors_told([]), progress=Lines(sys.stderr)
    ).values()
    with tarfile.open(source) as archive:
        file = archive.extractfile(f"musl-{node.recipe.data.version}/ldso/dynlink.c")
        text = file.read().decode() if file else ""
    table = re.search(r"\blfs64_list\[\] =(.*?);", text, re.DOTALL)
    if not table:
        return set()
    names = "".join(re.findall(r'"(.*?)"', table[1])).split("\\0")
    return {f"{name}64" for name in names if name} | set(
        re.findall(r'strcmp\(name, "(\w+)"\)\)\s+return find_sym', text)
    )


def _glibc() -> str:
    import importlib.metadata

    import ziglang

    names = _read_abilists((Path(ziglang.__file__).parent / "lib/libc/glibc/abilists").read_bytes())
    return format_sections(
        "What some version of glibc exports on one of bivy's architectures, by library.\n"
        f"From the list that the compiler links by (ziglang {importlib.metadata.version('ziglang')},"
        " lib/libc/glibc/abilists).\n"
        "Generated; do not edit: python -m bivy.musl.binaries.generate glibc",
        [Section(library, tuple(sorted(names[library]))) for library in sorted(names)],
    )


# The ends of the sonames; what is left out are those that the list calls by another name than files do.
_SONAMES = {"c": "libc.so.6", "m": "libm.so.6", "pthread": "libpthread.so.0", "dl": "libdl.so.2", "rt": "librt.so.1",
            "util": "libutil.so.1", "resolv": "libresolv.so.2", "ld": "ld-linux"}  # fmt: skip


def _read_abilists(content: bytes) -> dict[str, set[str]]:
    """Read zig's list of glibc's symbols, as its compiler does (src/libs/glibc.zig).

    Libraries, versions and targets; then functions and, with a size each, objects: a name, and as many entries as it
    takes, each with a set of targets, a library (the high bit: the last entry of that name) and its versions (the high
    bit: the last).
    """
    reader = _Reader(content)
    libraries = reader.texts()
    reader.skip(3 * reader.byte())
    targets = reader.texts()
    wanted = sum(1 << index for index, target in enumerate(targets) if _is_ours(target))
    found: dict[str, set[str]] = defaultdict(set)
    for sized in (False, True):
        name = ""
        for _ in range(reader.byte() | reader.byte() << 8):
            name = name or reader.text()
            on = reader.number()
            if sized:
                reader.number()
            library = reader.byte()
            while not reader.byte() & 0x80:
                pass
            if on & wanted:
                found[_SONAMES[libraries[library & 0x7F]]].add(name)
            name = "" if library & 0x80 else name
    return found


def _is_ours(target: str) -> bool:
    return target in {re.sub("musl", "gnu", arch.zig) for arch in ARCHES.values()}


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def skip(self, count: int) -> None:
        self._place += count

    def byte(self) -> int:
        self._place += 1
        return self._content[self._place - 1]

    def number(self) -> int:
        """Read an unsigned LEB128."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    def text(self) -> str:
        end = self._content.index(0, self._place)
        start, self._place = self._place, end + 1
        return self._content[start:end].decode()

    def texts(self) -> list[str]:
        return [self.text() for _ in range(self.byte())]


def _image(layout: Path) -> str:
    cache = cache_folder()
    with opened(IMAGE, layout=layout, platform="", cache=cache) as image:
        report = inspect(image)
    machine = _arch_of(report.platform)
    folders: dict[str, set[str]] = defaultdict(set)
    python: set[str] = set()
    for entry in report.tree.entries.values():
        if not is_elf(entry.content):
            continue
        elf = read_elf(entry.content)
        folder = entry.path.rpartition("/")[0]
        if elf.soname.startswith("libpython"):
            python |= {name for name in _exported(elf) if not name.startswith(("Py", "_Py"))}
        elif elf.soname and folder in ("lib", "usr/local/lib", "usr/lib") and elf.soname != machine.libc:
            folders[f"/{folder}"].add(elf.soname)
    sections = [Section(folder, tuple(sorted(names))) for folder, names in sorted(folders.items())]
    return format_sections(
        f"The libraries that the base image has ({IMAGE}, {report.platform}) beside musl's and Python's,\n"
        "by folder, and what Python's exports that does not begin with Py or _Py.\n"
        "Generated; do not edit: python -m bivy.musl.binaries.generate image",
        [*sections, Section("libpython", tuple(sorted(python)))],
    )


def _arch_of(platform: str) -> Arch:
    return next((arch for arch in ARCHES.values() if arch.platform == platform), build_machine())


if __name__ == "__main__":
    sys.exit(main())
