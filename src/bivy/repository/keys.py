"""The keys that repositories are signed with: made, found, and read."""

from __future__ import annotations

import getpass
import os
import re
import time
from pathlib import Path

from bivy.apk.sign import Signer, format_private_key, format_public_key, generate_key, load_private_key
from bivy.errors import BivyError, UsageError

# A name of a file in /etc/apk/keys, such as a person's address; no `/`, and no dot at the start.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")


def keys_folder() -> Path:
    """Return the folder of this person's keys: ``bivy/keys`` under ``XDG_CONFIG_HOME`` or ``~/.config``."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "bivy" / "keys"


def new_key(folder: Path, name: str = "", *, bits: int = 4096) -> tuple[Path, Path]:
    """Make a pair of keys, named as abuild-keygen names them: ``NAME-HEX.rsa`` and ``NAME-HEX.rsa.pub``.

    HEX is the time. Nothing is ever overwritten; where it fails, neither file is there.

    Args:
        folder: Where to put them; it is made where it is missing, for nobody else to see.
        name: Whose they are, such as ``someone@example.org``; the user's name where it is empty.
        bits: How long the key is.

    Returns:
        The private key's file, that only its owner can read, and the public key's.

    Raises:
        UsageError: The name cannot be a file's in ``/etc/apk/keys``.
        BivyError: There is such a key already.
    """
    name = name or getpass.getuser()
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a key's name", hint="letters, digits, and _ . @ + -")
    private = folder / f"{name}-{int(time.time()):x}.rsa"
    public = private.with_name(f"{private.name}.pub")
    taken = next((path for path in (private, public) if path.exists()), None)
    if taken:
        raise BivyError(f"{taken} is there already", hint="try again: the next second has another name")
    key = generate_key(bits)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written: list[Path] = []
    try:
        for path, text, mode in (
            (private, format_private_key(key), 0o600),
            (public, format_public_key(key.public), 0o644),
        ):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            written.append(path)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
    except FileExistsError as fault:
        _remove(written)
        raise BivyError(f"{fault.filename} is there already", hint="try again") from None
    except BaseException:
        _remove(written)
        raise
    return private, public


def find_key(told: Path | None, folder: Path | None = None) -> Path | None:
    """Find the private key to sign with: the one that is told, or the only one in the person's folder.

    Returns:
        Its file, or ``None`` where none is told and there is none.

    Raises:
        UsageError: None is told and there are several.
    """
    if told is not None:
        return told
    folder = keys_folder() if folder is None else folder
    found = sorted(folder.glob("*.rsa"))
    if len(found) > 1:
        raise UsageError(
            f"there are {len(found)} keys in {folder}: {', '.join(path.name for path in found)}",
            hint=f"say which with --key {found[-1]}",
        )
    return found[0] if found else None


def load_signer(private: Path) -> Signer:
    """Read a private key, to sign with it as its file is called.

    Raises:
        ApkError: It is no key, or not a private one.
        UsageError: Its name cannot be that of a key.
    """
    if not _NAME.fullmatch(private.name):
        raise UsageError(f"{private.name!r} cannot be a key's name", hint="letters, digits, and _ . @ + -")
    return Signer(load_private_key(private), f"{private.name}.pub")


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
