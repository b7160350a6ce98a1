"""The Dockerfile that bivy writes for a project makes an image of it, with buildah."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin

from bivy.app.dockerfile import save_dockerfile
from bivy.app.project import read_project
from bivy.app.values import Project
from tests.app.projects import write_files
from tests.integration.conftest import NAME, bivy

pytestmark = [pytest.mark.clients, pytest.mark.image]

PACKAGE = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop"
dynamic = ["version"]
dependencies = ["idna==3.10"]

[project.scripts]
shop = "shop:main"

[tool.hatch.version]
path = "src/shop/__init__.py"

[tool.bivy]
environment = { GREETING = 'say "hello" for $5' }
command = ["world"]
"""
CODE = """
import os, sys
import idna
__version__ = "1.5"
def main():
    print(os.environ["GREETING"], sys.argv[1:], idna.__version__, os.getuid(), os.getcwd())
"""


def build(project: Project, folder: Path) -> str:
    """Build a project's Dockerfile, which is written where it is not there, and return the image's reference."""
    if os.geteuid() != 0:
        pytest.skip("buildah needs subordinate user ids, which only an administrator can give")
    program = shutil.which("buildah")
    if program is None:
        pytest.skip("buildah is not installed")
    if not (project.root / "Dockerfile").exists():
        save_dockerfile(project)
    words = ["--root", f"{folder}/storage", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
    words += ["bud", "--isolation", "chroot", "--tag", f"oci-archive:{folder}/built.tar:app"]
    if trusted := os.environ.get("SSL_CERT_FILE"):  # whom this machine trusts, the build has to trust, too
        write_files(folder, {"uv.toml": "system-certs = true\n"})
        words += ["--volume", f"{trusted}:/etc/ssl/certs/ca-certificates.crt:ro"]
        words += ["--volume", f"{folder}/uv.toml:/etc/uv/uv.toml:ro"]
    done = subprocess.run([program, *words, project.root], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return f"oci-archive:{folder}/built.tar:app"


def base(dist: Path) -> dict[str, str]:
    return {"base": f"oci:{dist}:{NAME}"}


def test_a_locked_package_is_built_started_and_nothing_else_is_copied(dist: Path, tmp_path: Path) -> None:
    root = write_files(
        tmp_path / "shop",
        {"pyproject.toml": PACKAGE, "src/shop/__init__.py": CODE, ".env": "SECRET=1", "docs/a.md": "",
         ".gitignore": "*.log\n", "a.log": "", "src/shop/__pycache__/x.pyc": "", "run.sh": "#!/bin/sh\n"},
    )  # fmt: skip
    (root / "run.sh").chmod(0o700)
    (root / "docs/a.md").chmod(0o600)
    subprocess.run([find_uv_bin(), "lock", "--project", root], check=True, capture_output=True, timeout=120)
    project = read_project(root, base(dist))
    image = build(project, tmp_path)
    assert bivy("run", image).stdout == "say \"hello\" for $5 ['world'] 3.10 65532 /app\n"
    listing = "cd /app; find . -type f -exec stat -c '%n %a %s' {} +"
    found = bivy("run", "--entrypoint", "sh", image, "-c", listing).stdout.splitlines()
    assert sorted(found) == sorted(f"./{file.path} {file.mode:o} {file.size}" for file in project.files)
    config = json.loads(bivy("inspect", image, "--json").stdout)["config"]
    assert config["labels"]["org.opencontainers.image.version"] == "1.5"
    assert config["user"] == "65532:65532"


def test_a_folder_with_hashed_requirements_is_built_and_started(dist: Path, tmp_path: Path) -> None:
    root = write_files(tmp_path / "job", {"main.py": "import idna, helper\nprint(idna.__version__)\n", "helper.py": "",
                                          "more/in.txt": "idna==3.10\n"})  # fmt: skip
    words = [find_uv_bin(), "pip", "compile", "--no-config", "--generate-hashes", "more/in.txt"]
    pinned = subprocess.run(words, cwd=root, check=True, capture_output=True, text=True, timeout=120).stdout
    write_files(root, {"more/all.txt": pinned, "requirements.txt": "-r more/all.txt\n"})
    image = build(read_project(root, base(dist)), tmp_path)
    assert bivy("run", image).stdout == "3.10\n"


def test_a_package_that_nothing_locks_is_built_and_started(dist: Path, tmp_path: Path) -> None:
    root = write_files(tmp_path / "shop", {"pyproject.toml": PACKAGE, "src/shop/__init__.py": CODE})
    project = read_project(root, {**base(dist), "user": "nobody", "command": ["you"], "volumes": ["/data"]})
    image = build(project, tmp_path)
    assert bivy("run", image).stdout.startswith("say \"hello\" for $5 ['you'] 3.10")


def test_a_script_is_built_and_started(dist: Path, tmp_path: Path) -> None:
    script = '# /// script\n# dependencies = ["idna==3.10"]\n# ///\nimport idna\nprint(idna.__version__)\n'
    write_files(tmp_path / "jobs", {"job.py": script, "other.py": ""})
    image = build(read_project(tmp_path / "jobs/job.py", base(dist)), tmp_path)
    assert bivy("run", image).stdout == "3.10\n"
    assert bivy("run", "--entrypoint", "ls", image, "/app").stdout == "job.py\n"


def test_the_lines_with_tini_start_the_program_below_another_process(dist: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "job", {"main.py": "import os\nprint(os.environ['BELOW'])\n"})
    project = read_project(tmp_path / "job", base(dist))
    save_dockerfile(project)
    written = (project.root / "Dockerfile").read_text()
    # tini comes from a mirror of Alpine's, which is not at hand: a script that is called as it is takes its place.
    script = "printf '#!/bin/sh\\nshift; BELOW=tini exec \"$@\"\\n' >/sbin/tini && chmod 755 /sbin/tini"
    taken = written.replace("# RUN apk add --no-cache tini", f"RUN {script}").replace("# ENTRYPOINT", "ENTRYPOINT")
    assert taken.count("tini") == written.count("tini") + 2
    (project.root / "Dockerfile").write_text(taken)
    assert bivy("run", build(project, tmp_path)).stdout == "tini\n"
