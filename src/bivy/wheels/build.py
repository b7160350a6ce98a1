"""Requirements become wheels: found, compiled under the base image's Python, checked, tried, and kept."""

from __future__ import annotations

import contextlib
import enum
import hashlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec

from bivy.arch import build_machine
from bivy.build.toolchain import find_compiler
from bivy.epoch import source_date_epoch
from bivy.errors import BivyError
from bivy.files import locked, read_noted, remove_folder, scratch_folder, sha256_of, sweep, write_whole
from bivy.musl.archives.sdist import read_sdist
from bivy.musl.dependencies import Terms
from bivy.musl.dependencies.known import Known, known_distributions
from bivy.progress import Outcome
from bivy.source.unpack import unpack
from bivy.wheels.base import opened_base
from bivy.wheels.environment import make_environment
from bivy.wheels.failure import explained, refuse_language, told_in
from bivy.wheels.find import Candidate, download, find, newest_wheel
from bivy.wheels.packages import Repositories, add_packages, known_packages
from bivy.wheels.project import Order, build_project
from bivy.wheels.repair import Bundled, repair
from bivy.wheels.requires import fetch_requires
from bivy.wheels.trial import try_wheel
from bivy.wheels.workshop import Workshop, compiled_runtime, digest_of, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bivy.build.toolchain import Toolchain
    from bivy.musl.dependencies.lock import File
    from bivy.musl.target import Target
    from bivy.oci.image import Image
    from bivy.progress import Progress
    from bivy.wheels.base import Base
    from bivy.wheels.packages import Added
    from bivy.wheels.repair import Repaired

FOLDER: Final = "wheels"
"""The folder below the cache's with what was compiled; it serves as ``--find-links``."""
APART: Final = "apart"
"""The folder with what was compiled of folders and repositories: by their names, anything else may be meant."""
_RECEIPTS: Final = ".made"
_REMEMBERED: Final = 6
"""As many wheels of one folder are kept: each change of it leaves one behind."""
_GENERATION: Final = 1
"""Goes up when the code of this room makes other bytes of the same source."""
_DEEPEST: Final = 4


class State(enum.StrEnum):
    """How a wheel came to be there."""

    COMPILED = "compiled"
    KEPT = "kept"
    """Compiled before."""
    FITTING = "fitting"
    """Somebody else made it, and an installer takes it."""


