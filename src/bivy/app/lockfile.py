"""What a project's requirements came to is written down, so that it stays so: a ``pylock.toml`` (PEP 751)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bivy.app.values import ProjectKind
from bivy.errors import UsageError
from bivy.files import sha256_of, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bivy.app.dependencies import Pinned, Source
    from bivy.app.values import Project
    from bivy.musl.target import Target

NAME: Final = "pylock.toml"


def check_lockable(project: Project) -> None:
    """Refuse to lock what has a lock, or what none is found for.

    Raises:
        UsageError: So it is.
    """
    if project.kind is ProjectKind.SCRIPT:
        raise UsageError("a script has no lock of this kind", hint="uv lock --script writes one of uv's own")
    if not project.dependencies:
        raise UsageError(f"{project.root} depends on nothing, so there is nothing to lock")
    if Path(project.dependencies).name in ("uv.lock", NAME):
        how = "remove it to have one written anew" if Path(project.dependencies).name == NAME else "uv lock renews it"
        raise UsageError(f"{project.root} has a lock already: {project.dependencies}", hint=f"it is obeyed; {how}")


def write_lock(project: Project, pinned: Mapping[Target, Sequence[Pinned]]) -> Path:
    """Write a lock with what was resolved for some targets; return the file."""
    path = project.root / NAME
    write_whole(path, format_lock(pinned, project.root).encode())
    return path


def format_lock(pinned: Mapping[Target, Sequence[Pinned]], root: Path) -> str:
    """Return the text of a lock.

    Args:
        pinned: The wheels for each target.
        root: The folder that it will be in.
    """
    machines = sorted({target.arch.machine for target in pinned})
    python = next(iter(pinned)).python
    blocks = [
        "# What bivy app --lock resolved. It is obeyed to the letter; remove it to resolve anew.",
        'lock-version = "1.0"',
        f"environments = [{', '.join(_text(f'{_MARKER} == {machine!r}') for machine in machines)}]",
        f'requires-python = "=={python}.*"',
        'created-by = "bivy"',
    ]
    found: dict[tuple[str, str], dict[str, Pinned]] = {}
    for target, wheels in pinned.items():
        for each in wheels:
            found.setdefault((each.name, each.version), {})[target.arch.machine] = each
    for (name, version), wheels_of in sorted(found.items()):
        blocks += ["", *_package(name, version, wheels_of, machines, root)]
    return "\n".join(blocks) + "\n"


_MARKER: Final = "sys_platform == 'linux' and platform_machine"


def _package(
    name: str, version: str, wheels: Mapping[str, Pinned], machines: Sequence[str], root: Path
) -> Iterator[str]:
    yield "[[packages]]"
    yield f"name = {_text(name)}"
    yield f"version = {_text(version)}"
    if set(wheels) != set(machines):
        yield f"marker = {_text(' or '.join(f'platform_machine == {machine!r}' for machine in sorted(wheels)))}"
    requires = sorted({other for each in wheels.values() for other in each.requires})
    if requires:
        yield f"dependencies = [{', '.join(f'{{ name = {_text(other)} }}' for other in requires)}]"
    sources = [each.source for each in wheels.values() if each.source]
    if sources:
        yield from _source(sources[0], root)
        return
    for each in {each.file: each for each in wheels.values()}.values():
        yield "[[packages.wheels]]"
        yield f"name = {_text(each.file)}"
        if "://" in each.url:
            yield f"url = {_text(_public(each.url))}"
        else:
            yield f"path = {_text(os.path.relpath(each.url, root))}"
        if each.size:
            yield f"size = {each.size}"
        yield f"hashes = {{ sha256 = {_text(each.sha256 or sha256_of(Path(each.url)))} }}"


def _source(source: Source, root: Path) -> Iterator[str]:
    """Yield the table that says where something comes from that a wheel is made of (PEP 751)."""
    if source.kind == "folder":
        yield "[packages.directory]"
        yield f"path = {_text(os.path.relpath(source.place, root))}"
        return
    yield f"[packages.{'vcs' if source.kind == 'git' else 'archive'}]"
    if source.kind == "git":
        yield 'type = "git"'
    key, place = ("url", source.place) if "://" in source.place else ("path", os.path.relpath(source.place, root))
    yield f"{key} = {_text(place)}"
    if source.revision:
        yield f"requested-revision = {_text(source.revision)}"
    if source.commit:
        yield f"commit-id = {_text(source.commit)}"
    if source.subdirectory:
        yield f"subdirectory = {_text(source.subdirectory)}"
    if source.kind == "archive":
        yield f"hashes = {{ sha256 = {_text(source.sha256 or sha256_of(Path(source.place)))} }}"


def _public(url: str) -> str:
    from bivy.musl.dependencies.settings import without_credentials

    return without_credentials(url)


def _text(value: str) -> str:
    """Return a text as TOML writes it, which is as JSON does."""
    return json.dumps(value, ensure_ascii=False)
