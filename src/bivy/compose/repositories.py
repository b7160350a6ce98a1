"""Repositories of Alpine packages, asked from outside of images: whom to trust, what is kept, a package of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bivy.alpine import default_keys
from bivy.apk.errors import ApkError
from bivy.apk.fetch.cache import Cache
from bivy.apk.fetch.client import Client
from bivy.apk.fetch.repository import local_path
from bivy.apk.keys import load_keys
from bivy.apk.package import read_package
from bivy.apk.sign import parse_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bivy.apk.fetch.repository import Repository
    from bivy.apk.package import Package
    from bivy.apk.sign import PublicKey
    from bivy.apk.solve.universe import Candidate
    from bivy.progress import Progress

# For how long an index is taken as it was fetched, in seconds: who asks twice means the same.
_INDEX_AGE = 600


def open_client(
    arch: str, keys: Mapping[str, PublicKey], *, folder: Path | None, cache: Path, progress: Progress,
    network: bool = True, allow_untrusted: bool = False,
) -> Client:  # fmt: skip
    """Return a client that keeps in bivy's cache what it fetches.

    Args:
        arch: The architecture, by Alpine's name.
        keys: The keys to trust, by the names of their files.
        folder: Where they are from, for messages; ``None`` for several places.
        cache: bivy's cache folder.
        progress: Who watches.
        network: Whether anything may be fetched.
        allow_untrusted: Whether an index is taken that none of the keys vouches for.
    """
    kept = cache / "alpine"
    kept.mkdir(parents=True, exist_ok=True)
    return Client(
        arch, keys, keys_folder=str(folder or ""), allow_untrusted=allow_untrusted, cache=Cache(str(kept)),
        max_age=_INDEX_AGE, network=network, say=progress.say,
    )  # fmt: skip


def trusted_keys(own: Mapping[str, PublicKey], arch: str, places: Iterable[str]) -> dict[str, PublicKey]:
    """Return the keys to trust where a person names none: an image's own, Alpine's, and those that folders bring along.

    Args:
        own: The image's own.
        arch: The architecture, by Alpine's name.
        places: The repositories that the person named, addresses or folders.
    """
    found = {**own, **load_keys(default_keys(arch))}
    for place in places:
        if folder := local_path(place):
            # Who names a folder of their own trusts what is in it: bivy repo build puts the key there.
            found |= {name: key for name, key in _published(Path(folder)).items() if name not in found}
    return found


def _published(folder: Path) -> dict[str, PublicKey]:
    keys = {}
    for path in sorted(folder.glob("*.rsa.pub")):
        try:
            keys[path.name] = parse_public_key(path.read_text("ascii"))
        except (OSError, UnicodeDecodeError, ApkError):
            continue
    return keys


def fetch_chosen(new: Candidate, client: Client, repositories: Sequence[Repository]) -> Package:
    """Return a package that the solver has chosen: one on this machine, or from a repository that has it.

    Args:
        new: The package.
        client: Who fetches.
        repositories: The repositories, in the order in which the solver knew them.

    Raises:
        ApkError: It cannot be had, or is not what the index says.
    """
    if new.local and new.local.path:
        return read_package(Path(new.local.path))
    entry = new.entry
    content = client.fetch_package(entry, [repositories[number] for number in new.repositories])
    return read_package(content, where=f"{entry.name}-{entry.version}.apk")
