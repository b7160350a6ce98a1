"""A verdict for every distribution of a lock, on every target."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError
from bivy.musl.archives.standards import normalised
from bivy.musl.dependencies.choose import Chosen, Fit, by_version, choose, newest_that_fits, wheel_parts
from bivy.musl.dependencies.compiles import Build, Compiles, judge, other_platforms
from bivy.musl.dependencies.index import Index, NoSuchProjectError
from bivy.musl.dependencies.known import Known, known_distributions
from bivy.musl.dependencies.lock import File, Lock, Locked, Origin, Reached, reach
from bivy.musl.dependencies.resolve import NO_FILE, Missing, Resolution, resolve
from bivy.musl.dependencies.settings import default_index, without_credentials
from bivy.musl.dependencies.sources import Told, foresee, metadata_reader, told_by
from bivy.musl.report import Distribution, Need, Part, Problem, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from packaging.version import Version

    from bivy.musl.target import Target

_ROUNDS: Final = 4
_AT_ONCE: Final = 12
_WITH_FILES: Final = (Origin.INDEX, Origin.URL, Origin.PATH)


def check_distributions(
    resolution: Resolution | Lock,
    targets: Sequence[Target],
    *,
    cache: Path,
    wheels: Sequence[Path] = (),
    offline: bool = False,
) -> Part:
    """Return a verdict for every distribution that a lock installs on a target.

    Args:
        resolution: The lock, or what a question to the resolver came to.
        targets: What for.
        cache: bivy's cache folder. Wheels that bivy compiled are in its folder `wheels`.
        wheels: Further folders with wheels (``--find-links``).
        offline: Whether nothing may be fetched.
    """
    resolution = resolution if isinstance(resolution, Resolution) else Resolution(resolution)
    question = resolution.lock.question
    index = Index(cache / "check", offline=offline, options=question.options if question else ())
    try:
        check = _Check(resolution, tuple(targets), index, (cache / "wheels", *wheels), cache)
        return check.part()
    finally:
        index.close()


@dataclass(frozen=True, slots=True)
class _View:
    """What one target installs, and how that came about.

    Attributes:
        resolution: The resolution.
        limits: Constraints that the resolver was given because newer versions do not fit.
        passed_over: By normalised name, the newer version that does not fit.
    """

    resolution: Resolution
    limits: tuple[str, ...] = ()
    passed_over: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class _Check:
    """One check: the index, the folders of wheels, and what was found out once for all targets."""

    def __init__(
        self,
        resolution: Resolution,
        targets: tuple[Target, ...],
        index: Index,
        folders: Sequence[Path],
        cache: Path,
    ) -> None:
        self._targets = targets
        self._index = index
        self._cache = cache
        self._built = _wheels_in(folders)
        self._problems: dict[Problem, None] = dict.fromkeys(resolution.problems)
        self._told: dict[str, Told | BivyError] = {}
        self._views = dict.fromkeys(targets, _View(resolution))
        self._versions: dict[tuple[str, str, bool], Mapping[Version, Sequence[File]]] = {}

    def part(self) -> Part:
        """Return all verdicts."""
        self._complete()
        for _ in range(_ROUNDS):
            if not self._pass_over():
                break
        reached = {target: reach(view.resolution.lock, target) for target, view in self._views.items()}
        self._look_ahead(reached)
        distributions = [
            distribution for target, each in reached.items() for distribution in self._distributions(target, each)
        ]
        names = {(each.name, each.version) for each in distributions}
        return Part(
            tuple(distributions),
            problems=tuple(self._problems),
            looked_at=MappingProxyType({"distributions": len(names)}),
        )

    # What else there is of what uv found in a folder

    def _complete(self) -> None:
        """Add the index's files to those of a folder: there may be others for other targets."""
        resolution = self._views[self._targets[0]].resolution if self._targets else None
        if not resolution or not resolution.lock.question:
            return
        place = default_index(resolution.lock.question.options)
        packages = [
            replace(each, files=(*each.files, *self._files_of(each, place))) if _in_folder(each) else each
            for each in resolution.lock.packages
        ]
        resolution = replace(resolution, lock=replace(resolution.lock, packages=tuple(packages)))
        self._views = dict.fromkeys(self._targets, _View(resolution))

    def _files_of(self, package: Locked, place: str) -> list[File]:
        versions = by_version(self._files(package.name, place), package.name)
        return [file for version, files in versions.items() if str(version) == package.version for file in files]

    # Which versions an installer takes where the newest has no file that fits

    def _pass_over(self) -> bool:
        """Let the resolver choose again where it chose what no target's installer would; say whether it did."""
        unfit = {target: self._unfit(target) for target in self._targets}
        names = {(each.name, each.place) for every in unfit.values() for each in every}
        self._fetch_lists(names)
        wanted: dict[tuple[int, tuple[str, ...]], list[Target]] = defaultdict(list)
        for target, packages in unfit.items():
            view = self._views[target]
            new = tuple(filter(None, (self._limit(each, target, view) for each in packages)))
            if new:
                wanted[id(view.resolution), new].append(target)
        for (_, new), targets in wanted.items():
            self._choose_again(self._views[targets[0]], new, targets)
        return bool(wanted)

    def _unfit(self, target: Target) -> list[Locked]:
        lock = self._views[target].resolution.lock
        if not lock.question:  # a given lock is obeyed to the letter
            return []
        return [
            each.package
            for each in reach(lock, target)
            if each.package.origin is Origin.INDEX
            and not choose(each.package.files, target)
            and not self._built_for(each.package.name, each.package.version, target)
        ]

    def _limit(self, package: Locked, target: Target, view: _View) -> str:
        nearest = self._nearest(package.name, package.place, target)
        if not nearest or package.name in view.passed_over:
            return ""
        return f"{package.name}<={nearest[0]}"

    def _choose_again(self, view: _View, new: tuple[str, ...], targets: Iterable[Target]) -> None:
        """Resolve with limits on what does not fit; where a limit contradicts what was asked for, without it."""
        limits = list(new)
        question = view.resolution.lock.question
        assert question
        before = {each.name for each in view.resolution.missing}
        resolution = view.resolution
        while limits:
            again = replace(question, constraints=(*question.constraints, *view.limits, *limits))
            reader = metadata_reader(self._index, default_index(question.options))
            foreseen = foresee(again.requirements, self._index, default_index(question.options))
            resolution = resolve(again, self._cache, reader, foreseen=foreseen)
            lost = {each.name for each in resolution.missing} - before
            if not lost and resolution.lock.packages:
                break
            kept = [each for each in limits if each.split("<=")[0] not in lost]
            limits = kept if len(kept) < len(limits) else []
        passed = dict(view.passed_over)
        passed.update((each.split("<=")[0], _version_of(view.resolution.lock, each.split("<=")[0])) for each in new)
        chosen = resolution if limits else view.resolution
        # The resolver answers the same question with the same refusals again: those are told once.
        chosen = replace(chosen, lock=replace(chosen.lock, question=question), missing=view.resolution.missing)
        for target in targets:
            self._views[target] = _View(chosen, (*view.limits, *limits), MappingProxyType(passed))

    # What is asked of indexes and source archives, all at once

    def _fetch_lists(self, names: Iterable[tuple[str, str]]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda each: self._files(*each), names))

    def _files(self, name: str, place: str) -> tuple[File, ...]:
        """Return an index's files; none where it does not answer, which becomes a problem."""
        if place and not place.startswith(("http:", "https:")):
            return ()
        try:
            return self._index.files(name, place)
        except NoSuchProjectError:
            return ()
        except BivyError as fault:
            self._problems[Problem(name, f"{fault}.", fault.hint or "")] = None
            return ()

    def _nearest(self, name: str, place: str, target: Target, *, wheel: bool = False) -> tuple[str, Chosen] | None:
        """Return the newest version that can be installed, or that has a wheel."""
        key = (name, place, wheel)
        if key not in self._versions:
            files = [each for each in self._files(name, place) if each.wheel or not wheel]
            self._versions[key] = by_version(files, name)
        found = newest_that_fits(self._versions[key], target)
        return (str(found[0]), found[1]) if found else None

    def _look_ahead(self, reached: Mapping[Target, Sequence[Reached]]) -> None:
        """Ask for all that the verdicts need, side by side."""
        sources: dict[str, tuple[str, File]] = {}
        lists: set[tuple[str, str]] = set()
        for target, every in reached.items():
            for each in every:
                package = each.package
                chosen = choose(package.files, target)
                if package.origin not in _WITH_FILES or self._built_for(package.name, package.version, target):
                    continue
                if package.origin is Origin.INDEX and (not chosen or chosen.fit is Fit.SOURCE):
                    lists.add((package.name, package.place))
                if chosen and chosen.fit is Fit.SOURCE:
                    sources[chosen.file.url] = (package.name, chosen.file)
            for missing in self._views[target].resolution.missing:
                if missing.why == NO_FILE:
                    lists.add((missing.name, self._default(target)))
        if not sources and not lists:
            return
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            told = pool.map(lambda each: self._read(*each), sources.values())
            list(pool.map(lambda each: self._files(*each), lists))
            self._told.update(zip(sources, told, strict=True))

    def _read(self, name: str, file: File) -> Told | BivyError:
        try:
            return told_by(name, file, self._index)
        except BivyError as fault:
            return fault

    def _default(self, target: Target) -> str:
        question = self._views[target].resolution.lock.question
        return default_index(question.options if question else ())

    # Verdicts

    def _distributions(self, target: Target, reached: Sequence[Reached]) -> Iterable[Distribution]:
        view = self._views[target]
        there = set()
        for each in reached:
            there.add(each.package.name)
            if each.package.origin is not Origin.OWN:
                yield self._distribution(each, target, view)
        for missing in view.resolution.missing:
            if missing.name not in there:
                yield self._missing(missing, target)

    def _distribution(self, reached: Reached, target: Target, view: _View) -> Distribution:
        package = reached.package
        told = self._verdict(package, target)
        newer = view.passed_over.get(package.name, "")
        evidence = list(told.evidence)
        if newer and newer != package.version:
            evidence.insert(0, f"{newer} has no file that fits; {package.version} is what an installer takes")
        unread = (view.resolution.unread or {}).get(package.name)
        if unread:
            evidence.append(f"what it requires is not known: {unread}")
        return replace(
            told,
            name=package.name,
            version=package.version,
            evidence=tuple(evidence),
            requires=reached.requires,
            asked=reached.asked,
        )

    def _verdict(self, package: Locked, target: Target) -> Distribution:
        if package.origin not in _WITH_FILES:
            return _elsewhere(package, target)
        chosen = choose(package.files, target)
        at_hand = chosen and chosen.fit in (Fit.MUSL, Fit.LINUX) and "://" not in chosen.file.url
        if chosen and chosen.fit is not Fit.SOURCE and not at_hand:
            return _fitting(target, chosen)
        built = chosen if at_hand else self._built_for(package.name, package.version, target)
        if built:
            return Distribution(
                "", "", target, Verdict.BUILT, "A wheel that was compiled for musl is at hand.",
                file=built.file.name, address=built.file.url, evidence=(f"{built.file.url}",),
            )  # fmt: skip
        if not chosen:
            return self._impossible(package, target)
        if package.origin is not Origin.INDEX and not package.files:
            return _elsewhere(package, target)
        told = self._told.get(chosen.file.url)
        build = judge(package, told.facts if isinstance(told, Told) else None, target)
        if isinstance(told, BivyError):
            build = replace(build, evidence=(*build.evidence, str(told)))
        return self._from_source(package, target, chosen.file, build)

    def _built_for(self, name: str, version: str, target: Target) -> Chosen | None:
        chosen = choose(self._built.get((name, version), ()), target)
        return chosen if chosen and chosen.fit is not Fit.SOURCE else None

    def _impossible(self, package: Locked, target: Target) -> Distribution:
        evidence = [other_platforms(package.files) or "no file at all"]
        advice: list[str] = []
        if all(file.yanked for file in package.files) and package.files:
            evidence.append("all its files were withdrawn")
        nearest = None
        if package.origin is Origin.INDEX:
            nearest = self._nearest(package.name, package.place, target)
        if nearest and nearest[0] != package.version:
            version, chosen = nearest
            how = "has a source archive" if chosen.fit is Fit.SOURCE else f"has {chosen.file.name}"
            evidence.append(f"{version} {how}")
            verb = "compiles" if chosen.fit is Fit.SOURCE else "installs"
            advice.append(f"Allow {package.name}=={version}, the nearest version that {verb} on musl.")
        evidence += _elsewhere_on_musl(package.files, target)
        advice += _substitute(package.name)
        why = "It cannot be installed: no wheel fits, and there is no source archive."
        return Distribution("", "", target, Verdict.IMPOSSIBLE, why, evidence=tuple(evidence), advice=tuple(advice))

    def _from_source(self, package: Locked, target: Target, file: File, build: Build) -> Distribution:
        verdict = {
            Compiles.YES: Verdict.COMPILE,
            Compiles.OPTIONAL: Verdict.SOURCE,
            Compiles.NO: Verdict.SOURCE,
            Compiles.UNKNOWN: Verdict.UNKNOWN,
        }[build.compiles]
        evidence = [*build.evidence, *_elsewhere_on_musl(package.files, target)]
        advice: list[str] = []
        if verdict is Verdict.COMPILE:
            advice.append(_how_to_compile(package, build.needs))
            nearest = None
            if package.origin is Origin.INDEX:
                nearest = self._nearest(package.name, package.place, target, wheel=True)
            if nearest and nearest[0] != package.version:
                evidence.append(f"{nearest[0]} has {nearest[1].file.name}")
                advice.append(
                    f"Or use {package.name}=={nearest[0]}, which has a wheel for musl, if nothing else rules it out."
                )
        return Distribution(
            "", "", target, verdict, build.why, guess=build.guess, file=file.name, address=file.url,
            evidence=tuple(evidence), needs=build.needs, advice=(*advice, *_substitute(package.name)),
        )  # fmt: skip

    def _missing(self, missing: Missing, target: Target) -> Distribution:
        if missing.why != NO_FILE:
            return Distribution(missing.name, "", target, Verdict.UNKNOWN, missing.why, asked=missing.asked)
        place = self._default(target)
        files = self._files(missing.name, place)
        versions = by_version(files, missing.name)
        newest = next((version for version in versions if not version.is_prerelease), next(iter(versions), None))
        package = Locked(missing.name, str(newest or ""), place=place, files=tuple(versions[newest]) if newest else ())
        found = self._impossible(package, target)
        return replace(found, name=package.name, version=package.version, asked=missing.asked)


