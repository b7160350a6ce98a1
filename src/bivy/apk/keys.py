"""The public keys that are trusted: the files of a folder such as ``/etc/apk/keys``.

A signature names the file of its key, so a key counts by the name of its file. apk-tools 2.14 looks in one folder only;
``/usr/share/apk/keys`` is where Alpine keeps the keys of all architectures, from which that folder is filled.
"""

from __future__ import annotations

import os
import stat

from bivy.apk.errors import ApkError
from bivy.apk.sign import PublicKey, parse_public_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = "etc/apk/keys"
_BOUND = 1 << 16


def _read_key(path: str) -> PublicKey | None:
    """Read a key's file; what is no file is no key."""
    # Not blocked by a named pipe that somebody left there.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return parse_public_key(os.read(descriptor, _BOUND).decode())
    finally:
        os.close(descriptor)


def load_keys(folder: str | os.PathLike[str], say: Callable[[str], None] = lambda _: None) -> dict[str, PublicKey]:
    """Read the public keys of a folder; each file whose name does not begin with a dot is one.

    Args:
        folder: The folder; where it is not there, there are no keys.
        say: Takes a message about each file that holds no key; the others count all the same.

    Returns:
        The keys by the name of their file.

    Raises:
        ApkError: The folder is there but cannot be read.
    """
    path = os.fspath(folder)
    try:
        names = sorted(os.listdir(path))  # pathlib stays out of start-up
    except FileNotFoundError:
        return {}
    except OSError as fault:
        raise ApkError(f"cannot read the keys in {path}: {fault.strerror}") from None
    keys: dict[str, PublicKey] = {}
    for name in names:
        if name.startswith("."):
            continue
        file = os.path.join(path, name)
        try:
            key = _read_key(file)
        except OSError as fault:
            say(f"WARNING: the key {file} is not used: {fault.strerror}")
        except UnicodeDecodeError:
            say(f"WARNING: the key {file} is not used: it is not a key in PEM")
        except ApkError as fault:
            say(f"WARNING: the key {file} is not used: {fault}")
        else:
            if key:
                keys[name] = key
    return keys
