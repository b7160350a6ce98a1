"""What in a person's own code behaves differently on musl, or in the image: read with `ast`, never run.

A finding is silenced by a comment on a line of its statement (of its head, where statements are within)::

    os.environ["TZ"] = "EST5EDT"  # bivy: ok[time-zone-without-rule] the tests want exactly this

In the bracket is the rule's name, or several with commas between; behind it the reason. Without a reason the finding
counts, and a note says so; so it does where a comment names a rule that does not exist, or that finds nothing there.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bivy.musl.code.check import check_code
    from bivy.musl.code.image import ImageFacts, base_image
    from bivy.musl.code.rules import CodeRule, load_rules

__all__ = ["CodeRule", "ImageFacts", "base_image", "check_code", "load_rules"]

_HOMES = {
    "CodeRule": "rules",
    "ImageFacts": "image",
    "base_image": "image",
    "check_code": "check",
    "load_rules": "rules",
}


def __getattr__(name: str) -> object:
    # Who wants one part, such as the scopes of names, need not wait for the others (PEP 562).
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
