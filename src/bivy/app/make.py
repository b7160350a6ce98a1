"""The whole way, in order: a project is read, its layers are made or found, and its image goes into a layout."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bivy import __version__
from bivy.app.contents import Seen, look_at, read_contents
from bivy.epoch import source_date_epoch
from bivy.files import is_settled, read_noted, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bivy.app.base import Base
    from bivy.app.bytecode import Compiler
    from bivy.app.contents import Contents
    from bivy.app.dependencies import Asking, Pinned
    from bivy.app.layers import Kept, LayerStore
    from bivy.app.values import Project
    from bivy.arch import Arch
    from bivy.musl.target import Target
    from bivy.oci.image import Image
    from bivy.oci.layer import Compression
    from bivy.progress import Progress

# Raised when the same project comes to another image, or to another list of what is in it.
GENERATION: Final = 2


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
        lock: Whether what is resolved is written down, in the project.
        repositories: Where Alpine packages come from; none for the base's own repositories.
        keys: A folder with the keys that these are trusted by.
        sbom: A file that gets the list of what is in the image.
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
    repositories: tuple[str, ...] = ()
    keys: Path | None = None
    sbom: Path | None = None


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


class Stood(msgspec.Struct, frozen=True):
    """A base that an image stands on: what it is called, what it is for, and its digest."""

    reference: str
    platform: str
    digest: str


class MadeApp(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        name: The image's name in the layout.
        images: The image, for each platform.
        start: What it starts, before any init.
        ports: Where it listens.
        notes: What a person ought to know.
        bases: What it stands on, for each platform.
        unchanged: Whether it was there already.
        beside: The folders and files outside of the project's folder that it was made of, too.
    """

    name: str
    images: tuple[MadeImage, ...]
    start: tuple[str, ...]
    ports: tuple[str, ...]
    notes: tuple[str, ...]
    bases: tuple[Stood, ...]
    unchanged: bool = False
    beside: tuple[str, ...] = ()


class _Receipt(msgspec.Struct, frozen=True):
    """What was made the last time, and what of.

    Attributes:
        key: The digest of what was asked for, and of what the project looked like.
        made: What was made.
        seen: What the project's files were like.
    """

    key: str
    made: MadeApp
    seen: dict[str, Seen]


def make_app(wish: Wish, *, cache: Path, jobs: int, progress: Progress) -> MadeApp:
    """Make a project's image, for each of its platforms, and write it into a layout.

    Raises:
        UsageError: The project, or what is said of it, is wrong.
        BivyError: Something cannot be had, read, made or written.
    """
    started = time.time_ns()
    asked = _asked(wish)
    place = cache / "app" / "made" / f"{_digest([asked])}.json"
    receipt = read_noted(place, _Receipt)
    known = receipt.made.beside if receipt else ()
    seen = look_at(wish.where, known)
    key = _digest([asked, seen[0]]) if seen else ""
    if receipt and key == receipt.key and not wish.upgrade and not wish.lock and _is_there(wish.output, receipt.made):
        made = msgspec.structs.replace(receipt.made, unchanged=True)
        for note in made.notes:
            progress.say(note)
        return made
    made, files = _make(wish, receipt.seen if receipt else {}, cache=cache, jobs=jobs, progress=progress)
    if made.beside != known:
        # Only now it is known where to look; what changed since the start would be too new to count.
        seen = look_at(wish.where, made.beside)
        key = _digest([asked, seen[0]]) if seen else ""
    if seen and is_settled(seen[1], started):
        write_whole(place, msgspec.json.encode(_Receipt(key, made, files)))
    return made


