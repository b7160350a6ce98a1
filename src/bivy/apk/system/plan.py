"""What installing and removing packages does to a root, worked out before anything is touched."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field, replace

from bivy.apk import version as versions
from bivy.apk.database import (
    Access,
    InstalledFile,
    InstalledPackage,
    folder_paths,
    folders_among,
    installed_package,
)
from bivy.apk.dependency import parse_dependency
from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError
from bivy.apk.system.journal import UNRECORDED, Action, Step
from bivy.apk.system.protected import matches, protection, read_rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from bivy.apk.package import Package
    from bivy.apk.system.protected import Rule
    from bivy.apk.system.root import Root, State

    Change = tuple[InstalledPackage | None, Package | None]
    Report = Callable[[str, str], None]

EXECUTED = "lib/apk/exec"


@dataclass(frozen=True, slots=True)
class Options:
    """How packages are installed and removed.

    Attributes:
        scripts: Whether their scripts, triggers and the root's hooks are run.
        chown: Whether files are given to their owners, which takes root; without, setuid and setgid are left out too.
        purge: Whether configuration that a person changed is removed with its package.
        overwrite: Whether a package may take a file from another that it does not replace.
        clean_protected: Whether no ``.apk-new`` is put beside a configuration file that a person changed.
        seconds: How long one script may take.
    """

    scripts: bool = True
    chown: bool = True
    purge: bool = False
    overwrite: bool = False
    clean_protected: bool = False
    seconds: float = 600


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        steps: In order, without those of the database.
        installed: What is installed then: what stays, then what is new, in order.
        files: What is staged, by the staged file's path.
        scripts: Scripts that are staged, by the staged file's path.
        kept_scripts: The scripts of all that is installed then, as in `State`.
        triggers: What they watch, as in `State`.
    """

    steps: tuple[Step, ...]
    installed: tuple[InstalledPackage, ...]
    files: Mapping[str, Entry]
    scripts: Mapping[str, bytes]
    kept_scripts: Mapping[str, Mapping[str, bytes]]
    triggers: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Owned:
    """Whose a file is: a package's name, and the checksum that the database has of it."""

    name: str
    checksum: str


@dataclass(slots=True)
class _Draft:
    """A plan that is being made."""

    root: Root
    options: Options
    rules: Sequence[Rule]
    records: dict[str, InstalledPackage]
    owners: dict[str, _Owned] = field(default_factory=dict)
    accesses: dict[str, dict[str, Access]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    guarded: dict[str, bool] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    files: dict[str, Entry] = field(default_factory=dict)
    scripts: dict[str, bytes] = field(default_factory=dict)
    lost: set[tuple[str, str]] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def folder_of(path: str) -> str:
    """Return the folder that a path is in; empty for the root."""
    return path.rpartition("/")[0]


def joined(folder: str, name: str) -> str:
    """Return the path of a name in a folder."""
    return f"{folder}/{name}" if folder else name


def read_ids(root: Root) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Return the numbers of a root's users and groups by their names."""

    def numbers(path: str) -> dict[str, int]:
        text = (root.read(path) or b"").decode(errors="replace")
        rows = (line.split(":") for line in reversed(text.split("\n")))
        return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isascii() and row[2].isdecimal()}

    return numbers("etc/passwd"), numbers("etc/group")


def combine(accesses: Iterable[Access]) -> Access | None:
    """Return what several packages' folder gets: the lowest owner's, and what all of his allow (apk, database.c)."""
    found: Access | None = None
    for access in accesses:
        if found is None or (access.uid, access.gid) < (found.uid, found.gid):
            found = access
        elif (access.uid, access.gid) == (found.uid, found.gid):
            found = replace(found, mode=found.mode & access.mode)
    return found


def _temporary(name: str, path: str) -> str:
    """Return where a file is staged: where genuine apk does it."""
    folder, _, file = path.rpartition("/")
    digest = hashlib.sha256(f"{name}\0{folder}/{file}".encode()).digest()[:24]
    return joined(folder, f".apk.{digest.hex()}")


