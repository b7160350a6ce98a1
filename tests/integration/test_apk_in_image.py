"""``apk`` in the image made from sources: by itself, in a Dockerfile, and beside Alpine's own."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bivy.apk.sign import Signer, format_public_key, generate_key
from bivy.arch import build_machine
from bivy.repository.serve import open_server
from tests.apk.samples import file, folder
from tests.integration.conftest import NAME, bivy
from tests.mirror import small_package, write_repository

pytestmark = pytest.mark.image
ARCH = build_machine().name
GREETER = small_package(
    "greeter",
    arch=ARCH,
    depends=("so:libgreet.so.1", "/bin/sh", f"so:libc.musl-{ARCH}.so.1"),
    entries=[
        folder("usr"),
        folder("usr/bin"),
        file("usr/bin/greet", b"#!/bin/sh\ncat /usr/lib/libgreet.so.1\n", 0o755),
    ],
    scripts={"post-install": b"#!/bin/sh\necho installed $1 > /var/greeter\n"},
)
LIBRARY = small_package(
    "libgreet", arch=ARCH, provides=("so:libgreet.so.1=1",),
    entries=[folder("usr"), folder("usr/lib"), file("usr/lib/libgreet.so.1", b"hello\n", 0o755)],
)  # fmt: skip
APK_TOOLS = small_package(
    "apk-tools", "2.14.4-r0", arch=ARCH,
    entries=[folder("sbin"), file("sbin/apk", b"#!/bin/sh\necho Alpine\n", 0o755)],
)  # fmt: skip


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(generate_key(1024), "tests@example.org-0003.rsa.pub")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Iterator[str]:
    """A repository on loopback."""
    place = write_repository(tmp_path_factory.mktemp("repository"), [GREETER, LIBRARY, APK_TOOLS], signer, ARCH)
    server = open_server(place, "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def key(tmp_path: Path, signer: Signer) -> Path:
    path = tmp_path / signer.name
    path.write_text(format_public_key(signer.key.public))
    return path


def in_image(dist: Path, key: Path, script: str) -> str:
    done = bivy("run", "-o", str(dist), "-v", f"{key}:/etc/apk/keys/{key.name}:ro", NAME, "sh", "-ec", script)
    return done.stdout


def test_packages_are_added_and_removed(dist: Path, key: Path, address: str) -> None:
    script = f"""
        apk add --no-cache -X {address} --repositories-file /dev/null greeter
        greet
        cat /var/greeter
        apk info -e greeter
        apk del greeter
        test ! -e /usr/bin/greet
    """
    said = in_image(dist, key, script).splitlines()
    assert said[:4] == [
        f"fetch {address}/{ARCH}/APKINDEX.tar.gz",
        "(1/2) Installing libgreet (1.0-r0)",
        "(2/2) Installing greeter (1.0-r0)",
        "Executing greeter-1.0-r0.post-install",
    ]
    assert said[4].startswith("OK: ")
    assert said[5:10] == [
        "hello",
        "installed 1.0-r0",
        "greeter",
        "(1/2) Purging greeter (1.0-r0)",
        "(2/2) Purging libgreet (1.0-r0)",
    ]


def test_nothing_is_left_behind_but_the_packages(dist: Path, key: Path, address: str) -> None:
    script = f"""
        find / -xdev -type f | sort > /tmp/before
        apk add -q --no-cache -X {address} --repositories-file /dev/null greeter
        find / -xdev -type f | sort > /tmp/after
        grep -vxFf /tmp/before /tmp/after
    """
    left = set(in_image(dist, key, script).splitlines())
    assert left == {"/usr/bin/greet", "/usr/lib/libgreet.so.1", "/var/greeter", "/tmp/after"}


def test_what_the_image_says_of_itself_holds(dist: Path, key: Path) -> None:
    assert in_image(dist, key, "apk audit --system; apk audit --full /usr/local/lib | head") == ""
    assert "bivy-apk" in in_image(dist, key, "apk info -W /bin/apk")
    assert in_image(dist, key, "apk --print-arch").strip() == ARCH
    assert in_image(dist, key, "cat /etc/apk/repositories").splitlines() == [
        "https://dl-cdn.alpinelinux.org/alpine/v3.24/main",
        "https://dl-cdn.alpinelinux.org/alpine/v3.24/community",
    ]


COMPILED = """
import os, sys, zipimport

compiled = []
sys.addaudithook(lambda event, told: compiled.append(str(told[1])) if event == "compile" else None)

def end(status):
    print("compiled:", *(path for path in compiled if path.endswith(".py")))
    sys.stdout.flush()
    really(status)

really, os._exit = os._exit, end
code = zipimport.zipimporter("/bin/apk").get_code("__main__")
exec(code, {"__name__": "__main__", "__file__": "/bin/apk/__main__.pyc"})
"""


def test_a_command_compiles_nothing(dist: Path, key: Path, address: str) -> None:
    (key.parent / "compiled.py").write_text(COMPILED)
    words = f"add --no-cache -X {address} --repositories-file /dev/null greeter"
    done = bivy(
        "run", "-o", str(dist), "-v", f"{key}:/etc/apk/keys/{key.name}:ro", "-v", f"{key.parent}/compiled.py:/c.py:ro",
        NAME, "python3", "-ISB", "/c.py", *words.split(),
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].split() == ["compiled:"]


def test_alpine_s_own_apk_takes_over(dist: Path, key: Path, address: str) -> None:
    said = in_image(
        dist, key, f"apk add -q --no-cache -X {address} --repositories-file /dev/null apk-tools; hash -r; apk"
    )
    assert said == "Alpine\n"


@pytest.mark.clients
@pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed")
def test_a_dockerfile_goes_on_from_the_image(dist: Path, key: Path, address: str, tmp_path: Path) -> None:
    shutil.copy(key, tmp_path / "key.rsa.pub")
    (tmp_path / "Dockerfile").write_text(
        f"FROM oci:{dist}:{NAME}\n"
        f"COPY key.rsa.pub /etc/apk/keys/{key.name}\n"
        f"RUN echo {address} > /etc/apk/repositories && apk add --no-cache greeter\n"
        "RUN greet && apk del greeter && apk add --no-cache --virtual .build greeter && apk del .build\n"
    )
    storage = ["--root", str(tmp_path / "storage"), "--runroot", str(tmp_path / "run"), "--storage-driver", "vfs"]
    done = subprocess.run(
        ["buildah", *storage, "bud", "--isolation", "chroot", "--network", "host", "-t", "test", str(tmp_path)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Installing greeter (1.0-r0)" in done.stdout + done.stderr
    assert "hello" in done.stdout
