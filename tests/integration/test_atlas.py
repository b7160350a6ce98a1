"""The atlas installs a package in the image, records it, and does not do so twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bench.atlas.record import Cause, Outcome, read_record

pytestmark = pytest.mark.image


def atlas(dist: Path, record: Path, *names: str) -> str:
    words = ["install", "--output", str(dist), "--record", str(record), "--only", *names]
    done = subprocess.run([sys.executable, "-m", "bench.atlas", *words], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_happens_in_the_image_is_recorded_once(dist: Path, tmp_path: Path) -> None:
    record = tmp_path / "record"
    assert "markupsafe: installed" in atlas(dist, record, "markupsafe", "psycopg2", "soupsieve")
    head, found = read_record(record)
    assert head is not None
    assert head.python.startswith("3.14.")
    assert "musllinux" in found["markupsafe"].files["markupsafe"]
    assert (found["markupsafe"].modules, found["markupsafe"].unimported) == (("markupsafe",), ())
    assert (found["psycopg2"].outcome, found["psycopg2"].culprit) == (Outcome.NOT_BUILT, "psycopg2")
    assert found["soupsieve"].unimported[0].cause is Cause.MODULE
    assert atlas(dist, record, "markupsafe", "psycopg2", "soupsieve") == ""
