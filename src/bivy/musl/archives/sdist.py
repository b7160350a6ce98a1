"""A source archive: what it is, what building it takes, and whether anything in it is compiled.

The formats are those of the source distribution specification
(https://packaging.python.org/specifications/source-distribution-format/), PEP 517 and 518 (``[build-system]``) and PEP
643 (which of PKG-INFO can be relied on). Nothing is written to disk and nothing is run; an archive with something wrong
in it is read as far as it goes, and says what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from bivy.errors import BivyError
from bivy.musl.archives.build_files import languages_in, libraries_in
from bivy.musl.archives.faults import Faults, quoted
from bivy.musl.archives.gather import Gathered, Stream, gather_tar, gather_zip, stem_of
from bivy.musl.archives.metadata import Metadata, parse_metadata, sound_requirements
from bivy.musl.archives.remote import chunks_of, explained, file_name, remote_file, shown
from bivy.musl.archives.setup_script import Script, read_script
from bivy.musl.archives.standards import LEGACY_BACKEND, LEGACY_REQUIRES
from bivy.musl.archives.wheel import Traffic, compare_identity
from bivy.musl.archives.zipped import Bounds

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from bivy.musl.report import Problem

_MOST_SCRIPTS = 12
_BOUNDS = Bounds(total=2 << 30, largest=1 << 30, members=200_000)
# Backends that are chosen for compiling, those that cannot compile, and those that can if they are told to.
_COMPILING = {"maturin", "mesonpy", "scikit_build_core", "setuptools_rust", "sipbuild", "py_build_cmake", "enscons"}
_PLAIN = {"flit_core", "flit_scm", "uv_build", "flit"}
_HOOKS = {"hatchling": ("hatch", "build"), "poetry": ("poetry", "build"), "pdm": ("pdm", "build")}


@dataclass(frozen=True, slots=True)
class Sdist:
    """What a source archive says of itself.

    Attributes:
        where: What it is called, for messages.
        name: Its normalised name (PEP 503): from PKG-INFO, else from its file name.
        version: Its version, from the same place.
        requires: What it requires when it runs (PEP 508).
        requires_known: Whether `requires` can be relied on, so that nothing needs to be built to know it.
        requires_python: The versions of Python that it asks for; empty for all.
        build_requires: What building it requires (PEP 518), and ``setup_requires`` where a script has constants there.
        backend: What builds it (PEP 517), ``setuptools.build_meta``; that of PEP 517's fallback where it names none.
        languages: What is compiled, by the names of files that are not in folders of tests, documentation or examples:
            ``c``, ``c++``, ``cython``, ``rust``, ``fortran``, ``go``, ``cuda``, ``assembler``, ``zig``.
        extension_modules: Whether building compiles something: ``None`` where that cannot be told.
        optional_extensions: Whether the build is written to go on where compiling fails.
        libraries: Names of libraries that its build links or asks for, as Meson, CMake, Cargo or the linker write them.
        tools: Programs that its build is likely to run: ``cmake``, ``meson``, ``cargo``, ``pkg-config``, ``pg_config``.
        known_from: For each language, library and tool the file from which it is known.
        problems: What is wrong with it.
        complete: Whether it was read to its end.
        traffic: What was fetched.
    """

    where: str
    name: str
    version: str
    requires: tuple[str, ...]
    requires_known: bool
    requires_python: str
    build_requires: tuple[str, ...]
    backend: str
    languages: frozenset[str]
    extension_modules: bool | None
    optional_extensions: bool
    libraries: tuple[str, ...]
    tools: tuple[str, ...]
    known_from: Mapping[str, str]
    problems: tuple[Problem, ...]
    complete: bool
    traffic: Traffic


def read_sdist(path: Path, *, bounds: Bounds = _BOUNDS) -> Sdist:
    """Read a source archive on this machine: tar (plain, gzip, bzip2, xz, zstd) or zip.

    Args:
        path: The file; what it is, its first bytes say.
        bounds: How much is read of it at most.

    Raises:
        BivyError: It cannot be opened, or nothing of it can be read.
    """
    gathered = Gathered(path.name, str(path), bounds)
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            if magic.startswith(b"PK"):
                gather_zip(file, gathered)
            else:
                gather_tar(file, gathered)
    except OSError as fault:
        raise BivyError(f"cannot read {path}: {fault.strerror or fault}") from fault
    return _conclude(gathered, Traffic())


def read_remote_sdist(
    client: httpx.Client,
    address: str,
    *,
    limit: int = 64 << 20,
    eager: int = 1 << 20,
    patience: float = 60.0,
    bounds: Bounds = _BOUNDS,
) -> Sdist:
    """Read a source archive at an address, as far as is needed.

    A small one is read to its end, and so is one that setuptools may build, since its script can come last. Of others
    reading ends after `eager` bytes as soon as it is known what it requires, what builds it and that something in it is
    compiled; `Sdist.complete` says whether there would have been more.

    Args:
        client: As `bivy.source.download.open_client` makes it.
        address: An ``http:``, ``https:`` or ``file:`` address.
        limit: How many bytes are fetched at most.
        eager: How many bytes are fetched even where less would do.
        patience: How many seconds it may take.
        bounds: How much is read of it at most, unpacked.

    Raises:
        BivyError: It cannot be fetched, or nothing of it can be read.
    """
    if address.startswith("file:"):
        return read_sdist(Path(unquote(urlsplit(address).path)), bounds=bounds)
    gathered = Gathered(file_name(address), shown(address), bounds)
    traffic = Traffic()
    with explained(address):
        if gathered.file_name.endswith(".zip"):
            with remote_file(client, address, limit=limit, patience=patience) as remote:
                gather_zip(cast("IO[bytes]", remote), gathered)
                return _conclude(gathered, remote.traffic)
        chunks = chunks_of(client, address, limit=1 << 50, patience=patience, traffic=traffic)
        try:
            stream = Stream(chunks, limit, lambda taken: taken >= eager and gathered.is_enough)
            gather_tar(cast("IO[bytes]", stream), gathered)
        finally:
            chunks.close()
    return _conclude(gathered, traffic)


def _conclude(gathered: Gathered, traffic: Traffic) -> Sdist:
    """Make of what was kept what is known of the archive."""
    faults = gathered.faults
    if len(gathered.tops) > 1:
        faults.add("there is more than one folder at its top", ", ".join(list(gathered.tops)[:5]))
    metadata, name, version = _identity(gathered)
    project = _toml(gathered.content("pyproject.toml"), faults)
    backend, build_requires = _build_system(project, faults)
    if gathered.content("pyproject.toml") is None and not gathered.complete:  # there may be one further on
        backend, build_requires = "", ()
    scripts = _scripts(gathered, project)
    known_from: dict[str, str] = {**gathered.languages, **gathered.tools}
    libraries: dict[str, None] = {}
    found_languages = dict.fromkeys(gathered.languages)
    tools = dict.fromkeys(gathered.tools)
    for script_name, script in scripts.items():
        libraries |= script.libraries
        tools |= script.tools
        for found in (*script.libraries, *script.tools):
            known_from.setdefault(found, script_name)
    for (_, path), content in gathered.files.items():
        for library in libraries_in(path, content):
            libraries[library] = None
            known_from.setdefault(library, path)
        for language in languages_in(path, content):
            found_languages[language] = None
            known_from.setdefault(language, path)
    script_requires = [text for script in scripts.values() for text in script.requires]
    requires, known = _requires(metadata, project, faults)
    return Sdist(
        where=gathered.where,
        name=name,
        version=version,
        requires=requires,
        requires_known=known,
        requires_python=metadata.requires_python if metadata else "",
        build_requires=tuple(
            dict.fromkeys([*build_requires, *sound_requirements(script_requires, "setup.py", faults)])
        ),
        backend=backend,
        languages=frozenset(found_languages),
        extension_modules=_compiles(backend, project, build_requires, scripts, gathered),
        optional_extensions=any(script.optional for script in scripts.values()),
        libraries=tuple(libraries),
        tools=tuple(tools),
        known_from=MappingProxyType(known_from),
        problems=faults.problems,
        complete=gathered.complete,
        traffic=traffic,
    )


def _identity(gathered: Gathered) -> tuple[Metadata | None, str, str]:
    from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename

    faults = gathered.faults
    name = version = ""
    stem = stem_of(gathered.file_name)
    try:
        parsed, number = parse_sdist_filename(f"{stem}.tar.gz" if stem != gathered.file_name else gathered.file_name)
        name, version = str(parsed), str(number)
    except InvalidSdistFilename:
        faults.add(f"{quoted(gathered.file_name)} is not the file name of a source archive")
    raw = gathered.content("PKG-INFO")
    if raw is None:
        if gathered.complete:
            faults.add("there is no PKG-INFO in it")
        return None, name, version
    metadata = parse_metadata(raw, "PKG-INFO", faults)
    compare_identity(name, version, metadata, faults)
    return metadata, canonicalize_name(metadata.name) if metadata.name else name, metadata.version or version


def _toml(raw: bytes | None, faults: Faults) -> dict[str, Any]:
    import tomllib

    if raw is None:
        return {}
    try:
        return tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as fault:
        faults.add(f"pyproject.toml cannot be read: {str(fault)[:200]}")
        return {}


def _table(value: object, *keys: str) -> dict[str, Any]:
    """Return the table at a place, an empty one where there is something else."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _build_system(project: dict[str, Any], faults: Faults) -> tuple[str, tuple[str, ...]]:
    """Return the backend and what it requires; PEP 517's fallback where there is nothing."""
    table = _table(project, "build-system")
    if "requires" not in table:
        return LEGACY_BACKEND, LEGACY_REQUIRES
    requires = tuple(sound_requirements(_texts(table["requires"]), "pyproject.toml", faults))
    backend = table.get("build-backend", LEGACY_BACKEND)
    return (backend if isinstance(backend, str) else LEGACY_BACKEND), requires


