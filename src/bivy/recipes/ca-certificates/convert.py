"""Turn Mozilla's certdata.txt into certificate files, one bundle, and the links that OpenSSL finds them by.

certdata.txt is NSS's list of PKCS #11 objects: certificates, and what each is trusted for. OpenSSL looks a certificate
up by the hash of its subject (X509_NAME_hash_ex, crypto/x509/x509_cmp.c; x_name.c says what the canonical form is).
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, str | bytes]

SEQUENCE, SET, UTF8_STRING = 0x30, 0x31, 0x0C
# The string types that OpenSSL brings into one form, with their encodings: UTF8String, NumericString,
# PrintableString, T61String, IA5String, VisibleString, UniversalString, BMPString (X.680, table 1).
TEXT = {12: "utf-8", 18: "ascii", 19: "ascii", 20: "latin-1", 22: "ascii", 26: "ascii", 28: "utf-32-be",
        30: "utf-16-be"}  # fmt: skip


def read_objects(text: str) -> Iterator[Object]:
    """Yield the objects of certdata.txt, their attributes by name; octal values as bytes, all others as they stand."""
    found: Object = {}
    lines = iter(text[text.index("BEGINDATA") :].splitlines()[1:])
    for line in lines:
        words = line.split(None, 2)
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "CKA_CLASS":
            if found:
                yield found
            found = {}
        if words[1:] == ["MULTILINE_OCTAL"]:
            octal = ""
            while (line := next(lines)) != "END":
                octal += line
            found[words[0]] = bytes(int(digits, 8) for digits in re.findall(r"\\([0-7]{3})", octal))
        else:
            found[words[0]] = words[2] if len(words) > 2 else ""
    yield found


def trusted_for_servers(objects: list[Object]) -> Iterator[tuple[str, bytes]]:
    """Yield label and DER of each certificate that is trusted to sign those of servers."""
    trusted = {
        (found["CKA_ISSUER"], found["CKA_SERIAL_NUMBER"])
        for found in objects
        if found["CKA_CLASS"] == "CKO_NSS_TRUST" and found["CKA_TRUST_SERVER_AUTH"] == "CKT_NSS_TRUSTED_DELEGATOR"
    }
    for found in objects:
        if found["CKA_CLASS"] == "CKO_CERTIFICATE" and (found["CKA_ISSUER"], found["CKA_SERIAL_NUMBER"]) in trusted:
            label, value = found["CKA_LABEL"], found["CKA_VALUE"]
            assert isinstance(label, str)
            assert isinstance(value, bytes)
            yield label.strip('"').encode().decode("unicode_escape").encode("latin-1").decode(), value


def file_name(label: str) -> str:
    """Name a certificate's file as Alpine and Debian do: ``ISRG Root X1`` is in ``ISRG_Root_X1.crt``."""
    return re.sub(r"\s", "_", label.replace("/", "_")).replace("(", "=").replace(")", "=").replace(",", "_") + ".crt"


def elements(der: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield tag, content and whole encoding of each element in a DER sequence's content (X.690)."""
    at = 0
    while at < len(der):
        start, length, at = at, der[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(der[at : at + count], "big"), at + count
        yield der[start], der[at : at + length], der[start : at + length]
        at += length


def encode(tag: int, content: bytes) -> bytes:
    """Encode one DER element."""
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def canonical_value(tag: int, content: bytes, whole: bytes) -> bytes:
    """Bring a text into the form in which OpenSSL compares names: lower case, single spaces, UTF-8."""
    if tag not in TEXT:
        return whole
    words = re.split(r"[ \t\n\v\f\r]+", content.decode(TEXT[tag]).strip(" \t\n\v\f\r"))
    lowered = " ".join(words).translate({upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)})
    return encode(UTF8_STRING, lowered.encode())


def subject_hash(certificate: bytes) -> str:
    """Compute the eight digits by which OpenSSL looks a certificate up in a folder."""
    [(_, outer, _)] = elements(certificate)
    to_be_signed = [*elements(next(elements(outer))[1])]
    has_version = to_be_signed[0][0] == 0xA0
    subject = to_be_signed[5 if has_version else 4][1]
    canonical = b""
    for _, attributes, _ in elements(subject):
        encoded = []
        for _, attribute, _ in elements(attributes):
            (_, _, identifier), value = elements(attribute)
            encoded.append(encode(SEQUENCE, identifier + canonical_value(*value)))
        canonical += encode(SET, b"".join(sorted(encoded)))
    return f"{int.from_bytes(hashlib.sha1(canonical, usedforsecurity=False).digest()[:4], 'little'):08x}"


def to_pem(certificate: bytes) -> str:
    """Write a certificate as text (RFC 7468)."""
    text = base64.b64encode(certificate).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def main(certdata: Path, root: Path) -> None:
    """Write the files below `root`."""
    certificates = {
        file_name(label): der for label, der in trusted_for_servers(list(read_objects(certdata.read_text())))
    }
    folder, links = root / "usr/share/ca-certificates/mozilla", root / "etc/ssl/certs"
    folder.mkdir(parents=True)
    links.mkdir(parents=True)
    taken: dict[str, int] = {}
    for name, der in sorted(certificates.items()):
        (folder / name).write_text(to_pem(der))
        link = f"ca-cert-{name.removesuffix('.crt')}.pem"
        (links / link).symlink_to(f"/usr/share/ca-certificates/mozilla/{name}")
        digits = subject_hash(der)
        (links / f"{digits}.{taken.setdefault(digits, 0)}").symlink_to(link)
        taken[digits] += 1
    (links / "ca-certificates.crt").write_text("".join(f"{to_pem(der)}\n" for _, der in sorted(certificates.items())))
    (root / "etc/ssl/cert.pem").symlink_to("certs/ca-certificates.crt")
    chosen = "".join(f"mozilla/{name}\n" for name in sorted(certificates))
    (root / "etc/ca-certificates.conf").write_text(
        f"# The certificates that update-ca-certificates takes; one with a ! before it is left out.\n{chosen}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
