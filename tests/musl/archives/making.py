"""Wheels and source archives for tests, sound or not."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from typing import Any

NAME = "demo-1.0-py3-none-any.whl"
ELF = b"\x7fELF\x02\x01\x01" + bytes(100)
METADATA = (
    b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nRequires-Dist: other>=2\nRequires-Python: >=3.9\n\nA demo\n"
)
WHEEL = b"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def record_of(files: dict[str, bytes]) -> bytes:
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    return ("".join(lines) + "demo-1.0.dist-info/RECORD,,\n").encode()


def wheel_files(files: dict[str, bytes] | None = None, **parts: bytes | None) -> dict[str, bytes]:
    """Return the files of a wheel: those given, and those of its ``.dist-info``, other or absent as told."""
    told: dict[str, bytes | None] = {"METADATA": METADATA, "WHEEL": WHEEL, **parts}
    found = {"demo/__init__.py": b"answer = 42\n", **(files or {})}
    found.update((f"demo-1.0.dist-info/{part}", content) for part, content in told.items() if content is not None)
    if "RECORD" not in parts:
        found["demo-1.0.dist-info/RECORD"] = record_of(found)
    return found


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", method) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content, method)
    return memory.getvalue()


def make_wheel(files: dict[str, bytes] | None = None, **parts: bytes | None) -> bytes:
    return zip_of(wheel_files(files, **parts))


def patched(archive: bytes, path: str, offset: int, value: bytes, *, local: int | None = None) -> bytes:
    """Change the entry of a member in the list of members, and in front of the member where `local` says where."""
    changed = bytearray(archive)
    place = archive.rindex(path.encode(), 0, archive.rindex(b"PK\5\6")) - 46
    assert archive[place : place + 4] == b"PK\1\2"
    changed[place + offset : place + offset + len(value)] = value
    if local is not None:
        place = archive.index(path.encode()) - 30
        assert archive[place : place + 4] == b"PK\3\4"
        changed[place + local : place + local + len(value)] = value
    return bytes(changed)


PKG_INFO = METADATA
PYPROJECT = b'[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n'


def sdist_files(files: dict[str, bytes] | None = None) -> dict[str, bytes]:
    told = {"PKG-INFO": PKG_INFO, "pyproject.toml": PYPROJECT, **(files or {})}
    return {f"demo-1.0/{path}": content for path, content in told.items()}


def tar_member(path: str, content: bytes = b"", **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def tar_of(files: dict[str, bytes], *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:") as archive:
        for info, content in [*(tar_member(path, content) for path, content in files.items()), *members]:
            archive.addfile(info, io.BytesIO(content))
    # Without a time, so that the same archive has the same bytes in each process that runs tests.
    return gzip.compress(memory.getvalue(), mtime=0) if mode == "w:gz" else memory.getvalue()


def make_sdist(
    files: dict[str, bytes] | None = None, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz"
) -> bytes:
    return tar_of(sdist_files(files), *members, mode=mode)
