"""What `bivy check` knows of the image, read from it, and the page of its rules: ``python -m bench.check_code``.

Without options it says whether `image.toml` and `docs/check-code.md` are what would be written; ``--record`` writes
them. Which options GNU's programs have is read from the help of those on this machine, and each is then tried on
busybox's applet in the image: so a machine with coreutils, findutils, grep, sed, tar, gzip, procps and util-linux (any
Debian) records best. The image is built, or taken from the cache.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bivy.musl.code.image import FILE
from bivy.musl.code.page import PAGE, page

REFERENCE = "python:3.14-alpine"
DANGEROUS = """halt init killall5 login poweroff reboot sh nologin passwd su yes true false test echo shred link unlink
chpasswd mesg clear reset vi more less watch top expr"""
"""Applets that are not tried: they would wait, harm, or take any word."""

INSIDE = r"""
import concurrent.futures, json, os, pathlib, re, subprocess, sys, zoneinfo

refused = re.compile("unrecognized option|invalid option|illegal option|unknown predicate|unrecognized:")


def refuses(job):
    try:
        told = subprocess.run(job, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=3, cwd="/tmp")
    except (subprocess.TimeoutExpired, OSError):
        return False
    return bool(refused.search((told.stderr + told.stdout)[:400]))


folders = [pathlib.Path(folder) for folder in dict.fromkeys(os.environ["PATH"].split(":")) if os.path.isdir(folder)]
programs = [path for folder in folders for path in folder.iterdir() if os.access(path, os.X_OK)]
applets = {path.name for path in programs if path.is_symlink() and os.path.basename(os.readlink(path)) == "busybox"}
options = {name: told for name, told in json.load(open("/record/options.json")).items() if name in applets}
jobs = [[name, option] for name, told in options.items() for option in told]
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    lacks = {}
    for (name, option), answer in zip(jobs, pool.map(refuses, jobs)):
        if answer:
            lacks.setdefault(name, []).append(option)
helped = subprocess.run(["/bin/sh", "-c", "help"], capture_output=True, text=True).stdout.split("-\n", 1)[1].split()
names = lambda file: sorted(line.split(":")[0] for line in open(file) if ":" in line)
libraries = [path.name for name in ("/lib", "/usr/local/lib", "/usr/lib") for path in pathlib.Path(name).glob("*.so*")]
json.dump({
    "programs": sorted(map(str, programs)), "applets": sorted(applets), "builtins": sorted(helped),
    "libraries": sorted(set(libraries)), "zones": sorted(zoneinfo.available_timezones()),
    "users": names("/etc/passwd"), "groups": names("/etc/group"), "lacks": lacks,
}, sys.stdout)
"""

VALUES = {"awk": "Ffiv", "date": "Idfrs", "ps": "CGOUgopqstu", "sed": "efil"}
"""Letters that take a value where the help does not say so in a way that is understood here."""

FIND = """-anewer -cnewer -context -daystart -execdir -false -files0-from -fls -fprint -fprint0 -fprintf -fstype -gid
-ignore_readdir_race -iregex -lname -ls -mount -newermt -newerct -newerat -newermm -nogroup -noleaf -nouser -nowarn
-okdir -printf -readable -regextype -true -uid -used -warn -writable -xtype"""
"""Words of find's that are no options to its help."""


def main() -> None:
    """Compare what is recorded with what is so, or write it."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--record", action="store_true", help="write both files")
    arguments.add_argument("--dist", default="dist", help="the layout that the image is in")
    told = arguments.parse_args()
    current = True
    for path, content in ((FILE, record(told.dist)), (PAGE, page())):
        if told.record:
            path.write_text(content, encoding="utf-8")
        same = path.is_file() and path.read_text(encoding="utf-8") == content
        current = current and same
        print(path.name, "is current" if same else "is not current: --record writes it")
    sys.exit(not current)


def record(dist: str) -> str:
    """Return what `image.toml` has to be, from the image in a layout."""
    known = gnu_options(_run(dist, REFERENCE, "busybox", "--list").split())
    with tempfile.TemporaryDirectory() as folder:
        options = {name: sorted(told) for name, (told, _) in known.items()}
        (Path(folder) / "options.json").write_text(json.dumps(options), encoding="utf-8")
        told = _run(dist, "-v", f"{folder}:/record:ro", REFERENCE, "python3", "-c", INSIDE)
    facts: dict[str, list[str] | dict[str, list[str]]] = json.loads(told)
    lacks = facts.pop("lacks")
    assert isinstance(lacks, dict)
    values = {
        name: "".join(sorted(letters))
        for name, (_, letters) in known.items()
        if letters and (name in lacks or name in VALUES)
    }
    lines = ["# What the image has: written by `python -m bench.check_code --record`.", f'reference = "{REFERENCE}"']
    for key, names in facts.items():
        assert isinstance(names, list)
        lines += ["", *_list(key, names)]
    lines += ["", "# Options of the GNU program (procps's, util-linux's, …) that the applet refuses.", "[lacks]"]
    for name, refused in lacks.items():
        lines += _list(f'"{name}"', refused)
    lines += ["", "# One-letter options that take a value.", "[values]"]
    lines += [f'"{name}" = "{letters}"' for name, letters in values.items()]
    return "\n".join(lines) + "\n"


def gnu_options(applets: list[str]) -> dict[str, tuple[set[str], set[str]]]:
    """Return the options of programs on this machine by their help, and which letters of those take a value."""
    known: dict[str, tuple[set[str], set[str]]] = {}
    for name in sorted(applets):
        if name in DANGEROUS.split() or not shutil.which(name):
            continue
        try:
            told = subprocess.run([name, "--help"], capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL,
                                  check=False)  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            continue
        said = told.stdout + told.stderr
        options = {f"--{long}" for long in re.findall(r"(?<![\w-])--([a-z][a-z0-9-]+)", said)} - {"--help"}
        options |= {f"-{short}" for short in re.findall(r"(?m)(?:^\s*|, )-(\w)(?=[,\s\[=]|$)", said)}
        letters = set(re.findall(r"(?m)(?:^\s*|, )-(\w)(?:,?\s+--[\w-]+=|[ =]?<?[A-Z]{2,}|\s<\w)", said))
        letters |= set(VALUES.get(name, ""))
        known[name] = (options | set(FIND.split() if name == "find" else ()), letters)
    return known


def _run(dist: str, *words: str) -> str:
    """Return what bivy prints when it runs the image; `words` are options, the reference and the command."""
    command = [sys.executable, "-m", "bivy", "run", "--output", dist, "--hostname", "image", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout


def _list(key: str, words: list[str]) -> list[str]:
    import textwrap

    filled = textwrap.wrap(
        " ".join(f'"{word}",' for word in words), 116, break_long_words=False, break_on_hyphens=False
    )
    return [f"{key} = [", *(f"    {line}" for line in filled), "]"]


if __name__ == "__main__":
    main()
