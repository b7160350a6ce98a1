"""A mirror of Alpine's as a test needs it: bivy's own packages under Alpine's names, indexed and signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bivy.apk.index import write_index
from bivy.apk.info import PackageInfo
from bivy.apk.package import read_info, write_package
from bivy.apk.segments import read_segment
from bivy.apk.sign import Signer, format_public_key, signature_segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bivy.apk.entry import Entry

DATE = 1_767_225_600


def signed(content: bytes, signer: Signer) -> bytes:
    """Return an unsigned package with a signature before it."""
    _, end = read_segment(content, 0, 1 << 24, "the package")
    return signature_segment(signer, content[:end], DATE) + content


def small_package(
    name: str,
    version: str = "1.0-r0",
    *,
    arch: str = "x86_64",
    entries: Iterable[Entry] = (),
    scripts: Mapping[str, bytes] | None = None,
    **info: object,
) -> bytes:
    """Return an unsigned package with what a test cares for in it."""
    known: dict[str, Any] = {"name": name, "version": version, "arch": arch, "build_date": DATE, "license": "MIT"}
    described = PackageInfo(**{**known, **info})
    return write_package(described, entries, scripts)


def write_repository(folder: Path, packages: Iterable[bytes], signer: Signer, arch: str = "x86_64") -> Path:
    """Write signed packages and their index below ``folder/ARCH``; the public key goes into ``folder/keys``."""
    place = folder / arch
    place.mkdir(parents=True, exist_ok=True)
    listed = []
    for content in packages:
        whole = signed(content, signer)
        control = read_info(whole)
        (place / f"{control.info.name}-{control.info.version}.apk").write_bytes(whole)
        listed.append(control)
    (place / "APKINDEX.tar.gz").write_bytes(write_index(listed, f"v3.24 for {folder.name}", signer))
    (folder / "keys").mkdir(exist_ok=True)
    (folder / "keys" / signer.name).write_text(format_public_key(signer.key.public))
    return folder
