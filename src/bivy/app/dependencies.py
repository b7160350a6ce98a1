"""What a project depends on becomes the wheels that an installer takes on a platform: as its lock says, or resolved."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bivy.app.values import ProjectKind
from bivy.errors import BivyError
from bivy.files import write_whole
from bivy.musl.archives.standards import normalised
from bivy.progress import under_way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bivy.app.values import Project
    from bivy.musl.dependencies import Resolution
    from bivy.musl.dependencies.lock import File, Locked, Reached
    from bivy.musl.report import Distribution
    from bivy.musl.target import Target
    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.wheels.build import Settings

# Raised when the same lock or requirements come to other wheels.
GENERATION: Final = 1

LOCKS: Final = ("uv.lock", "pylock.toml")


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
    if not asking.upgrade and (kept := _read_kept(place)) is not None:
        return kept
    pinned = tuple(sorted(_pin(project, target, asking), key=lambda each: each.name))
    write_whole(place, msgspec.json.encode(pinned))
    return pinned


def _read_kept(place: Path) -> tuple[Pinned, ...] | None:
    try:
        kept = msgspec.json.decode(place.read_bytes(), type=tuple[Pinned, ...])
    except (OSError, msgspec.MsgspecError):
        return None
    gone = any("://" not in each.url and not Path(each.url).is_file() for each in kept)
    return None if gone else kept


def _key(project: Project, target: Target, asking: Asking) -> str:
    from bivy.musl.dependencies.settings import index_options

    parts = [
        GENERATION, str(target), asking.index, [str(folder) for folder in asking.wheels], index_options(),
        project.metadata.requires, project.metadata.requires_python, sorted(project.options.extras),
        sorted(project.options.groups), project.dependencies,
        [hashlib.sha256(content).hexdigest() for content in files_of(project)],
    ]  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def files_of(project: Project) -> Iterator[bytes]:
    """Yield the content of all files that say what is needed: requirements files may name others."""
    waiting = [project.root / project.dependencies]
    if waiting[0].name in ("pyproject.toml", *LOCKS):
        waiting += [project.root / "uv.toml"]
    seen = set()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        content = path.read_bytes()
        yield content
        if path.suffix in (".txt", ".in"):
            named = re.findall(rb"(?m)^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", content)
            waiting += [path.parent / each.decode("utf-8", "replace") for each in named]


def _pin(project: Project, target: Target, asking: Asking) -> Iterator[Pinned]:
    from bivy.musl.dependencies.choose import Fit, choose
    from bivy.musl.dependencies.lock import Origin, reach

    resolution = resolve_project(project, (target,), asking)
    lock = resolution.lock
    reached = [each for each in reach(lock, target) if each.package.origin is not Origin.OWN]
    check_lock(project, target, [(each.package.name, each.package.version) for each in reached])
    hashes = _hashes(project)
    unfit = []
    for each in reached:
        package = each.package
        files = _allowed(package, hashes, project.dependencies) if hashes else package.files
        chosen = choose(files, target)
        if chosen is None or chosen.fit is Fit.SOURCE:
            unfit.append(each)
            continue
        direct = package.place if package.origin in (Origin.URL, Origin.PATH) else ""
        yield _pinned(each, chosen.file, direct)
    if unfit:
        yield from _elsewhere(unfit, resolution, target, asking)


def _pinned(reached: Reached, file: File, direct: str = "") -> Pinned:
    package = reached.package
    if "://" in file.url and not file.sha256 and not file.url.startswith("file:"):
        raise BivyError(
            f"{file.name} has no SHA-256 digest, neither in the lock nor in the index",
            hint="bivy takes nothing over a network that it cannot verify: lock the project with uv lock",
        )
    return Pinned(
        package.name, package.version, file.name, file.url, file.sha256, file.size or 0, reached.requires,
        reached.asked, direct,
    )  # fmt: skip


def resolve_project(project: Project, targets: tuple[Target, ...], asking: Asking) -> Resolution:
    """Return what a project's lock says, or without one what its requirements come to.

    Raises:
        BivyError: The lock cannot be read, or something required cannot be had.
    """
    from bivy.musl.dependencies import ask_project, ask_requirements, ask_requirements_file, read_lock
    from bivy.musl.dependencies.ask import Terms
    from bivy.musl.dependencies.uvlock import Wanted

    options = project.options
    wanted = Wanted(frozenset(map(normalised, options.extras)), frozenset(map(normalised, options.groups)))
    terms = Terms(targets, asking.cache, asking.wheels, asking.offline, wanted, index=asking.index)
    path = project.root / project.dependencies
    if path.name.endswith(".lock") or path.name.startswith("pylock"):
        return read_lock(path, terms)
    with under_way(asking.progress, f"resolve {project.dependencies}"):
        if project.kind is ProjectKind.SCRIPT:
            resolution = ask_requirements(project.metadata.requires, terms)
        elif path.name == "pyproject.toml":
            resolution = ask_project(project.root, terms)
        else:
            resolution = ask_requirements_file(path, terms)
        _refuse_incomplete(resolution, targets[0], asking)
    return resolution


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


def check_lock(project: Project, target: Target, locked: Sequence[tuple[str, str]]) -> None:
    """Refuse a lock that is not for what the project requires.

    Args:
        project: The project.
        target: What for.
        locked: The names and versions that the lock installs.

    Raises:
        BivyError: A requirement is not in the lock, or in a version that it rules out.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    if not project.dependencies.startswith(LOCKS) or project.kind is ProjectKind.SCRIPT:
        return
    versions: dict[str, list[str]] = {}
    for name, version in locked:
        versions.setdefault(name, []).append(version)
    for text in project.metadata.requires or _written(project.root):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker and not requirement.marker.evaluate({**target.markers, "extra": ""}):
            continue
        name = normalised(requirement.name)
        if name == normalised(project.name):
            continue
        found = versions.get(name)
        fits = found and any(not each or requirement.specifier.contains(each, prereleases=True) for each in found)
        if not fits:
            what = f"has {name} {found[0]}" if found else f"does not have {name}"
            raise BivyError(
                f"{project.dependencies} does not match the project: it {what}, and the project requires {text}",
                hint="lock it again: uv lock" if project.dependencies == "uv.lock" else "lock it again",
            )


