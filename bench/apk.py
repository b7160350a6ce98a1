"""How long ``apk add --no-cache`` takes in the image, beside genuine apk-tools in Alpine's own root filesystem.

    python -m bench.apk GENUINE-ROOT [--index APKINDEX.tar.gz] [--rounds N]

Both add the same three packages (a program of bash's size and two libraries of its libraries' sizes, with a script to
run), from one repository on loopback, in turns. The repository is asked for twice: with nothing else in it, and with
the packages of a real index beside them (or as many made-up ones), as Alpine's own repositories have.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.apk.entry import Entry, Kind
from bivy.apk.index import IndexEntry, read_index, write_index
from bivy.apk.info import PackageInfo
from bivy.apk.package import Control, read_info, write_package
from bivy.apk.sign import Signer, format_public_key, generate_key
from bivy.arch import build_machine
from bivy.files import cache_folder
from bivy.oci.open import opened
from bivy.run.unpacked import unpacked
from bivy.sandbox import find_bubblewrap

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCH = build_machine().name
PACKAGES = 5000


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _package(folder: Path, signer: Signer, name: str, size: int, depends: tuple[str, ...]) -> Control:
    """Write a package of ten files that compress to about `size` bytes."""
    chance = random.Random(name)
    files = [chance.randbytes(size // 10) + bytes(size // 20) for _ in range(10)]
    entries = [
        Entry(f"usr/share/{name}/{number}", Kind.FILE, 0o644, mtime=1, content=file)
        for number, file in enumerate(files)
    ]
    info = PackageInfo(name, "1.0-r0", ARCH, build_date=1, license="MIT", depends=depends)
    scripts = {"post-install": b"#!/bin/sh\nexit 0\n"} if depends else {}
    content = write_package(info, entries, scripts, signer=signer)
    (folder / f"{name}-1.0-r0.apk").write_bytes(content)
    return read_info(content)


def _fillers() -> list[IndexEntry]:
    plain = IndexEntry(
        "Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "",
        "1.2.3-r4",
        ARCH,
        10_000,
        30_000,
        "A package",
        "https://example.org",
        "MIT",
    )
    return [
        replace(
            plain, name=f"filler-{n}", depends=("so:libc.musl-x86_64.so.1", f"filler-{n // 2}"),
            provides=(f"cmd:filler-{n}=1.2.3-r4",),
        )
        for n in range(1, PACKAGES)
    ]  # fmt: skip


def make_repositories(folder: Path, index: Path | None) -> Signer:
    """Make the repositories ``small`` and ``large`` below a folder."""
    signer = Signer(generate_key(2048), "bench@example.org-1.rsa.pub")
    for name in ("small", "large"):
        arch = folder / name / ARCH
        arch.mkdir(parents=True)
        packages = [
            _package(arch, signer, "bench-libncurses", 180_000, ()),
            _package(arch, signer, "bench-readline", 140_000, ("bench-libncurses",)),
            _package(arch, signer, "bench-bash", 700_000, ("bench-readline", "/bin/sh")),
        ]
        others = [] if name == "small" else list(read_index(index.read_bytes(), None)) if index else _fillers()
        (arch / "APKINDEX.tar.gz").write_bytes(write_index([*packages, *others], "bench", signer))
    return signer


def _time(root: Path, *argv: str) -> float:
    bubblewrap = find_bubblewrap()
    assert bubblewrap is not None
    words = [str(bubblewrap), "--bind", str(root), "/", "--proc", "/proc", "--dev", "/dev", "--uid", "0", "--gid", "0",
             "--cap-add", "ALL", "--die-with-parent", *argv]  # fmt: skip
    started = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} in {root}: {done.returncode}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started


def measure(roots: dict[str, Path], rounds: int) -> dict[str, list[float]]:
    """Time the addition in each root, in turns; removing it in between is not timed."""
    found: dict[str, list[float]] = {name: [] for name in roots}
    for _ in range(rounds):
        for name, root in roots.items():
            found[name].append(_time(root, "apk", "add", "--no-cache", "bench-bash") - _time(root, "true"))
            _time(root, "apk", "del", "--no-network", "bench-bash")
    return found


def _prepared(folder: Path, signer: Signer, genuine: Path) -> Iterator[tuple[str, Path]]:
    cache = cache_folder()
    with opened("python:3.14-alpine", layout=Path("dist"), platform=build_machine().platform, cache=cache) as image:
        sources = {"bivy": unpacked(image, cache), "genuine": genuine}
    for name, source in sources.items():
        shutil.copytree(source, folder / name, symlinks=True)
        (folder / name / "etc/apk/keys").mkdir(parents=True, exist_ok=True)
        (folder / name / "etc/apk/keys" / signer.name).write_text(format_public_key(signer.key.public))
        yield name, folder / name


def main() -> None:
    """Print the times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("genuine", type=Path, help="an unpacked root filesystem of Alpine's, with apk-tools 2.14")
    parser.add_argument("--index", type=Path, help="a real index, whose packages are listed in the large repository")
    parser.add_argument("--rounds", type=int, default=11)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        signer = make_repositories(folder / "served", given.index)
        roots = dict(_prepared(folder, signer, given.genuine))
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder / "served")))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for size in ("small", "large"):
            for root in roots.values():
                (root / "etc/apk/repositories").write_text(f"http://127.0.0.1:{server.server_port}/{size}\n")
            times = {name: statistics.median(values) for name, values in measure(roots, given.rounds).items()}
            print(
                f"apk add, {size} repository: bivy {times['bivy'] * 1000:.0f} ms, "
                f"genuine {times['genuine'] * 1000:.0f} ms, ratio {times['bivy'] / times['genuine']:.2f}"
            )
        starts = {
            "the interpreter alone": ("/usr/local/bin/python3", "-ISB", "-c", "pass"),
            "apk with all that `add` imports": ("apk", "add", "--help"),
        }
        for what, words in starts.items():
            start = statistics.median(
                _time(roots["bivy"], *words) - _time(roots["bivy"], "true") for _ in range(given.rounds)
            )
            print(f"{what} starts and ends in {start * 1000:.0f} ms")
        server.shutdown()


if __name__ == "__main__":
    main()
