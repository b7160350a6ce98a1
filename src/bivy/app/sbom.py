"""A list of everything in a project's image: CycloneDX 1.6, in JSON (ECMA-424)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bivy import __version__
from bivy.app.distributions import Component as Distribution
from bivy.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from cyclonedx.model.component import Component

    from bivy.app.base import Base, Package
    from bivy.app.layers import Kept
    from bivy.app.values import Project
    from bivy.arch import Arch

# Raised when the same image is listed otherwise.
GENERATION: Final = 2

MEDIA_TYPE: Final = "application/vnd.cyclonedx+json"
_NAMESPACE: Final = uuid.UUID("6f8c2f2e-5f0e-5d0b-9d0b-6a3f5d2f7c11")


def list_content(
    project: Project, name: str, base: Base, packages: Sequence[Package], layers: Sequence[Kept], arch: Arch,
    epoch: int, cache: Path,
) -> bytes:  # fmt: skip
    """Return the list; it is written once for the same content.

    It names what is installed, not the project's files: so it stays the same as long as only code changes.

    Args:
        project: The project.
        name: The image's name.
        base: What the image stands on.
        packages: The Alpine packages in it.
        layers: The layers on top of the base.
        arch: The architecture.
        epoch: The time that it says it was made, in seconds since 1970.
        cache: bivy's cache folder.
    """
    distributions = list(_distributions(layers))
    parts = [
        GENERATION, __version__, project.name, project.version, project.metadata.license, project.metadata.summary,
        project.metadata.requires, name, base.digest, packages, distributions, arch.name, epoch,
    ]  # fmt: skip
    key = hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
    place = cache / "app" / "lists" / f"{key}.json"
    try:
        return place.read_bytes()
    except OSError:
        content = _write(project, name, base, packages, distributions, arch, epoch, key)
        write_whole(place, content)
        return content


def _distributions(layers: Iterable[Kept]) -> Iterator[Distribution]:
    for kept in layers:
        try:
            yield from msgspec.json.decode(kept.content, type=list[Distribution])
        except msgspec.ValidationError:
            continue


def _write(
    project: Project, name: str, base: Base, packages: Sequence[Package], distributions: Sequence[Distribution],
    arch: Arch, epoch: int, key: str,
) -> bytes:  # fmt: skip
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.dependency import Dependency
    from cyclonedx.output.json import JsonV1Dot6

    image = Component(name=name.partition(":")[0], version=name.rpartition(":")[2], type=ComponentType.CONTAINER,
                      bom_ref="image")  # fmt: skip
    own = _own(project)
    found = {each.name: _distribution(each) for each in distributions}
    for other, version in base.distributions.items():
        found.setdefault(other, _distribution(Distribution(other, version, "", "", "")))
    system = [*(_package(each, base, arch) for each in packages), _first_process()]
    bom = Bom(
        components=[own, *found.values(), *system],
        serial_number=uuid.uuid5(_NAMESPACE, key),
        metadata=BomMetaData(component=image, timestamp=dt.datetime.fromtimestamp(epoch, dt.UTC), tools=[_tool()]),
    )
    asked = [found[each.name].bom_ref for each in distributions if each.asked]
    bom.dependencies.add(Dependency(own.bom_ref, [Dependency(ref) for ref in asked]))
    for each in distributions:
        needs = [Dependency(found[other].bom_ref) for other in each.requires if other in found]
        bom.dependencies.add(Dependency(found[each.name].bom_ref, needs))
    all_of_them = [own.bom_ref, *(each.bom_ref for each in (*found.values(), *system))]
    bom.dependencies.add(Dependency(image.bom_ref, [Dependency(ref) for ref in all_of_them]))
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def _tool() -> Any:  # noqa: ANN401 - the library's own
    from cyclonedx.model.tool import Tool

    return Tool(name="bivy", version=__version__)


def _own(project: Project) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    return Component(
        name=project.name, version=project.version, type=ComponentType.APPLICATION, bom_ref="project",
        description=project.metadata.summary or None, licenses=_licenses(project.metadata.license),
        purl=PackageURL("generic", None, project.name, project.version),
    )  # fmt: skip


def _distribution(each: Distribution) -> Component:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = PackageURL("pypi", None, each.name, each.version)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=each.sha256)] if each.sha256 else []
    places = [
        ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(_public(each.url)), hashes=hashes)
    ] if each.url else []  # fmt: skip
    return Component(
        name=each.name, version=each.version, type=ComponentType.LIBRARY, bom_ref=str(purl), purl=purl, hashes=hashes,
        licenses=_licenses(each.license), external_references=places,
    )  # fmt: skip


def _public(url: str) -> str:
    from bivy.musl.dependencies.settings import without_credentials

    return without_credentials(url)


def _package(each: Package, base: Base, arch: Arch) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    system, _, _ = base.system.partition("-")
    qualifiers = {"arch": each.arch or arch.name, **({"distro": base.system} if base.system else {})}
    if each.origin and each.origin != each.name:
        qualifiers["upstream"] = each.origin
    purl = PackageURL("apk", system or "alpine", each.name, each.version, qualifiers)
    return Component(
        name=each.name, version=each.version, type=ComponentType.LIBRARY, bom_ref=str(purl), purl=purl,
        licenses=_licenses(each.license),
        properties=[Property(name="bivy:apk:checksum", value=each.checksum)] if each.checksum else [],
    )  # fmt: skip


def _first_process() -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    from bivy.app.system import RECIPE
    from bivy.build.recipe import RECIPES, load_recipe

    data = load_recipe(RECIPES / RECIPE)
    purl = PackageURL("generic", None, RECIPE, data.version)
    return Component(
        name=RECIPE, version=data.version, type=ComponentType.APPLICATION, bom_ref=str(purl), purl=purl,
        licenses=_licenses(data.license),
    )  # fmt: skip


def _licenses(text: str) -> list[Any]:
    """Return a licence as the format has it: an SPDX identifier or expression, or else a name."""
    from cyclonedx.factory.license import LicenseFactory

    return [LicenseFactory().make_from_string(text)] if text else []
