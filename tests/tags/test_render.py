"""The list for programs: what the official images' tools and docker buildx bake read."""

from __future__ import annotations

import email.parser
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.arch import ARCHES
from bivy.errors import BivyError, UsageError
from bivy.images.definition import load_image
from bivy.oci.layout import write_image
from bivy.oci.registry.name import parse_name
from bivy.tags.built import Built, Listing, Row, list_tags
from bivy.tags.render import Source, as_bake, as_json, as_library, official_arch
from bivy.tags.rules import Edition, assign
from tests.tags.making import KNOWN, made, put

SOURCE = Source(("Jane Doe <jane@example.org> (@jane)",), "https://git.example/python.git", "a" * 40)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    put(tmp_path / "dist", Edition("3.14.7"), "x86_64", "aarch64", "armv7")
    put(tmp_path / "dist", Edition("3.14.7", "3.24"))
    return tmp_path / "dist"


def listed(layout: Path) -> Listing:
    return list_tags(layout, load_image("python"), KNOWN)


def blocks(text: str) -> list[dict[str, str]]:
    """Read a library file as RFC 2822 has it, without looking at how bivy writes it."""
    parts = re.split(r"\n\n+", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [{name: " ".join(value.split()) for name, value in email.parser.Parser().parsestr(part).items()}
            for part in parts]  # fmt: skip


def test_the_library_file_has_a_block_for_each_image_that_is_built(layout: Path) -> None:
    head, *images = blocks(as_library(listed(layout).rows, SOURCE))
    assert head == {
        "Maintainers": "Jane Doe <jane@example.org> (@jane)", "GitRepo": "https://git.example/python.git",
        "GitCommit": "a" * 40, "Builder": "oci-import", "File": "index.json",
    }  # fmt: skip
    assert images == [
        {"Tags": "3.14.7-alpine, 3.14-alpine, 3-alpine, alpine", "Architectures": "amd64, arm32v7, arm64v8",
         "amd64-Directory": "3.14.7-alpine/amd64", "arm32v7-Directory": "3.14.7-alpine/arm32v7",
         "arm64v8-Directory": "3.14.7-alpine/arm64v8"},
        {"Tags": "3.14.7-alpine3.24, 3.14-alpine3.24, 3-alpine3.24, alpine3.24", "Architectures": "amd64",
         "amd64-Directory": "3.14.7-alpine3.24/amd64"},
    ]  # fmt: skip


def test_several_maintainers_a_ref_and_a_folder_are_written_where_the_format_has_them(layout: Path) -> None:
    source = replace(SOURCE, maintainers=(*SOURCE.maintainers, "Joe Roe (@joe)"), fetch="refs/heads/dist", folder="oci")
    head, first, *_ = blocks(as_library(listed(layout).rows, source))
    assert head["Maintainers"] == "Jane Doe <jane@example.org> (@jane), Joe Roe (@joe)"
    assert head["GitFetch"] == "refs/heads/dist"
    assert first["amd64-Directory"] == "oci/3.14.7-alpine/amd64"


@pytest.mark.parametrize(
    ("change", "said"),
    [({"maintainers": ()}, "--maintainer"), ({"maintainers": ("Jane",)}, "'Jane' does not name a maintainer"),
     ({"maintainers": ("Jane\nTags: latest (@jane)",)}, "does not name a maintainer"),
     ({"repository": ""}, "--git-repo is missing"), ({"repository": "a\nTags: latest"}, "--git-repo"),
     ({"commit": ""}, "--git-commit is missing"), ({"commit": "main"}, "is not a commit"),
     ({"fetch": "a b"}, "--git-fetch"), ({"folder": "../x"}, "--directory"), ({"folder": "/x"}, "--directory")],
)  # fmt: skip
def test_what_the_format_does_not_take_is_refused(change: dict[str, str], said: str, layout: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        as_library(listed(layout).rows, replace(SOURCE, **change))  # type: ignore[arg-type]
    assert said in f"{refusal.value} {refusal.value.hint}"


def test_architectures_have_the_official_names() -> None:
    assert {official_arch(arch.platform) for arch in ARCHES.values()} == {
        "amd64", "arm64v8", "arm32v7", "arm32v6", "i386", "ppc64le", "riscv64", "s390x",
    }  # fmt: skip


@given(
    st.sets(st.sampled_from(["3.13.15", "3.14.6", "3.14.7", "3.15.0rc1"]), min_size=1), st.sampled_from(["", "3.24"])
)
def test_no_tag_is_in_two_blocks_and_none_is_latest(versions: set[str], release: str) -> None:
    built = (Built("linux/amd64", "sha256:x", 1),)
    rows = [
        Row("python", edition, tags, built) for edition, tags in assign(Edition(v, release) for v in versions).items()
    ]
    _, *images = blocks(as_library(rows, SOURCE))
    tags = [tag for image in images for tag in image["Tags"].split(", ")]
    assert len(tags) == len(set(tags))
    assert "latest" not in tags


def test_bake_takes_each_image_from_the_layout_by_its_digest(layout: Path) -> None:
    file = as_bake(listed(layout).rows, layout, "registry.example/python")
    assert json.loads(json.dumps(file)) == file
    assert file["group"]["default"]["targets"] == list(file["target"])
    target = file["target"]["python-3_14_7-alpine"]
    assert target["platforms"] == ["linux/amd64", "linux/arm/v7", "linux/arm64/v8"]
    place, _, digest = target["contexts"]["image"].removeprefix("oci-layout://").partition("@")
    assert (
        len(json.loads((Path(place) / "blobs/sha256" / digest.removeprefix("sha256:")).read_text())["manifests"]) == 3
    )
    assert [parse_name(tag).tag for tag in target["tags"]] == ["3.14.7-alpine", "3.14-alpine", "3-alpine", "alpine"]
    for name in file["target"]:
        assert re.fullmatch(r"[A-Za-z0-9_-]+", name)


def test_bake_refuses_what_the_layout_has_under_no_common_name(layout: Path) -> None:
    write_image(made("3.13.15"), layout, ["python:3.13-alpine"])
    write_image(made("3.13.15", arch="aarch64"), layout, ["python:3.13.15-alpine"])
    with pytest.raises(BivyError, match="has no name that stands for"):
        as_bake(listed(layout).rows, layout, "python")


def test_json_has_what_is_built_and_what_is_not(layout: Path) -> None:
    told = as_json(listed(layout))
    assert [(each["version"], each["alpine"], len(each["platforms"])) for each in told["images"]] == [
        ("3.14.7", "", 3), ("3.14.7", "3.24", 1), ("3.13.15", "", 0),
    ]  # fmt: skip
    assert told["problems"] == []
