"""Install scripts and triggers run in a sandbox, and what they changed becomes part of the tree.

As apk does it: each package's ``pre-install`` runs when the packages before it are there with all that their scripts
did, then its files come, then its ``post-install`` runs; triggers run once all packages are there (apk-tools 2.14,
database.c, package.c and commit.c). Files of all packages at once would be simpler, but then a ``pre-install`` would
find its own package's folders there, and ``adduser`` would not make the home that it is told to; and a package's owners
that are given by name are looked up among the users that there are once its ``pre-install`` has run.
"""

from __future__ import annotations

import contextlib
import os
import platform
import select
import signal
import time
from collections import deque
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

from bivy.apk.entry import Entry, Kind
from bivy.errors import BivyError
from bivy.files import scratch_folder, sweep
from bivy.progress import Outcome, Silent
from bivy.rootfs.disk import MOUNTED, Difference, DiskTree, names_of
from bivy.rootfs.kernel import answer, open_inside, start_unowned
from bivy.rootfs.tree import Tree, parents_of
from bivy.sandbox import Bind, Sandbox, find_bubblewrap, sandbox_hint, why_no_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bivy.apk.database import Recorded
    from bivy.apk.package import Package
    from bivy.arch import Arch
    from bivy.progress import Progress

TIME_LIMIT = 300.0
"""Seconds that one script may take: the longest of Alpine's take some seconds."""

# A name that no package has: the scripts are laid there, and nothing of it stays.
_EXEC = ".bivy-exec"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_LAST_LINES = 20
_LONGEST_LINE = 500
# What root may do with files, and what installing means; nothing that reaches out of the sandbox.
_CAPABILITIES = ("CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETUID", "CAP_SETGID", "CAP_SETFCAP", "CAP_KILL",
                 "CAP_SYS_CHROOT")  # fmt: skip
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Scripted:
    """Packages with what their scripts did.

    Attributes:
        trees: The trees, lowest first, without what scripts removed, and with the owners' numbers that the users have.
        packages: The packages, with the same numbers: what the database is to say.
        changes: What scripts made or changed, to be laid over the trees; empty where none did anything.
    """

    trees: tuple[Tree, ...]
    packages: tuple[Package, ...]
    changes: Tree


@dataclass(frozen=True, slots=True)
class _Script:
    """A script that is to run.

    Attributes:
        name: What it is called in messages: ``busybox-1.36.1-r29.post-install``.
        content: What it is.
        arguments: What it is called with; the first is its kind, as apk gives it.
    """

    name: str
    content: bytes
    arguments: tuple[str, ...]


def run_scripts(
    trees: Sequence[Tree],
    packages: Sequence[Package],
    *,
    arch: Arch,
    scratch: Path,
    epoch: int,
    below: Sequence[Recorded] = (),
    progress: Progress | None = None,
    time_limit: float = TIME_LIMIT,
) -> Scripted:
    """Run what packages want to have run when they are installed.

    Where no package has anything to run, nothing is written anywhere.

    Args:
        trees: What is installed, lowest first; where there was something before, the first is that.
        packages: The packages in it, in the order of installation.
        arch: What they are for.
        scratch: A folder for temporary files; all that is written is below it. `bivy.rootfs.disk.memory_folder` is
            the quickest.
        epoch: The time that files have for the scripts, and that what they write gets: seconds since 1970.
        below: The packages that were there before, a base's (`BaseRootfs.packages`): of them only triggers run, and
            those of the same name that are installed now are upgrades of them.
        progress: Who watches.
        time_limit: Seconds that each script may take.

    Raises:
        BivyError: A script failed, took too long or cannot run on this machine; there is no sandbox; a tree cannot be
            written.
    """
    watch = progress or Silent()
    view = {path: entry for tree in trees for path, entry in tree.entries.items()}
    olds = {each.installed.entry.name: each.installed.entry.version for each in below}
    if not any(_scripts_of(package, olds) for package in packages) and not _triggered(packages, below):
        numbers = _numbers(*(_text_in(view, path) for path in _ACCOUNTS))
        return _settled(trees, [_with_owners(package, numbers) for package in packages], packages, Difference())
    _check_sandbox()
    try:
        sweep(scratch)
        with scratch_folder(scratch, "scripts-") as folder:
            (folder / "root").mkdir()
            (folder / "exec").mkdir()
            runner = _Runner(DiskTree(folder / "root", epoch), folder / "exec", arch, watch, time_limit)
            began = time.time()
            resolved = _install(runner, view, trees[0] if below else Tree.of(()), packages, olds)
            for script in _triggered(packages, below):
                runner.run(script)
            difference = _with_fixed_days(runner.disk.difference(), view, epoch, began)
    except OSError as fault:
        raise BivyError(f"install scripts cannot run below {scratch}: {fault.strerror} ({fault.filename})") from None
    return _settled(trees, resolved, packages, difference)


