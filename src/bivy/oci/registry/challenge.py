"""How a server says what it wants to know of who asks: ``WWW-Authenticate`` (RFC 9110, section 11.6.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for it
_SEPARATORS = re.compile(r"[ \t,]*")
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:({_TOKEN})(?=[ \t]*(?:,|$))|"((?:[^"\\]|\\.)*)")', re.DOTALL)
_FIRST = re.compile(rf"[ \t]+{_PARAMETER.pattern}", re.DOTALL)
_SCHEME = re.compile(rf"({_TOKEN})(?=[ \t,]|$)")
_TOKEN68 = re.compile(r"[ \t]+[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))")
_REST = re.compile(r"[^,]*")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in which who asks may say who it is.

    Attributes:
        scheme: ``basic`` or ``bearer``, or another; in lower case.
        parameters: What it says about it, such as ``realm``; names are in lower case.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Read what is in ``WWW-Authenticate`` headers; what is not understood is passed over.

    Args:
        headers: The header's values, each of which may hold several challenges.
    """
    return tuple(challenge for header in headers for challenge in _parse(header))


def _parse(header: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while position < len(header):
        separators = _SEPARATORS.match(header, position)
        assert separators is not None
        position = separators.end()
        if found and (parameter := _PARAMETER.match(header, position)):
            name, plain, quoted = parameter.groups()
            value = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if plain is None else plain
            found[-1][1].setdefault(name.lower(), value)
            position = parameter.end()
        elif scheme := _SCHEME.match(header, position):
            found.append((scheme[1].lower(), {}))
            position = scheme.end()
            # What is not made of parameters, as the tickets of Negotiate, is of no use to us.
            if not _FIRST.match(header, position) and (ticket := _TOKEN68.match(header, position)):
                position = ticket.end()
        else:
            rest = _REST.match(header, position)
            assert rest is not None
            position = max(rest.end(), position + 1)
    return [Challenge(scheme, parameters) for scheme, parameters in found]
