"""Makes one file of a package of Python modules: an archive that Python runs (PEP 441), with bytecode alone.

The image has no bytecode, so a program of many modules would have Python compile them all each time it starts, and
those of the standard library that they use. Here one module, `__main__`, holds the bytecode of all, and each is
unpacked when it is imported. Where the package imports from `dataclasses` or `typing` it gets `quick.py`, which is what
it uses of these in little of the time; the methods that this writes as text are compiled here too. The archive is not
compressed: the layer that it lies in is.

Tracebacks have lines, but no columns, where this runs with ``-X no_debug_ranges``: the columns would be a third of the
file.

    bundle.py OUTPUT INTERPRETER ENTRY FOLDER LIST

ENTRY is the module whose `main` is called, FOLDER the package's, LIST a file with names of modules of the standard
library, one a line. It is run by a Python of the version that INTERPRETER is.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import marshal
import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SERIES = f"python{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"/usr/local/lib/{SERIES}"
QUICK = Path(__file__).parent / "quick.py"

# What runs it. musl's malloc gives memory back at once, and asking for it again is a third of what apk's time is spent
# on; Python has another, which is chosen by a variable. So -I, which takes no notice of variables, cannot be: the
# others that would change what is run are emptied.
BEGINNING = """#!/bin/sh
PYTHONHOME= PYTHONPATH= PYTHONMALLOC=mimalloc exec INTERPRETER -sPSB "$0" "$@"
"""

FINDING = '''
# It is over before there is much to collect, and looking for that takes a tenth of the time.
import gc

gc.disable()
import sys
from _frozen_importlib import ModuleSpec
from marshal import loads


class Bundled:
    """Finds and loads what is in this file."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in CODE:
            return None
        spec = ModuleSpec(name, Bundled, is_package=name in PACKAGES)
        if spec.submodule_search_locations is not None:
            # What of a package is not in here is where it always is.
            spec.submodule_search_locations.append(f"{LIBRARY}/{name.replace('.', '/')}")
        return spec

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        if module.__name__ == "bivy.quick":
            # The module's own name comes before the built-in one.
            module.exec = run_written
        exec(loads(CODE[module.__name__]), module.__dict__)


def run_written(text, *where):
    code = WRITTEN.get(text)
    exec(loads(code) if code else text, *where)


sys.meta_path.insert(0, Bundled)
'''


def own_modules(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield the name, the file and what the file is called of each module of a package, and of the one it is in."""
    top = folder.parent.parent
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(top)
        parts = place.with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path, str(place)


def library_modules(listed: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield the same of modules of the standard library, but for those that this Python has not, or has in C."""
    library = Path(os.__file__).parent
    for name in filter(None, (line.partition("#")[0].strip() for line in listed.read_text("utf-8").splitlines())):
        path = library / name.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.is_file():
            yield name, path, f"{LIBRARY}/{path.relative_to(library)}"


def bytecode(source: bytes, where: str) -> bytes:
    """Compile a module, without asserts and docstrings."""
    return marshal.dumps(compile(source, where, "exec", dont_inherit=True, optimize=2))


def own_bytecode(path: Path, where: str) -> bytes:
    """Compile a module of the package, with the quick classes in the place of the others."""
    source = path.read_bytes()
    for module in (b"dataclasses", b"typing"):
        source = source.replace(b"from " + module + b" import", b"from bivy.quick import")
    return bytecode(source, where)


def written_methods(start: str, names: Iterable[str]) -> dict[str, bytes]:
    """Import the bundled modules and return what `quick.py` writes for them: the bytecode of each text.

    Args:
        start: The beginning of the file's `__main__`, which finds them.
        names: The modules.
    """
    found: dict[str, bytes] = {}

    class Noted(dict[str, bytes]):
        """Notes each text that is asked for, and compiles it."""

        def get(self, text: str, _: object = None) -> bytes:
            return found.setdefault(text, bytecode(text.encode(), "<dataclass>"))

    exec(start, {"__name__": "bundle", "WRITTEN": Noted()})  # noqa: S102 - our own
    for name in names:
        if not name.endswith("__main__"):
            # What needs an extension that this Python does not have is not at hand here, and compiled when it starts.
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    return found


def main(output: str, interpreter: str, entry: str, folder: str, listed: str) -> None:
    """Write the file."""
    parent = Path(folder).parent.name
    code, packages = {parent: bytecode(b"", parent)}, {parent}
    own = list(own_modules(Path(folder)))
    for name, path, where in (*own, (f"{parent}.quick", QUICK, f"{parent}/quick.py")):
        code[name] = own_bytecode(path, where)
        if path.name == "__init__.py":
            packages.add(name)
    for name, path, where in library_modules(Path(listed)):
        code[name] = bytecode(path.read_bytes(), where)
        if path.name == "__init__.py":
            packages.add(name)
    before = f"CODE = {code!r}\nLIBRARY = {LIBRARY!r}\nPACKAGES = {sorted(packages)!r}\n"
    written = written_methods(before + FINDING, (name for name, _, _ in own))
    start = f"WRITTEN = {written!r}\n{before}{FINDING}import {entry}\n\n{entry}.main()\n"
    # A bytecode file (PEP 552), hash-based and not to be checked: there is no source that it could be older than.
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_STORED) as archive:
        member = zipfile.ZipInfo("__main__.pyc", (1980, 1, 1, 0, 0, 0))
        member.external_attr = 0o644 << 16
        archive.writestr(member, head + bytecode(start.encode(), "__main__"))
    Path(output).write_bytes(BEGINNING.replace("INTERPRETER", interpreter).encode() + memory.getvalue())
    Path(output).chmod(0o755)


main(*sys.argv[1:])
