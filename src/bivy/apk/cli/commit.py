"""What the commands that change a system share: decide, fetch, install, and say what was done."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from bivy.apk import version as versions
from bivy.apk.cli.console import human_size
from bivy.apk.errors import ApkError
from bivy.apk.solve.requests import Request, parse_world
from bivy.apk.solve.solver import solve
from bivy.apk.system.plan import Options
from bivy.apk.system.root import create
from bivy.apk.system.transaction import apply, changing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bivy.apk.cli.session import Session
    from bivy.apk.database import InstalledPackage
    from bivy.apk.dependency import Dependency
    from bivy.apk.package import Package
    from bivy.apk.solve.changes import Change
    from bivy.apk.solve.universe import Candidate

MIB = 1 << 20


@contextmanager
def opened(session: Session, *, initialise: bool = False) -> Iterator[tuple[Dependency, ...]]:
    """Hold the root in order to change it, and give its world; only look at it where nothing is to be changed."""
    root = session.opened_root
    with ExitStack() as stack:
        stack.enter_context(session.client)
        if not session.given.has("simulate"):
            if initialise:
                create(root, session.given.value("arch"))
            held = changing(root, wait=session.given.number("wait", 0), report=_reporter(session))
            session.state = stack.enter_context(held)
        yield parse_world("\n".join(session.state.world))


def _reporter(session: Session) -> Callable[[str, str], None]:
    def report(level: str, text: str) -> None:
        {"message": session.say, "warning": session.warn, "error": session.error}[level](text)

    return report


def _check_tags(session: Session, world: Iterable[Dependency]) -> None:
    """Refuse a world that names a tag that no repository has.

    Raises:
        ApkError: It does, and nobody forced it.
    """
    tags = {repository.tag for repository in session.repositories}
    unknown = [str(need) for need in world if need.tag and need.tag not in tags]
    if unknown and not session.forced("broken-world"):
        raise ApkError(
            f"no repository has the tag of {', '.join(unknown)}",
            hint="add the tagged repository to etc/apk/repositories, or --force-broken-world",
        )


def commit(session: Session, request: Request) -> int:
    """Decide what a request means and do it.

    Returns:
        The number of errors: packages that are not whole, or had a script that failed.

    Raises:
        ApkError: There is no answer, a package cannot be had, or it cannot be installed; then nothing was changed.
    """
    _check_tags(session, request.world)
    options = request.options
    if session.forced("broken-world"):
        from dataclasses import replace

        options = replace(options, force=True)
    solution = solve(session.universe, request.world, options)
    return carry_out(session, solution.changes, request.world)


def carry_out(session: Session, changes: Sequence[Change], world: Sequence[Dependency]) -> int:
    """Do what was decided; see `commit`."""
    if not _agreed(session, changes):
        return 1
    if session.given.has("simulate"):
        for number, change in enumerate(changes, 1):
            session.say(f"({number}/{len(changes)}) {change}")
        _say_sum(session, 0, _installed_after(session.state.installed, changes))
        return 0
    pairs = _with_packages(session, changes)
    outcome = apply(
        session.opened_root,
        session.state,
        pairs,
        world,
        options=_options(session),
        tags={change.new.entry.name: change.tag for change in changes if change.new},
        report=_reporter(session),
    )
    _say_sum(session, outcome.errors, outcome.installed)
    return outcome.errors


def _options(session: Session) -> Options:
    given = session.given
    return Options(
        scripts=not given.has("no-scripts"),
        chown=os.geteuid() == 0 and not given.has("no-chown"),
        purge=given.has("purge"),
        overwrite=session.forced("overwrite"),
        clean_protected=given.has("clean-protected"),
    )


def _with_packages(session: Session, changes: Sequence[Change]) -> list[tuple[InstalledPackage | None, Package | None]]:
    """Fetch what is new, and check it."""
    fetched = _fetch(
        session, [change.new for change in changes if change.new and (change.new is not change.old or change.reinstall)]
    )
    pairs: list[tuple[InstalledPackage | None, Package | None]] = []
    for change in changes:
        old = change.old.installed if change.old else None
        if change.new is None:
            pairs.append((old, None))
        elif change.new in fetched:
            pairs.append((old, fetched[change.new]))
        # What stays, and is held to another tag from now on, is told by the tags alone.
    return pairs


def _fetch(session: Session, wanted: Sequence[Candidate]) -> dict[Candidate, Package]:
    from bivy.apk.package import read_package

    found: dict[Candidate, Package] = {}
    remote: list[Candidate] = []
    for candidate in wanted:
        if candidate.local is not None:
            found[candidate] = _local_package(candidate)
        elif candidate.repositories:
            remote.append(candidate)
        elif candidate.installed is None:
            raise ApkError(f"{candidate}: no repository has it")
        else:
            session.warn(f"{candidate} is in no repository: it stays as it is")
    places = [(c.entry, [session.repositories[position] for position in c.repositories]) for c in remote]
    total = sum(candidate.entry.size for candidate in remote)
    done = 0
    for candidate, content in zip(remote, session.client.fetch_packages(places), strict=True):
        done += candidate.entry.size
        session.advance(done, total)
        found[candidate] = read_package(content, where=str(candidate))
    session.done()
    return found


def _local_package(candidate: Candidate) -> Package:
    from pathlib import Path

    from bivy.apk.info import PackageInfo
    from bivy.apk.package import Package, read_package

    local, entry = candidate.local, candidate.entry
    assert local is not None
    if local.path:
        package = read_package(Path(local.path))
        if package.checksum != entry.checksum:
            raise ApkError(f"{local.path} was changed meanwhile")
        return package
    info = PackageInfo(entry.name, entry.version, entry.arch, description=entry.description, depends=entry.depends)
    return Package(info, (), {}, entry.checksum, 0)


def _agreed(session: Session, changes: Sequence[Change]) -> bool:
    """Show what would be done where that is asked for, and ask whether to go on."""
    given = session.given
    asks = given.has("interactive") and not given.has("no-interactive") and not given.has("simulate")
    if not asks and (session.verbosity < 2 or given.has("simulate")):
        return True
    shown = 0
    for title, wanted in _GROUPS:
        names = sorted({(change.new or change.old).name for change in changes if wanted(change)})  # type: ignore[union-attr] # one of them is there
        if names and (asks or title in _ALWAYS_SHOWN or session.verbosity > 2 or shown):
            session.say(f"{title}:\n  {' '.join(names)}")
            shown += len(names)
    if shown:
        sizes = [
            (change.new.entry.installed_size if change.new else 0)
            - (change.old.entry.installed_size if change.old else 0)
            for change in changes
        ]
        download = sum(c.new.entry.size for c in changes if c.new and c.new is not c.old and c.new.repositories)
        if download:
            session.say(f"Need to download {human_size(download)} of packages.")
        what = "disk space will be freed" if sum(sizes) < 0 else "additional disk space will be used"
        session.say(f"After this operation, {human_size(abs(sum(sizes)))} of {what}.")
    if not (asks and shown):
        return True
    return input("Do you want to continue [Y/n]? ").strip().lower() in ("", "y", "yes")


def _order(change: Change) -> int | None:
    if change.old is None or change.new is None or change.old is change.new:
        return None
    return versions.compare(change.new.version, change.old.version)


_GROUPS: tuple[tuple[str, Callable[[Change], bool]], ...] = (
    ("The following packages will be REMOVED", lambda change: change.new is None),
    ("The following packages will be DOWNGRADED", lambda change: _order(change) == -1),
    ("The following NEW packages will be installed", lambda change: change.old is None),
    ("The following packages will be upgraded", lambda change: _order(change) in (0, 1)),
    ("The following packages will be reinstalled", lambda change: change.reinstall),
)
_ALWAYS_SHOWN = tuple(title for title, _ in _GROUPS[:2])


def _installed_after(installed: Sequence[InstalledPackage], changes: Sequence[Change]) -> list[InstalledPackage]:
    from bivy.apk.database import InstalledPackage

    by_name = {package.entry.name: package for package in installed}
    for change in changes:
        if change.old:
            by_name.pop(change.old.name, None)
        if change.new:
            by_name[change.new.name] = InstalledPackage(change.new.entry)
    return list(by_name.values())


def _say_sum(session: Session, errors: int, installed: Sequence[InstalledPackage]) -> None:
    start = f"{errors} error{'s' if errors > 1 else ''};" if errors else "OK:"
    size = sum(package.entry.installed_size for package in installed) // MIB
    if session.verbosity > 1:
        folders = {folder.path for package in installed for folder in package.folders}
        files = sum(len(folder.files) for package in installed for folder in package.folders)
        session.say(f"{start} {len(installed)} packages, {len(folders)} dirs, {files} files, {size} MiB")
    else:
        session.say(f"{start} {size} MiB in {len(installed)} packages")
