"""What a person asks about is recognised by what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.errors import UsageError
from bivy.musl.subject import Kind, recognise


def kind_of(text: str) -> Kind:
    (subject,) = recognise([text])
    return subject.kind


@pytest.mark.parametrize(
    "text",
    [
        "numpy",
        "numpy>=2",
        "uvicorn[standard]",
        "a; python_version < '3.14'",
        "pkg @ https://example.com/pkg-1.0.tar.gz",
    ],
)
def test_a_requirement_is_a_requirement(text: str) -> None:
    assert kind_of(text) is Kind.REQUIREMENT


@pytest.mark.parametrize(
    "text",
    ["python:3.14-alpine", "oci:dist:python:3.14-alpine", "oci-archive:image.tar", "docker-archive:image.tar:a:b"],
)
def test_a_reference_is_an_image(text: str) -> None:
    assert kind_of(text) is Kind.IMAGE


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("requirements.txt", Kind.REQUIREMENTS),
        ("dev.in", Kind.REQUIREMENTS),
        ("uv.lock", Kind.LOCK),
        ("pylock.toml", Kind.LOCK),
        ("pylock.prod.toml", Kind.LOCK),
        ("pyproject.toml", Kind.PROJECT),
        ("pkg-1.0-py3-none-any.whl", Kind.WHEEL),
        ("pkg-1.0.tar.gz", Kind.SDIST),
        ("pkg-1.0.zip", Kind.SDIST),
        ("tool.py", Kind.CODE),
    ],
)
def test_a_file_is_known_by_its_name(tmp_path: Path, name: str, kind: Kind) -> None:
    (tmp_path / name).write_bytes(b"")
    assert kind_of(str(tmp_path / name)) is kind


@pytest.mark.parametrize(
    ("content", "kind"), [(b"\x7fELF\x02", Kind.BINARIES), (b"#!/usr/bin/env python3\n", Kind.CODE)]
)
def test_a_file_without_an_ending_is_known_by_its_first_bytes(tmp_path: Path, content: bytes, kind: Kind) -> None:
    (tmp_path / "thing").write_bytes(content)
    assert kind_of(str(tmp_path / "thing")) is kind


@pytest.mark.parametrize(
    ("inside", "kind"),
    [
        ("pyproject.toml", Kind.PROJECT),
        ("uv.lock", Kind.PROJECT),
        ("pyvenv.cfg", Kind.ENVIRONMENT),
        ("pkg/main.py", Kind.CODE),
        ("libfoo.so.1", Kind.BINARIES),
    ],
)
def test_a_folder_is_known_by_what_is_in_it(tmp_path: Path, inside: str, kind: Kind) -> None:
    (tmp_path / inside).parent.mkdir(exist_ok=True)
    (tmp_path / inside).write_bytes(b"")
    assert kind_of(str(tmp_path)) is kind


def test_an_installed_environment_is_known_by_what_pip_leaves_in_it(tmp_path: Path) -> None:
    (tmp_path / "pkg-1.0.dist-info").mkdir()
    assert kind_of(str(tmp_path)) is Kind.ENVIRONMENT


@pytest.mark.parametrize("text", ["missing.whl", "./missing", "/nowhere/requirements.txt", "missing.txt"])
def test_a_file_that_is_not_there_is_not_taken_for_a_requirement(text: str) -> None:
    with pytest.raises(UsageError, match="no such file"):
        recognise([text])


def test_what_is_nothing_is_refused_with_what_could_be_asked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no requirement") as refused:
        recognise(["numpy=>2"])
    assert "python:3.14-alpine" in (refused.value.hint or "")
    (tmp_path / "image.bin").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="nothing that can be checked"):
        recognise([str(tmp_path / "image.bin")])


def test_a_layout_is_answered_with_how_to_name_an_image_in_it(tmp_path: Path) -> None:
    (tmp_path / "oci-layout").write_text("{}")
    with pytest.raises(UsageError, match="not an image") as refused:
        recognise([str(tmp_path)])
    assert f"oci:{tmp_path}:NAME" in (refused.value.hint or "")
