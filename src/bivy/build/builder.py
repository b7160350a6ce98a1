"""Packages are built side by side, each when what it needs is there, on as many cores as there are."""

from __future__ import annotations

import contextlib
import functools
import shutil
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import IO, TYPE_CHECKING

from bivy.apk.package import extract, read_package, write_package
from bivy.build.jobserver import Jobserver
from bivy.build.minimum import libc_of, libraries_of
from bivy.build.profile import profile_misfit
from bivy.build.recipe import BIVY
from bivy.build.split import read_installed, split
from bivy.build.steps import applies, command_for, step_variables
from bivy.build.store import Store
from bivy.build.workshop import (
    Children,
    StoppedError,
    Workshop,
    prepare,
    sandbox_fault,
    tail,
)
from bivy.compression import gzip
from bivy.epoch import source_date_epoch
from bivy.errors import BivyError
from bivy.files import locked, scratch_folder, sweep
from bivy.progress import Outcome
from bivy.source.fetch import fetch
from bivy.source.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bivy.apk.info import PackageInfo
    from bivy.build.graph import Node
    from bivy.progress import Progress
    from bivy.source.pin import Pin
    from bivy.source.places import Mirrors


def build(
    nodes: Sequence[Node], *, cache: Path, jobs: int, mirrors: Mirrors, progress: Progress
) -> dict[str, list[Path]]:
    """Build what is not built yet.

    Args:
        nodes: What `plan` gave.
        cache: bivy's cache folder.
        jobs: How many processes may work at once, in all packages together.
        mirrors: Where else than at their places sources may be had.
        progress: Who watches.

    Returns:
        The package files of each node of the target, by the node's key. A tool, or what only tools need, is built
        when something needs it and not returned.

    Raises:
        BivyError: A source cannot be had, or a build failed; the others are stopped then.
    """
    store = Store(cache / "packages")
    wanted = [node for node in nodes if node.recipe.data.machine == "target"]
    missing = _missing(wanted, store)
    if missing:
        fault = sandbox_fault()
        if fault:
            progress.say(f"building without a sandbox ({fault}): packages may depend on this machine")
        for node in missing:
            misfit = profile_misfit(node.recipe)
            if misfit:
                progress.say(f"{node.label}: {misfit}: where code changed, it is compiled without it")
        sources = fetch(
            sorted({pin for node in missing for pin in node.recipe.pins}, key=lambda pin: pin.name),
            cache=cache, mirrors=mirrors, progress=progress,
        )  # fmt: skip
        for folder in ("work", "packages"):
            sweep(cache / folder)
        _Build(store, cache, sources, progress, jobs, sandboxed=not fault).run(missing)
    found = {}
    for node in wanted:
        found[node.key] = _there(store, node)
    return found


def _missing(wanted: Sequence[Node], store: Store) -> list[Node]:
    """Find what has to be built: what is wanted and not there, and what that needs and is not there."""
    found: dict[str, Node] = {}
    waiting = [node for node in wanted if store.find(node.key) is None]
    while waiting:
        node = waiting.pop()
        if node.key not in found:
            found[node.key] = node
            waiting += [need for need in node.needs if store.find(need.key) is None]
    return list(found.values())