def _in_folder(package: Locked) -> bool:
    return package.origin is Origin.INDEX and "://" not in package.place


def _how_to_compile(package: Locked, needs: Iterable[Need]) -> str:
    # A source archive may have Fortran that its build leaves alone; not so Rust and Go.
    compilers = {"rust": "cargo", "go": "go"}
    wanted = [need.name for need in needs if need.kind == "compiler" and need.name in compilers]
    if not wanted:
        return f"Compile it once, outside the image: bivy wheel {package.name}=={package.version}"
    return (
        f"Compile it in a container of Alpine's with its package {compilers[wanted[0]]}, since bivy wheel has no "
        f"compiler for {wanted[0].title()}, and name the wheel's folder with --find-links."
    )


def _wheels_in(folders: Iterable[Path]) -> dict[tuple[str, str], list[File]]:
    """Return the wheels in folders, by normalised name and version."""
    from packaging.version import InvalidVersion, Version

    wheels: dict[tuple[str, str], list[File]] = {}
    for folder in folders:
        for path in sorted(folder.glob("**/*.whl")) if folder.is_dir() else ():
            parts = wheel_parts(path.name)
            if not parts:
                continue
            try:
                version = str(Version(parts.version))
            except InvalidVersion:
                continue
            wheels.setdefault((normalised(parts.name), version), []).append(File(path.name, str(path)))
    return wheels


