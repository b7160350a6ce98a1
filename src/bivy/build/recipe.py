"""A recipe: what a package is made from and how, read from its TOML file or refused with file, line and key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from bivy.apk.package import SCRIPTS
from bivy.apk.version import Version
from bivy.arch import ARCHES
from bivy.errors import UsageError
from bivy.source.pin import Pin, Place
from bivy.tables import convert, line_of, nearest, parse, read_text

BIVY = Path(__file__).parents[1]
RECIPES = BIVY / "recipes"


class PlaceData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a source is to be had: one of `url` and `debian`, and the digest of what is there."""

    sha256: str
    url: str = ""
    debian: str = ""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source archive, unpacked into ``$SRC/name``."""

    name: str
    places: tuple[PlaceData, ...]
    version: str = ""
    patches: tuple[str, ...] = ()


class With(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a step is given; which keys mean something to which step is in docs/recipes.md."""

    script: str = ""
    options: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    prefix: str = "/usr"


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"given": "with"}):
    """One step of a pipeline: a known one (`uses`) or a shell script (`runs`)."""

    uses: Literal["configure", "make", "install", "python", ""] = ""
    runs: str = ""
    given: With = With()
    environment: dict[str, str] = {}
    directory: str = ""
    arch: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


class Subpackage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package that takes part of what is installed."""

    name: str
    files: tuple[str, ...]
    description: str = ""
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    install_if: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    provider_priority: int | None = None
    replaces_priority: int | None = None
    scripts: dict[str, str] = {}


class Permission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who owns a path and what its mode is, where that is not root's with the mode it was installed with."""

    mode: str = ""
    uid: int = 0
    gid: int = 0
    user: str = "root"
    group: str = "root"


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold after a build."""

    files: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()


class VersionData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is different for one version of a recipe that builds several."""

    release: int = 0
    sources: tuple[Source, ...] = ()
    makedepends: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    variables: dict[str, str | dict[str, str]] = {}


class RecipeData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe's file, key by key; docs/recipes.md says what each means."""

    name: str
    description: str
    license: str
    version: str = ""
    release: int = 0
    url: str = ""
    machine: Literal["target", "build"] = "target"
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    install_if: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    provider_priority: int | None = None
    replaces_priority: int | None = None
    scripts: dict[str, str] = {}
    makedepends: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    code: tuple[str, ...] = ()
    variables: dict[str, str | dict[str, str]] = {}
    pipeline: tuple[Step, ...] = ()
    remove: tuple[str, ...] = ()
    subpackages: tuple[Subpackage, ...] = ()
    permissions: dict[str, Permission] = {}
    check: Check = Check()
    versions: dict[str, VersionData] = {}


class Recipe(msgspec.Struct, frozen=True):
    """A recipe for one version: everything that its packages are made from.

    Attributes:
        data: The recipe's file, with what the version replaces replaced.
        folder: The recipe's folder, with its patches and small files.
    """

    data: RecipeData
    folder: Path

    @property
    def name(self) -> str:
        """The recipe's name, which is its main package's."""
        return self.data.name

    @property
    def version(self) -> str:
        """The version as packages have it: ``1.3.2-r0``."""
        return f"{self.data.version}-r{self.data.release}"

    @property
    def package_names(self) -> tuple[str, ...]:
        """The names that its packages may have, the main one's first."""
        return (self.name, *(sub.name for sub in self.data.subpackages))

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The sources as what is to be fetched."""
        return tuple(
            Pin(
                source.name,
                source.version or self.data.version,
                tuple(Place(place.sha256, url=place.url, debian=place.debian) for place in source.places),
            )
            for source in self.data.sources
        )

    def small_files(self) -> dict[str, Path]:
        """Return the files beside ``recipe.toml``, and those of bivy's own code, by the names that go into its key."""
        own = {path.relative_to(self.folder).as_posix(): path for path in _files_below(self.folder)}
        del own["recipe.toml"]
        return own | {
            f"code/{folder}/{path.relative_to(BIVY / folder).as_posix()}": path
            for folder in self.data.code
            for path in _files_below(BIVY / folder)
        }


def load_recipe(folder: Path) -> RecipeData:
    """Read the recipe in a folder.

    Raises:
        UsageError: There is none, or something in it is wrong; the message has file, line and key.
    """
    path = folder / "recipe.toml"
    text = read_text(path)
    data = convert(path, text, parse(path, text), RecipeData, what="the recipe")
    _check_recipe(path, text, folder, data)
    return data


