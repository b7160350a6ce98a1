"""A backend makes a wheel of its project: on this machine where it copies, as `bivy wheel` does where it compiles."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from bivy.apk.entry import Kind
from bivy.epoch import source_date_epoch
from bivy.errors import BivyError
from bivy.files import copy_folder, replacing, scratch_folder, write_whole
from bivy.musl.archives.standards import normalised
from bivy.programs import find_uv
from bivy.progress import under_way

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.app.dependencies import Asking
    from bivy.app.values import Project, ProjectFile
    from bivy.musl.archives.sdist import Sdist
    from bivy.musl.target import Target
    from bivy.wheels.build import Built
    from bivy.wheels.failure import NotCompiledError
    from bivy.wheels.find import Candidate

_TIMEOUT: Final = 600.0
# Build requirements that take a project's version from git, which is not there where bivy compiles.
_FROM_GIT: Final = ("setuptools-scm", "setuptools-git-versioning", "hatch-vcs", "versioningit", "pdm-backend")
_VERSION_TOLD: Final = ("SETUPTOOLS_SCM_PRETEND_VERSION", "PDM_BUILD_SCM_VERSION")


@dataclass(frozen=True, slots=True)
class Made:
    """A wheel that a backend made.

    Attributes:
        wheel: The wheel.
        compiled: Whether it is for one target alone.
    """

    wheel: Path
    compiled: bool


def make_wheel(project: Project, folder: Path, target: Target, asking: Asking) -> Made:
    """Have a project's backend make a wheel, in a copy of the project, so that nothing is left behind in it.

    Args:
        project: The project.
        folder: A folder that is emptied, and gets the wheel.
        target: What for.
        asking: On what terms, and what for where it is compiled.

    Raises:
        BivyError: The backend failed, or something cannot be compiled.
    """
    with scratch_folder(asking.cache / "work", "wheel-") as scratch:
        archive = scratch / archive_name(project)
        pack_source(project, archive)
        told = _read(archive)
        if told.extension_modules is not True:
            found = _copied(project, scratch, asking, may_fail=bool(told.languages))
            if found is not None and found.name.endswith("-none-any.whl"):
                return Made(_moved(found, folder), compiled=False)
        built = _compiled(project, archive, target, asking)
        assert built.wheel
        for note in built.notes:
            asking.progress.say(f"{project.name}: {note}")
        return Made(_moved(built.wheel, folder), not built.file.endswith("-none-any.whl"))


def _moved(wheel: Path, folder: Path) -> Path:
    content = wheel.read_bytes()
    shutil.rmtree(folder, ignore_errors=True)
    write_whole(folder / wheel.name, content)
    return folder / wheel.name


def _read(archive: Path) -> Sdist:
    from bivy.musl.archives.sdist import read_sdist

    return read_sdist(archive)


# Packed


def archive_name(project: Project) -> str:
    """Return the file name of a project's source archive (source distribution specification)."""
    return f"{normalised(project.name).replace('-', '_')}-{project.version.replace('-', '_')}.tar"


def pack_source(project: Project, place: Path) -> None:
    """Write a project's files into a source archive: the same bytes for the same files.

    Raises:
        BivyError: A file cannot be read.
    """
    top = place.name.removesuffix(".tar")
    with replacing(place) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for each in project.files:
            info = tarfile.TarInfo(f"{top}/{each.path}")
            info.mode, info.mtime = each.mode, source_date_epoch()
            _add(archive, info, each, project.root)


def _add(archive: tarfile.TarFile, info: tarfile.TarInfo, file: ProjectFile, root: Path) -> None:
    if file.kind is Kind.SYMLINK:
        info.type, info.linkname = tarfile.SYMTYPE, file.target
        archive.addfile(info)
        return
    path = root / file.path
    try:
        with path.open("rb") as opened:
            info.size = _size(opened)
            archive.addfile(info, opened)
    except OSError as fault:
        raise BivyError(f"{path} cannot be read: {fault.strerror or fault}") from None


def _size(file: IO[bytes]) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


# Copied, on this machine


def _copied(project: Project, scratch: Path, asking: Asking, *, may_fail: bool) -> Path | None:
    """Have the backend make a wheel here; ``None`` where it cannot, and that may be for want of a compiler."""
    with under_way(asking.progress, f"build a wheel of {project.name}"):
        root = _where_built(project, scratch / "project", asking.cache)
        out = scratch / "out"
        said = _run_uv(project, "--wheel", root, out)
        found = sorted(out.glob("*.whl")) if out.is_dir() else []
        if said is None and len(found) == 1:
            return found[0]
        if may_fail:
            return None
        raise BivyError(
            f"{project.name}: its build backend, {project.metadata.backend}, made no wheel of it:\n{said or ''}",
            hint=f"uv build --wheel {project.root} shows the same",
        )