def _install(
    runner: _Runner, view: Mapping[str, Entry], base: Tree, packages: Sequence[Package], olds: Mapping[str, str]
) -> list[Package]:
    """Write the packages' files one package after another, and run what comes before and after them."""
    disk = runner.disk
    disk.write([Entry(name, Kind.DIRECTORY, 0o755) for name in _mountpoints(view)])
    disk.write(base.entries.values())
    owned = {entry.path for package in packages for entry in package.entries}
    disk.write(_with_folders((it for path, it in view.items() if path not in owned and path not in base.entries), view))
    settled = []
    for package in packages:
        scripts = _scripts_of(package, olds)
        for script in scripts:
            if script.arguments[0].startswith("pre-"):
                runner.run(script)
        resolved = _with_owners(package, _numbers(*map(disk.text_of, _ACCOUNTS)))
        disk.write(_as_in_tree(view, package, resolved))
        settled.append(resolved)
        for script in scripts:
            if script.arguments[0].startswith("post-"):
                runner.run(script)
    return settled


def _mountpoints(view: Mapping[str, Entry]) -> list[str]:
    """Return the folders that the sandbox needs and the tree does not have.

    Raises:
        BivyError: The tree has something else there.
    """
    for name in MOUNTED:
        if name in view and view[name].kind is not Kind.DIRECTORY:
            raise BivyError(f"/{name} is a {view[name].kind.value}, so install scripts cannot run")
    return [name for name in (*MOUNTED, _EXEC) if name not in view]


def _as_in_tree(view: Mapping[str, Entry], package: Package, resolved: Package) -> list[Entry]:
    """Return a package's entries as they are in the tree, where another package may have replaced them."""
    return _with_folders(
        (
            _owned_alike(view[entry.path], entry, settled)
            for entry, settled in zip(package.entries, resolved.entries, strict=True)
            if entry.path in view
        ),
        view,
    )


def _with_folders(entries: Iterable[Entry], view: Mapping[str, Entry]) -> list[Entry]:
    """Put the folders that entries are in before them."""
    wanted: dict[str, Entry] = {}
    for entry in entries:
        if entry.path.rpartition("/")[0] not in wanted:
            wanted |= {parent: view[parent] for parent in reversed(parents_of(entry.path)) if parent not in wanted}
        wanted[entry.path] = entry
    return list(wanted.values())


def _owned_alike(here: Entry, entry: Entry, settled: Entry) -> Entry:
    """Give what is in a tree the numbers that its package's entry got."""
    if settled is entry or _owner_of(here) != _owner_of(entry):
        return here
    return replace(here, uid=settled.uid, gid=settled.gid)


def _owner_of(entry: Entry) -> tuple[int, int, str, str]:
    return entry.uid, entry.gid, entry.user, entry.group


def _settled(
    trees: Sequence[Tree], resolved: Sequence[Package], packages: Sequence[Package], difference: Difference
) -> Scripted:
    """Put together what there is in the end."""
    owners = {
        after.path: (before, after)
        for package, other in zip(packages, resolved, strict=True)
        for before, after in zip(package.entries, other.entries, strict=True)
        if before is not after
    }

    def settle(tree: Tree) -> Tree:
        if owners.keys().isdisjoint(tree.entries):
            return difference.apply(tree)
        entries = {path: _owned_alike(it, *owners[path]) if path in owners else it for path, it in tree.entries.items()}
        return difference.apply(Tree(MappingProxyType(entries)))

    return Scripted(tuple(map(settle, trees)), tuple(resolved), Tree.of(difference.entries))


_ACCOUNTS = ("etc/passwd", "etc/group")


def _text_in(view: Mapping[str, Entry], path: str) -> str:
    entry = view.get(path)
    return entry.content.decode(errors="replace") if entry and entry.kind is Kind.FILE else ""


def _numbers(passwd: str, group: str) -> tuple[Mapping[str, int], Mapping[str, int]]:
    return names_of(passwd), names_of(group)


