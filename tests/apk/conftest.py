"""What the tests of packages share: keys, servers, and the folder of genuine files."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bivy.apk.sign import Signer, generate_key
from tests.loopback import Loopback, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

GENUINE = Path(__file__).parents[2].parent / "shared" / "fixtures" / "alpine-3.16"


@pytest.fixture(scope="session")
def signer() -> Signer:
    """A signer with a key that is short, to be quick."""
    return Signer(generate_key(1024), "tests@example.org-0001.rsa.pub")


@pytest.fixture(scope="session")
def genuine() -> Path:
    """A folder with a package, an index and a public key of Alpine 3.16."""
    if not GENUINE.is_dir():
        pytest.skip(f"no genuine packages of Alpine 3.16 in {GENUINE}")
    return GENUINE


@pytest.fixture
def site() -> Iterator[Loopback]:
    """A server that keeps connections open."""
    with serve(protocol="HTTP/1.1") as found:
        yield found


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
