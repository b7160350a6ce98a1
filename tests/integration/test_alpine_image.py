"""The image made of Alpine's packages, from a mirror on this machine that has bivy's own under Alpine's names."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest

from bivy.apk.database import database_entries
from bivy.apk.package import read_package
from bivy.apk.segments import compress
from bivy.apk.sign import Signer, generate_key
from bivy.apk.tar import end_of_archive, write_members
from bivy.arch import build_machine
from bivy.build.graph import Recipes, plan
from bivy.build.store import Store
from bivy.files import cache_folder
from bivy.images.definition import load_image
from bivy.oci.layer import read_layer, read_tar
from bivy.oci.layout import read_image
from bivy.rootfs.install import install
from tests.apk.samples import file, folder
from tests.integration.conftest import bivy
from tests.loopback import serve
from tests.mirror import small_package, write_repository

pytestmark = pytest.mark.image
NAME = "python:3.14-alpine3.24"
ARCH = build_machine().name
# As Alpine's busybox and its like have them: a script that makes links, a user that owns a file, a trigger.
GREETER = small_package(
    "greeter",
    arch=ARCH,
    install_if=("busybox",),
    depends=("/bin/sh",),
    entries=[folder("usr"), folder("usr/share"), folder("usr/share/greeter"),
             file("usr/share/greeter/words", b"hello\n", 0o640, user="greeter", group="greeter")],
    scripts={
        "pre-install": b"#!/bin/sh\naddgroup -S -g 870 greeter\nadduser -S -u 870 -G greeter -H greeter\n",
        "post-install": b"#!/bin/sh\nln -s /usr/share/greeter/words /usr/share/greeting\n",
        "trigger": b"#!/bin/sh\necho \"$@\" > /usr/share/greeter-saw\n",
    },
    triggers=("/usr/share/*",),
)  # fmt: skip
APK_TOOLS = small_package(
    "apk-tools", "3.0.8-r0", arch=ARCH,
    entries=[folder("sbin"), file("sbin/apk", b"#!/bin/sh\necho Alpine\n", 0o755)],
)  # fmt: skip


@dataclass(frozen=True)
class Mirror:
    """A mirror of Alpine's, and the public keys of who signs there."""

    folder: Path

    @property
    def keys(self) -> Path:
        return self.folder / "v3.24/main/keys"

    def words(self, output: Path, *more: str) -> list[str]:
        """Return the command line that builds the image from it."""
        words = ["build", "3.14", "--alpine", "3.24", "--keys", str(self.keys), "-o", str(output), *more]
        return words if "--mirror" in more else [*words, "--mirror", str(self.folder)]


def built(*names: str) -> list[bytes]:
    """Return the packages of bivy's that the image is made of, but for those of some recipes."""
    definition = load_image("python")
    versions = {"python": "3.14.7", "build-python": "3.14.7"}
    nodes = plan(definition.packages, build_machine(), Recipes(), versions)
    found: list[bytes] = []
    for node in nodes:
        if node.recipe.data.machine == "target" and node.recipe.name not in names:
            found += (path.read_bytes() for path in Store(cache_folder() / "packages").find(node.key) or ())
    return found


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(generate_key(1024), "tests@example.org-0002.rsa.pub")


