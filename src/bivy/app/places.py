"""What comes from a folder, a repository or an archive's address, not from an index, becomes a wheel."""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import msgspec

from bivy.app.contents import look, read_contents
from bivy.app.dependencies import Source
from bivy.app.git import checkout, parse_reference
from bivy.app.library import open_library
from bivy.app.package import means_of, project_wheel
from bivy.errors import BivyError, UsageError
from bivy.files import is_settled, read_noted, write_whole
from bivy.musl.archives.standards import ENDINGS, normalised
from bivy.musl.dependencies.lock import File, Repository
from bivy.musl.dependencies.resolve import Metadata
from bivy.musl.dependencies.settings import without_credentials

if TYPE_CHECKING:
    from bivy.app.dependencies import Asking
    from bivy.app.values import Project
    from bivy.musl.target import Target

# Raised when the same folder comes to another wheel.
GENERATION: Final = 1
_EXTRAS: Final = re.compile(r"^(?P<place>[^\[]*)(?P<extras>\[[^\]]*\])?$")


class _Looked(msgspec.Struct, frozen=True):
    """What a folder looked like when a wheel was made of it, and where that is."""

    seen: str
    wheel: str


@dataclass(frozen=True, slots=True)
class Places:
    """Folders and repositories, for one target.

    Attributes:
        target: What for.
        asking: On what terms.
        addresses: Addresses in requirements, which may hold names and passwords.
    """

    target: Target
    asking: Asking
    addresses: tuple[str, ...] = ()

    def wheel(self, source: Source, name: str, version: str) -> Path:
        """Return a wheel of what comes from a place.

        Args:
            source: The place.
            name: What it is called.
            version: Its version; empty where that is not known before it is built.

        Raises:
            BivyError: It is not there, is called otherwise, or cannot be built or compiled.
        """
        if source.kind == "archive":
            found = self._of_archive(source, name, version)
        elif source.kind == "git":
            folder, _ = self.checked_out(
                Repository(source.place, source.commit, source.revision, source.subdirectory), name
            )
            found = self._of_folder(folder, name, whole=True)
        else:
            found = self._of_folder(Path(source.place), name)
        called = normalised(found.name.partition("-")[0])
        if called != name:
            raise BivyError(
                f"{source.place} is to be {name}, and is {called}", hint="is it the right folder, repository or file?"
            )
        return found

    def checked_out(self, repository: Repository, name: str) -> tuple[Path, str]:
        """Return the folder with a commit, and the commit; see `bivy.app.git.checkout`."""
        asking = self.asking
        return checkout(
            repository, name, cache=asking.cache, offline=asking.offline, told=self.addresses, progress=asking.progress
        )

    def name(self, text: str, folder: Path) -> str:
        """Return the requirement (PEP 508) that a place is which a requirements file names without a name.

        Args:
            text: ``./lib[fast]``, ``../wheels/x-1.0-py3-none-any.whl``, ``git+https://…@v1#subdirectory=x``.
            folder: What a path in it is relative to.

        Raises:
            BivyError: It is not there, or does not say what it is called.
        """
        if text.startswith("git+"):
            egg = re.search(r"[#&]egg=([\w.-]+)(\[[^\]]*\])?", text)
            repository = parse_reference(text)
            named = egg[1] if egg else self._called(self.checked_out(repository, "a requirement")[0], whole=True)
            inside = f"#subdirectory={repository.subdirectory}" if repository.subdirectory else ""
            revision = f"@{repository.revision}" if repository.revision else ""
            return f"{named}{(egg and egg[2]) or ''} @ git+{repository.address}{revision}{inside}"
        if "://" in text and not text.startswith("file:"):
            return f"{_called_by_file(text)} @ {text}"
        bare = re.sub(r"#egg=.*$", "", text)
        found = _EXTRAS.match(unquote(urlsplit(bare).path) if bare.startswith("file:") else bare)
        assert found
        place = Path(os.path.normpath(folder.absolute() / Path(found["place"]).expanduser()))
        if not place.exists():
            raise BivyError(f"{place} is not there", hint="is its path right? It is relative to the file that names it")
        named = self._called(place) if place.is_dir() else _called_by_file(place.name)
        return f"{named}{found['extras'] or ''} @ {place.as_uri()}"

    def read(self, name: str, url: str) -> Metadata:
        """Return what a folder or commit at an address says of itself when a wheel is made of it.

        Raises:
            BivyError: None can be made.
        """
        from bivy.musl.archives.wheel import open_wheel

        if url.startswith("git+"):
            found = parse_reference(url)
            source = Source("git", found.address, "", found.commit, found.revision, found.subdirectory)
        elif url.startswith("file:"):
            path = unquote(urlsplit(url).path)
            source = Source("archive" if Path(path).is_file() else "folder", path)
        else:
            raise BivyError(
                f"{name}, at {without_credentials(url)}, says only when it is built what it requires",
                hint="lock the project: uv lock",
            )
        with open_wheel(self.wheel(source, name, "")) as wheel:
            told = wheel.metadata
        if told is None:
            raise BivyError(f"the wheel of {name} does not say what it requires")
        return Metadata(normalised(told.name), told.version, told.requires, told.extras)

    def _called(self, folder: Path, *, whole: bool = False) -> str:
        """Return what the project in a folder is called: where it says so only when it is built, it is built."""
        project = open_library(folder, whole=whole)
        if _says_its_name(project):
            return project.name
        return normalised(self._of_folder(folder, "", whole=whole).name.partition("-")[0])

    def _of_folder(self, folder: Path, name: str, *, whole: bool = False) -> Path:
        """Return a wheel of a folder: the last one, as long as the folder looks as it did then."""
        started = time.time_ns()
        means = [GENERATION, str(folder), name, whole, means_of(self.target, self.asking)]
        key = hashlib.sha256(msgspec.json.encode(means)).hexdigest()[:32]
        place = self.asking.cache / "app" / "wheels" / "seen" / f"{key}.json"
        seen = look(folder) if folder.is_dir() else None
        if seen and (kept := read_noted(place, _Looked)) and kept.seen == seen[0] and Path(kept.wheel).is_file():
            return Path(kept.wheel)
        project = open_library(folder, name, whole=whole)
        wheel = project_wheel(project, read_contents(project, {}), self.target, self.asking)
        if seen and is_settled(seen[1], started):
            write_whole(place, msgspec.json.encode(_Looked(seen[0], str(wheel))))
        return wheel

    def _of_archive(self, source: Source, name: str, version: str) -> Path:
        from bivy.wheels.build import build_wheels
        from bivy.wheels.find import Candidate

        asking = self.asking
        if asking.base is None:
            raise BivyError(f"{name} has to be built, and there is no base image to build it for")
        file = File(source.place.rpartition("/")[2], source.place, sha256=source.sha256)
        apart = hashlib.sha256(source.place.encode()).hexdigest()[:32]
        candidate = Candidate(name, version, file, files=(file,), path=source.place, apart=apart)
        built = build_wheels(
            [candidate], target=self.target, base=asking.base, cache=asking.cache, progress=asking.progress,
            packages=asking.packages, settings=asking.settings(),
        )[0]  # fmt: skip
        assert built.wheel
        return built.wheel


def _says_its_name(project: Project) -> bool:
    from bivy.app.table import read_document

    path = project.root / "pyproject.toml"
    table = read_document(path).table if path.is_file() else {}
    return "project" in table or "poetry" in table.get("tool", {})


def _called_by_file(text: str) -> str:
    """Return the name of the distribution that a file is of, by the file's name.

    Raises:
        UsageError: That is no name of a wheel or source archive.
    """
    name = unquote(text.partition("#")[0].partition("?")[0].rpartition("/")[2])
    if name.endswith(".whl"):
        return normalised(name.partition("-")[0])
    ending = next((each for each in ENDINGS if name.endswith(each)), "")
    found = re.match(r"(.+)-\d", name.removesuffix(ending)) if ending else None
    if not found:
        raise UsageError(
            f"{text} does not say which distribution it is", hint=f"write its name before it: NAME @ {text}"
        )
    return normalised(found[1])