def _scripts(gathered: Gathered, project: dict[str, Any]) -> dict[str, Script]:
    """Return what is in ``setup.py`` or a backend's hook, and in the files beside it that it imports or may run."""
    found: dict[str, Script] = {}
    ahead = ["setup.py", *_hook_files(project)]
    while ahead and len(found) < _MOST_SCRIPTS:
        name = ahead.pop(0)
        source = gathered.content(name)
        if source is None or name in found:
            continue
        script = read_script(source)
        if script is None:
            gathered.faults.add("programs that bivy cannot read, since they are not Python 3", name)
            continue
        found[name] = script
        ahead += [f"{module}.py" for module in script.imports]
        if name != "setup.py":
            ahead += script.scripts
    return found


def _hook_files(project: dict[str, Any]) -> list[str]:
    """Return the programs of the project's own that its backend runs while it builds (hatchling, Poetry, PDM)."""
    hatch = _table(project, "tool", "hatch", "build")
    files = []
    for table in (hatch, _table(hatch, "targets", "wheel")):
        custom = _table(table, "hooks").get("custom")
        if isinstance(custom, dict):
            files.append(custom.get("path", "hatch_build.py"))
    poetry = _table(project, "tool", "poetry").get("build")
    files.append(poetry.get("script") if isinstance(poetry, dict) else poetry)
    files.append(_table(project, "tool", "pdm", "build").get("custom-hook"))
    return [file for file in files if isinstance(file, str)]