def _with_numbers(package: Package, ids: tuple[Mapping[str, int], Mapping[str, int]]) -> Package:
    """Return a package whose entries belong to the root's users of that name, where it has them."""
    users, groups = ids

    def numbered(entry: Entry) -> Entry:
        uid, gid = users.get(entry.user, entry.uid), groups.get(entry.group, entry.gid)
        return entry if (uid, gid) == (entry.uid, entry.gid) else replace(entry, uid=uid, gid=gid)

    return replace(package, entries=tuple(map(numbered, package.entries)))


def _files_of(record: InstalledPackage) -> Iterator[tuple[str, InstalledFile]]:
    for folder in record.folders:
        for file in folder.files:
            yield joined(folder.path, file.name), file


def _label(record: InstalledPackage) -> str:
    return f"{record.entry.name}-{record.entry.version}"


def _replaces(record: InstalledPackage, other: InstalledPackage) -> bool:
    for word in record.replaces:
        wanted = parse_dependency(word)
        if wanted.name != other.entry.name:
            continue
        if not wanted.operator or versions.satisfies(other.entry.version, wanted.operator, wanted.version):
            return True
    return False


def _may_take(new: InstalledPackage, old: InstalledPackage) -> bool | None:
    """Tell whether a package takes a file from another (apk-tools 2.14, database.c): ``None`` where that is a fault."""
    if old.entry.origin and old.entry.origin == new.entry.origin:
        return True
    theirs = old.replaces_priority if _replaces(old, new) else -1
    ours = new.replaces_priority if _replaces(new, old) else -1
    if theirs > ours:
        return False
    return True if ours >= 0 else None


def _headline(old: InstalledPackage | None, new: InstalledPackage | None) -> str:
    record = new or old
    assert record
    name = record.entry.name + (f"@{record.repository_tag}" if record.repository_tag else "")
    if old is None or new is None or old.entry.checksum == new.entry.checksum:
        word = "Purging" if new is None else "Installing" if old is None else "Reinstalling"
        return f"{word} {name} ({record.entry.version})"
    order = versions.compare(new.entry.version, old.entry.version)
    word = ("Replacing", "Upgrading", "Downgrading")[order]
    return f"{word} {name} ({old.entry.version} -> {new.entry.version})"


def _read_owners(draft: _Draft, state: State, wanted: Container[str]) -> None:
    for record in state.installed:
        name = record.entry.name
        for folder in folders_among(record, wanted):
            draft.accesses.setdefault(folder.path, {})[name] = folder.access
            for file in folder.files:
                draft.owners[joined(folder.path, file.name)] = _Owned(name, file.checksum)


def _check_folder(draft: _Draft, entry: Entry, label: str) -> None:
    """See that a package's folder is there, or can be made."""
    path, root = entry.path, draft.root
    if path in draft.made:
        return
    status = None if folder_of(path) in draft.made else root.status(path)
    if status is None:
        draft.made.add(path)
        draft.steps.append(Step(Action.FOLDER, path, mode=entry.mode & 0o7777))
        return
    try:
        root.folder(path)
    except OSError:
        what = "a link to no folder inside the root" if stat.S_ISLNK(status.st_mode) else "no folder"
        draft.faults.append(f"{label}: {path} is {what}, but the package has a folder there")


def _check_place(draft: _Draft, path: str, label: str) -> None:
    if folder_of(path) in draft.made:
        return
    try:
        status = draft.root.status(path)
    except OSError:
        return  # the folder is a fault of its own
    if status is not None and stat.S_ISDIR(status.st_mode):
        draft.faults.append(f"{label}: {path} is a folder, but the package has a file there")


def _script(draft: _Draft, record: InstalledPackage, kind: str, scripts: Mapping[str, bytes], *words: str) -> None:
    if kind not in scripts or not draft.options.scripts:
        return
    label = f"{_label(record)}.{kind}"
    draft.scripts[f"{EXECUTED}/{label}"] = scripts[kind]
    step = Step(Action.SCRIPT, label, record.entry.checksum, f"{EXECUTED}/{label}", arguments=(kind, *words))
    draft.steps.append(step)


