"""What a build requires (PEP 518), resolved for the target and fetched; what has no wheel is compiled first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bivy.errors import BivyError
from bivy.musl.dependencies import ask_requirements
from bivy.musl.dependencies.choose import Fit, choose
from bivy.musl.dependencies.lock import reach
from bivy.wheels.find import Candidate, download, refuse_incomplete

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bivy.musl.dependencies import Terms
    from bivy.musl.dependencies.lock import File
    from bivy.progress import Progress


def fetch_requires(
    requires: Sequence[str], terms: Terms, folder: Path, *, compiled: Callable[[Candidate], Path], progress: Progress
) -> tuple[list[Path], tuple[str, ...]]:
    """Return the wheels that a build requires, and what they are, ``NAME==VERSION``, sorted.

    Args:
        requires: The requirements (PEP 508).
        terms: On what terms indexes are asked; for one target.
        folder: Where the wheels are put.
        compiled: Makes a wheel of what has none.
        progress: Who watches.

    Raises:
        BivyError: One of them cannot be had.
    """
    if not requires:
        return [], ()
    resolution = ask_requirements(tuple(requires), terms)
    found = reach(resolution.lock, terms.targets[0])
    refuse_incomplete(resolution, resolution.missing, found, "its build requires ")
    reached = [each.package for each in found]
    ready: list[File] = []
    wheels: list[Path] = []
    for package in reached:
        chosen = choose(package.files, terms.targets[0])
        if chosen is None:
            raise BivyError(f"its build requires {package.name} {package.version}, of which no file fits")
        if chosen.fit is Fit.SOURCE:
            wheels.append(compiled(Candidate(package.name, package.version, chosen.file, files=package.files)))
        else:
            ready.append(chosen.file)
    options = resolution.lock.question.options if resolution.lock.question else ()
    wheels += download(
        ready, folder, cache=terms.cache, options=options, offline=terms.offline, progress=progress
    )  # fmt: skip
    return wheels, tuple(sorted(f"{each.name}=={each.version}" for each in reached))


def with_wheels(terms: Terms, folder: Path) -> Terms:
    """Return terms on which the wheels of a folder count too."""
    return replace(terms, wheels=(*terms.wheels, folder)) if folder.is_dir() else terms
