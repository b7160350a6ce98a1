"""The compiler: ziglang behind the names that makefiles call, and the few programs of the machine's beside it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.arch import ARCHES
from bivy.errors import BivyError, UsageError

if TYPE_CHECKING:
    from bivy.arch import Arch

# What a build may call beside the compiler: POSIX's utilities and what every Linux machine has with them.
HOST_PROGRAMS = (
    *("[", "awk", "basename", "bunzip2", "bzip2", "cat", "chmod", "cksum", "cmp", "comm", "cp", "cut", "date", "dd"),
    *("diff", "dirname", "echo", "egrep", "env", "expr", "false", "fgrep", "find", "fold", "grep", "gunzip", "gzip"),
    *("head", "hostname", "id", "install", "join", "ln", "ls", "make", "md5sum", "mkdir", "mkfifo", "mktemp", "mv"),
    *("nproc", "od", "paste", "patch", "perl", "pr", "printf", "pwd", "readlink", "realpath", "rm", "rmdir", "sed"),
    *("seq", "sh", "sha1sum", "sha256sum", "sleep", "sort", "split", "stat", "tail", "tar", "tee", "test", "touch"),
    *("tr", "true", "tsort", "tty", "uname", "uniq", "wc", "which", "xargs", "xz", "yes"),
)
NEEDED_PROGRAMS = ("sh", "make", "perl", "patch", "sed", "awk", "grep", "find", "tar", "install")

# Linking comes out the same on every machine and at every time, hardened as Alpine's packages are.
DEFAULT_CFLAGS = "-O2 -fPIC -fstack-protector-strong"
DEFAULT_LDFLAGS = "-Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--hash-style=gnu"

# zig's front end refuses some of GNU ld's words, and it makes __DATE__ an error even where SOURCE_DATE_EPOCH fixes it.
_COMPILER = """\
#!/bin/sh
for word do
    shift
    case $word in
    -print-multiarch | --print-multiarch) echo {multiarch}; exit 0 ;;
    -dumpmachine) echo {gnu}; exit 0 ;;
    -Wl,-h,*) word=-Wl,-soname,${{word#-Wl,-h,}} ;;
    -Wl,-stats | -Wl,-rpath-link* | -Wl,--enable-new-dtags | -Wl,-O[0-9]) continue ;;
    esac
    set -- "$@" "$word"
done
exec "$ZIG" {language} -target {zig} -mcpu={cpu} {flags} -g0 -fno-sanitize=undefined -Wno-date-time "$@"{after}
"""
_ARCHIVER = '#!/bin/sh\nexec "$ZIG" {program} "$@"\n'
_PKG_CONFIG = """\
#!/bin/sh
PKG_CONFIG_SYSROOT_DIR=$SYSROOT PKG_CONFIG_LIBDIR=$SYSROOT/usr/lib/pkgconfig:$SYSROOT/usr/share/pkgconfig \\
PKG_CONFIG_PATH= exec "$PKGCONF" "$@"
"""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What compiles for one target on one machine.

    Attributes:
        target: What it compiles for.
        machine: The machine that compiles.
        zig: The folder of the ziglang package.
        version: Its version.
        pkgconf: The folder of the pkgconf package's program, ``None`` where the wheel has none for this machine.
    """

    target: Arch
    machine: Arch
    zig: Path
    version: str
    pkgconf: Path | None

    @property
    def musl(self) -> str:
        """The version of musl that the compiler brings, and that all it makes is linked with.

        Raises:
            BivyError: The wheel does not say.
        """
        path = self.zig / "lib" / "libc" / "musl" / "src" / "internal" / "version.h"
        try:
            found = re.search(r'#define VERSION "([0-9.]+)"', path.read_text("utf-8"))
        except OSError:
            found = None
        if found is None:
            raise BivyError(f"{path} does not say which musl this is", hint="is the ziglang wheel damaged?")
        return found[1]

    @property
    def digest(self) -> str:
        """What decides what it makes: the compiler's version and the wrappers' text."""
        text = "\n".join([self.version, DEFAULT_CFLAGS, DEFAULT_LDFLAGS, *wrappers(self).values()])
        return hashlib.sha256(text.encode()).hexdigest()


def find_toolchain(target: Arch, machine: Arch) -> Toolchain:
    """Find the compiler for a target.

    Raises:
        UsageError: The compiler does not know the target's CPU.
        BivyError: The ziglang wheel is not installed, or a program that builds call is missing.
    """
    missing = [program for program in NEEDED_PROGRAMS if shutil.which(program) is None]
    if missing:
        raise BivyError(
            f"to build packages this machine lacks {', '.join(missing)}",
            hint="install them with the machine's package manager; no compiler is needed",
        )
    found = find_compiler(target, machine)
    if target.cpu != ARCHES[target.name].cpu:
        _refuse_unknown_cpu(found)
    return found


def _refuse_unknown_cpu(toolchain: Toolchain) -> None:
    target = toolchain.target
    command = [
        str(toolchain.zig / "zig"),
        "cc",
        "-target",
        target.zig,
        f"-mcpu={target.cpu}",
        "-E",
        "-x",
        "c",
        os.devnull,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(
            f"the compiler knows no machine {target.cpu!r} of the architecture {target.name}",
            hint="x86-64-v2, x86-64-v3 and x86-64-v4 are levels of x86_64; of aarch64 there are neoverse-n1, apple-m1",
        )


def find_compiler(target: Arch, machine: Arch) -> Toolchain:
    """Find the compiler for a target, whatever else there is on this machine.

    Raises:
        BivyError: The ziglang wheel is not installed.
    """
    try:
        import ziglang

        version = metadata.version("ziglang")
    except (ImportError, metadata.PackageNotFoundError):
        raise BivyError("the compiler is missing: the ziglang wheel", hint="pip install bivy brings it") from None
    return Toolchain(target, machine, Path(ziglang.__path__[0]), version, _find_pkgconf())


def wrappers(toolchain: Toolchain) -> dict[str, str]:
    """Return the text of each program that builds call and that bivy makes, by name."""
    target, machine = toolchain.target, toolchain.machine
    seen = '-s -isystem "$SYSROOT/usr/include" -L"$SYSROOT/usr/lib"'
    texts = {}
    for name, language in (("cc", "cc"), ("c++", "c++")):
        texts[name] = _COMPILER.format(
            language=language, zig=target.zig, cpu=target.cpu, flags="-dynamic", after=f" {seen}",
            multiarch=target.multiarch, gnu=target.gnu,
        )  # fmt: skip
        texts[f"build-{name}"] = _COMPILER.format(
            language=language, zig=machine.zig, cpu=machine.cpu, flags="-static", after=" -s",
            multiarch=machine.multiarch, gnu=machine.gnu,
        )  # fmt: skip
    texts |= {name: _ARCHIVER.format(program=name) for name in ("ar", "ranlib")}
    if toolchain.pkgconf:
        texts["pkg-config"] = _PKG_CONFIG
    return texts


def write_programs(toolchain: Toolchain, folder: Path, *, recipe_target: bool = True) -> None:
    """Fill a folder that is a build's whole PATH: the wrappers, and links to the machine's programs.

    Args:
        toolchain: What to wrap.
        folder: A new folder.
        recipe_target: Whether ``cc`` compiles for the target; else, as ``build-cc``, for this machine.
    """
    folder.mkdir(parents=True)
    texts = wrappers(toolchain)
    if not recipe_target:
        texts |= {"cc": texts["build-cc"], "c++": texts["build-c++"]}
    for name, text in texts.items():
        program = folder / name
        program.write_text(text)
        program.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    for name in HOST_PROGRAMS:
        found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
        if found and name not in texts:
            (folder / name).symlink_to(found)


def host_python() -> Path:
    """Return the Python that runs a recipe's scripts: the one that bivy's environment was made from."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Path(sys.base_prefix) / "bin" / name


def _find_pkgconf() -> Path | None:
    try:
        import pkgconf
    except ImportError:
        return None
    return pkgconf.get_executable()