def _guarded(draft: _Draft, path: str) -> bool:
    folder = folder_of(path)
    if folder not in draft.guarded:
        draft.guarded[folder] = protection(draft.rules, folder).keeps
    return draft.guarded[folder]


def _take(draft: _Draft, record: InstalledPackage, path: str, final: Mapping[str, set[str]]) -> bool:
    """Decide whether a package gets a file that may be another's."""
    owner = draft.owners.get(path)
    if owner is None or owner.name == record.entry.name:
        return True
    other = draft.records[owner.name]
    if owner.name in final and path not in final[owner.name]:
        return True  # the other will not have it when all is done
    answer = _may_take(record, other)
    if answer is None:
        text = f"{_label(record)}: trying to overwrite {path} owned by {_label(other)}."
        (draft.warnings if draft.options.overwrite else draft.faults).append(text)
    if answer is not False:
        draft.lost.add((owner.name, path))
    return answer is not False


def _keep_links(entries: Sequence[Entry], kept: Container[str]) -> list[Entry]:
    """Leave out files that another package keeps; other names of these get the content for themselves."""
    by_path = {entry.path: entry for entry in entries}
    left: list[Entry] = []
    for entry in entries:
        if entry.path not in kept:
            continue
        if entry.kind is Kind.HARDLINK and entry.target not in kept:
            left.append(replace(by_path[entry.target], path=entry.path))
        else:
            left.append(entry)
    return left


def _put(draft: _Draft, record: InstalledPackage, entry: Entry, checksum: str) -> None:
    name, chown = record.entry.name, draft.options.chown
    owner = draft.owners.get(entry.path)
    temporary = _temporary(name, entry.path)
    draft.files[temporary] = entry
    named = chown and (entry.user, entry.group) != ("root", "root")
    draft.steps.append(
        Step(
            Action.PUT,
            entry.path,
            record.entry.checksum,
            temporary,
            checksum,
            UNRECORDED if owner is None else owner.checksum,
            guarded=_guarded(draft, entry.path),
            mode=entry.mode,
            uid=entry.uid,
            gid=entry.gid,
            user=entry.user if named else "",
            group=entry.group if named else "",
            chown=chown,
            discard=draft.options.clean_protected,
        )
    )
    draft.owners[entry.path] = _Owned(name, checksum)
    draft.lost.discard((name, entry.path))


def _install(draft: _Draft, package: Package, record: InstalledPackage, final: Mapping[str, set[str]]) -> None:
    """Plan a package's files; its record is completed."""
    label, name = _label(record), record.entry.name
    kept: set[str] = set()
    prepared = bool({"pre-install", "pre-upgrade"} & set(package.scripts)) and draft.options.scripts
    for entry in package.entries:
        if entry.kind is Kind.DIRECTORY:
            _check_folder(draft, entry, label)
            kept.add(entry.path)
        elif _take(draft, record, entry.path, final):
            kept.add(entry.path)
            if not prepared:
                # A script that runs before may still make room.
                _check_place(draft, entry.path, label)
    entries = _keep_links(package.entries, kept)
    complete = installed_package(replace(package, entries=tuple(entries)))
    record = replace(record, folders=complete.folders)
    checksums = {path: file.checksum for path, file in _files_of(record)}
    for entry in entries:
        if entry.kind is not Kind.DIRECTORY:
            _put(draft, record, entry, checksums[entry.path])
    for folder in record.folders:
        draft.accesses.setdefault(folder.path, {})[name] = folder.access
    _own(draft, record, entries)
    draft.records[name] = record


def _own(draft: _Draft, record: InstalledPackage, entries: Iterable[Entry]) -> None:
    """Note folders of users whose number a script may still give."""
    for entry in entries:
        if entry.kind is Kind.DIRECTORY and (entry.user, entry.group) != ("root", "root"):
            step = Step(Action.OWN, entry.path, record.entry.checksum, uid=entry.uid, gid=entry.gid)
            draft.steps.append(replace(step, user=entry.user, group=entry.group))


