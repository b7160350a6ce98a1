"""Where a build runs: the base image's files, a compiler laid beside them, and nothing of the machine's."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from bivy.build.workshop import kept_runtime
from bivy.epoch import source_date_epoch
from bivy.errors import BivyError
from bivy.files import copy_folder
from bivy.run.certificates import TARGET, host_certificates
from bivy.sandbox import Bind
from bivy.wheels import inside
from bivy.wheels.environment import INSIDE as ENVIRONMENT
from bivy.wheels.inside import compiler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bivy.build.toolchain import Toolchain
    from bivy.wheels.base import Base

ROOM: Final = "/bivy"
"""Where everything of a build's is inside; the same for all builds, since compilers write paths down."""
_ZIG: Final = f"{ROOM}/zig"
_ZIG_CACHE: Final = f"{ROOM}/zig-cache"
_GENERATION: Final = 1
_SEARCHED: Final = ("/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/bin", "/sbin")
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy")
# What is linked with the compiler's runtime, in both of the ways in which builds ask for it.
_TRIAL: Final = """
set -e
cd /bivy/src
echo 'int main(void) { return 0; }' > trial.c
cat > trial.cc <<END
#include <string>
#include <stdexcept>
int main(int n, char **) {
    try { if (n > 9) throw std::runtime_error("n"); } catch (...) {}
    return std::string("").size();
}
END
cc -O2 trial.c -o trial
cc -O2 -shared trial.c -o trial.so
c++ -O2 -shared trial.cc -o trial++.so
c++ -O2 trial.cc -o trial++
"""


