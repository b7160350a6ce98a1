"""A requirement becomes a source archive to compile, or the wheel that makes compiling it needless."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError, UsageError
from bivy.files import sha256_of
from bivy.musl.archives.standards import ENDINGS, normalised
from bivy.musl.dependencies import Terms, ask_requirements
from bivy.musl.dependencies.choose import Chosen, Fit, by_version, choose, newest_that_fits
from bivy.musl.dependencies.index import Index
from bivy.musl.dependencies.lock import File, Locked, Origin, reach
from bivy.musl.dependencies.settings import default_index, with_credentials
from bivy.source.fetch import fetch
from bivy.source.pin import Pin, Place
from bivy.source.places import Mirrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bivy.musl.dependencies.lock import Reached
    from bivy.musl.dependencies.resolve import Missing, Resolution
    from bivy.musl.target import Target
    from bivy.progress import Progress

_ARCHIVES: Final = (*ENDINGS, ".tar.zst")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One distribution in one version, and what there is of it for a target.

    Attributes:
        name: Its normalised name.
        version: Its version.
        source: Its source archive, ``None`` where there is none.
        wheel: The wheel that an installer takes, ``None`` where none fits.
        files: All its files.
        path: The path that it was named by, empty where it was named by a requirement.
        apart: What its wheels are kept under, apart from those that are found by name, since no index has its source: a
            folder's, a repository's; empty for others.
        variables: Variables for its build, each with its value.
    """

    name: str
    version: str
    source: File | None
    wheel: File | None = None
    files: tuple[File, ...] = ()
    path: str = ""
    apart: str = ""
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def asked(self) -> str:
        """What names it again, just this version."""
        return self.path or f"{self.name}=={self.version}"

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


def find(requirements: Sequence[str], terms: Terms, *, deep: bool) -> tuple[Candidate, ...]:
    """Find what requirements mean on a target.

    Args:
        requirements: Requirements (PEP 508), or paths of source archives.
        terms: On what terms indexes are asked; for one target.
        deep: Whether what they require comes too, and not just what is named.

    Raises:
        UsageError: A requirement is none.
        BivyError: It cannot be had.
    """
    found: dict[tuple[str, str], Candidate] = {}
    named = [text for text in requirements if not _is_archive(text)]
    for text in requirements:
        if _is_archive(text):
            local = read_local(Path(text))
            found[local.name, local.version] = local
    # Together where they have to fit together, each by itself where not.
    questions = [tuple(named)] if deep and named else [(text,) for text in named]
    for question in questions:
        for candidate in _resolved(ask_requirements(question, terms), terms, question, deep=deep):
            found.setdefault((candidate.name, candidate.version), candidate)
    return tuple(found.values())


def _is_archive(text: str) -> bool:
    return text.endswith(_ARCHIVES) and "://" not in text and " @ " not in text


def read_local(path: Path) -> Candidate:
    """Return what a source archive on this machine is.

    Raises:
        BivyError: It cannot be read, or does not say what it is.
    """
    from bivy.musl.archives.sdist import read_sdist

    if not path.is_file():
        raise UsageError(f"{path}: there is no such file", hint="name a requirement, or a source archive")
    told = read_sdist(path)
    if not told.name or not told.version:
        raise BivyError(f"{path} does not say which distribution it is, and in which version")
    file = File(path.name, str(path.absolute()), sha256=sha256_of(path))
    return Candidate(normalised(told.name), told.version, file, files=(file,), path=str(path))


def _resolved(resolution: Resolution, terms: Terms, question: Sequence[str], *, deep: bool) -> Iterable[Candidate]:
    target = terms.targets[0]
    for problem in resolution.problems:
        if problem.subject in question and not resolution.lock.packages:
            raise BivyError(f"{problem.subject}: {problem.message.rstrip('.')}", hint=problem.hint or None)
    reached = [each for each in reach(resolution.lock, target) if each.asked or deep]
    refuse_incomplete(resolution, [each for each in resolution.missing if each.asked or deep], reached)
    for each in reached:
        yield _candidate(each.package, target, terms, resolution)


def refuse_incomplete(
    resolution: Resolution, missing: Sequence[Missing], reached: Sequence[Reached], who: str = ""
) -> None:
    """Refuse a resolution that lacks what is needed of it, or has nothing at all.

    Args:
        resolution: The resolution.
        missing: What is needed, and is not in it.
        reached: What is in it.
        who: The beginning of the message: who needs it.

    Raises:
        BivyError: It does.
    """
    if missing:
        first = missing[0]
        hint = next((each.hint for each in resolution.problems if each.subject == first.name and each.hint), None)
        raise BivyError(f"{who}{first.name}: {first.why.rstrip('.')}", hint=hint)
    if not reached and resolution.problems:
        problem = resolution.problems[0]
        raise BivyError(f"{who}{problem.subject}: {problem.message.rstrip('.')}", hint=problem.hint or None)


