"""One run of ``apk``: the root, the repositories and the packages that its command works on."""

from __future__ import annotations

import os
import sys
from functools import cached_property

from bivy.apk import version as versions
from bivy.apk.cli.console import Console
from bivy.apk.errors import ApkError
from bivy.apk.fetch.cache import MAX_AGE, cache_of_root
from bivy.apk.fetch.client import Client
from bivy.apk.fetch.repository import parse_repository, read_repositories, read_repositories_file
from bivy.apk.fetch.transfer import PATIENCE, Transfer
from bivy.apk.keys import load_keys
from bivy.apk.solve.universe import Source, Universe
from bivy.apk.system.root import ARCH, Root, read_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bivy.apk.cli.options import Given
    from bivy.apk.database import InstalledPackage
    from bivy.apk.dependency import Dependency
    from bivy.apk.fetch.client import OpenedIndex
    from bivy.apk.fetch.repository import Repository
    from bivy.apk.solve.universe import Candidate, LocalPackage
    from bivy.apk.system.root import State

# What `uname -m` says, where that is not Alpine's name.
_ARCHES = {"armv7l": "armv7", "armv6l": "armhf", "i686": "x86", "i586": "x86"}
_FORCE = ("force-broken-world", "force-non-repository", "force-old-apk", "force-overwrite")
_NO_REPOSITORIES = ("none", "installed")
_NO_INSTALLED = ("none", "repositories")
_FOREVER = float("inf")


def own_arch() -> str:
    """Return Alpine's name of this machine's architecture."""
    machine = os.uname().machine
    return _ARCHES.get(machine, machine)


