"""A list in CycloneDX 1.6, as JSON (ECMA-424)."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from bivy import __version__
from bivy.sbom.licences import expression

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyclonedx.model import ExternalReference
    from cyclonedx.model.component import Component as Written
    from cyclonedx.model.component import Pedigree

    from bivy.sbom.listing import Component, Listing, Source

NAMESPACE: Final = uuid.UUID("6f8c2f2e-5f0e-5d0b-9d0b-6a3f5d2f7c11")
"""What the numbers of lists are derived in (RFC 9562, version 5)."""


def as_cyclonedx(listing: Listing) -> bytes:
    """Return a list as a document of CycloneDX; the same list gives the same bytes."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component as Written
    from cyclonedx.model.component import ComponentType
    from cyclonedx.model.dependency import Dependency
    from cyclonedx.model.tool import ToolRepository
    from cyclonedx.output.json import JsonV1Dot6

    image = _image(listing)
    tool = Written(name="bivy", version=__version__, type=ComponentType.APPLICATION)
    bom = Bom(
        components=[_component(each) for each in listing.components],
        serial_number=uuid.uuid5(NAMESPACE, listing.identity),
        metadata=BomMetaData(
            component=image, timestamp=dt.datetime.fromtimestamp(listing.created, dt.UTC),
            tools=ToolRepository(components=[tool]),
        ),
    )  # fmt: skip
    for ref, needs in ((image.bom_ref.value, [each.ref for each in listing.components]),
                       *((each.ref, each.needs) for each in listing.components)):  # fmt: skip
        bom.dependencies.add(Dependency(_ref(ref), [Dependency(_ref(need)) for need in needs]))
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _ref(value: str | None) -> Any:  # noqa: ANN401 - the library's own
    from cyclonedx.model.bom_ref import BomRef

    return BomRef(value)


def _image(listing: Listing) -> Written:
    from cyclonedx.model.component import Component as Written
    from cyclonedx.model.component import ComponentType

    return Written(
        name=listing.name, version=listing.version or None, type=ComponentType.CONTAINER, bom_ref="image",
        purl=_purl(listing.purl), hashes=_hashes(listing.digest.removeprefix("sha256:")),
    )  # fmt: skip


def _purl(text: str) -> Any:  # noqa: ANN401 - the library's own
    from packageurl import PackageURL

    return PackageURL.from_string(text) if text else None


def _hashes(sha256: str) -> list[Any]:
    from cyclonedx.model import HashAlgorithm, HashType

    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []


def _component(each: Component) -> Written:
    from cyclonedx.model import ExternalReferenceType, Property
    from cyclonedx.model.component import Component as Written
    from cyclonedx.model.component import ComponentType
    from cyclonedx.model.contact import OrganizationalEntity

    places = []
    if each.url:
        places.append(_reference(ExternalReferenceType.DISTRIBUTION, each.url, each.sha256))
    if each.homepage:
        places.append(_reference(ExternalReferenceType.WEBSITE, each.homepage))
    return Written(
        name=each.name, version=each.version or None, bom_ref=each.ref, purl=_purl(each.purl),
        type=ComponentType.APPLICATION if each.kind == "program" else ComponentType.LIBRARY,
        description=each.summary or None, hashes=_hashes(each.sha256), licenses=_licenses(each.license),
        supplier=OrganizationalEntity(name=each.supplier) if each.supplier else None,
        external_references=places, pedigree=_pedigree(each) if each.sources else None,
        properties=[Property(name=name, value=value) for name, value in (*each.facts, *_patches(each.sources))],
    )  # fmt: skip


def _reference(kind: Any, url: str, sha256: str = "") -> ExternalReference:  # noqa: ANN401 - the library's own
    from cyclonedx.model import ExternalReference, XsUri

    return ExternalReference(type=kind, url=XsUri(url), hashes=_hashes(sha256))


def _pedigree(of: Component) -> Pedigree:
    """Say what something was compiled from: upstream's release is its ancestor, and patches lead from that to it."""
    from cyclonedx.model import AttachedText, ExternalReferenceType, XsUri
    from cyclonedx.model.component import Component as Written
    from cyclonedx.model.component import ComponentType, Patch, Pedigree
    from cyclonedx.model.component import Diff as Difference
    from cyclonedx.model.component import PatchClassification as Kind
    from packageurl import PackageURL

    ancestors, patches = [], []
    for source in of.sources:
        digests = {place.sha256 for place in source.places}
        first = source.places[0]
        purl = PackageURL("generic", None, source.name, source.version,
                          {"checksum": f"sha256:{first.sha256}", "download_url": first.url})  # fmt: skip
        ancestors.append(
            Written(
                name=source.name, version=source.version, type=ComponentType.LIBRARY, purl=purl,
                bom_ref=f"{of.ref}#{source.name}", hashes=_hashes(first.sha256 if len(digests) == 1 else ""),
                external_references=[
                    _reference(ExternalReferenceType.SOURCE_DISTRIBUTION, place.url, place.sha256)
                    for place in source.places
                ],
            )
        )  # fmt: skip
        patches += [
            Patch(type=Kind.UNOFFICIAL, diff=Difference(text=AttachedText(content=each.text), url=XsUri(each.name)))
            for each in source.patches
        ]
    return Pedigree(ancestors=ancestors, patches=patches)


def _patches(sources: Iterable[Source]) -> list[tuple[str, str]]:
    """Return the digests of patches, which a patch of the format's has no place for."""
    return [(f"bivy:patch:{patch.name}:sha256", patch.sha256) for source in sources for patch in source.patches]


def _licenses(told: str) -> list[Any]:
    """Return a licence as the format has it: an identifier of SPDX's, an expression, or else a name."""
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
    from cyclonedx.spdx import is_supported_id

    text = expression(told)
    if not text:
        return [DisjunctiveLicense(name=" ".join(told.split()))] if told.split() else []
    return [DisjunctiveLicense(id=text)] if is_supported_id(text) else [LicenseExpression(text)]
