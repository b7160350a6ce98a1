"""One question, every kind of evidence that there is for it, one report."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.errors import BivyError
from bivy.musl.archives.sdist import read_sdist
from bivy.musl.archives.standards import normalised
from bivy.musl.archives.wheel import open_wheel
from bivy.musl.binaries import check_binaries, check_folder, check_tree
from bivy.musl.code import check_code
from bivy.musl.code.sources import is_left_out
from bivy.musl.dependencies import (
    Lock,
    Resolution,
    Terms,
    Wanted,
    ask_project,
    ask_requirements,
    ask_requirements_file,
    ask_requires_dist,
    check_distributions,
    read_lock,
)
from bivy.musl.dependencies.lock import Edge, File, Locked, Origin
from bivy.musl.dependencies.wheels import check_wheels
from bivy.musl.installed import read_installed
from bivy.musl.render.summary import spell_counts
from bivy.musl.report import Part, Problem, Report
from bivy.musl.subject import Kind, Subject, recognise
from bivy.oci.image import read_tree
from bivy.oci.open import opened
from bivy.progress import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bivy.musl.target import Target
    from bivy.progress import Progress


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and on what terms.

    Attributes:
        asked: What about, as the person wrote it.
        targets: What for.
        extras: Optional parts of a project that are to be installed with it.
        groups: Dependency groups of a project, likewise.
        exclude: Patterns of code that is left out.
        wheels: Folders of wheels that were compiled for musl.
        index: The package index; empty for the one that pip or uv is set up with.
        deep: Whether the binaries of the wheels that would be installed are read.
        offline: Whether nothing may be fetched.
        layout: The layout that plain names of images are in.
    """

    asked: tuple[str, ...]
    targets: tuple[Target, ...]
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    wheels: tuple[Path, ...] = ()
    index: str = ""
    deep: bool = False
    offline: bool = False
    layout: Path = Path("dist")


