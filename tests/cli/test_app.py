"""``bivy app --dockerfile``, and what does not go together; images are made in tests/integration/test_app.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def write_dockerfile(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "bivy", "app", "--dockerfile", str(folder)]
    return subprocess.run(words, capture_output=True, text=True)


def test_the_dockerfile_is_written_and_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print('hello')\n")
    (tmp_path / "requirements.txt").write_text("idna\n")
    done = write_dockerfile(tmp_path)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["python3", "/app/main.py"]' in written
    assert (tmp_path / ".dockerignore").is_file()
    again = write_dockerfile(tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert (tmp_path / "Dockerfile").read_text() == written


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--watch", "--push", "127.0.0.1:1/x:1"), "--push does not go with --watch"),
        (("--watch", "--json"), "--json does not go with --watch"),
        (("--watch", "--dockerfile"), "--dockerfile does not go with --watch"),
        (("--run", "-e A=1"), "--run goes with --watch"),
        (("--watch", "--run", "--nonsense"), "--run --nonsense: No such option"),
        (("--watch", "--run", "'"), "--run ': no closing quotation"),
        (("--watch", "--run", "python3 main.py"), "--run python3 main.py: only options of bivy run"),
        (("--watch", "--run", "-v missing"), "'missing' is not a volume"),
    ],
)
def test_what_makes_no_sense_with_a_watch_is_refused(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    (tmp_path / "main.py").write_text("")
    command = [sys.executable, "-m", "bivy", "app", str(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
