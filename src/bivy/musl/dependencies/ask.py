"""What a person asks about (requirements, a file of them, a lock, a project) becomes a lock."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bivy.errors import BivyError
from bivy.musl.archives.standards import normalised
from bivy.musl.dependencies.index import Index
from bivy.musl.dependencies.lock import Question
from bivy.musl.dependencies.pylock import read_pylock
from bivy.musl.dependencies.requirements import read_requirements
from bivy.musl.dependencies.resolve import Resolution, resolve
from bivy.musl.dependencies.settings import default_index, read_settings
from bivy.musl.dependencies.sources import foresee, metadata_reader
from bivy.musl.dependencies.uvlock import PLAIN, Wanted, read_uv_lock
from bivy.musl.dependencies.workspace import find_workspace
from bivy.musl.report import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bivy.musl.dependencies.resolve import Metadata
    from bivy.musl.target import Target

_TIMEOUT: Final = 120.0


@dataclass(frozen=True, slots=True)
class Places:
    """How folders and repositories are looked into.

    Attributes:
        name: Returns the requirement (PEP 508) that a place is which is named without a name, relative to a folder.
        read: Returns what a folder or commit of a name, at an address, says of itself when it is built.
    """

    name: Callable[[str, Path], str]
    read: Callable[[str, str], Metadata]


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a question is asked.

    Attributes:
        targets: What for.
        cache: bivy's cache folder.
        wheels: Folders with wheels (``--find-links``).
        offline: Whether nothing may be fetched.
        wanted: Which extras and groups of a project or lock are installed.
        timeout: Seconds for the resolver.
        index: The package index that is asked in the place of the one that uv or pip is set up with; empty for that.
        places: How folders and repositories are looked into; ``None`` where they are not.
    """

    targets: tuple[Target, ...]
    cache: Path
    wheels: tuple[Path, ...] = ()
    offline: bool = False
    wanted: Wanted = PLAIN
    timeout: float = _TIMEOUT
    index: str = ""
    places: Places | None = None


def ask_requirements(requirements: Sequence[str], terms: Terms) -> Resolution:
    """Resolve requirements (PEP 508).

    Raises:
        BivyError: uv cannot be run.
    """
    return _ask(Question(tuple(requirements)), terms)


def ask_script(requirements: Sequence[str], settings: Mapping[str, Any], folder: Path, terms: Terms) -> Resolution:
    """Resolve what a script requires.

    Args:
        requirements: Its requirements (PEP 508).
        settings: What it says to uv (``[tool.uv]``).
        folder: The folder that it is in.
        terms: On what terms.

    Raises:
        BivyError: uv cannot be run.
    """
    sources = settings.get("sources", {})
    places = tuple(_from_sources(requirements, sources if isinstance(sources, dict) else {}, folder, strict=True))
    return _ask(Question(places, settings=_only_indexes(settings), folder=folder), terms)


def ask_requires_dist(requires: Sequence[str], extras: Sequence[str], terms: Terms) -> Resolution:
    """Resolve what a wheel or source archive requires (``Requires-Dist``, core metadata specification).

    Args:
        requires: Its requirements.
        extras: Which of its extras are asked for.
        terms: On what terms.

    Raises:
        BivyError: uv cannot be run.
    """
    return ask_requirements([text for each in requires if (text := _for_extras(each, extras, terms))], terms)


