"""What a build calls ``cc``, ``c++``, ``ar`` and so on: zig, with the words translated that its driver refuses."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn

COMPILERS = {
    **dict.fromkeys(("cc", "gcc", "clang", "cpp"), "cc"),
    **dict.fromkeys(("c++", "g++", "clang++"), "c++"),
}
"""The names of the compilers, each with zig's."""
OTHERS = {"ar": "ar", "gcc-ar": "ar", "ranlib": "ranlib", "gcc-ranlib": "ranlib", "ld": "ld.lld", "ld.lld": "ld.lld",
          "objcopy": "objcopy"}  # fmt: skip
"""The names of the other programs, each with zig's."""
NOTHING = ("strip", "ldconfig")
"""Programs that have nothing to do: what is linked is stripped."""

_BEFORE = ("-dynamic", "-O2", "-fPIC", "-fstack-protector-strong", "-g0", "-fno-sanitize=undefined", "-Wno-date-time")
# Where the -dev packages are. After zig's own folders, whose C library is the one that is linked with.
_AFTER = ("-idirafter", "/usr/include", "-L/usr/lib", "-s")
# Words that say nothing here: for other linkers; for whoever has one machine; of libraries that are in what zig links.
_WITHOUT_EFFECT = frozenset({
    "-march=native", "-mcpu=native", "-mtune=native", "-static-libgcc", "-static-libstdc++", "-ffat-lto-objects",
    "-fno-fat-lto-objects", "-fuse-linker-plugin", "-fno-lto", "-latomic", "-lgcc", "-lgcc_s", "-lgcc_eh", "-lssp",
    "-lssp_nonshared", "-Werror", "-pipe",
})  # fmt: skip
_WITHOUT_EFFECT_BEGINNINGS = ("-flto", "-fuse-ld=", "-mtune=", "-specs=")
_OF_LINKER = frozenset({
    "--allow-multiple-definition", "--copy-dt-needed-entries", "--default-symver", "--demangle", "--emit-relocs",
    "--enable-new-dtags", "--no-copy-dt-needed-entries", "--no-demangle", "--no-keep-memory", "--pop-state",
    "--print-memory-usage", "--push-state", "--trace", "--warn-common", "-Bsymbolic-functions", "-q", "-stats", "-t",
})  # fmt: skip
_OF_LINKER_BEGINNINGS = ("--compress-debug-sections", "--icf", "--unresolved-symbols", "-rpath-link", "--rpath-link",
                         "--exclude-libs=", "-Map=", "--Map=", "--retain-symbols-file=", "--dynamic-list=")  # fmt: skip
_OF_LINKER_WITH_VALUE = frozenset({"--exclude-libs", "-Map", "--Map", "--dynamic-list", "--retain-symbols-file"})
_KEPT_WITH_VALUE = frozenset({"-rpath", "--rpath", "-R", "-soname", "--soname", "-h", "--version-script", "-e", "-u",
                              "-m"})  # fmt: skip
_WITH_VALUE = _OF_LINKER_WITH_VALUE | _KEPT_WITH_VALUE | {"-z"}
# What comes after -z, and zig's linker does not know.
_MEMORY = frozenset({"muldefs", "text", "separate-code", "noseparate-code", "pack-relative-relocs", "initfirst",
                     "interpose", "global", "nodlopen", "nodump", "ibt", "shstk", "cet-report"})  # fmt: skip
# What GCC calls a processor's extensions, where zig has another name (aarch64).
_EXTENSIONS = {"crypto": "aes+sha2", "simd": "neon", "fp": "fp_armv8", "fp16": "fullfp16", "sha2": "sha2"}


def translate(words: Iterable[str]) -> list[str]:
    """Return what zig's driver is told for what GCC's is told.

    Args:
        words: The arguments.
    """
    told: list[str] = []
    left = iter(words)
    for word in left:
        if word.startswith("-Wl,"):
            told += _for_linker(word[4:].split(","))
        elif word == "-Xlinker":
            pending = [next(left, "")]
            if pending[0] in _WITH_VALUE and next(left, "") == "-Xlinker":
                pending.append(next(left, ""))
            told += _for_linker(pending)
        elif word in _WITHOUT_EFFECT or word.startswith(_WITHOUT_EFFECT_BEGINNINGS):
            continue
        elif word.startswith("-march="):
            told.append(f"-march={_processor(word[7:])}")
        else:
            told.append(word)
    return told


def _for_linker(words: list[str]) -> Iterator[str]:
    left = iter(words)
    for word in left:
        if word in _OF_LINKER_WITH_VALUE:
            next(left, None)
        elif word in _OF_LINKER or word.startswith(_OF_LINKER_BEGINNINGS):
            continue
        elif word == "-z":
            value = next(left, "")
            if value not in _MEMORY:
                yield f"-Wl,-z,{value}"
        elif word in _KEPT_WITH_VALUE:
            name = {"-R": "-rpath", "-h": "-soname"}.get(word, word)
            yield f"-Wl,{name},{next(left, '')}"
        elif word.startswith("-R"):
            yield f"-Wl,-rpath,{word[2:]}"
        elif word.startswith(("-l", "-L")):
            if word not in _WITHOUT_EFFECT:
                yield word
        elif word.startswith("-O") or not word:
            continue
        else:
            yield f"-Wl,{word}"


def _processor(name: str) -> str:
    """Return zig's name of what GCC's option ``-march`` calls a processor."""
    if name.startswith("x86-64"):
        return name.replace("-", "_")
    if not name.startswith("armv8"):
        return name
    base, *extensions = name.split("+")
    version = base.removeprefix("armv8").removesuffix("-a").lstrip(".")
    found = ["generic", *([f"v8_{version}a"] if version else [])]
    return "+".join([*found, *(_EXTENSIONS.get(each, each) for each in extensions)])


def main(zig: str, target: str, cpu: str, gnu: str, cache: str) -> NoReturn:
    """Become zig, as the program that this was called as.

    Args:
        zig: Where zig is.
        target: What it is to compile for, in its words.
        cpu: The processor, likewise.
        gnu: The target in GNU's words.
        cache: Where zig keeps what it compiled.
    """
    name = os.path.basename(sys.argv[0])  # noqa: PTH119 - pathlib stays out of what is started a thousand times
    words = sys.argv[1:]
    if name in NOTHING:
        raise SystemExit(0)
    os.environ["ZIG_GLOBAL_CACHE_DIR"] = os.environ["ZIG_LOCAL_CACHE_DIR"] = cache
    if name in OTHERS:
        os.execv(zig, [zig, OTHERS[name], *words])  # noqa: S606
    if words in (["-dumpmachine"], ["-print-multiarch"], ["--print-multiarch"]):
        sys.stdout.write(f"{gnu}\n")
        raise SystemExit(0)
    preprocessing = ["-E"] if name == "cpp" else []
    os.execv(  # noqa: S606
        zig,
        [zig, COMPILERS[name], "-target", target, f"-mcpu={cpu}", *_BEFORE, *preprocessing, *translate(words), *_AFTER],
    )
