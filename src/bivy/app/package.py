"""A project with a build backend becomes a wheel: by the backend, or from the last one where only code has changed."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bivy import __version__
from bivy.app.backend import make_wheel
from bivy.epoch import source_date_epoch
from bivy.files import read_noted, replacing, write_whole
from bivy.tables import table_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bivy.app.contents import Contents
    from bivy.app.dependencies import Asking
    from bivy.app.values import Project
    from bivy.musl.target import Target

# Raised when the same project comes to another wheel.
GENERATION: Final = 1

# Backends that copy modules into a wheel as they are, as long as they are not told to do anything else.
_COPYING: Final = ("hatchling.build", "setuptools.build_meta", "flit_core.buildapi", "poetry.core.masonry.api",
                   "uv_build", "pdm.backend")  # fmt: skip
_RECORD: Final = "made.json"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can hold


class _Made(msgspec.Struct, frozen=True):
    """A wheel that a backend made, and what of it may be made anew without the backend.

    Attributes:
        wheel: Its file name.
        sources: Which file of the project each member is a copy of; empty where a backend has to be asked each time.
        content: The digest of what these files had in them.
        rest: The digest of all that may decide more than that.
    """

    wheel: str
    sources: dict[str, str]
    content: str
    rest: str


def project_wheel(project: Project, contents: Contents, target: Target, asking: Asking) -> Path:
    """Return a wheel of the project.

    Its build backend makes it, in a copy of the project: run by uv on this machine, or, where something has to be
    compiled, under the target's Python with bivy's compiler. Where the backend is known to copy modules, and since then
    nothing has changed but the content of such modules, the wheel is the last one with these modules in it.

    Args:
        project: The project.
        contents: What is in its files.
        target: What for.
        asking: On what terms.

    Raises:
        BivyError: The backend failed, or what has to be compiled cannot be.
    """
    folders = asking.cache / "app" / "wheels"
    anywhere = folders / _name(str(project.root))
    for_one = folders / _name(f"{project.root} {target}")
    means = means_of(target, asking)
    for folder, more in ((anywhere, ()), (for_one, means)):
        made = read_noted(folder / _RECORD, _Made)
        if made and (folder / made.wheel).is_file():
            current = _with_current(project, contents, made, folder, more)
            if current:
                return current
    # Next to where it will be, since it is only known afterwards which kind it is.
    fresh = make_wheel(project, folders / f"{for_one.name}.new", target, asking)
    folder, more = (for_one, means) if fresh.compiled else (anywhere, ())
    shutil.rmtree(folder, ignore_errors=True)
    fresh.wheel.parent.rename(folder)
    wheel = folder / fresh.wheel.name
    sources = _sources(project, contents, wheel, compiled=fresh.compiled)
    made = _Made(wheel.name, sources, _content(contents, sources), _rest(project, contents, sources, more))
    write_whole(folder / _RECORD, msgspec.json.encode(made))
    return wheel


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def means_of(target: Target, asking: Asking) -> tuple[str, ...]:
    """Return what decides about a compiled wheel beside its project."""
    base = asking.base.digest if asking.base else ""
    return (__version__, str(target), base, str(source_date_epoch()), *asking.packages, "", *asking.repositories)


def _rest(project: Project, contents: Contents, sources: Mapping[str, str], more: Sequence[str]) -> str:
    """Digest what decides about a wheel, but for the content of the modules that are copied into it."""
    copied = set(sources.values())
    files = [
        (file.path, file.mode, file.target, "" if file.path in copied else contents.digests.get(file.path, ""))
        for file in project.files
    ]
    return hashlib.sha256(msgspec.json.encode([GENERATION, files, _version_control(project.root), more])).hexdigest()


def _content(contents: Contents, sources: Mapping[str, str]) -> str:
    """Digest the content of the modules that are copied into a wheel."""
    now = [(member, contents.digests.get(path, "")) for member, path in sorted(sources.items())]
    return hashlib.sha256(msgspec.json.encode(now)).hexdigest()


def _version_control(root: Path) -> str:
    """Return what git says is checked out: some backends take the version from there."""
    git = root / ".git"
    try:
        head = (git / "HEAD").read_text("utf-8").strip()
        place = git / head.removeprefix("ref: ")
        commit = place.read_text("utf-8") if head.startswith("ref: ") and place.is_file() else ""
        packed = (git / "packed-refs").read_text("utf-8") if (git / "packed-refs").is_file() else ""
        tags = sorted(path.name for path in (git / "refs" / "tags").rglob("*"))
    except OSError:
        return ""
    return hashlib.sha256(repr((head, commit, packed, tags)).encode()).hexdigest()


def _sources(project: Project, contents: Contents, wheel: Path, *, compiled: bool) -> dict[str, str]:
    """Return which file of the project each member of a wheel is a copy of; nothing where that is not all there is.

    Of a compiled wheel these are its modules in Python alone: whatever else of the project changes, it is made anew.
    """
    if not _copies(project, compiled=compiled):
        return {}
    read = _compiled_from(project)
    by_digest: dict[str, list[str]] = {}
    for path, digest in contents.digests.items():
        by_digest.setdefault(digest, []).append(path)
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            member = info.filename
            if member.endswith("/") or ".dist-info/" in member or (compiled and not member.endswith(".py")):
                continue
            candidates = by_digest.get(hashlib.sha256(archive.read(info)).hexdigest(), ())
            fitting = [path for path in candidates if f"/{path}".endswith(f"/{member}")]
            if not fitting or not read.isdisjoint(fitting):
                return {}
            found[member] = min(fitting, key=len)
    return found


def _copies(project: Project, *, compiled: bool) -> bool:
    """Tell whether a project's backend does nothing but copy modules, and reads none of them.

    Of those that compile, setuptools is known to where it is only told in a table what to compile.
    """
    table = _document(project)
    if compiled and project.metadata.backend != "setuptools.build_meta":
        return False
    if project.metadata.backend not in _COPYING or "project" not in table:
        return False
    tool = table.get("tool", {})
    hooks = (
        table["project"].get("dynamic")
        or (project.root / "setup.py").exists()
        or (project.root / "setup.cfg").exists()
        or "backend-path" in table.get("build-system", {})
        or "hooks" in table_at(tool, "hatch", "build")
        or "hooks" in table_at(tool, "hatch", "build", "targets", "wheel")
        or "hooks" in table_at(tool, "hatch", "metadata")
        or "build" in table_at(tool, "poetry")
        or ("ext-modules" in table_at(tool, "setuptools") and not compiled)
        or "cmdclass" in table_at(tool, "setuptools")
        or (project.root / "pdm_build.py").exists()
    )
    return not hooks


def _document(project: Project) -> Mapping[str, Any]:
    from bivy.app.table import read_document

    path = project.root / "pyproject.toml"
    return read_document(path).table if path.is_file() else {}


def _compiled_from(project: Project) -> set[str]:
    """Return the files that a project says it is compiled from: Cython compiles modules in Python, too."""
    told = table_at(_document(project), "tool", "setuptools").get("ext-modules")
    tables = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    return {str(path) for table in tables for value in table.values() if isinstance(value, list) for path in value}


def _with_current(project: Project, contents: Contents, made: _Made, folder: Path, more: Sequence[str]) -> Path | None:
    """Return a wheel with the modules as they are now; ``None`` where the backend has to be asked."""
    if made.rest != _rest(project, contents, made.sources, more):
        return None
    wheel = folder / made.wheel
    key = _content(contents, made.sources)
    if key == made.content:
        return wheel
    place = folder / key / wheel.name
    if not place.is_file():
        content = {member: (project.root / path).read_bytes() for member, path in made.sources.items()}
        _write_anew(wheel, place, content)
        for other in folder.iterdir():
            if other.is_dir() and other.name != key:
                shutil.rmtree(other, ignore_errors=True)
    return place


def _write_anew(wheel: Path, place: Path, content: Mapping[str, bytes]) -> None:
    """Write a wheel once more with other content in some members, and a RECORD that says so."""
    with zipfile.ZipFile(wheel) as old, replacing(place) as file, zipfile.ZipFile(file, "w") as new:
        lines = []
        for info in old.infolist():
            if info.filename.endswith(".dist-info/RECORD"):
                record = info
                continue
            own = content.get(info.filename)
            found = old.read(info) if own is None else own
            if not info.filename.endswith("/"):
                digest = urlsafe_b64encode(hashlib.sha256(found).digest()).rstrip(b"=").decode()
                lines.append(f"{_quoted(info.filename)},sha256={digest},{len(found)}")
            _add(new, info, found)
        _add(new, record, "\n".join([*lines, f"{_quoted(record.filename)},,", ""]).encode())


def _quoted(path: str) -> str:
    return '"' + path.replace('"', '""') + '"' if re.search(r'[",\n]', path) else path


def _add(archive: zipfile.ZipFile, info: zipfile.ZipInfo, content: bytes) -> None:
    fresh = zipfile.ZipInfo(info.filename, _EPOCH)
    fresh.external_attr = info.external_attr
    archive.writestr(fresh, content)