def _written(root: Path) -> tuple[str, ...]:
    """Return what a requirements file beside a lock says, which is what the lock was made from."""
    from bivy.musl.dependencies.requirements import read_requirements

    path = root / "requirements.txt"
    return read_requirements(path)[0].requirements if path.is_file() else ()


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


def _elsewhere(unfit: Sequence[Reached], resolution: Resolution, target: Target, asking: Asking) -> Iterator[Pinned]:
    """Yield wheels that were compiled for what has none, or say of each distribution why there is none."""
    from bivy.musl.report import Verdict

    verdicts = {each.name: each for each in _verdicts(resolution, target, asking)}
    needed: list[Distribution] = []
    by_name = {each.package.name: each for each in unfit}
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
        yield from _build(needed, by_name, target, asking)


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
    needed: Sequence[Distribution], reached: Mapping[str, Reached], target: Target, asking: Asking
) -> Iterator[Pinned]:
    """Compile what has no wheel, once, or name the command that does."""
    requirements = [f"{each.name}=={each.version}" for each in needed]
    if asking.base is not None:
        from bivy.wheels.build import build_wheels

        for each in build_wheels(
            requirements, target=target, base=asking.base, cache=asking.cache, progress=asking.progress,
            settings=asking.settings(),
        ):  # fmt: skip
            of = reached[each.name]
            yield Pinned(each.name, each.version, each.file, str(each.wheel), requires=of.requires, asked=of.asked)
        return
    words = " ".join(requirements)
    raise BivyError(
        f"{words} {'has' if len(needed) == 1 else 'have'} no wheel for {target}",
        hint=f"compile it once, outside the image: bivy wheel {words}",
    )
