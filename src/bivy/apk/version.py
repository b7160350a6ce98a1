"""Which of two versions is newer, decided exactly as apk-tools 2.14 does.

A version is numbers with dots, a letter, suffixes with numbers, and a revision: ``1.2.3b_rc1-r4``. The order is that
of apk-tools 2.14's ``apk version -t``. apk-tools 3 differs where a number has several leading zeros (2.14:
``8.2.001 < 8.2.0``) and knows a commit after ``~``, which is not a valid version here.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import IntEnum

from bivy.apk.errors import ApkError

_BEFORE = ("alpha", "beta", "pre", "rc")
_AFTER = ("cvs", "svn", "git", "hg", "p")
_DIGITS = frozenset("0123456789")
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
# Longer numbers do not surely fit what apk counts in.
_MOST_DIGITS = 17
# Most versions are like that. Those that are not may be valid, too.
_PLAIN = re.compile(rf"[0-9]{{1,{_MOST_DIGITS}}}(?:\.[0-9]{{1,{_MOST_DIGITS}}})*(?:-r[0-9]{{1,{_MOST_DIGITS}}})?")


class _Token(IntEnum):
    """What a part of a version is; of two versions that are alike so far, the one with the lower part is newer."""

    INVALID = -1
    DIGIT_OR_ZERO = 0
    DIGIT = 1
    LETTER = 2
    SUFFIX = 3
    SUFFIX_NUMBER = 4
    REVISION = 5
    END = 6


# A suffix such as _rc is older than the end of the version, the last of the tokens.
_BEFORE_END = -7


def _kind_of_next(kind: _Token, rest: str) -> tuple[_Token, str]:
    """Tell what follows a part of the given kind, and what is left to read after its mark."""
    first = rest[0]
    if kind in (_Token.DIGIT, _Token.DIGIT_OR_ZERO) and first in _LOWER:
        return _Token.LETTER, rest
    if kind is _Token.LETTER and first in _DIGITS:
        return _Token.DIGIT, rest
    if kind is _Token.SUFFIX and first in _DIGITS:
        return _Token.SUFFIX_NUMBER, rest
    if first == "." and kind <= _Token.DIGIT:
        return _Token.DIGIT_OR_ZERO, rest[1:]
    if first == "_" and kind <= _Token.SUFFIX_NUMBER:
        return _Token.SUFFIX, rest[1:]
    if rest.startswith("-r"):
        return _Token.REVISION, rest[2:]
    return _Token.INVALID, rest


def _read_suffix(rest: str) -> tuple[int | None, str]:
    for number, suffix in enumerate(_BEFORE):
        if rest.startswith(suffix):
            return number - len(_BEFORE), rest.removeprefix(suffix)
    for number, suffix in enumerate(_AFTER):
        if rest.startswith(suffix):
            return number, rest.removeprefix(suffix)
    return None, rest


def _read_number(rest: str) -> tuple[int | None, str]:
    length = next((index for index, letter in enumerate(rest) if letter not in _DIGITS), len(rest))
    if length > _MOST_DIGITS:
        return None, rest
    return int(rest[:length] or "0"), rest[length:]


def _read_part(kind: _Token, rest: str) -> tuple[int | None, _Token | None, str]:
    """Read the value of one part: the value, the kind that has to follow where that is certain, and what is left."""
    if kind is _Token.DIGIT_OR_ZERO and rest.startswith("0"):
        zeros = len(rest) - len(rest.lstrip("0"))
        return 1 - zeros, _Token.DIGIT, rest[zeros - 1 :]
    if kind is _Token.LETTER:
        return ord(rest[0]), None, rest[1:]
    value, rest = _read_suffix(rest) if kind is _Token.SUFFIX else _read_number(rest)
    return value, None, rest


def _rank(kind: _Token, value: int) -> int:
    return _BEFORE_END if kind is _Token.SUFFIX and value < 0 else -kind


@functools.lru_cache(maxsize=4096)
def _key(version: str) -> tuple[tuple[int, int], ...]:
    """Return what orders versions when compared as tuples; its end tells whether the version is valid."""
    parts: list[tuple[int, int]] = []
    kind, rest = _Token.DIGIT, version
    while kind not in (_Token.END, _Token.INVALID):
        value, following, rest = _read_part(kind, rest) if rest else (0, None, "")
        if value is None:
            parts.append((_rank(kind, -1), -1))
            kind = _Token.INVALID
            continue
        parts.append((_rank(kind, value), value))
        if not rest:
            kind = _Token.END
        elif following is not None:
            kind = following
        else:
            kind, rest = _kind_of_next(kind, rest)
    parts.append((-kind, 0))
    return tuple(parts)


def is_valid(version: str) -> bool:
    """Tell whether apk takes this for a version."""
    return _PLAIN.fullmatch(version) is not None or _key(version)[-1] == (-_Token.END, 0)


def compare(first: str, second: str) -> int:
    """Return -1 where `first` is older than `second`, 1 where it is newer, 0 where apk holds them for the same.

    Versions that are not valid have a place too: they are compared up to their first fault, as apk does.
    """
    one, other = _key(first), _key(second)
    return (one > other) - (one < other)


def _kind_in(key: tuple[tuple[int, int], ...], index: int) -> int:
    rank = key[index][0]
    return _Token.SUFFIX if rank == _BEFORE_END else -rank


def _agree(version: str, wanted: str) -> bool:
    """Tell whether two versions are alike as far as both have parts of the same kinds: ``3`` and ``3.6`` are."""
    one, other = _key(version), _key(wanted)
    for index in range(min(len(one), len(other))):
        if _kind_in(one, index) != _kind_in(other, index):
            return True
        if one[index] != other[index]:
            return False
    return True


def satisfies(version: str, operator: str, wanted: str) -> bool:
    """Tell whether a version is one that a dependency asks for.

    Args:
        version: What there is.
        operator: One of ``=``, ``<``, ``>``, ``<=``, ``>=`` and ``~`` (all that begins with the parts of `wanted`, and
            what is itself the beginning of it), ``<~`` and ``>~`` (that, or what is older or newer).
        wanted: What the dependency names.

    Raises:
        ApkError: The operator is none of these.
    """
    order = compare(version, wanted)
    match operator:
        case "=":
            return order == 0
        case "<":
            return order < 0
        case ">":
            return order > 0
        case "<=":
            return order <= 0
        case ">=":
            return order >= 0
        case "~":
            return _agree(version, wanted)
        case "<~":
            return order < 0 or _agree(version, wanted)
        case ">~":
            return order > 0 or _agree(version, wanted)
        case _:
            raise ApkError(
                f"unknown operator {operator!r} before version {wanted}", hint="known are = < > <= >= ~ <~ >~"
            )


@functools.total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A valid version, to sort by and to compare with; equal where apk holds two for the same.

    Attributes:
        text: The version as written.

    Raises:
        ApkError: apk would not take it for a version.
    """

    text: str

    def __post_init__(self) -> None:
        if not is_valid(self.text):
            raise ApkError(
                f"{self.text!r} is not a version",
                hint="a version is like 1.2.3b_rc1-r4: numbers, a letter, suffixes, a revision",
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and _key(self.text) == _key(other.text)

    def __lt__(self, other: Version) -> bool:
        return _key(self.text) < _key(other.text)

    def __hash__(self) -> int:
        return hash(_key(self.text))

    def __str__(self) -> str:
        return self.text
