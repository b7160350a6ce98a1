"""``apk verify``: check the signatures and checksums of packages' files."""

from __future__ import annotations

from pathlib import Path

from bivy.apk.errors import ApkError, UntrustedError
from bivy.apk.keys import load_keys
from bivy.apk.package import read_package

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bivy.apk.cli.options import Option
    from bivy.apk.cli.session import Session

OPTIONS: tuple[Option, ...] = ()


def main(session: Session) -> int:
    """Print whether each file is whole and signed by a key that is trusted; the status counts those that are not."""
    keys = load_keys(session.keys_folder, session.relay)
    wrong = 0
    for word in session.given.words:
        answer = "OK"
        try:
            read_package(Path(word), keys)
        except UntrustedError as fault:
            answer = f"UNTRUSTED ({fault})"
        except ApkError as fault:
            answer = str(fault)
        wrong += answer != "OK"
        if session.verbosity > 0:
            session.put(f"{word}: {answer}")
        elif answer != "OK":
            session.put(word)
    return wrong
