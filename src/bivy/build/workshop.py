"""Where a recipe's steps run: fixed folders, a scrubbed environment, no network, a sandbox if there is one."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bivy.build.toolchain import host_python, write_programs
from bivy.epoch import source_date_epoch
from bivy.errors import BivyError
from bivy.files import copy_folder, locked, remove_folder, scratch_folder
from bivy.sandbox import Bind, Sandbox, find_bubblewrap, why_no_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bivy.build.jobserver import Jobserver
    from bivy.build.toolchain import Toolchain

INSIDE = Path("/bivy")

# The commands of a large link are pages long; what failed stands in the lines after them.
WIDTH = 200


class StoppedError(BivyError):
    """The person asked to stop."""


class Children:
    """The processes that builds have started, so that all can be ended at once."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self.stopping = threading.Event()

    def run(self, command: Sequence[str], *, log: IO[bytes], pass_fds: Sequence[int], **options: object) -> int:
        """Run a command to its end and return its exit status.

        Raises:
            StoppedError: `stop` was called, before or while it ran.
        """
        with self._lock:
            if self.stopping.is_set():
                raise StoppedError("stopped")
            process = subprocess.Popen(  # type: ignore[call-overload]
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, pass_fds=tuple(pass_fds), umask=0o022, **options,
            )  # fmt: skip
            self._running.add(process)
        try:
            status: int = process.wait()
        finally:
            with self._lock:
                self._running.discard(process)
        if self.stopping.is_set():
            raise StoppedError("stopped")
        return status

    def stop(self) -> None:
        """End all that runs; what is started afterwards is refused."""
        self.stopping.set()
        with self._lock:
            for process in self._running:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue


@dataclass(frozen=True, slots=True)
class Workshop:
    """The folders of one build, and how its steps are run.

    Attributes:
        folder: The scratch folder on the machine, with ``src``, ``out``, ``sysroot``, ``tools`` and ``bin`` in it.
        recipe: The recipe's folder.
        toolchain: What compiles.
        sandboxed: Whether steps run in a sandbox, and so see the fixed names below ``/bivy``.
        children: Who is told of each process.
        jobserver: Who hands out the cores.
    """

    folder: Path
    recipe: Path
    toolchain: Toolchain
    sandboxed: bool
    children: Children
    jobserver: Jobserver | None

    def inside(self, name: str) -> str:
        """Return where steps see a folder of the workshop's."""
        if self.sandboxed:
            return str(INSIDE / name)
        return str({"recipe": self.recipe, "zig": self.toolchain.zig}.get(name, self.folder / name))

    def environment(self) -> dict[str, str]:
        """Return the variables that every step has, whatever the recipe."""
        path = [self.inside("bin"), f"{self.inside('tools')}/usr/bin"]
        found = {
            "PATH": ":".join(path),
            "HOME": "/tmp",  # noqa: S108 - the sandbox's own
            "LC_ALL": "C",
            "TZ": "UTC",
            "SOURCE_DATE_EPOCH": str(source_date_epoch()),
            "ZIG": f"{self.inside('zig')}/zig",
            "ZIG_GLOBAL_CACHE_DIR": self.inside("zig-cache"),
            "ZIG_LOCAL_CACHE_DIR": self.inside("zig-cache"),
            "SRC": self.inside("src"),
            "DESTDIR": self.inside("out"),
            "RECIPE": self.inside("recipe"),
            "SYSROOT": self.inside("sysroot"),
            "TOOLS": self.inside("tools"),
        }
        if self.toolchain.pkgconf:
            found["PKGCONF"] = self.inside("pkgconf") if self.sandboxed else str(self.toolchain.pkgconf)
        return found

    def run(self, argv: Sequence[str], environment: Mapping[str, str], directory: str, log: IO[bytes]) -> int:
        """Run a command as a step sees it and return its exit status."""
        pass_fds: tuple[int, ...] = ()
        variables = {**self.environment(), **environment}
        if self.jobserver is not None:
            pass_fds = self.jobserver.descriptors
            variables["MAKEFLAGS"] = self.jobserver.makeflags
        if not self.sandboxed:
            return self.children.run(argv, log=log, pass_fds=pass_fds, cwd=directory, env=variables)
        program = find_bubblewrap()
        assert program is not None
        sandbox = Sandbox(
            binds=self._binds(),
            empty=["/tmp", *(folder for folder in ("/usr/include",) if Path(folder).is_dir())],  # noqa: S108
            environment=variables,
            directory=directory,
            # The same on every machine, whoever builds: some makefiles ask who they are.
            uid=1000,
            gid=1000,
        )
        return self.children.run(sandbox.command(program, argv), log=log, pass_fds=pass_fds)

    def _binds(self) -> list[Bind]:
        machine = [
            Bind(Path(folder), folder)
            for folder in ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/alternatives")
            if Path(folder).exists()
        ]
        python = Path(sys.base_prefix)
        if not python.is_relative_to("/usr"):
            machine.append(Bind(python, str(python)))
        own = [Bind(self.recipe, str(INSIDE / "recipe")), Bind(self.toolchain.zig, str(INSIDE / "zig"))]
        if self.toolchain.pkgconf:
            own.append(Bind(self.toolchain.pkgconf, str(INSIDE / "pkgconf")))
        own += [Bind(self.folder / name, str(INSIDE / name)) for name in ("bin", "sysroot", "tools")]
        own += [Bind(self.folder / name, str(INSIDE / name), writable=True) for name in ("src", "out", "zig-cache")]
        return machine + own


