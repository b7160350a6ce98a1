"""What is wrong with one archive, gathered by kind, so that 100,000 equal faults become one sentence."""

from __future__ import annotations

from bivy.musl.report import Problem

_NAMES_SHOWN = 5
_LONGEST_NAME = 200


class UnreadableError(Exception):
    """A member of an archive that cannot be read.

    Attributes:
        kind: What is the matter, as the name of the group of such members: ``members that are encrypted``.
    """

    def __init__(self, kind: str, why: str = "") -> None:
        super().__init__(f"{kind} ({why})" if why else kind)
        self.kind = kind


class Faults:
    """The faults of one archive.

    Attributes:
        where: What the archive is called, for messages.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._members: dict[str, dict[str, None]] = {}
        self._hints: dict[str, str] = {}

    def add(self, kind: str, member: str = "", *, hint: str = "") -> None:
        """Note a fault.

        Args:
            kind: The whole sentence, or what such members are called: ``members that are encrypted``.
            member: Which member; the same one counts once.
            hint: What the person can do; the first one of a kind stays.
        """
        members = self._members.setdefault(kind, {})
        if member:
            members[member] = None
        if hint:
            self._hints.setdefault(kind, hint)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found so far, one for each kind, in the order of finding."""
        return tuple(
            Problem(self.where, f"{kind}: {listed(list(members))}" if members else kind, self._hints.get(kind, ""))
            for kind, members in self._members.items()
        )


def listed(names: list[str]) -> str:
    """Return names as a person can read them, however many there are and whatever is in them."""
    shown = ", ".join(quoted(name) for name in names[:_NAMES_SHOWN])
    return f"{shown} and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else shown


def quoted(name: str) -> str:
    """Return a name from an archive in quotes, without what a terminal would take for a command."""
    return repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…")
