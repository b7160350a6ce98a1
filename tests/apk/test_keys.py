from __future__ import annotations

import os
from pathlib import Path

import pytest

from bivy.apk.errors import ApkError
from bivy.apk.keys import load_keys
from bivy.apk.sign import Signer, format_public_key


def test_a_broken_key_is_named_and_the_others_count(tmp_path: Path, signer: Signer) -> None:
    public = signer.key.public
    (tmp_path / signer.name).write_text(format_public_key(public))
    (tmp_path / "other.rsa.pub").write_text(format_public_key(public))
    (tmp_path / "a-binary.rsa.pub").write_bytes(b"\xff\xfe")
    (tmp_path / "b-broken.rsa.pub").write_text("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n")
    (tmp_path / "c-nowhere.rsa.pub").symlink_to("nowhere")
    (tmp_path / ".hidden").write_text("nothing")
    (tmp_path / "aarch64").mkdir()
    os.mkfifo(tmp_path / "pipe")
    said: list[str] = []
    assert load_keys(tmp_path, said.append) == {"other.rsa.pub": public, signer.name: public}
    assert [message.split(" is not used: ")[0] for message in said] == [
        f"WARNING: the key {tmp_path}/{name}.rsa.pub" for name in ("a-binary", "b-broken", "c-nowhere")
    ]
    assert "not a key in PEM" in said[0]
    assert "No such file" in said[2]


def test_without_a_folder_there_are_no_keys(tmp_path: Path) -> None:
    assert load_keys(tmp_path / "none") == {}
    (tmp_path / "file").write_text("")
    with pytest.raises(ApkError, match=r"cannot read the keys in .*/file: Not a directory"):
        load_keys(tmp_path / "file")
