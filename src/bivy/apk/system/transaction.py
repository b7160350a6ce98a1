"""Packages installed into a root, upgraded and removed: all of it, or nothing.

First everything new is written beside its place, under the names that genuine apk uses, the database included; then
a journal is made durable that says what has to be done; then come only renames and removals, which need no space, and
scripts in between. What is interrupted before the journal is undone by the next run, what is interrupted after it is
finished by the next run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import zlib
from dataclasses import dataclass, replace

from bivy.apk import tar
from bivy.apk.database import (
    Access,
    InstalledFolder,
    InstalledPackage,
    folders_among,
    format_installed,
    read_installed,
)
from bivy.apk.dependency import name_of
from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.apk.package import SCRIPTS
from bivy.apk.system import execute, journal
from bivy.apk.system.journal import DECIDED, DONE, FAILED, NOT_YET, PREPARED, UNRECORDED, Action, Step
from bivy.apk.system.plan import EXECUTED, Options, combine, folder_of, joined, make_plan, read_ids
from bivy.apk.system.root import (
    ARCH,
    DATABASE,
    SCRIPTS_TAR,
    SCRIPTS_TAR_GZ,
    WORLD,
    checksum_at,
    locked,
    read_state,
    write_all,
    write_file,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bivy.apk.package import Package
    from bivy.apk.system.plan import Plan
    from bivy.apk.system.root import Root, State

    Change = tuple[InstalledPackage | None, Package | None]
    Report = Callable[[str, str], None]

_INSTALLED = f"{DATABASE}/installed"
_MARKED = f"{DATABASE}/installed.marked"
_HOOKS = "etc/apk/commit_hooks.d"
_DEFAULTS = Options()


def _silent(_level: str, _text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a transaction.

    Attributes:
        errors: How many packages are not whole, or had a script that failed; those that were so before count too.
        installed: What is installed now.
    """

    errors: int
    installed: tuple[InstalledPackage, ...]


# Staging


def _stage_content(folder: int, name: str, entry: Entry, *, chown: bool) -> bool:
    """Write a new file; return whether all of its extended attributes could be set."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    whole = True
    try:
        write_all(descriptor, entry.content)
        if chown:
            os.fchown(descriptor, entry.uid, entry.gid)
        os.fchmod(descriptor, entry.mode if chown else entry.mode & 0o1777)
        for key, value in entry.xattrs:
            try:
                os.setxattr(descriptor, key, value)
            except OSError as fault:
                if fault.errno not in (errno.ENOTSUP, errno.EPERM):
                    raise
                whole = False
        os.utime(descriptor, (entry.mtime, entry.mtime))
    finally:
        os.close(descriptor)
    return whole


def _stage_entry(root: Root, step: Step, entry: Entry, staged: Mapping[str, str]) -> bool:
    folder, name = root.place(step.temporary)
    if entry.kind is Kind.FILE:
        return _stage_content(folder, name, entry, chown=step.chown)
    if entry.kind is Kind.SYMLINK:
        os.symlink(entry.target, name, dir_fd=folder)
        if step.chown:
            os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
        return True
    source, other = root.place(staged[entry.target])
    # Getting the first folder may have closed the second one's.
    folder, name = root.place(step.temporary)
    os.link(other, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
    return True


def _unlink(root: Root, path: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        folder, name = root.place(path)
        os.unlink(name, dir_fd=folder)


def _stage_step(root: Root, step: Step, plan: Plan, staged: dict[str, str]) -> bool:
    """Do what a step needs beforehand; return whether all of a file's extended attributes could be set."""
    if step.action is Action.FOLDER:
        folder, name = root.place(step.path)
        os.mkdir(name, step.mode & 0o777 | 0o700, dir_fd=folder)
    elif step.action is Action.SCRIPT:
        write_file(root, step.temporary, plan.scripts[step.temporary], 0o755)
    elif step.action is Action.PUT:
        # What a killed apk, ours or genuine, left here is in the way.
        _unlink(root, step.temporary)
        entry = plan.files[step.temporary]
        whole = _stage_entry(root, step, entry, staged)
        staged[step.path] = step.temporary
        return whole
    return True


