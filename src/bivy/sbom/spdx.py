"""A list in SPDX 2.3, as JSON (https://spdx.github.io/spdx-spec/v2.3/)."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from typing import TYPE_CHECKING, Any, Final

from bivy import __version__
from bivy.sbom.cyclonedx import NAMESPACE
from bivy.sbom.licences import expression

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bivy.sbom.listing import Component, Listing, Patch, Source

_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_IMAGE: Final = "SPDXRef-image"
_UNKNOWN: Final = "NOASSERTION"
_LICENSE_REF: Final = re.compile(r"LicenseRef-([A-Za-z0-9.-]+)")


class _Document:
    """What is written so far: elements by what they stand for, relationships, licences."""

    def __init__(self) -> None:
        self.packages: list[dict[str, Any]] = []
        self.files: list[dict[str, Any]] = []
        self.relationships: list[dict[str, str]] = []
        self.licenses: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._taken: set[str] = set()

    def id_of(self, ref: str) -> tuple[str, bool]:
        """Return an element's identifier, which takes letters, digits, dots and dashes alone, and whether it is new."""
        if ref in self._ids:
            return self._ids[ref], False
        stem = "SPDXRef-" + (re.sub(r"[^A-Za-z0-9.-]+", "-", ref).strip("-") or "element")
        found, number = stem, 1
        while found in self._taken or found in (_DOCUMENT, _IMAGE):
            number += 1
            found = f"{stem}-{number}"
        self._ids[ref] = found
        self._taken.add(found)
        return found, True

    def relate(self, one: str, kind: str, other: str) -> None:
        """Add a relationship (clause 11)."""
        self.relationships.append({"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other})

    def license(self, told: str) -> str:
        """Return a licence as the format has it; what SPDX does not know gets a reference and its words (clause 10)."""
        text = " ".join(told.split())
        if not text:
            return _UNKNOWN
        spelled = expression(text)
        if not spelled:
            spelled = "LicenseRef-" + (re.sub(r"[^A-Za-z0-9.-]+", "-", text[:80]).strip("-") or "unnamed")
            number, stem = 1, spelled
            while self.licenses.get(spelled, text) != text:
                number += 1
                spelled = f"{stem}-{number}"
            self.licenses[spelled] = text
        for name in _LICENSE_REF.findall(spelled):
            self.licenses.setdefault(f"LicenseRef-{name}", name)
        return spelled


def as_spdx(listing: Listing) -> bytes:
    """Return a list as a document of SPDX; the same list gives the same bytes."""
    document = _Document()
    document.packages.append(_image(listing))
    document.relate(_DOCUMENT, "DESCRIBES", _IMAGE)
    ids = {each.ref: document.id_of(each.ref)[0] for each in listing.components}
    for each in listing.components:
        document.packages.append(_package(document, ids[each.ref], each))
        document.relate(_IMAGE, "CONTAINS", ids[each.ref])
        for need in each.needs:
            document.relate(ids[each.ref], "DEPENDS_ON", ids[need])
    for each in listing.components:
        for source in each.sources:
            _source(document, ids[each.ref], source)
    title = f"{listing.name}:{listing.version}" if listing.version else listing.name
    number = uuid.uuid5(NAMESPACE, listing.identity)
    whole = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": title,
        "documentNamespace": f"urn:uuid:{number}",
        "creationInfo": {"created": _time(listing.created), "creators": [f"Tool: bivy-{__version__}"]},
        "packages": document.packages,
        "relationships": document.relationships,
        **({"files": document.files} if document.files else {}),
        **(
            {
                "hasExtractedLicensingInfos": [
                    {"licenseId": ref, "name": name, "extractedText": f"The licence is named so: {name}"}
                    for ref, name in sorted(document.licenses.items())
                ]
            }
            if document.licenses
            else {}
        ),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _time(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _image(listing: Listing) -> dict[str, Any]:
    digest = listing.digest.removeprefix("sha256:")
    return {
        "SPDXID": _IMAGE,
        "name": listing.name,
        **({"versionInfo": listing.version} if listing.version else {}),
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
        **({"checksums": [_checksum("SHA256", digest)]} if digest else {}),
        **({"externalRefs": [_purl(listing.purl)]} if listing.purl else {}),
    }


def _checksum(algorithm: str, value: str) -> dict[str, str]:
    return {"algorithm": algorithm, "checksumValue": value}


def _purl(purl: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


def _package(document: _Document, own: str, each: Component) -> dict[str, Any]:
    told = document.license(each.license)
    facts = [*(f"{name}: {text}" for name, text in each.facts), *_patches(each.sources)]
    optional = {
        "versionInfo": each.version,
        "summary": each.summary,
        "homepage": each.homepage,
        "supplier": _supplier(each.supplier),
        "checksums": [_checksum("SHA256", each.sha256)] if each.sha256 else [],
        "externalRefs": [_purl(each.purl)] if each.purl else [],
        "comment": "\n".join(facts),
    }
    return {
        "SPDXID": own,
        "name": each.name,
        "downloadLocation": each.url or _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": told,
        "copyrightText": _UNKNOWN,
        "primaryPackagePurpose": "APPLICATION" if each.kind == "program" else "LIBRARY",
        **{key: value for key, value in optional.items() if value},
    }


def _supplier(told: str) -> str:
    """Return who made a package as the format has it (clause 7.5): Alpine writes ``Name <address>``."""
    told = "".join(letter for letter in told if letter.isprintable()).strip()
    if person := re.fullmatch(r"([^<>()]+?) *<([^<>()\s]+)>", told):
        return f"Person: {person[1]} ({person[2]})"
    name = re.sub(r"[<>()]", "", told).strip()
    return f"Organization: {name}" if name else ""


def _patches(sources: Iterable[Source]) -> list[str]:
    return [f"patched with {patch.name}" for source in sources for patch in source.patches]


def _source(document: _Document, own: str, source: Source) -> None:
    """Say what something was compiled from: a package of its own, which several may come from, and its patches."""
    first = source.places[0]
    ref, new = document.id_of(f"source-{source.name}-{source.version}-{first.sha256}")
    if new:
        others = [f"or {place.url}, SHA-256 {place.sha256}" for place in source.places[1:]]
        document.packages.append(
            {
                "SPDXID": ref,
                "name": source.name,
                "versionInfo": source.version,
                "downloadLocation": first.url,
                "filesAnalyzed": False,
                "licenseConcluded": _UNKNOWN,
                "licenseDeclared": _UNKNOWN,
                "copyrightText": _UNKNOWN,
                "primaryPackagePurpose": "SOURCE",
                "checksums": [_checksum("SHA256", first.sha256)],
                **({"sourceInfo": "\n".join(others)} if others else {}),
            }
        )
    document.relate(own, "GENERATED_FROM", ref)
    for patch in source.patches:
        document.relate(_patch(document, source, patch), "PATCH_APPLIED", own)


def _patch(document: _Document, source: Source, patch: Patch) -> str:
    ref, new = document.id_of(f"patch-{source.name}-{patch.name}-{patch.sha256}")
    if new:
        document.files.append(
            {
                "SPDXID": ref,
                "fileName": f"./{source.name}/{patch.name}",
                "fileTypes": ["SOURCE"],
                "checksums": [_checksum("SHA1", patch.sha1), _checksum("SHA256", patch.sha256)],
                "licenseConcluded": _UNKNOWN,
                "copyrightText": _UNKNOWN,
                "comment": patch.text,
            }
        )
    return ref