def _for_extras(text: str, extras: Sequence[str], terms: Terms) -> str:
    """Return a requirement as it is for extras that are asked for; an empty string where it is for others."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return text
    marker = requirement.marker
    if marker is None or "extra" not in str(marker):
        return text
    values = [{**target.markers, "extra": extra} for target in terms.targets for extra in ("", *extras)]
    if not any(marker.evaluate(each) for each in values):
        return ""
    requirement.marker = None
    return str(requirement)


def ask_requirements_file(path: Path, terms: Terms) -> Resolution:
    """Resolve a requirements file, in the form that pip reads.

    Raises:
        BivyError: The file cannot be read, or uv cannot be run.
    """
    question, problems = read_requirements(path, terms.places.name if terms.places else None)
    asked = _ask(question, terms)
    return replace(asked, problems=(*problems, *asked.problems))


def read_lock(path: Path, terms: Terms) -> Resolution:
    """Read a lock: a `pylock.toml` (also `pylock.NAME.toml`), or else a `uv.lock`.

    Raises:
        BivyError: It is neither, cannot be read, or is of a version that bivy does not know.
    """
    read = read_pylock if path.name.startswith("pylock") else read_uv_lock
    return Resolution(read(path, terms.wanted))


def ask_project(folder: Path, terms: Terms) -> Resolution:
    """Find out what a project's folder says it needs.

    It is looked for in this order: `uv.lock`, `pylock.toml`, the dependencies in `pyproject.toml`, `requirements.txt`.
    A lock that cannot be read becomes a problem, and the next is looked at.

    Raises:
        BivyError: None of them is there, or none can be read, or uv cannot be run.
    """
    problems: list[Problem] = []
    for name in ("uv.lock", "pylock.toml", "pyproject.toml", "requirements.txt"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            asked = _ask_project_file(path, terms)
        except BivyError as fault:
            problems.append(Problem(str(path), f"{fault}.".replace("..", "."), fault.hint or ""))
            continue
        if asked:
            return replace(asked, problems=(*problems, *asked.problems))
    if problems:
        raise BivyError(problems[0].message.rstrip("."), hint=problems[0].hint or None)
    if (folder / "setup.py").is_file() or (folder / "setup.cfg").is_file():
        raise BivyError(
            f"{folder} says only in setup.py or setup.cfg what it needs, and bivy does not run it",
            hint="write its dependencies into pyproject.toml or requirements.txt, or lock them with uv",
        )
    raise BivyError(
        f"{folder} has no uv.lock, pylock.toml, pyproject.toml or requirements.txt",
        hint="name a project's folder, a lock, a requirements file, or requirements",
    )


def _ask_project_file(path: Path, terms: Terms) -> Resolution | None:
    if path.name == "requirements.txt":
        return ask_requirements_file(path, terms)
    if path.name == "pyproject.toml":
        return _ask_pyproject(path, terms)
    return read_lock(path, terms)


def _ask_pyproject(path: Path, terms: Terms) -> Resolution | None:
    """Resolve what a `pyproject.toml` says; ``None`` where it does not say what the project needs."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as fault:
        raise BivyError(f"{path} cannot be read: {fault.strerror}") from fault
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as fault:
        raise BivyError(f"{path} is not in the form of a pyproject.toml: {fault}") from fault
    try:
        project = table.get("project", {})
        if not project and "dependency-groups" not in table:
            return _not_said(path, table)
        if "dependencies" in project.get("dynamic", ()) or "dependencies" in table.get("project", {}).get(
            "dynamic", ()
        ):
            return _not_said(path, table)
        requirements = [*map(str, project.get("dependencies", ())), *_extras(project, terms.wanted)]
        requirements += _groups(table, terms.wanted)
        settings: Mapping[str, Any] = table.get("tool", {}).get("uv", {})
        sources = _sources(settings, path.parent)
        plain = _without_own_extras(requirements, project, terms.wanted)
        question = Question(
            tuple(_from_sources(plain, sources, path.parent, strict=terms.places is not None)),
            settings=_only_indexes({**settings, **read_settings(path.parent / "uv.toml")}),
            folder=path.parent,
        )
    except (AttributeError, TypeError, KeyError) as fault:
        raise BivyError(
            f"{path} is not laid out as a pyproject.toml: a value is of another kind than expected"
        ) from fault
    return _ask(question, terms)


def _not_said(path: Path, table: Mapping[str, Any]) -> Resolution | None:
    if "poetry" in table.get("tool", {}) and not (path.parent / "requirements.txt").is_file():
        raise BivyError(
            f"{path} says what the project needs in Poetry's own form",
            hint="export it: poetry export -o requirements.txt (with poetry-plugin-export), or move it to [project]",
        )
    return None


def _extras(project: Mapping[str, Any], wanted: Wanted) -> Iterator[str]:
    for name, entries in project.get("optional-dependencies", {}).items():
        if wanted.every or normalised(name) in wanted.extras:
            yield from map(str, entries)


def _groups(table: Mapping[str, Any], wanted: Wanted) -> Iterator[str]:
    groups = {normalised(name): entries for name, entries in table.get("dependency-groups", {}).items()}
    seen: set[str] = set()
    pending = [name for name in groups if wanted.every or name in wanted.groups]
    while pending:
        name = pending.pop(0)
        if name in seen:
            continue
        seen.add(name)
        for entry in groups.get(name, ()):
            if isinstance(entry, str):
                yield entry
            elif "include-group" in entry:
                pending.append(normalised(entry["include-group"]))