def _remove(draft: _Draft, old: InstalledPackage, new: InstalledPackage | None) -> None:
    """Plan that an old package's files go, but those that the new one or another has."""
    name = old.entry.name
    staying = {path for path, _ in _files_of(new)} if new else set[str]()
    for path, file in _files_of(old):
        owner = draft.owners.get(path)
        if path in staying or owner is None or owner.name != name:
            continue
        del draft.owners[path]
        guarded = _guarded(draft, path) and not draft.options.purge
        draft.steps.append(Step(Action.REMOVE, path, checksum=file.checksum, guarded=guarded))
    remaining = set(folder_paths(new)) if new else set[str]()
    for path in sorted(set(folder_paths(old)) - remaining, reverse=True):
        users = draft.accesses.get(path, {})
        users.pop(name, None)
        if path and not users:
            draft.steps.append(Step(Action.LEAVE, path))


def _change(
    draft: _Draft,
    change: Change,
    record: InstalledPackage | None,
    scripts: Mapping[str, Mapping[str, bytes]],
    final: Mapping[str, set[str]],
) -> None:
    old, package = change
    words = [it.entry.version for it in (record, old) if it]
    if package is None or record is None:
        assert old
        own = scripts.get(old.entry.checksum, {})
        _script(draft, old, "pre-deinstall", own, *words)
        _remove(draft, old, None)
        _script(draft, old, "post-deinstall", own, *words)
        del draft.records[old.entry.name]
        return
    kind = "upgrade" if old else "install"
    _script(draft, record, f"pre-{kind}", package.scripts, *words)
    _install(draft, package, record, final)
    if old:
        _remove(draft, old, draft.records[record.entry.name])
    _script(draft, record, f"post-{kind}", package.scripts, *words)


def _plan_access(draft: _Draft, before: Mapping[str, Access | None], uncertain: Container[str]) -> None:
    """Plan the owners and modes of folders, but of those that a person gave others."""
    chown = draft.options.chown
    for path, was in sorted(before.items()):
        will = combine(draft.accesses.get(path, {}).values())
        if not path or will is None:
            continue
        if path not in draft.made:
            status = draft.root.status(path)
            if (will == was and path not in uncertain) or status is None or was is None:
                continue
            same_owner = not chown or (status.st_uid, status.st_gid) == (was.uid, was.gid)
            if not stat.S_ISDIR(status.st_mode) or stat.S_IMODE(status.st_mode) != was.mode or not same_owner:
                continue
        draft.steps.append(Step(Action.ACCESS, path, chown=chown))


def _watched(patterns: Iterable[str], modified: Container[str], paths: Iterable[str], *, everything: bool) -> list[str]:
    """Return the folders that a trigger is told of; ``+`` (apk-tools 3) asks for those only that changed."""
    found: list[str] = []
    for path in paths:
        for pattern in patterns:
            if not matches(pattern.removeprefix("+"), f"/{path}"):
                continue
            if path in modified or (everything and not pattern.startswith("+")):
                found.append(f"/{path}")
            break
    return found


def _plan_triggers(
    draft: _Draft,
    triggers: Mapping[str, tuple[str, ...]],
    scripts: Mapping[str, Mapping[str, bytes]],
    fresh: Container[str],
    modified: set[str],
) -> None:
    by_checksum = {record.entry.checksum: record for record in draft.records.values()}
    everywhere: list[str] | None = None
    for checksum, patterns in triggers.items():
        everything = checksum in fresh
        if everything and everywhere is None:
            everywhere = sorted(modified.union(*map(folder_paths, draft.records.values())))
        paths = everywhere if everything and everywhere is not None else sorted(modified)
        found = _watched(patterns, modified, paths, everything=everything)
        if found:
            _script(draft, by_checksum[checksum], "trigger", scripts.get(checksum, {}), *found)


def _without_lost(draft: _Draft) -> None:
    """Take files out of the records of packages that have lost them to others."""
    for name in {name for name, _ in draft.lost}:
        record = draft.records.get(name)
        if record is None:
            continue
        gone = {path for owner, path in draft.lost if owner == name}
        folders = (
            replace(folder, files=tuple(file for file in folder.files if joined(folder.path, file.name) not in gone))
            for folder in record.folders
        )
        draft.records[name] = replace(record, folders=tuple(folders))


