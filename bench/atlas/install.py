"""Each package is installed in a throwaway container of the image, and imported there."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bench.atlas.outcome import NetworkError, read_seen
from bench.atlas.record import FOLDER, Attempt, Head, read_names, read_record, write_record
from bivy.arch import build_machine
from bivy.files import cache_folder
from bivy.oci.open import opened

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SECONDS = 600
KEPT = FOLDER.parent / "results" / "atlas"
"""Where what was seen is kept, and pip's cache; not part of the repository."""
RUNNING: set[subprocess.Popen[bytes]] = set()
"""The containers, so that an interruption ends them too."""


def install(told: argparse.Namespace) -> None:
    """Install what is not recorded yet, two at a time or as told, and record each when it is done.

    The record is of one image: that of another digest is begun anew.
    """
    digest = _digest(told.image, told.output)
    kept = KEPT / digest.removeprefix("sha256:")[:12]
    kept.mkdir(parents=True, exist_ok=True)
    head, attempts = read_record(told.record)
    if head is None or head.digest != digest:
        head, attempts = None, {}
    names = list(dict.fromkeys(told.only or read_names(told.names)))
    wanted = [name for name in names if told.again or told.reread or name not in attempts]
    lock, failed = threading.Lock(), 0
    for number, (name, result) in enumerate(_results(wanted, kept, told), 1):
        try:
            seen = json.loads(result.read_bytes())
            day = dt.datetime.fromtimestamp(result.stat().st_mtime, tz=dt.UTC).date().isoformat()
            attempt = read_seen(seen, day)
        except (OSError, NetworkError) as error:
            failed += 1
            print(f"{number}/{len(wanted)} {name}: not recorded: {error}", flush=True)
            continue
        with lock:
            head = Head(told.image, digest, seen["python"], seen["pip"], build_machine().machine)
            attempts[name] = attempt
            write_record(head, attempts, told.record)
        print(f"{number}/{len(wanted)} {name}: {_line(attempt)}", flush=True)
    if failed:
        sys.exit(f"{failed} could not be recorded: run it again")


def _results(names: Sequence[str], kept: Path, told: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield each name with the file of what was seen, which is made unless it is to be read again."""
    if told.reread:
        yield from ((name, kept / f"{name}.json") for name in names)
        return
    with ThreadPoolExecutor(told.jobs) as pool:
        try:
            yield from pool.map(lambda name: (name, _contain(name, kept, told)), names)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(RUNNING):
                _kill(process)
            raise


def _contain(name: str, kept: Path, told: argparse.Namespace) -> Path:
    """Install and import a package in a container of its own, which is killed where it takes too long."""
    result, pip_cache = kept / f"{name}.json", KEPT / "pip"
    result.unlink(missing_ok=True)
    pip_cache.mkdir(parents=True, exist_ok=True)
    # Not all of pip's cache: wheels that another package's build left there would hide that this one needs building.
    volumes = (f"{pip_cache}:/root/.cache/pip/http-v2", f"{FOLDER}/inside.py:/atlas/inside.py:ro", f"{kept}:/atlas/out")
    words = [sys.executable, "-m", "bivy", "run", "--host-certificates", "--output", str(told.output)]
    words += [word for volume in volumes for word in ("--volume", volume)]
    words += [told.image, "python3", "/atlas/inside.py", name, f"/atlas/out/{name}.json"]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        RUNNING.add(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=SECONDS)
        _kill(process)
        RUNNING.discard(process)
    return result


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _digest(image: str, output: Path) -> str:
    with opened(image, layout=output, platform=build_machine().platform, cache=cache_folder()) as found:
        return found.digest


def _line(attempt: Attempt) -> str:
    words = [str(attempt.outcome), attempt.version]
    words += [attempt.culprit, attempt.reason] if attempt.reason else []
    words += [f"built {', '.join(attempt.built)}"] if attempt.built else []
    words += [f"{each.what}: {each.text}" for each in (*attempt.unimported, *attempt.unloaded)]
    return "; ".join(word for word in words if word)
