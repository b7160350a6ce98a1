"""Keys in DER and PEM: the few types of ASN.1 that an RSA key is made of (ITU-T X.690, RFC 7468)."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

from bivy.apk.errors import ApkError

INTEGER, BIT_STRING, OCTET_STRING, NULL, OBJECT, SEQUENCE = 0x02, 0x03, 0x04, 0x05, 0x06, 0x30

_ARMOUR = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s*\n(.*?)-----END ([A-Z0-9 ]+)-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its tag and the bytes of its content."""

    tag: int
    content: bytes


def _read_length(data: bytes, position: int) -> tuple[int, int]:
    first = data[position]
    if first < 0x80:
        return first, position + 1
    count = first & 0x7F
    raw = data[position + 1 : position + 1 + count]
    # DER has one way to write each length; BER's others and its indefinite length are refused.
    if not 1 <= count <= 4 or len(raw) != count or raw[0] == 0 or int.from_bytes(raw) < 0x80:
        raise ApkError("a length in the key is not DER")
    return int.from_bytes(raw), position + 1 + count


def read_values(data: bytes) -> tuple[Value, ...]:
    """Read values that follow one another and fill `data`.

    Raises:
        ApkError: They do not, or a length is not written as DER wants it.
    """
    values: list[Value] = []
    position = 0
    while position < len(data):
        if position + 2 > len(data):
            raise ApkError("the key is truncated")
        tag = data[position]
        length, start = _read_length(data, position + 1)
        if start + length > len(data):
            raise ApkError("the key is truncated")
        values.append(Value(tag, data[start : start + length]))
        position = start + length
    return tuple(values)


def read_sequence(data: bytes) -> tuple[Value, ...]:
    """Read one SEQUENCE that fills `data`, and return what is in it.

    Raises:
        ApkError: It is something else.
    """
    values = read_values(data)
    if [value.tag for value in values] != [SEQUENCE]:
        raise ApkError("the key is not one SEQUENCE")
    return read_values(values[0].content)


def read_integer(value: Value) -> int:
    """Read an INTEGER that is not negative.

    Raises:
        ApkError: It is something else, or not written as short as it can be.
    """
    content = value.content
    if value.tag != INTEGER or not content:
        raise ApkError("a number in the key is missing")
    if content[0] & 0x80 or (len(content) > 1 and content[0] == 0 and not content[1] & 0x80):
        raise ApkError("a number in the key is not DER")
    return int.from_bytes(content)


def write_value(tag: int, content: bytes) -> bytes:
    """Return one value in DER."""
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    raw = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(raw)]) + raw + content


def write_integers(*numbers: int) -> bytes:
    """Return a SEQUENCE of INTEGERs in DER."""
    values = (write_value(INTEGER, number.to_bytes(number.bit_length() // 8 + 1)) for number in numbers)
    return write_value(SEQUENCE, b"".join(values))


def read_pem(text: str) -> tuple[str, bytes]:
    """Read the one value in a PEM file: its label, such as ``PUBLIC KEY``, and its bytes.

    Raises:
        ApkError: There is not exactly one, or its base64 is damaged.
    """
    found = _ARMOUR.findall(text)
    if len(found) != 1 or found[0][0] != found[0][2]:
        raise ApkError("not one key in PEM", hint="a key begins with -----BEGIN … KEY-----")
    label, body, _ = found[0]
    if "Proc-Type:" in body:
        return "ENCRYPTED " + label, b""
    try:
        return label, binascii.a2b_base64("".join(body.split()), strict_mode=True)
    except binascii.Error:
        raise ApkError("the key's base64 is damaged") from None


def write_pem(label: str, content: bytes) -> str:
    """Return a value as a PEM file."""
    text = binascii.b2a_base64(content, newline=False).decode()
    lines = [text[index : index + 64] for index in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
