"""Makes one file of a package of Python modules: an archive that Python runs (PEP 441), with bytecode alone.

The image has no bytecode, so a program of many modules would compile them all, and those of the standard library that
they use, each time it starts. The file's `__main__` holds the modules' bytecode, each unpacked when it is imported.

    bundle.py OUTPUT INTERPRETER ENTRY PACKAGE-FOLDER MODULE-LIST
"""

import importlib.util
import io
import marshal
import os
import sys
import zipfile
from pathlib import Path

START = '''
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
        if name in PACKAGES:
            # What of a package is not in here is where it always is.
            spec.submodule_search_locations.append(LIBRARY + name.replace(".", "/"))
        return spec

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        exec(loads(CODE[module.__name__]), module.__dict__)


sys.meta_path.insert(0, Bundled)
import ENTRY

ENTRY.main()
'''


def own_modules(folder):
    """Yield the name, the file and the kind of each module below a package's folder."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent.parent).with_suffix("").parts
        package = parts[-1] == "__init__"
        yield ".".join(parts[:-1] if package else parts), path, package


def library_modules(names):
    """Yield the same of modules of the standard library; those that this Python does not have, or has as C, are left out."""
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec and spec.has_location and spec.origin.endswith(".py"):
            yield name, Path(spec.origin), spec.submodule_search_locations is not None


def compiled(name, path, where):
    """Return a module's bytecode; its file is called what it would be in the image."""
    return marshal.dumps(compile(path.read_bytes(), where, "exec", dont_inherit=True, optimize=2))


def main(output, interpreter, entry, folder, listed):
    folder = Path(folder)
    names = [line.split("#")[0].strip() for line in Path(listed).read_text().splitlines()]
    code, packages = {}, set()
    parent = folder.parent.name
    code[parent] = marshal.dumps(compile("", parent, "exec"))
    packages.add(parent)
    series = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path(os.__file__).parent
    for name, path, package in own_modules(folder):
        code[name] = compiled(name, path, f"{interpreter}/{path.relative_to(folder.parent.parent)}")
        packages |= {name} if package else set()
    for name, path, package in library_modules(filter(None, names)):
        code[name] = compiled(name, path, f"/usr/local/lib/{series}/{path.relative_to(library)}")
        packages |= {name} if package else set()
    start = f"CODE = {code!r}\nLIBRARY = '/usr/local/lib/{series}/'\nPACKAGES = frozenset({sorted(packages)!r})\n" + START.replace("ENTRY", entry)
    main_code = compile(start, "__main__.py", "exec", optimize=2)
    # A bytecode file (PEP 552), hash-based and not to be checked: there is no source that it could be older than.
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_STORED) as archive:
        member = zipfile.ZipInfo("__main__.pyc", (1980, 1, 1, 0, 0, 0))
        member.compress_type = zipfile.ZIP_STORED
        member.external_attr = 0o644 << 16
        archive.writestr(member, head + marshal.dumps(main_code))
    output = Path(output)
    output.write_bytes(f"#!{interpreter} -ISB\n".encode() + memory.getvalue())
    output.chmod(0o755)


main(*sys.argv[1:])
