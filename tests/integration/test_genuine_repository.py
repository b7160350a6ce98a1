"""Genuine apk-tools install from a repository that ``bivy repo`` made, over http and trusting its key alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bivy.sandbox import Bind, Sandbox, find_bubblewrap, why_no_sandbox

ROOT = os.environ.get("BIVY_GENUINE_APK_ROOT")
pytestmark = [
    pytest.mark.skipif(
        ROOT is None,
        reason="BIVY_GENUINE_APK_ROOT names no unpacked root filesystem of Alpine (apk-tools 2.12 or 2.14)",
    ),
    pytest.mark.skipif(ROOT is not None and why_no_sandbox() is not None, reason=why_no_sandbox() or ""),
]
WriteRecipe = Callable[..., Path]
HELLO = """
scripts = { post-install = "after" }
[[pipeline]]
runs = "mkdir -p $DESTDIR/usr/bin; printf '#!/bin/sh\\necho hello\\n' > $DESTDIR/usr/bin/hello; chmod 755 $DESTDIR/usr/bin/hello"
[[subpackages]]
name = "hello-extra"
files = ["usr/share/hello"]
install_if = ["hello=1.0-r0"]
triggers = ["/usr/bin"]
scripts = { trigger = "changed" }
""".replace("chmod 755", "mkdir -p $DESTDIR/usr/share/hello; touch $DESTDIR/usr/share/hello/x; chmod 755")  # noqa: E501
SCRIPTS = {"after": "#!/bin/sh\necho after $1 >> /said\n", "changed": "#!/bin/sh\necho changed $1 >> /said\n"}


class Stage:
    """A person's folder, and a copy of the genuine root."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self.environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "BIVY_CACHE": str(cache)}
        shutil.copytree(ROOT or "", self.root, symlinks=True)
        for path in (self.root / "etc/apk/keys").iterdir():
            path.unlink()

    def bivy(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "bivy", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve the repository, and give its URL."""
        process = subprocess.Popen(
            [sys.executable, "-m", "bivy", "repo", "serve", "-q", "--port", "0", "--json"],
            cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            yield str(json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")["url"])
        finally:
            process.kill()
            process.communicate()

    def apk(self, *words: str) -> subprocess.CompletedProcess[str]:
        program = find_bubblewrap()
        assert program is not None
        sandbox = Sandbox(
            binds=[Bind(self.root, "/", writable=True)], environment={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
            network=True, uid=0, gid=0,
        )  # fmt: skip
        bubblewrap, *rest = sandbox.command(program, ["apk", *words])
        return subprocess.run([bubblewrap, "--cap-add", "ALL", *rest], capture_output=True, text=True, timeout=120)


@pytest.fixture
def stage(tmp_path: Path, cache: Path, write_recipe: WriteRecipe) -> Stage:
    recipes = write_recipe("hello", HELLO, {"x": ""}, SCRIPTS)
    found = Stage(tmp_path / "stage", cache)
    found.bivy("repo", "keygen", "tests@example.org", "--bits", "2048")
    found.bivy("repo", "build", "hello", "--recipes", str(recipes), "--arch", "x86_64")
    return found


def trust(stage: Stage) -> None:
    (key,) = (stage.folder / "repository").glob("*.rsa.pub")
    shutil.copy(key, stage.root / "etc/apk/keys")


def test_apk_add_installs_from_it_without_allow_untrusted(stage: Stage) -> None:
    trust(stage)
    with stage.served() as url:
        (stage.root / "etc/apk/repositories").write_text(f"{url}\n")
        done = stage.apk("add", "--no-cache", "--no-chown", "hello")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "UNTRUSTED" not in done.stdout + done.stderr
    assert "Installing hello (1.0-r0)" in done.stdout
    assert "Installing hello-extra (1.0-r0)" in done.stdout  # by its install_if
    assert (stage.root / "usr/bin/hello").stat().st_mode & 0o777 == 0o755
    said = (stage.root / "said").read_text().splitlines()
    assert said[0] == "after 1.0-r0"
    assert said[-1] == "changed /usr/bin"


def test_apk_refuses_it_without_the_key(stage: Stage) -> None:
    with stage.served() as url:
        (stage.root / "etc/apk/repositories").write_text(f"{url}\n")
        done = stage.apk("add", "--no-cache", "--no-chown", "hello")
    assert done.returncode != 0
    assert "UNTRUSTED" in done.stdout + done.stderr
    assert not (stage.root / "usr/bin/hello").exists()


def test_apk_takes_a_package_of_it_as_a_file(stage: Stage) -> None:
    trust(stage)
    (stage.root / "etc/apk/repositories").write_text("")
    shutil.copy(stage.folder / "repository/x86_64/hello-1.0-r0.apk", stage.root)
    done = stage.apk("add", "--no-network", "--no-chown", "/hello-1.0-r0.apk")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (stage.root / "usr/bin/hello").exists()
