"""Signatures as apk makes and checks them: RSA with PKCS #1 v1.5 padding (RFC 8017), keys in PEM.

A signature is a segment of its own before what it signs: a tar archive, cut, with one file whose name says the kind
(``.SIGN.RSA.`` over SHA-1, ``.SIGN.RSA256.`` over SHA-256) and the file of the public key in ``/etc/apk/keys``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from bivy.apk import der, segments, tar
from bivy.apk.entry import Entry, Kind
from bivy.apk.errors import ApkError, UntrustedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import TypeVar

    _Key = TypeVar("_Key")

# RFC 8017, section 9.2, note 1: DigestInfo up to the digest.
_SHA1_PREFIX = bytes.fromhex("3021300906052b0e03021a05000414")
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_RSA = bytes.fromhex("2a864886f70d010101")
_FEWEST_BITS = 1024
_SIGNATURE = re.compile(r"\.SIGN\.(RSA|RSA256)\.([^/]+)")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An RSA public key."""

    modulus: int
    exponent: int

    @property
    def size(self) -> int:
        """Bytes of a signature."""
        return (self.modulus.bit_length() + 7) // 8


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An RSA private key: the public one, the private exponent, and the two primes."""

    public: PublicKey
    exponent: int
    first_prime: int
    second_prime: int

    def __repr__(self) -> str:
        return f"PrivateKey(of {self.public.modulus.bit_length()} bits)"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, and how.

    Attributes:
        key: The private key.
        name: The file of its public key in ``/etc/apk/keys``: ``someone@example.org-6165ee59.rsa.pub``.
        sha256: Whether to sign SHA-256, which apk reads since 2.7; the default is what Alpine itself does.
    """

    key: PrivateKey
    name: str
    sha256: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """The segment that signatures are for.

    Attributes:
        members: What is in it.
        start: Where it begins in the file.
        end: Where what follows it begins.
        signatures: The files of the segment before it, none where it is not signed.
    """

    members: tuple[tar.Member, ...]
    start: int
    end: int
    signatures: tuple[tar.Member, ...] = ()


def _checked_public(modulus: int, exponent: int) -> PublicKey:
    if modulus.bit_length() < _FEWEST_BITS or modulus % 2 == 0:
        raise ApkError(f"an RSA key needs an odd modulus of at least {_FEWEST_BITS} bits")
    if exponent < 3 or exponent % 2 == 0 or exponent >= modulus:
        raise ApkError("an RSA key's public exponent is an odd number from 3 on")
    return PublicKey(modulus, exponent)


def _check_algorithm(value: der.Value) -> None:
    parts = der.read_values(value.content) if value.tag == der.SEQUENCE else ()
    if [part.tag for part in parts] != [der.OBJECT, der.NULL] or parts[0].content != _RSA:
        raise ApkError("the key is not an RSA key")


def _parse_rsa_private(data: bytes) -> PrivateKey:
    """Read RSAPrivateKey (RFC 8017, appendix A.1.2)."""
    numbers = [der.read_integer(value) for value in der.read_sequence(data)]
    if len(numbers) != 9 or numbers[0] != 0:
        raise ApkError("the key is not an RSA key with two primes")
    _, modulus, public, exponent, first, second, *_ = numbers
    if first < 3 or second < 3 or first * second != modulus or exponent >= modulus:
        raise ApkError("the numbers of the RSA key do not belong together")
    if any(exponent * public % (prime - 1) != 1 for prime in (first, second)):
        raise ApkError("the numbers of the RSA key do not belong together")
    return PrivateKey(_checked_public(modulus, public), exponent, first, second)


def parse_private_key(text: str) -> PrivateKey:
    """Read a private key in PEM: PKCS #1 (``RSA PRIVATE KEY``) or PKCS #8 (``PRIVATE KEY``, RFC 5958).

    Raises:
        ApkError: It is another kind of key, encrypted, or damaged.
    """
    label, data = der.read_pem(text)
    if label == "RSA PRIVATE KEY":
        return _parse_rsa_private(data)
    if label == "PRIVATE KEY":
        parts = der.read_sequence(data)
        if [part.tag for part in parts[:3]] != [der.INTEGER, der.SEQUENCE, der.OCTET_STRING]:
            raise ApkError("the key is not in PKCS #8")
        _check_algorithm(parts[1])
        return _parse_rsa_private(parts[2].content)
    hint = "remove the passphrase: openssl pkey -in KEY -out NEW" if "ENCRYPTED" in label else None
    raise ApkError(f"a private RSA key is needed, not {label}", hint=hint)


