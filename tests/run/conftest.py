"""An image of one small static program, which says what it sees."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bivy.run.options import Config
from bivy.sandbox import why_no_sandbox

PASSWD = """root:x:0:0:root:/root:/bin/sh
broken line
web:x:1000:1001:Web:/srv/web:/bin/sh
nobody:x:65534:65534:nobody:/:/sbin/nologin
"""
GROUP = """root:x:0:root
www:x:1001:web
staff:x:50:
"""


@dataclass(frozen=True, slots=True)
class PlainConfig:
    """A configuration as an image has it."""

    env: tuple[str, ...] = ("PATH=/usr/bin:/bin", "GREETING=hello")
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ("probe", "show")
    working_dir: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class ProbeImage:
    """An image whose files are written by hand."""

    program: Path
    config: Config = field(default_factory=PlainConfig)
    digest: str = "sha256:0123456789abcdef"
    architecture: str = "amd64"

    def write_root(self, folder: Path) -> None:
        for name in ("bin", "etc", "root", "tmp", "srv/web", "run"):
            (folder / name).mkdir(parents=True)
        (folder / "bin/probe").write_bytes(self.program.read_bytes())
        (folder / "bin/probe").chmod(0o755)
        (folder / "bin/plain").write_text("not a program")
        (folder / "etc/passwd").write_text(PASSWD)
        (folder / "etc/group").write_text(GROUP)
        (folder / "etc/motd").write_text("as it was")
        (folder / "etc/motd").chmod(0o444)
        (folder / "var").symlink_to("/run")
        (folder / "outside").symlink_to("../../../../etc")

    def saying(self, **changes: object) -> ProbeImage:
        """The same image with other words in its configuration."""
        assert isinstance(self.config, PlainConfig)
        return replace(self, config=replace(self.config, **changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of probe.c, compiled for musl, linked statically."""
    path = tmp_path_factory.mktemp("program") / "probe"
    source = Path(__file__).with_name("probe.c")
    target = ["-target", "x86_64-linux-musl", "-static", "-s"]
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *target, "-o", path, source], check=True)
    return path


@pytest.fixture
def image(program: Path) -> ProbeImage:
    if why_no_sandbox() is not None:
        pytest.skip(f"no sandbox: {why_no_sandbox()}")
    return ProbeImage(program)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")
