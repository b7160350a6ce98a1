"""A commit in a repository of git's becomes a folder in bivy's cache, by the `git` of this machine."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from bivy.errors import BivyError
from bivy.files import locked, remove_folder, scratch_folder
from bivy.musl.dependencies.lock import Repository
from bivy.musl.dependencies.settings import with_credentials, without_credentials
from bivy.progress import under_way

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bivy.progress import Progress

_PATIENCE: Final = 900.0
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# None of those that run a command that the address names (git(1), GIT_ALLOW_PROTOCOL).
_PROTOCOLS: Final = ("git", "http", "https", "ssh")


def parse_reference(url: str) -> Repository:
    """Return what a direct reference to a repository says; the commit is empty where it names none.

    Args:
        url: ``git+ADDRESS@REVISION#subdirectory=FOLDER``, as pip's documentation describes it ("VCS Support").
    """
    bare, _, fragment = url.removeprefix("git+").partition("#")
    told = dict(parse_qsl(fragment))
    address, revision = bare, ""
    path = urlsplit(bare).path
    if "@" in path:
        revision = unquote(path.rpartition("@")[2])
        address = bare.rpartition("@")[0]
    commit = revision if _COMMIT.fullmatch(revision) else ""
    return Repository(address, commit, revision, told.get("subdirectory", "").strip("/"))


def public_address(address: str) -> str:
    """Return the address of a repository as it may be shown: a user of ssh's is no secret, and needed."""
    place = urlsplit(address)
    if place.scheme != "ssh" or not place.password:
        return address if place.scheme == "ssh" else without_credentials(address)
    user, _, host = place.netloc.rpartition("@")
    return urlunsplit(place._replace(netloc=f"{user.partition(':')[0]}@{host}"))


def check_git() -> None:
    """Refuse to go on where there is no `git`.

    Raises:
        BivyError: There is none on this machine's PATH.
    """
    if shutil.which("git") is None:
        raise BivyError(
            "something required comes from a git repository, and there is no git on this machine",
            hint="install git, such as with apt install git, apk add git or brew install git",
        )


def checkout(
    wanted: Repository, name: str, *, cache: Path, offline: bool, told: Sequence[str], progress: Progress
) -> tuple[Path, str]:
    """Return a folder with the files of a commit, submodules included, and the commit; it is not to be changed.

    Args:
        wanted: Which; where it has no commit, that which its revision means now.
        name: Who comes from it, for messages.
        cache: bivy's cache folder.
        offline: Whether nothing may be fetched.
        told: Addresses that may hold the name and password for it.
        progress: Who watches.

    Raises:
        BivyError: There is no git, or no such repository, commit, revision or folder.
    """
    check_git()
    _check(wanted, name)
    address = public_address(wanted.address)
    place = cache / "git" / hashlib.sha256(address.encode()).hexdigest()[:32]
    with locked(cache / "locks" / f"git-{place.name}"):
        git = _Git(place / "repository", address, with_credentials(address, [*told, wanted.address]), name)
        commit = wanted.commit if wanted.commit and git.has(wanted.commit) else ""
        if not commit:
            if offline:
                raise BivyError(
                    f"{name}: {wanted.commit or wanted.revision or 'the newest commit'} of {address} is not in the "
                    "cache, and nothing may be fetched",
                    hint="without --offline",
                )
            with under_way(progress, f"fetch {address}"):
                git.fetch(wanted.commit)
            commit = wanted.commit or git.resolve(wanted.revision)
        folder = place / "commits" / commit
        if not folder.is_dir():
            with scratch_folder(cache / "work", "git-") as scratch:
                git.check_out(commit, scratch / "files", offline=offline)
                folder.parent.mkdir(parents=True, exist_ok=True)
                remove_folder(folder)
                (scratch / "files").rename(folder)
    inside = folder / wanted.subdirectory
    if not inside.resolve().is_relative_to(folder.resolve()) or not inside.is_dir():
        raise BivyError(f"{name}: {address} has no folder {wanted.subdirectory!r} at {commit[:12]}")
    return inside, commit


def _check(wanted: Repository, name: str) -> None:
    scheme = urlsplit(wanted.address).scheme
    if scheme not in (*_PROTOCOLS, "file"):
        raise BivyError(
            f"{name}: {public_address(wanted.address)} is no address of a repository that bivy takes",
            hint="it begins with https:, ssh:, git: or file:",
        )
    if wanted.commit and not _COMMIT.fullmatch(wanted.commit):
        raise BivyError(f"{name}: {wanted.commit!r} is no commit", hint="a commit is named by all of its digits")


