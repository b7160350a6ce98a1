"""What tests of several rooms share: caches, small recipes, and the whole image."""

from __future__ import annotations

import hashlib
import io
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bivy.files import cache_folder


def pytest_configure() -> None:
    # A shell that starts us in the background has us ignore Ctrl-C, and all that we start with us.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache, but for the compiler's runtime, which takes a quarter of a minute to make and never changes."""
    folder = tmp_path / "cache"
    folder.mkdir()
    shared = cache_folder() / "runtime"
    shared.mkdir(parents=True, exist_ok=True)
    (folder / "runtime").symlink_to(shared)
    return folder


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a recipe with a source archive made from given files; it returns the recipes' folder."""

    def write(name: str, body: str, files: dict[str, str] | None = None, small: dict[str, str] | None = None) -> Path:
        recipes = tmp_path / "recipes"
        folder = recipes / name
        folder.mkdir(parents=True, exist_ok=True)
        text = f'name = "{name}"\nversion = "1.0"\ndescription = "{name} for a test"\nlicense = "MIT"\n'
        if files is not None:
            archive = tmp_path / f"{name}-1.0.tar.gz"
            archive.write_bytes(make_archive(f"{name}-1.0", files))
            digest = hashlib.sha256(archive.read_bytes()).hexdigest()
            body += (
                f'\n[[sources]]\nname = "{name}"\n[[sources.places]]\nurl = "file://{archive}"\nsha256 = "{digest}"\n'
            )
        (folder / "recipe.toml").write_text(text + body)
        for path, content in (small or {}).items():
            (folder / path).write_text(content)
        return recipes

    return write


def make_archive(top: str, files: dict[str, str]) -> bytes:
    """Make a source archive of text files in one folder."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return memory.getvalue()
