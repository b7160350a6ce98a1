"""Genuine apk-tools take what bivy writes, and write what bivy would."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import pytest

from bivy.apk import version
from bivy.apk.database import database_entries, format_installed, installed_package, parse_installed
from bivy.apk.entry import Entry
from bivy.apk.index import index_entry, read_index, write_index
from bivy.apk.package import Package, extract, read_info, read_package, write_package
from bivy.apk.sign import Signer, format_public_key, generate_key
from bivy.apk.tar import read_members
from bivy.sandbox import Bind, Sandbox, find_bubblewrap, why_no_sandbox
from tests.apk.samples import ENTRIES, INFO, SCRIPTS, folder
from tests.apk.test_version import INVALID, ORDERED, SAME

ROOT = os.environ.get("BIVY_GENUINE_APK_ROOT")
pytestmark = [
    pytest.mark.skipif(
        ROOT is None,
        reason="BIVY_GENUINE_APK_ROOT names no unpacked root filesystem of Alpine 3.18 to 3.20 (apk-tools 2.14)",
    ),
    pytest.mark.skipif(ROOT is not None and why_no_sandbox() is not None, reason=why_no_sandbox() or ""),
]
PLAIN = replace(INFO, depends=(), install_if=(), replaces=("demo-old", "demo-older<2"))


@dataclass(frozen=True)
class Genuine:
    """Genuine programs that see a folder of the test's as ``/mnt``; chown is left out, the only user there is root."""

    mount: Path

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        program = find_bubblewrap()
        assert program is not None
        sandbox = Sandbox(
            binds=[Bind(Path(ROOT or ""), "/"), Bind(self.mount, "/mnt", writable=True)],
            empty=(),
            environment={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
            uid=0,
            gid=0,
        )
        bubblewrap, *words = sandbox.command(program, argv)
        return subprocess.run([bubblewrap, "--cap-add", "ALL", *words], capture_output=True, text=True, timeout=120)

    def apk(self, *argv: str) -> str:
        """Run apk and return what it said."""
        done = self.run("apk", *argv)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(generate_key(2048), "tests@example.org-0001.rsa.pub")


@pytest.fixture(params=[False, True], ids=["sha1", "sha256"])
def repository(request: pytest.FixtureRequest, tmp_path: Path, signer: Signer) -> Path:
    """A signed repository with two packages, its key, and a copy of the genuine root to install to."""
    chosen = replace(signer, sha256=request.param)
    return make_repository(tmp_path, chosen)


def make_repository(mount: Path, signer: Signer) -> Path:
    arch = mount / "repository" / "x86_64"
    arch.mkdir(parents=True)
    (mount / "keys").mkdir()
    (mount / "keys" / signer.name).write_text(format_public_key(signer.key.public))
    (mount / "repositories").write_text("/mnt/repository\n")
    base = replace(PLAIN, name="base", version="1.0-r0", triggers=(), provides=(), provider_priority=None)
    files = {
        "demo-1.2.3_rc1-r4.apk": write_package(replace(PLAIN, depends=("base>=1.0",)), ENTRIES, SCRIPTS, signer=signer),
        "base-1.0-r0.apk": write_package(base, [folder("var"), folder("var/base", 0o700)], signer=signer),
    }
    for name, content in files.items():
        (arch / name).write_bytes(content)
    index = write_index([read_info(content) for content in files.values()], "demonstration", signer)
    (arch / "APKINDEX.tar.gz").write_bytes(index)
    return mount


def read_all(mount: Path) -> dict[str, Package]:
    packages = (read_package(path) for path in (mount / "repository" / "x86_64").glob("*.apk"))
    return {package.info.name: package for package in packages}


def root_options(root: str) -> list[str]:
    return ["--root", root, "--keys-dir", "/mnt/keys", "--repositories-file", "/mnt/repositories", "--no-network",
            "--no-cache"]  # fmt: skip


def test_a_signed_package_from_a_signed_index_is_installed_and_recorded_as_bivy_records_it(repository: Path) -> None:
    shutil.copytree(ROOT or "", repository / "root", symlinks=True)
    genuine = Genuine(repository)
    said = genuine.apk(*root_options("/mnt/root"), "add", "--no-chown", "demo")
    assert "Installing base (1.0-r0)" in said
    assert "Installing demo (1.2.3_rc1-r4)" in said

    root = repository / "root"
    packages = read_all(repository)
    for package in packages.values():
        assert entries_on_disk(root, package.entries)
    assert (root / "demo-installed").read_text() == "installed 1.2.3_rc1-r4\n"
    assert "/usr/share/demo" in (root / "demo-triggered").read_text().split()

    text = (root / "lib/apk/db/installed").read_text()
    parsed = {package.entry.name: package for package in parse_installed(text)}
    assert format_installed(parsed.values()) == text
    for name, package in packages.items():
        assert parsed[name] == installed_package(package)
        assert format_installed([installed_package(package)]) in text

    order = [packages["base"], packages["demo"]]
    ours = {entry.path: entry for entry in database_entries(order, ["demo"], "x86_64")}
    theirs = read_members((root / "lib/apk/db/scripts.tar").read_bytes(), "scripts.tar")
    scripts = {member.entry for member in read_members(ours["lib/apk/db/scripts.tar"].content, "scripts.tar")}
    assert scripts
    assert scripts <= {member.entry for member in theirs}
    assert ours["lib/apk/db/triggers"].content in (root / "lib/apk/db/triggers").read_bytes()
    assert ours["etc/apk/arch"].content == (root / "etc/apk/arch").read_bytes()


def entries_on_disk(root: Path, entries: tuple[Entry, ...]) -> bool:
    for entry in entries:
        place = root / entry.path
        if place.is_symlink():
            assert str(place.readlink()) == entry.target
        elif place.is_file() and entry.content:
            assert place.read_bytes() == entry.content
        else:
            assert place.exists(), entry.path
        if not place.is_symlink():
            # setuid and its like come back with the chown that is left out here.
            assert place.stat().st_mode & 0o777 == entry.mode & 0o777, entry.path
    return True


def test_a_database_that_bivy_wrote_is_one_that_apk_works_on(repository: Path) -> None:
    root = repository / "made"
    packages = read_all(repository)
    order = [packages["base"], packages["demo"]]
    for package in order:
        extract(package, root)
    entries = [folder("etc"), folder("lib"), *database_entries(order, ["demo"], "x86_64")]
    extract(replace(packages["base"], entries=tuple(entries)), root)
    genuine = Genuine(repository)
    before = (root / "lib/apk/db/installed").read_text()

    assert genuine.apk(*root_options("/mnt/made"), "info", "-v").split() == ["base-1.0-r0", "demo-1.2.3_rc1-r4"]
    assert "usr/bin/demo-again" in genuine.apk(*root_options("/mnt/made"), "info", "-L", "demo")
    genuine.apk(*root_options("/mnt/made"), "--no-scripts", "add", "--no-chown", "demo")
    assert (root / "lib/apk/db/installed").read_text() == before
    assert (root / "etc/apk/world").read_text() == "demo\n"
    scripts = database_entries(order, ["demo"], "x86_64")
    written = next(entry.content for entry in scripts if entry.path.endswith("scripts.tar"))
    kept = read_members((root / "lib/apk/db/scripts.tar").read_bytes(), "scripts.tar")
    assert [member.entry for member in kept] == [member.entry for member in read_members(written, "scripts.tar")]
    genuine.apk(*root_options("/mnt/made"), "--no-scripts", "del", "demo")
    assert not (root / "usr/bin/demo").exists()


def test_apk_verifies_the_signature_and_refuses_a_stranger_s(repository: Path) -> None:
    genuine = Genuine(repository)
    path = "/mnt/repository/x86_64/demo-1.2.3_rc1-r4.apk"
    assert genuine.apk("verify", "--keys-dir", "/mnt/keys", path).strip() == f"{path}: 0 - OK"
    (repository / "none").mkdir()
    assert genuine.run("apk", "verify", "--keys-dir", "/mnt/none", path).returncode != 0


def test_apk_s_own_index_of_the_packages_says_the_same(repository: Path) -> None:
    genuine = Genuine(repository)
    names = [f"/mnt/repository/x86_64/{path.name}" for path in (repository / "repository" / "x86_64").glob("*.apk")]
    genuine.apk("index", "--keys-dir", "/mnt/keys", "--no-warnings", "-o", "/mnt/APKINDEX.tar.gz", *names)
    theirs = read_index((repository / "APKINDEX.tar.gz").read_bytes(), None)
    assert set(theirs) == {index_entry(package) for package in read_all(repository).values()}
    ours = read_index((repository / "repository/x86_64/APKINDEX.tar.gz").read_bytes(), None)
    assert set(ours) == set(theirs)


def test_apk_orders_versions_alike(tmp_path: Path) -> None:
    texts = [text for pair in (*ORDERED, *SAME) for text in pair] + list(INVALID)
    pairs = list(combinations(dict.fromkeys(texts), 2))[::3]
    (tmp_path / "pairs").write_text("".join(f"{a} {b}\n" for a, b in pairs))
    done = Genuine(tmp_path).run(
        "sh", "-c", 'while read -r a b; do apk version -t "$a" "$b" < /dev/null; done < /mnt/pairs'
    )
    answers = done.stdout.split()
    assert len(answers) == len(pairs) > 1000, done.stderr
    wrong = [
        (a, b, answer) for (a, b), answer in zip(pairs, answers, strict=True) if "=><"[version.compare(a, b)] != answer
    ]
    assert wrong == []