@dataclass(frozen=True, slots=True)
class Built:
    """A wheel that is there.

    Attributes:
        name: The distribution's normalised name.
        version: Its version.
        state: How it came to be there.
        file: The wheel's file name.
        wheel: The wheel; ``None`` where an index has it and it was not fetched.
        sha256: Its digest in hexadecimal; empty where it was not fetched and the index does not say.
        built_with: What the build had, ``NAME==VERSION``.
        packages: The Alpine packages that were added for the build, ``NAME-VERSION``.
        bundled: The libraries that were put into it.
        linked: The libraries of the base image that it uses.
        imported: The modules that were imported in the base image.
        notes: What else is to be known of it, in sentences.
        seconds: How long it took.
        log: What the build said; ``None`` where none ran.
    """

    name: str
    version: str
    state: State
    file: str
    wheel: Path | None = None
    sha256: str = ""
    built_with: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    bundled: tuple[Bundled, ...] = ()
    linked: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How wheels are compiled.

    Attributes:
        repositories: Where Alpine packages come from.
        known_packages: Whether builds are given the packages that bivy knows they need.
        build_requires: What builds require beside what projects say.
        config: Settings for build backends (PEP 517, ``config_settings``).
        environment: Variables for builds.
        network: Whether builds have the machine's network.
        timeout: Seconds that one command of a build may take; 0 for as long as it likes.
        jobs: How many processes a build may start at once.
        force: Whether to compile also what has a wheel, or was compiled before.
        offline: Whether nothing may be fetched.
        index: The package index; empty for the one that pip or uv is set up with.
        find_links: Folders of wheels and source archives.
    """

    repositories: Repositories = field(default_factory=Repositories)
    known_packages: bool = True
    build_requires: tuple[str, ...] = ()
    config: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    timeout: float = 3600
    jobs: int = 1
    force: bool = False
    offline: bool = False
    index: str = ""
    find_links: tuple[Path, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """Options for indexes that may hold credentials."""
        return ("--default-index", self.index) if self.index else ()


class _Made(msgspec.Struct, frozen=True):
    """What is kept of how a wheel was made."""

    file: str
    sha256: str
    compiled: bool
    built_with: tuple[str, ...]
    packages: tuple[str, ...]
    bundled: tuple[Bundled, ...]
    linked: tuple[str, ...]
    imported: tuple[str, ...]
    notes: tuple[str, ...]


def build_wheels(
    requirements: Sequence[str | Candidate], *, target: Target, base: Image, cache: Path, progress: Progress,
    packages: Sequence[str] = (), output: Path | None = None, deep: bool = False, settings: Settings | None = None,
) -> tuple[Built, ...]:  # fmt: skip
    """Make wheels for a target of what has none.

    Args:
        requirements: Requirements (PEP 508), paths of source archives, or candidates, as `bivy.wheels.find.find` gives
            them or a lock's files make them.
        target: What for.
        base: The image under whose Python they are built, and in which they are to load.
        cache: bivy's cache folder; what is compiled goes into its folder `FOLDER`.
        progress: Who watches.
        packages: Alpine packages that the builds need, beside those that bivy knows of.
        output: A folder that gets all of the wheels as well; those that an index has are fetched into it.
        deep: Whether what the requirements require comes too.
        settings: How.

    Returns:
        A wheel for each, in order.

    Raises:
        UsageError: A requirement is none.
        BivyError: Something cannot be had, or not be compiled; what was finished before stays.
    """
    settings = settings or Settings()
    here = (cache / FOLDER, *settings.find_links)
    terms = Terms(
        (target,), cache, tuple(each for each in here if each.is_dir()), settings.offline, index=settings.index
    )
    # What was compiled before was compiled with other packages or settings than those that are named.
    anew = settings.force or packages or settings.build_requires or settings.config or settings.environment
    asking = replace(terms, wheels=settings.find_links) if anew else terms
    texts = [each for each in requirements if isinstance(each, str)]
    candidates = [each for each in requirements if not isinstance(each, str)]
    candidates += find(texts, asking, deep=deep) if texts else ()
    sweep(cache / "work")
    # Only where something is compiled is the image unpacked and the compiler looked for.
    with contextlib.ExitStack() as stack:
        yards: list[_Yard] = []

        def yard() -> _Yard:
            if not yards:
                opened = stack.enter_context(opened_base(base, target, cache))
                compiler = find_compiler(target.arch, build_machine())
                yards.append(_Yard(opened, target, compiler, cache, terms, settings, tuple(packages), progress))
            return yards[0]

        return tuple(_obtain(each, yard, terms, settings, output, progress) for each in candidates)


def _obtain(
    candidate: Candidate, yard: Callable[[], _Yard], terms: Terms, settings: Settings, output: Path | None,
    progress: Progress,
) -> Built:  # fmt: skip
    """Make a wheel, or say which one there is; where there is a folder for it, put it there."""
    file = candidate.wheel
    if file is None or settings.force:
        if candidate.source is None:
            raise BivyError(f"{candidate} cannot be compiled: it has no source archive")
        built = yard().make(candidate)
    elif "://" not in file.url:
        built = Built(
            candidate.name, candidate.version, State.KEPT, file.name, Path(file.url), sha256_of(Path(file.url))
        )
    else:
        built = Built(candidate.name, candidate.version, State.FITTING, file.name, sha256=file.sha256)
    if output is None:
        return built
    place = output / built.file
    if built.wheel is None:
        assert file
        _fetch_into(place, file, terms, settings, progress)
    elif built.wheel.absolute() != place.absolute():
        write_whole(place, built.wheel.read_bytes())
    return replace(built, wheel=place, sha256=sha256_of(place))


def _fetch_into(place: Path, file: File, terms: Terms, settings: Settings, progress: Progress) -> None:
    with scratch_folder(terms.cache / "work", "wheel-") as scratch:
        got = download(
            [file], scratch, cache=terms.cache, options=settings.options, offline=settings.offline, progress=progress
        )
        write_whole(place, got[0].read_bytes())


@dataclass(frozen=True, slots=True)
class _Yard:
    """What all builds of one call share."""

    base: Base
    target: Target
    toolchain: Toolchain
    cache: Path
    terms: Terms
    settings: Settings
    packages: tuple[str, ...]
    progress: Progress

    def make(self, candidate: Candidate, path: tuple[str, ...] = ()) -> Built:
        """Make a wheel of a source archive, or find that it was made before.

        Args:
            candidate: What of.
            path: The names of those for whose builds it is made.

        Raises:
            BivyError: It cannot be made.
        """
        if candidate.name in path:
            circle = " → ".join((*path[path.index(candidate.name) :], candidate.name))
            raise BivyError(f"{candidate} was not compiled: builds require each other: {circle}")
        if len(path) > _DEEPEST:
            raise BivyError(f"{candidate} was not compiled: it is too deep: {' requires '.join(path)}")
        task = f"compile {candidate}"
        started, outcome = time.monotonic(), Outcome.FAILED
        self.progress.begin(task)
        try:
            with scratch_folder(self.cache / "work", f"wheel-{candidate.name}-") as scratch:
                built = self._found_or_compiled(candidate, scratch, path)
            outcome = Outcome.CACHED if built.state is State.KEPT else Outcome.DONE
            return replace(built, seconds=round(time.monotonic() - started, 2))
        except KeyboardInterrupt:
            outcome = Outcome.STOPPED
            raise
        finally:
            self.progress.end(task, outcome, f"{time.monotonic() - started:.0f} s")

    def _found_or_compiled(self, candidate: Candidate, scratch: Path, path: tuple[str, ...]) -> Built:
        assert candidate.source
        source = download(
            [candidate.source], scratch / "given", cache=self.cache, options=self.settings.options,
            offline=self.settings.offline, progress=self.progress,
        )[0]  # fmt: skip
        packages = self._packages(candidate)
        key = self._key(candidate, sha256_of(source), packages)
        with locked(self.cache / "locks" / f"wheel-{key}"):
            kept = None if self.settings.force else self._kept(candidate, key)
            if kept:
                return kept
            told = read_sdist(source)
            refuse_language(candidate, told, lambda: newest_wheel(candidate, self.terms))
            log = self._log(candidate, key)
            with explained(candidate, log, self.target, packages):
                made = self._compile(candidate, source, scratch, packages, log, path, key)
            if told.languages and not made.compiled:
                made = msgspec.structs.replace(made, notes=(*made.notes, *told_in(candidate, log, self.target)))
            write_whole(self._receipt(candidate, key), msgspec.json.encode(made))
            if candidate.apart:
                _forget(self.cache / APART / candidate.apart, key)
        return self._built(candidate, State.COMPILED, made, self._place(candidate, key), log)

    def _place(self, candidate: Candidate, key: str) -> Path:
        """Return the folder that a wheel is kept in."""
        return self.cache / APART / candidate.apart / key[:32] if candidate.apart else self.cache / FOLDER

    def _receipt(self, candidate: Candidate, key: str) -> Path:
        return self._place(candidate, key) / ("made.json" if candidate.apart else f"{_RECEIPTS}/{key}.json")

    def _packages(self, candidate: Candidate) -> tuple[str, ...]:
        """Return the Alpine packages that a build is given: those that are named, and those that bivy knows of."""
        known = known_packages(candidate.name) if self.settings.known_packages else ()
        return tuple(dict.fromkeys([*self.packages, *known]))

    def _key(self, candidate: Candidate, digest: str, packages: Sequence[str]) -> str:
        """Digest what decides a wheel; of the base image that is the version of its Python, and its libraries' names.

        Not what the build requires, since that is asked of an index: what is compiled once is not compiled again for
        a newer setuptools.
        """
        settings = self.settings
        groups = (
            (str(_GENERATION), candidate.name, candidate.version, digest, str(self.target), digest_of(self.toolchain)),
            (str(source_date_epoch()),),
            sorted(packages), sorted(settings.build_requires),
            [f"{key}={value}" for key, value in sorted(settings.config.items())],
            [f"{key}={value}" for key, value in sorted(self._variables(candidate).items())],
            sorted(self.base.libraries),
        )  # fmt: skip
        return hashlib.sha256(msgspec.json.encode(groups)).hexdigest()

    def _variables(self, candidate: Candidate) -> dict[str, str]:
        return {**dict(candidate.variables), **self.settings.environment}

    def _log(self, candidate: Candidate, key: str) -> Path:
        named = f"{candidate.name}-{candidate.version or '0'}"
        log = self.cache / "logs" / f"wheel-{named}-{self.target.arch.name}-{key[:8]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        return log

    def _kept(self, candidate: Candidate, key: str) -> Built | None:
        folder = self._place(candidate, key)
        made = read_noted(self._receipt(candidate, key), _Made)
        try:
            if made is None or sha256_of(folder / made.file) != made.sha256:
                return None
        except OSError:
            return None
        return self._built(candidate, State.KEPT, made, folder)

    def _built(self, candidate: Candidate, state: State, made: _Made, folder: Path, log: Path | None = None) -> Built:
        version = candidate.version or made.file.split("-")[1]
        return Built(
            candidate.name, version, state, made.file, folder / made.file, made.sha256,
            made.built_with, made.packages, made.bundled, made.linked, made.imported, made.notes, log=log,
        )  # fmt: skip

    def _compile(
        self, candidate: Candidate, source: Path, scratch: Path, packages: Sequence[str], log: Path,
        path: tuple[str, ...], key: str,
    ) -> _Made:  # fmt: skip
        path = (*path, candidate.name)
        with log.open("wb") as file:
            added = self._added(packages, scratch / "packages", path[-1])
            upper = scratch / "packages" if added else None
            unpack(source, scratch / "src")
            wheel, had = self._build(scratch, upper, file, path, self._variables(candidate))
        finished = repair(
            wheel, target=self.target, base=self.base.libraries, upper=upper, added=added, epoch=source_date_epoch(),
            scratch=scratch,
        )  # fmt: skip
        return self._finish(finished, scratch, had, added, self._place(candidate, key))

    def _added(self, packages: Sequence[str], folder: Path, name: str) -> tuple[Added, ...]:
        """Unpack the packages that a build is given; where it does without those that nobody named, these alone."""

        def add(names: Sequence[str]) -> tuple[Added, ...]:
            return add_packages(
                names, folder, base=self.base, arch=self.target.arch, around=self.settings.repositories,
                cache=self.cache, progress=self.progress,
            )  # fmt: skip

        try:
            return add(packages)
        except BivyError as fault:
            if known_distributions().get(name, Known()).compiles != "optional" or set(packages) == set(self.packages):
                raise
            self.progress.say(f"{name} is compiled without {', '.join(set(packages) - set(self.packages))}: {fault}")
            return add(self.packages)

    def _build(
        self, scratch: Path, upper: Path | None, log: IO[bytes], path: tuple[str, ...], variables: Mapping[str, str]
    ) -> tuple[Path, tuple[str, ...]]:
        settings = self.settings
        runtime = compiled_runtime(self.base, self.toolchain, self.cache)
        prepare(scratch, self.toolchain, self.base, runtime)
        make_environment(scratch / "env", self.base)
        shop = Workshop(scratch, self.base, self.toolchain, upper, settings.network, settings.timeout, settings.jobs)

        def compiled(candidate: Candidate) -> Path:
            made = self.make(candidate, path).wheel
            assert made
            return made

        def fetch(requires: Sequence[str]) -> tuple[list[Path], tuple[str, ...]]:
            return fetch_requires(requires, self.terms, scratch / "requires", compiled=compiled, progress=self.progress)

        return build_project(shop, Order(settings.build_requires, settings.config, variables), fetch, log)

    def _finish(
        self, finished: Repaired, scratch: Path, had: tuple[str, ...], added: Sequence[Added], folder: Path
    ) -> _Made:
        """Try a wheel, and keep it."""
        ready = scratch / "ready" / finished.name
        write_whole(ready, finished.content)
        tried = try_wheel(ready, finished.libraries, scratch, self.base)
        write_whole(folder / finished.name, finished.content)
        return _Made(
            finished.name, hashlib.sha256(finished.content).hexdigest(), bool(finished.libraries), had,
            tuple(map(str, added)), finished.bundled, finished.linked, tried.imported,
            (*finished.notes, *tried.notes),
        )  # fmt: skip


def _forget(folder: Path, key: str) -> None:
    """Remove the oldest wheels of a folder's."""
    kept = sorted(folder.glob("*/made.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for receipt in kept[_REMEMBERED:]:
        if receipt.parent.name != key[:32]:
            remove_folder(receipt.parent)
