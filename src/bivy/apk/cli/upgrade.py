"""``apk upgrade``: install the newest versions of what is installed."""

from __future__ import annotations

from bivy.apk.cli.commit import carry_out, commit, opened
from bivy.apk.errors import ApkError
from bivy.apk.solve.requests import to_upgrade, to_upgrade_self
from bivy.apk.solve.solver import solve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session
    from bivy.apk.dependency import Dependency

OPTIONS: tuple[Option, ...] = (
    ("available", "a", "", "Take what repositories have, also where it is older than what is installed."),
    ("ignore", "", "", "Upgrade all but the packages that are named."),
    ("latest", "l", "", "Insist on the newest versions."),
    ("no-self-upgrade", "", "", "Do not upgrade apk-tools before the rest."),
    ("prune", "", "", "Take out of the world what no repository has."),
    ("self-upgrade-only", "", "", "Upgrade apk-tools alone."),
)


def main(session: Session) -> int:
    """Upgrade everything, or what the command line names."""
    given = session.given
    with opened(session) as world:
        if any(index.fault for index in session.indexes) and not given.has("force-missing-repositories"):
            raise ApkError(
                "not upgrading while a repository cannot be had", hint="--force-missing-repositories goes on without it"
            )
        names = session.known(given.words, "Package '{}' not found")
        choice = {"available": given.has("available"), "latest": given.has("latest")}
        if not given.words and not given.has("no-self-upgrade"):
            _upgrade_self(session, world, choice)
        if given.has("self-upgrade-only"):
            return 0
        kept = world
        if given.has("prune"):
            kept = tuple(need for need in world if any(c.repositories for c in session.providers(need.name)))
        return commit(session, to_upgrade(kept, names, ignore=given.has("ignore"), **choice))


def _upgrade_self(session: Session, world: tuple[Dependency, ...], choice: dict[str, bool]) -> None:
    """Upgrade Alpine's own apk-tools first where they are installed, and go on with them."""
    request = to_upgrade_self(session.universe, world, **choice)
    if request is None:
        return
    changes = solve(session.universe, request.world, request.options).changes
    if not changes:
        return
    if session.given.has("simulate") and not session.given.has("self-upgrade-only"):
        session.warn("This simulation is not reliable as apk-tools upgrade is available.")
        return
    session.say("Upgrading critical system libraries and apk-tools:")
    errors = carry_out(session, changes, world)
    if errors or session.given.has("self-upgrade-only") or session.given.has("simulate"):
        return
    from bivy.apk.system.root import read_state

    # The rest is decided anew, with what is installed now.
    session.state = read_state(session.opened_root)
    del session.universe
