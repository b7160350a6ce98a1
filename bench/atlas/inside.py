"""Runs in the image, by itself: installs one package with pip, imports what it provides, writes down what happened.

    python3 inside.py NAME RESULT.json

It needs nothing but the image's own Python. What it writes is what was seen, not what it means: that is read from it
outside (`bench.atlas.outcome`), and can be read again.
"""

from __future__ import annotations

import importlib.machinery
import json
import re
import subprocess
import sys
import time
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path, PurePosixPath

PIP_SECONDS = 420
IMPORT_SECONDS = 60
ALL_SECONDS = 570
STARTED = time.monotonic()
REPORT = Path("/tmp/pip-report.json")
LOAD = """
import ctypes, importlib, os, sys
for name in sys.argv[1].split():
    try:
        importlib.import_module(name)
    except BaseException:
        pass
for library in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        try:
            ctypes.CDLL(library)
        except BaseException as error:
            os.write(1, f"\\n!{library}\\t{error}\\n".encode())
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status:
        os.write(1, f"\\n!{library}\\tended with status {status}\\n".encode())
"""
"""Loads the libraries given, each in a process of its own, in which the modules that use them are already there."""


def run(words: list[str], seconds: int) -> tuple[int | None, str]:
    """Run a command and return its exit status (none where it took too long) and all that it wrote."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=max(1, min(seconds, STARTED + ALL_SECONDS - time.monotonic())),
            check=False,
            cwd="/",
        )
    except subprocess.TimeoutExpired as expired:
        return None, (expired.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout.decode(errors="replace")


def install(name: str) -> dict[str, object]:
    """Install a package as a Dockerfile would, and return how that went."""
    words = [sys.executable, "-m", "pip", "install", "--no-compile", "--no-input", "--no-color", "--progress-bar=off"]
    words += ["--disable-pip-version-check", "--root-user-action=ignore", f"--report={REPORT}", name]
    started = time.monotonic()
    status, output = run(words, PIP_SECONDS)
    chosen = json.loads(REPORT.read_text())["install"] if REPORT.exists() else []
    files = {
        item["metadata"]["name"]: item["download_info"]["url"].partition("#")[0].rpartition("/")[2] for item in chosen
    }
    return {"status": status, "output": output, "files": files, "seconds": round(time.monotonic() - started, 1)}


def provided(found: Distribution) -> tuple[list[str], list[Path]]:
    """Return the modules nearest to the top that a distribution has, and its shared libraries.

    A folder without `__init__.py` belongs to several distributions (PEP 420): what is in it stands for it.
    """
    suffixes = sorted(importlib.machinery.all_suffixes(), key=len, reverse=True)
    modules: set[tuple[str, ...]] = set()
    libraries = []
    for file in found.files or ():
        path = PurePosixPath(file)
        if ".so" in path.suffixes or path.name.endswith(".so"):
            libraries.append(Path(str(found.locate_file(file))))
        suffix = next((ending for ending in suffixes if path.name.endswith(ending)), None)
        if suffix is None:
            continue
        parts = (*path.parts[:-1], path.name.removesuffix(suffix))
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts and all(re.fullmatch(r"[^\W\d]\w*", part) for part in parts):
            modules.add(parts)
    top = [parts for parts in modules if not any(parts[:length] in modules for length in range(1, len(parts)))]
    return sorted(".".join(parts) for parts in top), sorted(libraries)


def imported(module: str) -> dict[str, object]:
    """Import a module in a process of its own and return how that went."""
    status, output = run([sys.executable, "-c", f"import {module}"], IMPORT_SECONDS)
    return {"module": module, "status": status, "output": "" if status == 0 else output[-4000:]}


def unloadable() -> list[dict[str, object]]:
    """Return the shared libraries of all distributions installed that cannot be loaded, with what the loader said."""
    failed: list[dict[str, object]] = []
    for found in distributions():
        modules, libraries = provided(found)
        if not libraries:
            continue
        status, output = run([sys.executable, "-c", LOAD, " ".join(modules), *map(str, libraries)], IMPORT_SECONDS)
        lines = [line[1:].split("\t", 1) for line in output.splitlines() if line.startswith("!")]
        failed += [{"library": line[0], "output": line[1]} for line in lines]
        if status != 0:
            name = found.metadata["Name"]
            failed.append({"library": f"those of {name}", "output": f"status {status}: {output[-1000:]}"})
    return failed


def main() -> None:
    """Install, import, and write the result."""
    name, result = sys.argv[1:]
    pip = distribution("pip").version
    done = install(name)
    seen: dict[str, object] = {"name": name, "python": sys.version.split()[0], "pip": pip, "install": done}
    if done["status"] == 0:
        found = distribution(name)
        seen["version"] = found.version
        seen["installed"] = {other.metadata["Name"]: other.version for other in distributions()}
        seen["imports"] = [imported(module) for module in provided(found)[0]]
        seen["unloadable"] = unloadable()
    Path(result).write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main()
