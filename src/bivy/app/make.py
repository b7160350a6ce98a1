"""The whole way, in order: a project is read, its layers are made or found, and its image goes into a layout."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bivy import __version__
from bivy.app.own import Contents, Seen, is_settled, read_contents
from bivy.app.project import read_project
from bivy.arch import build_machine, find_arch
from bivy.build.workshop import source_date_epoch
from bivy.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bivy.app.base import Base
    from bivy.app.bytecode import Compiler
    from bivy.app.layers import Kept, LayerStore
    from bivy.app.values import Project
    from bivy.arch import Arch
    from bivy.oci.image import Image
    from bivy.oci.layer import Compression
    from bivy.progress import Progress

# Raised when the same layers come to another image.
GENERATION: Final = 1


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted.

    Attributes:
        where: The project's folder, or a script.
        output: The layout that the image is written to, and that bases are looked for in.
        told: What the command line says, by the names of `bivy.app.options.AppOptions`.
        compression: How layers are compressed.
        wheels: Folders with wheels, beside the cache's own.
        index: The package index that is asked; empty for the one that uv or pip is set up with.
        offline: Whether nothing may be fetched.
        upgrade: Whether what was resolved before is resolved anew.
        lock: Whether what is resolved is written down in the project, where it has no lock.
    """

    where: Path
    output: Path
    told: Mapping[str, object] = field(default_factory=dict)
    compression: Compression = "gzip"
    wheels: tuple[Path, ...] = ()
    index: str = ""
    offline: bool = False
    upgrade: bool = False
    lock: bool = False


class MadeLayer(msgspec.Struct, frozen=True):
    """A layer of an image that was made: its digest, its compressed bytes, and what made it."""

    digest: str
    size: int
    created_by: str


class MadeImage(msgspec.Struct, frozen=True):
    """An image that was made, or found to be there.

    Attributes:
        platform: What it is for, as in ``docker --platform``.
        digest: Its manifest's digest.
        layers: Its layers, from the lowest, the base's included.
    """

    platform: str
    digest: str
    layers: tuple[MadeLayer, ...]

    @property
    def size(self) -> int:
        """The compressed bytes of all layers."""
        return sum(layer.size for layer in self.layers)


@dataclass(frozen=True, slots=True)
class MadeApp:
    """What came of it.

    Attributes:
        project: The project.
        name: The image's name in the layout.
        images: The image, for each platform.
        unchanged: Whether it was there already.
    """

    project: Project
    name: str
    images: tuple[MadeImage, ...]
    unchanged: bool


class _Receipt(msgspec.Struct, frozen=True):
    """What was made the last time, and what of.

    Attributes:
        key: The digest of all that was looked at.
        images: The images.
        seen: What the project's files were like.
    """

    key: str
    images: tuple[MadeImage, ...]
    seen: dict[str, Seen]


def make_app(wish: Wish, *, cache: Path, jobs: int, progress: Progress) -> MadeApp:
    """Make a project's image, for each of its platforms, and write it into a layout.

    Raises:
        UsageError: The project, or what is said of it, is wrong.
        BivyError: Something cannot be had, read, made or written.
    """
    from bivy.oci.layout import find_image

    started = time.time_ns()
    project = read_project(wish.where, wish.told)
    for note in project.notes:
        progress.say(note)
    arches = [find_arch(name) for name in project.options.architectures] or [build_machine()]
    name = f"{project.repository}:{project.tag}"
    place = cache / "app" / "made" / f"{_digest([str(project.root), project.kind, name, wish.output.absolute()])}.json"
    receipt = _read_receipt(place)
    contents = read_contents(project, receipt.seen if receipt else {})
    bases = [(arch, _reference(project), find_image(wish.output, _reference(project), arch.platform))
             for arch in arches]  # fmt: skip
    key = _digest([
        GENERATION, __version__, source_date_epoch(), project, contents.digests, _lock_digest(project), wish.compression,
        [(arch.name, reference, digest) for arch, reference, digest in bases], wish.wheels, wish.index,
    ])  # fmt: skip
    known = bool(receipt and receipt.key == key and all(digest for _, _, digest in bases) and not wish.upgrade)
    if receipt and known and all(
        find_image(wish.output, name, each.platform) == each.digest and _is_whole(wish.output, each)
        for each in receipt.images
    ):  # fmt: skip
        return MadeApp(project, name, receipt.images, unchanged=True)
    images = tuple(
        _make(project, contents, arch, name, wish, cache=cache, jobs=jobs, progress=progress) for arch in arches
    )
    if is_settled(contents, started):
        # Bases that were built a moment ago are looked for the next time.
        write_whole(place, msgspec.json.encode(_Receipt(key, images, dict(contents.seen))))
    return MadeApp(project, name, images, unchanged=False)


def _read_receipt(place: Path) -> _Receipt | None:
    try:
        return msgspec.json.decode(place.read_bytes(), type=_Receipt)
    except (OSError, msgspec.MsgspecError):
        return None