def _without_own_extras(requirements: Sequence[str], project: Mapping[str, Any], wanted: Wanted) -> Iterator[str]:
    """Put in place of the project's own name, as in ``all = ["project[fast]"]``, what its extras require."""
    from packaging.requirements import InvalidRequirement, Requirement

    own = normalised(str(project.get("name", "")))
    taken: set[str] = set(wanted.extras)
    pending = [*requirements]
    while pending:
        text = pending.pop(0)
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            yield text
            continue
        if not own or normalised(requirement.name) != own:
            yield text
            continue
        new = frozenset(map(normalised, requirement.extras)) - taken
        taken |= new
        pending += _extras(project, Wanted(extras=new))


def _sources(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return where a project takes what from that no index has: as it says, or the root of its workspace."""
    own = settings.get("sources", {})
    workspace = find_workspace(folder)
    if not workspace or workspace.root == folder.resolve():
        return dict(own)
    above = {
        name: [{**each, "path": str(workspace.root / each["path"])} if "path" in each else each for each in _each(told)]
        for name, told in workspace.sources.items()
    }
    return {**above, **own}


def _each(source: object) -> list[dict[str, Any]]:
    return [each for each in (source if isinstance(source, list) else [source]) if isinstance(each, dict)]


def _from_sources(
    requirements: Iterable[str], sources: Mapping[str, Any], folder: Path, *, strict: bool
) -> Iterator[str]:
    """Say of requirements that uv's settings give a place of their own (``[tool.uv.sources]``) that they have it."""
    from packaging.requirements import InvalidRequirement, Requirement

    told = {normalised(name): _each(source) for name, source in sources.items()}
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            yield text
            continue
        placed = [(each, place) for each in told.get(normalised(requirement.name), ())
                  if (place := _place(requirement.name, each, folder, strict=strict))]  # fmt: skip
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        for each, place in placed:
            markers = [f"({marker})" for marker in (requirement.marker, each.get("marker")) if marker]
            condition = f" ; {' and '.join(markers)}" if markers else ""
            yield f"{requirement.name}{extras} @ {place}{condition}"
        if not placed:
            yield text


def _place(name: str, source: Mapping[str, Any], folder: Path, *, strict: bool) -> str:
    """Return where a source is that is no index; an empty string for one that is."""
    if "git" in source:
        revision = next((f"@{source[key]}" for key in ("rev", "tag", "branch") if key in source), "")
        inside = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
        return f"git+{str(source['git']).removeprefix('git+')}{revision}{inside}"
    if source.get("workspace"):
        workspace = find_workspace(folder)
        member = workspace.members.get(normalised(name)) if workspace else None
        if member is None and not strict:
            return folder.absolute().as_uri()
        if member is None:
            raise BivyError(
                f"{folder} takes {name} from its workspace, which has no such member",
                hint="is it among the members in [tool.uv.workspace]?",
            )
        return member.as_uri()
    if "path" in source:
        return Path(os.path.normpath(folder.absolute() / source["path"])).as_uri()
    return str(source.get("url", ""))


def _only_indexes(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return uv's settings without the sources that are no indexes."""
    sources = {
        name: source
        for name, source in settings.get("sources", {}).items()
        if all("index" in each for each in (source if isinstance(source, list) else [source]))
    }
    return {
        **{key: value for key, value in settings.items() if key != "sources"},
        **({"sources": sources} if sources else {}),
    }


def _ask(question: Question, terms: Terms) -> Resolution:
    index_told = ("--default-index", terms.index) if terms.index else ()
    links = tuple(word for folder in terms.wheels for word in ("--find-links", str(folder.absolute())))
    question = replace(
        question,
        pythons=tuple(dict.fromkeys(target.python for target in terms.targets)),
        options=(*question.options, *index_told, *links),
        offline=terms.offline,
        looking=terms.places is not None,
    )
    index = Index(terms.cache / "check", offline=terms.offline, options=question.options)
    try:
        reader = metadata_reader(index, default_index(question.options))
        foreseen = [*foresee(question.requirements, index, default_index(question.options))]
        read_place = terms.places.read if terms.places else None
        return resolve(question, terms.cache, reader, terms.timeout, foreseen, read_place)
    finally:
        index.close()
