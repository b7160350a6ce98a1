"""A question to uv becomes a lock for every architecture at once; what cannot be had is left out and named."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError
from bivy.files import remove_folder
from bivy.musl.archives.standards import normalised
from bivy.musl.dependencies.lock import Edge, Lock, Question
from bivy.musl.dependencies.nearest import nearest_names
from bivy.musl.dependencies.settings import INDEX_SETTINGS, index_options, uv_settings, without_credentials
from bivy.musl.dependencies.uvlock import parse_uv_lock
from bivy.musl.report import Problem
from bivy.programs import find_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_NAME: Final = "bivy-question"
_ROUNDS: Final = 25
_REFUSALS: Final = 3
_TIMEOUT: Final = 120.0
_NO_NAME: Final = "No index has a distribution of this name."
NO_FILE: Final = "It has files for other platforms alone."
# Times that uv gives up after, where the person has set none: a check answers in seconds, also when an index does not.
_PATIENCE: Final = {"UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "1"}
_FOREIGN: Final = ("VIRTUAL_ENV", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_PROJECT", "UV_WORKING_DIR", "UV_FROZEN",
                   "UV_LOCKED", "UV_NO_BUILD", "UV_NO_BINARY", "UV_NO_BUILD_PACKAGE",
                   "UV_NO_BINARY_PACKAGE", "UV_OFFLINE", "UV_NO_SOURCES",
                   "UV_NO_CONFIG", "UV_CONFIG_FILE", "PYTHONPATH", "PYTHONHOME")  # fmt: skip
# The tables of a project's [tool.uv] that decide which versions there are and which of them is taken.
_SETTINGS: Final = ("index", "index-url", "extra-index-url", "find-links", "no-index", "index-strategy", "prerelease",
                    "resolution", "fork-strategy", "exclude-newer", "exclude-newer-package", "constraint-dependencies",
                    "override-dependencies", "exclude-dependencies", "dependency-metadata", "sources",
                    "keyring-provider")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that was asked for and is not in the lock.

    Attributes:
        name: Its normalised name.
        why: Why, in one sentence.
        asked: Whether the person asked for it, not another distribution.
    """

    name: str
    why: str
    asked: bool


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a question came to.

    Attributes:
        lock: What could be resolved.
        missing: What is not in it though it was asked for.
        problems: What could not be found out.
        unread: Distributions of which the requirements are not known, by normalised name, with the reason.
    """

    lock: Lock
    missing: tuple[Missing, ...] = ()
    problems: tuple[Problem, ...] = ()
    unread: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a source archive says of itself, so that it need not be built to be asked.

    Attributes:
        name: Its normalised name.
        version: Its version.
        requires: What it requires (PEP 508).
        extras: The extras that it has.
        unread: Why its requirements are not known, or empty.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    unread: str = ""


def resolve(
    question: Question,
    cache: Path,
    read_metadata: Callable[[str, str], Metadata] | None = None,
    timeout: float = _TIMEOUT,
    foreseen: Iterable[Metadata] = (),
    read_place: Callable[[str, str], Metadata] | None = None,
) -> Resolution:
    """Ask uv which versions an installer takes.

    No code of a distribution is run: where uv would have to build one to learn what it requires, `read_metadata` is
    asked, and what it does not know is left out.

    Args:
        question: The question.
        cache: bivy's cache folder.
        read_metadata: Tells what the source archive of a name and version requires.
        timeout: Seconds for everything.
        foreseen: What is known of source archives already, so that uv need not fetch them.
        read_place: Tells what the folder or commit of a name at an address requires; asked where it does not say so
            without being built.

    Raises:
        BivyError: uv cannot be run.
    """
    asking = _Asking(question, cache, read_metadata, timeout, read_place)
    asking.metadata.update(((each.name, each.version), each) for each in foreseen)
    for _ in range(_ROUNDS):
        text = asking.ask()
        if text is not None:
            lock = parse_uv_lock(text, "what uv answered", at=asking.folder)
            return asking.resolution(_without_root(lock, question))
        if asking.done:
            break
    else:
        asking.problems.append(
            Problem("the requirements", "Too much of them cannot be had to go on.", "ask about fewer at a time")
        )
    return asking.resolution(Lock((), (), question))


def _without_root(lock: Lock, question: Question) -> Lock:
    """Return a lock without the project that bivy made up to ask for it."""
    roots: tuple[Edge, ...] = next((each.requires for each in lock.packages if each.name == _NAME), ())
    return replace(
        lock, packages=tuple(each for each in lock.packages if each.name != _NAME), roots=roots, question=question
    )


class _Asking:
    """One question, with what had to be left out or added so that uv could answer."""

    def __init__(
        self, question: Question, cache: Path, read_metadata: Callable[[str, str], Metadata] | None, timeout: float,
        read_place: Callable[[str, str], Metadata] | None = None,
    ) -> None:  # fmt: skip
        import time

        self.question = question
        self.requirements = [*question.requirements]
        self.problems: list[Problem] = []
        self.missing: dict[str, Missing] = {}
        self.left_out: set[str] = set()
        self._refusals = 0
        self.metadata: dict[tuple[str, str], Metadata] = {}
        self.done = False
        self.folder = Path()
        self._cache = cache
        self._read_metadata = read_metadata
        self._read_place = read_place
        self._places: set[str] = set()
        self._deadline = time.monotonic() + timeout
        self._drop_what_is_none()

    def resolution(self, lock: Lock) -> Resolution:
        unread = {each.name: each.unread for each in self.metadata.values() if each.unread}
        return Resolution(lock, tuple(self.missing.values()), tuple(self.problems), unread)

    def _drop_what_is_none(self) -> None:
        from packaging.requirements import InvalidRequirement, Requirement

        for text in self.question.requirements:
            try:
                requirement = Requirement(text)
                if requirement.url and not _is_file(requirement.url) and not self.question.looking:
                    self.requirements.remove(text)
                    name = normalised(requirement.name)
                    place = "a git repository" if requirement.url.startswith("git+") else "a folder or repository"
                    why = f"It comes from {place}, which was not looked into: {without_credentials(requirement.url)}."
                    self.missing[name] = Missing(name, why, asked=True)
            except InvalidRequirement as fault:
                self.requirements.remove(text)
                reason = str(fault).splitlines()[0]
                self.problems.append(
                    Problem(text, f"This is not a requirement: {reason}.", "such as requests, or requests>=2.32")
                )

    def ask(self) -> str | None:
        """Return the text of uv's lock; or ``None``, having left out or added what its refusal is about."""
        with tempfile.TemporaryDirectory(prefix="bivy-") as name:
            self.folder = folder = Path(name)
            (folder / "pyproject.toml").write_text(self._project(), "utf-8")
            refusal = self._run(folder)
            if refusal is None:
                return (folder / "uv.lock").read_text("utf-8")
        self._make_of(refusal)
        return None

    def _project(self) -> str:
        told = {**self.question.settings, **uv_settings()}
        settings = {key: value for key, value in told.items() if key in _SETTINGS}
        settings["environments"] = [
            f"python_full_version == '{python}.*' and sys_platform == 'linux' and implementation_name == 'cpython'"
            for python in self.question.pythons
        ]
        settings["constraint-dependencies"] = [*_list(settings, "constraint-dependencies"), *self.question.constraints]
        settings["override-dependencies"] = [
            *(each for each in _list(settings, "override-dependencies") if _name_of(each) not in self.left_out),
            *(each for each in self.question.overrides if _name_of(each) not in self.left_out),
            *(f"{name}; sys_platform == 'never'" for name in sorted(self.left_out)),
        ]
        stated = settings.get("dependency-metadata")
        settings["dependency-metadata"] = [
            *(stated if isinstance(stated, list) else ()),
            *(
                {
                    "name": each.name,
                    "version": each.version,
                    "requires-dist": each.requires,
                    "provides-extra": each.extras,
                }
                for each in self.metadata.values()
            ),
        ]
        lowest = min([*self.question.pythons, f"3.{sys.version_info.minor}"], key=_minor)
        project = {
            "name": _NAME,
            "version": "0",
            "requires-python": f">={lowest}",
            "dependencies": [each for each in self.requirements if _name_of(each) not in self.left_out],
        }
        return "".join(
            f"[{title}]\n" + "".join(f"{_toml(key)} = {_toml(value)}\n" for key, value in table.items())
            for title, table in (("project", project), ("tool.uv", settings))
        )

    def _run(self, folder: Path) -> str | None:
        """Let uv lock the project in `folder`; return what it says where it refuses."""
        import time

        named = not INDEX_SETTINGS.isdisjoint(self.question.settings)
        options = [*(() if named else index_options()), *self.question.options]
        if self.question.offline:
            options.append("--offline")
        command = [
            find_uv(), "lock", "--project", str(folder), "--no-python-downloads",
            "--python", str(_interpreter(self._cache)), "--no-build-isolation", "--color", "never", "--no-progress",
            *options,
        ]  # fmt: skip
        environment = {**_PATIENCE, **{key: value for key, value in os.environ.items() if key not in _FOREIGN}}
        if os.environ.get("UV_NO_CONFIG"):  # which would also have uv overlook what bivy asks
            environment |= {"XDG_CONFIG_HOME": str(folder), "XDG_CONFIG_DIRS": str(folder)}
        left = max(0.0, self._deadline - time.monotonic())
        try:
            done = subprocess.run(
                command, cwd=self.question.folder, env=environment, capture_output=True, timeout=left, check=False
            )
        except subprocess.TimeoutExpired:
            self._stop("The index did not answer in time.", "ask again, or name a nearer index with UV_DEFAULT_INDEX")
            return ""
        except (OSError, FileNotFoundError) as fault:
            raise BivyError(f"uv, which finds out the versions, cannot be run: {fault}") from fault
        return None if done.returncode == 0 else done.stderr.decode("utf-8", "replace")

    def _stop(self, message: str, hint: str) -> None:
        self.done = True
        self.problems.append(Problem("the index", message, hint))
        for each in self.requirements:
            name = _name_of(each)
            self.missing.setdefault(
                name, Missing(name, "It could not be looked up: the index did not answer.", asked=True)
            )

    def _make_of(self, refusal: str) -> None:
        if self.done:
            return
        text = " ".join(refusal.split())
        for reading in (self._not_built, self._not_told, self._not_fetched, self._not_found, self._not_satisfied):
            if reading(text):
                return
        self.done = True
        self.problems.append(Problem("the requirements", f"uv cannot resolve them: {_essence(refusal)}"))
        for each in self.requirements:
            name = _name_of(each)
            self.missing.setdefault(name, Missing(name, "The requirements could not be resolved.", asked=True))

    def _not_built(self, text: str) -> bool:
        """Tell uv what a source archive requires, so that it need not build it."""
        found = re.search(r"Failed to (?:build|download and build|read metadata from) `([\w.-]+)==([^`]+)`", text)
        if not found:
            return False
        name, version = normalised(found[1]), found[2]
        if (name, version) in self.metadata:
            return self._leave_out(name, "What it requires could not be read.")
        if self._read_metadata:
            self.metadata[name, version] = self._read_metadata(name, version)
        else:
            self.metadata[name, version] = Metadata(name, version, unread="it says so only when it is built")
        return True

    def _not_told(self, text: str) -> bool:
        """Tell uv what a folder or commit requires that says so only when it is built."""
        found = re.search(r"Failed to build `([\w.-]+) @ ([^`]+)`", text)
        if not found or not self._read_place or found[2] in self._places:
            return False
        self._places.add(found[2])
        told = self._read_place(normalised(found[1]), found[2])
        self.metadata[told.name, told.version] = told
        return True

    def _not_fetched(self, text: str) -> bool:
        direct = re.search(r"Failed to [\w ]+? `([\w.-]+)(?: @ |==)([^`]+)`", text)
        found = re.search(r"Failed to fetch:? `?([^\s`]+)", text)
        if not direct and not found:
            return False
        cause = _cause(text)
        if direct:
            return self._leave_out(
                normalised(direct[1]), f"{without_credentials(direct[2])} could not be fetched: {cause}."
            )
        address = without_credentials(found[1]) if found else ""
        if re.search(r"HTTP status|[45]\d\d ", cause):
            self._refusals += 1
            if self._refusals <= _REFUSALS:
                name = normalised(address.rstrip("/").rsplit("/", 1)[-1])
                return self._leave_out(name, f"{address} could not be fetched: {cause}.")
        self._stop(
            f"{address} could not be fetched: {cause}.",
            "look at the network and the proxy settings, or name another index with UV_DEFAULT_INDEX",
        )
        return True

    def _not_found(self, text: str) -> bool:
        """Leave out what has no file at all, whoever requires it."""
        found = re.search(r"[Bb]ecause ([\w.-]+) was not found in the ", text)
        found = found or re.search(r"[Bb]ecause there are no versions of ([\w.-]+)", text)
        if found:
            why = _NO_NAME
            if self.question.offline:
                why = "It is not in uv's cache, and nothing may be fetched."
            return self._leave_out(normalised(found[1]), why)
        found = re.search(
            r"[Bb]ecause (?:all versions of )?([\w.-]+)\S* ha(?:s|ve) no (?:usable |`[^`]+`-compatible )?wheels", text
        )
        return bool(found) and self._leave_out(normalised(found[1]), NO_FILE) if found else False

    def _not_satisfied(self, text: str) -> bool:
        """Leave out the requirement that uv's explanation ends with: the others may still be had."""
        if "unsatisfiable" not in text:
            return False
        explained = text.split("hint:", 1)[0]
        by_name = {_name_of(each): each for each in self.requirements}
        mentioned = [normalised(each) for each in re.findall(r"[A-Za-z0-9][\w.-]*", explained)]
        named = [each for each in mentioned if each in by_name]
        if not named:
            return False
        name = named[-1]
        only = re.search(r"only (?:\S+ is|the following versions of \S+ are) available", explained)
        why = "No version of it can be had as asked for" if only else "It contradicts what else is asked for"
        self.missing[name] = Missing(name, f"{why}: {by_name[name]}.", asked=True)
        self.problems.append(Problem(by_name[name], f"{why}. {_essence(text)}"))
        self.requirements = [each for each in self.requirements if _name_of(each) != name]
        return True

    def _leave_out(self, name: str, why: str) -> bool:
        if not name or name in self.left_out:
            return False
        asked = name in {_name_of(each) for each in self.requirements}
        self.left_out.add(name)
        self.missing[name] = Missing(name, why, asked=asked)
        if why != NO_FILE:  # that is an answer, not a problem
            near = nearest_names(name) if why == _NO_NAME else ()
            hint = f"the nearest that bivy knows: {', '.join(near)}" if near else ""
            self.problems.append(Problem(name, why, hint if asked else "another distribution requires it"))
        return True


