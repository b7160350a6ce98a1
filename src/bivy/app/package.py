"""A project with a build backend becomes a wheel: by the backend, or from the last one where only code has changed."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bivy.apk.entry import Kind
from bivy.errors import BivyError
from bivy.files import replacing, scratch_folder, write_whole
from bivy.progress import under_way

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bivy.app.contents import Contents
    from bivy.app.values import Project
    from bivy.progress import Progress

# Raised when the same project comes to another wheel.
GENERATION: Final = 1

# Backends that copy modules into a wheel as they are, as long as they are not told to do anything else.
_COPYING: Final = ("hatchling.build", "setuptools.build_meta", "flit_core.buildapi", "poetry.core.masonry.api",
                   "uv_build", "pdm.backend")  # fmt: skip
_TIMEOUT: Final = 600.0
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


def project_wheel(project: Project, contents: Contents, cache: Path, progress: Progress) -> Path:
    """Return a wheel of the project.

    Its build backend makes it, run by uv on this machine, in a copy of the project. Where the backend is known to copy
    modules, and since then nothing has changed but the content of such modules, the wheel is the last one with these
    modules in it.

    Raises:
        BivyError: The backend failed, or the wheel is for one platform alone.
    """
    folder = cache / "app" / "wheels" / hashlib.sha256(str(project.root).encode()).hexdigest()[:32]
    record = folder / "made.json"
    made = _read(record)
    wheel = folder / made.wheel if made else None
    if made and wheel and wheel.is_file():
        current = _with_current(project, contents, wheel, made, folder)
        if current:
            return current
    wheel = _build(project, folder, cache, progress)
    sources = _sources(project, contents, wheel)
    made = _Made(wheel.name, sources, _content(contents, sources), _rest(project, contents, sources))
    write_whole(record, msgspec.json.encode(made))
    return wheel


def _read(record: Path) -> _Made | None:
    try:
        return msgspec.json.decode(record.read_bytes(), type=_Made)
    except (OSError, msgspec.MsgspecError):
        return None


def _rest(project: Project, contents: Contents, sources: Mapping[str, str]) -> str:
    """Digest what decides about a wheel, but for the content of the modules that are copied into it."""
    copied = set(sources.values())
    files = [
        (file.path, file.mode, file.target, "" if file.path in copied else contents.digests.get(file.path, ""))
        for file in project.files
    ]
    return hashlib.sha256(msgspec.json.encode([GENERATION, files, _version_control(project.root)])).hexdigest()


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


def _sources(project: Project, contents: Contents, wheel: Path) -> dict[str, str]:
    """Return which file of the project each member of a wheel is a copy of; nothing where that is not all there is."""
    if not _copies(project):
        return {}
    by_digest: dict[str, list[str]] = {}
    for path, digest in contents.digests.items():
        by_digest.setdefault(digest, []).append(path)
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            member = info.filename
            if member.endswith("/") or ".dist-info/" in member:
                continue
            candidates = by_digest.get(hashlib.sha256(archive.read(info)).hexdigest(), ())
            fitting = [path for path in candidates if f"/{path}".endswith(f"/{member}")]
            if not fitting:
                return {}
            found[member] = min(fitting, key=len)
    return found


def _copies(project: Project) -> bool:
    """Tell whether a project's backend does nothing but copy modules, and reads none of them."""
    from bivy.app.table import read_document

    table: Mapping[str, Any] = read_document(project.root / "pyproject.toml").table
    if project.metadata.backend not in _COPYING or "project" not in table:
        return False
    tool = table.get("tool", {})
    hooks = (
        table["project"].get("dynamic")
        or (project.root / "setup.py").exists()
        or (project.root / "setup.cfg").exists()
        or "backend-path" in table.get("build-system", {})
        or "hooks" in _at(tool, "hatch", "build")
        or "hooks" in _at(tool, "hatch", "build", "targets", "wheel")
        or "hooks" in _at(tool, "hatch", "metadata")
        or "build" in _at(tool, "poetry")
        or "ext-modules" in _at(tool, "setuptools")
        or "cmdclass" in _at(tool, "setuptools")
        or (project.root / "pdm_build.py").exists()
    )
    return not hooks


def _at(table: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    value: Any = table
    for key in keys:
        value = value.get(key, {}) if isinstance(value, dict) else {}
    return value if isinstance(value, dict) else {}


def _with_current(project: Project, contents: Contents, wheel: Path, made: _Made, folder: Path) -> Path | None:
    """Return a wheel with the modules as they are now; ``None`` where the backend has to be asked."""
    if made.rest != _rest(project, contents, made.sources):
        return None
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


def _build(project: Project, folder: Path, cache: Path, progress: Progress) -> Path:
    """Have the backend make a wheel, in a copy of the project, so that nothing is left behind in it."""
    from uv import find_uv_bin

    with under_way(progress, f"build a wheel of {project.name}"), scratch_folder(cache / "work", "wheel-") as scratch:
        root = project.root
        if not (root / ".git").exists() or not _asks_git(project):
            root = scratch / "project"
            _copy(project, root)
        out = scratch / "out"
        command = [find_uv_bin(), "build", "--wheel", "--no-python-downloads", "--python", sys.executable,
                   "--color", "never", "--out-dir", str(out), str(root)]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            raise BivyError(f"{project.name}: its build backend did not end within {_TIMEOUT:.0f} s") from None
        found = sorted(out.glob("*.whl")) if out.is_dir() else []
        if done.returncode or len(found) != 1:
            said = done.stderr.decode("utf-8", "replace").strip().replace(str(root), str(project.root))
            raise BivyError(
                f"{project.name}: its build backend, {project.metadata.backend}, made no wheel of it:\n{said}",
                hint=f"uv build --wheel {project.root} shows the same",
            )
        if not found[0].name.endswith("-none-any.whl"):
            raise BivyError(
                f"{project.name} has to be compiled: its wheel, {found[0].name}, is for this machine",
                hint=f"uv build --sdist {project.root} makes a source archive, bivy wheel a wheel for musl of that; "
                "and bivy app makes an image of a project that requires it",
            )
        place = folder / found[0].name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.move(found[0], place)
    return place


def _asks_git(project: Project) -> bool:
    return project.version == "0"


def _copy(project: Project, root: Path) -> None:
    for file in project.files:
        place = root / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.kind is Kind.SYMLINK:
            place.symlink_to(file.target)
        else:
            shutil.copyfile(project.root / file.path, place)
            place.chmod(file.mode)
