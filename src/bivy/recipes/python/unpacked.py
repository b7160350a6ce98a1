"""Pack a wheel of the pip that this Python brings along: Python's own `ensurepip` imports this as ``_unpacked``."""

from __future__ import annotations

import base64
import hashlib
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

# Without typing, which a start of ensurepip would have to compile.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

UNPACKED = Path(__file__).parent.parent / "unpacked-wheels"
"""Where the files of the bundled wheels are: names, for the most part, of the files in site-packages. They stay
whatever becomes of those."""

METADATA = "metadata"
"""What takes the place of ``NAME-VERSION.dist-info`` there, so that nobody takes it for something installed."""


@contextmanager
def packed(version: str, folder: Path = UNPACKED) -> Iterator[Path]:
    """Pack pip's wheel, and give its path for as long as it is there.

    The format is the Python Packaging User Guide's "Binary distribution format". The wheel is not compressed: it is
    gone within seconds.

    Args:
        version: pip's version.
        folder: Where the files are.

    Raises:
        FileNotFoundError: They are not there any more.
    """
    name = f"pip-{version}"
    files = sorted(path for path in (folder / name).rglob("*") if path.is_file() and path.suffix != ".pyc")
    if not files:
        raise FileNotFoundError(
            f"{folder / name} is gone, and with it the pip {version} that this Python brings along; "
            f"python -m venv --without-pip and https://bootstrap.pypa.io/get-pip.py do without"
        )
    information = f"{name}.dist-info"
    with tempfile.TemporaryDirectory() as made:
        wheel = Path(made) / f"{name}-py3-none-any.whl"
        rows = []
        with zipfile.ZipFile(wheel, "w") as archive:
            for path in files:
                top, _, rest = path.relative_to(folder / name).as_posix().partition("/")
                inside = f"{information if top == METADATA else top}/{rest}"
                content = path.read_bytes()
                archive.writestr(zipfile.ZipInfo(inside), content)
                digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                rows.append(f"{inside},sha256={digest},{len(content)}\n")
            archive.writestr(zipfile.ZipInfo(f"{information}/RECORD"), "".join([*rows, f"{information}/RECORD,,\n"]))
        yield wheel
