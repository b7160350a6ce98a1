"""Users and groups of an image, as its /etc/passwd and /etc/group have them."""

from __future__ import annotations

from dataclasses import dataclass

from bivy.errors import UsageError

HIGHEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a command runs as.

    Attributes:
        uid: The user's number.
        gid: The group's number.
        home: The home folder, ``/`` where the image does not know the user.
    """

    uid: int
    gid: int
    home: str


def find_account(user: str, passwd: str, group: str) -> Account:
    """Find whom ``USER``, ``UID``, ``USER:GROUP`` … mean (OCI image-spec, config.md, ``User``); empty is root.

    A name goes before a number, and a number need not be in the files: its group is then 0.

    Args:
        user: What is asked for.
        passwd: The content of the image's /etc/passwd (passwd(5)), empty where it has none.
        group: The content of the image's /etc/group (group(5)).

    Raises:
        UsageError: A name that the image does not have, or a number that no user can have.
    """
    wanted_user, _, wanted_group = (user or "0").partition(":")
    users = _records(passwd, 7)
    record = _find(wanted_user or "0", users)
    if record is None:
        uid, gid, home = _number(wanted_user, "user", "/etc/passwd"), 0, "/"
    else:
        uid, gid, home = int(record[2]), int(record[3]), record[5] or "/"
    if wanted_group:
        found = _find(wanted_group, _records(group, 4))
        gid = int(found[2]) if found else _number(wanted_group, "group", "/etc/group")
    return Account(uid, gid, home)


def _records(text: str, fields: int) -> list[list[str]]:
    """Return the lines that have so many fields and numbers where numbers belong."""
    records = [line.split(":") for line in text.splitlines()]
    numbers = slice(2, 4) if fields == 7 else slice(2, 3)
    return [record for record in records if len(record) == fields and all(_is_number(word) for word in record[numbers])]


def _find(wanted: str, records: list[list[str]]) -> list[str] | None:
    for record in records:
        if record[0] == wanted:
            return record
    for record in records:
        if _is_number(wanted) and int(record[2]) == int(wanted):
            return record
    return None


def _number(wanted: str, what: str, file: str) -> int:
    if not _is_number(wanted):
        raise UsageError(f"the image has no {what} {wanted!r}", hint=f"{file} has its names; a number works always")
    return int(wanted)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= len(str(HIGHEST)) and int(word) <= HIGHEST
