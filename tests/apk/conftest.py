"""What the tests of packages share: keys, and the folder of genuine files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.apk.sign import Signer, generate_key

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
