"""A recipe's steps, each turned into the one command that it stands for."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING

from bivy.build.recipe import resolve_variables
from bivy.build.toolchain import DEFAULT_CFLAGS, DEFAULT_CXXFLAGS, DEFAULT_LDFLAGS
from bivy.build.workshop import Workshop, python_command
from bivy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bivy.arch import Arch
    from bivy.build.recipe import Recipe, Step


@dataclass(frozen=True, slots=True)
class Command:
    """What a step runs.

    Attributes:
        argv: The command.
        environment: Its variables beside the workshop's own.
        directory: Where it starts, as the step sees it.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str

    def __str__(self) -> str:
        """Spell the command as one would type it."""
        return shlex.join(self.argv)


def step_variables(recipe: Recipe, target: Arch, machine: Arch) -> dict[str, str]:
    """Return the variables that describe the recipe and its target, for scripts and for ``${…}``."""
    return {
        "CC": "cc", "CXX": "c++", "AR": "ar", "RANLIB": "ranlib", "BUILD_CC": "build-cc", "PKG_CONFIG": "pkg-config",
        "CFLAGS": DEFAULT_CFLAGS, "CXXFLAGS": DEFAULT_CXXFLAGS, "LDFLAGS": DEFAULT_LDFLAGS,
        "arch": target.name, "target": target.zig, "gnu": target.gnu,
        # Never equal to the target's: configure would take equal names for leave to run what it compiled.
        "build_gnu": f"{machine.machine}-pc-linux-gnu",
        "machine": target.machine, "multiarch": target.multiarch, "loader": target.loader, "libc": target.libc,
        "bits": str(target.bits),
        "name": recipe.name, "version": recipe.data.version, "release": str(recipe.data.release),
        **resolve_variables(recipe, target.name),
    }  # fmt: skip


def applies(step: Step, recipe: Recipe, target: Arch) -> bool:
    """Tell whether a step is for this version and architecture."""
    for_version = not step.versions or any(f"{recipe.data.version}.".startswith(f"{v}.") for v in step.versions)
    return for_version and (not step.arch or target.name in step.arch)


def command_for(step: Step, recipe: Recipe, workshop: Workshop, variables: Mapping[str, str]) -> Command:
    """Turn a step into its command.

    Args:
        step: The step.
        recipe: The recipe that it is of.
        workshop: Where it will run.
        variables: What `step_variables` gave.

    Raises:
        UsageError: An option names a variable that there is not.
    """
    known = {**workshop.environment(), **variables}

    def expand(text: str) -> str:
        try:
            return Template(text).substitute(known)
        except (KeyError, ValueError) as fault:
            raise UsageError(
                f"{recipe.folder / 'recipe.toml'}: {text!r}: unknown variable {fault}",
                hint="docs/recipes.md lists the variables; a dollar sign is written $$",
            ) from None

    given = step.given
    options = tuple(expand(option) for option in given.options)
    if step.runs:
        argv: tuple[str, ...] = ("sh", "-e", "-u", "-c", step.runs)
    elif step.uses == "configure":
        prefix = expand(given.prefix)
        argv = (
            expand(given.script or "./configure"),
            f"--build={known['build_gnu']}", f"--host={known['gnu']}", f"--prefix={prefix}",
            "--sysconfdir=/etc", "--localstatedir=/var", f"--libdir={prefix}/lib", *options,
        )  # fmt: skip
    elif step.uses == "make":
        argv = ("make", *options, *(expand(target) for target in given.targets))
    elif step.uses == "install":
        targets = given.targets or ("install",)
        # One job: some makefiles install a library and what links to it in parallel, and lose the race.
        argv = ("make", "-j1", f"DESTDIR={known['DESTDIR']}", *options, *(expand(target) for target in targets))
    else:
        script = f"{workshop.inside('recipe')}/{given.script}"
        argv = tuple(python_command(script, [expand(argument) for argument in given.arguments]))
    environment = {**variables, **{name: expand(value) for name, value in step.environment.items()}}
    return Command(argv, environment, _directory(step, recipe, workshop))


def _directory(step: Step, recipe: Recipe, workshop: Workshop) -> str:
    source = workshop.inside("src")
    if step.directory:
        return f"{source}/{step.directory}"
    return f"{source}/{recipe.data.sources[0].name}" if recipe.data.sources else source
