"""What a command line says of a project's own modules and files: where they are, or that they are not there."""

from __future__ import annotations

import itertools
import posixpath
import re
from typing import TYPE_CHECKING, Final

from bivy.app.values import HOME
from bivy.tables import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bivy.app.values import ProjectFile

_MODULE: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_PLACE: Final = re.compile(rf"(?P<module>{_MODULE})(?::{_MODULE}(?:\(\))?)")


def named_modules(words: Sequence[str]) -> list[str]:
    """Return the modules that the words of a command name: after ``-m``, and in ``module:name``."""
    found = [after for word, after in itertools.pairwise(words) if word == "-m" and _is_python(words[0])]
    return found + [match["module"] for word in words[1:] if (match := _PLACE.fullmatch(word))]


def _is_python(program: str) -> bool:
    return bool(re.fullmatch(r"python[\d.]*", posixpath.basename(program)))


def find_folder(module: str, files: Iterable[ProjectFile], imports: Sequence[str]) -> str | None:
    """Return the folder that a module of the project's is imported from; ``None`` where it has none of that name.

    Args:
        module: Its full name.
        files: What belongs to the project.
        imports: The folders that modules are imported from as far as is known; they go before others.
    """
    path = module.replace(".", "/")
    ends = (f"{path}.py", f"{path}/__init__.py", f"{path}/__main__.py")
    paths = {file.path for file in files}
    for folder in imports:
        if any(posixpath.normpath(posixpath.join(folder, end)) in paths for end in ends):
            return folder
    others = {
        each.removesuffix(end).rstrip("/") or "." for each in paths for end in ends if f"/{each}".endswith(f"/{end}")
    }
    return others.pop() if len(others) == 1 else None


def fault_of(words: Sequence[str], files: Sequence[ProjectFile], imports: Sequence[str]) -> str:
    """Return what a command line names that the project should have and does not; empty where all is well.

    A module whose package the project does not have belongs to something that it depends on.
    """
    paths = [file.path for file in files]
    for word in words:
        path = word.removeprefix(f"{HOME}/")
        if path != word and path.endswith(".py") and path not in paths:
            return f"the project has no file {path!r}{nearest(path, paths)}"
    for module in named_modules(words):
        if fault := fault_of_module(module, files, imports):
            return fault
    return ""


def fault_of_module(module: str, files: Sequence[ProjectFile], imports: Sequence[str]) -> str:
    """Return that the project lacks a module of a package that it has; empty where it does not."""
    known = _modules([file.path for file in files], imports)
    top = module.partition(".")[0]
    own = any(each == top or each.startswith(f"{top}.") for each in known)
    if own and module not in known and find_folder(module, files, imports) is None:
        return f"the project has no module {module!r}{nearest(module, known)}"
    return ""


def _modules(paths: Iterable[str], imports: Sequence[str]) -> set[str]:
    """Return the names of a project's modules and of the packages that they are in."""
    found: set[str] = set()
    for path in paths:
        for folder in imports:
            prefix = "" if folder == "." else f"{folder}/"
            if path.startswith(prefix) and path.endswith((".py", ".pyi", ".pyx", ".so")):
                words = path.removeprefix(prefix).partition(".")[0].split("/")
                found |= {".".join(words[:count]) for count in range(1, len(words) + 1)}
    return found
