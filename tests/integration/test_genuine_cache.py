"""What bivy keeps in a root's cache is what genuine apk looks for there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from bivy.apk.fetch.cache import cache_of_root
from bivy.apk.fetch.client import Client
from bivy.apk.fetch.repository import Repository
from bivy.apk.fetch.transfer import Transfer
from bivy.apk.index import parse_index
from bivy.apk.keys import load_keys
from bivy.apk.sign import Signer, generate_key
from tests.integration.test_genuine_apk import ROOT, Genuine, make_repository, pytestmark
from tests.loopback import serve

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["pytestmark"]


def test_apk_installs_without_network_from_a_cache_that_bivy_filled(tmp_path: Path) -> None:
    make_repository(tmp_path, Signer(generate_key(1024), "tests@example.org-0001.rsa.pub"))
    root = tmp_path / "root"
    shutil.copytree(ROOT or "", root, symlinks=True)
    (root / "etc/apk/cache").mkdir()
    with serve() as site, Client(
        "x86_64",
        load_keys(tmp_path / "keys"),
        cache=cache_of_root(str(root)),
        transfer=Transfer(environ={}),
    ) as client:  # fmt: skip
        site.files |= {f"/{path.name}": path.read_bytes() for path in (tmp_path / "repository/x86_64").iterdir()}
        site.files = {f"/repository/x86_64{path}": content for path, content in site.files.items()}
        repository = Repository(site.url("/repository"))
        (opened,) = client.open_indexes([repository])
        for entry in parse_index(opened.text, "x"):
            client.fetch_package(entry, [repository])
    (tmp_path / "repositories").write_text(f"{repository.url}\n")
    shutil.rmtree(tmp_path / "repository")
    said = Genuine(tmp_path).apk(
        "--root", "/mnt/root", "--keys-dir", "/mnt/keys", "--repositories-file", "/mnt/repositories", "--no-network",
        "add", "--no-chown", "demo",
    )  # fmt: skip
    assert "Installing base (1.0-r0)" in said
    assert "Installing demo (1.2.3_rc1-r4)" in said
