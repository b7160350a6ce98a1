"""A lock that is not for what a project requires now is noticed; uv writes down in its own what it was made for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bivy.app.values import ProjectKind
from bivy.errors import BivyError
from bivy.musl.archives.standards import normalised
from bivy.musl.dependencies.lock import Origin, Stated
from bivy.tables import table_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bivy.app.values import Project
    from bivy.musl.dependencies.lock import Lock, Locked
    from bivy.musl.target import Target

LOCKS: Final = ("uv.lock", "pylock.toml")


def check_lock(project: Project, target: Target, locked: Sequence[tuple[str, str]], lock: Lock | None = None) -> None:
    """Refuse a lock that is not for what the project requires.

    Args:
        project: The project.
        target: What for.
        locked: The names and versions that the lock installs.
        lock: The lock, where it may say what it was made for.

    Raises:
        BivyError: A requirement is not in the lock, or in a version that it rules out; or the lock was made for other
            requirements.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    name_of_lock = Path(project.dependencies).name
    if not name_of_lock.startswith(LOCKS) or project.kind is ProjectKind.SCRIPT:
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
                hint="lock it again: uv lock" if name_of_lock == "uv.lock" else "lock it again",
            )
    if lock and name_of_lock == "uv.lock":
        check_stated(project, lock)


def _written(root: Path) -> tuple[str, ...]:
    """Return what a requirements file beside a lock says, which is what the lock was made from."""
    from bivy.musl.dependencies.requirements import read_requirements

    path = root / "requirements.txt"
    return read_requirements(path)[0].requirements if path.is_file() else ()


def check_stated(project: Project, lock: Lock) -> None:
    """Refuse a lock that was made for other requirements than a project, or a folder that it requires, has now.

    Raises:
        BivyError: So it is; the message names the first difference.
    """
    from bivy.app.table import read_document

    for package in lock.packages:
        own = package.origin is Origin.OWN
        folder = project.root if own and not package.folder else package.folder
        if package.origin not in (Origin.OWN, Origin.FOLDER) or package.requires_dist is None or folder is None:
            continue
        path = folder / "pyproject.toml"
        table = read_document(path).table if path.is_file() else {}
        if not isinstance(table.get("project"), dict) or _says_late(table["project"]):
            continue
        whose = "the project" if own else package.name
        if fault := _difference(package, table, whose):
            raise _refusal(project, fault)
        if own and (fault := _python(lock, table["project"])):
            raise _refusal(project, fault)


def _says_late(project: Mapping[str, Any]) -> bool:
    """Tell whether a project says only when it is built what it requires."""
    dynamic = project.get("dynamic", [])
    return not isinstance(dynamic, list) or "dependencies" in dynamic or "optional-dependencies" in dynamic


def _refusal(project: Project, fault: str) -> BivyError:
    return BivyError(f"{project.dependencies} does not match the project: {fault}", hint="lock it again: uv lock")


def _difference(package: Locked, table: Mapping[str, Any], whose: str) -> str:
    """Return the first difference between what a lock says that a project required and what it requires now."""
    stated = set(package.requires_dist or ())
    now = {*_requirements(table)}
    unknown = {_without(each) for each in stated if each.elsewhere}
    stated = {_comparable(each) for each in stated if not each.elsewhere}
    now = {_comparable(each) for each in now if not each.elsewhere and _without(each) not in unknown}
    names = {each.name for each in _requirements(table)}
    gone = sorted(each.name for each in unknown if each.name not in names)
    if gone:
        return f"it was made when {whose} required {gone[0]}"
    for each in sorted(stated - now, key=str):
        other = next((new for new in sorted(now - stated, key=str) if (new.name, new.of) == (each.name, each.of)), None)
        changed = f", which is {_spelled(other)} now" if other else ""
        return f"it was made when {whose} required {_spelled(each)}{changed}"
    for each in sorted(now - stated, key=str):
        return f"it was made before {whose} required {_spelled(each)}"
    return ""


def _spelled(stated: Stated) -> str:
    extras = f"[{','.join(stated.extras)}]" if stated.extras else ""
    return f"{stated.name}{extras}{stated.specifier}" + (f" (in its {stated.of})" if stated.of else "")


def _without(stated: Stated) -> Stated:
    return Stated(stated.name, stated.extras, "", stated.of)


def _comparable(stated: Stated) -> Stated:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifier = ",".join(sorted(str(each) for each in SpecifierSet(stated.specifier)))
    except InvalidSpecifier:
        specifier = stated.specifier
    return Stated(stated.name, stated.extras, specifier, stated.of)


def _requirements(table: Mapping[str, Any]) -> Iterator[Stated]:
    """Yield what a project requires now, with its extras and groups, as a lock of uv's says it."""
    project = table["project"]
    sources = table_at(table, "tool", "uv", "sources")
    lists: list[tuple[str, object]] = [("", project.get("dependencies", []))]
    lists += [(f"extra {normalised(name)}", each) for name, each in table_at(project, "optional-dependencies").items()]
    lists += [
        (f"group {normalised(name)}", [*_group(table, name, ())]) for name in table_at(table, "dependency-groups")
    ]
    legacy = table_at(table, "tool", "uv").get("dev-dependencies")
    lists += [("group dev", legacy)] if legacy else []
    for of, entries in lists:
        for text in entries if isinstance(entries, list) else ():
            if isinstance(text, str) and (stated := _parsed(text, of, sources)):
                yield stated


def _parsed(text: str, of: str, sources: Mapping[str, Any]) -> Stated | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    name = normalised(requirement.name)
    source = next((each for key, each in sources.items() if normalised(key) == name), None)
    entries = source if isinstance(source, list) else [source]
    placed = any(isinstance(each, dict) and "index" not in each for each in entries)
    extras = tuple(sorted(map(normalised, requirement.extras)))
    return Stated(name, extras, str(requirement.specifier), of, placed or bool(requirement.url))


def _group(table: Mapping[str, Any], name: str, above: tuple[str, ...]) -> Iterator[str]:
    groups = {normalised(each): entries for each, entries in table_at(table, "dependency-groups").items()}
    entries = groups.get(normalised(name), [])
    for entry in entries if isinstance(entries, list) and normalised(name) not in above else ():
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict) and isinstance(other := entry.get("include-group"), str):
            yield from _group(table, other, (*above, normalised(name)))


def _python(lock: Lock, project: Mapping[str, Any]) -> str:
    """Return that a lock is for other versions of Python than the project; that of a workspace is for all members."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    told = project.get("requires-python", "")
    if not isinstance(told, str) or not told or not lock.requires_python:
        return ""
    try:
        now, then = SpecifierSet(told), SpecifierSet(lock.requires_python)
    except InvalidSpecifier:
        return ""
    minors = [f"3.{minor}.{patch}" for minor in range(30) for patch in (0, 1, 5, 99)]
    outside = [each for each in minors if each in then and each not in now]
    alone = sum(each.origin in (Origin.OWN, Origin.FOLDER) for each in lock.packages) == 1
    if outside or (alone and any(each in now and each not in then for each in minors)):
        return f"it is for Python {lock.requires_python}, and the project is for {told}"
    return ""