def _with_owners(package: Package, numbers: tuple[Mapping[str, int], Mapping[str, int]]) -> Package:
    """Give a package's entries the numbers that the names of their owners have in the image.

    As apk does, the archive's own number counts where there is no such name (io.c, apk_resolve_uid). Root is always 0;
    an archive without names says root for everybody.
    """
    users, groups = numbers
    entries = []
    for entry in package.entries:
        uid = entry.uid if entry.user == "root" else users.get(entry.user, entry.uid)
        gid = entry.gid if entry.group == "root" else groups.get(entry.group, entry.gid)
        same = (uid, gid) == (entry.uid, entry.gid)
        entries.append(entry if same else replace(entry, uid=uid, gid=gid))
    return replace(package, entries=tuple(entries))


def _scripts_of(package: Package, olds: Mapping[str, str]) -> list[_Script]:
    """Return what runs before and after a package's files come."""
    info = package.info
    old = olds.get(info.name)
    kinds = ("pre-install", "post-install") if old is None else ("pre-upgrade", "post-upgrade")
    versions = (info.version,) if old is None else (info.version, old)
    return [
        _Script(f"{info.name}-{info.version}.{kind}", package.scripts[kind], (kind, *versions))
        for kind in kinds
        if kind in package.scripts
    ]


def _triggered(packages: Sequence[Package], below: Sequence[Recorded]) -> list[_Script]:
    """Return the triggers that run: those of new packages for all folders, of others for those with new files."""
    new = {folder for package in packages for folder in folders_of(package)}
    names = {package.info.name for package in packages}
    old = [each for each in below if each.installed.entry.name not in names]
    everything = new.union(folder.path for each in old for folder in each.installed.folders)
    scripts = []
    for each in old:
        entry = each.installed.entry
        scripts += _trigger(f"{entry.name}-{entry.version}", each.scripts, each.triggers, new)
    for package in packages:
        title = f"{package.info.name}-{package.info.version}"
        scripts += _trigger(title, package.scripts, package.info.triggers, everything)
    return scripts


def folders_of(package: Package) -> set[str]:
    """Return the folders that a package has, or has something in; the root is the empty path."""
    return {entry.path for entry in package.entries if entry.kind is Kind.DIRECTORY}.union(
        entry.path.rpartition("/")[0] for entry in package.entries
    )


def _trigger(
    title: str, scripts: Mapping[str, bytes], patterns: Sequence[str], folders: Iterable[str]
) -> list[_Script]:
    found = sorted(f"/{folder}" for folder in folders if any(matches(pattern, f"/{folder}") for pattern in patterns))
    if not found or "trigger" not in scripts:
        return []
    return [_Script(f"{title}.trigger", scripts["trigger"], ("trigger", *found))]


def matches(pattern: str, folder: str) -> bool:
    """Tell whether a trigger's pattern stands for a folder, as fnmatch(3) with FNM_PATHNAME, ``*`` matches no ``/``."""
    words, parts = pattern.split("/"), folder.split("/")
    return pattern.startswith("/") and len(words) == len(parts) and all(map(fnmatchcase, parts, words))


def _check_sandbox() -> None:
    reason = why_no_sandbox()
    if reason is not None:
        raise BivyError(f"install scripts cannot run without a sandbox: {reason}", hint=sandbox_hint())


