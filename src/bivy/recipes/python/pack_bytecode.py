"""Write the bytecode of the modules that programs start with into one file, which the patched importlib reads.

It runs under a Python of the very version whose bytecode it is to be. What the file is like, and what for, is told in
docs/awake.md.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
import tomllib
from importlib.util import MAGIC_NUMBER
from pathlib import Path

NAME = "bytecode.pack"
_BEGIN = b"BYTEPACK"


def main(destination: str, folder: str, chosen: str, least: str) -> None:
    """Write the pack of a standard library beside it.

    Args:
        destination: ``$DESTDIR``.
        folder: Where the standard library will be, ``/usr/local/lib/python3.14``.
        chosen: A file that says of each module how many programs have it, and which are always in the pack.
        least: How many have to have it, so that another one is in the pack.
    """
    known = tomllib.loads(Path(chosen).read_text("utf-8"))
    here = Path(destination + folder)
    wanted = {*known["always"], *(name for name, count in known["modules"].items() if count >= int(least))}
    names = sorted(name for name in wanted if (here / name).is_file())
    pack = make_pack([(name, (here / name).read_bytes()) for name in names], folder)
    (here / NAME).write_bytes(pack)
    print(f"{NAME}: {len(names)} modules, {len(pack)} bytes")  # noqa: T201 - it is a build step, and this its log


def make_pack(sources: list[tuple[str, bytes]], folder: str) -> bytes:
    """Return the pack of some modules.

    Args:
        sources: Their paths below the folder, and what they are made of.
        folder: Where they will be.

    Raises:
        RuntimeError: One cannot be compiled.
    """
    codes = [_compile_apart(text, f"{folder}/{name}") for name, text in sources]
    paths = "\n".join(name for name, _ in sources).encode()
    start = 32 + 24 * len(sources) + len(paths)
    table = bytearray()
    for (_, text), code in zip(sources, codes, strict=True):
        table += _number(start) + _number(len(code)) + _hash(text) + _hash(code)
        start += len(code)
    index = bytes(table) + paths
    head = _BEGIN + MAGIC_NUMBER + _number(len(sources)) + _number(len(index)) + _number(0) + _hash(index)
    return b"".join([head, index, *codes])


def _compile_apart(text: bytes, path: str) -> bytes:
    """Compile a module in a process of its own: its bytes would depend on what was compiled before in the same."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as file:
                file.write(marshal.dumps(compile(text, path, "exec", dont_inherit=True, optimize=0)))
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        code = file.read()
    if os.waitpid(child, 0)[1]:
        raise RuntimeError(f"{path} cannot be compiled")
    return code


def _hash(content: bytes) -> bytes:
    return _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), content)


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")


if __name__ == "__main__":
    main(*sys.argv[1:])
