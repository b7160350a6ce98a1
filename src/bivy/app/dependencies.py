"""What a project depends on becomes the wheels that an installer takes on a platform: as its lock says, or resolved."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import msgspec

from bivy.app.saying import files_of
from bivy.app.stale import LOCKS, check_lock
from bivy.app.values import ProjectKind
from bivy.errors import BivyError
from bivy.files import read_noted, sha256_of, write_whole
from bivy.musl.archives.standards import normalised
from bivy.progress import under_way
from bivy.tables import table_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bivy.app.places import Places
    from bivy.app.values import Project
    from bivy.musl.dependencies import Resolution
    from bivy.musl.dependencies.lock import File, Locked, Reached
    from bivy.musl.report import Distribution
    from bivy.musl.target import Target
    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.wheels.build import Settings
    from bivy.wheels.find import Candidate

# Raised when the same lock or requirements come to other wheels.
GENERATION: Final = 3


class Source(msgspec.Struct, frozen=True):
    """Where something comes from that bivy makes a wheel of.

    Attributes:
        kind: ``folder``, ``git`` or ``archive``.
        place: The folder's path, or the address, without name and password.
        sha256: The digest of an archive, in hexadecimal.
        commit: The commit of a repository's.
        revision: What that was named by.
        subdirectory: The folder in the repository.
    """

    kind: str
    place: str
    sha256: str = ""
    commit: str = ""
    revision: str = ""
    subdirectory: str = ""


class Pinned(msgspec.Struct, frozen=True):
    """A distribution that goes into the image.

    Attributes:
        name: Its normalised name.
        version: Its version.
        file: The wheel's file name.
        url: Where it is: an address, or a path on this machine.
        sha256: Its digest in hexadecimal; empty for a file on this machine.
        size: Its size in bytes, 0 where that is not said.
        requires: The normalised names of what it requires there.
        asked: Whether the project asks for it by name.
        direct: The address that the project names it by, where it comes from no index.
        source: Where it comes from, where bivy makes the wheel of it itself.
    """

    name: str
    version: str
    file: str
    url: str
    sha256: str = ""
    size: int = 0
    requires: tuple[str, ...] = ()
    asked: bool = False
    direct: str = ""
    source: Source | None = None

    @property
    def local(self) -> bool:
        """Whether it is made of a folder or a repository, and so is likely to change as the project does."""
        return self.source is not None and self.source.kind != "archive"


@dataclass(frozen=True, slots=True)
class Asking:
    """On what terms dependencies are found out.

    Attributes:
        cache: bivy's cache folder.
        wheels: Folders with further wheels.
        offline: Whether nothing may be fetched.
        index: The package index that is asked; empty for the one that uv or pip is set up with.
        upgrade: Whether what was resolved before is resolved anew.
        base: The image that wheels are compiled for where there are none; ``None`` where none is compiled.
        jobs: How many processes compile at once.
        progress: Who watches.
        packages: Alpine packages that the project, and folders and repositories that it requires, are compiled with.
        repositories: Where Alpine packages come from; none for the base's own repositories.
        keys: A folder with the keys that these are trusted by.
    """

    cache: Path
    progress: Progress
    wheels: tuple[Path, ...] = ()
    offline: bool = False
    index: str = ""
    upgrade: bool = False
    base: Image | None = None
    jobs: int = 2
    packages: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    keys: Path | None = None

    def settings(self) -> Settings:
        """Return how something is compiled."""
        from bivy.wheels.build import Settings
        from bivy.wheels.packages import Repositories

        around = Repositories(self.repositories, self.keys, offline=self.offline, jobs=self.jobs)
        return Settings(
            repositories=around, jobs=self.jobs, offline=self.offline, index=self.index, find_links=self.wheels
        )


def pin_dependencies(project: Project, target: Target, asking: Asking) -> tuple[Pinned, ...]:
    """Return the wheels that a project needs on a target, in the order of their names.

    What was found out is kept until something changes that it was found out from.

    Raises:
        BivyError: The lock does not match the project, or something cannot be had for this target.
    """
    if not project.dependencies:
        return ()
    place = asking.cache / "app" / "pinned" / f"{_key(project, target, asking)}.json"
    pinned = None if asking.upgrade else _read_kept(place)
    if pinned is None:
        pinned = tuple(sorted(_pin(project, target, asking), key=lambda each: each.name))
        write_whole(place, msgspec.json.encode(pinned))
    if all(each.source is None for each in pinned):
        return pinned
    places = _places(project, target, asking)
    return tuple(_with_wheel(each, places) if each.source else each for each in pinned)


def _with_wheel(pinned: Pinned, places: Places) -> Pinned:
    """Return what comes from a folder, a repository or an archive with the wheel of it."""
    assert pinned.source
    wheel = places.wheel(pinned.source, pinned.name, pinned.version)
    return msgspec.structs.replace(
        pinned, version=wheel.name.split("-")[1], file=wheel.name, url=str(wheel), sha256=sha256_of(wheel),
        size=wheel.stat().st_size,
    )  # fmt: skip


def _places(project: Project, target: Target, asking: Asking) -> Places:
    from bivy.app.places import Places

    # A lock does not hold names and passwords: what is required may.
    said = [*files_of(project)]
    if project.dependencies.endswith(LOCKS) and (project.root / "pyproject.toml").is_file():
        said.append((project.root / "pyproject.toml").read_bytes())
    addresses = re.findall(r"https?://[^\s\"'@/]+@[^\s\"']+", b"\n".join(said).decode("utf-8", "replace"))
    return Places(target, asking, tuple(addresses))


def _read_kept(place: Path) -> tuple[Pinned, ...] | None:
    kept = read_noted(place, tuple[Pinned, ...])
    if kept is None:
        return None
    gone = any("://" not in each.url and not Path(each.url).is_file() for each in kept if not each.source)
    return None if gone else kept


def _key(project: Project, target: Target, asking: Asking) -> str:
    from bivy.musl.dependencies.settings import index_options

    parts = [
        GENERATION, str(target), asking.index, [str(folder) for folder in asking.wheels], index_options(),
        project.metadata.requires, project.metadata.requires_python, sorted(project.options.extras),
        sorted(project.options.groups), project.dependencies,
        str(project.root),  # which folders that are named without their whole path are relative to
        [hashlib.sha256(content).hexdigest() for content in files_of(project)],
    ]  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _pin(project: Project, target: Target, asking: Asking) -> Iterator[Pinned]:
    from bivy.musl.dependencies.choose import Fit, choose
    from bivy.musl.dependencies.lock import Origin, reach

    resolution = resolve_project(project, (target,), asking)
    lock = resolution.lock
    reached = [each for each in reach(lock, target) if not _is_own(each.package, project)]
    check_lock(project, target, [(each.package.name, each.package.version) for each in reached], lock)
    hashes = _hashes(project)
    unfit: list[tuple[Reached, File | None]] = []
    for each in reached:
        package = each.package
        if package.origin in (Origin.FOLDER, Origin.GIT):
            if not package.virtual:
                yield _placed(each, _source_of(package))
            continue
        files = _allowed(package, hashes, project.dependencies) if hashes else package.files
        chosen = choose(files, target)
        direct = package.origin in (Origin.URL, Origin.PATH)
        if direct and chosen and chosen.fit is Fit.SOURCE:
            yield _placed(each, _archive_of(package, chosen.file))
        elif chosen is None or chosen.fit is Fit.SOURCE:
            unfit.append((each, chosen.file if chosen else None))
        else:
            yield _pinned(each, chosen.file, package.place if direct else "")
    if unfit:
        yield from _elsewhere(unfit, resolution, target, asking)


def _is_own(package: Locked, project: Project) -> bool:
    from bivy.musl.dependencies.lock import Origin

    return package.origin is Origin.OWN or (package.origin is Origin.FOLDER and package.folder == project.root)


def _placed(reached: Reached, source: Source) -> Pinned:
    package = reached.package
    return Pinned(
        package.name, package.version, "", "", requires=reached.requires, asked=reached.asked,
        direct=source.place if source.kind != "folder" else "", source=source,
    )  # fmt: skip


def _source_of(package: Locked) -> Source:
    from bivy.app.git import public_address

    told = package.repository
    if told and not told.commit:
        raise BivyError(f"the lock does not say which commit of {public_address(told.address)} {package.name} is",
                        hint="lock it again")  # fmt: skip
    if told:
        return Source("git", public_address(told.address), "", told.commit, told.revision, told.subdirectory)
    return Source("folder", str(package.folder or package.place))


def _archive_of(package: Locked, file: File) -> Source:
    if package.subdirectory:
        raise BivyError(
            f"{package.name} is in the folder {package.subdirectory} of {file.name}, and bivy takes whole archives",
            hint="take it from a repository, or unpack the archive and name the folder",
        )
    if "://" in file.url and not file.url.startswith("file:") and not file.sha256:
        raise _no_digest(file)
    path = unquote(urlsplit(file.url).path) if file.url.startswith("file:") else file.url
    return Source("archive", path, file.sha256)


def _pinned(reached: Reached, file: File, direct: str = "") -> Pinned:
    package = reached.package
    if "://" in file.url and not file.sha256 and not file.url.startswith("file:"):
        raise _no_digest(file)
    return Pinned(
        package.name, package.version, file.name, file.url, file.sha256, file.size or 0, reached.requires,
        reached.asked, direct,
    )  # fmt: skip


def _no_digest(file: File) -> BivyError:
    return BivyError(
        f"{file.name} has no SHA-256 digest, neither in the lock nor in the index",
        hint="bivy takes nothing over a network that it cannot verify: lock the project with uv lock",
    )


def resolve_project(project: Project, targets: tuple[Target, ...], asking: Asking) -> Resolution:
    """Return what a project's lock says, or without one what its requirements come to.

    Raises:
        BivyError: The lock cannot be read, or something required cannot be had.
    """
    from bivy.musl.dependencies import ask_project, ask_requirements_file, ask_script, read_lock
    from bivy.musl.dependencies.ask import Places, Terms
    from bivy.musl.dependencies.uvlock import Wanted

    options = project.options
    wanted = Wanted(
        frozenset(map(normalised, options.extras)), frozenset(map(normalised, options.groups)),
        project=normalised(project.name),
    )  # fmt: skip
    path = project.root / project.dependencies
    own = _places(project, targets[0], asking)
    places = Places(own.name, own.read)
    terms = Terms(targets, asking.cache, asking.wheels, asking.offline, wanted, index=asking.index, places=places)
    if path.name.endswith(".lock") or path.name.startswith("pylock"):
        return read_lock(path, terms)
    with under_way(asking.progress, f"resolve {project.dependencies}"):
        if project.kind is ProjectKind.SCRIPT:
            resolution = ask_script(project.metadata.requires, _uv_settings(path), project.root, terms)
        elif path.name == "pyproject.toml":
            resolution = ask_project(project.root, terms)
        else:
            resolution = ask_requirements_file(path, terms)
        _refuse_incomplete(resolution, targets[0], asking)
    return resolution


def _uv_settings(script: Path) -> Mapping[str, object]:
    from bivy.app.table import read_script_block

    return table_at(read_script_block(script).table, "tool", "uv")


def _refuse_incomplete(resolution: Resolution, target: Target, asking: Asking) -> None:
    """Refuse a resolution that something is missing from: an image without it would not start."""
    from bivy.musl.dependencies.resolve import NO_FILE

    for missing in resolution.missing:
        if missing.why != NO_FILE:
            problem = next((each for each in resolution.problems if each.subject == missing.name), None)
            hint = problem.hint if problem else ""
            hint = hint or next((each.hint for each in resolution.problems if each.hint), "")
            raise BivyError(f"{missing.name} cannot be had: {missing.why}", hint=hint or None)
        verdicts = {each.name: each for each in _verdicts(resolution, target, asking)}
        raise _impossible(missing.name, verdicts.get(missing.name))
    for problem in resolution.problems:
        raise BivyError(f"{problem.subject}: {problem.message}", hint=problem.hint or None)


def _allowed(package: Locked, hashes: Mapping[str, frozenset[str]], where: str) -> list[File]:
    """Return the files that a requirements file allows: where it has digests, it has to have them for everything."""
    allowed = hashes.get(package.name)
    if not allowed:
        raise BivyError(
            f"{where} has digests, but no digest for a file of {package.name}, which is needed, too",
            hint="write it anew: uv pip compile --generate-hashes",
        )
    found = [file for file in package.files if file.sha256 in allowed]
    if not found:
        raise BivyError(f"no file of {package.name} {package.version} has a digest that {where} allows",
                        hint="the index has other files than when it was written")  # fmt: skip
    return found


def _hashes(project: Project) -> dict[str, frozenset[str]]:
    """Return the digests that a requirements file allows for each distribution; none where it has no digests."""
    found: dict[str, set[str]] = {}
    if not project.dependencies.endswith(".txt"):
        return {}
    for content in files_of(project):
        text = re.sub(r"\\\r?\n", " ", content.decode("utf-8", "replace"))
        for line in text.splitlines():
            name = re.match(r"\s*([A-Za-z0-9][\w.-]*)", line)
            digests = re.findall(r"--hash[=\s]sha256:([0-9a-fA-F]{64})", line)
            if name and digests:
                found.setdefault(normalised(name[1]), set()).update(each.lower() for each in digests)
    return {name: frozenset(digests) for name, digests in found.items()}


def _elsewhere(
    unfit: Sequence[tuple[Reached, File | None]], resolution: Resolution, target: Target, asking: Asking
) -> Iterator[Pinned]:
    """Yield wheels that were compiled for what has none, or say of each distribution why there is none."""
    from bivy.musl.report import Verdict

    verdicts = {each.name: each for each in _verdicts(resolution, target, asking)}
    needed: list[Distribution] = []
    by_name = {each.package.name: each for each, _ in unfit}
    for name, reached in by_name.items():
        verdict = verdicts.get(name)
        if verdict is None or verdict.verdict in (Verdict.IMPOSSIBLE, Verdict.UNKNOWN):
            raise _impossible(name, verdict, reached.package.version)
        if verdict.verdict is Verdict.BUILT and verdict.version == reached.package.version:
            yield Pinned(
                name, verdict.version, verdict.file, verdict.address, requires=reached.requires, asked=reached.asked
            )
        else:
            needed.append(verdict)
    if needed:
        sources = {each.package.name: source for each, source in unfit if source}
        yield from _build(needed, by_name, sources, target, asking)


def _verdicts(resolution: Resolution, target: Target, asking: Asking) -> tuple[Distribution, ...]:
    from bivy.musl.dependencies import check_distributions

    part = check_distributions(resolution, (target,), cache=asking.cache, wheels=asking.wheels, offline=asking.offline)
    return part.distributions


def _impossible(name: str, verdict: Distribution | None, version: str = "") -> BivyError:
    why = verdict.why if verdict else "nothing is known of it"
    evidence = f" ({'; '.join(verdict.evidence)})" if verdict and verdict.evidence else ""
    advice = " ".join(verdict.advice) if verdict else ""
    version = version or (verdict.version if verdict else "")
    return BivyError(f"{f'{name} {version}'.rstrip()}: {why}{evidence}", hint=advice or None)


def _build(
    needed: Sequence[Distribution], reached: Mapping[str, Reached], sources: Mapping[str, File], target: Target,
    asking: Asking,
) -> Iterator[Pinned]:  # fmt: skip
    """Compile what has no wheel, once, or name the command that does."""
    if asking.base is not None:
        from bivy.wheels.build import build_wheels

        for each in build_wheels(
            [_to_compile(one, reached[one.name].package, sources.get(one.name)) for one in needed],
            target=target, base=asking.base, cache=asking.cache, progress=asking.progress, settings=asking.settings(),
        ):  # fmt: skip
            of = reached[each.name]
            yield Pinned(each.name, each.version, each.file, str(each.wheel), requires=of.requires, asked=of.asked)
        return
    words = " ".join(f"{each.name}=={each.version}" for each in needed)
    raise BivyError(
        f"{words} {'has' if len(needed) == 1 else 'have'} no wheel for {target}",
        hint=f"compile it once, outside the image: bivy wheel {words}",
    )


def _to_compile(needed: Distribution, package: Locked, source: File | None) -> str | Candidate:
    """Return the source archive that is locked, with its digest; else what is to be looked for."""
    from bivy.wheels.find import Candidate

    if source is None or needed.version != package.version or ("://" in source.url and not source.sha256):
        return f"{needed.name}=={needed.version}"
    return Candidate(package.name, package.version, source, files=package.files)
