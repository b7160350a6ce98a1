"""What packages say of their licence becomes an SPDX expression, where it can be one (SPDX 2.3, annex D)."""

from __future__ import annotations

import re
from typing import Final

# An expression longer than that is none, but a whole licence.
_LONGEST: Final = 1000
_SYNTAX: Final = frozenset({"AND", "OR", "WITH", "(", ")"})
_NO_LETTER: Final = re.compile(r"[^A-Za-z0-9.-]+")

# Trove classifiers that mean exactly one of SPDX's licences (PEP 639, appendix "Mapping License Classifiers"); those
# that leave the version or the variant open, such as "BSD License", stay names.
CLASSIFIERS: Final = {
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
}


def spell_words(told: str) -> str:
    """Return an expression of Alpine's with the word that is none of SPDX's, for what nobody has rights in, as one."""
    return re.sub(r"(?<!LicenseRef-)\bPublic-Domain\b", "LicenseRef-Public-Domain", told)


def expression(told: str) -> str:
    """Return what a package says of its licence as an SPDX expression; empty where it is free text.

    A word that SPDX does not know becomes a reference of its own, ``LicenseRef-custom``.

    Args:
        told: ``MIT AND (BSD-3-Clause OR custom)``, or whatever stands there.
    """
    text = " ".join(told.split())
    if not text or len(text) > _LONGEST:
        return ""
    if found := _canonical(spell_words(text)):
        return found
    words = re.findall(r"[()]|[^\s()]+", text)
    return _canonical(" ".join(word if word in _SYNTAX else _reference(word) for word in words))


def is_known(told: str) -> bool:
    """Tell whether something is an SPDX expression as it stands."""
    return len(told) <= _LONGEST and bool(_canonical(told))


def _canonical(text: str) -> str:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(text)
    except (InvalidLicenseExpression, RecursionError, MemoryError):
        return ""


def _reference(word: str) -> str:
    """Return a word as SPDX knows it, or else a reference."""
    if found := _canonical(word):
        return found
    letters = _NO_LETTER.sub("-", word).strip("-")
    return f"LicenseRef-{letters}" if letters else word
