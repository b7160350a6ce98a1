"""Profiles by which a recipe is compiled, and whether they are still of the source that it builds.

Beside its `recipe.toml` a recipe has a profile for each version whose variable `profile` names one, and what it was
trained on: ``3.14.7.profdata.xz`` and ``3.14.7.profile.json`` (docs/recipes.md, "Profiles").
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

import msgspec

from bivy.errors import BivyError
from bivy.files import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.build.recipe import Recipe


class _Origin(msgspec.Struct, frozen=True):
    of: dict[str, str]


def trained_on(recipe: Recipe) -> dict[str, str]:
    """Return what a profile depends on, by what it is called for people.

    A function is compiled by the profile where its blocks are the same as when it was trained; where they are not, the
    compiler says so in the build's log and leaves that function as it is.
    """
    source = recipe.data.sources[0]
    patches = [recipe.folder / name for name in source.patches]
    files = [patch for patch in patches if _changes_c(patch)] + sorted(recipe.folder.glob("*.[ch]"))
    return {
        "the source": source.places[0].sha256,
        "the compiler": f"ziglang {metadata.version('ziglang')}",
        **{path.name: sha256_of(path) for path in files if path.name != "profile-shim.c"},
    }


def profile_path(recipe: Recipe) -> Path:
    """Return where a version's profile is kept: LLVM's indexed format, compressed by xz."""
    return recipe.folder / f"{recipe.data.version}.profdata.xz"


def origin_path(recipe: Recipe) -> Path:
    """Return where it is said what a version's profile was trained on."""
    return recipe.folder / f"{recipe.data.version}.profile.json"


def has_profile(recipe: Recipe) -> bool:
    """Tell whether a version is compiled by a profile that is there; while one is trained, it is not."""
    return bool(recipe.data.variables.get("profile")) and profile_path(recipe).is_file()


def profile_misfit(recipe: Recipe) -> str | None:
    """Say in what a recipe differs from what its profile was trained on.

    Returns:
        What differs, or ``None``: also where there is no profile.

    Raises:
        BivyError: It cannot be read what it was trained on.
    """
    if not has_profile(recipe):
        return None
    path = origin_path(recipe)
    try:
        then = msgspec.json.decode(path.read_bytes(), type=_Origin).of
    except FileNotFoundError:
        return f"{path.name} is missing, which says what the profile was trained on"
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as fault:
        raise BivyError(f"{path} cannot be read: {fault}", hint="train the profile anew") from fault
    now = trained_on(recipe)
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    return f"{', '.join(changed)} changed since its profile was trained" if changed else None


def _changes_c(patch: Path) -> bool:
    lines = patch.read_text("utf-8").splitlines()
    return any(line.startswith("+++ ") and line.split()[1].endswith((".c", ".h")) for line in lines)
