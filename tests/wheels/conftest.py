"""The base image, a cache, and how tests compile in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bivy.arch import build_machine
from bivy.files import cache_folder
from bivy.musl.target import Target, make_target
from bivy.oci.image import Image
from bivy.oci.open import opened
from bivy.progress import Silent
from bivy.sandbox import why_no_sandbox
from bivy.wheels import Built, Settings, build_wheels
from tests.integration.conftest import NAME, dist  # noqa: F401 - a fixture
from tests.musl.dependencies.conftest import shelf  # noqa: F401 - likewise

TARGET = make_target("3.14", build_machine(), "1.2.6")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache, but for what takes long to make and never changes."""
    folder = tmp_path / "cache"
    folder.mkdir()
    for name in ("runtime", "roots", "packages"):
        shared = cache_folder() / name
        shared.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(shared)
    return folder


@pytest.fixture
def target() -> Target:
    return TARGET


@pytest.fixture
def base(dist: Path, cache: Path) -> Iterator[Image]:  # noqa: F811 - pytest's way
    if why_no_sandbox() is not None:
        pytest.skip(f"no sandbox: {why_no_sandbox()}")
    with opened(NAME, layout=dist, platform=build_machine().platform, cache=cache) as image:
        yield image


@pytest.fixture
def make(base: Image, cache: Path) -> Callable[..., Built]:
    """A function that compiles one source archive or requirement."""

    def compiling(
        what: Path | str, *, packages: tuple[str, ...] = (), output: Path | None = None, **settings: object
    ) -> Built:
        return build_wheels(
            [str(what)], target=TARGET, base=base, cache=cache, progress=Silent(), packages=packages, output=output,
            settings=Settings(**settings),  # type: ignore[arg-type]
        )[0]  # fmt: skip

    return compiling