def _make_executed(root: Root) -> None:
    for path, mode in ((folder_of(EXECUTED), 0o755), (EXECUTED, 0o700)):
        with contextlib.suppress(FileExistsError):
            folder, name = root.place(path)
            os.mkdir(name, mode, dir_fd=folder)


def _undo(root: Root, steps: Iterable[Step]) -> None:
    """Remove all that was staged."""
    for step in reversed(list(steps)):
        if step.temporary:
            with contextlib.suppress(OSError):
                _unlink(root, step.temporary)
        elif step.action is Action.FOLDER:
            with contextlib.suppress(OSError):
                folder, name = root.place(step.path)
                os.rmdir(name, dir_fd=folder)
    root.forget()


def _format_scripts(plan: Plan, *, packed: bool) -> bytes:
    entries = [
        Entry(
            f"{record.entry.name}-{record.entry.version}.{record.entry.checksum}.{name}",
            Kind.FILE,
            0o755,
            mtime=record.entry.build_date,
            content=scripts[name],
        )
        for record in plan.installed
        for scripts in (plan.kept_scripts.get(record.entry.checksum, {}),)
        for name in SCRIPTS
        if name in scripts
    ]
    content = tar.write_members(entries) + tar.end_of_archive()
    if not packed:
        return content
    packer = zlib.compressobj(wbits=31)
    return packer.compress(content) + packer.flush()


def _world_text(world: Iterable[object]) -> str:
    words = dict.fromkeys(map(str, world))
    for word in words:
        if not word or any(letter.isspace() for letter in word):
            raise ApkError(f"{word!r} in the world is not the name of a package")
    return "\n".join(sorted(words, key=lambda word: (name_of(word).lower(), name_of(word)))) + "\n"


def _database_files(root: Root, state: State, plan: Plan, world: Iterable[object]) -> dict[str, bytes]:
    """Return the database's files as they are to be, by path (apk-tools, database.c)."""
    packed = root.status(SCRIPTS_TAR) is None and root.status(SCRIPTS_TAR_GZ) is not None
    triggers = "".join(f"{checksum} {' '.join(words)}\n" for checksum, words in plan.triggers.items())
    files = {
        WORLD: _world_text(world).encode(),
        _INSTALLED: format_installed(plan.installed).encode(),
        SCRIPTS_TAR_GZ if packed else SCRIPTS_TAR: _format_scripts(plan, packed=packed),
        f"{DATABASE}/triggers": triggers.encode(),
    }
    if state.arch and root.status(ARCH) is None:
        files[ARCH] = f"{state.arch}\n".encode()
    return files


def _switches(files: Iterable[str]) -> list[Step]:
    return [Step(Action.SWITCH, path, temporary=f"{path}.new") for path in files]


def _marked(record: InstalledPackage, marks: Iterable[str]) -> InstalledPackage:
    broken = {*record.broken, *marks}
    return replace(record, broken="".join(letter for letter in "fsxS" if letter in broken))


def _stage(root: Root, plan: Plan, steps: Sequence[Step], files: dict[str, bytes]) -> tuple[InstalledPackage, ...]:
    """Write all that is new beside its place; return what is recorded as installed."""
    staged: dict[str, str] = {}
    incomplete: set[str] = set()
    if plan.scripts:
        _make_executed(root)
    for step in steps:
        if not _stage_step(root, step, plan, staged):
            incomplete.add(step.package)
    records = plan.installed
    if incomplete:
        records = tuple(_marked(it, "x") if it.entry.checksum in incomplete else it for it in records)
        files[_INSTALLED] = format_installed(records).encode()
    for path, content in files.items():
        write_file(root, f"{path}.new", content)
    return records


