"""A repository, an empty root, and apk as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bivy.apk.sign import Signer
from tests.apk.samples import file, folder, symlink
from tests.mirror import small_package, write_repository

TOOL_1 = small_package(
    "tool", "1.0-r0", depends=("so:libhelp.so.1>=1.0",), provides=("cmd:tool=1.0-r0",), description="A tool",
    url="https://example.org/tool", entries=[folder("usr"), folder("usr/bin"), file("usr/bin/tool", b"one\n", 0o755)],
)  # fmt: skip
TOOL_2 = small_package(
    "tool", "2.0-r0", depends=("so:libhelp.so.1>=1.0",), provides=("cmd:tool=2.0-r0",), description="A tool",
    entries=[folder("usr"), folder("usr/bin"), file("usr/bin/tool", b"two\n", 0o755)],
)  # fmt: skip
HELP = small_package(
    "libhelp", "1.2-r3", provides=("so:libhelp.so.1=1.2",), origin="help",
    entries=[folder("usr"), folder("usr/lib"), file("usr/lib/libhelp.so.1", b"lib", 0o755),
             symlink("usr/lib/libhelp.so", "libhelp.so.1")],
)  # fmt: skip
DOCS = small_package("tool-doc", "1.0-r0", install_if=("tool", "docs"), origin="tool", entries=[folder("usr")])
CONFIGURED = small_package(
    "configured", "1-r0", entries=[folder("etc"), file("etc/configured.conf", b"as it came\n")], license="Apache-2.0"
)
PACKAGES = (TOOL_1, HELP, DOCS, CONFIGURED)

Apk = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class System:
    """A root without packages, and a repository.

    Attributes:
        root: The root's folder.
        repository: The repository's folder.
        apk: Runs apk on the root, checking its exit status against `status` (0 unless told).
    """

    root: Path
    repository: Path
    apk: Apk

    def said(self, *words: str, status: int = 0) -> str:
        """Run apk and return what it wrote to standard output."""
        done = self.apk(*words, status=status)
        return str(done.stdout)

    @property
    def world(self) -> list[str]:
        """What is asked for."""
        return (self.root / "etc/apk/world").read_text().split()

    def snapshot(self) -> dict[str, bytes | str]:
        """Return everything in the root, but for the lock."""
        return {
            path.relative_to(self.root).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_symlink() or (path.is_file() and path.name != "lock")
        }


def run_apk(*words: str, status: int | None = 0, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run apk as a person would."""
    command = [sys.executable, "-m", "bivy.apk", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    assert status is None or done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture
def system(tmp_path: Path, signer: Signer) -> System:
    """An empty root whose repository has a few packages, and whose keys have that of who signed them."""
    repository = write_repository(tmp_path / "repository", PACKAGES, signer)
    root = tmp_path / "root"
    (root / "etc/apk").mkdir(parents=True)
    (repository / "keys").rename(root / "etc/apk/keys")
    (root / "etc/apk/repositories").write_text(f"{repository}\n")

    def apk(*words: str, status: int | None = 0, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return run_apk("--root", str(root), *words, status=status, timeout=timeout)

    apk("--arch", "x86_64", "add", "--initdb")
    return System(root, repository, apk)
