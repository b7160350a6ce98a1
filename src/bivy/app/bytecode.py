"""Modules become bytecode, compiled by the image's own Python in a sandbox; none of them is run."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from bivy.errors import BivyError
from bivy.files import naming, replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bivy.app.base import Base

# Raised when the same modules become other bytecode.
GENERATION: Final = 2

# How many modules share a process; a number of its own for all machines, since it decides the bytes.
_GROUP: Final = 48
_COPY: Final = 1 << 20
_WORKER: Final = Path(__file__).parent / "compiling.py"


@dataclass(frozen=True, slots=True)
class Module:
    """A module to be compiled.

    Attributes:
        place: Where it will be, without a leading ``/``.
        read: Returns its text.
        checked: Whether Python is to look at the text each time, and compile it anew where it is another one.
    """

    place: str
    read: Callable[[], bytes]
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Compiler:
    """What compiles.

    Attributes:
        command: The command, to which nothing is added.
        root: The folder with the files of the image whose Python it is; ``None`` where it is this machine's own.
        version: That Python's version in full, as far as it is known.
    """

    command: tuple[str, ...]
    root: Path | None = None
    version: str = ""


def find_compiler(base: Base, root: Callable[[], Path] | None, version: str = "") -> Compiler | str:
    """Return what compiles for a base's Python, or why nothing can.

    Args:
        base: The base.
        root: Returns the folder with the base's files, or with those of a base with the same Python that runs on this
            machine; ``None`` where there is none.
        version: The version of the Python there.
    """
    from bivy.sandbox import Bind, Sandbox, find_bubblewrap

    program = find_bubblewrap()
    if root is not None and program is not None:
        folder = root()
        sandbox = Sandbox(binds=[Bind(folder, "/")], environment=_ENVIRONMENT)
        words = [base.interpreter, *_OPTIONS, _WORKER.read_text("utf-8")]
        return Compiler(tuple(sandbox.command(program, words)), folder, version)
    found = shutil.which(f"python{base.python}")
    if found:
        return Compiler((found, *_OPTIONS, _WORKER.read_text("utf-8")))
    return "bubblewrap is not installed" if root else "no base with the same Python runs on this machine"


_OPTIONS: Final = ("-I", "-S", "-B", "-c")
# A fixed seed: sets of constants are written in the order in which they are in memory.
_ENVIRONMENT: Final = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}


def compile_modules(
    batches: Iterable[Sequence[Module]], compiler: Compiler, scratch: Path
) -> Iterator[tuple[Module, bytes]]:
    """Compile modules, and yield each with its bytecode as a ``.pyc`` has it.

    One that cannot be compiled is passed over, as pip does it. The bytes depend on what else is in a batch, and on
    nothing else.

    Args:
        batches: The modules, in batches, in which their order counts. Their texts are read one by one.
        compiler: What compiles.
        scratch: A folder for what is too large for memory.

    Raises:
        BivyError: The image's Python does not run.
    """
    with _scratch_file(scratch) as texts, _scratch_file(scratch) as order, _scratch_file(scratch) as answers:
        known = _write_order(batches, texts, order)
        if not known:
            return
        _run(compiler, order, answers)
        answers.seek(0)
        found: dict[int, tuple[int, int]] = {}
        while len(head := answers.read(8)) == 8:
            size = int.from_bytes(head[4:], "big")
            found[int.from_bytes(head[:4], "big")] = answers.tell(), size
            answers.seek(size, os.SEEK_CUR)
        for number, (offset, size) in sorted(found.items()):
            answers.seek(offset)
            yield known[number], answers.read(size)


def _run(compiler: Compiler, order: IO[bytes], answers: IO[bytes]) -> None:
    environment = {**_ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)}
    # The processes that compile add to one file, each as a whole: that is what O_APPEND is for.
    output = os.open(f"/proc/self/fd/{answers.fileno()}", os.O_WRONLY | os.O_APPEND)
    try:
        done = subprocess.run(
            compiler.command, stdin=order, stdout=output, stderr=subprocess.PIPE, env=environment, check=False
        )
    finally:
        os.close(output)
    if done.returncode:
        from bivy.sandbox import sandbox_hint, why_no_sandbox

        if reason := why_no_sandbox():
            raise BivyError(f"modules are compiled in a sandbox, and there is none: {reason}", hint=sandbox_hint())
        raise BivyError(
            f"modules cannot be compiled: the image's Python ended with {done.returncode}",
            hint=done.stderr.decode("utf-8", "replace").strip()[-500:] or None,
        )


def _write_order(batches: Iterable[Sequence[Module]], texts: IO[bytes], order: IO[bytes]) -> list[Module]:
    known: list[Module] = []
    groups: list[list[tuple[int, int, int, str, bool]]] = []
    offset = 0
    for batch in batches:
        for position, module in enumerate(batch):
            text = module.read()
            texts.write(text)
            if position % _GROUP == 0:
                groups.append([])
            groups[-1].append((len(known), offset, len(text), f"/{module.place}", module.checked))
            known.append(module)
            offset += len(text)
    table = marshal.dumps({"processes": len(os.sched_getaffinity(0)), "groups": groups}, 2)
    order.write(len(table).to_bytes(8, "big") + table)
    texts.seek(0)
    shutil.copyfileobj(texts, order, _COPY)
    order.seek(0)
    return known


@contextmanager
def _scratch_file(scratch: Path) -> Iterator[IO[bytes]]:
    scratch.mkdir(parents=True, exist_ok=True)
    with naming(scratch), tempfile.TemporaryFile(dir=scratch) as file:
        yield file


class Pack:
    """The bytecode of one wheel's modules, in a file: a zip archive whose members are the modules' places.

    Attributes:
        sizes: By place, how many bytes there are.
    """

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self.sizes = {info.filename: info.file_size for info in self._archive.infolist()}

    def read(self, place: str) -> bytes:
        """Return the bytecode of a module."""
        return self._archive.read(place)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()


def write_packs(wanted: Mapping[Path, Sequence[Module]], compiler: Compiler, scratch: Path) -> None:
    """Compile the modules of wheels, each into a file of its own that is there whole or not at all.

    Args:
        wanted: The files, and what goes into them.
        compiler: What compiles.
        scratch: A folder for what is too large for memory.
    """
    owners = {id(module): path for path, modules in wanted.items() for module in modules}
    compiled = compile_modules(wanted.values(), compiler, scratch)
    left = set(wanted)
    for path, found in groupby(compiled, key=lambda pair: owners[id(pair[0])]):
        left.discard(path)
        _write_pack(path, found)
    for path in left:
        _write_pack(path, ())


def _write_pack(path: Path, found: Iterable[tuple[Module, bytes]]) -> None:
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for module, content in found:
            archive.writestr(zipfile.ZipInfo(module.place), content)