def _check_rights(options: Options) -> None:
    if options.chown and os.geteuid() != 0:
        raise ApkError(
            "only root can give files to their owners",
            hint="run it as root (in a Dockerfile: USER root), or with --no-chown",
        )


def _record(package: Package, old: InstalledPackage | None, tags: Mapping[str, str]) -> InstalledPackage:
    tag = tags.get(package.info.name, old.repository_tag if old else "")
    return replace(installed_package(replace(package, entries=())), repository_tag=tag)


def _modified(changes: Iterable[Change]) -> set[str]:
    """Return the folders that packages which change have, or had."""
    modified = {path for old, _ in changes if old for path in folder_paths(old)}
    for entry in (entry for _, new in changes if new for entry in new.entries):
        modified.add(entry.path if entry.kind is Kind.DIRECTORY else folder_of(entry.path))
    return modified


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        owned = any("trying to overwrite" in fault for fault in faults)
        hint = "--force-overwrite lets the new package have it" if owned else "move away what is in the way"
        raise ApkError("\n".join(dict.fromkeys(faults)), hint=hint)


def make_plan(
    root: Root, state: State, changes: Sequence[Change], options: Options, tags: Mapping[str, str], report: Report
) -> Plan:
    """Work out all that has to be done, and refuse what cannot.

    Args:
        root: The root.
        state: What is installed in it.
        changes: What is installed, upgraded, reinstalled (both sides) or removed, in order.
        options: How.
        tags: The tags of the repositories that packages are held to, by the package's name.
        report: Is told of files that are overwritten.

    Raises:
        ApkError: Two packages would own one file, or something is in the way. Nothing has been touched.
    """
    _check_rights(options)
    ids = read_ids(root)
    changes = [(old, _with_numbers(new, ids) if new else None) for old, new in changes]
    draft = _Draft(root, options, read_rules(root), {record.entry.name: record for record in state.installed})
    records = [_record(new, old, tags) if new else None for old, new in changes]
    final = {old.entry.name: set[str]() for old, _ in changes if old}
    final |= {new.info.name: {entry.path for entry in new.entries} for _, new in changes if new}
    modified = _modified(changes)
    _read_owners(draft, state, modified)
    before = {path: combine(draft.accesses.get(path, {}).values()) for path in modified}
    for number, (change, record) in enumerate(zip(changes, records, strict=True), 1):
        draft.steps.append(Step(Action.SAY, f"({number}/{len(changes)}) {_headline(change[0], record)}"))
        _change(draft, change, record, state.scripts, final)
    _refuse(draft.faults)
    for warning in draft.warnings:
        report("warning", warning)
    _without_lost(draft)
    for name, tag in tags.items():
        if name in draft.records:
            draft.records[name] = replace(draft.records[name], repository_tag=tag)
    return _finish(draft, state, changes, modified, before)


def _finish(
    draft: _Draft,
    state: State,
    changes: Sequence[Change],
    modified: set[str],
    before: Mapping[str, Access | None],
) -> Plan:
    """Complete a plan with what comes after all packages, and what is to be recorded."""
    news = [new for _, new in changes if new]
    fresh = {new.checksum for new in news}
    names = {record.entry.checksum for record in draft.records.values()}
    scripts = {checksum: own for checksum, own in state.scripts.items() if checksum in names - fresh}
    scripts |= {new.checksum: new.scripts for new in news if new.scripts}
    triggers = {checksum: words for checksum, words in state.triggers.items() if checksum in names - fresh}
    triggers |= {new.checksum: new.info.triggers for new in news if new.info.triggers}
    _plan_access(draft, before, {step.path for step in draft.steps if step.action is Action.OWN})
    _plan_triggers(draft, triggers, scripts, fresh, modified)
    replaced = {new.info.name for new in news}
    staying = [record for name, record in draft.records.items() if name not in replaced]
    added = [draft.records[new.info.name] for new in news]
    return Plan(tuple(draft.steps), (*staying, *added), draft.files, draft.scripts, scripts, triggers)
