"""``bivy app --dockerfile``; images themselves are made in tests/integration/test_app.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


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