def _candidate(package: Locked, target: Target, terms: Terms, resolution: Resolution) -> Candidate:
    if package.origin in (Origin.GIT, Origin.FOLDER, Origin.OWN):
        raise BivyError(
            f"{package.name} comes from {package.place or 'a folder'}, and bivy compiles source archives",
            hint="make one of it (python -m build --sdist), and name that",
        )
    chosen = choose(package.files, target)
    source = chosen.file if chosen and chosen.fit is Fit.SOURCE else _source(package.files, target)
    wheel = chosen.file if chosen and chosen.fit is not Fit.SOURCE else None
    if chosen is None:
        raise _nothing_fits(package, target, terms, resolution)
    return Candidate(package.name, package.version, source, wheel, package.files)


def _source(files: Iterable[File], target: Target) -> File | None:
    chosen = choose([file for file in files if not file.wheel], target)
    return chosen.file if chosen else None


def _nothing_fits(package: Locked, target: Target, terms: Terms, resolution: Resolution) -> BivyError:
    question = resolution.lock.question
    nearest = _nearest(package.name, package.place, terms, question.options if question else ())
    hint = None
    if nearest:
        how = "has a source archive" if nearest[1].fit is Fit.SOURCE else f"has {nearest[1].file.name}"
        hint = f"{package.name}=={nearest[0]} {how}"
    return BivyError(
        f"{package.name} {package.version} cannot be compiled: it has no source archive, and no wheel for {target}",
        hint=hint,
    )


def newest_wheel(candidate: Candidate, terms: Terms) -> str:
    """Return the newest version that has a wheel for the target; empty where there is none, or no index says."""
    options = ("--default-index", terms.index) if terms.index else ()
    nearest = _nearest(candidate.name, "", terms, options, wheels=True)
    return nearest[0] if nearest else ""


def _nearest(
    name: str, place: str, terms: Terms, options: Sequence[str], *, wheels: bool = False
) -> tuple[str, Chosen] | None:
    """Return the newest version of which something fits, as far as an index says."""
    index = Index(terms.cache / "check", offline=terms.offline, options=tuple(options))
    try:
        address = place if place.startswith(("http:", "https:")) else default_index(options)
        files = [file for file in index.files(name, address) if file.wheel or not wheels]
        found = newest_that_fits(by_version(files, name), terms.targets[0])
    except BivyError:
        return None
    finally:
        index.close()
    return (str(found[0]), found[1]) if found else None


def download(
    files: Sequence[File], folder: Path, *, cache: Path, options: Sequence[str], offline: bool, progress: Progress
) -> list[Path]:
    """Fetch files, checked by their digests, and put each under its name into a folder.

    Args:
        files: What to fetch.
        folder: Where to.
        cache: bivy's cache folder, which keeps them.
        options: Options that may hold credentials of an index.
        offline: Whether nothing may be fetched.
        progress: Who watches.

    Raises:
        BivyError: One of them cannot be had, or has another digest than its index or lock says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if file.name.startswith(".") or "/" in file.name or "\0" in file.name:
            raise BivyError(f"the index has a file {file.name!r}, which is not the name of one")
    pins = {file: _pin(file, options) for file in files if "://" in file.url}
    if offline:
        from bivy.source.fetch import cached

        absent = [file.name for file, pin in pins.items() if cached(pin, cache) is None]
        if absent:
            raise BivyError(f"{absent[0]} is not in the cache, and nothing may be fetched", hint="without --offline")
    got = fetch(list(pins.values()), cache=cache, mirrors=Mirrors(), archives=(), progress=progress)
    paths = []
    for file in files:
        source = got[pins[file]] if file in pins else Path(file.url)
        if file not in pins and file.sha256 and sha256_of(source) != file.sha256:
            raise BivyError(f"{source} has not the digest that it is to have")
        place = folder / file.name
        place.unlink(missing_ok=True)
        place.symlink_to(source.absolute())
        paths.append(place)
    return paths


def _pin(file: File, options: Sequence[str]) -> Pin:
    if not file.sha256:
        raise BivyError(
            f"the index does not say what {file.name} is to be: it gives no SHA-256 of it",
            hint="download it, and name the file",
        )
    return Pin(file.name, "", (Place(file.sha256, with_credentials(file.url, options)),))
