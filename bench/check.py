"""How long ``check`` takes for a lock of about 100 distributions, beside uv: ``python -m bench.check [--rounds N]``.

uv makes the lock first. Then, in turns and each in a process of its own: `bivy check` is asked about the lock, with
nothing cached and with everything cached; and uv resolves the same requirements (``uv lock``,
which is what comes before any verdict where there is no lock), likewise. What goes over the network is counted by a
proxy that all of them are sent through. Indexes are those of the person's settings.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import shutil
import socket
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from uv import find_uv_bin

import bivy

if TYPE_CHECKING:
    from collections.abc import Iterator

# Web services, data, cloud, tools; some that are compiled on musl, and some that cannot be had there.
REQUIREMENTS = (
    "aiohttp", "alembic", "asyncpg", "beautifulsoup4", "black", "boto3", "coverage", "django", "docopt", "duckdb",
    "fastapi", "flask", "grpcio", "gunicorn", "httpx", "jinja2", "lxml", "mysqlclient", "networkx", "onnxruntime",
    "orjson", "pandas", "pillow", "polars", "psutil", "psycopg2", "pyarrow", "pydantic", "pytest",
    "pyyaml", "redis", "requests", "rich", "scikit-learn", "sentry-sdk", "sqlalchemy", "uvicorn[standard]", "xgboost",
)  # fmt: skip
PYTHON = "3.14"


class _Counting(socketserver.BaseRequestHandler):
    """A proxy for https that counts what comes back through it."""

    received = 0

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (part := self.request.recv(4096)):
            head += part
        host, _, port = head.split()[1].decode().rpartition(":")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 30) as far:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                for source in select.select([self.request, far], [], [])[0]:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    if source is far:
                        _Counting.received += len(data)
                    (self.request if source is far else far).sendall(data)


@contextlib.contextmanager
def _proxy() -> Iterator[str]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), _Counting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _timed(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, int, str]:
    """Run a command; return its seconds, the bytes that it received, and what it printed."""
    before, started = _Counting.received, time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode > int("check" in command):  # its 1 is an answer
        sys.exit(f"{command[0]} failed: {done.stderr[-2000:]}")
    return seconds, _Counting.received - before, done.stdout.strip()


def _project(folder: Path) -> None:
    names = ", ".join(f'"{each}"' for each in REQUIREMENTS)
    environment = f"python_full_version == '{PYTHON}.*' and sys_platform == 'linux'"
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "bench"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = [{names}]\n'
        f'[tool.uv]\nenvironments = ["{environment}"]\n'
    )


def _line(title: str, measured: list[tuple[float, int, str]]) -> float:
    seconds = sorted(each[0] for each in measured)
    middle = statistics.median(seconds)
    print(f"{title:42} {middle:6.2f} s ({seconds[0]:.2f} to {seconds[-1]:.2f}), {measured[-1][1]:>10,} bytes received")
    return middle


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arch", nargs="+", default=["x86_64"])
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, _proxy() as proxy:
        folder = Path(name)
        environment = {**os.environ, "HTTPS_PROXY": proxy, "https_proxy": proxy, "UV_CACHE_DIR": str(folder / "uv")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # who installs bivy has its bytecode
        environment["PYTHONPATH"] = str(Path(bivy.__file__).parents[1])
        _project(folder)
        lock_command = [find_uv_bin(), "lock", "--no-python-downloads"]
        _timed(lock_command, folder, environment)
        lock = folder / "given" / "uv.lock"
        lock.parent.mkdir()
        shutil.copy(folder / "uv.lock", lock)
        cache = folder / "bivy"
        environment["BIVY_CACHE"] = str(cache)
        arches = [word for arch in told.arch for word in ("--arch", arch)]
        check = [sys.executable, "-m", "bivy", "check", "-q", "--python", PYTHON, *arches, str(lock)]
        measured: dict[str, list[tuple[float, int, str]]] = {key: [] for key in ("cold", "warm", "uv cold", "uv warm")}
        for _ in range(told.rounds):
            shutil.rmtree(cache, ignore_errors=True)
            measured["cold"].append(_timed(check, folder, environment))
            measured["warm"].append(_timed(check, folder, environment))
            for key in ("uv cold", "uv warm"):
                if key == "uv cold":
                    shutil.rmtree(folder / "uv", ignore_errors=True)
                (folder / "uv.lock").unlink(missing_ok=True)
                measured[key].append(_timed(lock_command, folder, environment))
        print(f"{lock.stat().st_size:,} bytes of lock, {lock.read_text().count('[[package]]') - 1} distributions")
        print(measured["warm"][-1][2])
        cold, warm = _line("verdicts, nothing cached", measured["cold"]), _line("verdicts, cached", measured["warm"])
        uv_cold, uv_warm = (
            _line("uv lock, nothing cached", measured["uv cold"]),
            _line("uv lock, cached", measured["uv warm"]),
        )
        print(f"of uv's time: {cold / uv_cold:.2f} with nothing cached, {warm / uv_warm:.2f} cached")


if __name__ == "__main__":
    main()
