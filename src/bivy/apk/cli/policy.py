"""``apk policy``: which versions of a package there are, and where."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session

OPTIONS: tuple[Option, ...] = ()


def main(session: Session) -> int:
    """Print the versions, the newest first, each with the repositories that have it."""
    session.refresh = False
    for name in session.matching(session.given.words):
        candidates = session.packages(name)
        if candidates:
            session.put(f"{name} policy:")
        for candidate in candidates:
            session.put(f"  {candidate.entry.version}:")
            if candidate.installed is not None:
                session.put("    lib/apk/db/installed")
            for position in candidate.repositories:
                repository = session.repositories[position]
                tag = f"@{repository.tag} " if repository.tag else ""
                session.put(f"    {tag}{repository.url}")
    return 0