def _list(table: Mapping[str, object], key: str) -> list[str]:
    value = table.get(key)
    return [str(each) for each in value] if isinstance(value, list) else []


def _is_file(url: str) -> bool:
    """Whether an address is that of a wheel or source archive, which uv reads without building."""
    path = url.partition("#")[0].partition("?")[0]
    return url.startswith(("http:", "https:", "file:")) and path.endswith((".whl", ".tar.gz", ".zip"))


def _minor(python: str) -> int:
    return int(python.split(".", 2)[1])


def _name_of(requirement: str) -> str:
    found = re.match(r"\s*([A-Za-z0-9][\w.-]*)", requirement)
    return normalised(found[1]) if found else ""


def _cause(text: str) -> str:
    """Return why something could not be fetched, in the words of the innermost of uv's causes."""
    causes = re.split(r"(?:Caused by|cause): ", text.split(" hint: ", 1)[0])
    last = causes[-1].rpartition("--- stderr ")[2]  # what git said, where it was that
    return re.sub(r" for url \(.*?\)", "", last).strip().rstrip(".")


def _essence(refusal: str) -> str:
    """Return what uv explains, without its frame and its advice on uv."""
    text = " ".join(refusal.split()).split(" hint: ", 1)[0]
    text = re.split(r"(?:cause:|Caused by:|╰─▶|error:) ", text)[-1]
    text = re.sub(r"(?:,| and)? we can conclude that your project's requirements are unsatisfiable", "", text)
    text = text.replace("your project depends on", "what is asked for is").strip()
    return text[:1].upper() + text[1:]


def _toml(value: object) -> str:
    """Return a value as TOML writes it inline (toml.io, version 1.0: strings and lists are those of JSON)."""
    import datetime as dt

    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, int | float | dt.date | dt.time):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _interpreter(cache: Path) -> Path:
    """Return a Python in which nothing is installed, so that nothing can be built with it.

    uv takes it to build with (``--no-build-isolation``). No build backend is there, so what needs building fails at
    once, before any code of the distribution's has run.
    """
    folder = cache / "check" / f"python-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if not python.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
        venv.EnvBuilder(symlinks=True, with_pip=False).create(fresh)
        remove_folder(folder)
        try:
            fresh.rename(folder)
        except OSError:  # another process was as quick
            remove_folder(fresh)
    return python
