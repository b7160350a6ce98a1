"""RECORD: which files a wheel says it has, and what is in them.

The format is that of the specification "Recording installed projects"
(https://packaging.python.org/specifications/recording-installed-packages/#the-record-file) and of PEP 427.
"""

from __future__ import annotations

import csv
import hashlib
import io
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from bivy.musl.archives.faults import Faults

LIMIT = 64 << 20
_ALGORITHMS = ("sha256", "sha384", "sha512")
_UNSIGNED = ("RECORD", "RECORD.jws", "RECORD.p7s")


@dataclass(frozen=True, slots=True)
class Line:
    """What RECORD says of one file.

    Attributes:
        algorithm: How its digest is made, ``sha256``; empty where there is none.
        digest: Its digest, in URL-safe base 64 without padding.
    """

    algorithm: str
    digest: str


def parse_record(raw: bytes, faults: Faults) -> dict[str, Line]:
    """Read RECORD: the line of each path; what cannot be read is noted and left out."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        faults.add("RECORD is not UTF-8, so no file can be compared with it")
        return {}
    lines: dict[str, Line] = {}
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            if row:
                _take(row, lines, faults)
    except csv.Error as fault:
        faults.add(f"RECORD cannot be read beyond line {reader.line_num}: {fault}")
    return lines


def _take(row: list[str], lines: dict[str, Line], faults: Faults) -> None:
    path = row[0]
    algorithm, _, digest = row[1].partition("=") if len(row) > 1 else ("", "", "")
    line = Line(algorithm, digest.rstrip("="))
    if algorithm and algorithm not in _ALGORITHMS:
        faults.add("lines of RECORD with a digest that is not SHA-256 or better", path)
    if lines.setdefault(path, line) != line:
        faults.add("files that RECORD has twice with different digests", path)


def compare_names(lines: dict[str, Line], present: Collection[str], folder: str, faults: Faults) -> None:
    """Note files that only RECORD or only the wheel has.

    Args:
        lines: What RECORD says.
        present: The paths in the wheel.
        folder: The wheel's ``.dist-info`` folder.
        faults: Takes what differs.
    """
    paths = set(present)
    exempt = {f"{folder}/{name}" for name in _UNSIGNED}
    for path in lines:
        if path not in paths:
            faults.add("files that RECORD has and the wheel has not", path)
    for path in present:
        if path not in lines and path not in exempt:
            faults.add("files that the wheel has and RECORD has not", path)
        elif path in lines and not lines[path].digest and path not in exempt:
            faults.add("files without a digest in RECORD", path)


class Digest:
    """The digest of a file whose content goes by, to be compared with RECORD's."""

    def __init__(self, line: Line | None) -> None:
        self._line = line
        self._hash = hashlib.new(line.algorithm) if line and line.algorithm in _ALGORITHMS and line.digest else None

    def update(self, content: bytes) -> None:
        """Take the next bytes."""
        if self._hash:
            self._hash.update(content)

    @property
    def differs(self) -> bool:
        """Whether RECORD has another digest; not where it has none that can be compared."""
        if not self._hash or not self._line:
            return False
        return urlsafe_b64encode(self._hash.digest()).rstrip(b"=").decode() != self._line.digest