def select_version(data: RecipeData, folder: Path, wanted: str = "") -> Recipe:
    """Take the version of a recipe that `wanted` is, or begins: ``3.14`` takes the newest 3.14.

    Raises:
        UsageError: The recipe does not build that version.
    """
    if not data.versions:
        if wanted and not _begins(data.version, wanted):
            raise UsageError(f"{data.name} {wanted} is not known", hint=f"there is {data.version}")
        return Recipe(data, folder)
    fitting = [version for version in data.versions if _begins(version, wanted)]
    if not fitting:
        raise UsageError(
            f"{data.name} {wanted} is not known", hint="known are " + ", ".join(sorted(data.versions, key=Version))
        )
    version = max(fitting, key=Version)
    chosen = data.versions[version]
    return Recipe(
        msgspec.structs.replace(
            data,
            version=version,
            release=chosen.release,
            sources=chosen.sources + data.sources,
            makedepends=data.makedepends + chosen.makedepends,
            tools=tuple(f"{tool}={version}" if tool == f"build-{data.name}" else tool for tool in data.tools)
            + chosen.tools,
            variables={**data.variables, **chosen.variables},
            versions={},
        ),
        folder,
    )


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def resolve_variables(recipe: Recipe, arch: str) -> dict[str, str]:
    """Give each of the recipe's variables its value for an architecture (Alpine's name)."""
    values = {}
    for name, value in recipe.data.variables.items():
        if isinstance(value, str):
            values[name] = value
        else:
            values[name] = value.get(arch, value.get("default", ""))
    return values


def _begins(version: str, wanted: str) -> bool:
    return not wanted or version == wanted or version.startswith(f"{wanted}.")


def _check_recipe(path: Path, text: str, folder: Path, data: RecipeData) -> None:
    """Refuse what the types alone let pass."""

    def refuse(key: str, message: str) -> UsageError:
        return UsageError(f"{path}:{line_of(text, key)}: {message}")

    if data.name != folder.name:
        raise refuse("name", f"name is {data.name!r}, but the folder is called {folder.name!r}")
    if bool(data.version) == bool(data.versions):
        raise refuse("version", "a recipe has either `version` or `versions`")
    for name in data.code:
        if not (BIVY / name / "__init__.py").is_file():
            raise refuse("code", f"code names {name!r}, which is no room of bivy's")
    for source in [*data.sources, *(s for v in data.versions.values() for s in v.sources)]:
        _check_source(refuse, folder, source)
    for position, step in enumerate(data.pipeline):
        where = f"pipeline[{position}]"
        if bool(step.uses) == bool(step.runs):
            raise refuse(where, f"{where}: a step has either `uses` or `runs`")
        for arch in step.arch:
            if arch not in ARCHES:
                raise refuse(f"{where}.arch", f"{where}.arch: unknown architecture {arch!r}{nearest(arch, ARCHES)}")
    _check_scripts(refuse, folder, data, "")
    for position, sub in enumerate(data.subpackages):
        _check_scripts(refuse, folder, sub, f"subpackages[{position}].")
    for name, value in data.variables.items():
        for arch in value if isinstance(value, dict) else ():
            if arch not in ARCHES and arch != "default":
                raise refuse(f"variables.{name}", f"variables.{name}: unknown architecture {arch!r}")


def _check_source(refuse: Any, folder: Path, source: Source) -> None:  # noqa: ANN401 - a local function
    for place in source.places:
        if bool(place.url) == bool(place.debian):
            raise refuse("sources", f"source {source.name}: a place has either `url` or `debian`")
        if not re.fullmatch(r"[0-9a-f]{64}", place.sha256):
            raise refuse(
                place.sha256 or "sources", f"source {source.name}: sha256 {place.sha256!r} is not 64 hex digits"
            )
    if not source.places:
        raise refuse("sources", f"source {source.name} has no places to get it from")
    for patch in source.patches:
        if not (folder / patch).is_file():
            raise refuse(patch, f"source {source.name}: the patch {patch} is not in {folder}")


def _check_scripts(refuse: Any, folder: Path, part: RecipeData | Subpackage, where: str) -> None:  # noqa: ANN401
    for name, file in part.scripts.items():
        if name not in SCRIPTS:
            raise refuse(f"{where}scripts", f"{part.name}: no script is called {name!r}{nearest(name, SCRIPTS)}")
        try:
            content = (folder / file).read_bytes()
        except OSError:
            raise refuse(f"{where}scripts", f"{part.name}: the script {file} is not in {folder}") from None
        # apk executes it as it is, and says nothing of use where it cannot.
        if not content.startswith(b"#!/"):
            raise refuse(f"{where}scripts", f"{part.name}: the script {file} does not begin with #!/bin/sh")
    if bool(part.triggers) != ("trigger" in part.scripts):
        key = "triggers" if part.triggers else "scripts"
        raise refuse(f"{where}{key}", f"{part.name}: `triggers` and the script `trigger` go together")
    for folder_name in part.triggers:
        if not folder_name.startswith("/"):
            raise refuse(f"{where}triggers", f"{part.name}: triggers are folders from the root on: /{folder_name}")
