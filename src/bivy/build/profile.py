"""Whether the profile by which a recipe's code is compiled was trained on the code that the recipe builds."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

import msgspec

from bivy.errors import BivyError
from bivy.files import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from bivy.build.recipe import Recipe

_CODE = (".c", ".h")


class Trained(msgspec.Struct, frozen=True):
    """What the file beside a profile says.

    Attributes:
        of: What it was trained on, as `profile_facts` gave it then.
    """

    of: dict[str, str]


def profile_path(recipe: Recipe) -> Path:
    """Return where the profile of a recipe's version is, compressed by xz; it need not be there."""
    return recipe.folder / f"{recipe.data.version}.profdata.xz"


def facts_path(recipe: Recipe) -> Path:
    """Return where the file beside a profile is that says what it was trained on."""
    return recipe.folder / f"{recipe.data.version}.profile.json"


def profile_facts(recipe: Recipe) -> dict[str, str]:
    """Return what a profile depends on, by what it is called for people.

    A function is compiled by the profile where its blocks are the same as when it was trained; where they are not, the
    compiler says so in the build's log and leaves it out. Blocks change with the source, with patches to its C code,
    with C code beside the recipe, and with the compiler.
    """
    sources = recipe.data.sources
    facts = {"the compiler": f"ziglang {metadata.version('ziglang')}"}
    for source in sources:
        what = "the source" if len(sources) == 1 else f"the source {source.name}"
        facts[what] = source.places[0].sha256
        facts |= {
            f"the patch {name}": sha256_of(recipe.folder / name)
            for name in source.patches
            if _touches_code(recipe.folder / name)
        }
    for path in sorted(recipe.folder.iterdir()):
        if path.suffix in _CODE:
            facts[f"the {path.stem}"] = sha256_of(path)
    return facts


def profile_misfit(recipe: Recipe) -> str | None:
    """Say in what a recipe differs from what its profile was trained on.

    Returns:
        What differs and the command that trains anew; ``None`` where nothing does, or where the recipe's version has
        no file that says what a profile was trained on.

    Raises:
        BivyError: That file cannot be read.
    """
    path = facts_path(recipe)
    try:
        trained = msgspec.json.decode(path.read_bytes(), type=Trained).of
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise BivyError(
            f"{path} does not say what the profile was trained on: {fault}", hint=f"write it anew: {_command(recipe)}"
        ) from None
    now = profile_facts(recipe)
    changed = sorted(name for name in now.keys() | trained.keys() if now.get(name) != trained.get(name))
    if not profile_path(recipe).is_file():
        changed.append("the profile itself, which is not there")
    if not changed:
        return None
    return f"not as when the profile was trained: {', '.join(changed)}; train it anew: {_command(recipe)}"


def _command(recipe: Recipe) -> str:
    return f"python -m bench.training {recipe.data.version}"


def _touches_code(patch: Path) -> bool:
    lines = patch.read_bytes().splitlines()
    changed = [line.split()[1] for line in lines if line.startswith(b"+++ ") and len(line.split()) > 1]
    return any(name.endswith(tuple(map(str.encode, _CODE))) for name in changed)