class _Git:
    """A bare repository in the cache, and the one that it is a copy of."""

    def __init__(self, folder: Path, address: str, secret: str, name: str) -> None:
        self._folder = folder
        self._address = address
        self._secret = secret
        self._name = name
        if not (folder / "HEAD").is_file():
            remove_folder(folder)
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._run(["init", "--quiet", "--bare", str(folder)], folder.parent)

    def has(self, commit: str) -> bool:
        return self._ask(["cat-file", "-e", f"{commit}^{{commit}}"]) is not None

    def fetch(self, commit: str) -> None:
        """Fetch all branches and tags, and a commit that is on none of them."""
        refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+HEAD:refs/bivy/head"]
        self._run(["fetch", "--quiet", "--force", "--prune", "--no-auto-gc", "--", self._address, *refs], self._folder)
        if commit and not self.has(commit):
            try:
                self._run(["fetch", "--quiet", "--", self._address, commit], self._folder)
            except BivyError:
                raise BivyError(
                    f"{self._name}: {self._address} has no commit {commit}",
                    hint="was it pushed? A lock is renewed by uv lock --upgrade-package " + self._name,
                ) from None

    def resolve(self, revision: str) -> str:
        names = [f"refs/heads/{revision}", f"refs/tags/{revision}", f"refs/{revision.removeprefix('refs/')}", revision]
        for each in names if revision else ("refs/bivy/head",):
            found = self._ask(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{each}^{{commit}}"])
            if found:
                return found.strip()
        raise BivyError(
            f"{self._name}: {self._address} has no branch, tag or commit {revision!r}", hint="is it spelled right?"
        )

    def check_out(self, commit: str, folder: Path, *, offline: bool) -> None:
        # With its history, since some projects take their version from that.
        self._run(["clone", "--quiet", "--no-checkout", "--local", "--", str(self._folder), str(folder)], folder.parent,
                  here=True)  # fmt: skip
        self._run(["remote", "set-url", "origin", self._address], folder)
        self._run(["checkout", "--quiet", "--detach", commit], folder)
        if (folder / ".gitmodules").is_file():
            if offline:
                raise BivyError(
                    f"{self._name}: {self._address} has submodules, and nothing may be fetched",
                    hint="without --offline",
                )
            self._run(["submodule", "--quiet", "update", "--init", "--recursive"], folder)

    def _ask(self, words: Sequence[str]) -> str | None:
        done = subprocess.run(
            ["git", *words], cwd=self._folder, env=self._environment(), capture_output=True, timeout=_PATIENCE,
            check=False,
        )  # fmt: skip
        return None if done.returncode else done.stdout.decode("utf-8", "replace")

    def _run(self, words: Sequence[str], folder: Path, *, here: bool = False) -> None:
        try:
            done = subprocess.run(
                ["git", *words], cwd=folder, env=self._environment(here=here), capture_output=True, timeout=_PATIENCE,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise BivyError(f"{self._name}: {self._address} did not answer within {_PATIENCE:.0f} s") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().replace(self._secret, self._address)
            raise BivyError(
                f"{self._name}: git {words[0]} of {self._address} failed:\n{said}",
                hint="does the address exist, and may you read it? git asks for no password here: see git help "
                "credentials, or write the address with ssh:",
            )

    def _environment(self, *, here: bool = False) -> dict[str, str]:
        """Return git's variables: names and passwords are in none of its files, and in no command that others see."""
        told = {"core.hooksPath": os.devnull, "advice.detachedHead": "false", "core.autocrlf": "false"}
        # Submodules of a repository on this machine may be on it, too; of others they may not.
        protocols = [*_PROTOCOLS, *(["file"] if here or urlsplit(self._address).scheme == "file" else [])]
        if self._secret != self._address:
            told[f"url.{_origin(self._secret)}.insteadOf"] = _origin(self._address)
        settings = {"GIT_CONFIG_COUNT": str(len(told))}
        for number, (key, value) in enumerate(told.items()):
            settings |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_DIR", "GIT_WORK_TREE"))}
        return {
            **kept, **settings, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": ":".join(protocols),
        }  # fmt: skip


def _origin(address: str) -> str:
    place = urlsplit(address)
    return urlunsplit((place.scheme, place.netloc, "/", "", ""))
