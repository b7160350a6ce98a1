"""Which files of a folder belong to the project: all but those that nobody wants in an image."""

from __future__ import annotations

import os
import posixpath
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bivy.apk.entry import Kind
from bivy.app.contents import MARKED
from bivy.app.patterns import from_dockerignore, make_patterns
from bivy.app.values import ProjectFile
from bivy.errors import BivyError
from bivy.tables import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bivy.app.patterns import Patterns

USUAL: Final = (
    ".git", ".hg", ".svn", ".bzr", ".jj", ".gitignore", ".gitattributes", ".gitmodules", ".dockerignore",
    "/Dockerfile", "/Dockerfile.*", "/Containerfile",
    ".venv", "__pycache__/", "*.py[cod]", "*.egg-info/", ".eggs/", "/build/", "/dist/", "/wheels/",
    ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".hypothesis/", ".import_linter_cache/", ".ipynb_checkpoints/",
    ".tox/", ".nox/", ".cache/", ".coverage", ".coverage.*", "htmlcov/", "node_modules/", ".idea/", ".vscode/",
    ".DS_Store", "Thumbs.db", "*.swp", "*.swo", "*~", ".#*",
)  # fmt: skip
"""What stays out of every image, as ``.gitignore`` writes it: what other programs made, and what they keep here."""
SECRETS: Final = (
    ".env", ".env.*", "!.env.example", "!.env.sample", "!.env.template", "!.env.dist", "!.env.defaults", ".envrc",
    ".netrc", "_netrc", ".pypirc", ".git-credentials", ".pgpass", ".my.cnf", ".npmrc", ".htpasswd",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk",
    "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.ppk", "*.kdbx", ".ssh/", ".aws/", ".gnupg/", ".kube/",
    ".docker/config.json", ".streamlit/secrets.toml", ".vault-token", "*.tfstate", "*.tfstate.*",
)  # fmt: skip
"""What usually holds secrets, which anyone who has an image could read in it."""
_PRIVATE_KEY: Final = b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Found:
    """What belongs to a project.

    Attributes:
        files: Its files, in the order of their paths.
        secrets: The paths of what was left out because it may hold secrets.
        folders: The folders that its files are in, or may be tomorrow; empty for its root.
    """

    files: tuple[ProjectFile, ...]
    secrets: tuple[str, ...]
    folders: tuple[str, ...]


def find_files(root: Path, exclude: Sequence[str] = ()) -> Found:
    """Find what belongs to the project in a folder.

    Args:
        root: The folder, absolute.
        exclude: Patterns of what else stays out, as ``.gitignore`` writes them; one that begins with ``!`` brings
            back what anything else leaves out.

    Raises:
        BivyError: A file cannot be read, is no file, folder or link, or leads out of the project.
    """
    walk = _Walk(root, _Rules.of(root, exclude))
    files = sorted(walk.folder("", ()), key=lambda file: file.path.split("/"))
    return Found(tuple(files), tuple(sorted(walk.secrets)), tuple(walk.folders))


