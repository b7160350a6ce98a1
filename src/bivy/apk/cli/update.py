"""``apk update``: fetch the repositories' indexes."""

from __future__ import annotations

from bivy.apk.fetch.repository import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session

OPTIONS: tuple[Option, ...] = ()


def main(session: Session) -> int:
    """Fetch, and say how many packages there are; the status is the number of repositories that could not be read."""
    session.given.add("update-cache")
    with session.client:
        indexes = session.indexes
    missing = sum(index.fault is not None for index in indexes)
    stale = sum(index.stale is not None for index in indexes)
    for index in indexes:
        if index.description:
            session.say(f"{index.description} [{printable(index.repository.url)}]")
    start = f"{missing} unavailable, {stale} stale;" if missing or stale else "OK:"
    if session.verbosity > 0:
        session.say(f"{start} {sum(1 for _ in session.universe.packages())} distinct packages available")
    return missing + stale
