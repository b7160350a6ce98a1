from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.apk import der
from bivy.apk.errors import ApkError
from bivy.apk.sign import (
    PublicKey,
    Signer,
    format_private_key,
    format_public_key,
    generate_key,
    load_private_key,
    load_public_key,
    parse_private_key,
    parse_public_key,
    sign,
    signature_segment,
    verify,
)

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def openssl(*argv: str | Path, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *map(str, argv)], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("sha256", [False, True])
def test_a_signature_is_the_key_s_own_for_this_message_alone(signer: Signer, sha256: bool) -> None:
    signature = sign(signer.key, b"message", sha256=sha256)
    public = signer.key.public
    assert len(signature) == public.size
    assert verify(public, b"message", signature, sha256=sha256)
    assert not verify(public, b"massage", signature, sha256=sha256)
    assert not verify(public, b"message", signature, sha256=not sha256)
    assert not verify(generate_key(1024).public, b"message", signature, sha256=sha256)
    assert not verify(public, b"message", signature[:-1] + bytes([signature[-1] ^ 1]), sha256=sha256)


def test_a_signature_of_another_length_or_beyond_the_modulus_is_wrong(signer: Signer) -> None:
    public = signer.key.public
    signature = sign(signer.key, b"message", sha256=True)
    beyond = (int.from_bytes(signature) + public.modulus).to_bytes(public.size + 1)
    assert not verify(public, b"message", b"\0" + signature, sha256=True)
    assert not verify(public, b"message", beyond, sha256=True)
    assert not verify(public, b"message", b"\xff" * public.size, sha256=True)
    assert not verify(public, b"message", b"", sha256=True)


def test_a_forged_padding_is_not_taken(signer: Signer) -> None:
    # Bleichenbacher's forgery needs a checker that looks for the digest and not at what follows.
    forged = PublicKey(signer.key.public.modulus, 3)
    digest = hashlib.sha1(b"message").digest()
    padded = b"\0\x01" + b"\xff" * 8 + b"\0" + bytes.fromhex("3021300906052b0e03021a05000414") + digest
    wanted = int.from_bytes(padded.ljust(forged.size, b"\0"))
    root = 0
    for bit in reversed(range(8 * forged.size // 3 + 1)):
        root |= (root | 1 << bit) ** 3 <= wanted and 1 << bit
    cube = ((root + 1) ** 3).to_bytes(forged.size)
    assert cube.startswith(padded[:30]), "the forgery is one that begins as a signature should"
    assert not verify(forged, b"message", (root + 1).to_bytes(forged.size), sha256=False)


def test_keys_survive_being_written(signer: Signer) -> None:
    assert parse_private_key(format_private_key(signer.key)) == signer.key
    assert parse_public_key(format_public_key(signer.key.public)) == signer.key.public


def test_a_new_key_has_the_bits_asked_for() -> None:
    key = generate_key(1024)
    assert key.public.modulus.bit_length() == 1024
    assert key.first_prime * key.second_prime == key.public.modulus
    with pytest.raises(ApkError, match="at least 1024"):
        generate_key(512)


def test_a_private_key_does_not_show_its_numbers(signer: Signer) -> None:
    assert repr(signer.key) == "PrivateKey(of 1024 bits)"
    assert str(signer.key.first_prime) not in repr(signer)


@needs_openssl
@pytest.mark.parametrize("sha256", [False, True])
def test_openssl_makes_the_same_signatures_and_takes_ours(signer: Signer, sha256: bool, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(format_private_key(signer.key))
    (tmp_path / "pub").write_text(format_public_key(signer.key.public))
    digest = "-sha256" if sha256 else "-sha1"
    ours = sign(signer.key, b"message", sha256=sha256)
    assert openssl("dgst", digest, "-sign", tmp_path / "key", data=b"message") == ours
    (tmp_path / "signature").write_bytes(ours)
    said = openssl("dgst", digest, "-verify", tmp_path / "pub", "-signature", tmp_path / "signature", data=b"message")
    assert said == b"Verified OK\n"


@needs_openssl
def test_keys_that_openssl_made_are_read_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "pkcs8").write_bytes(openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"))
    (tmp_path / "pkcs1").write_bytes(openssl("rsa", "-traditional", "-in", tmp_path / "pkcs8"))
    (tmp_path / "pub").write_bytes(openssl("pkey", "-in", tmp_path / "pkcs8", "-pubout"))
    key = load_private_key(tmp_path / "pkcs8")
    assert load_private_key(tmp_path / "pkcs1") == key
    assert load_public_key(tmp_path / "pub") == key.public


@needs_openssl
def test_other_keys_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "elliptic").write_bytes(openssl("genpkey", "-algorithm", "ED25519"))
    with pytest.raises(ApkError, match=r"elliptic: the key is not"):
        load_private_key(tmp_path / "elliptic")
    rsa = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    (tmp_path / "locked").write_bytes(openssl("pkey", "-aes128", "-passout", "pass:secret", data=rsa))
    with pytest.raises(ApkError, match="not ENCRYPTED PRIVATE KEY") as caught:
        load_private_key(tmp_path / "locked")
    assert "passphrase" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not one key in PEM"),
        (b"\xff", "not a key in PEM"),
        (b"-----BEGIN PUBLIC KEY-----\nA\n-----END PUBLIC KEY-----\n", "base64 is damaged"),
        (b"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n", "not a SubjectPublicKeyInfo"),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "public key is needed, not CERTIFICATE"),
    ],
)
def test_a_file_that_is_no_key_is_refused_by_name(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "someone.rsa.pub"
    path.write_bytes(content)
    with pytest.raises(ApkError, match=rf"someone\.rsa\.pub.*{message}"):
        load_public_key(path)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ApkError, match=r"cannot read the key .*/none: No such file"):
        load_private_key(tmp_path / "none")


def test_numbers_that_do_not_belong_together_are_refused(signer: Signer) -> None:
    public = signer.key.public
    numbers = (0, public.modulus, public.exponent, 5, signer.key.first_prime, signer.key.second_prime, 1, 1, 1)
    with pytest.raises(ApkError, match="do not belong together"):
        parse_private_key(der.write_pem("RSA PRIVATE KEY", der.write_integers(*numbers)))


@pytest.mark.parametrize("name", ["", "../a.rsa.pub", "keys/a.rsa.pub"])
def test_a_signer_needs_the_name_of_a_file(signer: Signer, name: str) -> None:
    with pytest.raises(ApkError, match="not the name of a public key's file"):
        signature_segment(Signer(signer.key, name), b"signed", 0)


@given(st.binary(max_size=40))
def test_any_der_is_read_or_refused(data: bytes) -> None:
    try:
        values = der.read_values(data)
    except ApkError:
        return
    assert b"".join(der.write_value(value.tag, value.content) for value in values) == data


GENERATED = generate_key(1024)


@given(st.integers(0, 4000), st.integers(1, 255))
def test_a_damaged_private_key_is_refused_unless_the_numbers_are_the_same(position: int, change: int) -> None:
    data = bytearray(der.read_pem(format_private_key(GENERATED))[1])
    data[position % len(data)] ^= change
    with contextlib.suppress(ApkError):
        assert parse_private_key(der.write_pem("RSA PRIVATE KEY", bytes(data))) == GENERATED