def _digest(parts: object) -> str:
    content = msgspec.json.encode(parts, order="deterministic", enc_hook=_plain)
    return hashlib.sha256(content).hexdigest()


def _plain(value: Any) -> object:  # noqa: ANN401 - msgspec's signature
    return dict(value) if hasattr(value, "keys") else sorted(value) if isinstance(value, frozenset) else str(value)


def _lock_digest(project: Project) -> list[str]:
    """Return what is in the files that say what is needed, which need not be among the project's own."""
    from bivy.app.dependencies import files_of

    return [hashlib.sha256(content).hexdigest() for content in files_of(project)]


def _reference(project: Project) -> str:
    from bivy.app.base import default_reference

    return project.options.base or default_reference(project.python)


def _is_whole(layout: Path, image: MadeImage) -> bool:
    """Tell whether a layout has all bytes of an image; what is in them was checked when they were written."""
    try:
        return (layout / "blobs" / "sha256" / image.digest.removeprefix("sha256:")).is_file() and all(
            (layout / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")).stat().st_size == layer.size
            for layer in image.layers
        )
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class _On:
    """What one image stands on."""

    image: Image
    base: Base
    compiles: str
    compiler: Callable[[], Compiler | str]


def _make(
    project: Project, contents: Contents, arch: Arch, name: str, wish: Wish,
    *, cache: Path, jobs: int, progress: Progress,
) -> MadeImage:  # fmt: skip
    from bivy.app.image import assemble, check_start, folders_of
    from bivy.app.layers import LayerStore
    from bivy.oci.layout import write_image

    epoch = source_date_epoch()
    store = LayerStore(cache / "app" / "layers", wish.compression, epoch)
    with contextlib.ExitStack() as stack:
        on = _stand_on(project, arch, wish, stack, cache=cache, jobs=jobs, progress=progress)
        folders = folders_of(project, on.base)
        kept = _layers(project, contents, on, arch, wish, store, folders, cache=cache, jobs=jobs, progress=progress)
        layers = [store.layer(each) for each in kept]
        image = assemble(project, on.image, _reference(project), layers, epoch)
        check_start(project, on.base, image.config.env, {path for each in kept for path in each.paths})
        write_image(image, wish.output, [name])
    made = tuple(MadeLayer(layer.digest, layer.size, layer.created_by) for layer in image.layers)
    return MadeImage(arch.platform, image.digest, made)


def _layers(
    project: Project, contents: Contents, on: _On, arch: Arch, wish: Wish, store: LayerStore, folders: Sequence[Any],
    *, cache: Path, jobs: int, progress: Progress,
) -> list[Kept]:  # fmt: skip
    from bivy.app.dependencies import Asking, pin_dependencies
    from bivy.app.distributions import Workplace, dependency_layers
    from bivy.app.own import own_layer
    from bivy.app.package import project_wheel
    from bivy.app.system import system_layer
    from bivy.musl.target import make_target

    at = Workplace(on.base, store, cache, on.compiler, on.compiles, progress)
    asking = Asking(cache, progress, wish.wheels, wish.offline, wish.index, wish.upgrade)
    target = make_target(on.base.python, arch, on.base.musl or "1.2.5")
    pinned = pin_dependencies(project, target, asking)
    return [
        system_layer(on.base, arch, store, cache=cache, jobs=jobs, progress=progress),
        *dependency_layers(pinned, at),
        own_layer(project, contents, at, folders, lambda: project_wheel(project, contents, cache, progress)),
    ]


def _stand_on(
    project: Project, arch: Arch, wish: Wish, stack: contextlib.ExitStack,
    *, cache: Path, jobs: int, progress: Progress,
) -> _On:  # fmt: skip
    from bivy.app.base import build_default, read_base
    from bivy.app.bytecode import find_compiler
    from bivy.oci.open import opened
    from bivy.run.unpacked import unpacked

    if not project.options.base:
        build_default(project.python, arch, cache=cache, output=wish.output, jobs=jobs, progress=progress)
    image = stack.enter_context(opened(_reference(project), layout=wish.output, platform=arch.platform, cache=cache))
    base = read_base(image, cache)
    native = _native(image, base, arch, wish.output)
    compiles = native.digest if native else ""

    def compiler() -> Compiler | str:
        return find_compiler(base, (lambda: unpacked(native, cache)) if native else None)

    return _On(image, base, compiles, compiler)


def _native(image: Image, base: Base, arch: Arch, layout: Path) -> Image | None:
    """Return an image with the base's Python that runs on this machine; bytecode is the same on all of them."""
    from bivy.app.base import default_reference
    from bivy.errors import BivyError
    from bivy.oci.layout import find_image, read_image
    from bivy.run.foreign import check_architecture

    try:
        check_architecture(arch.platform)
    except BivyError:
        name, here = default_reference(base.python), build_machine().platform
        return read_image(layout, name, here) if find_image(layout, name, here) else None
    return image
