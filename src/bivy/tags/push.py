"""``bivy push --all``: images are pushed with all their tags, each once it has passed its checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bivy.errors import BivyError, UsageError
from bivy.oci.layout import open_manifest
from bivy.oci.registry.name import parse_name
from bivy.oci.registry.push import push
from bivy.tags.built import node_of_row
from bivy.tags.move import move_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bivy.progress import Progress
    from bivy.tags.built import Row
    from bivy.tags.move import Moved
    from bivy.verify.check import Check


def push_all(
    rows: Iterable[Row],
    layout: Path,
    destination: str,
    *,
    cache: Path,
    progress: Progress,
    jobs: int = 4,
    checks: Sequence[Check] | None = None,
) -> tuple[Moved, ...]:
    """Push images with all their tags, each once it has passed its checks for all its architectures.

    Args:
        rows: The images (`bivy.tags.built.list_tags`).
        layout: The layout that they are in.
        destination: The registry and the name there, without tag (`repository_of`).
        cache: bivy's cache folder.
        progress: Who watches.
        jobs: How many blobs are sent side by side.
        checks: What is checked; ``None`` for all of bivy's own checks.
    """
    return tuple(_push(row, layout, destination, cache, progress, jobs, checks) for row in rows)


def _push(
    row: Row, layout: Path, destination: str, cache: Path, progress: Progress, jobs: int,
    checks: Sequence[Check] | None,
) -> Moved:  # fmt: skip
    names = [parse_name(f"{destination}:{tag}") for tag in row.tags]

    def move() -> str:
        node = node_of_row(row, layout)
        for place, name in enumerate(names):
            try:
                push(node, name, cache=cache, progress=progress, jobs=jobs)
            except BivyError as fault:
                before = f" (moved before that: {', '.join(map(str, names[:place]))})" if place else ""
                raise BivyError(f"{fault}{before}", hint=fault.hint) from None
        return node.digest

    return move_tags(
        row.exact, map(str, names), lambda: [open_manifest(layout, built.digest) for built in row.built], move,
        cache=cache, progress=progress, checks=checks,
    )  # fmt: skip


def repository_of(destination: str) -> str:
    """Return where all tags are pushed to, as it is spelled before them: ``registry.example/team/python``.

    Raises:
        UsageError: It does not name a repository, or names a tag or digest as well.
    """
    name = parse_name(destination)
    bare = f"{name.host}/{name.repository}"
    if name.digest or destination.removeprefix("docker://").rpartition("/")[2].count(":"):
        raise UsageError(
            f"{destination!r} has a tag or a digest, and --all pushes many tags", hint=f"name it without: {bare}"
        )
    return bare
