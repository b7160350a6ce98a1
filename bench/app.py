"""How long images of three projects take, beside buildah building the usual Dockerfile of each, in the same run.

    python -m bench.app [--layout DIR] [--rounds N] [--only NAME] [--no-buildah] [--json FILE]

The projects are small, what they need is not: a FastAPI service, a Django site with psycopg, a job with numpy and
pandas; a package index has to be reachable for the first of all builds. Both start from the same base, the image
python:3.14-alpine of the layout. What is measured, each as a whole command, the median of the rounds:

first      a first build with a warm download cache: wheels are there (in bivy's cache, in pip's for buildah), and so
           is the base as each tool keeps it (bivy: unpacked, with its standard library's bytecode); layers are not
changed    one file of the project has changed
same       nothing has changed
size       the compressed bytes of all layers
resent     the compressed bytes of the layers that a change of one file makes anew
memory     the largest resident size of any of bivy's processes, at the first build

Each ends with the image in an OCI layout, compressed, from where it can be sent: what bivy makes, and what buildah has
after `buildah push`. A second line has buildah without the push, which leaves the image in its own storage as it is.
buildah runs as root without isolation of its own (--isolation chroot), with layers kept between builds (--layers).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bivy.files import cache_folder

BASE = "python:3.14-alpine"

FASTAPI = """\
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    name: str
    price: float = 0.0


@app.get("/")
def root() -> dict[str, str]:
    return {"hello": "world"}


@app.post("/items")
def create(item: Item) -> Item:
    return item
"""
DJANGO = """\
import os

import django
import psycopg
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

