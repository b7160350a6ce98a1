"""Images into a registry: what is there is not sent again, and a tag moves last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bivy.errors import UsageError
from bivy.oci.documents import MOST_MANIFEST_BYTES
from bivy.oci.graph import platforms_of
from bivy.oci.registry.faults import RegistryError
from bivy.oci.registry.origins import origin, remember
from bivy.oci.registry.referrers import add_to_tag
from bivy.oci.registry.session import PATIENCE, Session
from bivy.oci.registry.upload import Sent, upload
from bivy.progress import Outcome
from bivy.threads import StoppedError, side_by_side

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.oci.blob import Blob
    from bivy.oci.graph import Node
    from bivy.oci.registry.name import Name
    from bivy.progress import Progress
    from bivy.source.fetch import Patience


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a push.

    Attributes:
        name: What the image is called there.
        digest: The digest of what the name stands for.
        platforms: What the images are for, as in ``docker --platform``, as far as it is known.
        blobs: How each blob came to be there, by digest.
        sent: How many bytes of blobs were sent.
        referrers: The digests of the artifacts that were attached.
    """

    name: Name
    digest: str
    platforms: tuple[str, ...]
    blobs: dict[str, Sent] = field(default_factory=dict)
    sent: int = 0
    referrers: tuple[str, ...] = ()


def push(
    node: Node,
    name: Name,
    *,
    cache: Path,
    progress: Progress,
    jobs: int = 4,
    patience: Patience = PATIENCE,
) -> Pushed:
    """Push an image, or those for several platforms with their index, with the artifacts that are about them.

    Args:
        node: What is pushed: `bivy.oci.graph.node_of_image`, `node_of_images` or `bivy.oci.layout.read_node` make it.
        name: Where to, and what it is called there.
        cache: bivy's cache folder, where it is kept in mind what is in which repository.
        progress: Who watches.
        jobs: How many blobs are sent side by side.
        patience: How long to wait for the registry.

    Raises:
        UsageError: The name has a digest, and it is another one.
        RegistryError: The registry does not take it, or cannot be reached.
        BivyError: Something of it is missing here, or was altered.
    """
    if name.digest not in ("", node.digest):
        raise UsageError(
            f"what is to be pushed has the digest {node.digest}, not {name.digest}",
            hint="leave the digest out of the destination, or push what has it",
        )
    documents = list({each.digest: each for each in _in_order(node)}.values())
    # What the tag names needs no other name, unless artifacts are about it: these come before the tag, and it before.
    before = documents if node.referrers or not name.tag else documents[:-1]
    for each in documents:
        if each.document.size > MOST_MANIFEST_BYTES:
            raise UsageError(f"manifest {each.digest} has {each.document.size} bytes: no registry takes that many")
    blobs = list({blob.digest: blob for each in documents for blob in each.blobs}.values())
    with Session(name, pushes=True, patience=patience) as session:
        how = side_by_side(lambda blob: _push_blob(session, blob, cache, progress), blobs, jobs, session.stop)
        for each in before:
            _push_document(session, each, each.digest)
            if each.subject:
                progress.say(f"attached {each.artifact_type} to {each.subject[:19]}")
        if name.tag:
            _push_document(session, node, name.tag)
    sent = {blob.digest: outcome for blob, outcome in how.items()}
    return Pushed(
        name, node.digest, platforms_of(node), sent,
        sum(blob.size for blob, outcome in how.items() if outcome is Sent.SENT),
        tuple(each.digest for each in documents if each.subject),
    )  # fmt: skip


def _in_order(node: Node) -> list[Node]:
    """List the documents so that what is referred to comes first; artifacts follow what they are about."""
    return [document for each in node.walk() for document in (each, *each.referrers)]


def _push_blob(session: Session, blob: Blob, cache: Path, progress: Progress) -> Sent:
    key = f"push {blob.digest[7:19]}"
    progress.begin(key, total=blob.size)
    try:
        how = upload(
            session, blob,
            mount_from=origin(cache, session.name, blob.digest), advance=lambda amount: progress.advance(key, amount),
        )  # fmt: skip
    except StoppedError:
        progress.end(key, Outcome.STOPPED)
        raise
    except BaseException as fault:
        progress.end(key, Outcome.FAILED, str(fault))
        raise
    remember(cache, session.name, blob.digest)
    detail = f"{blob.size / 1e6:.1f} MB" if how is Sent.SENT else how.value
    progress.end(key, Outcome.DONE if how is Sent.SENT else Outcome.CACHED, detail)
    return how


def _push_document(session: Session, node: Node, reference: str) -> None:
    name = session.name
    what = f"push {name.host}/{name.repository}{'@' if ':' in reference else ':'}{reference}"
    there = session.ask(
        "HEAD", f"manifests/{reference}", what, accept=(200, 404), headers={"Accept": node.media_type}
    )  # fmt: skip
    noted = False
    if there.status != 200 or there.digest != node.digest:
        answer = session.ask(
            "PUT", f"manifests/{reference}", what, accept=(200, 201, 202),
            headers={"Content-Type": node.media_type}, content=node.document.read(),
        )  # fmt: skip
        if answer.digest not in ("", node.digest):
            raise RegistryError(f"{name.host} has {answer.digest} where {node.digest} was pushed")
        noted = bool(answer.headers.get("oci-subject"))
    elif node.subject:
        noted = session.ask(
            "GET", f"referrers/{node.subject}", what, accept=(200, 400, 403, 404, 405)
        ).status == 200  # fmt: skip
    if node.subject and not noted:
        add_to_tag(session, node.subject, node.descriptor)
