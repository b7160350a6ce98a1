"""The Dockerfile that makes about the same image as `bivy app`, for those who want one, and its ``.dockerignore``."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Final

from bivy.app.contents import MARKED
from bivy.app.files import SECRETS, USUAL
from bivy.app.patterns import from_dockerignore, to_dockerignore
from bivy.app.values import HOME, UNPRIVILEGED, ProjectKind, labels_of
from bivy.errors import BivyError, UsageError
from bivy.files import write_whole
from bivy.tables import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from bivy.app.values import Project

_VENV: Final = "/venv"
_SOURCE: Final = "/source"
_UV_SETTINGS: Final = {
    "UV_COMPILE_BYTECODE": "1",
    "UV_LINK_MODE": "copy",
    "UV_NO_CACHE": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_PROJECT_ENVIRONMENT": _VENV,
    "VIRTUAL_ENV": _VENV,
}
_INCLUDED: Final = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", re.MULTILINE)


def write_dockerfile(project: Project, stream: TextIO) -> None:
    """Write the Dockerfile of a project.

    Raises:
        UsageError: Something that its options say, or how it says what it depends on, cannot be said in one.
    """
    stream.write(dockerfile(project))


def save_dockerfile(project: Project) -> tuple[Path, ...]:
    """Write the Dockerfile of a project, and its ``.dockerignore``, into the project's folder.

    Returns:
        The files that were written. A ``.dockerignore`` that is there is left alone.

    Raises:
        UsageError: There is a Dockerfile already, or one cannot say what has to be said.
        OSError: They cannot be written.
    """
    path, ignored = project.root / "Dockerfile", project.root / ".dockerignore"
    text = dockerfile(project)
    if path.exists():
        raise UsageError(f"{path} is there already", hint="remove it first, or print the new one and compare")
    files = {path: text} if ignored.exists() else {ignored: dockerignore(project), path: text}
    for each, content in files.items():
        write_whole(each, content.encode())
    return tuple(files)


def dockerfile(project: Project) -> str:
    """Return the Dockerfile of a project: three stages, of which what the last one copies is in the image.

    Raises:
        UsageError: Something that its options say, or how it says what it depends on, cannot be said in one.
    """
    base = project.options.base or f"python:{project.python}-alpine"
    groups = (
        [
            f"# {project.name} as an image, much as bivy app makes it. A .dockerignore belongs beside this file, so",
            "# that nothing is copied that should not be. bivy's first process, which hands signals on to the program",
            "# and takes care of processes that it leaves behind, is not in this one: start it with docker run --init,",
            "# or make lines of the two comments with tini.",
        ],
        [*_project_stage(project, base)],
        [*_dependencies_stage(project, base)],
        [*_image_stage(project, base)],
    )
    return "\n".join("".join(f"{line}\n" for line in group) for group in groups)


def dockerignore(project: Project) -> str:
    """Return the ``.dockerignore`` that leaves out what `bivy app` leaves out."""
    own = read_text(path) if (path := project.root / ".dockerignore").is_file() else ""
    parts = {
        "What other programs made, and what they keep here.": [*USUAL, *_marked(project.root)],
        "What .gitignore says.": _gitignored(project.root),
        "What was here before.": from_dockerignore(own),
        "What usually holds secrets.": SECRETS,
        "What [tool.bivy] says.": project.options.exclude,
    }
    return "\n".join(
        f"# {title}\n" + "".join(f"{line}\n" for line in to_dockerignore(patterns))
        for title, patterns in parts.items()
        if patterns
    )


def _marked(root: Path) -> list[str]:
    """Return the folders at the top that a file in them says are no part of the project."""
    return sorted({f"/{each.parent.name}/" for name in MARKED for each in root.glob(f"*/{name}")})


def _gitignored(root: Path) -> list[str]:
    path = root / ".gitignore"
    lines = read_text(path).splitlines() if path.is_file() else []
    return [line.rstrip() for line in lines if line.strip() and not line.startswith("#")]


def _project_stage(project: Project, base: str) -> Iterator[str]:
    yield "# The project's files, which everyone may read and only root may change."
    yield f"FROM {base} AS project"
    if project.kind is ProjectKind.SCRIPT:
        yield f"COPY {json.dumps([project.files[0].path, f'{HOME}/'])}"
    else:
        yield f"COPY . {HOME}"
    yield f"RUN chmod -R a+rX,u+w,go-w {HOME}"


def _dependencies_stage(project: Project, base: str) -> Iterator[str]:
    """Yield what installs the dependencies, before the project changes anything, and then the project."""
    yield "# What it depends on. What has no wheel for musl is compiled here: RUN apk add --no-cache build-base"
    yield f"FROM {base} AS dependencies"
    if project.options.build_packages:
        yield f"RUN {shlex.join(['apk', 'add', '--no-cache', 'build-base', *project.options.build_packages])}"
    yield "RUN pip install --no-cache-dir uv"
    settings = dict(_UV_SETTINGS)
    if project.kind is ProjectKind.PACKAGE and project.version == "0":
        settings["SETUPTOOLS_SCM_PRETEND_VERSION"] = project.version  # git, which knows it, is not here
    yield _assignments("ENV", settings)
    yield f"WORKDIR {_SOURCE}"
    yield f"RUN uv venv {_VENV}"
    wanted = _wanted(project)
    name = posixpath.basename(project.dependencies)
    whole = project.kind is ProjectKind.PACKAGE
    if name != project.dependencies:
        raise UsageError(
            f"the lock of {project.name} is that of a workspace, {project.dependencies}, and nothing above a "
            "Dockerfile's folder can be copied into an image",
            hint="bivy app makes its image without one",
        )
    if name == "uv.lock":
        yield 'COPY ["pyproject.toml", "uv.lock", "./"]'
        sync = ["uv", "sync", "--frozen", "--no-default-groups", *wanted]
        yield f"RUN {shlex.join([*sync, '--no-install-project'])}"
        project_step = [*sync, "--no-editable"]
    elif _says_late(project):
        project_step = ["uv", "pip", "install", f"{_SOURCE}[{','.join(project.options.extras)}]".removesuffix("[]")]
    else:
        yield from _installed(project, name, wanted)
        project_step = ["uv", "pip", "install", "--no-deps", _SOURCE]
    if whole:
        yield f"COPY --from=project {HOME} {_SOURCE}"
        yield f"RUN {shlex.join(project_step)}"


def _says_late(project: Project) -> bool:
    """Tell whether it says only when it is built what it depends on; refuse where it is never built."""
    if project.dependencies != "pyproject.toml":
        return False
    from bivy.app.table import read_document

    table = read_document(project.root / "pyproject.toml").table.get("project", {})
    if table and "dependencies" not in table.get("dynamic", ()):
        return False
    if not table and not project.metadata.requires:
        return False
    if project.kind is not ProjectKind.PACKAGE:
        raise UsageError(
            f"{project.name} says in its build backend's own form what it depends on, and is not built",
            hint="export it into requirements.txt, or move it to [project]",
        )
    return True


def _installed(project: Project, name: str, wanted: list[str]) -> Iterator[str]:
    """Yield the lines that install what a project depends on, from all but a ``uv.lock``."""
    if project.kind is ProjectKind.SCRIPT:
        if project.metadata.requires:
            yield f"RUN {shlex.join(['uv', 'pip', 'install', *project.metadata.requires])}"
    elif name == "pylock.toml":
        yield 'COPY ["pylock.toml", "./"]'
        yield f"RUN {shlex.join(['uv', 'pip', 'sync', name, *wanted])}"
    elif name == "requirements.txt":
        files = _requirements_files(project.root)
        for folder in sorted({posixpath.dirname(each) for each in files}):
            there = [each for each in files if posixpath.dirname(each) == folder]
            yield f"COPY {json.dumps([*there, f'./{folder}/'.replace('//', '/')])}"
        hashed = any("--hash" in read_text(project.root / each) for each in files)
        yield f"RUN {shlex.join(['uv', 'pip', 'install', *(['--require-hashes'] if hashed else []), '-r', name])}"
    elif name == "pyproject.toml" and (project.metadata.requires or wanted):
        yield 'COPY ["pyproject.toml", "./"]'
        yield f"RUN {shlex.join(['uv', 'pip', 'install', '-r', name, *wanted])}"


def _requirements_files(root: Path) -> list[str]:
    """Return the requirements file, and those that it names."""
    found: dict[str, None] = {}
    pending = ["requirements.txt"]
    while pending:
        name = pending.pop()
        path = root / name
        if name in found or "://" in name:
            continue
        if name.startswith("../") or not path.is_file():
            raise BivyError(f"{path}, which a requirements file names, is not in the project")
        found[name] = None
        folder = posixpath.dirname(name)
        pending += [posixpath.normpath(posixpath.join(folder, each)) for each in _INCLUDED.findall(read_text(path))]
    return sorted(found)


def _wanted(project: Project) -> list[str]:
    options = project.options
    extras = [word for name in options.extras for word in ("--extra", name)]
    return extras + [word for name in options.groups for word in ("--group", name)]


def _image_stage(project: Project, base: str) -> Iterator[str]:
    options = project.options
    yield "# The image."
    yield f"FROM {base}"
    if options.packages:
        yield f"RUN {shlex.join(['apk', 'add', '--no-cache', *options.packages])}"
    uid = UNPRIVILEGED.partition(":")[0]
    user = options.user or UNPRIVILEGED
    yield "# RUN apk add --no-cache tini"
    if not options.user:
        yield f"RUN adduser -D -u {uid} -h /home/nonroot -s /sbin/nologin nonroot"
    yield _assignments("ENV", {"PATH": f"{_VENV}/bin:$PATH"}, expanding=True)
    imports = [*_imports(project)]
    yield _assignments(
        "ENV",
        {"PYTHONUNBUFFERED": "1", **({"PYTHONPATH": ":".join(imports)} if imports else {}), **options.environment},
    )
    yield _assignments("LABEL", labels_of(project))
    yield f"COPY --from=dependencies {_VENV} {_VENV}"
    yield f"COPY --from=project {HOME} {HOME}"
    for volume in options.volumes:
        yield f"RUN {shlex.join(['mkdir', '-p', volume])} && {shlex.join(['chown', user, volume])}"
    yield f"WORKDIR {options.workdir or HOME}"
    if project.ports:
        yield f"EXPOSE {' '.join(project.ports)}"
    if options.volumes:
        yield f"VOLUME {json.dumps(options.volumes)}"
    yield f"USER {user}"
    start = _start(project)
    yield f"ENTRYPOINT {json.dumps(start, ensure_ascii=False)}"
    yield f"# ENTRYPOINT {json.dumps(['/sbin/tini', '--', *start], ensure_ascii=False)}"
    if options.command:
        yield f"CMD {json.dumps(options.command, ensure_ascii=False)}"


def _imports(project: Project) -> Iterator[str]:
    """Yield the folders of the image that modules are imported from and that Python would not look into by itself."""
    for folder in project.imports:
        # What is made into a wheel is imported from there: the sources may lack what was compiled.
        if project.kind is not ProjectKind.PACKAGE or folder not in (".", "src"):
            yield posixpath.normpath(f"{HOME}/{folder}")


def _start(project: Project) -> list[str]:
    """Return the entrypoint; a script of a project that is not made into a wheel is no file here."""
    called = project.metadata.scripts.get(project.start[0])
    if called is None or project.kind is ProjectKind.PACKAGE:
        return [*project.start]
    module, _, function = called.partition("[")[0].strip().partition(":")
    program = f"import sys, {module}; sys.exit({module}.{function}())"
    return ["python3", "-c", program, *project.start[1:]]


def _assignments(instruction: str, values: dict[str, str], *, expanding: bool = False) -> str:
    """Write the names and values of an ``ENV`` or ``LABEL`` (Dockerfile reference, "Environment replacement").

    Raises:
        UsageError: A value has a line break.
    """
    written = []
    for name, value in values.items():
        if "\n" in value or "\r" in value:
            raise UsageError(f"{name} has a line break in its value, and a Dockerfile cannot say that")
        escaped = re.sub(r'([\\"])' if expanding else r'([\\"$])', r"\\\1", value)
        written.append(f'{name}="{escaped}"')
    return f"{instruction} " + " \\\n    ".join(written)
