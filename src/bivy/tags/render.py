"""The list of tags for programs: JSON, the official images' library file, a file for ``docker buildx bake``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bivy.arch import find_arch
from bivy.errors import BivyError, UsageError
from bivy.tags.built import built_rows, node_of_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bivy.tags.built import Listing, Row
    from bivy.tags.move import Moved

# What the official images call architectures: docker-library/bashbrew, architecture/oci-platform.go.
_OFFICIAL = {
    "linux/arm64/v8": "arm64v8", "linux/arm64": "arm64v8", "linux/arm/v7": "arm32v7", "linux/arm/v6": "arm32v6",
    "linux/386": "i386",
}  # fmt: skip
_MAINTAINER = re.compile(r"[^<>(),\x00-\x1f\x7f]+ (?:<[^<>\s,]+@[^<>\s,]+> )?\(@[A-Za-z0-9-]+\)")
_ONE_WORD = re.compile(r"[!-~]+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PART = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the layouts are that a library file refers to.

    Attributes:
        maintainers: Who looks after the images: ``Name <email> (@github)`` or ``Name (@github)``.
        repository: The Git repository: ``https://github.com/example/python.git``.
        commit: The commit in it.
        fetch: The ref to fetch where the commit is not on the default branch; empty where it is.
        folder: The folder in it that the images' folders are in; empty for its root.
    """

    maintainers: tuple[str, ...]
    repository: str
    commit: str
    fetch: str = ""
    folder: str = ""


def as_json(listing: Listing) -> dict[str, Any]:
    """Return the list as JSON: docs/tags.md says what each key means."""
    return {
        "images": [
            {
                "name": row.name, "version": row.edition.version, "alpine": row.edition.release, "tags": list(row.tags),
                "platforms": [
                    {"platform": each.platform, "digest": each.digest, "size": each.size} for each in row.built
                ],
            }
            for row in listing.rows
        ],
        "problems": [
            {"subject": each.subject, "message": each.message, "hint": each.hint} for each in listing.problems
        ],
    }  # fmt: skip


def as_library(rows: Sequence[Row], source: Source) -> str:
    """Return a library file of the official images (docker-library/official-images, README, "Instruction format").

    Each image is imported from an OCI layout of its own, for each architecture: ``Builder: oci-import``, as busybox's.
    Images that are not built are left out.

    Args:
        rows: The images.
        source: Where the layouts are.

    Raises:
        UsageError: What the person told of the source is not what the format takes.
        BivyError: Nothing is built.
    """
    _check(source)
    head = [
        "Maintainers: " + ",\n             ".join(source.maintainers), f"GitRepo: {source.repository}",
        *([f"GitFetch: {source.fetch}"] if source.fetch else []), f"GitCommit: {source.commit}",
        "Builder: oci-import", "File: index.json",
    ]  # fmt: skip
    blocks = [head, *(_block(row, source.folder) for row in built_rows(rows))]
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks)


def _block(row: Row, folder: str) -> list[str]:
    above = f"{folder.rstrip('/')}/" if folder else ""
    arches = sorted(official_arch(built.platform) for built in row.built)
    return [
        f"Tags: {', '.join(row.tags)}", f"Architectures: {', '.join(arches)}",
        *(f"{arch}-Directory: {above}{row.edition.exact}/{arch}" for arch in arches),
    ]  # fmt: skip


def official_arch(platform: str) -> str:
    """Return what the official images call an architecture: ``arm32v7``.

    Args:
        platform: OCI's platform: ``linux/arm/v7``.

    Raises:
        UsageError: It is none that bivy knows.
    """
    arch = find_arch(platform)
    return _OFFICIAL.get(arch.platform, arch.oci)


def _check(source: Source) -> None:
    if not source.maintainers:
        raise UsageError("a library file names its maintainers", hint="--maintainer 'Name <email> (@github)'")
    for each in source.maintainers:
        if not _MAINTAINER.fullmatch(each):
            raise UsageError(
                f"{each!r} does not name a maintainer", hint="'Name <email> (@github)' or 'Name (@github)'"
            )
    told = (
        ("--git-repo", source.repository, _ONE_WORD, "the address of a Git repository", True),
        ("--git-commit", source.commit, _COMMIT, "a commit, 40 hexadecimal digits", True),
        ("--git-fetch", source.fetch, _ONE_WORD, "a ref, such as refs/heads/dist", False),
        ("--directory", source.folder, _PART, "a folder in the repository, with letters, digits and . _ - /", False),
    )
    for flag, value, form, what, needed in told:
        if needed and not value:
            raise UsageError(f"a library file says where the layouts are: {flag} is missing", hint=f"{flag}: {what}")
        if value and (not form.fullmatch(value) or ".." in value.split("/")):
            raise UsageError(f"{flag}: {value!r} is not {what}")


def as_bake(rows: Sequence[Row], layout: Path, repository: str) -> dict[str, Any]:
    """Return a file for ``docker buildx bake``: each image as it is in the layout, under all its tags.

    Args:
        rows: The images; those that are not built are left out.
        layout: The layout.
        repository: What is before the tags: ``registry.example/team/python``.

    Raises:
        BivyError: Nothing is built, or the layout lacks what its names promise.
    """
    targets = {}
    for row in built_rows(rows):
        digest = node_of_row(row, layout).digest
        if not (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).is_file():
            raise BivyError(
                f"{layout} has no name that stands for {row.exact} on {', '.join(each.platform for each in row.built)}",
                hint="bivy build --all gives it its names",
            )
        targets[re.sub(r"[^A-Za-z0-9_-]", "_", f"{row.name}-{row.edition.exact}")] = {
            "contexts": {"image": f"oci-layout://{layout.absolute()}@{digest}"},
            "dockerfile-inline": "FROM image\n",
            "platforms": [each.platform for each in row.built],
            "tags": [f"{repository}:{tag}" for tag in row.tags],
        }
    return {"group": {"default": {"targets": list(targets)}}, "target": targets}


def moved_as_json(moved: Sequence[Moved]) -> list[dict[str, Any]]:
    """Return what came of moving tags as JSON."""
    return [
        {
            "name": each.name, "tags": list(each.tags), "moved": each.done, "digest": each.digest,
            "images": [
                {"platform": report.platform, "digest": report.digest, "passed": report.passed}
                for report in each.reports
            ],
            "failed": [{"platform": platform, "check": check} for platform, check in each.failures],
            "fault": each.fault, "hint": each.hint, "kept": each.kept,
        }
        for each in moved
    ]  # fmt: skip