class _Build:
    """One run of the builder over the nodes that are missing."""

    def __init__(
        self, store: Store, cache: Path, sources: Mapping[Pin, Path], progress: Progress, jobs: int, *, sandboxed: bool
    ) -> None:
        self.store, self.cache, self.sources, self.progress = store, cache, sources, progress
        self.sandboxed = sandboxed
        self.children = Children()
        self.jobserver = Jobserver(jobs)

    def run(self, nodes: Sequence[Node]) -> None:
        """Build nodes, those first that most others wait for."""
        weights = _weights(nodes, self.sources)
        waiting = sorted(nodes, key=lambda node: weights[node.key], reverse=True)
        built: set[str] = set()
        running: dict[Future[None], Node] = {}
        here = {node.key for node in nodes}
        with contextlib.closing(self.jobserver), ThreadPoolExecutor(self.jobserver.jobs) as pool:
            try:
                while waiting or running:
                    for node in [n for n in waiting if all(m.key in built or m.key not in here for m in n.needs)]:
                        if len(running) < self.jobserver.jobs:
                            waiting.remove(node)
                            running[pool.submit(self._one, node)] = node
                    done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                    for future in done:
                        built.add(running.pop(future).key)
                        future.result()
            except BaseException:
                self.children.stop()
                raise

    def _one(self, node: Node) -> None:
        """Build one node, unless another bivy has built it by the time that it is our turn."""
        task = f"build {node.label}"
        with (
            locked(self.cache / "locks" / node.key, giving_up=self.children.stopping.is_set),
            self.jobserver.core(self.children.stopping),
        ):
            if self.store.find(node.key) is not None:
                return
            self.progress.begin(task)
            started = time.monotonic()
            outcome = Outcome.FAILED
            try:
                with scratch_folder(self.cache / "work", f"{node.recipe.name}-") as folder:
                    packages = self._make(node, folder)
                    self.store.add(node.key, node.label, packages)
                outcome = Outcome.DONE
            except StoppedError:
                outcome = Outcome.STOPPED
                raise
            finally:
                self.progress.end(task, outcome, f"{time.monotonic() - started:.0f} s")

    def _make(self, node: Node, folder: Path) -> dict[str, bytes]:
        recipe, toolchain = node.recipe, node.toolchain
        shop = Workshop(folder, recipe.folder, toolchain, self.sandboxed, self.children, self.jobserver)
        for_target = recipe.data.machine == "target"
        prepare(shop, for_target=for_target, cache=self.cache)
        built_with = self._unpack_needs(node, folder)
        log = self.cache / "logs" / f"{node.label}-{toolchain.target.name}-{node.key[:8]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            self._unpack_sources(node, shop, file, log)
            self._run_steps(node, shop, file, log)
        epoch = source_date_epoch()
        libraries = {**libc_of(toolchain), **libraries_of(built_with)}
        try:
            installed = read_installed(folder / "out", recipe.data.permissions, epoch=epoch)
            parts = split(installed, recipe, toolchain.target, epoch=epoch, libraries=libraries)
        except BivyError as fault:
            raise BivyError(f"{node.label}: {fault}", hint=fault.hint or f"the build's log is {log}") from None
        return {
            f"{part.info.name}-{part.info.version}.apk": write_package(
                part.info, part.entries, part.scripts, compress=_compress
            )
            for part in parts
        }

    def _unpack_needs(self, node: Node, folder: Path) -> list[PackageInfo]:
        """Unpack what a build sees, and return what the packages in its sysroot say of themselves."""
        in_sysroot = []
        for need in node.needs:
            is_tool = need.recipe.data.machine == "build"
            for path in _there(self.store, need):
                package = read_package(path)
                extract(package, folder / ("tools" if is_tool else "sysroot"))
                if not is_tool:
                    in_sysroot.append(package.info)
        return in_sysroot

    def _unpack_sources(self, node: Node, shop: Workshop, file: IO[bytes], log: Path) -> None:
        for folder in node.recipe.data.code:
            shutil.copytree(
                BIVY / folder, shop.folder / "src" / "bivy" / folder, ignore=shutil.ignore_patterns("__pycache__")
            )
        for source, pin in zip(node.recipe.data.sources, node.recipe.pins, strict=True):
            unpack(self.sources[pin], shop.folder / "src" / source.name)
            for patch in source.patches:
                directory = f"{shop.inside('src')}/{source.name}"
                argv = ["patch", "-p1", "--no-backup-if-mismatch", "-i", f"{shop.inside('recipe')}/{patch}"]
                _write(file, f"== patch {source.name}: {patch}")
                if shop.run(argv, {}, directory, file):
                    raise _step_failed(node, f"the patch {patch} does not apply", log)

    def _run_steps(self, node: Node, shop: Workshop, file: IO[bytes], log: Path) -> None:
        recipe = node.recipe
        variables = step_variables(recipe, node.toolchain.target, node.toolchain.machine)
        for number, step in enumerate(recipe.data.pipeline, 1):
            if not applies(step, recipe, node.toolchain.target):
                continue
            command = command_for(step, recipe, shop, variables)
            what = step.uses or "script"
            _write(file, f"== step {number}, {what}: {command}")
            status = shop.run(command.argv, command.environment, command.directory, file)
            if status:
                raise _step_failed(node, f"step {number} ({what}) ended with {status}", log)


def _compress(content: bytes) -> bytes:
    # A package is read many times and sent nowhere: half the time counts more than the last two per cent.
    return gzip(content, level=9)


def _there(store: Store, node: Node) -> list[Path]:
    """Find a node's packages, which were there or built a moment ago."""
    packages = store.find(node.key)
    if packages is None:
        raise BivyError(f"{node.label} has vanished from {store.folder}", hint="was the cache pruned? build again")
    return packages


def _step_failed(node: Node, what: str, log: Path) -> BivyError:
    return BivyError(f"{node.label}: {what}\n{tail(log)}", hint=f"the whole log is {log}")


def _write(log: IO[bytes], line: str) -> None:
    log.write(f"{line}\n".encode())
    log.flush()


def _weights(nodes: Sequence[Node], sources: Mapping[Pin, Path]) -> dict[str, tuple[int, int]]:
    """Weigh each node: how many builds must follow it one after the other, then how large its sources are."""
    followers = {node.key: [other for other in nodes if node in other.needs] for node in nodes}

    @functools.cache
    def depth(key: str) -> int:
        return max((1 + depth(follower.key) for follower in followers[key]), default=0)

    sizes = {node.key: sum(sources[pin].stat().st_size for pin in node.recipe.pins) for node in nodes}
    return {node.key: (depth(node.key), sizes[node.key]) for node in nodes}
