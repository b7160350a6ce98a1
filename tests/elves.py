"""Small ELF files that tests are about, made by the real compiler and linker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bivy.arch import ARCHES

_EMULATIONS = {
    "x86_64": "elf_x86_64", "aarch64": "aarch64linux", "armv7": "armelf_linux_eabi", "armhf": "armelf_linux_eabi",
    "x86": "elf_i386", "ppc64le": "elf64lppc", "riscv64": "elf64lriscv", "s390x": "elf64_s390",
}  # fmt: skip


@dataclass(frozen=True)
class Linker:
    """Makes ELF files in a folder."""

    folder: Path
    arch: str = "x86_64"

    def link(
        self, name: str, source: str, *flags: str, needs: Sequence[Path] = (), versions: str = "",
        compiled: Sequence[str] = ("-fPIC",), kind: str = "-shared",
    ) -> Path:  # fmt: skip
        """Compile C and link it to nothing but the libraries given; what is undefined stays so."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        source_file, object_file = path.with_name(f"{path.name}.c"), path.with_name(f"{path.name}.o")
        source_file.write_text(source)
        target = ("-target", ARCHES[self.arch].zig, "-O1", "-fno-stack-protector", "-fno-sanitize=all")
        _zig("cc", *target, *compiled, "-c", "-o", str(object_file), str(source_file))
        words = [f"-m{_EMULATIONS[self.arch]}", kind, *flags, "-o", str(path), str(object_file)]
        if versions:
            script = path.with_name(f"{path.name}.map")
            script.write_text(versions)
            words += [f"--version-script={script}"]
        _zig("ld.lld", *words, "--no-as-needed", *(str(library) for library in needs))
        for made in (source_file, object_file):
            made.unlink()
        return path

    def glibc(self) -> Path:
        """Make what looks like glibc to a linker: two functions that musl has too, and two that it has not."""
        source = "int puts(void) {return 0;} int stat64(void) {return 0;} int __printf_chk(void) {return 0;}"
        return self.link(
            "glibc/libc.so.6", f"{source} int getcontext(void) {{return 0;}}", "-soname=libc.so.6",
            versions="GLIBC_2.2.5 { global: puts; getcontext; stat64; local: *; };"
            "GLIBC_2.3.4 { global: __printf_chk; } GLIBC_2.2.5;",
        )  # fmt: skip


def _zig(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "ziglang", *words], capture_output=True, text=True)
    assert not done.returncode, done.stderr
