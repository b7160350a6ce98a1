"""Indexes and packages from repositories: fetched, checked, kept; and what is done when one cannot be read."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from bivy.apk.errors import ApkError, UntrustedError
from bivy.apk.fetch.cache import MAX_AGE, age_in_words, fetched_at
from bivy.apk.fetch.http import UnavailableError
from bivy.apk.fetch.parallel import side_by_side
from bivy.apk.fetch.repository import Repository, index_url, local_path, package_url, printable
from bivy.apk.fetch.transfer import LARGEST, Transfer, read_file
from bivy.apk.index import IndexText, read_index_text
from bivy.apk.package import check_package

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Self

    from bivy.apk.fetch.cache import Cache
    from bivy.apk.fetch.http import Progress
    from bivy.apk.fetch.parallel import Say
    from bivy.apk.fetch.repository import Listed
    from bivy.apk.sign import PublicKey

_LARGEST_INDEX = 1 << 28
_WORKERS = 4


@dataclass(frozen=True, slots=True)
class OpenedIndex:
    """What a repository's index says, or why it could not be read.

    Attributes:
        repository: The repository.
        url: The address of its index.
        text: Its ``APKINDEX``, checked; empty where there is a fault.
        description: What the repository calls itself.
        signed_by: The name of the key that it is signed by; empty where it was taken without.
        fetched_at: When it was fetched, in seconds since 1970; ``None`` where it is on this machine anyway.
        cached: Whether it came from the cache.
        stale: Why a newer one could not be fetched, where one was to be.
        fault: Why there is none at all.
    """

    repository: Repository
    url: str
    text: str = ""
    description: str = ""
    signed_by: str = ""
    fetched_at: float | None = None
    cached: bool = False
    stale: ApkError | None = None
    fault: ApkError | None = None


class Client:
    """Reads repositories for one architecture, with one set of keys, over connections that stay open.

    Everything that goes wrong with one repository, and was got over, is said: a line that begins with ``WARNING:``.
    Use it in a ``with`` statement, which closes the connections.

    Attributes:
        arch: Alpine's name of the architecture.
    """

    __slots__ = (
        "_allow_untrusted", "_cache", "_down", "_keys", "_keys_folder", "_max_age", "_network", "_progress", "_say",
        "_transfer", "_workers", "arch",
    )  # fmt: skip

    def __init__(
        self,
        arch: str,
        keys: Mapping[str, PublicKey],
        *,
        keys_folder: str = "",
        allow_untrusted: bool = False,
        cache: Cache | None = None,
        max_age: float = MAX_AGE,
        network: bool = True,
        say: Say = lambda _: None,
        progress: Progress | None = None,
        transfer: Transfer | None = None,
        workers: int = _WORKERS,
    ) -> None:
        """Make a client; nothing is read yet.

        Args:
            arch: Alpine's name of the architecture.
            keys: The public keys to trust, by the name of their file.
            keys_folder: Where they are from, for messages.
            allow_untrusted: Whether to take, and say so, an index that none of the keys vouches for.
            cache: Where to keep what was fetched, and look for it; ``None`` for ``--no-cache``.
            max_age: Seconds for which a kept index is not fetched anew: 0 for ``--update-cache``, ``math.inf`` to take
                what is there.
            network: Whether repositories elsewhere may be asked; without, there is what the cache has.
            say: Takes each line for the person.
            progress: Is told of the bytes of each file, from several threads; how many there are, and will be.
            transfer: What fetches; with its patience.
            workers: How many files are fetched at a time.
        """
        self.arch = arch
        self._keys = keys
        self._keys_folder = keys_folder
        self._allow_untrusted = allow_untrusted
        self._cache = cache
        self._max_age = max_age
        self._network = network
        self._say = say
        self._progress = progress
        self._transfer = transfer or Transfer()
        self._workers = workers
        # Repositories that did not answer: they are asked last, not to wait for each again and again.
        self._down: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transfer.close()

    def available(self, repository: Repository) -> bool:
        """Tell whether packages can be fetched from a repository: it is on this machine, or there is a network."""
        return self._network or local_path(repository.url) is not None

    def open_indexes(self, repositories: Sequence[Repository]) -> list[OpenedIndex]:
        """Read the indexes of repositories, each by itself.

        Args:
            repositories: The repositories; of one that is there with several tags, the index is read once.

        Returns:
            An index for each, in order; one that could not be read has a `fault`, and that was said.
        """
        addresses = list(dict.fromkeys(repository.url for repository in repositories))
        remote = sum(local_path(address) is None for address in addresses)

        def task(address: str) -> Callable[[Say], OpenedIndex]:
            return lambda say: self._open(Repository(address), say)

        tasks = [task(address) for address in addresses]
        opened = side_by_side(tasks, self._say, self._workers if remote > 1 else 1)
        by_address = dict(zip(addresses, opened, strict=True))
        return [replace(by_address[repository.url], repository=repository) for repository in repositories]

    def open_first(self, mirrors: Sequence[Repository]) -> OpenedIndex:
        """Read the index of the first of several mirrors of one repository that has it.

        Raises:
            ApkError: None has; the message lists them with the reasons.
        """
        faults: list[ApkError] = []
        for mirror in mirrors:
            opened = self._open(mirror, self._say)
            if not opened.fault:
                return opened
            faults.append(opened.fault)
        if len(faults) == 1:
            raise faults[0]
        lines = "".join(f"\n  {fault}" for fault in faults)
        hint = next((fault.hint for fault in faults if fault.hint), None)
        raise ApkError(f"no mirror has the index:{lines or ' none was named'}", hint=hint)

    def fetch_package(self, entry: Listed, repositories: Sequence[Repository]) -> bytes:
        """Return a package's file, checked against what its index says: size, checksum, and the hash of its data.

        Repositories are asked in their order, those on this machine first and those that failed before last, until one
        has it; each that does not is said, once there is another.

        Args:
            entry: What the index says.
            repositories: Those whose index lists it.

        Raises:
            ApkError: None has it; the message lists them with the reasons.
        """
        return self._fetch(entry, repositories, self._say)

    def fetch_packages(self, wanted: Sequence[tuple[Listed, Sequence[Repository]]]) -> Iterator[bytes]:
        """Yield the files of several packages in order, some of which are fetched ahead.

        Args:
            wanted: What the index says of each, and the repositories whose index lists it.

        Raises:
            ApkError: As for :meth:`fetch_package`, when it is that package's turn.
        """

        def task(entry: Listed, repositories: Sequence[Repository]) -> Callable[[Say], bytes]:
            return lambda say: self._fetch(entry, repositories, say)

        remote = any(local_path(repository.url) is None for _, repositories in wanted for repository in repositories)
        return side_by_side([task(*one) for one in wanted], self._say, self._workers if remote else 1)

    def _read_index(self, content: bytes, where: str, say: Say) -> IndexText:
        """Check an index; where that is allowed, without a signature that counts."""
        try:
            text = read_index_text(content, self._keys, where, self._keys_folder)
        except UntrustedError as fault:
            if not self._allow_untrusted:
                raise
            text = read_index_text(content, None, where)
            say(f"WARNING: {fault}: taken all the same (--allow-untrusted)")
        if "\nA:" in text.text and not any(f"\nA:{arch}\n" in text.text for arch in (self.arch, "noarch")):
            other = text.text.partition("\nA:")[2].partition("\n")[0]
            raise ApkError(f"{where} is of another architecture: {other}, not {self.arch}")
        return text

    def _get(self, address: str, bound: int) -> bytes:
        """Fetch an address, remembering who does not answer.

        Raises:
            UnavailableError: It does not give it; the message names it.
        """
        try:
            return self._transfer.get(address, bound, self._progress)
        except UnavailableError as fault:
            message = f"{printable(address)}: {fault.why}"
            raise UnavailableError(message, passing=fault.passing, missing=fault.missing, hint=fault.hint) from None

    def _open(self, repository: Repository, say: Say) -> OpenedIndex:
        address = index_url(repository, self.arch)
        opened = OpenedIndex(repository, address)
        try:
            if local_path(address) is not None:
                text = self._read_index(self._get(address, _LARGEST_INDEX), printable(address), say)
                return _with(opened, text)
        except ApkError as fault:
            return self._failed(opened, "opening", fault, say)
        kept, why_not = self._open_kept(opened, say)
        if kept and (not self._network or time.time() - (kept.fetched_at or 0) <= self._max_age):
            return kept
        if not self._network:
            missing = ApkError(f"{printable(address)} is not in the cache", hint="there is no network (--no-network)")
            return self._failed(opened, "opening from cache", why_not or missing, say)
        return self._update(opened, kept, say)

    def _open_kept(self, opened: OpenedIndex, say: Say) -> tuple[OpenedIndex | None, ApkError | None]:
        """Read an index from the cache, or say why that cannot be used."""
        path = self._cache.index_path(opened.url) if self._cache else ""
        since = fetched_at(path) if path else None
        if since is None:
            return None, None
        # A time in the future tells nothing of the age.
        since = since if since <= time.time() + 60 else 0.0
        messages: list[str] = []
        try:
            text = self._read_index(read_file(path, _LARGEST_INDEX), path, messages.append)
        except ApkError as fault:
            why = ApkError(f"{path}: {fault.why}") if isinstance(fault, UnavailableError) else fault
            if self._network:
                say(f"WARNING: {why}: it is not used, and fetched again")
            return None, why
        kept = replace(_with(opened, text), fetched_at=since, cached=True)
        if not self._network or time.time() - since <= self._max_age:
            for message in messages:
                say(message)
        return kept, None

    def _update(self, opened: OpenedIndex, kept: OpenedIndex | None, say: Say) -> OpenedIndex:
        """Fetch an index; where that fails, the one that is kept, if any, is used however old it is."""
        say(f"fetch {printable(opened.url)}")
        try:
            content = self._get(opened.url, _LARGEST_INDEX)
            text = self._read_index(content, printable(opened.url), say)
        except ApkError as fault:
            if not kept:
                return self._failed(opened, "fetching" if self._cache is None else "updating and opening", fault, say)
            age = age_in_words(time.time() - kept.fetched_at) if kept.fetched_at else "an unknown time ago"
            say(f"WARNING: updating {printable(opened.repository.url)}: {fault}; using what was fetched {age}")
            return replace(kept, stale=fault)
        if self._cache:
            self._keep(self._cache.index_path(opened.url), content, say)
        return replace(_with(opened, text), fetched_at=time.time())

    def _failed(self, opened: OpenedIndex, action: str, fault: ApkError, say: Say) -> OpenedIndex:
        say(f"WARNING: {action} {printable(opened.repository.url)}: {fault}")
        return replace(opened, fault=fault)

    def _keep(self, path: str, content: bytes, say: Say) -> None:
        try:
            if self._cache:
                self._cache.keep(path, content)
                self._cache.sweep()
        except OSError as fault:
            say(f"WARNING: {path} cannot be kept in the cache: {fault.strerror}")

    def _fetch(self, entry: Listed, repositories: Sequence[Repository], say: Say) -> bytes:
        name = f"{entry.name}-{entry.version}"
        keep = self._cache.package_path(entry) if self._cache and self._cache.packages else ""
        if keep and fetched_at(keep) is not None:
            try:
                return _checked(read_file(keep, _bound(entry)), entry, keep)
            except ApkError as fault:
                why = f"{keep}: {fault.why}" if isinstance(fault, UnavailableError) else str(fault)
                say(f"WARNING: {why}: it is not used, and fetched again")
        candidates = [repository for repository in dict.fromkeys(repositories) if self.available(repository)]
        candidates.sort(key=lambda one: (one.url in self._down, local_path(one.url) is None))
        faults: list[ApkError] = []
        for repository in candidates:
            if faults:
                say(f"WARNING: {name}: {faults[-1]}; trying {printable(repository.url)}")
            try:
                content = self._fetch_from(repository, entry)
            except ApkError as fault:
                faults.append(fault)
                continue
            if keep and local_path(repository.url) is None:
                self._keep(keep, content, say)
            return content
        raise _not_fetched(name, faults, any_left_out=len(candidates) < len(set(repositories)))

    def _fetch_from(self, repository: Repository, entry: Listed) -> bytes:
        """Fetch a package from one repository and check it."""
        address = package_url(repository, entry, self.arch)
        try:
            return _checked(self._get(address, _bound(entry)), entry, printable(address))
        except ApkError as fault:
            if not (isinstance(fault, UnavailableError) and fault.missing):
                self._down.add(repository.url)
            raise


def _with(opened: OpenedIndex, text: IndexText) -> OpenedIndex:
    return replace(opened, text=text.text, description=text.description, signed_by=text.signed_by)


def _bound(entry: Listed) -> int:
    return entry.size or LARGEST


def _checked(content: bytes, entry: Listed, where: str) -> bytes:
    """Return a package's file if it is the one that an index lists."""
    if entry.size and len(content) != entry.size:
        raise ApkError(f"{where} has {len(content)} bytes, not the {entry.size} that the index says")
    control = check_package(content, where)
    if control.checksum != entry.checksum:
        raise ApkError(
            f"{where} is not what the index lists: its checksum is {control.checksum}, not {entry.checksum}",
            hint="the repository has changed since its index was fetched: update that",
        )
    return content


def _not_fetched(name: str, faults: Sequence[ApkError], *, any_left_out: bool) -> ApkError:
    if not faults:
        hint = "without network, packages come from the cache only" if any_left_out else None
        return ApkError(f"{name}: no repository to fetch it from", hint=hint)
    hint = next((fault.hint for fault in faults if fault.hint), None)
    if all(isinstance(fault, UnavailableError) and fault.missing for fault in faults):
        hint = "the repository has changed since its index was fetched: update that"
    if len(faults) == 1:
        return ApkError(f"{name}: {faults[0]}", hint=hint)
    lines = "".join(f"\n  {fault}" for fault in faults)
    return ApkError(f"{name} could not be fetched from any repository:{lines}", hint=hint)
