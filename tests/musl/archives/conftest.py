"""What the tests of bivy.musl.archives share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bivy.source.download import open_client
from tests.loopback import Loopback, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def site() -> Iterator[Loopback]:
    with serve() as found:
        yield found


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with open_client(connect=5, read=5) as opened:
        yield opened
