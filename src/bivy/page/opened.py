"""The image that a page is about, wherever it is, with all platforms that its name stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bivy.errors import BivyError, UsageError
from bivy.oci.documents import Descriptor, same_platform
from bivy.oci.image import read_manifest
from bivy.oci.open import opened_node
from bivy.oci.reference import parse_reference
from bivy.page.facts import Facts, chosen_platform, gather, platforms_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bivy.oci.blob import Blob
    from bivy.oci.graph import Node
    from bivy.progress import Progress


def read_facts(
    text: str, *, layout: Path, platform: str, cache: Path, name: str = "", progress: Progress | None = None
) -> Facts:
    """Read what there is to say of the image that a person named.

    Args:
        text: What the person typed.
        layout: The layout that plain names are in.
        platform: The platform that is described, as in ``docker --platform``; empty for linux/amd64 where the image is
            for several, so that the page is the same on every machine.
        cache: bivy's cache folder.
        name: What the page is to call the image, with its tag; empty for what the person typed.
        progress: Who watches what is fetched from a registry.

    Raises:
        UsageError: There is no such image, or it is not for this platform, or has no name for a page.
        BivyError: It is damaged, or a registry does not give it.
    """
    called = name or parse_reference(text, layout).name
    if not called:
        raise UsageError(f"{text} does not say what the image is called", hint="say it: --name python:3.14-alpine")
    with opened_node(text, layout=layout, platform="", cache=cache, progress=progress) as node:
        platforms = platforms_in(node)
        wanted = chosen_platform([each.platform for each in platforms], platform)
        manifest = _for_platform(node, wanted, text)
        image = read_manifest(manifest.document, _finder(manifest))
        if not same_platform(platform, image.config.platform):
            raise _other_platform(text, platform, [image.config.platform])
        return gather(image, called, platforms)


def _for_platform(node: Node, platform: str, text: str) -> Node:
    """Return the manifest for a platform; of an image for just one, that one."""
    manifests = [each for each in node.walk() if not each.nodes]
    if len(manifests) == 1:
        return manifests[0]
    for each in manifests:
        if each.platform and same_platform(platform, str(each.platform)):
            return each
    raise _other_platform(text, platform, [str(each.platform) for each in manifests if each.platform])


def _other_platform(text: str, platform: str, there: list[str]) -> UsageError:
    return UsageError(f"{text} is not for {platform or 'any platform'}", hint=f"it is for {', '.join(sorted(there))}")


def _finder(node: Node) -> Callable[[Descriptor, str], Blob]:
    def find(entry: Descriptor, by: str) -> Blob:
        found = next((blob for blob in node.blobs if blob.digest == entry.digest), None)
        if found is None:
            raise BivyError(f"{by} refers to {entry.digest}, which is not there")
        return found

    return find