settings.configure(DEBUG=False, SECRET_KEY="for the bench", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
urlpatterns = [path("", lambda request: HttpResponse(psycopg.__version__))]

if __name__ == "__main__":
    execute_from_command_line(["manage.py", "runserver", "--noreload", "0.0.0.0:8000"])
"""
PANDAS = """\
import numpy
import pandas

print(pandas.DataFrame({"a": numpy.arange(1000)}).describe())
"""
DOCKERFILE = """\
FROM {base}
WORKDIR /app
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache/pip pip install --disable-pip-version-check -r requirements.txt
COPY . .
ENV PYTHONUNBUFFERED=1
USER 65532:65532
CMD {command}
"""


@dataclass(frozen=True)
class Bench:
    """A project: its files, what it needs, how it starts."""

    name: str
    requirements: tuple[str, ...]
    code: str
    command: tuple[str, ...]


PROJECTS = (
    Bench("fastapi", ("fastapi", "uvicorn"), FASTAPI, ("uvicorn", "main:app", "--host", "0.0.0.0")),
    Bench("django", ("django", "psycopg[binary]"), DJANGO, ("python3", "main.py")),
    Bench("pandas", ("numpy", "pandas"), PANDAS, ("python3", "main.py")),
)


@dataclass
class Figures:
    """What was measured, in seconds and bytes."""

    first: list[float] = field(default_factory=list)
    changed: list[float] = field(default_factory=list)
    same: list[float] = field(default_factory=list)
    size: int = 0
    resent: int = 0
    memory: int = 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layout", type=Path, default=Path("dist"), help="where the base is")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=[each.name for each in PROJECTS])
    parser.add_argument("--no-buildah", action="store_true")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="bivy-bench-") as name:
        for project in PROJECTS:
            if told.only in (None, project.name):
                folder = write_project(project, Path(name), told.layout.absolute())
                rows = {"bivy": measure_bivy(folder, Path(name), told.layout.absolute(), told.rounds)}
                if not told.no_buildah and shutil.which("buildah"):
                    rows |= measure_buildah(folder, Path(name), told.rounds)
                show(project.name, rows)
                found[project.name] = {tool: vars(figures) for tool, figures in rows.items()}
    if told.json:
        told.json.write_text(json.dumps(found, indent=2))


def write_project(project: Bench, place: Path, layout: Path) -> Path:
    """Write a project's folder, with every version pinned, and the usual Dockerfile beside it."""
    folder = place / project.name
    folder.mkdir()
    (folder / "main.py").write_text(project.code)
    (folder / "requirements.in").write_text("\n".join(project.requirements) + "\n")
    command = ["uv", "pip", "compile", "-q", "--no-header", "--python-version", "3.14", "--python-platform",
               "x86_64-unknown-linux-musl", "requirements.in", "-o", "requirements.txt"]  # fmt: skip
    pinned = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if pinned.returncode:
        sys.exit(f"the requirements of {project.name} cannot be pinned: {pinned.stderr}")
    (folder / "requirements.in").unlink()
    (folder / "pyproject.toml").write_text(f"[tool.bivy]\nentrypoint = {json.dumps(project.command)}\n")
    (folder / "Dockerfile").write_text(
        DOCKERFILE.format(base=f"oci:{layout}:{BASE}", command=json.dumps(project.command))
    )
    return folder


def measure_bivy(folder: Path, place: Path, layout: Path, rounds: int) -> Figures:
    """Measure bivy, in a cache of its own that has the base's unpacked files and the wheels."""
    own = place / "cache"
    own.mkdir(exist_ok=True)
    for name in ("packages", "runtime", "roots"):
        (cache_folder() / name).mkdir(parents=True, exist_ok=True)
        if not (own / name).exists():
            (own / name).symlink_to(cache_folder() / name)
    output = place / "dist"
    if not output.exists():
        shutil.copytree(layout, output)
    environment = {**os.environ, "BIVY_CACHE": str(own)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "bivy", "app", str(folder), "-o", str(output), "-q", "--json", "--name",
               f"{folder.name}:1"]  # fmt: skip
    # What belongs to the base and not to the project is there before, as buildah's base is.
    bare = place / "bare"
    bare.mkdir(exist_ok=True)
    (bare / "main.py").write_text("print()\n")
    timed([*command[:4], str(bare), *command[5:-1], "bare:1"], environment)
    known = place / "known"
    shutil.copytree(own / "app", known)
    timed(command, environment)
    pinned = place / "pinned"
    shutil.copytree(own / "app" / "pinned", pinned)
    figures = Figures()
    for _ in range(rounds):
        shutil.rmtree(own / "app")
        shutil.copytree(known, own / "app")
        shutil.copytree(pinned, own / "app" / "pinned", dirs_exist_ok=True)
        seconds, memory, _ = timed(command, environment)
        figures.first.append(seconds)
        figures.memory = max(figures.memory, memory)
    shutil.rmtree(known)
    shutil.rmtree(pinned)
    made = json.loads(timed(command, environment)[2])
    for number in range(rounds * 2):
        with (folder / "main.py").open("a") as file:
            file.write(f"# {number}\n")
        time.sleep(0.1)
        seconds, _, text = timed(command, environment)
        figures.changed.append(seconds)
        before, made = made, json.loads(text)
        figures.same.append(timed(command, environment)[0])
    old = {layer["digest"] for layer in before["images"][0]["layers"]}
    layers = made["images"][0]["layers"]
    figures.size = sum(layer["size"] for layer in layers)
    figures.resent = sum(layer["size"] for layer in layers if layer["digest"] not in old)
    return figures


def measure_buildah(folder: Path, place: Path, rounds: int) -> dict[str, Figures]:
    """Measure buildah, with the push and without."""
    storage = ["buildah", "--root", str(place / "root"), "--runroot", str(place / "runroot"), "--storage-driver",
               os.environ.get("STORAGE_DRIVER", "overlay")]  # fmt: skip
    build = [*storage, "bud", "--isolation", "chroot", "--layers", "--network", "host", "-t", f"{folder.name}:1"]
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    mounts = ["-v", f"{certificates}:/etc/ssl/certs/ca-certificates.crt:ro"] if certificates.exists() else []
    mounts += ["-v", f"{place / 'pip'}:/root/.cache/pip"]
    (place / "pip").mkdir(exist_ok=True)
    told = [word for name in ("PIP_INDEX_URL", "PIP_TRUSTED_HOST", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
            if os.environ.get(name) for word in ("--build-arg", f"{name}={os.environ[name]}")]  # fmt: skip
    text = (folder / "Dockerfile").read_text()
    (folder / "Dockerfile").write_text(text.replace("--mount=type=cache,target=/root/.cache/pip ", ""))
    command = [*build, *mounts, *told, str(folder)]
    timed(command, dict(os.environ))
    pushed(storage, folder.name, place)
    alone, whole = Figures(), Figures()
    after: dict[str, int] = {}
    for kind in ("first", "changed", "same"):
        for number in range(rounds):
            if kind == "first":
                subprocess.run([*storage, "rmi", "--force", f"{folder.name}:1"], capture_output=True, check=False)
                subprocess.run([*storage, "rmi", "--prune"], capture_output=True, check=False)
            if kind == "changed":
                with (folder / "main.py").open("a") as file:
                    file.write(f"# buildah {number}\n")
            started = time.perf_counter()
            seconds, memory, _ = timed(command, dict(os.environ))
            before, after = after, pushed(storage, folder.name, place)
            getattr(whole, kind).append(time.perf_counter() - started)
            getattr(alone, kind).append(seconds)
            if kind == "first":
                whole.memory = max(whole.memory, memory)
            if kind == "changed":
                whole.resent = sum(size for digest, size in after.items() if digest not in before)
    whole.size = sum(after.values())
    return {"buildah": whole, "  its build": alone}


def pushed(storage: list[str], name: str, place: Path) -> dict[str, int]:
    """Return the layers of an image as buildah pushes them, by digest, with their sizes."""
    target = place / "pushed"
    subprocess.run([*storage, "push", "-q", f"{name}:1", f"oci:{target}:{name}"], check=True, capture_output=True)
    index = json.loads((target / "index.json").read_text())
    # What the name stood for before stays there without one.
    names = {each.get("annotations", {}).get("org.opencontainers.image.ref.name"): each for each in index["manifests"]}
    entry = names[name]
    manifest = json.loads((target / "blobs/sha256" / entry["digest"][7:]).read_text())
    return {layer["digest"]: layer["size"] for layer in manifest["layers"]}


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, int, str]:
    """Run a command; return its seconds, the largest resident bytes of a process of it, and what it printed."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        output.seek(0)
        errors.seek(0)
        if status:
            sys.exit(f"{' '.join(command)}\n{output.read()}{errors.read()}")
        return seconds, usage.ru_maxrss * 1024, output.read()


def show(name: str, rows: dict[str, Figures]) -> None:
    """Print what was measured of one project."""
    print(f"{name:12} {'first':>8} {'changed':>8} {'same':>8} {'size':>9} {'resent':>10} {'memory':>8}")
    medians = {
        tool: [statistics.median(times) for times in (each.first, each.changed, each.same)]
        for tool, each in rows.items()
    }
    for tool, each in rows.items():
        print(f"{tool:12} {' '.join(f'{seconds:7.2f}s' for seconds in medians[tool])}", end="")
        if each.size:
            print(f" {each.size / 1e6:7.1f}MB {each.resent / 1e3:8.1f}kB {each.memory / 1e6:6.0f}MB")
        if tool != "bivy":
            ratios = [theirs / ours for ours, theirs in zip(medians["bivy"], medians[tool], strict=True)]
            print(
                f"{'' if each.size else chr(10)}{'':12} {' '.join(f'{ratio:6.1f} x' for ratio in ratios)}", flush=True
            )


if __name__ == "__main__":
    main()