def prepare(workshop: Workshop, *, for_target: bool, cache: Path) -> None:
    """Make the workshop's folders, its PATH, and its own copy of what the compiler has compiled before."""
    for name in ("src", "out", "sysroot/usr/include", "sysroot/usr/lib", "tools/usr/bin"):
        (workshop.folder / name).mkdir(parents=True)
    write_programs(workshop.toolchain, workshop.folder / "bin", recipe_target=for_target)
    copy_folder(_compiled_runtime(workshop, cache), workshop.folder / "zig-cache")


def _compiled_runtime(workshop: Workshop, cache: Path) -> Path:
    """Return a compiler cache that holds the C runtime of the target and of the machine that builds.

    The compiler makes its runtime when first asked to link for a target, which takes some 15 s. Each build gets a copy,
    so that no build can change what another one sees.
    """
    toolchain = workshop.toolchain

    def compile_trial(trial: Path, log: IO[bytes]) -> int:
        shop = Workshop(trial, workshop.recipe, toolchain, workshop.sandboxed, workshop.children, None)
        for name in ("src", "out", "sysroot", "tools", "zig-cache"):
            (trial / name).mkdir()
        write_programs(toolchain, trial / "bin")
        (trial / "src" / "trial.c").write_text("int main(void) { return 0; }\n")
        script = "cc -O2 trial.c -o trial && cc -O2 -fPIC -shared trial.c -o trial.so && build-cc -O2 trial.c -o b"
        return shop.run(["sh", "-e", "-c", script], {}, shop.inside("src"), log)

    name = f"{toolchain.digest[:16]}-{toolchain.target.name}-{toolchain.machine.name}"
    return kept_runtime(cache, name, toolchain, compile_trial)


def kept_runtime(cache: Path, name: str, toolchain: Toolchain, compile_trial: Callable[[Path, IO[bytes]], int]) -> Path:
    """Return a compiler's cache that holds the runtimes of a target, made once by compiling something.

    Args:
        cache: bivy's cache folder.
        name: What it is kept under: all that decides what is compiled.
        toolchain: The compiler.
        compile_trial: Compiles something that is linked with the runtimes, in a folder that it is given, and with
            ``zig-cache`` in it as the compiler's cache; its output goes to the log. Returns the exit status.

    Raises:
        BivyError: The compiler does not work here.
    """
    seed = cache / "runtime" / name
    with locked(seed.with_suffix(".lock")):
        if seed.is_dir():
            return seed
        with scratch_folder(cache / "runtime", ".new-") as scratch:
            trial, log = scratch / "work", scratch / "log"
            trial.mkdir()
            with log.open("wb") as file:
                status = compile_trial(trial, file)
            if status:
                raise BivyError(
                    f"the compiler cannot link for {toolchain.target.name}:\n{tail(log)}",
                    hint="is the disk full, or the ziglang wheel damaged?",
                )
            # What it has parsed of its own library is most of it, and of no use once the runtime is there.
            remove_folder(trial / "zig-cache" / "z")
            (trial / "zig-cache").rename(seed)
    return seed


def tail(log: Path, lines: int = 25) -> str:
    """Return the last lines of a log, those that are long for a person cut short."""
    text = log.read_bytes()[-20_000:].decode("utf-8", "replace")
    return "\n".join(line if len(line) <= WIDTH else f"{line[: WIDTH - 2]} …" for line in text.splitlines()[-lines:])


@functools.cache
def sandbox_fault() -> str | None:
    """Say why builds run without a sandbox, or ``None`` where they have one; ``BIVY_SANDBOX=0`` turns it off."""
    if os.environ.get("BIVY_SANDBOX") == "0":
        return "BIVY_SANDBOX=0 is set"
    return why_no_sandbox()


def python_command(script: str, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs a recipe's Python script, apart from the user's own modules and settings."""
    return [str(host_python()), "-I", "-B", script, *arguments]
