"""The Python distributions of an image, by the metadata that installers leave (core metadata, PEP 376, PEP 610)."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from dataclasses import replace
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING, Final

from bivy.apk.entry import Kind
from bivy.sbom.licences import CLASSIFIERS, is_known
from bivy.sbom.listing import Component, address, clean, purl_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bivy.rootfs.tree import Tree

_METADATA: Final = re.compile(r"(?:.*/)?([^/]+)\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)")
_MARK: Final = "License :: OSI Approved :: "


def is_metadata(path: str) -> bool:
    """Tell whether a file is one that this reads."""
    return bool(_METADATA.fullmatch(path)) or path.endswith((".dist-info/RECORD", ".dist-info/direct_url.json"))


def list_distributions(tree: Tree, machine: str, problems: list[str]) -> tuple[Component, ...]:
    """Return the distributions in a tree, each with those that it requires; what cannot be read is a problem.

    Args:
        tree: The image's files, with the content of those that `is_metadata` names.
        machine: What ``uname -m`` says in the image, for markers.
        problems: What cannot be read is added to these.
    """
    found: dict[str, tuple[Component, tuple[str, ...], str]] = {}
    for path, entry in sorted(tree.entries.items()):
        if entry.kind is Kind.DIRECTORY or not _METADATA.fullmatch(path):
            continue
        component = _read(tree, path)
        if component is None:
            problems.append(f"/{clean(path)} names no distribution and no version")
        else:
            found.setdefault(component.ref, (component, _required(tree.read(path) or b""), path))
    by_name = {component.name: ref for ref, (component, _, _) in found.items()}
    return tuple(
        _with_needs(component, required, _environment(path, machine), by_name)
        for component, required, path in found.values()
    )


def _read(tree: Tree, path: str) -> Component | None:
    from packaging.utils import canonicalize_name

    content = tree.read(path) or b""
    fields = BytesHeaderParser().parsebytes(content)
    folder = posixpath.dirname(path)
    match = _METADATA.fullmatch(path)
    stem = match[1] if match else ""
    name, version = (_line(fields.get(key)) for key in ("Name", "Version"))
    if not (name and version):
        name, _, version = clean(stem).partition("-")
    if not (name and version):
        return None
    name = canonicalize_name(name)
    purl = purl_of("pypi", None, name, version)
    record = tree.read(f"{folder}/RECORD") if folder.endswith(".dist-info") else None
    facts = [("bivy:python:metadata", f"/{clean(path)}")]
    if record:
        facts.append(("bivy:python:record-sha256", hashlib.sha256(record).hexdigest()))
    return Component(
        ref=purl or f"pypi:{name}@{version}", kind="distribution", name=name, version=version, purl=purl,
        license=license_of(content), summary=_line(fields.get("Summary")),
        homepage=address(_line(fields.get("Home-page"))),
        sha256=_digest(tree.read(f"{folder}/direct_url.json")), facts=tuple(facts),
    )  # fmt: skip


def _line(value: object) -> str:
    text = clean(str(value or ""))
    return "" if text == "UNKNOWN" else text


def _digest(direct: bytes | None) -> str:
    """Return the digest of the archive that was installed, where ``direct_url.json`` has it (PEP 610)."""
    try:
        told = json.loads(direct or b"{}")
        found = told["archive_info"]["hashes"]["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) and re.fullmatch("[0-9a-f]{64}", found) else ""


def license_of(metadata: bytes) -> str:
    """Return what core metadata says of the licence: an SPDX expression where it can be had, else what is one line."""
    parsed = BytesHeaderParser().parsebytes(metadata)
    told = _line(parsed.get("License-Expression"))
    if told:
        return told
    lines = str(parsed.get("License") or "").strip().splitlines()
    text = _line(lines[0]) if len(lines) == 1 else ""
    if is_known(text):
        return text
    classified = [str(each).removeprefix(_MARK) for each in parsed.get_all("Classifier") or ()
                  if str(each).startswith(_MARK)]  # fmt: skip
    return next((CLASSIFIERS.get(each, each) for each in classified), text)


def _required(metadata: bytes) -> tuple[str, ...]:
    parsed = BytesHeaderParser().parsebytes(metadata)
    return tuple(str(each) for each in parsed.get_all("Requires-Dist") or ())


def _environment(path: str, machine: str) -> dict[str, str]:
    """Return what markers ask for (dependency specifiers, "Environment Markers"), as it is where a file is."""
    series = re.search(r"(?:^|/)python(3\.\d+)/", path)
    version = series[1] if series else "3"
    return {
        "implementation_name": "cpython", "implementation_version": version, "os_name": "posix",
        "platform_machine": machine, "platform_python_implementation": "CPython", "platform_release": "",
        "platform_system": "Linux", "platform_version": "", "python_full_version": f"{version}.0",
        "python_version": version, "sys_platform": "linux", "extra": "",
    }  # fmt: skip


def _with_needs(
    component: Component, required: tuple[str, ...], environment: dict[str, str], by_name: Mapping[str, str]
) -> Component:
    wanted = {by_name[name] for name in _names(required, environment) if name in by_name}
    return replace(component, needs=tuple(sorted(wanted - {component.ref})))


def _names(required: tuple[str, ...], environment: dict[str, str]) -> Iterator[str]:
    """Yield the names of what is required in an environment; a requirement that is none is passed over."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for text in required:
        try:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
                yield canonicalize_name(requirement.name)
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName, ValueError, RecursionError):
            continue
