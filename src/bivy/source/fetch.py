"""A pin becomes a file in the cache whose digest is the pinned one, from the first place that gives it."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.errors import BivyError
from bivy.files import locked, sha256_of
from bivy.progress import Outcome
from bivy.source.apt import debian_archives
from bivy.source.download import UnavailableError, not_writable, open_client, opened, part_size
from bivy.source.places import candidates
from bivy.threads import StoppedError, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import httpx

    from bivy.progress import Progress
    from bivy.source.pin import Pin
    from bivy.source.places import Candidate, Mirrors

_LARGEST = 4 << 30
_HINT = (
    "is there a network? A proxy goes into HTTPS_PROXY and HTTP_PROXY, a company's certificate authority into"
    " SSL_CERT_FILE, and other places to look into --mirror or BIVY_MIRRORS"
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds.

    Attributes:
        connect: For a connection.
        read: For the next bytes.
        pauses: Before each time that all places are asked again.
    """

    connect: float = 15
    read: float = 60
    pauses: tuple[float, ...] = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class _Errand:
    """What all downloads of one call share."""

    folder: Path
    archives: tuple[str, ...]
    mirrors: Mirrors
    client: httpx.Client
    progress: Progress
    pauses: tuple[float, ...]
    stop: threading.Event = field(default_factory=threading.Event)
    hopeless: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        if self.stop.is_set():
            raise StoppedError


def cached(pin: Pin, cache: Path) -> Path | None:
    """Return the file of a pin that is in the cache and has the right digest, or ``None``.

    Args:
        pin: What is wanted.
        cache: bivy's cache folder.
    """
    for place in pin.places:
        path = _folder(cache) / place.sha256
        with contextlib.suppress(OSError):
            if sha256_of(path) == place.sha256:
                return path
    return None


def fetch(
    pins: Sequence[Pin],
    *,
    cache: Path,
    mirrors: Mirrors,
    archives: tuple[str, ...] | None = None,
    progress: Progress,
    jobs: int = 4,
    patience: Patience | None = None,
) -> dict[Pin, Path]:
    """Return a verified file for every pin, downloading what the cache has not.

    Places are asked in the order of `candidates`. What fails in a way that may pass (no connection, 5xx, too many
    requests, a transfer cut short) is asked again after a pause, when no other place had the file.

    Args:
        pins: What is wanted.
        cache: bivy's cache folder; files are kept in ``sources/sha256`` under their digest.
        mirrors: The user's mirrors.
        archives: Roots of Debian archives; ``None`` for those that this machine is configured for.
        progress: Who watches.
        jobs: How many files are downloaded side by side.
        patience: How long to wait; the defaults suit the internet.

    Raises:
        BivyError: A file could not be had from any place (each is listed with the reason), or not be written.
    """
    found = {pin: path for pin in pins if (path := cached(pin, cache))}
    missing = [pin for pin in dict.fromkeys(pins) if pin not in found]
    if not missing:
        return found
    patience = patience or Patience()
    archives = debian_archives() if archives is None else archives
    with open_client(connect=patience.connect, read=patience.read) as client:
        errand = _Errand(_folder(cache), archives, mirrors, client, progress, patience.pauses)
        got = side_by_side(lambda pin: _obtain(errand, pin), missing, jobs, errand.stop)
    # In the order asked for, not in that in which the downloads ended.
    faults = [reason for pin in missing if isinstance(reason := got.get(pin), str)]
    if faults:
        raise BivyError("\n".join(faults), hint=_HINT)
    return found | {pin: path for pin, path in got.items() if isinstance(path, Path)}


def _folder(cache: Path) -> Path:
    return cache / "sources" / "sha256"


def _obtain(errand: _Errand, pin: Pin) -> Path | str:
    """Return the file of a pin, or the message that lists every place tried and why it failed."""
    pending = candidates(pin, errand.mirrors, errand.archives)
    reasons = dict.fromkeys(pending, "")
    for pause in (0.0, *errand.pauses):
        # One pin that cannot be had makes the whole call fail: nothing is worth waiting for any more.
        if not pending or (pause and errand.hopeless.wait(pause)):
            break
        again = []
        for candidate in pending:
            try:
                return _attempt(errand, pin, candidate)
            except UnavailableError as fault:
                reasons[candidate] = str(fault)
                if not fault.lasting:
                    again.append(candidate)
            except OSError as fault:
                raise not_writable(fault, errand.folder, str(pin)) from fault
        pending = again
    errand.hopeless.set()
    lines = [f"  {candidate.shown}: {reason}" for candidate, reason in reasons.items()]
    if not errand.archives:
        lines += [f"  {p.debian}: this machine has no Debian archive configured" for p in pin.places if p.debian]
    return "\n".join([f"{pin} could not be fetched; tried were", *lines])


def _attempt(errand: _Errand, pin: Pin, candidate: Candidate) -> Path:
    """Return the verified file, which another process may have fetched meanwhile, or fetch it from one address."""
    target = errand.folder / candidate.sha256
    part = target.with_name(f"{target.name}.part")
    lock = errand.folder.parent / "locks" / target.name
    with locked(lock, giving_up=errand.stop.is_set):
        errand.go_on()
        if target.exists():
            if sha256_of(target) == candidate.sha256:
                return target
            errand.progress.say(f"{target} was damaged on disk and is fetched again ({pin})")
            target.unlink()
        part.parent.mkdir(parents=True, exist_ok=True)
        while True:
            left_over = part_size(part)
            _transfer_all(errand, pin, candidate, part)
            digest = sha256_of(part)
            if digest == candidate.sha256:
                part.chmod(0o644)
                part.replace(target)
                return target
            part.unlink()
            if not left_over:
                why = f"is not the pinned file: expected sha256 {candidate.sha256}, found {digest}"
                errand.progress.say(f"{pin}: {candidate.shown} {why}")
                raise UnavailableError(why, lasting=True)


def _transfer_all(errand: _Errand, pin: Pin, candidate: Candidate, part: Path) -> None:
    """Add what is missing to the partial file; a transfer that is cut short goes on for as long as this gains bytes."""
    while True:
        before = part_size(part)
        try:
            return _transfer(errand, pin, candidate, part)
        except UnavailableError as fault:
            if fault.lasting or part_size(part) <= before:
                raise


def _transfer(errand: _Errand, pin: Pin, candidate: Candidate, part: Path) -> None:
    with (
        opened(errand.client, candidate.address, part_size(part)) as body,
        _task(errand.progress, pin, candidate, body.total) as advance,
        part.open("ab" if body.start else "wb") as file,
    ):
        size = body.start
        advance(size)
        for chunk in body.chunks:
            errand.go_on()
            size += len(chunk)
            if size > _LARGEST:
                raise UnavailableError(f"is larger than {_LARGEST >> 30} GiB", lasting=True)
            file.write(chunk)
            file.flush()  # whatever came is there for the next time, however this process ends
            advance(len(chunk))


@contextlib.contextmanager
def _task(progress: Progress, pin: Pin, candidate: Candidate, total: int | None) -> Iterator[Callable[[int], None]]:
    key = f"fetch {pin}"
    size = 0

    def advance(amount: int) -> None:
        nonlocal size
        size += amount
        progress.advance(key, amount)

    progress.begin(key, total=total)
    try:
        yield advance
    except StoppedError:
        progress.end(key, Outcome.STOPPED)
        raise
    except BaseException as fault:
        progress.end(key, Outcome.FAILED, f"{candidate.shown}: {fault}")
        raise
    progress.end(key, Outcome.DONE, f"{size / 1e6:.1f} MB")
