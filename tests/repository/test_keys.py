"""Keys: made so that nobody else reads them, found where they are, named as apk wants them."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from bivy.apk.errors import ApkError
from bivy.apk.sign import load_private_key, load_public_key
from bivy.errors import BivyError, UsageError
from bivy.repository.keys import find_key, keys_folder, load_signer, new_key


def test_a_pair_is_named_like_abuild_keygens_and_only_its_owner_reads_the_private_one(tmp_path: Path) -> None:
    private, public = new_key(tmp_path / "new" / "keys", "someone@example.org", bits=1024)
    assert re.fullmatch(r"someone@example\.org-[0-9a-f]{8}\.rsa", private.name)
    assert public.name == f"{private.name}.pub"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    assert load_private_key(private).public == load_public_key(public)
    assert load_signer(private).name == public.name


def test_no_key_is_ever_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    private, public = new_key(tmp_path, "a", bits=1024)
    private.unlink()
    before = public.read_bytes()
    with pytest.raises(BivyError, match="is there already"):
        new_key(tmp_path, "a", bits=1024)
    assert public.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [public]


@pytest.mark.parametrize("name", ["../a", "a/b", ".a", "a b", "-a", "a\n"])
def test_a_name_that_cannot_be_a_files_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a key's name"):
        new_key(tmp_path, name, bits=1024)
    assert list(tmp_path.iterdir()) == []


def test_the_only_key_of_a_person_is_found_and_of_several_one_has_to_be_told(tmp_path: Path) -> None:
    assert find_key(None, tmp_path) is None
    (tmp_path / "a-1.rsa").touch()
    (tmp_path / "a-1.rsa.pub").touch()
    assert find_key(None, tmp_path) == tmp_path / "a-1.rsa"
    (tmp_path / "b-2.rsa").touch()
    with pytest.raises(UsageError, match="there are 2 keys") as caught:
        find_key(None, tmp_path)
    assert "--key" in (caught.value.hint or "")
    assert find_key(tmp_path / "b-2.rsa", tmp_path) == tmp_path / "b-2.rsa"


def test_keys_are_where_a_persons_settings_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert keys_folder() == tmp_path / "bivy" / "keys"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert keys_folder() == tmp_path / ".config" / "bivy" / "keys"


def test_a_public_key_does_not_sign(tmp_path: Path) -> None:
    _, public = new_key(tmp_path, "a", bits=1024)
    with pytest.raises(ApkError, match="a private RSA key is needed"):
        load_signer(public)
