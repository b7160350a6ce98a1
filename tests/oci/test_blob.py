from pathlib import Path

import pytest

from bivy.errors import BivyError
from bivy.oci.blob import Blob, digest_of, is_digest


def test_bytes_are_known_by_their_sha256() -> None:
    blob = Blob.of(b"abc")
    assert blob.digest == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (blob.size, blob.read()) == (3, b"abc")


def test_a_file_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    blob = Blob(digest_of(b"abc"), 3, tmp_path / "blob", "manifest x")
    with pytest.raises(BivyError, match=f"blob {blob.digest}, which manifest x refers to, is missing: {tmp_path}"):
        blob.read()
    (tmp_path / "blob").write_bytes(b"abc")
    assert blob.read() == b"abc"
    (tmp_path / "blob").write_bytes(b"abd")
    with pytest.raises(BivyError, match=f"blob {blob.digest}, which manifest x refers to, was altered") as fault:
        blob.read()
    assert fault.value.hint


@pytest.mark.parametrize("text", ["sha256:../../etc/passwd", "sha256:" + "A" * 64, "sha512:" + "a" * 128, "a" * 64, ""])
def test_what_is_no_digest_never_becomes_a_path(text: str) -> None:
    assert not is_digest(text)
