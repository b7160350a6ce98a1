"""A project as bivy found it: what it is called, what belongs to it, and how it is started."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bivy.apk.entry import Kind
    from bivy.app.options import AppOptions

HOME: Final = "/app"
"""The folder of the image that a project's files are in, and that the program starts in unless told otherwise."""
UNPRIVILEGED: Final = "65532:65532"
"""Whom the program runs as unless told otherwise: a user and a group that own nothing."""


class ProjectKind(enum.StrEnum):
    """What kind of project it is."""

    PACKAGE = "package"
    """It has a build backend, which makes a wheel of it, and what is started is in that."""
    FOLDER = "folder"
    """Its files are used where they are: a site, a service, a job; or what is started is a file beside its package."""
    SCRIPT = "script"
    """It is one file, which may say in its comments what it needs (PEP 723)."""


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A file of the project's, or a link.

    Folders are not listed: there are those that something is in.

    Attributes:
        path: Where it is, relative to the project's root, with ``/``.
        kind: Whether it is a file or a symbolic link.
        mode: Its permissions as they are in the image: 0755 for what its owner may execute, else 0644; 0777 for links.
        size: Bytes of its content; 0 for links.
        target: Where a link leads, relative to the folder that it is in, never out of the project.
    """

    path: str
    kind: Kind
    mode: int
    size: int = 0
    target: str = ""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a project says of itself (core metadata specification, PEP 621).

    Attributes:
        summary: One line on what it is.
        license: An SPDX expression, or what else it says of its licence in one line; empty where it does not.
        authors: Names, or addresses where there is no name.
        urls: Addresses by label, as it writes the labels.
        requires_python: Which versions of Python it is for (PEP 440), empty for all.
        requires: What it requires (PEP 508), with that of the extras and groups that go into the image.
        extras: The names of its extras, normalised.
        groups: The names of its dependency groups (PEP 735), normalised.
        scripts: Its commands: by name, the object that is called, ``package.module:function``.
        backend: The build backend, ``hatchling.build``; empty where it has none.
    """

    summary: str = ""
    license: str = ""
    authors: tuple[str, ...] = ()
    urls: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    requires_python: str = ""
    requires: tuple[str, ...] = ()
    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    scripts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    backend: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    """A project, and what its image is to be like.

    Attributes:
        name: Its name, as it writes it; the folder's or the script's where it has none.
        version: Its version; ``0`` where that could not be found out, which `notes` then says.
        root: The folder that its files are in, absolute.
        kind: What kind it is.
        options: What is wanted, from ``[tool.bivy]`` and the command line.
        metadata: What it says of itself.
        start: The entrypoint as the image has it, before any init. Programs without a ``/`` are found along the
            image's PATH: the project's own scripts and those of its dependencies.
        why: How `start` was chosen, in a few words: ``it is the only script in [project.scripts]``.
        ports: Where it listens, as OCI writes it: ``8000/tcp``; those of `options`, or else those of `start`.
        python: The minor version of Python that it is to have; empty where `options` name a base.
        dependencies: The file that says what it depends on, relative to `root`: ``uv.lock``, ``pylock.toml``,
            ``pyproject.toml``, ``requirements.txt`` or the script; empty where it depends on nothing.
        imports: The folders that its modules are imported from, relative to `root`: ``src``, ``.``.
        files: What belongs to it, in the order of their paths.
        notes: What a person ought to know, in sentences: files that were left out, a version that is not known.
    """

    name: str
    version: str
    root: Path
    kind: ProjectKind
    options: AppOptions
    metadata: Metadata
    start: tuple[str, ...]
    why: str = ""
    ports: tuple[str, ...] = ()
    python: str = ""
    dependencies: str = ""
    imports: tuple[str, ...] = (".",)
    files: tuple[ProjectFile, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def repository(self) -> str:
        """The image's name without a tag: what `options` say, or the project's name as references spell it."""
        return self.options.name or re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "app"

    @property
    def tag(self) -> str:
        """The image's tag: what `options` say, or the version as tags spell it (a ``+`` is not allowed there)."""
        return self.options.tag or re.sub(r"[^A-Za-z0-9_.-]", "-", self.version)[:128]


_LABEL: Final = "org.opencontainers.image."
# Labels of PEP 753's well-known addresses, normalised, by the annotation that means the same.
_ADDRESSES: Final = {
    "url": ("homepage",),
    "source": ("source", "repository", "sourcecode", "github"),
    "documentation": ("documentation", "docs"),
}


def labels_of(project: Project) -> dict[str, str]:
    """Return the image's labels: from the project's metadata (OCI image-spec, annotations.md), then `options`'."""
    metadata = project.metadata
    known = {re.sub(r"[\W_]+", "", label).lower(): address for label, address in metadata.urls.items()}
    labels = {
        "title": project.name,
        "version": project.version,
        "description": metadata.summary,
        "licenses": metadata.license,
        "authors": ", ".join(metadata.authors),
    }
    for label, names in _ADDRESSES.items():
        labels[label] = next((known[name] for name in names if name in known), "")
    found = {f"{_LABEL}{label}": " ".join(value.split()) for label, value in labels.items() if value}
    return found | project.options.labels