def _version_of(lock: Lock, name: str) -> str:
    return next((each.version for each in lock.packages if each.name == name), "")


def _fitting(target: Target, chosen: Chosen) -> Distribution:
    assert chosen.tag
    if chosen.fit is Fit.PURE:
        return Distribution(
            "", "", target, Verdict.PURE, "There is a wheel for every platform.", file=chosen.file.name,
            address=chosen.file.url,
        )  # fmt: skip
    kinds = {"abi3": "for this and later versions of Python (abi3)", "none": "for any version of Python"}
    kind = kinds.get(chosen.tag.abi, "for this version of Python")
    if chosen.tag.abi.endswith("t"):
        kind = "for the free-threaded Python"
    evidence = [f"it is {kind}"]
    if chosen.fit is Fit.LINUX:
        evidence.append(f"its tag {chosen.tag.platform} does not say for which C library it is")
    return Distribution(
        "", "", target, Verdict.MUSLLINUX, "There is a wheel for musl.", guess=chosen.fit is Fit.LINUX,
        file=chosen.file.name, address=chosen.file.url, evidence=tuple(evidence),
    )  # fmt: skip


def _elsewhere(package: Locked, target: Target) -> Distribution:
    place = {
        Origin.GIT: "a git repository",
        Origin.FOLDER: "a folder",
        Origin.URL: "an address",
        Origin.PATH: "a file",
    }.get(package.origin, "elsewhere")
    advice = f"Ask about it by itself: bivy check {package.folder or package.place or package.name}"
    if package.origin is Origin.GIT:
        advice = "Clone it, and ask about the folder: bivy check FOLDER"
    return Distribution(
        "", "", target, Verdict.UNKNOWN,
        f"It comes from {place}, which was not looked into.",
        evidence=(without_credentials(package.place),) if package.place else (),
        advice=(advice,),
    )  # fmt: skip


