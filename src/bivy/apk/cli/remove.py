"""``apk del``: take packages out of the world and remove what nothing needs."""

from __future__ import annotations

from bivy.apk.cli.commit import carry_out, opened
from bivy.apk.dependency import name_of
from bivy.apk.solve.requests import to_delete
from bivy.apk.solve.solver import solve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session
    from bivy.apk.dependency import Dependency
    from bivy.apk.solve.universe import Candidate

OPTIONS: tuple[Option, ...] = (("rdepends", "r", "", "Remove what needs the packages, too."),)


def main(session: Session) -> int:
    """Remove what the command line names, and what was there for it alone."""
    session.offline = not session.given.has("update-cache")
    with opened(session) as world:
        names = session.known([word for word in session.given.words if word], "No such package: {}")
        request = to_delete(session.universe, world, names, recursive=session.given.has("rdepends"))
        solution = solve(session.universe, request.world, request.options)
        _say_what_stays(session, names, solution.packages, request.world)
        return carry_out(session, solution.changes, request.world)


def _say_what_stays(
    session: Session, names: Sequence[str], packages: Sequence[Candidate], world: Sequence[Dependency]
) -> None:
    """Say which of the packages are still there, and what of the world they are there for."""
    staying = [candidate for candidate in packages if candidate.name in names]
    if not staying:
        return
    session.say("World updated, but the following packages are not removed due to:")
    for candidate in staying:
        session.say(f"  {candidate.name}: {' '.join(_reasons(candidate, packages, world))}")
    session.say("")


def _reasons(candidate: Candidate, packages: Sequence[Candidate], world: Sequence[Dependency]) -> list[str]:
    """Return the names in the world that a package is there for, directly or not."""
    asked = {need.name for need in world if not need.conflict}
    waiting, seen, found = [candidate], {candidate}, dict[str, None]()
    while waiting:
        here = waiting.pop(0)
        names = {here.name, *(name_of(word) for word in here.entry.provides)}
        found.update(dict.fromkeys(sorted(names & asked)))
        for other in packages:
            needs = (name_of(word) for word in other.entry.depends if not word.startswith("!"))
            if other not in seen and not names.isdisjoint(needs):
                seen.add(other)
                waiting.append(other)
    return list(found)