@pytest.fixture(scope="module")
def mirror(dist: Path, tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Mirror:
    assert dist.is_dir()  # so that the packages are built
    place = tmp_path_factory.mktemp("mirror")
    write_repository(place / "v3.24/main", [*built("python", "bivy-apk"), APK_TOOLS, GREETER], signer, ARCH)
    return Mirror(place)


@pytest.fixture(scope="module")
def layout(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("alpine") / "dist"
    bivy(*mirror.words(output))
    return output


def in_image(layout: Path, *words: str) -> str:
    return bivy("run", "-o", str(layout), NAME, *words).stdout


def test_python_runs_on_alpine_s_packages(layout: Path) -> None:
    program = (
        "import ssl, sqlite3, zlib, lzma, bz2, readline, ctypes, uuid, curses, dbm.gnu; print(ssl.OPENSSL_VERSION)"
    )
    assert in_image(layout, "python3", "-c", program).startswith("OpenSSL 3.")


def test_scripts_and_triggers_have_run_and_what_they_did_is_there(layout: Path) -> None:
    assert in_image(layout, "cat", "/usr/share/greeting") == "hello\n"
    assert "/usr/share/greeter" in in_image(layout, "cat", "/usr/share/greeter-saw").split()
    assert "greeter:x:870:870:" in in_image(layout, "cat", "/etc/passwd")


def test_owners_by_name_are_the_users_that_scripts_made(layout: Path) -> None:
    image = read_image(layout, NAME, build_machine().platform)
    found = {entry.path: entry for layer in image.layers for entry in read_tar(read_layer(layer), "the layer").entries}
    words = found["usr/share/greeter/words"]
    assert (words.uid, words.gid, words.mode) == (870, 870, 0o640)


def test_apk_is_alpine_s_and_finds_alpine_s_repositories(layout: Path) -> None:
    assert in_image(layout, "apk") == "Alpine\n"
    assert in_image(layout, "cat", "/etc/apk/repositories").splitlines() == [
        "https://dl-cdn.alpinelinux.org/alpine/v3.24/main",
        "https://dl-cdn.alpinelinux.org/alpine/v3.24/community",
    ]
    assert "python" in in_image(layout, "cat", "/etc/apk/world").split()


def test_the_same_lock_gives_the_same_digest_whatever_else_the_mirror_has_by_then(
    mirror: Mirror, tmp_path: Path, signer: Signer
) -> None:
    lock = tmp_path / "alpine.lock"
    first = json.loads(bivy(*mirror.words(tmp_path / "one", "--lock", str(lock), "--json")).stdout)
    text = lock.read_text()
    assert 'release = "3.24"' in text
    newer = small_package("greeter", "9.0-r0", arch=ARCH, install_if=("busybox",), entries=[folder("usr")])
    other = tmp_path / "mirror"
    write_repository(other / "v3.24/main", [*built("python", "bivy-apk"), APK_TOOLS, GREETER, newer], signer, ARCH)
    there = ["--mirror", str(other), "--json"]
    again = json.loads(bivy(*mirror.words(tmp_path / "two", "--lock", str(lock), *there)).stdout)
    assert again["digest"] == first["digest"]
    assert lock.read_text() == text
    without = json.loads(bivy(*mirror.words(tmp_path / "three", *there)).stdout)
    assert without["digest"] != first["digest"]


def test_a_lock_of_another_release_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    lock = tmp_path / "alpine.lock"
    lock.write_text('version = 1\nrelease = "3.20"\n')
    done = bivy(*mirror.words(tmp_path / "dist", "--lock", str(lock)), check=False)
    assert done.returncode == 1
    assert "is for Alpine 3.20, not 3.24" in done.stderr


def test_a_locked_package_that_the_mirror_has_no_more_is_named(mirror: Mirror, tmp_path: Path) -> None:
    lock = tmp_path / "alpine.lock"
    bivy(*mirror.words(tmp_path / "dist", "--lock", str(lock)))
    lock.write_text(lock.read_text().replace('"3.0.8-r0"', '"3.0.7-r0"'))
    done = bivy(*mirror.words(tmp_path / "other", "--lock", str(lock)), check=False)
    assert done.returncode == 1
    assert "apk-tools-3.0.7-r0" in done.stderr
    assert "remove" in done.stderr
    assert not (tmp_path / "other").exists()


def test_a_mirror_that_does_not_answer_is_said_and_the_next_one_asked(mirror: Mirror, tmp_path: Path) -> None:
    done = bivy(
        *mirror.words(tmp_path / "dist", "--mirror", "http://127.0.0.1:9/alpine", "--mirror", str(mirror.folder))
    )
    assert "http://127.0.0.1:9/alpine" in done.stderr
    assert (tmp_path / "dist/index.json").exists()


def test_without_any_mirror_it_is_said_which_were_tried_and_what_needs_none(mirror: Mirror, tmp_path: Path) -> None:
    words = ["--mirror", "http://127.0.0.1:9/one", "--mirror", str(tmp_path / "two")]
    done = bivy(*mirror.words(tmp_path / "dist", *words), check=False)
    assert done.returncode == 1
    assert "http://127.0.0.1:9/one" in done.stderr
    assert f"{tmp_path}/two" in done.stderr
    assert "without --alpine, needs none" in done.stderr
    assert not (tmp_path / "dist").exists()


def test_a_release_out_of_support_is_pointed_out(mirror: Mirror, tmp_path: Path) -> None:
    (mirror.folder / "v3.20").mkdir(exist_ok=True)
    (mirror.folder / "v3.20/main").symlink_to("../v3.24/main")
    words = [word.replace("3.24", "3.20") if word == "3.24" else word for word in mirror.words(tmp_path / "dist")]
    done = bivy(*words)
    assert "Alpine 3.20 is out of support since 2026-04-01" in done.stderr
    assert "python:3.14-alpine3.20" in done.stdout


def test_alpine_s_own_keys_are_trusted_and_no_others(mirror: Mirror, tmp_path: Path) -> None:
    words = ["build", "3.14", "--alpine", "3.24", "--mirror", str(mirror.folder), "-o", str(tmp_path / "dist")]
    done = bivy(*words, check=False)
    assert done.returncode == 1
    assert "signed by tests@example.org-0002.rsa.pub, whose key is not in" in done.stderr


def test_a_mirror_that_breaks_off_in_the_middle_leaves_nothing(tmp_path: Path, signer: Signer) -> None:
    # Another package than other tests fetch, which is in no cache.
    apk_tools = small_package("apk-tools", "3.0.8-r0", arch=ARCH, entries=[folder("sbin")], commit=token_hex())
    mirror = Mirror(tmp_path / "mirror")
    main = write_repository(mirror.folder / "v3.24/main", [*built("python", "bivy-apk"), apk_tools], signer, ARCH)
    with serve() as site:
        for path in (main / ARCH).iterdir():
            content = path.read_bytes()
            site.files[f"/whole/v3.24/main/{ARCH}/{path.name}"] = content
            cut = content[: len(content) // 2] if path.name.startswith("apk-tools") else content
            site.files[f"/cut/v3.24/main/{ARCH}/{path.name}"] = cut
        done = bivy(*mirror.words(tmp_path / "dist", "--mirror", site.url("/cut")), check=False)
        assert done.returncode == 1
        assert "apk-tools-3.0.8-r0" in done.stderr
        assert not (tmp_path / "dist").exists()
        both = ["--mirror", site.url("/cut"), "--mirror", site.url("/whole")]
        said = bivy(*mirror.words(tmp_path / "dist", *both)).stderr
        assert "WARNING: apk-tools-3.0.8-r0: " in said
        assert f"trying {site.url('/whole')}" in said


def test_options_for_alpine_without_alpine_are_refused(tmp_path: Path) -> None:
    done = bivy("build", "--lock", str(tmp_path / "lock"), check=False)
    assert done.returncode == 2
    assert "--lock goes with --alpine" in done.stderr


@pytest.fixture(scope="module")
def minirootfs(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive as Alpine's: the base's packages installed, and apk's database of them."""
    assert mirror.folder.is_dir()
    wanted = {
        "alpine-baselayout", "alpine-baselayout-data", "alpine-keys", "alpine-release", "busybox", "busybox-binsh",
        "ca-certificates-bundle", "libcrypto3", "libssl3", "musl", "musl-utils", "ssl_client",
    }  # fmt: skip
    packages = [read_package(content) for content in built("python", "bivy-apk")]
    chosen = [*(package for package in packages if package.info.name in wanted), read_package(APK_TOOLS)]
    (tree,) = install([chosen])
    database = {entry.path: entry for entry in database_entries(chosen, [p.info.name for p in chosen], ARCH)}
    entries = {**tree.entries, **{path: entry for path, entry in database.items() if path not in tree.entries}}
    archive = write_members(entries[path] for path in sorted(entries)) + end_of_archive()
    path = tmp_path_factory.mktemp("rootfs") / f"alpine-minirootfs-3.24.2-{ARCH}.tar.gz"
    path.write_bytes(compress(archive))
    return path


def test_an_image_starts_from_an_archive_of_the_root_filesystem(
    mirror: Mirror, minirootfs: Path, tmp_path: Path
) -> None:
    output = tmp_path / "dist"
    said = bivy(*mirror.words(output, "--base-rootfs", str(minirootfs), "--lock", str(tmp_path / "lock")))
    found = json.loads(bivy("inspect", "-o", str(output), NAME, "--json").stdout)
    titles = [layer["created_by"] for layer in found["layers"]]
    assert titles[0] == "bivy build: the base root filesystem"
    assert 'name = "musl"' not in (tmp_path / "lock").read_text()
    assert in_image(output, "python3", "-c", "import ssl; print('works')") == "works\n"
    assert "musl" in in_image(output, "cat", "/etc/apk/world").split()
    names = {package["name"] for package in found["packages"]}
    assert {"musl", "busybox", "python", "sqlite-libs"} <= names
    again = bivy(*mirror.words(output, "--base-rootfs", str(minirootfs), "--lock", str(tmp_path / "lock")))
    assert again.stdout.splitlines()[1] == said.stdout.splitlines()[1]


def test_an_archive_that_is_no_root_filesystem_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "wrong.tar.gz").write_bytes(compress(b"no archive"))
    done = bivy(*mirror.words(tmp_path / "dist", "--base-rootfs", str(tmp_path / "wrong.tar.gz")), check=False)
    assert done.returncode == 1
    assert "wrong.tar.gz" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_image_is_one_for_other_clients(layout: Path, tmp_path: Path) -> None:
    skopeo = subprocess.run(["sh", "-c", "command -v skopeo"], capture_output=True)
    if skopeo.returncode:
        pytest.skip("skopeo is not installed")
    subprocess.run(
        ["skopeo", "--insecure-policy", "copy", f"oci:{layout}:{NAME}", f"oci:{tmp_path}/copy:x"],
        check=True, capture_output=True,
    )  # fmt: skip
