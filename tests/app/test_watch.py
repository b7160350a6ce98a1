"""What a watch starts ends when it has to; the whole way is in tests/integration/test_watch.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from queue import SimpleQueue

import pytest

from bivy.app import watch

STUBBORN = """
import os, pathlib, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
                          "print(1, flush=True); time.sleep(600)"], stdout=subprocess.PIPE)
child.stdout.readline()
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
status = child.wait()
pathlib.Path(sys.argv[1] + ".cleaned").touch()
sys.exit(128 - status)
"""


def test_a_program_that_does_not_end_is_killed_and_who_started_it_cleans_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "GRACE", 0.3)
    said: list[str] = []
    ended: SimpleQueue[watch._Ended] = SimpleQueue()
    with watch._Program(ended.put, said.append) as program:
        program.start([sys.executable, "-c", STUBBORN, str(tmp_path / "child")])
        while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
            pass
        child = int((tmp_path / "child").read_text())
        program.stop()
        assert not program.runs
    assert said == ["the program did not end within 0 s of SIGTERM, and was killed"]
    assert (tmp_path / "child.cleaned").exists()
    assert ended.get(timeout=30).status == 137
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
