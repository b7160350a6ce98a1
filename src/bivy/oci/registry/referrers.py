"""What refers to an image in a registry (distribution-spec 1.1, "Listing Referrers")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from bivy.oci import media
from bivy.oci.config import canonical
from bivy.oci.documents import Descriptor, IndexDocument, decode, index_of
from bivy.oci.registry.faults import RegistryError

if TYPE_CHECKING:
    from bivy.oci.registry.session import Session


def list_referrers(session: Session, digest: str, artifact_type: str = "") -> tuple[Descriptor, ...]:
    """List the artifacts that are about an image.

    Args:
        session: The conversation.
        digest: The image's.
        artifact_type: What they are to be; empty for all.

    Raises:
        RegistryError: The registry does not tell.
    """
    found = _from_api(session, digest)
    if found is None:
        found = _from_tag(session, digest)
    return tuple(entry for entry in found if not artifact_type or entry.artifact_type == artifact_type)


def add_to_tag(session: Session, subject: str, entry: Descriptor) -> None:
    """Note an artifact under the tag that stands for the list of them, where a registry keeps no list itself.

    Args:
        session: The conversation.
        subject: The digest of what the artifact is about.
        entry: The artifact.

    Raises:
        RegistryError: The registry does not take it.
    """
    there = _from_tag(session, subject)
    if any(each.digest == entry.digest for each in there):
        return
    content = canonical(index_of([*there, entry]))
    what = f"note what refers to {subject[:19]} in {session.name.host}/{session.name.repository}"
    headers = {"Content-Type": media.INDEX}
    session.ask("PUT", f"manifests/{_tag(subject)}", what, accept=(200, 201, 202), headers=headers, content=content)


def _tag(digest: str) -> str:
    """Return the tag of the list (distribution-spec 1.1, "Referrers Tag Schema")."""
    return digest.replace(":", "-", 1)


def _from_api(session: Session, digest: str) -> tuple[Descriptor, ...] | None:
    """Return what the registry lists, in several parts where it is long; `None` where it keeps no list."""
    what = f"list what refers to {digest[:19]} in {session.name.host}/{session.name.repository}"
    found: list[Descriptor] = []
    path, seen = f"referrers/{digest}", set[str]()
    while path and path not in seen:
        seen.add(path)
        try:
            answer = session.ask("GET", path, what, headers={"Accept": media.INDEX})
        except RegistryError as fault:
            if not found and fault.status in (400, 403, 404, 405):
                return None
            raise
        if answer.headers.get("content-type", "").partition(";")[0] != media.INDEX:
            return None  # a page for people, say
        found += decode(answer.body, IndexDocument, f"the list of what refers to {digest}").manifests
        path = _next(answer.url, answer.headers.get("link", ""))
    return tuple(found)


def _next(url: str, link: str) -> str:
    """Return where the next part of a list is (RFC 8288); empty where this was the last."""
    found = re.match(r'\s*<([^>]+)>\s*;[^,]*rel="?next"?', link)
    try:
        return urljoin(url, found[1]) if found else ""
    except ValueError:
        return ""


def _from_tag(session: Session, digest: str) -> tuple[Descriptor, ...]:
    what = f"look for what refers to {digest[:19]} in {session.name.host}/{session.name.repository}"
    answer = session.ask("GET", f"manifests/{_tag(digest)}", what, accept=(200, 404), headers={"Accept": media.INDEX})
    if answer.status == 404:
        return ()
    return decode(answer.body, IndexDocument, f"the list of what refers to {digest}").manifests
