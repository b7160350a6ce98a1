"""Source archives with a build backend of their own, which needs no index, and what tests compile with them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

BACKEND = """
import base64, hashlib, os, subprocess, sysconfig, zipfile

def build_wheel(folder, settings=None, metadata=None):
    before()
    files = dict(OTHERS)
    for source in SOURCES:
        module = os.path.splitext(source)[0] + sysconfig.get_config_var("EXT_SUFFIX")
        compiler = "c++" if source.endswith(".cc") else "cc"
        command = [compiler, "-O2", "-shared", "-I" + sysconfig.get_path("include"), source, "-o", "built.so", *FLAGS]
        subprocess.run(command, check=True)
        files[module] = open("built.so", "rb").read()
    about = NAME + "-" + VERSION + ".dist-info/"
    files[about + "METADATA"] = "Metadata-Version: 2.1\\nName: " + NAME + "\\nVersion: " + VERSION + "\\n"
    tag = "cp314-cp314-linux_x86_64" if SOURCES else "py3-none-any"
    files[about + "WHEEL"] = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: false\\nTag: " + tag + "\\n"
    files[about + "RECORD"] = ""
    name = NAME + "-" + VERSION + "-" + tag + ".whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return name

def before():
    pass
"""

MODULE = """
#include <Python.h>
%(include)s
static PyObject *answer(PyObject *self, PyObject *none) { return %(answer)s; }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "%(name)s", 0, -1, methods};
PyMODINIT_FUNC PyInit_%(name)s(void) { %(init)s return PyModule_Create(&definition); }
"""


def module(name: str = "demo", answer: str = "PyLong_FromLong(42)", include: str = "", init: str = "") -> str:
    """The source of an extension module with one function, ``answer``."""
    return MODULE % {"name": name, "answer": answer, "include": include, "init": init}


def write_sdist(
    folder: Path, sources: Mapping[str, str], *, name: str = "demo", version: str = "1.0", flags: Sequence[str] = (),
    requires: Sequence[str] = (), before: str = "", others: Mapping[str, str] | None = None,
) -> Path:  # fmt: skip
    """Write a source archive.

    Args:
        folder: Where to.
        sources: The extension modules' sources, by file name.
        name: The distribution's name.
        version: Its version.
        flags: Further arguments of the compiler.
        requires: What its build requires.
        before: Statements that run first.
        others: Further files of the wheel.
    """
    told = {"NAME": name, "VERSION": version, "SOURCES": list(sources), "FLAGS": list(flags), "OTHERS": others or {}}
    backend = "".join(f"{key} = {value!r}\n" for key, value in told.items()) + BACKEND
    if before:
        backend = backend.replace("    pass", "".join(f"    {line}\n" for line in before.splitlines()))
    project = f'[build-system]\nrequires = {list(requires)}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n", "pyproject.toml": project,
        "backend.py": backend, **sources,
    }  # fmt: skip
    path = folder / f"{name}-{version}.tar.gz"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive(f"{name}-{version}", files))
    return path


def archive(top: str, files: Mapping[str, str]) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as opened:
        for path, content in files.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size = len(content.encode())
            opened.addfile(info, io.BytesIO(content.encode()))
    return gzip.compress(memory.getvalue(), mtime=0)