def _asked(wish: Wish) -> list[object]:
    """Return all that decides about the image but for what the project and the base look like."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_"))}
    return [
        GENERATION, __version__, source_date_epoch(), wish.where.absolute(), wish.output.absolute(), wish.told,
        wish.compression, wish.wheels, wish.index, wish.repositories, wish.sbom, variables,
    ]  # fmt: skip


def _digest(parts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic", enc_hook=str)).hexdigest()


def _is_there(layout: Path, made: MadeApp) -> bool:
    """Tell whether an image is in a layout as it was written, and what it stands on is what it was."""
    from bivy.oci.layout import find_image

    return all(
        find_image(layout, made.name, each.platform) == each.digest and _is_whole(layout, each) for each in made.images
    ) and all(find_image(layout, each.reference, each.platform) in (each.digest, "") for each in made.bases)


def _is_whole(layout: Path, image: MadeImage) -> bool:
    """Tell whether a layout has all bytes of an image; what is in them was checked when they were written."""
    blobs = layout / "blobs" / "sha256"
    try:
        return (blobs / image.digest.removeprefix("sha256:")).is_file() and all(
            (blobs / layer.digest.removeprefix("sha256:")).stat().st_size == layer.size for layer in image.layers
        )
    except OSError:
        return False


def _make(
    wish: Wish, seen: Mapping[str, Seen], *, cache: Path, jobs: int, progress: Progress
) -> tuple[MadeApp, dict[str, Seen]]:
    from bivy.app.project import read_project
    from bivy.app.saying import places_beside
    from bivy.arch import build_machine, find_arch

    project = read_project(wish.where, wish.told)
    for note in (*project.notes, *([f"what it starts: {project.why}"] if project.why else ())):
        progress.say(note)
    arches = [find_arch(name) for name in project.options.architectures] or [build_machine()]
    if wish.lock:
        _lock(project, arches, wish, cache=cache, jobs=jobs, progress=progress)
        project = read_project(wish.where, wish.told)
    contents = read_contents(project, seen)
    name = f"{project.repository}:{project.tag}"
    made = [_make_one(project, contents, arch, name, wish, cache=cache, jobs=jobs, progress=progress)
            for arch in arches]  # fmt: skip
    images, bases, _ = zip(*made, strict=True)
    beside = places_beside(project, [each for _, _, pinned in made for each in pinned])
    made_app = MadeApp(name, images, project.start, project.ports, project.notes, bases, beside=beside)
    return made_app, dict(contents.seen)


def _lock(project: Project, arches: Sequence[Arch], wish: Wish, *, cache: Path, jobs: int, progress: Progress) -> None:
    """Write down what the project's requirements come to, for all its platforms."""
    from bivy.app.dependencies import pin_dependencies
    from bivy.app.lockfile import check_lockable, write_lock

    check_lockable(project)
    pinned = {}
    for arch in arches:
        with contextlib.ExitStack() as stack:
            on = _stand_on(project, arch, wish, stack, cache=cache, jobs=jobs, progress=progress)
            target = _target(on, arch)
            pinned[target] = pin_dependencies(project, target, _asking(project, on, wish, cache, jobs, progress))
    progress.say(f"{write_lock(project, pinned)} was written: it is obeyed from now on")


def _target(on: _On, arch: Arch) -> Target:
    from bivy.musl.target import make_target

    return make_target(on.base.python, arch, on.base.musl or "1.2.5")


def _asking(project: Project, on: _On, wish: Wish, cache: Path, jobs: int, progress: Progress) -> Asking:
    from bivy.app.dependencies import Asking

    return Asking(
        cache, progress, wish.wheels, wish.offline, wish.index, wish.upgrade, on.image, jobs,
        project.options.build_packages, wish.repositories, wish.keys,
    )  # fmt: skip


def _reference(project: Project) -> str:
    from bivy.compose.default import default_reference

    return project.options.base or default_reference(project.python)


def _sbom_place(path: Path, arch: Arch, project: Project) -> Path:
    """Return the file for one platform: the one that was named, or one beside it for each where there are several."""
    if len(project.options.architectures) < 2:
        return path
    platform = arch.platform.removeprefix("linux/").replace("/", "-")
    return path.with_name(f"{path.stem}-{platform}{path.suffix}")


@dataclass(frozen=True, slots=True)
class _On:
    """What one image stands on."""

    image: Image
    base: Base
    compiles: str
    compiler: Callable[[], Compiler | str]


def _make_one(
    project: Project, contents: Contents, arch: Arch, name: str, wish: Wish,
    *, cache: Path, jobs: int, progress: Progress,
) -> tuple[MadeImage, Stood, tuple[Pinned, ...]]:  # fmt: skip
    """Make the image for one platform; return it, what it stands on, and what the project depends on."""
    from bivy.app.image import assemble, check_start, folders_of
    from bivy.app.layers import LayerStore
    from bivy.app.system import packages_in

    epoch = source_date_epoch()
    store = LayerStore(cache / "app" / "layers", wish.compression, epoch)
    with contextlib.ExitStack() as stack:
        on = _stand_on(project, arch, wish, stack, cache=cache, jobs=jobs, progress=progress)
        folders = folders_of(project, on.base)
        system, rest, pinned = _layers(
            project, contents, on, arch, wish, store, folders, cache=cache, jobs=jobs, progress=progress
        )
        from bivy.app.sbom import list_content
        from bivy.oci.layout import write_image
        from bivy.sbom.image import artifacts_of

        kept = [*system, *rest]
        layers = [store.layer(each) for each in kept]
        image = assemble(project, on.image, _reference(project), layers, epoch)
        check_start(project, on.base, image.config.env, {path for each in kept for path in each.paths})
        packages = packages_in(system, on.base)
        lists = list_content(project, name, on.base, packages, rest, arch, epoch, cache)
        write_image(image, wish.output, [name], artifacts_of(image, lists))
        if wish.sbom:
            write_whole(_sbom_place(wish.sbom, arch, project), lists["cyclonedx"])
    made = tuple(MadeLayer(layer.digest, layer.size, layer.created_by) for layer in image.layers)
    stood = Stood(_reference(project), arch.platform, on.image.digest)
    return MadeImage(arch.platform, image.digest, made), stood, pinned


