from pathlib import Path

import pytest

from bivy.errors import BivyError
from bivy.oci.archive import write_archive
from bivy.oci.layer import read_layer
from bivy.oci.layout import write_image
from bivy.oci.open import opened
from tests.oci.images import sample

NAME = "python:3.14-alpine"


@pytest.mark.parametrize("form", ["", "oci:{}/dist:", "oci-archive:{}/o.tar:", "docker-archive:{}/d.tar:"])
def test_an_image_is_opened_wherever_it_is(tmp_path: Path, form: str) -> None:
    write_image(sample(), tmp_path / "dist", [NAME])
    write_archive(sample(), tmp_path / "o.tar", NAME, "oci-archive")
    write_archive(sample(), tmp_path / "d.tar", NAME, "docker-archive")
    text = form.format(tmp_path) + NAME
    with opened(text, layout=tmp_path / "dist", platform="", cache=tmp_path / "cache") as image:
        assert [read_layer(layer) for layer in image.layers] == [read_layer(layer) for layer in sample().layers]


def test_nothing_of_an_archive_is_left_behind(tmp_path: Path) -> None:
    write_archive(sample(), tmp_path / "o.tar", NAME, "oci-archive")
    with opened(str(tmp_path / "o.tar"), layout=tmp_path, platform="", cache=tmp_path / "cache"):
        assert list((tmp_path / "cache" / "work").iterdir())
    (tmp_path / "bad.tar").write_bytes(b"x" * 5000)
    with (
        pytest.raises(BivyError, match=r"bad\.tar is not a tar archive"),
        opened(f"oci-archive:{tmp_path}/bad.tar", layout=tmp_path, platform="", cache=tmp_path / "cache"),
    ):
        pass
    assert not list((tmp_path / "cache" / "work").iterdir())
