"""One blob to a registry, from where an upload that was cut off stopped (distribution-spec 1.1, "Pushing Blobs")."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

from bivy.oci.registry.faults import PassingError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bivy.oci.blob import Blob
    from bivy.oci.registry.faults import Answer
    from bivy.oci.registry.session import Session

# What is sent at once after something went wrong with the whole: most registries want at least 5 MiB.
PIECE = 16 << 20


class Sent(enum.Enum):
    """How a blob came to be in a repository."""

    THERE = "was there"
    MOUNTED = "taken over from another repository"
    SENT = "sent"


@dataclass(slots=True)
class _Upload:
    """An upload under way.

    Attributes:
        location: Where the registry takes the next bytes.
        offset: How many it has.
        least: How many it wants at once at least, but for the last.
    """

    location: str
    offset: int = 0
    least: int = 1


def upload(
    session: Session, blob: Blob, *, mount_from: str, advance: Callable[[int], None], piece: int = PIECE
) -> Sent:
    """Put a blob into a repository, unless it is there.

    It is sent whole at first. Where that is cut off, what the registry has is asked for, and the rest is sent in
    pieces; where the registry knows nothing of it any more, it is sent from the start.

    Args:
        session: The conversation.
        blob: The blob.
        mount_from: Another repository of the registry that may have it; empty for none.
        advance: Told of each byte; of fewer than none where some have to be sent again.
        piece: How many bytes are sent at once when the whole did not get through.

    Raises:
        RegistryError: The registry does not take it.
        BivyError: The blob is missing here, or was altered.
    """
    if is_there(session, blob):
        return Sent.THERE
    what = f"push {blob.digest[:19]} to {session.name.host}/{session.name.repository}"
    scopes = (f"repository:{mount_from}:pull",) if mount_from else ()
    begun = _begin(session, blob, what, mount_from, scopes)
    if begun is None:
        return Sent.MOUNTED
    blob.verify()
    _send_all(session, blob, what, begun, advance, piece)
    return Sent.SENT


def is_there(session: Session, blob: Blob) -> bool:
    """Tell whether a repository has a blob."""
    what = f"look for {blob.digest[:19]} in {session.name.host}/{session.name.repository}"
    return session.ask("HEAD", f"blobs/{blob.digest}", what, accept=(200, 404)).status == 200


def _begin(
    session: Session, blob: Blob, what: str, mount_from: str = "", scopes: tuple[str, ...] = ()
) -> _Upload | None:
    """Begin an upload; `None` where the registry took the blob from the other repository instead."""
    query = f"?mount={blob.digest}&from={quote(mount_from, safe='')}" if mount_from else ""
    try:
        answer = session.ask("POST", f"blobs/uploads/{query}", what, accept=(201, 202), scopes=scopes)
    except RegistryError as fault:
        # The other repository may not be ours to read, or gone.
        if not mount_from or fault.status not in (400, 401, 403, 404, 405):
            raise
        answer = session.ask("POST", "blobs/uploads/", what, accept=(202,))
    if answer.status == 201:
        return None
    least = answer.headers.get("oci-chunk-min-length", "")
    return _Upload(_location(session, answer), 0, int(least) if re.fullmatch(r"\d{1,12}", least, re.ASCII) else 1)


def _location(session: Session, answer: Answer) -> str:
    location = answer.headers.get("location", "")
    if not location:
        raise RegistryError(f"{session.name.host} does not say where it takes what is pushed (no Location)")
    try:
        return urljoin(answer.url, location)
    except ValueError:
        raise RegistryError(f"{session.name.host} takes what is pushed at no address: {location!r}") from None


def _send_all(
    session: Session, blob: Blob, what: str, begun: _Upload, advance: Callable[[int], None], piece: int
) -> None:
    """Send until all is there, for as long as the registry gets further or there is patience left."""
    current: _Upload = begun
    told = furthest = failures = 0
    whole = True

    def tell(offset: int) -> None:
        nonlocal told
        advance(offset - told)
        told = offset

    while True:
        try:
            if whole:
                whole = False
                _finish(session, blob, what, current, tell)
                return
            while current.offset < blob.size:
                _send_piece(session, blob, what, current, max(piece, current.least), tell)
                furthest, failures = (current.offset, 0) if current.offset > furthest else (furthest, failures)
            _finish(session, blob, what, current, tell)
        except (PassingError, _AgainError) as fault:
            pauses = session.patience.pauses
            if failures >= len(pauses):
                raise (fault.fault if isinstance(fault, PassingError) else fault.told) from None
            if isinstance(fault, PassingError):
                session.wait(max(pauses[failures], fault.wait))
            failures += 1
            found = _status(session, what, current)
            # What it says that it has is not what it goes on from: 0-0 is one byte for some and none for others.
            astray = isinstance(fault, _AgainError) and fault.told.status == 416
            if found is None or (astray and found.offset == current.offset):
                found = _begin(session, blob, what)
                assert found is not None  # nothing was to be taken over
            current = found
            if current.offset > furthest:
                furthest, failures = current.offset, 0
            tell(current.offset)
        else:
            return


class _AgainError(Exception):
    """A registry lost track of an upload, or takes only less at once: what it has is asked for."""

    def __init__(self, told: RegistryError) -> None:
        super().__init__(str(told))
        self.told = told


def _finish(session: Session, blob: Blob, what: str, current: _Upload, tell: Callable[[int], None]) -> None:
    """Send what is left, and say that this is all."""
    joint = "&" if "?" in current.location else "?"
    url = f"{current.location}{joint}digest={quote(blob.digest, safe='')}"
    answer = _send(session, "PUT", url, what, (201, 204), blob, current.offset, blob.size, tell)
    if answer.digest not in ("", blob.digest):
        raise RegistryError(f"{session.name.host} has {answer.digest} where {blob.digest} was sent")


def _send_piece(
    session: Session, blob: Blob, what: str, current: _Upload, size: int, tell: Callable[[int], None]
) -> None:
    start, end = current.offset, min(current.offset + size, blob.size)
    answer = _send(session, "PATCH", current.location, what, (202, 204), blob, start, end, tell, named=True)
    current.location = _location(session, answer) if answer.headers.get("location") else current.location
    current.offset = _received(answer, end) if end > 1 else end
    if not start < current.offset <= end:
        raise _AgainError(RegistryError(f"{session.name.host} does not take what is sent, to {what}"))


def _send(
    session: Session,
    method: str,
    url: str,
    what: str,
    accept: tuple[int, ...],
    blob: Blob,
    start: int,
    end: int,
    tell: Callable[[int], None],
    *,
    named: bool = False,
) -> Answer:
    def pieces() -> Iterator[bytes]:
        offset = start
        for some in blob.pieces(start, end):
            session.wait(0)  # the person may have ended it
            yield some
            offset += len(some)
            tell(offset)

    headers = {"Content-Type": "application/octet-stream"}
    if named:
        headers["Content-Range"] = f"{start}-{end - 1}"
    try:
        return session.once(method, url, what, accept=accept, headers=headers, content=pieces, size=end - start)
    except RegistryError as fault:
        if fault.status in (404, 413, 416):
            raise _AgainError(fault) from None
        raise


def _status(session: Session, what: str, current: _Upload) -> _Upload | None:
    """Ask how much of an upload a registry has; `None` where it knows nothing of it any more."""
    try:
        answer = session.ask("GET", current.location, what, accept=(200, 202, 204))
    except RegistryError as fault:
        if 400 <= fault.status < 500 and fault.status not in (401, 403, 429):
            return None
        raise
    location = _location(session, answer) if answer.headers.get("location") else current.location
    return _Upload(location, _received(answer, 0), current.least)


def _received(answer: Answer, otherwise: int) -> int:
    """Return how many bytes a registry has: its ``Range`` names the first and the last of them."""
    found = re.fullmatch(r"(?:bytes=)?0-(\d{1,15})", answer.headers.get("range", ""), re.ASCII)
    if not found:
        return otherwise
    last = int(found[1])
    # 0-0 stands for one byte, and is what registries say of none.
    return last + 1 if last else 0
