from pathlib import Path

import pytest

from bivy.errors import UsageError
from bivy.oci.reference import Reference, parse_reference

DIST = Path("dist")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("python:3.14-alpine", Reference("oci", DIST, "python:3.14-alpine")),
        ("python", Reference("oci", DIST, "python")),
        ("home/python:1", Reference("oci", DIST, "home/python:1")),
        ("oci:out:python:3.14-alpine", Reference("oci", Path("out"), "python:3.14-alpine")),
        ("oci:out", Reference("oci", Path("out"), "")),
        ("oci-archive:/a/b.tar:python:3", Reference("oci-archive", Path("/a/b.tar"), "python:3")),
        ("oci-archive:b.tar", Reference("oci-archive", Path("b.tar"), "")),
        ("docker-archive:b.tar", Reference("docker-archive", Path("b.tar"), "")),
        ("./b.tar", Reference("oci-archive", Path("b.tar"), "")),
        ("b.tar", Reference("oci-archive", Path("b.tar"), "")),
        ("docker://python:3", Reference("registry", Path(), "python:3")),
        ("ghcr.io/me/python:3", Reference("registry", Path(), "ghcr.io/me/python:3")),
        ("localhost:5000/python", Reference("registry", Path(), "localhost:5000/python")),
        ("localhost/python", Reference("registry", Path(), "localhost/python")),
    ],
)
def test_a_reference_says_where_an_image_is(text: str, reference: Reference) -> None:
    assert parse_reference(text, DIST) == reference


def test_a_folder_that_is_a_layout_needs_no_transport(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.json").touch()
    assert parse_reference(f"{tmp_path}/out", DIST) == Reference("oci", tmp_path / "out", "")
    monkeypatch.chdir(tmp_path)
    assert parse_reference("out", DIST) == Reference("oci", Path("out"), "")


@pytest.mark.parametrize("text", ["", "Python:3", "oci:", "oci-archive::name", "a b", "python:", "python:-x", "a\0b"])
def test_what_is_no_reference_is_told_with_what_may_be_one(text: str) -> None:
    with pytest.raises(UsageError, match="is not a reference to an image") as fault:
        parse_reference(text, DIST)
    assert "oci:DIR:NAME" in (fault.value.hint or "")
