"""What a page says of an image is what is in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bivy.errors import UsageError
from bivy.oci.archive import write_archive
from bivy.oci.image import make_image
from bivy.oci.layer import layer_from_tree
from bivy.oci.layout import write_image
from bivy.page.facts import Facts, chosen_platform, gather, split_name
from bivy.page.opened import read_facts
from bivy.rootfs.tree import Tree
from tests.oci.images import sample
from tests.page.images import CONFIG, bare_facts, python_facts, python_image
from tests.rootfs.trees import file


def facts_of(*files: tuple[str, bytes], **config: object) -> Facts:
    tree = Tree.of([file(path, content) for path, content in files])
    changed = replace(CONFIG, **config)  # type: ignore[arg-type]
    return gather(make_image(changed, [layer_from_tree(tree)]), "x:1")


def test_of_an_image_of_python_it_says_what_it_is() -> None:
    facts = python_facts()
    assert (facts.name, facts.tag, facts.reference) == ("python", "3.14-alpine3.24", "python:3.14-alpine3.24")
    assert (facts.python, facts.minor, facts.musl, facts.alpine) == ("3.14.7", "3.14", "1.2.6", "3.24")
    assert (facts.system, facts.command, facts.user, facts.working_dir) == (
        "Alpine Linux v3.24",
        "python3",
        "root",
        "/",
    )
    assert (facts.is_python, facts.is_bivys, facts.has_apk, facts.has_pip) == (True, True, True, True)
    assert facts.repositories == ("https://example.org/main",)
    assert [package.name for package in facts.packages] == ["musl", "python", "base"]
    assert "git" in facts.missing
    assert "bash" in facts.missing


def test_python_distributions_are_told_with_the_bytes_of_the_files_that_are_theirs() -> None:
    (pip,) = python_facts().distributions
    assert (pip.name, pip.version, pip.license) == ("pip", "26.2.1", "MIT")
    assert pip.size == len(b"Name: pip\nVersion: 26.2.1\nLicense-Expression: MIT\n\nText\n") + len(b"#!")


def test_of_an_image_with_no_python_and_no_database_it_says_what_there_is() -> None:
    facts = bare_facts()
    assert (facts.python, facts.musl, facts.packages, facts.distributions) == ("", "", (), ())
    assert (facts.is_python, facts.is_bivys, facts.has_apk, facts.has_database) == (False, False, False, False)
    assert (facts.command, facts.user, facts.ports) == ("/srv/serve --all", "65532:65532", ("80/tcp",))


def test_a_version_that_is_not_of_the_python_that_is_there_is_not_believed() -> None:
    there = ("usr/local/bin/python3.9", b""), ("usr/bin/python3.14", b"")
    for told in ("3.13.1", "3.14", "3.14.1\n```", "", "3.14.x y"):
        assert facts_of(*there, env=(f"PYTHON_VERSION={told}",)).python == "3.14"
    assert facts_of(*there, env=("PYTHON_VERSION=3.9.25",)).python == "3.9.25"
    assert facts_of(*there, env=("PYTHON_VERSION=3.14.0rc2",)).python == "3.14.0rc2"
    assert facts_of(env=("PYTHON_VERSION=3.14.1",)).python == ""


def test_an_application_is_not_taken_for_an_image_of_python() -> None:
    python = ("usr/bin/python3.14", b"")
    assert facts_of(python, cmd=("python3",)).is_python
    assert not facts_of(python, cmd=("python3", "main.py")).is_python
    assert not facts_of(python, cmd=(), entrypoint=("/sbin/bivy-init", "shop")).is_python


def test_what_is_no_port_is_left_out() -> None:
    assert facts_of(exposed_ports=("80/tcp", "53/udp", "8000", "x```", "99999999")).ports == (
        "80/tcp",
        "53/udp",
        "8000",
    )


def test_a_release_that_is_none_is_left_out() -> None:
    assert facts_of(("etc/os-release", b"ID=alpine\nVERSION_ID=edge`x\n")).alpine == ""
    assert facts_of(("etc/os-release", b"ID=alpine\nVERSION_ID=3.24.1\n")).alpine == "3.24"
    assert facts_of(("etc/os-release", b"\xff\xfe\n=\nID=debian\nVERSION_ID=13\n")).alpine == ""


@pytest.mark.parametrize(
    ("text", "name", "tag"),
    [
        ("python:3.14-alpine", "python", "3.14-alpine"), ("python", "python", ""),
        ("localhost:5000/team/python:3", "localhost:5000/team/python", "3"),
        ("localhost:5000/python", "localhost:5000/python", ""),
        (f"ghcr.io/a/b:1@sha256:{'0' * 64}", "ghcr.io/a/b", "1"),
    ],
)  # fmt: skip
def test_a_name_is_split_into_name_and_tag(text: str, name: str, tag: str) -> None:
    assert split_name(text) == (name, tag)


@pytest.mark.parametrize("text", ["", "Python:3", "a b:1", "x:`1`", "x:a|b", "<x>", "x\n:1", "x:1\n"])
def test_what_an_image_cannot_be_called_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not what an image can be called"):
        split_name(text)


def test_the_platform_that_is_described_does_not_depend_on_the_machine() -> None:
    assert chosen_platform(["linux/arm64/v8", "linux/amd64"]) == "linux/amd64"
    assert chosen_platform(["linux/s390x", "linux/arm64/v8"]) == "linux/arm64/v8"
    assert chosen_platform(["linux/s390x", "linux/amd64"], "linux/s390x") == "linux/s390x"
    assert chosen_platform([]) == ""


def test_of_several_platforms_all_are_told_and_one_is_described(tmp_path: Path, cache: Path) -> None:
    images = {arch: sample(arch, note=arch) for arch in ("s390x", "amd64", "riscv64")}
    for image in images.values():
        write_image(image, tmp_path / "dist", ["small:1"])
    facts = read_facts("small:1", layout=tmp_path / "dist", platform="", cache=cache)
    assert [each.platform for each in facts.platforms] == ["linux/amd64", "linux/riscv64", "linux/s390x"]
    assert (facts.platform, facts.digest) == ("linux/amd64", images["amd64"].digest)
    other = read_facts("small:1", layout=tmp_path / "dist", platform="linux/s390x", cache=cache)
    assert (other.digest, other.platforms) == (images["s390x"].digest, facts.platforms)
    with pytest.raises(UsageError, match="not for linux/arm64"):
        read_facts("small:1", layout=tmp_path / "dist", platform="linux/arm64/v8", cache=cache)


def test_an_image_for_one_platform_is_not_for_another(tmp_path: Path, cache: Path) -> None:
    write_image(sample("amd64"), tmp_path / "dist", ["small:1"])
    with pytest.raises(UsageError, match="linux/s390x"):
        read_facts("small:1", layout=tmp_path / "dist", platform="linux/s390x", cache=cache)


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_an_archive_is_read_and_needs_a_name(kind: str, tmp_path: Path, cache: Path) -> None:
    image = python_image()
    write_archive(image, tmp_path / "image.tar", "python:3.14-alpine", kind)
    facts = read_facts(f"{kind}:{tmp_path}/image.tar", layout=tmp_path, platform="", cache=cache, name="team/python:1")
    assert (facts.reference, facts.python, facts.platform) == ("team/python:1", "3.14.7", "linux/amd64")
    assert [package.name for package in facts.packages] == ["musl", "python", "base"]
    with pytest.raises(UsageError, match="does not say what the image is called"):
        read_facts(f"{kind}:{tmp_path}/image.tar", layout=tmp_path, platform="", cache=cache)
