"""The base's standard library gets the bytecode that it lacks: an unprivileged user cannot write any."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bivy.app import bytecode
from bivy.app.bytecode import Module, compile_modules
from bivy.app.install import bytecode_place
from bivy.app.layers import Item, Kept
from bivy.progress import under_way

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bivy.app.layers import Workplace

# Raised when the same base gets something else.
GENERATION: Final = 2

# The file beside the standard library that bivy's Python has bytecode in (docs/awake.md), and the size of its head and
# of an entry of its index.
_PACK: Final = "bytecode.pack"
_HEAD: Final = 32
_ENTRY: Final = 24

# What programs in images do not import: tests, desktop programs, what pip is installed from, data of pydoc's; and what
# is another one for each architecture. Of encodings, those that are used outside of old files.
_LEFT_OUT: Final = re.compile(
    r"(test|idlelib|tkinter|turtledemo|ensurepip|lib2to3|pydoc_data|site-packages|config-[^/]*|__phello__|_pyrepl)/"
    r"|turtle\.py$|_sysconfigdata[^/]*$|__hello__\.py$|.*/tests?/"
    r"|encodings/(?!(?:__init__|aliases|ascii|latin_1|utf_\w+|idna|punycode|charmap|cp1252|cp437|iso8859_1|hex_codec"
    r"|base64_codec|unicode_escape|raw_unicode_escape)\.py$)"
)


def standard_layer(at: Workplace, version: str) -> Kept | None:
    """Return the layer with the standard library's bytecode; ``None`` where it has some, or none can be made.

    What the base has in its pack is left out. All projects on one base share the layer, so that it is pushed and pulled
    once.

    Args:
        at: What it is made with.
        version: The version of the base's Python in full, empty where it is not known.
    """
    base = at.base
    folder = f"{base.prefix}/lib/python{base.python}"
    if not at.compiles or bytecode_place(f"{folder}/os.py", base.python) in base.files:
        return None
    key = at.store.key_of("standard", GENERATION, bytecode.GENERATION, base.digest, at.compiles)
    kept = at.store.find(key)
    if kept is not None:
        return kept
    compiler = at.compiler()
    if isinstance(compiler, str) or compiler.root is None or (compiler.version and compiler.version != version):
        return None
    with under_way(at.progress, f"compile the standard library of Python {version or base.python}"):
        served = packed_modules(compiler.root / folder / _PACK)
        modules = [
            Module(path, _reader(compiler.root / path))
            for path in sorted(base.files)
            if path.startswith(f"{folder}/") and path.endswith(".py") and not base.files[path]
            and not _LEFT_OUT.match(path.removeprefix(f"{folder}/")) and path.removeprefix(f"{folder}/") not in served
            and (compiler.root / path).is_file()
        ]  # fmt: skip
        items = [
            Item.of(bytecode_place(module.place, base.python), content)
            for module, content in compile_modules([modules], compiler, at.cache / "work")
        ]
        return at.store.make(key, items, base.folders, "bivy app: bytecode of the standard library")


def packed_modules(path: Path) -> frozenset[str]:
    """Return what a pack of bytecode has, as paths below the standard library; nothing where it cannot be read.

    Args:
        path: The pack.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            count, size = int.from_bytes(head[12:16], "little"), int.from_bytes(head[16:20], "little")
            if len(head) < _HEAD or not head.startswith(b"BYTEPACK") or size > path.stat().st_size:
                return frozenset()
            return frozenset(file.read(size)[_ENTRY * count :].decode().split("\n"))
    except (OSError, UnicodeDecodeError):
        return frozenset()


def _reader(path: Path) -> Callable[[], bytes]:
    return path.read_bytes
