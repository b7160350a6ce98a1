"""``apk fix``: install again what is broken."""

from __future__ import annotations

from bivy.apk.cli.commit import commit, opened
from bivy.apk.solve.requests import to_fix
from bivy.apk.system.audit import broken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session

OPTIONS: tuple[Option, ...] = (
    ("depends", "d", "", "Do the same with all that the packages need."),
    ("directory-permissions", "", "", "Give all folders the modes and owners that packages say."),
    ("reinstall", "r", "", "Install the packages again."),
    ("upgrade", "u", "", "Take the newest versions."),
    ("xattr", "x", "", "Also those whose extended attributes could not be set."),
)


def main(session: Session) -> int:
    """Fix what the command line names, or what the database says is broken."""
    given = session.given
    with opened(session) as world:
        names = session.known(given.words, "Package '{}' not found") or list(
            broken(session.state, xattrs=given.has("xattr"))
        )
        choice = {name: given.has(name) for name in ("reinstall", "upgrade", "depends")}
        return commit(session, to_fix(world, names, **choice))
