"""Images from a registry: documents at once, layers when somebody asks for their bytes, each once."""

from __future__ import annotations

import contextlib
import difflib
import threading
from typing import TYPE_CHECKING

import msgspec

from bivy.arch import build_machine
from bivy.errors import BivyError, UsageError
from bivy.files import locked, sha256_of, write_whole
from bivy.oci import media
from bivy.oci.blob import Blob, digest_of, is_digest
from bivy.oci.documents import MOST_MANIFEST_BYTES, Descriptor, IndexDocument, decode, same_platform
from bivy.oci.graph import node_of, with_referrers
from bivy.oci.image import read_manifest
from bivy.oci.registry.faults import PassingError, RegistryError
from bivy.oci.registry.origins import remember
from bivy.oci.registry.referrers import list_referrers
from bivy.progress import Outcome
from bivy.source.download import UnavailableError, body_of, not_writable, part_size
from bivy.threads import StoppedError, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bivy.oci.graph import Node
    from bivy.oci.image import Image
    from bivy.oci.registry.session import Session
    from bivy.progress import Progress

FOLDER = "blobs"
"""The folder below the cache's."""
_ACCEPT = f"{media.INDEX}, {media.MANIFEST}, {media.DOCKER_INDEX}, {media.DOCKER_MANIFEST}"
_JOBS = 4


class _Kind(msgspec.Struct, rename="camel"):
    media_type: str = ""
    manifests: object = None


def pull_image(session: Session, platform: str, *, cache: Path, progress: Progress) -> Image:
    """Return an image in a registry; its layers are fetched, all of them, when the first is read.

    Args:
        session: The conversation, which has to last as long as the image is read.
        platform: What it is to be for, as in ``docker --platform``; empty for the only one, or the one for this
            machine.
        cache: bivy's cache folder; what was fetched is kept in ``blobs``.
        progress: Who watches.

    Raises:
        UsageError: It is not for this platform; the message names those that it is for.
        RegistryError: There is no such image, or the registry does not give it.
        BivyError: What it gives is damaged.
    """
    shelf = _Shelf(session, cache, progress)
    found = shelf.named()
    if found.media_type in media.INDEXES:
        document = shelf.find(found, str(session.name))
        listed = decode(document.read(), IndexDocument, str(session.name)).manifests
        found = _choose([entry for entry in listed if entry.media_type in media.MANIFESTS], platform, session)
    image = read_manifest(shelf.find(found, str(session.name)), shelf.find_image)
    if not same_platform(platform, image.config.platform):
        raise UsageError(
            f"{session.name} is for {image.config.platform}, not for {platform}",
            hint=f"name its platform with --platform {image.config.platform}",
        )
    return image


def pull_node(session: Session, platform: str, *, cache: Path, progress: Progress) -> Node:
    """Return all that a name in a registry stands for, with the artifacts that are about it, to be copied as it is.

    Blobs are fetched one by one, when they are read.

    Args:
        session: The conversation, which has to last as long as anything is read.
        platform: The one platform that is wanted; empty for all.
        cache: bivy's cache folder.
        progress: Who watches.

    Raises:
        BivyError: As for `pull_image`.
    """
    shelf = _Shelf(session, cache, progress)
    found = shelf.named()
    if platform:
        image = pull_image(session, platform, cache=cache, progress=progress)
        found = shelf.at(image.digest)
    node = node_of(found, str(session.name), shelf.find)
    artifacts = [
        node_of(entry, f"the list of what refers to {each.digest}", shelf.find)
        for each in node.walk()
        for entry in list_referrers(session, each.digest)
    ]
    return with_referrers(node, artifacts)


