"""Install the pip that CPython brings along, as pip installs itself, without running anything of the target's.

The wheel that it came in goes. For new virtual environments, and for who has removed pip, its files get a second name
each, under which they stay (a hard link costs next to nothing), and `ensurepip` packs them again (`unpacked.py`).
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
import sys
import zipfile
from pathlib import Path

CERTIFICATES = "pip/_vendor/certifi/cacert.pem"
SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""What takes the place of pip's own list of certificates: the same authorities, and those that were added to them. pip
asks the system first anyway. Debian does so too."""

# Programs for Windows, which start scripts there: nothing on Linux opens them (pip/_vendor/distlib/scripts.py). Debian
# and Fedora leave them out too.
WINDOWS = ".exe"

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
    name = "-".join(wheel.name.split("-")[:2])
    with zipfile.ZipFile(wheel) as archive:
        members = [each for each in archive.namelist() if not each.endswith(("/", WINDOWS))]
        for member in members:
            if member == CERTIFICATES:
                _link(site / member, SYSTEM_CERTIFICATES)
            else:
                _write(site / member, archive.read(member))
    shutil.rmtree(wheel.parent)
    information = site / f"{name}.dist-info"
    _keep(members, site, library / "unpacked-wheels" / name, information.name)
    shutil.copyfile(Path(__file__).with_name("unpacked.py"), library / "ensurepip" / "_unpacked.py")
    for added, text in (("INSTALLER", "pip\n"), ("REQUESTED", "")):
        _write(information / added, text.encode())
    for command in ("pip3", f"pip{series}"):
        script = Path(destination + prefix) / "bin" / command
        _write(script, SCRIPT.format(interpreter=f"{prefix}/bin/python{series}").encode())
        script.chmod(0o755)
    record = information / "RECORD"
    new = [information / "INSTALLER", information / "REQUESTED", *sorted(script.parent.glob("pip3*"))]
    rows = [row for row in csv.reader(io.StringIO(record.read_text("utf-8"))) if not row[0].endswith(WINDOWS)]
    # What the system changes has neither digest nor size.
    rows = [[CERTIFICATES, "", ""] if row[0] == CERTIFICATES else row for row in rows]
    rows += [[_relative(path, site), *_digest(path.read_bytes())] for path in new]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(sorted(rows))
    record.write_text(out.getvalue(), "utf-8")


def _keep(members: list[str], site: Path, spare: Path, information: str) -> None:
    """Give each file of the wheel a second name below `spare`, but for RECORD, which will not stay the wheel's."""
    for member in members:
        top, _, rest = member.partition("/")
        if member != f"{information}/RECORD":
            path = spare / ("metadata" if top == information else top) / rest
            if member == CERTIFICATES:
                _link(path, SYSTEM_CERTIFICATES)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.hardlink_to(site / member)


def _relative(path: Path, site: Path) -> str:
    """Spell a path as RECORD does: from site-packages, with ``..`` for what is elsewhere."""
    if path.is_relative_to(site):
        return path.relative_to(site).as_posix()
    return f"../../../{path.parent.name}/{path.name}"


def _digest(content: bytes) -> tuple[str, str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(content))


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
