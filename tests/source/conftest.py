"""What the tests of bivy.source share."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.loopback import Loopback, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "BIVY_MIRRORS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def site() -> Iterator[Loopback]:
    with serve() as found:
        yield found


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