class _Shelf:
    """What one repository has, and the cache of it."""

    def __init__(self, session: Session, cache: Path, progress: Progress) -> None:
        self._session = session
        self._cache = cache
        self._progress = progress
        self._layers: list[tuple[str, int]] = []
        self._here: set[str] = set()
        self._lock = threading.Lock()

    def named(self) -> Descriptor:
        """Return what the session's name stands for."""
        return self.at(self._session.name.reference)

    def at(self, reference: str) -> Descriptor:
        """Return what a tag or a digest stands for; of a digest that is in the cache, nobody is asked."""
        content = self._kept(reference if is_digest(reference) else self._look(reference))
        if content is None:
            content = self._fetch_document(reference)
        return Descriptor(_media_type(content), digest_of(content), len(content))

    def find(self, entry: Descriptor, by: str) -> Blob:
        """Return a blob: a document with its bytes, all else to be fetched when it is read."""
        _check(entry, by)
        if entry.media_type in media.INDEXES | media.MANIFESTS:
            content = self._kept(entry.digest)
            if content is None:
                content = self._fetch_document(entry.digest)
            if len(content) != entry.size:
                raise BivyError(f"{entry.digest} has {len(content)} bytes, but {by} says {entry.size}")
            return Blob(entry.digest, entry.size, content, by)
        return self._lazy(entry, by, lambda: self._fetch(entry.digest, entry.size))

    def find_image(self, entry: Descriptor, by: str) -> Blob:
        """Return a blob of an image: the config's is there at once, the layers are fetched together."""
        if entry.media_type not in media.LAYERS:
            if entry.size > MOST_MANIFEST_BYTES:
                raise BivyError(f"{by}: {entry.size} bytes are too many for a config")
            return self.find(entry, by)
        _check(entry, by)
        self._layers.append((entry.digest, entry.size))
        return self._lazy(entry, by, self._fetch_layers)

    def _lazy(self, entry: Descriptor, by: str, fetch: Callable[[], None]) -> Blob:
        remember(self._cache, self._session.name, entry.digest)
        return Blob(entry.digest, entry.size, self._path(entry.digest), by, fetch)

    def _path(self, digest: str) -> Path:
        return self._cache / FOLDER / "sha256" / digest.removeprefix("sha256:")

    def _kept(self, digest: str) -> bytes | None:
        """Return a document that is in the cache, unless it is damaged."""
        if not is_digest(digest):
            return None
        try:
            path = self._path(digest)
            content = path.read_bytes() if path.stat().st_size <= MOST_MANIFEST_BYTES else b""
        except OSError:
            return None
        return content if digest_of(content) == digest else None

    def _look(self, tag: str) -> str:
        """Return the digest that a tag stands for; empty where the registry does not tell."""
        what = f"pull {self._session.name}"
        answer = self._session.ask(
            "HEAD", f"manifests/{tag}", what, accept=(200, 404, 405), headers={"Accept": _ACCEPT}
        )
        return answer.digest if answer.status == 200 else ""

    def _fetch_document(self, reference: str) -> bytes:
        name = self._session.name
        try:
            answer = self._session.ask(
                "GET", f"manifests/{reference}", f"pull {name}", headers={"Accept": _ACCEPT}
            )  # fmt: skip
        except RegistryError as fault:
            if fault.status == 404 and reference == name.tag:
                raise self._no_such_tag(fault) from None
            raise
        content = answer.body
        digest = digest_of(content)
        said = reference if is_digest(reference) else answer.digest or digest
        if len(content) > MOST_MANIFEST_BYTES or (is_digest(said) and said != digest):
            raise BivyError(f"{name.host} gives {digest} ({len(content)} bytes) where it says that it gives {said}")
        write_whole(self._path(digest), content)
        return content

    def _no_such_tag(self, fault: RegistryError) -> BivyError:
        """Name the tags that are nearest, where the registry tells what there is."""
        name = self._session.name
        try:
            answer = self._session.ask("GET", "tags/list", f"list the tags of {name.host}/{name.repository}")
            tags = msgspec.json.decode(answer.body, type=dict[str, object]).get("tags")
        except (BivyError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return fault
        known = sorted(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else []
        if not known:
            return fault
        near = difflib.get_close_matches(name.tag, known, n=1)
        shown = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
        hint = (f"is {near[0]} meant? " if near else "") + f"it has {shown}"
        return UsageError(f"{name.host}/{name.repository} has no tag {name.tag}", hint=hint)

    def _fetch_layers(self) -> None:
        with self._lock:
            missing = [each for each in dict.fromkeys(self._layers) if each[0] not in self._here]
            try:
                side_by_side(lambda each: self._fetch(*each), missing, _JOBS, self._session.stop)
            except BivyError:
                self._session.stop.clear()  # it ended these fetches, not what the session may still be asked
                raise

    def _whole(self, digest: str, size: int) -> bool:
        """Tell whether a blob is in the cache, as it has to be."""
        path = self._path(digest)
        try:
            return path.stat().st_size == size and f"sha256:{sha256_of(path)}" == digest
        except OSError:
            return False

    def _fetch(self, digest: str, size: int) -> None:
        """Bring a blob into the cache, going on where an earlier attempt stopped."""
        if digest not in self._here:
            self._bring(digest, size)
            self._here.add(digest)

    def _bring(self, digest: str, size: int) -> None:
        target = self._path(digest)
        with locked(self._cache / "locks" / f"blob-{target.name}", giving_up=self._session.stop.is_set):
            self._session.wait(0)  # the lock may have been given up
            if self._whole(digest, size):
                return
            with self._task(digest, size) as advance:
                try:
                    self._fetch_into(target, digest, size, advance)
                except OSError as fault:
                    raise not_writable(fault, target.parent, f"{digest[:19]} of {self._session.name}") from fault

    def _fetch_into(self, target: Path, digest: str, size: int, advance: Callable[[int], None]) -> None:
        part = target.with_name(f"{target.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        while True:
            begun = part_size(part)
            if begun > size:
                part.unlink()
                begun = 0
            self._transfer_all(part, digest, size, advance)
            found = f"sha256:{sha256_of(part)}"
            if found == digest:
                part.chmod(0o644)
                part.replace(target)
                return
            part.unlink()
            if not begun:
                raise BivyError(
                    f"{self._session.name.host} gives {size} bytes with digest {found} for {digest}",
                    hint="the registry's copy is damaged, or something on the way alters it; push the image again",
                )
            advance(-size)

    def _transfer_all(self, part: Path, digest: str, size: int, advance: Callable[[int], None]) -> None:
        """Add what is missing to a partial file, for as long as each attempt gets further or there is patience left."""
        advance(part_size(part))
        failures = 0
        while part_size(part) < size or not part.exists():
            before = part_size(part)
            try:
                self._transfer(part, digest, size, advance)
            except PassingError as fault:
                failures = 0 if part_size(part) > before else failures
                pauses = self._session.patience.pauses
                if failures >= len(pauses):
                    raise fault.fault from None
                self._session.wait(max(pauses[failures], fault.wait))
                failures += 1

    def _transfer(self, part: Path, digest: str, size: int, advance: Callable[[int], None]) -> None:
        name = self._session.name
        what = f"pull {digest[:19]} from {name.host}/{name.repository}"
        offset = part_size(part)
        with self._session.stream(f"blobs/{digest}", what, offset=offset) as response:
            try:
                body = body_of(response, offset)
            except UnavailableError as fault:
                raise RegistryError(f"{name.host} does not give what it has, to {what}: {fault}") from None
            if body is None or response.status_code == 416:
                part.unlink(missing_ok=True)
                advance(-offset)
                raise PassingError(RegistryError(f"{name.host} gives another part than was asked for, to {what}"))
            if body.start < offset:
                advance(-offset)
            with part.open("ab" if body.start else "wb") as file:
                received = body.start
                for chunk in body.chunks:
                    self._session.wait(0)
                    received += len(chunk)
                    if received > size:
                        raise BivyError(f"{name.host} gives more than the {size} bytes that {digest} has")
                    file.write(chunk)
                    file.flush()  # whatever came is there for the next time, however this process ends
                    advance(len(chunk))
        if received < size:
            raise PassingError(RegistryError(f"{name.host} gives {received} of {size} bytes, to {what}"))

    @contextlib.contextmanager
    def _task(self, digest: str, size: int) -> Iterator[Callable[[int], None]]:
        key = f"pull {digest[7:19]}"
        self._progress.begin(key, total=size)
        try:
            yield lambda amount: self._progress.advance(key, amount)
        except StoppedError:
            self._progress.end(key, Outcome.STOPPED)
            raise
        except BaseException as fault:
            self._progress.end(key, Outcome.FAILED, str(fault))
            raise
        self._progress.end(key, Outcome.DONE, f"{size / 1e6:.1f} MB")


def _choose(listed: list[Descriptor], platform: str, session: Session) -> Descriptor:
    """Choose the image for a platform."""
    there = {
        str(entry.platform): entry for entry in reversed(listed) if entry.platform and entry.platform.os != "unknown"
    }
    fitting = [entry for spelled, entry in there.items() if platform and same_platform(platform, spelled)]
    if not platform:
        fitting = list(there.values())
        if len(there) > 1:
            own = build_machine().platform
            fitting = [entry for spelled, entry in there.items() if same_platform(own, spelled)]
    if len(fitting) != 1:
        wanted = f"for {platform}" if platform else "for this machine"
        names = ", ".join(sorted(there)) or "nothing that it names"
        raise UsageError(
            f"{session.name} has no image {wanted}", hint=f"it has it for {names}: name one with --platform"
        )
    return fitting[0]


def _check(entry: Descriptor, by: str) -> None:
    if not is_digest(entry.digest) or entry.size < 0:
        raise BivyError(f"{by} refers to {entry.digest!r} of {entry.size} bytes, which cannot be")


def _media_type(content: bytes) -> str:
    """Tell what a document is: it says so itself, or can be told by what it has (image-spec 1.0 leaves it out)."""
    document = decode(content, _Kind, "what the registry gives", hint="is this the registry's address?")
    return document.media_type or (media.INDEX if document.manifests is not None else media.MANIFEST)