def _elsewhere_on_musl(files: Sequence[File], target: Target) -> list[str]:
    """Say for which other Pythons and architectures of the same version there are wheels for musl."""
    from bivy.arch import ARCHES

    pythons: dict[int, None] = {}
    machines: dict[str, None] = {}
    for file in files:
        parts = wheel_parts(file.name)
        if not parts or not any(platform.startswith("musllinux") for platform in parts.platforms):
            continue
        for tag in parts.tags:
            machine = tag.platform.split("_", 3)[-1]
            version = tag.interpreter.removeprefix("cp3")
            if version.isdecimal() and not tag.abi.endswith("t"):
                if machine == target.arch.machine:
                    pythons[int(version)] = None
                if choose([file], replace(target, arch=target.arch)) is None:
                    machines[machine] = None
    here = int(target.python.split(".")[1])
    names = {arch.machine: arch.name for arch in ARCHES.values()}
    others = [
        names[machine]
        for machine in machines
        if machine in names
        and machine != target.arch.machine
        and choose(files, replace(target, arch=ARCHES[names[machine]])) is not None
        and choose(files, replace(target, arch=ARCHES[names[machine]])).fit is Fit.MUSL  # type: ignore[union-attr]
    ]
    lines = []
    minors = sorted(minor for minor in pythons if minor != here)
    if minors:
        lines.append("wheels for musl exist for Python " + ", ".join(f"3.{minor}" for minor in minors))
    if others:
        lines.append(f"wheels for musl exist for {', '.join(sorted(others))}")
    return lines


def _substitute(name: str) -> list[str]:
    known = known_distributions().get(name, Known())
    if known.instead:
        return [f"Or use {' or '.join(known.instead)}: {known.why}."]
    return [f"{known.why[:1].upper()}{known.why[1:]}."] if known.why else []
