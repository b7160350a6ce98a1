"""Small images, and the two formats' own validators."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bivy.apk.database import InstalledPackage, format_installed
from bivy.apk.index import IndexEntry
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.layer import layer_from_tree
from bivy.rootfs.tree import Tree
from tests.rootfs.trees import file

DATABASE = "lib/apk/db/installed"
SITE = "usr/local/lib/python3.14/site-packages"
TITLE = "org.opencontainers.image.title"
ALPINE = "ID=alpine\nVERSION_ID=3.24.1\n"
OWN = 'NAME="bivy"\nID=bivy\nID_LIKE=alpine\nVERSION_ID=0.1.0\n'


def entry(name: str, version: str, licence: str = "MIT", **more: Any) -> IndexEntry:
    return IndexEntry("Q1dCVSWEb/aQmQLZvGHMVyV7S/F/Y=", name, version, arch="x86_64", license=licence, **more)


def image_with(
    packages: Iterable[IndexEntry] = (), distributions: Mapping[str, str] | None = None, *, release: str = OWN,
    files: Mapping[str, bytes] | None = None, title: str = "python:3.14-alpine",
    created: str = "2026-01-01T00:00:00Z",
) -> Image:  # fmt: skip
    """Make an image: its database, and by folder's name the metadata of distributions."""
    database = format_installed([InstalledPackage(each) for each in packages])
    content = {"etc/os-release": release.encode(), **({DATABASE: database.encode()} if database else {})}
    content |= {f"{SITE}/{name}.dist-info/METADATA": text.encode() for name, text in (distributions or {}).items()}
    content |= files or {}
    tree = Tree.of([file(path, each) for path, each in content.items()])
    config = ImageConfig("amd64", created=created, cmd=("python3",))
    return make_image(config, [layer_from_tree(tree, created_by="a test")], {TITLE: title} if title else {})


def check_cyclonedx(content: bytes) -> dict[str, Any]:
    """Validate a document by CycloneDX's own schema, and that what it refers to is there, once."""
    from referencing import Registry, Resource

    document: dict[str, Any] = json.loads(content)
    schemas = resources.files("cyclonedx.schema") / "_res"
    schema = json.loads((schemas / "bom-1.6.SNAPSHOT.schema.json").read_text())
    # They refer to each other by the names of their files.
    names = [f"{name}.SNAPSHOT.schema.json" for name in ("spdx", "jsf-0.82")]
    others = [(name, Resource.from_contents(json.loads((schemas / name).read_text()))) for name in names]
    above = schema["$id"].rpartition("/")[0]
    registry: Registry = Registry().with_resources([*((f"{above}/{name}", each) for name, each in others), *others])
    jsonschema.Draft7Validator(schema, registry=registry).validate(document)
    refs = [each["bom-ref"] for each in _with_ancestors([*document.get("components", []),
                                                         document["metadata"]["component"]])]  # fmt: skip
    assert len(refs) == len(set(refs))
    for each in document["dependencies"]:
        assert {each["ref"], *each.get("dependsOn", [])} <= set(refs)
    return document


def _with_ancestors(components: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for each in components for found in (each, *each.get("pedigree", {}).get("ancestors", []))]


def check_spdx(content: bytes, folder: Path) -> dict[str, Any]:
    """Validate a document by SPDX's schema, and by SPDX's own tool, which knows the rules that no schema can say."""
    document: dict[str, Any] = json.loads(content)
    pytest.importorskip("lib4sbom", reason="lib4sbom, which has SPDX's schema, is not installed")
    schema = json.loads((resources.files("lib4sbom") / "schemas" / "spdx" / "2.3-schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(document)
    pytest.importorskip("spdx_tools", reason="spdx-tools is not installed")
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    place = folder / "list.spdx.json"
    place.write_bytes(content)
    faults = validate_full_spdx_document(parse_file(str(place)))
    assert [fault.validation_message for fault in faults] == []
    return document
