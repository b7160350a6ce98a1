"""An image that has become too large is noticed where it is made."""

from __future__ import annotations

import msgspec
import pytest
from click.testing import CliRunner

from bivy.cli.build import command
from bivy.compose.image import over_budget
from bivy.compose.request import Made
from bivy.images.definition import load_image
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layer import Compression, layer_from_tree
from bivy.rootfs.tree import Tree
from tests.rootfs.trees import file

DEFINITION = load_image("python")


def image(architecture: str = "amd64", compression: Compression = "gzip") -> Image:
    layer = layer_from_tree(Tree.of([file("answer", b"42")]), compression=compression)
    return make_image(ImageConfig(architecture=architecture), [layer], {})


def within(budget: int, made: Image) -> int:
    return over_budget(msgspec.structs.replace(DEFINITION, budget=budget), made)


def test_an_image_as_large_as_its_budget_is_within_it() -> None:
    assert within(image().size, image()) == 0


def test_bytes_beyond_the_budget_are_counted() -> None:
    assert within(image().size - 3, image()) == 3


@pytest.mark.parametrize("made", [image("arm64"), image(compression="zstd")])
def test_the_budget_is_for_gzip_and_amd64(made: Image) -> None:
    assert within(0, made) == 0


def test_an_image_of_alpines_packages_has_a_budget_of_its_own() -> None:
    assert DEFINITION.of_alpine().budget == DEFINITION.alpine.budget > DEFINITION.budget


@pytest.mark.parametrize(("over", "lines"), [(1234, 1), (0, 0)])
def test_build_says_in_one_line_when_the_budget_is_exceeded(
    over: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is made is not what is asked here: an image that is too large would have to be built.
    made = Made(image(), ("python:3.14-alpine", "python:3.14.7-alpine"), unchanged=True, over=over)
    monkeypatch.setattr("bivy.compose.make.make_image", lambda *_: made)
    done = CliRunner().invoke(command, [])
    assert done.exit_code == 0
    assert done.stderr.count("\n") == done.stderr.count("1,234 bytes more than its budget") == lines