def find_file(path: Path) -> ProjectFile:
    """Return one file as what belongs to a project: a script's.

    Raises:
        BivyError: It cannot be read.
    """
    _check_readable(str(path), path.name)
    status = path.stat()
    return ProjectFile(path.name, Kind.FILE, _mode(status.st_mode), status.st_size)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The patterns that decide, each set over the one before it.

    Attributes:
        usual: `USUAL`.
        docker: The project's ``.dockerignore``.
        secrets: `SECRETS`.
        own: What the project's options say.
        docker_returns: Whether ``.dockerignore`` brings back something that it leaves out.
        own_returns: The beginnings of the paths that the options bring back.
    """

    usual: Patterns
    docker: Patterns
    secrets: Patterns
    own: Patterns
    docker_returns: bool
    own_returns: tuple[str, ...]

    @classmethod
    def of(cls, root: Path, exclude: Sequence[str]) -> _Rules:
        path = root / ".dockerignore"
        docker = from_dockerignore(read_text(path)) if path.is_file() else []
        returns = [each[1:].lstrip("/") for each in exclude if each.startswith("!")]
        return cls(
            make_patterns(USUAL),
            make_patterns(docker),
            make_patterns(SECRETS),
            make_patterns(exclude),
            any(each.startswith("!") for each in docker),
            tuple(each for each in returns if "/" in each.rstrip("/")),
        )


@dataclass(frozen=True, slots=True)
class _GitRules:
    """The ``.gitignore`` of one folder; `below` is that folder's path with a ``/``, empty for the project's root."""

    below: str
    spec: Patterns


@dataclass(slots=True)
class _Walk:
    root: Path
    rules: _Rules
    secrets: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    def folder(self, path: str, outer: tuple[_GitRules, ...]) -> Iterator[ProjectFile]:
        """Yield what belongs to the project in one folder and those below it."""
        try:
            with os.scandir(self.root / path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as fault:
            raise BivyError(
                f"{self.root / path} cannot be read: {fault.strerror}", hint=_how_to_leave_out(path)
            ) from None
        names = {entry.name for entry in entries}
        if path and not names.isdisjoint(MARKED):
            return
        self.folders.append(path)
        git = outer
        if ".gitignore" in names and (self.root / path / ".gitignore").is_file():
            below = f"{path}/" if path else ""
            git = (*outer, _GitRules(below, make_patterns(read_text(self.root / path / ".gitignore").splitlines())))
        for entry in entries:
            inner = f"{path}/{entry.name}" if path else entry.name
            if entry.is_dir(follow_symlinks=False):
                if not self._passed_over(inner, git):
                    yield from self.folder(inner, git)
            elif not self._left_out(inner, git):
                yield from self._file(inner, entry)

    def _passed_over(self, path: str, git: tuple[_GitRules, ...]) -> bool:
        """Tell whether nothing in a folder can belong to the project."""
        out, by = self._decide(f"{path}/", git)
        if not out:
            return False
        if by is self.rules.secrets:
            self.secrets.append(f"{path}/")
        if by is self.rules.docker and self.rules.docker_returns:
            return False
        return not any(each.startswith(f"{path}/") for each in self.rules.own_returns)

    def _left_out(self, path: str, git: tuple[_GitRules, ...]) -> bool:
        out, by = self._decide(path, git)
        if out and by is self.rules.secrets:
            self.secrets.append(path)
        return out

    def _decide(self, path: str, git: tuple[_GitRules, ...]) -> tuple[bool, Patterns | None]:
        """Tell whether a path is left out, and by which patterns: the last that say anything of it."""
        for spec in (self.rules.own, self.rules.secrets, self.rules.docker):
            include = spec.include(path)
            # What secrets bring back are their own exceptions, which others may still leave out.
            if include or (include is False and spec is not self.rules.secrets):
                return include, spec
        for each in reversed(git):
            include = each.spec.include(path.removeprefix(each.below))
            if include is not None:
                return include, each.spec
        return bool(self.rules.usual.include(path)), self.rules.usual

    def _file(self, path: str, entry: os.DirEntry[str]) -> Iterator[ProjectFile]:
        _check_name(path)
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            yield ProjectFile(path, Kind.SYMLINK, 0o777, target=_target(self.root, path))
            return
        if not stat.S_ISREG(status.st_mode):
            what = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
            raise BivyError(f"{self.root / path} is {what}, which an image cannot hold", hint=_how_to_leave_out(path))
        _check_readable(entry.path, path)
        if path.endswith(".pem") and _PRIVATE_KEY in Path(entry.path).read_bytes() and not self._wanted(path):
            self.secrets.append(path)
            return
        yield ProjectFile(path, Kind.FILE, _mode(status.st_mode), status.st_size)

    def _wanted(self, path: str) -> bool:
        return self.rules.own.include(path) is False


_KINDS: Final = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


def _mode(mode: int) -> int:
    """Return a file's permissions as they are everywhere: umasks differ from machine to machine."""
    return 0o755 if mode & stat.S_IXUSR else 0o644


def _how_to_leave_out(path: str) -> str:
    return f'leave it out, in [tool.bivy]: exclude = ["/{path}"]'


def _check_readable(path: str, name: str) -> None:
    if not os.access(path, os.R_OK):
        raise BivyError(
            f"{path} cannot be read: it belongs to somebody else, or its permissions are too narrow",
            hint=_how_to_leave_out(name),
        )


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise BivyError(
            f"the name of the file {os.fsencode(path)!r} is not UTF-8", hint="give it another name, or leave it out"
        ) from None


def _target(root: Path, path: str) -> str:
    """Return where a link leads, relative to its folder.

    Raises:
        BivyError: Out of the project, by what it says or by what another link on the way says.
    """
    place = root / path
    target = str(place.readlink())
    folder = posixpath.dirname(f"{root}/{path}")
    said = posixpath.normpath(posixpath.join(folder, target))
    real = os.path.realpath(place)
    for there, top in ((said, str(root)), (real, os.path.realpath(root))):
        if there != top and not there.startswith(f"{top}/"):
            raise BivyError(
                f"{place} is a link out of the project, to {target}",
                hint=f"put a copy of it there instead, or {_how_to_leave_out(path)}",
            )
    # In the image the project is in another folder: what goes out of this one and back in would miss it.
    return posixpath.relpath(said, folder) if target.startswith("/") or _climbs_out(path, target) else target


def _climbs_out(path: str, target: str) -> bool:
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return True
    return False