def _with_fixed_days(difference: Difference, view: Mapping[str, Entry], epoch: int, began: float) -> Difference:
    """Give new passwords in ``/etc/shadow`` the image's date: whoever adds a user writes down the day."""
    days = {str(day) for day in range(int(began) // _DAY, int(time.time()) // _DAY + 1)}
    known = set(_text_in(view, "etc/shadow").splitlines())

    def fixed(line: str) -> str:
        words = line.split(":")
        if line in known or len(words) != 9 or words[2] not in days:
            return line
        return ":".join([*words[:2], str(epoch // _DAY), *words[3:]])

    entries = []
    for entry in difference.entries:
        if entry.path in ("etc/shadow", "etc/shadow-") and entry.kind is Kind.FILE:
            text = entry.content.decode(errors="surrogateescape")
            lines = "\n".join(fixed(line) for line in text.split("\n"))
            entry = replace(entry, content=lines.encode(errors="surrogateescape"))  # noqa: PLW2901
        entries.append(entry)
    return Difference(tuple(entries), difference.removed)


@dataclass(frozen=True, slots=True)
class _Runner:
    """Where scripts run, and who hears of it."""

    disk: DiskTree
    programs: Path
    arch: Arch
    progress: Progress
    time_limit: float

    def run(self, script: _Script) -> None:
        """Run a script and wait for it.

        Raises:
            BivyError: It failed, took too long, or cannot run here.
        """
        task = f"run {script.name}"
        self.progress.begin(task)
        try:
            status, lines = self._execute(script)
        except BaseException:
            self.progress.end(task, Outcome.FAILED)
            raise
        if status == 0:
            for line in lines:
                self.progress.say(f"{script.name}: {line}")
        self.progress.end(task, Outcome.FAILED if status else Outcome.DONE)
        if status:
            last = "\n".join(lines) or "It wrote nothing."
            raise BivyError(f"the install script {script.name} ended with {_status(status)}\n{last}")

    def _execute(self, script: _Script) -> tuple[int, Sequence[str]]:
        root = os.open(self.disk.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            interpreter = _interpreter(script)
            if interpreter:
                self._check_interpreter(script, interpreter, root)
            program = self.programs / script.name
            program.write_bytes(script.content)
            program.chmod(0o755)
            try:
                return self._start([f"/{_EXEC}/{script.name}", *script.arguments[1:]], root, script.name)
            finally:
                program.unlink()
        finally:
            os.close(root)

    def _check_interpreter(self, script: _Script, interpreter: Sequence[str], root: int) -> None:
        with contextlib.suppress(OSError):
            found = open_inside(root, interpreter[0])
            if found is None:
                raise BivyError(
                    f"the install script {script.name} needs {interpreter[0]}, which is not there before it",
                    hint="add a package that has it, such as busybox and busybox-binsh",
                )
            os.close(found)
        machine = platform.machine()
        if self.arch.machine == machine:
            return
        status, lines = self._start([*interpreter, "/dev/null"], root, script.name)
        if status:
            raise BivyError(
                f"the install script {script.name} is for {self.arch.name} and does not run on this machine ({machine})"
                + "".join(f"\n{line}" for line in lines[-1:]),
                hint=f"register qemu for {self.arch.name} with the kernel (package qemu-user-static on Debian and "
                "Ubuntu), or compose the image on such a machine",
            )

    def _start(self, argv: Sequence[str], root: int, name: str) -> tuple[int, list[str]]:
        bubblewrap = find_bubblewrap()
        assert bubblewrap is not None
        sandbox = Sandbox(
            binds=[Bind(self.disk.root, "/", writable=True), Bind(self.programs, f"/{_EXEC}")],
            environment={"PATH": _PATH, "TZ": "UTC", "LC_ALL": "C", "SOURCE_DATE_EPOCH": str(self.disk.epoch)},
            uid=0, gid=0, capabilities=_CAPABILITIES,
        )  # fmt: skip
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            process, listener = start_unowned(sandbox.command(bubblewrap, argv), writing)
        except OSError as fault:
            os.close(reading)
            raise BivyError(f"{bubblewrap} does not start: {fault.strerror}") from None
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        if listener is None:
            self.progress.say(f"{name}: this kernel does not tell whom it gives files to: they stay root's")
        try:
            lines = self._attend(reading, listener, root, name)
            return process.wait(), lines
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(reading)
            if listener is not None:
                os.close(listener)

    def _attend(self, output: int, listener: int | None, root: int, name: str) -> list[str]:
        """Read what a script writes and answer what it asks for, until it has ended.

        Raises:
            BivyError: It took too long.
        """
        end = time.monotonic() + self.time_limit
        last: deque[str] = deque(maxlen=_LAST_LINES)
        rest = b""
        waiting = select.poll()
        for descriptor in (output, *([] if listener is None else [listener])):
            waiting.register(descriptor, select.POLLIN)
        while True:
            left = end - time.monotonic()
            ready = dict(waiting.poll(max(0, left * 1000)))
            if left <= 0:
                raise BivyError(
                    f"the install script {name} did not end within {self.time_limit:g} s\n" + "\n".join(last),
                    hint="it was stopped, with all that it had started",
                )
            if listener in ready and ready[listener] & select.POLLIN:
                chown = answer(listener, root, self.disk.root)
                if chown is not None:
                    self.disk.given(chown)
            elif listener in ready:
                waiting.unregister(listener)
            if output in ready:
                piece = os.read(output, 1 << 16)
                *lines, rest = (rest[-_LONGEST_LINE:] + piece).split(b"\n")
                last.extend(line.decode(errors="replace")[:_LONGEST_LINE] for line in lines)
                if not piece:
                    break
        if rest:
            last.append(rest.decode(errors="replace"))
        return list(last)


def _interpreter(script: _Script) -> list[str]:
    """Return the program that a script names in its first line, with its argument; none where there is no such line."""
    first, _, _ = script.content[:4096].partition(b"\n")
    if not first.startswith(b"#!"):
        return []
    return first[2:].decode(errors="replace").split(maxsplit=1)


def _status(status: int) -> str:
    if status < 0 or status > 128:
        number = -status if status < 0 else status - 128
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(number).name}"
    return f"exit status {status}"