def _cannot(fault: OSError) -> ApkError:
    hint = None
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "make room, then try again"
    elif fault.errno in (errno.EPERM, errno.EINVAL):
        hint = "where there is one user only, --no-chown leaves owners out"
    where = f" ({fault.filename})" if fault.filename else ""
    return ApkError(f"the new files cannot be written: {fault.strerror}{where}; nothing was changed", hint=hint)


# Commit


def _is_kept(root: Root, step: Step) -> bool:
    """Tell whether a person changed what is at the place of a new file, and it is to stay."""
    if not step.guarded or root.status(step.path) is None:
        return False
    return step.known in ("", UNRECORDED) or checksum_at(root, step.path, step.known) != step.known


@dataclass(slots=True)
class _Run:
    """A transaction that is being carried out.

    Attributes:
        root: The root.
        steps: All that is to be done.
        journal: The journal's open file.
        seconds: How long a script may take.
        report: Who is told.
        resumed: Whether another process began.
        ids: The root's users and groups; ``None`` until needed, and after a script.
        broken: What went wrong, as apk's letters, by the package's checksum.
        records: What will be installed, as it was staged; ``None`` until needed where another process staged it.
        accesses: What the folders get whose owner or mode is to be set; ``None`` until needed.
    """

    root: Root
    steps: Sequence[Step]
    journal: int
    seconds: float
    report: Report
    resumed: bool
    broken: dict[str, set[str]]
    ids: tuple[Mapping[str, int], Mapping[str, int]] | None = None
    records: tuple[InstalledPackage, ...] | None = None
    accesses: dict[str, Access | None] | None = None


def _owner_now(run: _Run, step: Step) -> tuple[int, int]:
    """Return the numbers that a step's user and group have by now."""
    if not step.user:
        return step.uid, step.gid
    if run.ids is None:
        run.ids = read_ids(run.root)
    users, groups = run.ids
    return users.get(step.user, step.uid), groups.get(step.group, step.gid)


def _own_now(run: _Run, step: Step, folder: int, name: str, status: os.stat_result) -> None:
    """Give a staged file to its owner, where a script made the user since it was staged."""
    owner = _owner_now(run, step)
    if (status.st_uid, status.st_gid) != owner:
        os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(name, step.mode, dir_fd=folder)


def _settled(run: _Run, step: Step) -> bool:
    """Tell whether a file whose staged one is gone is in its place, as an earlier run would have left it."""
    if not run.resumed or run.root.status(step.path) is None:
        return False
    return step.guarded or not step.checksum or checksum_at(run.root, step.path, step.checksum) == step.checksum


def _place_file(run: _Run, step: Step) -> str:
    """Give a staged file its place; return what went wrong."""
    root = run.root
    folder, name = root.place(step.temporary)
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return "" if _settled(run, step) else "it is gone"
    if run.resumed and step.checksum and checksum_at(root, step.temporary, step.checksum) != step.checksum:
        _unlink(root, step.temporary)
        return "it was not written whole"
    if step.user:
        _own_now(run, step, folder, name, status)
    target = step.path.rpartition("/")[2]
    if _is_kept(root, step):
        if step.discard or (step.checksum and checksum_at(root, step.path, step.checksum) == step.checksum):
            _unlink(root, step.temporary)
            return ""
        target += ".apk-new"
    folder, name = root.place(step.temporary)
    os.rename(name, target, src_dir_fd=folder, dst_dir_fd=folder)
    root.changed(step.path)
    return ""


def _put(run: _Run, step: Step) -> bool:
    try:
        wrong = _place_file(run, step)
    except OSError as fault:
        wrong = fault.strerror or str(fault)
        with contextlib.suppress(OSError):
            _unlink(run.root, step.temporary)
    if wrong:
        run.report("error", f"failed to put {step.path} in its place: {wrong}")
        run.broken.setdefault(step.package, set()).add("f")
    return not wrong


