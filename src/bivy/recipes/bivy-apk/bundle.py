"""Makes one file of a package of Python modules: an archive that Python runs (PEP 441), with bytecode alone.

The image has no bytecode, so a program of many modules would have Python compile them all each time it starts, and
those of the standard library that they use. Here one module, `__main__`, holds the bytecode of all, and each is
unpacked when it is imported. It also holds that of the methods that `dataclasses` writes as text and compiles, which
would take half of the time that starting takes. The archive is not compressed: the layer that it lies in is.

    bundle.py OUTPUT INTERPRETER ENTRY FOLDER LIST

ENTRY is the module whose `main` is called, FOLDER the package's, LIST a file with names of modules of the standard
library, one a line. It is run by a Python of the version that INTERPRETER is.
"""

from __future__ import annotations

import contextlib
import dataclasses
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

START = '''
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
        exec(loads(CODE[module.__name__]), module.__dict__)
        if module.__name__ == "dataclasses":
            # The module's own name comes before the built-in one.
            module.exec = run_written


def run_written(text, *where):
    code = WRITTEN.get(text)
    exec(loads(code) if code else text, *where)


sys.meta_path.insert(0, Bundled)
import ENTRY

ENTRY.main()
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


def bytecode(source: bytes, where: str, optimize: int = 2) -> bytes:
    """Compile a module, without asserts and, unless told otherwise, docstrings."""
    return marshal.dumps(compile(source, where, "exec", dont_inherit=True, optimize=optimize))


def written_methods(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Import modules and return what `dataclasses` writes for them: the bytecode of each text."""
    found: dict[str, bytes] = {}

    def note(text: str, *where: dict[str, object]) -> None:
        found[text] = bytecode(text.encode(), "<dataclass>")
        exec(text, *where)  # noqa: S102 - as `dataclasses` does

    vars(dataclasses)["exec"] = note
    sys.path.insert(0, str(folder.parent.parent))
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
    for name, path, where in (*own, *library_modules(Path(listed))):
        # A class without a docstring gets one from `dataclasses`, which takes it longer than all else that it does.
        code[name] = bytecode(path.read_bytes(), where, optimize=1 if name.startswith(f"{parent}.") else 2)
        if path.name == "__init__.py":
            packages.add(name)
    written = written_methods(Path(folder), (name for name, _, _ in own))
    start = "\n".join((
        f"CODE = {code!r}",
        f"WRITTEN = {written!r}",
        f"LIBRARY = {LIBRARY!r}", f"PACKAGES = {sorted(packages)!r}", START.replace("ENTRY", entry),
    ))  # fmt: skip
    # A bytecode file (PEP 552), hash-based and not to be checked: there is no source that it could be older than.
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_STORED) as archive:
        member = zipfile.ZipInfo("__main__.pyc", (1980, 1, 1, 0, 0, 0))
        member.external_attr = 0o644 << 16
        archive.writestr(member, head + bytecode(start.encode(), "__main__"))
    Path(output).write_bytes(f"#!{interpreter} -ISB\n".encode() + memory.getvalue())
    Path(output).chmod(0o755)


main(*sys.argv[1:])
