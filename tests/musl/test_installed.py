"""What is installed in an environment is read from what installers leave there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.musl.installed import Installed, read_installed


def install(site: Path, name: str, tag: str = "py3-none-any", **files: str) -> None:
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")
    for file, content in files.items():
        (folder / f"{file}.json").write_text(content)


@pytest.mark.parametrize("above", ["", "lib/python3.14/site-packages"])
def test_a_virtual_environment_and_its_site_packages_are_read_alike(tmp_path: Path, above: str) -> None:
    install(tmp_path / above, "pure")
    install(tmp_path / above, "fast", "cp314-cp314-musllinux_1_2_x86_64")
    assert sorted(read_installed(tmp_path), key=lambda one: one.name) == [
        Installed("fast", "1.0", for_musl=True, own=False),
        Installed("pure", "1.0", for_musl=False, own=False),
    ]


def test_what_came_from_a_folder_is_the_persons_own(tmp_path: Path) -> None:
    install(tmp_path, "mine", direct_url='{"url": "file:///src", "dir_info": {"editable": true}}')
    (installed,) = read_installed(tmp_path)
    assert installed.own


def test_what_says_nothing_of_itself_is_left_out(tmp_path: Path) -> None:
    install(tmp_path, "good")
    (tmp_path / "empty-1.0.dist-info").mkdir()
    (tmp_path / "odd-1.0.dist-info").mkdir()
    (tmp_path / "odd-1.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe\x00")
    assert [one.name for one in read_installed(tmp_path)] == ["good"]


def test_nothing_is_installed_in_an_empty_folder(tmp_path: Path) -> None:
    assert read_installed(tmp_path) == ()
