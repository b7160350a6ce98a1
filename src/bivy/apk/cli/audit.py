"""``apk audit``: what differs from what packages installed."""

from __future__ import annotations

from bivy.apk.errors import ApkError
from bivy.apk.system.audit import Difference, Mode, audit
from bivy.apk.system.protected import parse_rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session
    from bivy.apk.database import Access
    from bivy.apk.system.protected import Rule

OPTIONS: tuple[Option, ...] = (
    ("backup", "", "", "What a person changed or added in protected paths, as for a backup; so without an option."),
    ("check-permissions", "", "", "Owners and modes count."),
    ("details", "", "", "Print owners, modes and checksums, as recorded and as found."),
    ("full", "", "", "Everything outside protected paths."),
    ("ignore-busybox-symlinks", "", "", "Pass over the links that busybox makes for its commands."),
    ("packages", "", "", "Print the packages that have differences."),
    ("protected-paths", "", "FILE", "Take the rules of protected paths from here."),
    ("recursive", "r", "", "Go into folders that no package has."),
    ("system", "", "", "What packages own outside protected paths."),
)


def main(session: Session) -> int:
    """Print the differences, one a line."""
    given = session.given
    folders = []
    for word in given.words:
        if word.startswith("/"):
            folders.append(word)
        else:
            session.warn(f"{word}: relative path skipped.")
    mode = Mode.FULL if given.has("full") else Mode.SYSTEM if given.has("system") else Mode.BACKUP
    found = audit(
        session.opened_root,
        session.state,
        mode,
        folders=folders or [""],
        rules=_rules(given.value("protected-paths")) if given.has("protected-paths") else None,
        recursive=given.has("recursive"),
        check_permissions=given.has("check-permissions"),
        details=given.has("details"),
        ignore_busybox_links=given.has("ignore-busybox-symlinks"),
    )
    seen: set[str] = set()
    for difference in found:
        if not given.has("packages"):
            _print(session, difference)
        elif difference.package and difference.package not in seen:
            seen.add(difference.package)
            installed = session.installed(difference.package)
            version = f"-{installed.entry.version}" if installed and session.verbosity > 0 else ""
            session.put(f"{difference.package}{version}")
    return 0


def _rules(path: str) -> Sequence[Rule]:
    try:
        with open(path, encoding="utf-8") as file:
            return parse_rules(file.read())
    except (OSError, UnicodeDecodeError) as fault:
        raise ApkError(f"the protected paths {path} cannot be read: {fault}") from None


def _print(session: Session, difference: Difference) -> None:
    if session.verbosity < 1:
        session.put(difference.path)
        return
    if session.given.has("details"):
        if difference.recorded:
            session.put(f"- {_access(difference.recorded, difference.recorded_checksum)}")
        if difference.found:
            session.put(f"+ {_access(difference.found, difference.found_checksum)}")
    session.put(f"{difference.reason} {difference.path}")


def _access(access: Access, checksum: str) -> str:
    end = f" hash={checksum}" if checksum else ""
    return f"mode={access.mode & 0o7777:o} uid={access.uid} gid={access.gid}{end}"
