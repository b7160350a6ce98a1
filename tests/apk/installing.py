"""Packages made and installed for tests: in this process, or in one of its own that a sandbox may surround."""

from __future__ import annotations

import importlib
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bivy.apk.entry import Entry
from bivy.apk.errors import ApkError
from bivy.apk.info import PackageInfo
from bivy.apk.package import Package, read_package, write_package
from bivy.apk.system.plan import Options
from bivy.apk.system.root import Root, create, read_state
from bivy.apk.system.transaction import Outcome, apply, changing
from bivy.sandbox import find_bubblewrap, why_no_sandbox
from tests.apk.samples import DATE, file

REPOSITORY = Path(__file__).parents[2]


def package(
    name: str,
    entries: list[Entry] | tuple[Entry, ...] = (),
    version: str = "1-r0",
    scripts: dict[str, str] | None = None,
    **more: Any,
) -> Package:
    """Make a package, and read it back."""
    info = replace(PackageInfo(name, version, "noarch", build_date=DATE), **more)
    programs = {kind: f"#!/bin/sh\n{text}\n".encode() for kind, text in (scripts or {}).items()}
    return read_package(write_package(info, entries, programs))


def plain(name: str, *paths: str, content: bytes = b"content", **more: Any) -> Package:
    """Make a package of files that have one content."""
    return package(name, [file(path, content) for path in paths], **more)


@dataclass
class Told:
    """What a transaction said."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    dies_at: str = ""

    def __call__(self, level: str, text: str) -> None:
        self.lines.append((level, text))
        if self.dies_at and text == f"Executing {self.dies_at}":
            os.kill(os.getpid(), signal.SIGKILL)

    def of(self, level: str) -> list[str]:
        return [text for kind, text in self.lines if kind == level]


def empty_root(folder: Path) -> Path:
    """Make a root with an empty database, and without devices, which cannot be copied."""
    folder.mkdir()
    with Root(str(folder)) as root:
        create(root, "x86_64")
    shutil.rmtree(folder / "dev")
    return folder


def transact(
    path: Path, *new: Package, remove: tuple[str, ...] = (), told: Told | None = None, wait: float = 0, **options: Any
) -> Outcome:
    """Remove and install as the command line does, without owners unless told: whoever runs the tests may do it."""
    tags, options_world = options.pop("tags", {}), options.pop("world", ())
    chosen = Options(**{"chown": False, "scripts": False, **options})
    told = told or Told()
    with Root(str(path)) as root, changing(root, report=told, wait=wait) as state:
        there = {record.entry.name: record for record in state.installed}
        changes: list[Any] = [(there[name], None) for name in remove]
        changes += [(there.get(it.info.name), it) for it in new]
        asked = options_world or tuple(it.info.name for it in new)
        world = {*state.world, *asked} - set(remove)
        return apply(root, state, changes, world, options=chosen, tags=tags, report=told)


def copied(source: Path, target: Path) -> Path:
    """Copy a root as it is, several names of one file included."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    return target


def snapshot(path: Path) -> dict[str, tuple[object, ...]]:
    """Return all that is in a root but the lock, with what makes it what it is."""
    found: dict[str, tuple[object, ...]] = {}
    for place in sorted(path.rglob("*")):
        name = str(place.relative_to(path))
        status = place.lstat()
        content: object = (
            str(place.readlink()) if place.is_symlink() else place.read_bytes() if place.is_file() else None
        )
        whole = place.is_file() and not place.is_symlink()
        mtime = int(status.st_mtime) if whole and "apk" not in place.parts else 0
        if name not in ("lib/apk/db/lock", "lib/apk/exec"):
            links = status.st_nlink if whole else 1
            found[name] = (oct(status.st_mode), status.st_uid, status.st_gid, content, links, mtime)
    return found


def installed(path: Path) -> dict[str, str]:
    """Return the versions of what is installed, with what is broken about it."""
    with Root(str(path)) as root:
        records = read_state(root).installed
        return {it.entry.name: it.entry.version + (f" {it.broken}" if it.broken else "") for it in records}


def shell_files() -> list[Path]:
    """Return the machine's shell and what it is linked with, by the names that it asks for."""
    told = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True).stdout
    return [Path("/bin/sh"), *(Path(path) for path in dict.fromkeys(re.findall(r"(/\S+)", told)) if "(" not in path)]


def root_with_shell(folder: Path) -> Path:
    """Make a root in which scripts can be run: with a shell, of whose own commands it has none but that."""
    empty_root(folder)
    for path in shell_files():
        place = folder / str(path).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path.resolve(), place)
        place.chmod(0o755)
    return folder


@dataclass(frozen=True)
class Job:
    """A transaction in a process of its own, which may change its root.

    Attributes:
        root: The root.
        new: Packages to install.
        remove: Names of packages to remove.
        world: What is asked for; nothing takes what is installed and leaves the rest as it is.
        options: As of `Options`.
        dies_at: Which script's start kills the process, where one does: ``demo-1-r0.post-install``.
        mounts: More words for bubblewrap.
    """

    root: Path
    new: tuple[Package, ...] = ()
    remove: tuple[str, ...] = ()
    world: tuple[str, ...] = ()
    options: dict[str, object] = field(default_factory=dict)
    dies_at: str = ""
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """What came of it: what was said, and the number of errors, or why it could not be done."""

    told: Told
    errors: int = 0
    fault: str = ""
    hint: str = ""
    unchanged: bool = False


def run(job: Job, *, sandboxed: bool = False) -> Done | None:
    """Run a job as root, a sandbox's where the tests' user is another; ``None`` where it died."""
    words = [sys.executable, "-m", "tests.apk.installing"]
    if os.geteuid() != 0 or sandboxed or job.mounts:
        if (reason := why_no_sandbox()) is not None:
            pytest.skip(f"no sandbox: {reason}")
        program = ["--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
        words = [str(find_bubblewrap()), "--unshare-user", *program, *job.mounts, "--", *words]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}:{REPOSITORY}"}
    done = subprocess.run(words, input=pickle.dumps(job), capture_output=True, env=environment, timeout=120)
    if done.returncode < 0 or done.returncode == 128 + signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr.decode()
    answer = pickle.loads(done.stdout.rpartition(b"ANSWER")[2])
    assert isinstance(answer, Done)
    return answer


def finished(job: Job) -> Done:
    """Run a job that does not die."""
    done = run(job)
    assert done is not None
    return done


def main() -> None:
    """Do what standard input says, and say what came of it."""
    job: Job = pickle.loads(sys.stdin.buffer.read())
    told = Told(dies_at=job.dies_at)
    options: dict[str, Any] = {"chown": True, "scripts": True, **job.options}
    if source := options.pop("copy", None):
        copied(Path(source), job.root)
    if options.pop("noexec", False):
        words = ["mount", "-o", "remount,noexec", str(job.root / "lib/apk/exec")]
        if subprocess.run(words, capture_output=True).returncode != 0:
            sys.stdout.buffer.write(b"ANSWER" + pickle.dumps(Done(told, hint="no noexec")))
            return
    before = snapshot(job.root)
    try:
        outcome = transact(job.root, *job.new, remove=job.remove, told=told, world=job.world, **options)
        done = Done(Told(told.lines), outcome.errors)
    except ApkError as fault:
        done = Done(Told(told.lines), fault=str(fault), hint=fault.hint or "", unchanged=snapshot(job.root) == before)
    sys.stdout.buffer.write(b"ANSWER" + pickle.dumps(done))


if __name__ == "__main__":
    # Under its own name, so that what is pickled here is known there.
    importlib.import_module("tests.apk.installing").main()
