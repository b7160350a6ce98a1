"""An image into docker or podman, through what their ``load`` reads."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bivy.errors import BivyError, UsageError
from bivy.oci.archive import write_docker
from bivy.progress import under_way

if TYPE_CHECKING:
    from bivy.oci.image import Image
    from bivy.progress import Progress

Engine = Literal["docker", "podman"]
ENGINES: tuple[Engine, ...] = ("docker", "podman")
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of it.

    Attributes:
        engine: Who has the image now.
        name: What it is called there; empty where it has no name.
        image_id: What docker and podman call the image's ID: the digest of its config.
        said: What the engine said of it.
    """

    engine: Engine
    name: str
    image_id: str
    said: str


def load(image: Image, name: str, *, into: Engine | None, progress: Progress) -> Loaded:
    """Give an image to docker or podman.

    Args:
        image: The image.
        name: What it is to be called there; empty for no name.
        into: Which of them; `None` for the first that is installed and answers.
        progress: Who watches.

    Raises:
        UsageError: Neither is installed, or not the one that was asked for.
        BivyError: It does not take the image.
    """
    engine = into or _find()
    program = shutil.which(engine)
    if program is None:
        raise UsageError(f"{engine} is not installed, or not in PATH", hint=_other(engine))
    key = f"load into {engine}"
    with under_way(progress, key, total=image.size, detail=f"{image.size / 1e6:.1f} MB"):
        said = _feed(program, engine, image, name, progress, key)
    return Loaded(engine, name, image.config_blob.digest, said)


def _find() -> Engine:
    installed = [engine for engine in ENGINES if shutil.which(engine)]
    if not installed:
        raise UsageError(
            "neither docker nor podman is installed, or in PATH",
            hint="bivy run starts an image without them; bivy build --format docker-archive makes a file for a machine "
            "that has one of them",
        )
    if len(installed) == 1:
        return installed[0]
    # The program may be there without its daemon, or without rights to talk to it.
    return next((engine for engine in installed if _answers(engine)), installed[0])


def _answers(engine: Engine) -> bool:
    try:
        done = subprocess.run([engine, "info"], capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _other(engine: Engine) -> str:
    others = [other for other in ENGINES if other != engine and shutil.which(other)]
    return f"{others[0]} is: --into {others[0]}" if others else "bivy run starts an image without it"


def _feed(program: str, engine: Engine, image: Image, name: str, progress: Progress, key: str) -> str:
    import tempfile

    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([program, "load"], stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
        try:
            assert process.stdin is not None
            # One that fails early says why, and takes no more.
            with contextlib.suppress(BrokenPipeError), process.stdin as stream:
                write_docker(image, stream, name, lambda amount: progress.advance(key, amount))
            status = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        output.seek(0)
        said = output.read(_LONGEST).decode("utf-8", "replace").strip()
    if status:
        raise BivyError(f"{engine} load failed: {said or f'exit status {status}'}", hint=_hint(engine, said))
    return said


def _hint(engine: Engine, said: str) -> str | None:
    if "daemon" in said or "permission denied" in said:
        return f"is docker running, and may this user talk to it? {_other(engine)}"
    return "make room where it keeps images" if "no space left" in said else None
