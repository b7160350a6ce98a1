"""Install the pip that CPython brings along, as pip installs itself, without running anything of the target's."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import sys
import zipfile
from pathlib import Path

SCRIPT = """\
#!{interpreter}
import sys

from pip._internal.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
"""


def main(destination: str, prefix: str, series: str) -> None:
    """Unpack the wheel below `destination` and write what an installer adds to it.

    The layout, the files that an installer adds and RECORD are those of the Python Packaging User Guide, "Binary
    distribution format" and "Recording installed projects".

    Args:
        destination: ``$DESTDIR``.
        prefix: Where Python is installed, ``/usr/local``.
        series: Python's version without the patch release, ``3.14``.
    """
    library = Path(destination + prefix) / "lib" / f"python{series}"
    (wheel,) = library.glob("ensurepip/_bundled/pip-*.whl")
    site = library / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                _write(site / member.filename, archive.read(member))
    information = site / ("-".join(wheel.name.split("-")[:2]) + ".dist-info")
    for name, text in (("INSTALLER", "pip\n"), ("REQUESTED", "")):
        _write(information / name, text.encode())
    for name in ("pip3", f"pip{series}"):
        script = Path(destination + prefix) / "bin" / name
        _write(script, SCRIPT.format(interpreter=f"{prefix}/bin/python{series}").encode())
        script.chmod(0o755)
    record = information / "RECORD"
    added = [information / "INSTALLER", information / "REQUESTED", *sorted(script.parent.glob("pip3*"))]
    rows = list(csv.reader(io.StringIO(record.read_text("utf-8"))))
    rows += [[_relative(path, site), *_digest(path.read_bytes())] for path in added]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(sorted(rows))
    record.write_text(out.getvalue(), "utf-8")


def _relative(path: Path, site: Path) -> str:
    """Spell a path as RECORD does: from site-packages, with ``..`` for what is elsewhere."""
    if path.is_relative_to(site):
        return path.relative_to(site).as_posix()
    return f"../../../{path.parent.name}/{path.name}"


def _digest(content: bytes) -> tuple[str, str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(content))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
