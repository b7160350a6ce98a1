"""Tries what a wheel holds in the base image: each library is loaded and each module imported, one process each."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60
"""Seconds for one of them."""


def main(folder: str, libraries: list[str], modules: list[str]) -> dict[str, dict[str, str]]:
    """Return what went wrong, by library or module: its kind, its words, and the name of a module that is missing.

    Args:
        folder: Where the wheel is installed.
        libraries: Paths in it.
        modules: Names of modules in it.
    """
    sys.path.insert(0, folder)
    found = {}
    for library in libraries:
        fault = _tried(lambda path=library: ctypes.CDLL(os.path.join(folder, path), os.RTLD_NOW))  # type: ignore[misc]  # noqa: PTH118
        if fault:
            found[library] = fault
    for module in modules:
        fault = _tried(lambda name=module: importlib.import_module(name))  # type: ignore[misc]
        if fault:
            found[module] = fault
    return found


def _tried(action: Callable[[], object]) -> dict[str, str]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        signal.alarm(PATIENCE)
        fault: dict[str, str] = {}
        try:
            action()
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it is told
            name = getattr(raised, "name", "") if isinstance(raised, ModuleNotFoundError) else ""
            fault = {"kind": type(raised).__name__, "text": str(raised)[:2000], "missing": name or ""}
        os.write(writing, json.dumps(fault).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        told = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        return {"kind": "signal", "text": signal.Signals(-status).name, "missing": ""}
    try:
        answer: dict[str, str] = json.loads(told)
    except ValueError:
        return {"kind": "exit", "text": f"it ended the process with status {status}", "missing": ""}
    return answer


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as order:  # noqa: PTH123
        asked = json.load(order)
    result = main(asked["folder"], asked["libraries"], asked["modules"])
    with open(asked["answer"], "w", encoding="utf-8") as answer_file:  # noqa: PTH123
        json.dump(result, answer_file)