def _layers(
    project: Project, contents: Contents, on: _On, arch: Arch, wish: Wish, store: LayerStore, folders: Sequence[Any],
    *, cache: Path, jobs: int, progress: Progress,
) -> tuple[tuple[Kept, ...], tuple[Kept, ...], tuple[Pinned, ...]]:  # fmt: skip
    """Return the layers of the system, those of Python's distributions and the project, and these distributions."""
    from bivy.app.layers import Workplace
    from bivy.app.own import own_layer

    waits = threading.Event()

    def asking() -> Asking:
        return _asking(project, on, wish, cache, jobs, progress)

    def compiler() -> Compiler | str:
        waits.set()
        return on.compiler()

    def wheel() -> Path:
        from bivy.app.package import project_wheel

        waits.set()
        return project_wheel(project, contents, _target(on, arch), asking())

    at = Workplace(on.base, store, cache, compiler, on.compiles, progress)
    with ThreadPoolExecutor(1) as pool:
        # The project's layer waits for another process, which compiles what has changed. Meanwhile the other layers are
        # found, and what the rest of the way takes is imported, which is most of what a small change costs.
        own = pool.submit(own_layer, project, contents, at, folders, wheel)
        own.add_done_callback(lambda _: waits.set())
        waits.wait()
        from bivy.app.dependencies import pin_dependencies
        from bivy.app.distributions import dependency_layers
        from bivy.app.packages import Places
        from bivy.app.standard import standard_layer
        from bivy.app.system import system_layers

        places = Places(wish.repositories, wish.keys, wish.offline, jobs, wish.upgrade)
        standard = standard_layer(at, _version(on.image))
        system = system_layers(
            on.base, on.image, project.options.packages, places, arch, store, cache=cache, progress=progress
        )
        pinned = pin_dependencies(project, _target(on, arch), asking())
        dependencies = dependency_layers(pinned, at)
        import bivy.app.sbom
        import bivy.oci.graph  # noqa: F401 - as above, for who comes next

        return (*([standard] if standard else []), *system), (*dependencies, own.result()), pinned


def _stand_on(
    project: Project, arch: Arch, wish: Wish, stack: contextlib.ExitStack,
    *, cache: Path, jobs: int, progress: Progress,
) -> _On:  # fmt: skip
    from bivy.app.base import read_base
    from bivy.app.bytecode import find_compiler
    from bivy.compose.default import build_default
    from bivy.oci.open import opened
    from bivy.run.unpacked import unpacked

    if not project.options.base:
        build_default(project.python, arch, cache=cache, output=wish.output, jobs=jobs, progress=progress)
    image = stack.enter_context(opened(_reference(project), layout=wish.output, platform=arch.platform, cache=cache))
    base = read_base(image, cache)
    native = _native(image, base, arch, wish.output)
    compiles = native.digest if native else ""

    def compiler() -> Compiler | str:
        return find_compiler(base, (lambda: unpacked(native, cache)) if native else None, _version(native))

    return _On(image, base, compiles, compiler)


def _version(image: Image | None) -> str:
    """Return the version of an image's Python in full, as images of Python's say it; empty where one does not."""
    return image.config.variables.get("PYTHON_VERSION", "") if image else ""


def _native(image: Image, base: Base, arch: Arch, layout: Path) -> Image | None:
    """Return an image with the base's Python that runs on this machine; bytecode is the same on all of them."""
    from bivy.arch import build_machine
    from bivy.compose.default import default_reference
    from bivy.errors import BivyError
    from bivy.oci.layout import find_image, read_image
    from bivy.run.foreign import check_architecture

    try:
        check_architecture(arch.platform)
    except BivyError:
        name, here = default_reference(base.python), build_machine().platform
        return read_image(layout, name, here) if find_image(layout, name, here) else None
    return image
