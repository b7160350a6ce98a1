"""Which paths in an archive would lead somewhere else when it is unpacked."""

from __future__ import annotations

import re

LEADS_OUTSIDE = "members with a path that leads out of the archive's folder"
ODD = "members with a path that not every program reads in the same way"


def fault_of_path(path: str) -> str:
    """Return what is wrong with the path of a member, as the name of a group of such members; empty for a sound one."""
    parts = path.removesuffix("/").split("/")
    if path.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", path):
        return LEADS_OUTSIDE
    if "\\" in path:
        return LEADS_OUTSIDE if re.search(r"(^|[/\\])\.\.([/\\]|$)|^\\", path) else ODD
    if "" in parts or "." in parts or any(ord(character) < 32 or ord(character) == 127 for character in path):
        return ODD
    return ""
