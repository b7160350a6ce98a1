"""A project's source becomes a wheel by its own build backend (PEP 517), in a workshop."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from bivy.errors import BivyError
from bivy.musl.archives.standards import LEGACY_BACKEND, LEGACY_REQUIRES
from bivy.wheels.environment import INSIDE, install_wheels
from bivy.wheels.workshop import ROOM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bivy.wheels.workshop import Workshop

PKGCONF: Final = "pkgconf"
"""What is required where packages are added: it reads their ``.pc`` files."""


class HookError(Exception):
    """A backend's hook failed, and the log says why.

    Attributes:
        status: What its process ended with.
    """

    def __init__(self, hook: str, status: int) -> None:
        super().__init__(f"{hook} ended with {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class BuildSystem:
    """What builds a project.

    Attributes:
        backend: Where the backend is, ``MODULE:OBJECT``.
        requires: What it requires (PEP 508).
        path: Folders of the project's own in which it is looked for first.
    """

    backend: str
    requires: tuple[str, ...]
    path: tuple[str, ...] = ()


def read_build_system(folder: Path) -> BuildSystem:
    """Read what builds the project in a folder; without a word of it, setuptools (PEP 517, "Source trees").

    Raises:
        BivyError: Its ``pyproject.toml`` cannot be read, or has something else in its place.
    """
    path = folder / "pyproject.toml"
    if not path.is_file():
        if not (folder / "setup.py").is_file():
            raise BivyError("it has neither pyproject.toml nor setup.py: nothing says how it is built")
        return BuildSystem(LEGACY_BACKEND, LEGACY_REQUIRES)
    try:
        table = tomllib.loads(path.read_text("utf-8")).get("build-system", {})
        backend = table.get("build-backend", LEGACY_BACKEND)
        requires, own = table.get("requires", LEGACY_REQUIRES), table.get("backend-path", ())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, AttributeError) as fault:
        raise BivyError(f"its pyproject.toml cannot be read: {fault}") from fault
    if not (isinstance(backend, str) and _are_texts(requires) and _are_texts(own)):
        raise BivyError("its pyproject.toml has something in [build-system] that has no place there")
    return BuildSystem(backend, tuple(requires), tuple(own))


def _are_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


@dataclass(frozen=True, slots=True)
class Order:
    """How a project is built.

    Attributes:
        requires: What is required beside what the project says.
        config: Settings for the backend (``config_settings``).
        environment: Variables.
    """

    requires: Sequence[str]
    config: Mapping[str, str]
    environment: Mapping[str, str]


def build_project(
    shop: Workshop, order: Order, fetch: Callable[[Sequence[str]], tuple[list[Path], tuple[str, ...]]], log: IO[bytes]
) -> tuple[Path, tuple[str, ...]]:
    """Build the project in a workshop's folder ``src``.

    Args:
        shop: The workshop.
        order: How.
        fetch: Returns the wheels of requirements and all that these require, and their names and versions.
        log: Where what is said goes.

    Returns:
        The wheel, and what the build had, ``NAME==VERSION``.

    Raises:
        HookError: The backend failed.
        BivyError: What it requires cannot be had, or it made no wheel.
    """
    system = read_build_system(shop.folder / "src")
    requires = [*system.requires, *order.requires, *([PKGCONF] if shop.upper else [])]
    had = _install(shop, requires, fetch, log)
    more = _call(shop, system, "get_requires_for_build_wheel", order, log)
    if isinstance(more, list) and more:
        had = _install(shop, [*requires, *map(str, more)], fetch, log)
    _call(shop, system, "build_wheel", order, log)
    wheels = sorted((shop.folder / "out" / "wheel").glob("*.whl"))
    if len(wheels) != 1:
        raise BivyError(
            f"its build made {f'{len(wheels)} wheels' if wheels else 'no wheel'}, and said that it was done"
        )
    return wheels[0], had


def _install(
    shop: Workshop, requires: Sequence[str], fetch: Callable[[Sequence[str]], tuple[list[Path], tuple[str, ...]]],
    log: IO[bytes],
) -> tuple[str, ...]:  # fmt: skip
    wheels, names = fetch(requires)
    environment = shop.folder / "env"
    install_wheels(wheels, environment, shop.base)
    program = next(environment.glob("lib/*/site-packages/pkgconf/.bin/pkgconf"), None)
    for name in ("pkg-config", "pkgconf") if program else ():
        # The program itself, not the wheel's script, which looks in folders of its own and takes longer to start.
        assert program
        link = shop.folder / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"{INSIDE}/{program.relative_to(environment)}")
    _say(log, f"== the build has {', '.join(names) or 'nothing but the standard library'}")
    return names


def _call(shop: Workshop, system: BuildSystem, hook: str, order: Order, log: IO[bytes]) -> object:
    out = shop.folder / "out"
    (out / "wheel").mkdir(exist_ok=True)
    told = {"backend": system.backend, "path": system.path, "hook": hook, "output": f"{ROOM}/out/wheel",
            "settings": dict(order.config), "answer": f"{ROOM}/out/answer.json"}  # fmt: skip
    (out / "order.json").write_text(json.dumps(told), "utf-8")
    _say(log, f"== {system.backend}: {hook}")
    argv = [f"{INSIDE}/bin/python", "-P", f"{ROOM}/inside/backend.py", f"{ROOM}/out/order.json"]
    status = shop.run(argv, log, environment=order.environment)
    if status:
        raise HookError(hook, status)
    try:
        answer: object = json.loads((out / "answer.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return answer


def _say(log: IO[bytes], line: str) -> None:
    log.write(f"{line}\n".encode())
    log.flush()