class Session(Console):
    """What a command works with; each part is read when it is first asked for.

    Attributes:
        given: The options and words.
        root: The folder of the system.
        local: Packages that no repository has to have, such as files that are added.
        source: Where packages are looked for (``--from``).
        refresh: Whether indexes that are old are fetched again.
        offline: Whether only indexes count that are on this machine, and it is no fault when one is not.
    """

    def __init__(self, given: Given) -> None:
        verbosity = 1 - given.count("quiet") + given.count("verbose")
        terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        progress = verbosity > 0 and not given.has("no-progress") and (terminal or given.has("progress"))
        super().__init__(verbosity, progress=progress, progress_descriptor=given.number("progress-fd", 0))
        self.given = given
        self.root = os.path.abspath(given.value("root", "/"))
        self.local: list[LocalPackage] = []
        self.refresh = True
        self.offline = False
        source = given.value("from", "system")
        if source not in ("none", "repositories", "installed", "system"):
            raise ApkError(f"--from takes none, repositories, installed or system, not {source!r}")
        self.source = source

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
        """What is installed; a command that changes it sets this to what it holds."""
        return read_state(self.opened_root)

    @cached_property
    def arch(self) -> str:
        """The architecture of the packages."""
        told = self.given.value("arch")
        if told:
            return told
        content = self.opened_root.read(ARCH) or b""
        return content.decode(errors="replace").strip() or own_arch()

    @cached_property
    def keys_folder(self) -> str:
        """The folder of the public keys that are trusted."""
        return self.given.value("keys-dir") or os.path.join(self.root, "etc/apk/keys")

    @cached_property
    def repositories(self) -> tuple[Repository, ...]:
        """The repositories, those of the command line first."""
        file = self.given.value("repositories-file")
        listed = [parse_repository(text, "--repository") for text in self.given.values("repository")]
        if self.source not in _NO_REPOSITORIES:
            listed += read_repositories_file(file) if file else read_repositories(self.root)
        return tuple(dict.fromkeys(listed))

    @cached_property
    def client(self) -> Client:
        """What fetches."""
        given = self.given
        cache = None if given.has("no-cache") else cache_of_root(self.root, given.value("cache-dir", "etc/apk/cache"))
        age: float = 0 if given.has("update-cache") else given.number("cache-max-age", MAX_AGE // 60) * 60
        return Client(
            self.arch,
            load_keys(self.keys_folder, self.relay),
            keys_folder=self.keys_folder,
            allow_untrusted=given.has("allow-untrusted"),
            cache=cache,
            max_age=age if self.refresh or given.has("update-cache") else _FOREVER,
            network=not (given.has("no-network") or self.offline),
            say=(lambda _: None) if self.offline else self.relay,
            transfer=Transfer(
                patience=given.number("timeout", int(PATIENCE)),
                check_servers=not given.has("no-check-certificate"),
                fresh=given.has("force-refresh"),
            ),
        )

    def relay(self, line: str) -> None:
        """Write a line of whoever fetches: a warning, or what it is about to do."""
        if line.startswith("WARNING: "):
            self.warn(line.removeprefix("WARNING: "))
        else:
            self.say(line)

    @cached_property
    def indexes(self) -> list[OpenedIndex]:
        """The repositories' indexes, or why one cannot be had."""
        return self.client.open_indexes(self.repositories)

    @cached_property
    def universe(self) -> Universe:
        """All packages that there are."""
        sources = [
            Source(index.text, index.repository.tag, index.url, self.client.available(index.repository))
            for index in self.indexes
        ]
        return Universe(sources, () if self.source in _NO_INSTALLED else self.state.installed, self.local)

    def names(self) -> list[str]:
        """Return the names of all packages, sorted as apk shows them."""
        return sorted(self.universe.names(), key=lambda name: (name.lower(), name))

    def packages(self, name: str) -> list[Candidate]:
        """Return all versions of a package, the newest first."""
        return _newest_first(self.universe.named(name))

    def providers(self, name: str) -> list[Candidate]:
        """Return all packages that are called so or provide it, by name, the newest of each first."""
        return _newest_first(self.universe.find(name))

    def matching(self, words: Sequence[str]) -> list[str]:
        """Return the names that words stand for: patterns for those that they match, others for themselves."""
        from bivy.apk.cli.patterns import any_matches

        found: dict[str, None] = {}
        for word in words:
            if "*" in word or "?" in word or "[" in word:
                found.update(dict.fromkeys(name for name in self.names() if any_matches([word], [name])))
            elif self.universe.providers(word):
                found[word] = None
        return list(found)

    def known(self, words: Sequence[str], missing: str) -> list[str]:
        """Return the names that words stand for, as `matching`, where each that is no pattern is a name.

        Args:
            words: The words.
            missing: What to say of one that is none; ``{}`` stands for it.

        Raises:
            ApkError: Some are none; the message has a line for each.
        """
        names = self.matching(words)
        unknown = [word for word in words if word not in names and "*" not in word]
        if unknown:
            raise ApkError("\nERROR: ".join(map(missing.format, unknown)))
        return names

    def installed(self, name: str) -> InstalledPackage | None:
        """Return the installed package of a name."""
        return next((package for package in self.state.installed if package.entry.name == name), None)

    def allowed(self, candidate: Candidate, tag: str) -> bool:
        """Tell whether a package is in a repository of a tag, or without one where it is empty."""
        return any(self.repositories[position].tag == tag for position in candidate.repositories)

    def label(self, candidate: Candidate) -> str:
        """Return a package's name and version."""
        return f"{candidate.entry.name}-{candidate.entry.version}"

    def satisfies(self, candidate: Candidate, wanted: Dependency) -> bool:
        """Tell whether a package is, or provides, what is wanted, whether that is to be there or not."""
        for other, version in self.universe.providers(wanted.name):
            if other is not candidate:
                continue
            if not wanted.operator:
                return True
            if wanted.operator == "><":
                return wanted.version == candidate.entry.checksum
            if version is not None and versions.satisfies(version, wanted.operator, wanted.version):
                return True
        return False


def _newest_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    from functools import cmp_to_key

    def order(one: Candidate, other: Candidate) -> int:
        if one.entry.name != other.entry.name:
            return -1 if (one.entry.name.lower(), one.entry.name) < (other.entry.name.lower(), other.entry.name) else 1
        return versions.compare(other.entry.version, one.entry.version)

    return sorted(candidates, key=cmp_to_key(order))