def _remove(run: _Run, step: Step) -> bool:
    # apk goes on where a file cannot be removed: what is in its place may be somebody else's by now.
    with contextlib.suppress(OSError):
        if step.guarded and (not step.checksum or checksum_at(run.root, step.path, step.checksum) != step.checksum):
            return True
        _unlink(run.root, step.path)
        run.root.changed(step.path)
    return True


def _leave(run: _Run, step: Step) -> bool:
    with contextlib.suppress(OSError):
        folder, name = run.root.place(step.path)
        os.rmdir(name, dir_fd=folder)
        run.root.forget()
    return True


def _script(run: _Run, step: Step) -> bool:
    run.report("message", f"Executing {step.path}")
    wrong = execute.run(run.root, step.temporary, step.arguments, run.seconds)
    run.root.forget()
    run.ids = None
    if wrong:
        run.report("error", f"{step.path}: script {wrong}")
        run.broken.setdefault(step.package, set()).add("s")
    with contextlib.suppress(OSError):
        _unlink(run.root, step.temporary)
    return not wrong


def _say(run: _Run, step: Step) -> bool:
    run.report("message", step.path)
    return True


def _accesses(run: _Run) -> dict[str, Access | None]:
    """Return what the folders get whose owner or mode is to be set."""
    paths = {step.path for step in run.steps if step.action is Action.ACCESS}
    found: dict[str, list[Access]] = {}
    for record in _correct_records(run):
        for folder in folders_among(record, paths):
            found.setdefault(folder.path, []).append(folder.access)
    return {path: combine(accesses) for path, accesses in found.items()}


def _access(run: _Run, step: Step) -> bool:
    if run.accesses is None:
        run.accesses = _accesses(run)
    wanted = run.accesses.get(step.path)
    if wanted is None:
        return True
    try:
        folder, name = run.root.place(step.path)
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            return True
        if step.chown and (status.st_uid, status.st_gid) != (wanted.uid, wanted.gid):
            os.chown(name, wanted.uid, wanted.gid, dir_fd=folder, follow_symlinks=False)
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        mode = wanted.mode if step.chown else wanted.mode & 0o1777
        if stat.S_IMODE(status.st_mode) != mode:
            os.chmod(name, mode, dir_fd=folder)
    except FileNotFoundError:
        return True  # a script removed it
    except OSError as fault:
        run.report("error", f"cannot set the permissions of {step.path}: {fault.strerror}")
        return False
    return True


def _recorded(run: _Run) -> tuple[InstalledPackage, ...]:
    """Return what will be installed, or is already where that much has been done, as it was staged."""
    if run.records is None:
        content = run.root.read(f"{_INSTALLED}.new")
        if content is None:
            content = run.root.read(_INSTALLED) or b""
        run.records = read_installed(content.decode())
    return run.records


def _correct_records(run: _Run) -> tuple[InstalledPackage, ...]:
    """Return what will be installed, with all that went wrong and with the owners that scripts made."""
    owners: dict[str, dict[str, tuple[int, int]]] = {}
    for step in run.steps:
        if step.user and (owner := _owner_now(run, step)) != (step.uid, step.gid):
            owners.setdefault(step.package, {})[step.path] = owner
    records = _recorded(run)
    if not owners and not run.broken:
        return records
    return tuple(_corrected(record, run.broken, owners) for record in records)


def _corrected(
    record: InstalledPackage,
    broken: Mapping[str, set[str]],
    owners: Mapping[str, Mapping[str, tuple[int, int]]],
) -> InstalledPackage:
    checksum = record.entry.checksum
    if checksum in broken:
        record = _marked(record, broken[checksum])
    if checksum in owners:
        own = owners[checksum]
        record = replace(record, folders=tuple(_given(folder, own) for folder in record.folders))
    return record


