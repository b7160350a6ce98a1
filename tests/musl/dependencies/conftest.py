"""What the tests of this room share: an index of their own, and terms on which to ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bivy.arch import ARCHES
from bivy.musl.dependencies import Terms, Wanted
from bivy.musl.target import Target, make_target
from tests.musl.dependencies.shelf import Shelf, serve_shelf


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shelf]:
    """An index that is the only one, also for uv."""
    for name in ("UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_CONFIG_FILE", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-settings"))
    with serve_shelf() as shelf:
        monkeypatch.setenv("UV_DEFAULT_INDEX", shelf.address)
        yield shelf


def target(arch: str = "x86_64", python: str = "3.14", musl: str = "1.2.6") -> Target:
    return make_target(python, ARCHES[arch], musl)


@pytest.fixture
def make_terms(tmp_path: Path) -> Callable[..., Terms]:
    def make(*targets: Target, wheels: tuple[Path, ...] = (), offline: bool = False, **wanted: object) -> Terms:
        return Terms(
            targets or (target(),),
            tmp_path / "cache",
            wheels,
            offline,
            Wanted(**wanted),  # type: ignore[arg-type]
            timeout=60,
        )

    return make
