"""A check as its file has it: what must hold, why, whence, what to do, and the program or reading that finds out."""

from __future__ import annotations

import msgspec


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check; docs/verify.md says what each key means."""

    name: str
    title: str
    why: str
    source: str
    remedy: str
    group: str = ""
