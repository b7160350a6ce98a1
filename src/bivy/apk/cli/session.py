"""One run of ``apk``: the root, the repositories and the packages that its command works on."""

from __future__ import annotations

import os
import sys
from functools import cached_property

from bivy.apk import version as versions
from bivy.apk.cli.console import Console
from bivy.apk.dependency import satisfied_by
from bivy.apk.errors import ApkError
from bivy.apk.root import ARCH, Root, read_state
from bivy.apk.universe import Source, Universe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bivy.apk.cli.options import Given
    from bivy.apk.database import InstalledPackage
    from bivy.apk.dependency import Dependency
    from bivy.apk.fetch import OpenedIndex
    from bivy.apk.repository import Repository
    from bivy.apk.root import State
    from bivy.apk.universe import Candidate, LocalPackage

# What `uname -m` says, where that is not Alpine's name.
_ARCHES = {"armv7l": "armv7", "armv6l": "armhf", "i686": "x86", "i586": "x86"}
_FORCE = ("force-broken-world", "force-non-repository", "force-old-apk", "force-overwrite")


def own_arch() -> str:
    """Return Alpine's name of this machine's architecture."""
    machine = os.uname().machine
    return _ARCHES.get(machine, machine)


class Session(Console):
    """What a command works with; each part is read when it is first asked for.

    Attributes:
        given: The options and words.
        root: The folder of the system.
        local: Packages that no repository has to have.
    """

    def __init__(self, given: Given) -> None:
        verbosity = 1 - given.count("quiet") + given.count("verbose")
        terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        progress = verbosity > 0 and not given.has("no-progress") and (terminal or given.has("progress"))
        super().__init__(verbosity, progress=progress, progress_descriptor=given.number("progress-fd", 0))
        self.given = given
        self.root = os.path.abspath(given.value("root", "/"))
        self.local: list[LocalPackage] = []

    def forced(self, what: str) -> bool:
        """Tell whether ``--force-WHAT`` is given, or ``--force`` where that includes it."""
        option = f"force-{what}"
        return self.given.has(option) or (self.given.has("force") and option in _FORCE)

    @cached_property
    def opened_root(self) -> Root:
        """The root, open."""
        return Root(self.root)

    @cached_property
    def state(self) -> State:
        """What is installed."""
        return read_state(self.opened_root)

    @cached_property
    def arch(self) -> str:
        """The architecture of the packages."""
        told = self.given.value("arch")
        if told:
            return told
        try:
            with open(os.path.join(self.root, ARCH), encoding="ascii") as file:
                return file.read().strip() or own_arch()
        except OSError:
            return own_arch()
