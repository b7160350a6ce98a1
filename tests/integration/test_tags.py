"""The real image gets its tags by the rules, once it has passed, here and in a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.arch import build_machine
from bivy.compose.request import Request, Surroundings
from bivy.files import cache_folder
from bivy.images.definition import load_image
from bivy.oci.layout import list_names, read_image
from bivy.progress import Silent
from bivy.sandbox import why_no_sandbox
from bivy.source.places import mirrors_told
from bivy.tags.build import build_all
from bivy.tags.built import candidate, known_versions, list_tags
from bivy.tags.rules import Edition, tag_names
from bivy.verify.record import last
from tests.integration.conftest import NAME

pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(why_no_sandbox() is not None, reason=f"no sandbox here: {why_no_sandbox()}"),
]
KNOWN = known_versions(load_image("python"))


def test_the_image_says_which_it_is(dist: Path) -> None:
    image = read_image(dist, NAME)
    row = next(row for row in list_tags(dist, load_image("python"), KNOWN).rows if row.built)
    assert [built.digest for built in row.built] == [image.digest]
    assert NAME in row.names


def test_it_gets_all_its_names_once_it_has_passed(dist: Path, tmp_path: Path) -> None:
    version = read_image(dist, NAME).annotations["org.opencontainers.image.version"]
    edition, around = Edition(version), Surroundings(cache_folder(), tmp_path / "dist", 2, mirrors_told(()))
    request = Request(version, build_machine(), candidate=candidate("python", edition))
    (moved,) = build_all({edition: request}, KNOWN, around, Silent())
    assert moved.done, moved
    assert list_names(tmp_path / "dist") == sorted(f"python:{tag}" for tag in tag_names(version, known=KNOWN))
    assert moved.digest == read_image(dist, NAME).digest
    report = last(moved.digest, cache_folder())
    assert report
    assert report.passed
