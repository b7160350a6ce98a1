"""Whether the profile that a recipe has is one of the source that it builds."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING

from bivy.files import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.build.recipe import Recipe


def facts(recipe: Recipe) -> dict[str, str]:
    """Return what a profile depends on, by what it is called for people.

    A function is compiled by the profile where its blocks are the same as when it was trained; where they are not, the
    compiler says so in the build's log and leaves it out.
    """
    source = recipe.data.sources[0]
    patches = {
        f"the patch {name}": sha256_of(recipe.folder / name)
        for name in source.patches
        if _touches_c(recipe.folder / name)
    }
    return {
        "the source": source.places[0].sha256,
        "the compiler": f"ziglang {metadata.version('ziglang')}",
        "the allocator": sha256_of(recipe.folder / "allocator.c"),
        **patches,
    }


def facts_path(recipe: Recipe) -> Path:
    """Return the file beside a profile that says what it was trained on."""
    return recipe.folder / f"{recipe.data.version}.profile.json"


def profile_path(recipe: Recipe) -> Path:
    """Return the profile itself, compressed by xz."""
    return recipe.folder / f"{recipe.data.version}.profdata.xz"


def misfit(recipe: Recipe) -> str | None:
    """Say in what the recipe differs from what its profile was trained on, or ``None``."""
    try:
        trained = json.loads(facts_path(recipe).read_bytes())["of"]
    except FileNotFoundError:
        return f"python {recipe.data.version} has no profile; train one: python -m bench.training {recipe.data.version}"
    now = facts(recipe)
    changed = sorted(name for name in now.keys() | trained.keys() if now.get(name) != trained.get(name))
    if not changed:
        return None
    return f"not as when the profile was trained: {', '.join(changed)}; python -m bench.training {recipe.data.version}"


def _touches_c(patch: Path) -> bool:
    lines = patch.read_text("utf-8").splitlines()
    return any(line.startswith("+++ ") and line.split()[1].endswith((".c", ".h")) for line in lines)
