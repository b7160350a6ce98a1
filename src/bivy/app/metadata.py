"""What a ``pyproject.toml`` says of its project: PEP 621's table, Poetry's own, and versions that stand elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bivy.app.values import Metadata
from bivy.musl.archives.standards import LEGACY_BACKEND, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bivy.app.options import AppOptions
    from bivy.app.table import Document
    from bivy.errors import UsageError

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Named:
    """A project's name and version, and the rest of what it says.

    Attributes:
        name: Its name; empty where it has none.
        version: Its version; empty where it stands elsewhere.
        package: Whether it is made into a wheel.
        metadata: The rest.
    """

    name: str
    version: str
    package: bool
    metadata: Metadata


def read_metadata(document: Document, options: AppOptions) -> Named:
    """Read what a ``pyproject.toml`` says of its project, with the requirements that `options` ask for.

    Raises:
        UsageError: A value is of another kind than it has to be, or is missing; the message has file and line.
    """
    reading = _Reading(document)
    project = reading.table("project")
    poetry = reading.table("tool.poetry")
    if project:
        return _from_project(reading, project, poetry, options)
    if poetry:
        return _from_poetry(reading, poetry, options)
    groups = reading.table("dependency-groups")
    metadata = Metadata(requires=_groups(reading, groups, options), groups=_names(groups), backend=reading.backend())
    return Named("", "", package=False, metadata=metadata)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A document whose values are looked up with their kinds checked."""

    document: Document

    def table(self, key: str) -> Mapping[str, Any]:
        value: Any = self.document.table
        reached = ""
        for part in key.split("."):
            reached = f"{reached}.{part}" if reached else part
            value = value.get(part, {})
            if not isinstance(value, dict):
                raise self.wrong(reached, "a table")
        return value  # type: ignore[no-any-return]

    def text(self, table: Mapping[str, Any], at: str, key: str) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            raise self.wrong(f"{at}.{key}", "a text")
        return value

    def texts(self, table: Mapping[str, Any], at: str, key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.wrong(f"{at}.{key}", "a list of texts")
        return tuple(value)

    def mapping(self, table: Mapping[str, Any], at: str, key: str) -> dict[str, str]:
        value = table.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise self.wrong(f"{at}.{key}", "a table of texts")
        return value

    def backend(self) -> str:
        """Return the build backend; setuptools where there is a table for one that names none (PEP 517)."""
        table = self.table("build-system")
        return self.text(table, "build-system", "build-backend") or (LEGACY_BACKEND if table else "")

    def wrong(self, key: str, kind: str) -> UsageError:
        return self.document.refuse(key, f"{key} has to be {kind}")


def _from_project(
    reading: _Reading, project: Mapping[str, Any], poetry: Mapping[str, Any], options: AppOptions
) -> Named:
    name = _checked_name(reading, reading.text(project, "project", "name"), "project")
    groups = {**reading.table("dependency-groups")}
    extras = reading.table("project.optional-dependencies")
    requires = [*reading.texts(project, "project", "dependencies")]
    for key in extras:
        listed = reading.texts(extras, "project.optional-dependencies", key)
        if _is_asked_for(key, options.extras):
            requires += listed
    metadata = Metadata(
        summary=reading.text(project, "project", "description"),
        license=_license(project),
        authors=tuple(_authors(reading, project)),
        urls=reading.mapping(project, "project", "urls"),
        requires_python=reading.text(project, "project", "requires-python"),
        requires=(*requires, *_groups(reading, groups, options)),
        extras=_names(extras),
        groups=_names(groups),
        scripts=reading.mapping(project, "project", "scripts"),
        backend=reading.backend(),
    )
    version = reading.text(project, "project", "version")
    if not version and "version" in reading.texts(project, "project", "dynamic"):
        version = reading.text(poetry, "tool.poetry", "version")
    return Named(name, version, _is_package(reading, poetry), metadata)


def _is_package(reading: _Reading, poetry: Mapping[str, Any]) -> bool:
    """Tell whether a project is made into a wheel, by the rule that uv and Poetry have."""
    if poetry.get("package-mode") is False:
        return False
    told = reading.table("tool.uv").get("package")
    return told if isinstance(told, bool) else bool(reading.table("build-system"))


def _checked_name(reading: _Reading, name: str, at: str) -> str:
    if not _NAME.fullmatch(name):
        message = f"{at}.name has to be letters, digits, and . - _ between them" if name else f"[{at}] has no name"
        raise reading.document.refuse(f"{at}.name" if name else at, message, hint='such as name = "shop"')
    return name


def _license(project: Mapping[str, Any]) -> str:
    """Return a licence in one line (PEP 639, or the tables of PEP 621)."""
    told = project.get("license", "")
    text = told.get("text", "") if isinstance(told, dict) else told
    # The text may be a whole licence.
    return text.strip() if isinstance(text, str) and len(text) <= 100 and "\n" not in text.strip() else ""


def _authors(reading: _Reading, project: Mapping[str, Any]) -> Iterator[str]:
    told = project.get("authors", [])
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise reading.wrong("project.authors", "a list of tables with name and email")
    for each in told:
        if isinstance(name := each.get("name") or each.get("email"), str):
            yield name


def _names(table: Iterable[str]) -> frozenset[str]:
    return frozenset(map(normalised, table))


def _is_asked_for(name: str, asked: Iterable[str]) -> bool:
    return not _names([name]).isdisjoint(_names(asked))


def _groups(reading: _Reading, groups: Mapping[str, Any], options: AppOptions) -> tuple[str, ...]:
    """Return what the dependency groups that are asked for require, with those that they include (PEP 735)."""
    found: dict[str, None] = {}
    pending = [name for name in groups if _is_asked_for(name, options.groups)]
    seen: set[str] = set()
    while pending:
        name = pending.pop(0)
        if name in seen:
            continue
        seen.add(name)
        entries = groups[name]
        if not isinstance(entries, list):
            raise reading.wrong(f"dependency-groups.{name}", "a list")
        for entry in entries:
            if isinstance(entry, str):
                found[entry] = None
            elif isinstance(entry, dict) and isinstance(included := entry.get("include-group"), str):
                pending += [each for each in groups if _is_asked_for(each, [included])]
    return tuple(found)


def _from_poetry(reading: _Reading, poetry: Mapping[str, Any], options: AppOptions) -> Named:
    """Read Poetry's own table: what it says in another form than PEP 621, as Poetry's documentation describes it."""
    at = "tool.poetry"
    required = poetry.get("dependencies", {})
    if not isinstance(required, dict):
        raise reading.wrong(f"{at}.dependencies", "a table")
    extras = reading.table(f"{at}.extras")
    groups = reading.table(f"{at}.group")
    wanted = {
        str(each) for name in extras if _is_asked_for(name, options.extras)
        for each in reading.texts(extras, f"{at}.extras", name)
    }  # fmt: skip
    requires = [*_of_poetry(required, wanted)]
    for name, group in groups.items():
        if _is_asked_for(name, options.groups) and isinstance(group, dict):
            requires += _of_poetry(group.get("dependencies", {}), set())
    python = required.get("python", "")
    addresses = {"Homepage": "homepage", "Repository": "repository", "Documentation": "documentation"}
    metadata = Metadata(
        summary=reading.text(poetry, at, "description"),
        license=_license(poetry),
        authors=tuple(re.sub(r"\s*<[^>]*>$", "", each) or each for each in reading.texts(poetry, at, "authors")),
        urls={label: each for label, key in addresses.items() if (each := reading.text(poetry, at, key))},
        requires_python=poetry_constraint(python) if isinstance(python, str) else "",
        requires=tuple(requires),
        extras=_names(extras),
        groups=_names(groups),
        scripts={name: each for name, each in reading.table(f"{at}.scripts").items() if isinstance(each, str)},
        backend=reading.backend(),
    )
    package = _is_package(reading, poetry)
    name = reading.text(poetry, at, "name")
    return Named(
        _checked_name(reading, name, at) if name or package else "", reading.text(poetry, at, "version"), package,
        metadata,
    )  # fmt: skip


def _of_poetry(required: Mapping[str, Any], wanted: set[str]) -> Iterator[str]:
    """Yield requirements as PEP 508 has them, as far as their names and extras; versions are a lock's business."""
    for name, told in required.items():
        table = told if isinstance(told, dict) else {}
        if name == "python" or (table.get("optional") is True and name not in wanted):
            continue
        extras = [str(each) for each in table.get("extras", []) if isinstance(each, str)]
        yield f"{name}[{','.join(extras)}]" if extras else name


def poetry_constraint(text: str) -> str:
    """Return a constraint of Poetry's on versions as PEP 440 writes it; empty where it is more than PEP 440 can say.

    ``^3.11`` means up to the next major version, ``~3.11`` up to the next minor one, ``3.11.*`` and signs as usual.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    specifiers = []
    for word in re.split(r"\s*,\s*|\s+(?=[<>=!^~])", text.strip()):
        found = re.fullmatch(r"(\^|~(?!=)|[<>=]=?|!=|~=|)\s*(\d+(?:\.\d+)*(?:\.\*)?)", word)
        if not found:
            return ""
        sign, version = found[1], found[2]
        numbers = [int(each) for each in version.removesuffix(".*").split(".")]
        if sign == "^":
            specifiers += [f">={version}", f"<{numbers[0] + 1}" if numbers[0] else f"<0.{[*numbers, 0][1] + 1}"]
        elif sign == "~":
            upper = f"{numbers[0]}.{numbers[1] + 1}" if len(numbers) > 1 else f"{numbers[0] + 1}"
            specifiers += [f">={version}", f"<{upper}"]
        else:
            specifiers.append(f"{'==' if sign in ('', '=') else sign}{version}")
    try:
        return str(SpecifierSet(",".join(specifiers)))
    except InvalidSpecifier:
        return ""