class TimeIsUpError(BivyError):
    """A build took longer than it may."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """One build's folders, and how commands run in it.

    Attributes:
        folder: The scratch folder on the machine, with ``src``, ``out``, ``tmp``, ``bin`` and ``env`` in it.
        base: The base image.
        toolchain: What compiles.
        upper: A folder of files laid over the base image's; ``None`` for none.
        network: Whether builds have the machine's network.
        timeout: Seconds that a command may take; 0 for as long as it likes.
        jobs: How many processes a build may start at once.
    """

    folder: Path
    base: Base
    toolchain: Toolchain
    upper: Path | None = None
    network: bool = False
    timeout: float = 0
    jobs: int = 1

    def run(
        self, argv: Sequence[str], log: IO[bytes], *, directory: str = f"{ROOM}/src",
        environment: Mapping[str, str] | None = None,
    ) -> int:  # fmt: skip
        """Run a command, its output in a log, and return its exit status.

        Raises:
            TimeIsUpError: It took longer than it may, and was ended.
        """
        binds = [Bind(self.toolchain.zig, _ZIG), Bind(Path(inside.__file__).parent, f"{ROOM}/inside")]
        binds += [Bind(self.folder / name, f"{ROOM}/{name}") for name in ("bin", "env")]
        binds += [Bind(self.folder / name, f"{ROOM}/{name}", writable=True) for name in ("src", "out", "zig-cache")]
        binds.append(Bind(self.folder / "tmp", "/tmp", writable=True))  # noqa: S108 - the sandbox's own
        if self.network:
            binds += _of_network()
        sandbox = self.base.sandbox(
            upper=self.upper, binds=tuple(binds), directory=directory, network=self.network,
            environment={**self.environment(), **(environment or {})},
        )  # fmt: skip
        return run_until(sandbox.command(self.base.bubblewrap, argv), log, self.timeout)

    def environment(self) -> dict[str, str]:
        """Return the variables that every command of a build has."""
        own = self.base.python.rpartition("/")[0]
        searched = ":".join([f"{ROOM}/bin", f"{ENVIRONMENT}/bin", own, *_SEARCHED])
        found = {
            "PATH": searched,
            "HOME": "/tmp",  # noqa: S108 - the sandbox's own
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "SOURCE_DATE_EPOCH": str(source_date_epoch()),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PIP_NO_INPUT": "1",
            "VIRTUAL_ENV": ENVIRONMENT,
            "LDFLAGS": "-Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--hash-style=gnu",
            "MAKEFLAGS": f"-j{self.jobs}",
            "CMAKE_BUILD_PARALLEL_LEVEL": str(self.jobs),
            "PKG_CONFIG_LIBDIR": "/usr/lib/pkgconfig:/usr/share/pkgconfig:/usr/local/lib/pkgconfig",
        }
        if self.network:
            found |= {name: os.environ[name] for name in _PROXIES if name in os.environ}
        return found


def _of_network() -> list[Bind]:
    binds = [Bind(Path(name).resolve(), name) for name in ("/etc/resolv.conf", "/etc/hosts") if Path(name).exists()]
    if os.environ.get("SSL_CERT_FILE"):
        binds.append(Bind(host_certificates(), TARGET))
    return binds


def run_until(command: Sequence[str], log: IO[bytes], timeout: float) -> int:
    """Run a command and return its exit status; when its time is up, or this is interrupted, it is ended.

    Args:
        command: The command; it has to take what it starts along when it ends, as bubblewrap does.
        log: Where its output goes.
        timeout: Seconds; 0 for as long as it likes.

    Raises:
        TimeIsUpError: It took longer.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, umask=0o022
    )
    try:
        return process.wait(timeout or None)
    except subprocess.TimeoutExpired:
        raise TimeIsUpError(
            f"it took longer than {timeout:.0f} s, and was ended",
            hint="--timeout SECONDS gives it more time, --timeout 0 as much as it likes",
        ) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def prepare(folder: Path, toolchain: Toolchain, base: Base, runtime: Path | None) -> None:
    """Make the folders of a build, and the programs that stand for a compiler's.

    Args:
        folder: Where they are made.
        toolchain: The compiler.
        base: The base image.
        runtime: A folder with what the compiler has compiled before, of which the build gets a copy; ``None`` for none.
    """
    for name in ("out", "tmp", "bin", "env"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if runtime:
        # A copy on disk: what is laid over a folder in a sandbox is kept in memory, and large builds make much of it.
        copy_folder(runtime, folder / "zig-cache")
    else:
        (folder / "zig-cache").mkdir()
    for name in (*compiler.COMPILERS, *compiler.OTHERS, *compiler.NOTHING):
        _write_program(folder / "bin" / name, toolchain, base)
    gnu = toolchain.target.gnu
    for name in ("gcc", "g++", "ar", "ranlib"):
        (folder / "bin" / f"{gnu}-{name}").symlink_to(name)


def _write_program(path: Path, toolchain: Toolchain, base: Base) -> None:
    target = toolchain.target
    words = (f"{_ZIG}/zig", target.zig, target.cpu, target.gnu, _ZIG_CACHE)
    path.write_text(
        f"#!{base.python} -IS\nimport sys\nsys.dont_write_bytecode = True\nsys.path.insert(0, '{ROOM}/inside')\n"
        f"from compiler import main\nmain({', '.join(map(repr, words))})\n"
    )
    path.chmod(0o755)


def digest_of(toolchain: Toolchain) -> str:
    """Digest what decides what is compiled beside the source: the compiler, and how it is called."""
    text = Path(compiler.__file__).read_text("utf-8")
    words = (
        str(_GENERATION),
        toolchain.version,
        toolchain.target.name,
        toolchain.target.zig,
        toolchain.target.cpu,
        text,
    )
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def compiled_runtime(base: Base, toolchain: Toolchain, cache: Path) -> Path:
    """Return a compiler's cache that holds the runtimes of C and C++ for the target, made once.

    Raises:
        BivyError: The compiler does not work here.
    """

    def compile_trial(trial: Path, log: IO[bytes]) -> int:
        prepare(trial, toolchain, base, None)
        (trial / "src").mkdir()
        return Workshop(trial, base, toolchain).run(["/bin/sh", "-c", _TRIAL], log)

    return kept_runtime(cache, f"wheels-{digest_of(toolchain)[:16]}-{toolchain.target.name}", toolchain, compile_trial)
