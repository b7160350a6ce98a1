"""Compiles modules to bytecode, under the Python whose bytecode it is to be.

Only modules that are part of the interpreter are imported: the base's standard library has no bytecode itself, and to
compile its `json` would take longer than a project's changed file.

Standard input is a file: a length of eight bytes, as many bytes of what `marshal` writes, then the modules one after
the other. What is written says how many processes may work at once, and names groups of modules, each with where its
text is, how long, which file it will be, and whether its bytecode is to be checked against the text. Standard output is
a file to which an answer for each module is added: its number and its length, of four bytes each, and the bytecode as
a ``.pyc`` has it. A module that cannot be compiled has no answer.

The bytes of a module's bytecode depend on what else its process holds in memory: `marshal` writes a string that is
referred to from elsewhere in another way. So each group gets a process of its own, which has compiled nothing before.
"""

import _imp
import marshal
import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER

_BLOCK = 1 << 20


def _main() -> None:
    length = int.from_bytes(os.pread(0, 8, 0), "big")
    order = marshal.loads(_read(8, length))  # noqa: S302 - bivy itself wrote it
    sys.setrecursionlimit(10000)
    running: set[int] = set()
    for group in order["groups"]:
        if len(running) >= order["processes"]:
            running.discard(os.wait()[0])
        child = os.fork()
        if not child:
            status = 1
            try:
                _compile(group, 8 + length)
                status = 0
            finally:
                os._exit(status)
        running.add(child)
    for _ in range(len(running)):
        os.wait()


def _compile(group: list[tuple[int, int, int, str, bool]], start: int) -> None:
    answers = []
    for number, offset, size, path, checked in group:
        text = _read(start + offset, size)
        try:
            code = compile(text, path, "exec", dont_inherit=True, optimize=0)
            content = marshal.dumps(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            continue
        # PEP 552: bit 0 is set for bytecode that goes with a hash, bit 1 where the text is to be looked at.
        flags = 3 if checked else 1
        found = _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), text)
        content = MAGIC_NUMBER + flags.to_bytes(4, "little") + found + content
        answers.append(number.to_bytes(4, "big") + len(content).to_bytes(4, "big") + content)
        del code
    if answers:
        os.write(1, b"".join(answers))


def _read(offset: int, size: int) -> bytes:
    pieces = []
    while size:
        piece = os.pread(0, min(size, _BLOCK), offset)
        if not piece:
            raise EOFError
        pieces.append(piece)
        offset, size = offset + len(piece), size - len(piece)
    return b"".join(pieces)


_main()
