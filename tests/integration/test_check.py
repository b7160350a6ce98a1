"""``bivy check`` is asked about images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import NAME, bivy

pytestmark = pytest.mark.image


def test_there_is_nothing_against_the_base_image(dist: Path) -> None:
    done = bivy("check", "--output", str(dist), "--json", NAME)
    report = json.loads(done.stdout)
    assert report["answer"] == "yes"
    assert report["findings"] == []
    assert report["counts"]["looked_at"]["binaries"] > 50


def test_an_image_that_is_not_there_for_an_architecture_is_a_problem(dist: Path) -> None:
    done = bivy("check", "--output", str(dist), "--arch", "s390x", NAME, check=False)
    assert done.returncode == 1
    assert "Could not be looked at" in done.stdout