def _requires(metadata: Metadata | None, project: dict[str, Any], faults: Faults) -> tuple[tuple[str, ...], bool]:
    """Return what it requires when it runs, and whether that is certain (PEP 643, PEP 621)."""
    if metadata and _has_static_fields(metadata.format) and "requires-dist" not in metadata.dynamic:
        return metadata.requires, True
    table = _table(project, "project")
    if table and "dependencies" not in _texts(table.get("dynamic")):
        return tuple(sound_requirements(_texts(table.get("dependencies")), "pyproject.toml", faults)), True
    return (metadata.requires if metadata else ()), False


def _has_static_fields(version: str) -> bool:
    parts = version.split(".")
    return len(parts) == 2 and all(part.isdecimal() for part in parts) and (int(parts[0]), int(parts[1])) >= (2, 2)


def _compiles(
    backend: str, project: dict[str, Any], requires: tuple[str, ...], scripts: dict[str, Script], gathered: Gathered
) -> bool | None:
    """Tell whether building it compiles something, as far as that can be told without building it."""
    engine = backend.partition(":")[0].partition(".")[0]
    if _table(project, "build-system").get("backend-path"):  # its own, in front of some other: most often setuptools
        engine = "setuptools" if "setup.py" in scripts else ""
    if engine in _COMPILING:
        return True
    names = {requirement.partition(";")[0].strip().lower() for requirement in requires}
    compilers = any(name.startswith(("cython", "cffi", "pybind11", "nanobind", "setuptools-rust")) for name in names)
    unseen = not gathered.complete
    if engine == "setuptools":
        if _table(project, "tool", "setuptools").get("ext-modules") or "setuptools-rust" in _table(project, "tool"):
            return True
        if "setup.py" not in scripts:
            there = gathered.content("setup.py") is not None
            return None if there or unseen or compilers else False
        told = [script.extensions for script in scripts.values()]
        if True in told:
            return True
        return None if None in told or compilers or unseen else False
    if engine in _PLAIN:
        return False
    for prefix, keys in _HOOKS.items():
        if engine.startswith(prefix):
            if any(script.extensions for name, script in scripts.items() if name != "setup.py"):
                return True
            return None if _has_hooks(_table(project, "tool", *keys)) or compilers else False
    return None


def _has_hooks(table: dict[str, Any]) -> bool:
    """Tell whether a backend is told to run something of the project's own while it builds."""
    return bool(table.get("hooks") or table.get("script") or _table(table, "targets", "wheel").get("hooks")) or bool(
        table.get("custom-hook")
    )