def parse_public_key(text: str) -> PublicKey:
    """Read a public key in PEM: SubjectPublicKeyInfo (``PUBLIC KEY``, RFC 5280, section 4.1).

    Raises:
        ApkError: It is another kind of key, or damaged.
    """
    label, data = der.read_pem(text)
    if label != "PUBLIC KEY":
        raise ApkError(f"a public key is needed, not {label}")
    parts = der.read_sequence(data)
    if [part.tag for part in parts] != [der.SEQUENCE, der.BIT_STRING] or parts[1].content[:1] != b"\0":
        raise ApkError("the key is not a SubjectPublicKeyInfo")
    _check_algorithm(parts[0])
    numbers = [der.read_integer(value) for value in der.read_sequence(parts[1].content[1:])]
    if len(numbers) != 2:
        raise ApkError("the key is not an RSA key")
    return _checked_public(*numbers)


def _load(path: Path, parse: Callable[[str], _Key]) -> _Key:
    try:
        return parse(path.read_text(encoding="ascii"))
    except OSError as fault:
        raise ApkError(f"cannot read the key {path}: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise ApkError(f"{path} is not a key in PEM") from None
    except ApkError as fault:
        raise ApkError(f"{path}: {fault}", hint=fault.hint) from None


def load_private_key(path: Path) -> PrivateKey:
    """Read a private key from a file.

    Raises:
        ApkError: There is none that :func:`parse_private_key` can read; the message names the file.
    """
    return _load(path, parse_private_key)


def load_public_key(path: Path) -> PublicKey:
    """Read a public key from a file.

    Raises:
        ApkError: There is none that :func:`parse_public_key` can read; the message names the file.
    """
    return _load(path, parse_public_key)


def format_private_key(key: PrivateKey) -> str:
    """Return a private key in PEM, PKCS #1."""
    first, second = key.first_prime, key.second_prime
    numbers = (0, key.public.modulus, key.public.exponent, key.exponent, first, second, key.exponent % (first - 1),
               key.exponent % (second - 1), pow(second, -1, first))  # fmt: skip
    return der.write_pem("RSA PRIVATE KEY", der.write_integers(*numbers))


def format_public_key(key: PublicKey) -> str:
    """Return a public key in PEM, as it lies in ``/etc/apk/keys``."""
    algorithm = der.write_value(der.SEQUENCE, der.write_value(der.OBJECT, _RSA) + der.write_value(der.NULL, b""))
    bits = der.write_value(der.BIT_STRING, b"\0" + der.write_integers(key.modulus, key.exponent))
    return der.write_pem("PUBLIC KEY", der.write_value(der.SEQUENCE, algorithm + bits))


def _is_prime(number: int, rounds: int = 40) -> bool:
    """Test by Miller and Rabin (FIPS 186-5, appendix B.3.1)."""
    import secrets

    # Most numbers have a small divisor: a prime one, but to look for those takes longer.
    if any(number % small == 0 for small in range(3, 2000, 2)):
        return False
    shift = ((number - 1) & -(number - 1)).bit_length() - 1
    for _ in range(rounds):
        power = pow(secrets.randbelow(number - 3) + 2, (number - 1) >> shift, number)
        if power in (1, number - 1):
            continue
        for _ in range(shift - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def _new_prime(bits: int, exponent: int) -> int:
    import secrets

    while True:
        # The two highest bits set: the product of two has all the bits asked for.
        number = secrets.randbits(bits) | 3 << (bits - 2) | 1
        if number % exponent != 1 and _is_prime(number):
            return number


def generate_key(bits: int = 4096) -> PrivateKey:
    """Make a new key from the system's random numbers; 4096 bits take some seconds.

    Raises:
        ApkError: So short a key would be no use.
    """
    if bits < _FEWEST_BITS or bits % 2:
        raise ApkError(f"a key has an even number of bits, at least {_FEWEST_BITS}")
    exponent = 65537
    first, second = _new_prime(bits // 2, exponent), _new_prime(bits // 2, exponent)
    if first == second:
        return generate_key(bits)
    private = pow(exponent, -1, (first - 1) * (second - 1))
    return PrivateKey(PublicKey(first * second, exponent), private, first, second)


def _padded_digest(message: bytes | memoryview, size: int, *, sha256: bool) -> int:
    """EMSA-PKCS1-v1_5 (RFC 8017, section 9.2)."""
    if sha256:
        digest = _SHA256_PREFIX + hashlib.sha256(message).digest()
    else:
        digest = _SHA1_PREFIX + hashlib.sha1(message, usedforsecurity=False).digest()
    return int.from_bytes(b"\0\x01" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest)


def sign(key: PrivateKey, message: bytes, *, sha256: bool) -> bytes:
    """Return the signature of a message (RSASSA-PKCS1-v1_5, RFC 8017, section 8.2.1).

    Raises:
        ApkError: The key's numbers are damaged.
    """
    size = key.public.size
    padded = _padded_digest(message, size, sha256=sha256)
    first, second = key.first_prime, key.second_prime
    # By the Chinese remainder theorem, which is four times as fast.
    one, other = pow(padded, key.exponent % (first - 1), first), pow(padded, key.exponent % (second - 1), second)
    signature = other + second * ((one - other) * pow(second, -1, first) % first)
    # A signature with a fault in one half would give the primes away.
    if pow(signature, key.public.exponent, key.public.modulus) != padded:
        raise ApkError("the private key makes signatures that its public key does not confirm")
    return signature.to_bytes(size)


def verify(key: PublicKey, message: bytes | memoryview, signature: bytes, *, sha256: bool) -> bool:
    """Tell whether a signature is the key's own for this message (RFC 8017, section 8.2.2)."""
    number = int.from_bytes(signature)
    if len(signature) != key.size or number >= key.modulus:
        return False
    return pow(number, key.exponent, key.modulus) == _padded_digest(message, key.size, sha256=sha256)


def signature_segment(
    signer: Signer, signed: bytes, mtime: int, *, compress: Callable[[bytes], bytes] = segments.compress
) -> bytes:
    """Return the segment that goes before the `signed` bytes.

    Raises:
        ApkError: The signer's name is not a file's.
    """
    path = f".SIGN.{'RSA256' if signer.sha256 else 'RSA'}.{signer.name}"
    if not _SIGNATURE.fullmatch(path):
        raise ApkError(f"{signer.name!r} is not the name of a public key's file")
    content = sign(signer.key, signed, sha256=signer.sha256)
    return compress(tar.write_members([Entry(path, Kind.FILE, 0o644, mtime=mtime, content=content)]))


def read_signed(source: bytes, bound: int, where: str) -> Signed:
    """Read the first segment of a file, or the second where the first has the signatures.

    Args:
        source: The whole file.
        bound: The most bytes that a segment may unpack to.
        where: What the file is called, for messages.

    Raises:
        ApkError: A segment is not a sound archive.
    """
    content, end = segments.read_segment(source, 0, bound, where)
    members = tar.read_members(content, where)
    if not members or not members[0].entry.path.startswith(".SIGN."):
        return Signed(members, 0, end)
    content, after = segments.read_segment(source, end, bound, where)
    return Signed(tar.read_members(content, where), end, after, members)


def check_signatures(
    signatures: Iterable[tar.Member],
    signed: bytes | memoryview,
    keys: Mapping[str, PublicKey],
    where: str,
    folder: str = "",
) -> str:
    """Make sure that one of the signatures is by one of the keys.

    Args:
        signatures: The files of the signature segment.
        signed: What they sign.
        keys: The keys to trust, by the name of their file.
        where: What the file is called, for messages.
        folder: Where the keys are from, for messages.

    Returns:
        The name of the key that it is signed by.

    Raises:
        UntrustedError: None is by a key given.
        ApkError: One of these does not fit.
    """
    names: list[str] = []
    for member in signatures:
        match = _SIGNATURE.fullmatch(member.entry.path)
        if match is None:
            continue
        kind, name = match.groups()
        names.append(name)
        if name not in keys:
            continue
        if not verify(keys[name], signed, member.entry.content, sha256=kind == "RSA256"):
            raise ApkError(f"{where}: the signature by {name} is wrong", hint="it was changed: fetch it again")
        return name
    if not names:
        raise UntrustedError(f"{where} is not signed", hint="--allow-untrusted takes what nobody vouches for")
    raise UntrustedError(
        f"{where} is signed by {', '.join(names)}, whose key is not {f'in {folder}' if folder else 'trusted'}",
        hint=f"trusted are: {', '.join(sorted(keys)) or 'none'}",
    )