def _run_uv(project: Project, kind: str, root: Path, out: Path) -> str | None:
    """Have uv run a backend; return what was said where it failed."""
    command = [find_uv(), "build", kind, "--no-python-downloads", "--python", sys.executable,
               "--color", "never", "--out-dir", str(out), str(root)]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise BivyError(f"{project.name}: its build backend did not end within {_TIMEOUT:.0f} s") from None
    if not done.returncode:
        return None
    return done.stderr.decode("utf-8", "replace").strip().replace(str(root), str(project.root))


def _asks_git(project: Project) -> bool:
    """Tell whether a project's version may come from git: then it is built where git finds it."""
    return project.version == "0" and any((each / ".git").exists() for each in (project.root, *project.root.parents))


def _where_built(project: Project, place: Path, cache: Path) -> Path:
    """Return a copy of a project; one that asks git for its version is built where it is, but for bivy's own copies."""
    commits = (cache / "git").resolve()
    if project.root.is_relative_to(commits):
        top = commits.joinpath(*project.root.relative_to(commits).parts[:3])
        copy_folder(top, place)
        return place / project.root.relative_to(top)
    if _asks_git(project):
        return project.root
    _copy(project, place)
    return place


def _copy(project: Project, root: Path) -> None:
    root.mkdir(parents=True)
    for file in project.files:
        place = root / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.kind is Kind.SYMLINK:
            place.symlink_to(file.target)
        else:
            shutil.copyfile(project.root / file.path, place)
            place.chmod(file.mode)


# Compiled, for the target


def source_candidate(project: Project, archive: Path, cache: Path) -> Candidate:
    """Return what `bivy wheel` compiles of a project.

    Args:
        project: The project.
        archive: Its source archive, as `pack_source` writes it.
        cache: bivy's cache folder.
    """
    from bivy.files import sha256_of
    from bivy.musl.dependencies.lock import File
    from bivy.wheels.find import Candidate

    version = "" if project.version == "0" else project.version
    file = File(archive.name, str(archive), sha256=sha256_of(archive))
    apart = hashlib.sha256(str(project.root).encode()).hexdigest()[:32]
    return Candidate(
        normalised(project.name), version, file, files=(file,), path=str(project.root), apart=apart,
        variables=_version_variables(project, archive, cache),
    )  # fmt: skip


def _version_variables(project: Project, archive: Path, cache: Path) -> tuple[tuple[str, str], ...]:
    """Return what tells a build the version that it would ask git for: nothing where it does not ask.

    Git is not there where bivy compiles, and neither is the repository. On this machine both are.
    """
    requires = _read(archive).build_requires
    names = {normalised(match[0]) for each in requires if (match := re.match(r"[\w.-]+", each))}
    if not _asks_git(project) or names.isdisjoint(_FROM_GIT):
        return ()
    out = archive.parent / "sdist"
    root = _where_built(project, archive.parent / "repository", cache)
    if _run_uv(project, "--sdist", root, out) is not None:
        return ()
    found = next((each.name.removesuffix(".tar.gz").rpartition("-")[2] for each in out.glob("*.tar.gz")), "")
    return tuple((name, found) for name in _VERSION_TOLD if found)


def _compiled(project: Project, archive: Path, target: Target, asking: Asking) -> Built:
    from bivy.wheels.build import build_wheels
    from bivy.wheels.failure import NotCompiledError

    if asking.base is None:
        raise BivyError(
            f"{project.name} has to be compiled, and there is no base image to compile it for",
            hint=f"compile it once: bivy wheel {project.root}",
        )
    try:
        return build_wheels(
            [source_candidate(project, archive, asking.cache)], target=target, base=asking.base, cache=asking.cache,
            progress=asking.progress, packages=asking.packages, settings=asking.settings(),
        )[0]  # fmt: skip
    except NotCompiledError as fault:
        raise _advised(fault, asking) from None


def _advised(fault: NotCompiledError, asking: Asking) -> BivyError:
    """Say of a build that lacked something what to write into a project's files: there is no command to repeat."""
    advice = []
    if fault.packages:
        names = ", ".join(f'"{each}"' for each in dict.fromkeys([*asking.packages, *fault.packages]))
        advice.append(f"name what is missing in [tool.bivy]: build-packages = [{names}]")
    if fault.requires:
        names = ", ".join(f'"{each}"' for each in fault.requires)
        advice.append(f"its pyproject.toml lacks in [build-system]: requires = [{names}]")
    return BivyError(str(fault), hint="\n      ".join([*advice, *fault.rest]))