def check(question: Question, *, cache: Path, progress: Progress) -> Report:
    """Answer a question; what cannot be read becomes a problem in the report, and the rest is answered.

    Args:
        question: What is asked.
        cache: bivy's cache folder.
        progress: Who watches.

    Raises:
        UsageError: Something that is asked about is nothing that can be.
    """
    subjects = recognise(question.asked)
    asking = _Asking(question, cache, progress)
    found = Part()
    requirements = [subject.text for subject in subjects if subject.kind is Kind.REQUIREMENT]
    if requirements:
        # What is asked for in one breath is installed together, as with pip.
        found += asking.told("requirements", lambda: asking.requirements(requirements))
    for subject in subjects:
        if subject.kind is not Kind.REQUIREMENT:
            found += asking.told(subject.text, functools.partial(asking.about, subject))
    return Report(question.asked, question.targets, found)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One question while it is being answered."""

    question: Question
    cache: Path
    progress: Progress

    def told(self, name: str, answer: Callable[[], Part]) -> Part:
        """Get a part of the answer while the person watches; a fault becomes a problem."""
        key = f"check {name}"
        self.progress.begin(key)
        try:
            part = answer()
        except (BivyError, OSError) as fault:
            self.progress.end(key, Outcome.FAILED)
            return Part(problems=(_problem(name, fault),))
        except BaseException:
            self.progress.end(key, Outcome.STOPPED)
            raise
        self.progress.end(key, Outcome.DONE, ", ".join(spell_counts(part.looked_at)))
        return part

    def about(self, subject: Subject) -> Part:
        answers: dict[Kind, Callable[[Path], Part]] = {
            Kind.REQUIREMENTS: lambda path: self.resolved(ask_requirements_file(path, self.terms)),
            Kind.LOCK: lambda path: self.resolved(read_lock(path, self.terms)),
            Kind.PROJECT: self.project,
            Kind.WHEEL: self.wheel,
            Kind.SDIST: self.sdist,
            Kind.ENVIRONMENT: self.environment,
            Kind.BINARIES: self.binaries,
            Kind.CODE: self.code,
        }
        if subject.kind is Kind.IMAGE:
            return self.image(subject.text)
        return answers[subject.kind](subject.path)

    @property
    def terms(self) -> Terms:
        question = self.question
        return Terms(
            question.targets,
            self.cache,
            wheels=question.wheels,
            offline=question.offline,
            wanted=Wanted(frozenset(map(normalised, question.extras)), frozenset(map(normalised, question.groups))),
            index=question.index,
        )

    def requirements(self, texts: Sequence[str]) -> Part:
        return self.resolved(ask_requirements(texts, self.terms))

    def resolved(self, resolution: Resolution) -> Part:
        question = self.question
        part = check_distributions(
            resolution, question.targets, cache=self.cache, wheels=question.wheels, offline=question.offline
        )
        if question.deep:
            part += check_wheels(part.distributions, index=question.index, offline=question.offline)
        return part

    def project(self, path: Path) -> Part:
        folder = path if path.is_dir() else path.parent
        part = _kept(str(path), lambda: self.resolved(ask_project(folder, self.terms)))
        return part + self.code(folder) + _kept(str(folder), lambda: self._own_libraries(folder))

    def code(self, path: Path) -> Part:
        return check_code([path], targets=self.question.targets, exclude=self.question.exclude)

    def wheel(self, path: Path) -> Part:
        with open_wheel(path) as wheel:
            named, metadata = wheel.file_name, wheel.metadata
            tags = [str(tag) for tag in named.tags]
            part = check_binaries(wheel.binaries(), targets=self.question.targets, where=str(path), tags=tags)
            wheel.check_contents()
            part += Part(problems=wheel.problems)
        if named.name:
            part += self._archive(path, named.name, named.version, metadata.requires if metadata else ())
        return part

    def sdist(self, path: Path) -> Part:
        sdist = read_sdist(path)
        return Part(problems=sdist.problems) + self._archive(path, sdist.name, sdist.version, sdist.requires)

    def environment(self, path: Path) -> Part:
        installed = read_installed(path)
        if not installed:
            raise BivyError(
                f"nothing is installed in {path}", hint="name a virtual environment or a site-packages folder"
            )
        part = self.requirements([f"{one.name}=={one.version}" for one in installed if not one.own])
        if any(one.for_musl for one in installed):
            part += self.binaries(path)
        return part

    def binaries(self, path: Path) -> Part:
        return check_folder(path, targets=self.question.targets)

    def image(self, reference: str) -> Part:
        part = Part()
        for arch in dict.fromkeys(target.arch for target in self.question.targets):
            targets = [target for target in self.question.targets if target.arch == arch]
            with opened(reference, layout=self.question.layout, platform=arch.platform, cache=self.cache) as image:
                part += check_tree(read_tree(image), targets=targets, where=reference)
        return part

    def _archive(self, path: Path, name: str, version: str, requires: Sequence[str]) -> Part:
        """Ask about an archive on this machine, just as it is, and about all that it requires."""
        asking = self.question.extras, self.terms
        below = _kept(str(path), lambda: self.resolved(ask_requires_dist(requires, *asking)))
        asked = tuple(sorted({one.name for one in below.distributions if one.asked}))
        own = Locked(name, version, Origin.PATH, str(path), (File(path.name, str(path)),))
        part = self.resolved(Resolution(Lock((own,), (Edge(name),))))
        itself = replace(part, distributions=tuple(replace(one, requires=asked) for one in part.distributions))
        return itself + replace(below, distributions=tuple(replace(one, asked=False) for one in below.distributions))

    def _own_libraries(self, folder: Path) -> Part:
        libraries = ((str(path.relative_to(folder)), path.read_bytes()) for path in _libraries(folder))
        return check_binaries(libraries, targets=self.question.targets, where=str(folder))


def _kept(name: str, answer: Callable[[], Part]) -> Part:
    """Get a part of an answer; a fault becomes a problem, and what else there is to say is said."""
    try:
        return answer()
    except (BivyError, OSError) as fault:
        return Part(problems=(_problem(name, fault),))


def _problem(name: str, fault: Exception) -> Problem:
    if isinstance(fault, OSError):
        return Problem(str(fault.filename or name), str(fault.strerror or fault))
    return Problem(name, str(fault), getattr(fault, "hint", None) or "")


def _libraries(folder: Path) -> Iterator[Path]:
    """Find the shared libraries that a project brings; what was built in place for this machine is none."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_left_out(Path(parent, name))]
        for name in names:
            if re.search(r"\.so(\.\d+)*$", name) and not name.endswith("-linux-gnu.so"):
                yield Path(parent, name)
