"""What a person asks about, recognised: requirements, a file, a folder or an image."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.errors import UsageError
from bivy.musl.archives.standards import ENDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT_FILES = ("pyproject.toml", "uv.lock", "pylock.toml", "setup.py", "setup.cfg", "requirements.txt")
"""Files, any of which makes a folder a project's."""
IMAGE_TRANSPORTS = ("oci:", "oci-archive:", "docker-archive:", "docker://")
_NAME = r"[a-z0-9][a-z0-9._/-]*"
_IN_REGISTRY = r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?/"
_TAG = r":[A-Za-z0-9_][A-Za-z0-9._-]*"
_IMAGE = re.compile(rf"(?:{_IN_REGISTRY})?{_NAME}(?:{_TAG}(?:@sha256:[0-9a-f]{{64}})?|@sha256:[0-9a-f]{{64}})")


class Kind(enum.Enum):
    """What can be asked about, each with what a person calls it."""

    REQUIREMENT = "a requirement"
    REQUIREMENTS = "a requirements file"
    LOCK = "a lock"
    PROJECT = "a project"
    WHEEL = "a wheel"
    SDIST = "a source archive"
    ENVIRONMENT = "an installed environment"
    BINARIES = "shared libraries"
    CODE = "Python code"
    IMAGE = "an image"


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that is asked about.

    Attributes:
        text: As the person wrote it.
        kind: What it is.
        path: Where it is; an empty path for requirements and images.
    """

    text: str
    kind: Kind
    path: Path = Path()


def recognise(texts: Sequence[str]) -> tuple[Subject, ...]:
    """Tell what each word of the command line is.

    Raises:
        UsageError: One is nothing that can be asked about.
    """
    return tuple(_recognise(text) for text in texts)


def _recognise(text: str) -> Subject:
    if text.startswith(IMAGE_TRANSPORTS):
        return Subject(text, Kind.IMAGE)
    path = Path(text)
    if path.is_dir():
        return Subject(text, _folder(path), path)
    if path.exists():
        return Subject(text, _file(path), path)
    if "@" not in text and (
        text.startswith((".", "/", "~")) or text.endswith(("/", ".whl", *ENDINGS, ".txt", ".lock", ".toml", ".py"))
    ):
        raise UsageError(f"{text}: there is no such file or folder")
    # A requirement has no colon but in an address, which follows an @, and in none of its markers.
    if _IMAGE.fullmatch(text):
        return Subject(text, Kind.IMAGE)
    _check_requirement(text)
    return Subject(text, Kind.REQUIREMENT)


def _check_requirement(text: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement as fault:
        raise UsageError(
            f"{text!r} is no requirement, and no file, folder or image either: {str(fault).splitlines()[0]}",
            hint="ask about a requirement (numpy>=2), a requirements file, a lock, a project's folder, a wheel, a "
            "source archive, a folder of libraries, an environment, or an image (python:3.14-alpine)",
        ) from None


def _folder(path: Path) -> Kind:
    if any((path / name).is_file() for name in PROJECT_FILES):
        return Kind.PROJECT
    if (path / "oci-layout").is_file():
        raise UsageError(
            f"{path} is a layout of images, not an image", hint=f"name one of them: bivy check oci:{path}:NAME"
        )
    if (path / "pyvenv.cfg").is_file() or any(path.glob("*.dist-info")):
        return Kind.ENVIRONMENT
    if any(path.rglob("*.py")):
        return Kind.CODE
    return Kind.BINARIES


def _file(path: Path) -> Kind:
    name = path.name
    if name == "uv.lock" or re.fullmatch(r"pylock(\.[^.]+)?\.toml", name):
        return Kind.LOCK
    if name == "pyproject.toml":
        return Kind.PROJECT
    for kind, endings in ((Kind.WHEEL, ".whl"), (Kind.SDIST, ENDINGS), (Kind.REQUIREMENTS, (".txt", ".in")),
                          (Kind.CODE, (".py", ".pyw"))):  # fmt: skip
        if name.endswith(endings):
            return kind
    with path.open("rb") as file:
        start = file.read(128)
    if start.startswith(b"\x7fELF"):
        return Kind.BINARIES
    if re.match(rb"#![^\n]*python", start):
        return Kind.CODE
    raise UsageError(
        f"{path} is nothing that can be checked",
        hint="locks are called uv.lock or pylock.toml, requirements files end in .txt or .in, images in files are "
        f"named oci-archive:{path} or docker-archive:{path}",
    )
