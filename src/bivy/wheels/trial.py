"""A finished wheel is tried in the plain base image: its libraries are loaded, its modules imported."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bivy.build.workshop import tail
from bivy.errors import BivyError
from bivy.sandbox import Bind
from bivy.wheels import inside
from bivy.wheels.environment import unpack_wheel
from bivy.wheels.workshop import ROOM, run_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bivy.wheels.base import Base

_PATIENCE: Final = 600
_MOST: Final = 400
"""Libraries that are tried, one process each; of more, the first."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it.

    Attributes:
        imported: The modules that were imported.
        notes: What could not be tried, and why, in sentences.
    """

    imported: tuple[str, ...]
    notes: tuple[str, ...]


def try_wheel(wheel: Path, libraries: Sequence[str], scratch: Path, base: Base) -> Tried:
    """Load a wheel's libraries and import its modules in the plain base image, each in a process of its own.

    A module that needs a distribution which is not there is not at fault; one that cannot be loaded is.

    Args:
        wheel: The wheel.
        libraries: The paths in it of what is compiled.
        scratch: A folder for what is under way.
        base: The base image.

    Raises:
        BivyError: Something in it does not load.
    """
    folder = scratch / "installed"
    unpack_wheel(wheel, folder)
    shared = [path for each in libraries if _is_library(path := _installed(each)) and (folder / path).is_file()]
    modules = _modules(folder)
    (scratch / "trial").mkdir()
    order = {"folder": f"{ROOM}/installed", "libraries": shared[:_MOST], "modules": modules,
             "answer": f"{ROOM}/trial/answer.json"}  # fmt: skip
    (scratch / "trial" / "order.json").write_text(json.dumps(order))
    binds = (
        Bind(folder, f"{ROOM}/installed"), Bind(scratch / "trial", f"{ROOM}/trial", writable=True),
        Bind(Path(inside.__file__).parent, f"{ROOM}/inside"),
    )  # fmt: skip
    sandbox = base.sandbox(binds=binds, environment={**base.environment, "HOME": "/tmp"})  # noqa: S108
    argv = [base.python, "-B", "-P", f"{ROOM}/inside/trial.py", f"{ROOM}/trial/order.json"]
    log = scratch / "trial.log"
    with log.open("wb") as file:
        status = run_until(sandbox.command(base.bubblewrap, argv), file, _PATIENCE)
    if status:
        raise BivyError(f"{wheel.name} could not be tried in the base image:\n{tail(log)}")
    found: dict[str, dict[str, str]] = json.loads((scratch / "trial" / "answer.json").read_text())
    return _judged(wheel.name, found, modules, compiled=bool(libraries))


def _judged(name: str, found: dict[str, dict[str, str]], modules: Sequence[str], *, compiled: bool) -> Tried:
    notes = []
    own = {each.partition(".")[0] for each in modules}
    for what, fault in found.items():
        said = fault["text"].strip().splitlines()
        words = said[0] if said else fault["kind"]
        if fault["kind"] == "signal":
            raise BivyError(f"{name} was compiled, but {what} ends Python with {words} in the base image")
        missing = fault["missing"].partition(".")[0]
        if missing and missing not in own:
            notes.append(f"{what} was not tried: it needs {fault['missing']}, which another distribution has")
        elif missing and not compiled and what.startswith("_"):
            continue  # the private half of what was left out
        elif re.search(
            r"Error (relocating|loading shared library)|symbol not found|[Uu]ndefined symbol", fault["text"]
        ):
            raise BivyError(f"{name} was compiled, but {what} does not load in the base image: {words}")
        else:
            notes.append(f"{what} could not be imported by itself: {fault['kind']}: {words}")
    return Tried(tuple(each for each in modules if each not in found), tuple(notes))


def _installed(path: str) -> str:
    found = re.fullmatch(r"[^/]+\.data/(?:purelib|platlib|data|headers)/(.*)", path)
    return found[1] if found else path


def _is_library(path: str) -> bool:
    return bool(re.search(r"\.so(\.\d+)*$", path))


def _modules(folder: Path) -> list[str]:
    """Return the names of a wheel's modules and packages at the top."""
    return sorted(set(_named(folder)))


def _named(folder: Path) -> Iterable[str]:
    for path in folder.iterdir():
        name = path.name.partition(".")[0]
        if not name.isidentifier():
            continue
        package = path.is_dir() and (path / "__init__.py").is_file()
        module = path.is_file() and re.fullmatch(r"[^.]+(\.py|(\.cpython-\w+-[\w-]+|\.abi3)?\.so)", path.name)
        if package or module:
            yield name
