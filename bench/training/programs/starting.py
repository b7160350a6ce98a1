"""What happens again and again where programs are short: a start, imports with bytecode and without, an end."""

import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

IMPORTS = [
    "os, sys, re, json", "argparse, logging, pathlib", "asyncio", "dataclasses, enum, typing, functools",
    "urllib.request, http.client, email.message", "sqlite3, decimal, datetime", "unittest, tempfile, shutil",
    "subprocess, threading, concurrent.futures", "xml.etree.ElementTree, csv, configparser", "ssl, hashlib, hmac, secrets",
]
SOURCES = ["json", "email", "asyncio", "logging", "argparse.py", "dataclasses.py", "tarfile.py", "typing.py"]
SERVICE = """
import argparse, json, logging, sys
from dataclasses import dataclass, field

@dataclass
class Settings:
    name: str = "service"
    tags: list[str] = field(default_factory=list)

def main(words):
    parser = argparse.ArgumentParser(description="a short program")
    parser.add_argument("--name", default="service")
    parser.add_argument("tags", nargs="*")
    told = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO)
    logging.info("%s starts", told.name)
    print(json.dumps(vars(Settings(told.name, told.tags)), sort_keys=True))
    return 3 if "fail" in told.tags else 0

if __name__ == "__main__":
    if "raise" in sys.argv:
        {}["missing"]
    sys.exit(main(sys.argv[1:]))
"""


def run(*words: str, status: int = 0, folder: pathlib.Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)} if folder else None
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout


def copies(folder: pathlib.Path) -> list[str]:
    """Copy modules of the standard library under other names, where they have no bytecode."""
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    names = []
    for source in SOURCES:
        name = f"own_{source}"
        if source.endswith(".py"):
            shutil.copyfile(library / source, folder / name)
        else:
            shutil.copytree(library / source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        names.append(name.removesuffix(".py"))
    return names


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program = folder / "program.py"
        program.write_text(SERVICE)
        for _ in range(12):
            run("-c", "pass")
            run("-I", "-c", "import sys; sys.exit(0)")
        for names in IMPORTS:
            run("-c", f"import {names}")
        for tags in ((), ("a", "b"), ("c",) * 30):
            run(str(program), "--name", "x", *tags)
        run(str(program), "fail", status=3)
        run(str(program), "raise", status=1)
        packages = copies(folder)
        for module in packages:
            run("-B", "-c", f"import {module}", folder=folder)      # compiled from its source, each time
        for _ in range(2):                                          # the second time from bytecode
            for module in packages:
                run("-c", f"import {module}", folder=folder)
        archive = folder / "program.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("__main__.py", SERVICE)
        run(str(archive), "zipped")
        (folder / "kept").write_bytes(pickle.dumps([{"number": i, "text": f"text {i}", "half": i / 2} for i in range(5000)]))
        run("-c", f"import pickle; print(len(pickle.load(open({str(folder / 'kept')!r}, 'rb'))))")
        (folder / "kept.json").write_text('{"a": [1, 2.5, null, "text"]}')
        run("-m", "json.tool", str(folder / "kept.json"))
        run("-m", "compileall", "-q", str(folder))
    print("started")


if __name__ == "__main__":
    main()
