"""Calls one hook of a project's build backend (PEP 517) in the folder of its source, and writes down the answer."""

from __future__ import annotations

import importlib
import json
import os
import sys


def main(order: str) -> None:
    """Do what a file says: ``backend``, ``path``, ``hook``, ``output``, ``settings``; the answer goes into ``answer``.

    Args:
        order: The file, in JSON.
    """
    with open(order, encoding="utf-8") as file:  # noqa: PTH123
        told = json.load(file)
    sys.path[:0] = [os.path.abspath(folder) for folder in told["path"]]  # noqa: PTH100
    module, _, attributes = told["backend"].partition(":")
    backend = importlib.import_module(module)
    for name in filter(None, attributes.split(".")):
        backend = getattr(backend, name)
    if told["hook"] == "build_wheel":
        answer = backend.build_wheel(told["output"], told["settings"] or None)
    else:
        hook = getattr(backend, told["hook"], None)
        answer = list(hook(told["settings"] or None)) if hook else []
    with open(told["answer"], "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(answer, file)


if __name__ == "__main__":
    main(sys.argv[1])