def _given(folder: InstalledFolder, owners: Mapping[str, tuple[int, int]]) -> InstalledFolder:
    """Return the record of a folder with the owners that it and its files turned out to have."""
    uid, gid = owners.get(folder.path, (folder.access.uid, folder.access.gid))
    files = []
    for file in folder.files:
        user, group = owners.get(joined(folder.path, file.name), (file.access.uid, file.access.gid))
        files.append(replace(file, access=replace(file.access, uid=user, gid=group)))
    return InstalledFolder(folder.path, replace(folder.access, uid=uid, gid=gid), tuple(files))


def _correct(run: _Run) -> None:
    """Write what went wrong into the staged database, where there is room for that."""
    root, staged = run.root, f"{_INSTALLED}.new"
    if root.status(staged) is None:
        return
    records = _correct_records(run)
    if records is run.records:
        return
    try:
        write_file(root, _MARKED, format_installed(records).encode())
        folder, name = root.place(_MARKED)
        os.rename(name, staged.rpartition("/")[2], src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as fault:
        run.report("warning", f"the database does not say what went wrong: {fault.strerror}")


def _switch(run: _Run, step: Step) -> bool:
    if step.path == _INSTALLED:
        _correct(run)
    folder, name = run.root.place(step.temporary)
    with contextlib.suppress(FileNotFoundError):
        os.rename(name, step.path.rpartition("/")[2], src_dir_fd=folder, dst_dir_fd=folder)
    return True


_DO = {
    Action.SAY: _say,
    Action.SCRIPT: _script,
    Action.PUT: _put,
    Action.REMOVE: _remove,
    Action.LEAVE: _leave,
    Action.ACCESS: _access,
    Action.SWITCH: _switch,
}
# Of these the journal notes that they were done: all before them were too. The others are done again.
_NOTED = (Action.SAY, Action.SCRIPT)


def _commit(run: _Run, marks: str) -> None:
    """Do what is left to do, and remove the journal."""
    begun = len(marks.rstrip(NOT_YET))
    for step, letter in zip(run.steps, marks, strict=True):
        if letter == FAILED and step.package:
            run.broken.setdefault(step.package, set()).add("s" if step.action is Action.SCRIPT else "f")
    try:
        for index, step in enumerate(run.steps[begun:], begun):
            do = _DO.get(step.action)
            if do is None:
                continue
            well = do(run, step)
            if not well or step.action in _NOTED:
                journal.mark(run.journal, index, DONE if well else FAILED)
        journal.remove(run.root, DECIDED)
    except OSError as fault:
        raise ApkError(
            f"what was begun is not finished: {fault.strerror} ({fault.filename})",
            hint="the next apk that changes packages here finishes it first",
        ) from None
    finally:
        os.close(run.journal)


def _broken(records: Iterable[InstalledPackage]) -> int:
    return sum(bool({"f", "s"} & set(record.broken)) for record in records)


def finish_interrupted(root: Root, report: Report = _silent, seconds: float = _DEFAULTS.seconds) -> bool:
    """Finish what an interrupted apk had begun, or remove what it had only prepared; to be called with the lock held.

    Args:
        root: The root.
        report: Is told what is done, as by `apply`.
        seconds: How long one script may take.

    Returns:
        Whether something was finished.

    Raises:
        ApkError: It cannot be finished, or the journal is damaged.
    """
    try:
        decided = journal.read_decided(root)
        if decided is None:
            if root.status(PREPARED) is not None:
                _undo(root, journal.read_prepared(root))
                journal.remove(root, PREPARED)
            return False
        steps, marks = decided
        folder, name = root.place(DECIDED)
        descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError as fault:
        raise ApkError(f"what an interrupted apk began cannot be finished: {fault.strerror}") from None
    report("message", "Finishing what an interrupted apk began")
    _commit(_Run(root, steps, descriptor, seconds, report, resumed=True, broken={}), marks)
    with contextlib.suppress(OSError):
        _unlink(root, _MARKED)
    return True


@contextlib.contextmanager
def changing(
    root: Root, *, wait: float = 0, report: Report = _silent, seconds: float = _DEFAULTS.seconds
) -> Iterator[State]:
    """Hold a root's database in order to change it, and give what is installed; what was interrupted is finished first.

    Args:
        root: The root.
        wait: Seconds to wait for another apk that holds it.
        report: Is told what is done, as by `apply`.
        seconds: How long one script of an interrupted transaction may take.

    Raises:
        ApkError: Another apk holds it, there is no database, or it cannot be read or written.
    """
    with locked(root, wait, lambda: report("message", "Waiting for repository lock")):
        finish_interrupted(root, report, seconds)
        yield read_state(root)


def _run_hooks(root: Root, kind: str, options: Options, report: Report) -> None:
    """Run the root's hooks, of which one before the transaction may forbid it."""
    if not options.scripts:
        return
    for name in root.names(_HOOKS):
        if name.startswith("."):
            continue
        path = f"{_HOOKS}/{name}"
        wrong = execute.run(root, path, (path, kind), options.seconds)
        root.forget()
        if wrong and kind == "pre-commit":
            raise ApkError(f"{name}: script {wrong}", hint=f"{path} forbids changes to packages")
        if wrong:
            report("error", f"{name}: script {wrong}")


def _decide(root: Root, state: State, plan: Plan, world: Iterable[object], options: Options, report: Report) -> _Run:
    """Write all that is new beside its place, and decide; what is left to do is only to be carried out then."""
    files = _database_files(root, state, plan, world)
    steps = [*plan.steps, *_switches(files)]
    try:
        prepared = journal.prepare(root, steps)
    except OSError as fault:
        raise _cannot(fault) from None
    try:
        records = _stage(root, plan, steps, files)
        journal.decide(root, prepared)
    except BaseException as fault:
        os.close(prepared)
        _undo(root, steps)
        with contextlib.suppress(OSError):
            journal.remove(root, PREPARED)
        if isinstance(fault, OSError):
            raise _cannot(fault) from None
        raise
    return _Run(root, steps, prepared, options.seconds, report, resumed=False, broken={}, records=records)


def apply(
    root: Root,
    state: State,
    changes: Sequence[Change],
    world: Iterable[object],
    *,
    options: Options = _DEFAULTS,
    tags: Mapping[str, str] | None = None,
    report: Report = _silent,
) -> Outcome:
    """Install, upgrade and remove packages: all of it, or nothing; to be called within `changing`.

    Where a script fails, its package is marked as broken and the others go on, as in genuine apk.

    Args:
        root: The root.
        state: What is installed, as `changing` gave it.
        changes: Pairs of what is there and what comes, in order: nothing and a package to install, both to upgrade or
            reinstall, a package and nothing to remove.
        world: What is asked for from now on: dependencies, or words as the file has them.
        options: How.
        tags: The tags of the repositories that packages are held to, by name; packages without one keep what they have.
        report: Is told ``message`` and a line for the person, such as ``(1/3) Installing bash (5.2-r0)`` and
            ``Executing bash-5.2-r0.post-install``; ``warning`` or ``error`` and what was wrong.

    Raises:
        ApkError: It cannot be done. Nothing was changed, but where the message says that something is not finished.
    """
    try:
        plan = make_plan(root, state, changes, options, tags or {}, report)
        _run_hooks(root, "pre-commit", options, report)
        run = _decide(root, state, plan, world, options, report)
    except OSError as fault:
        raise ApkError(f"cannot look at the root: {fault.strerror} ({fault.filename}); nothing was changed") from None
    _commit(run, NOT_YET * len(run.steps))
    _run_hooks(root, "post-commit", options, report)
    installed = _correct_records(run)
    return Outcome(_broken(installed), installed)
