"""A wheel becomes what an installer makes of it: files below ``site-packages``, programs, and the record of both.

What goes where, and what is written down of it, is in the specifications "Binary distribution format" (PEP 427) and
"Recording installed projects" (PEP 376, PEP 627) on packaging.python.org.
"""

from __future__ import annotations

import configparser
import csv
import hashlib
import io
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bivy.apk.entry import Entry, Kind
from bivy.app.layers import Item
from bivy.errors import BivyError
from bivy.musl.archives.names import fault_of_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bivy.app.base import Base
    from bivy.musl.archives.wheel import Wheel

# Raised when a wheel is installed otherwise.
GENERATION: Final = 1

_SPECIAL: Final = ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json")
_SCRIPT: Final = """\
#!{python}
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix(".exe")
    sys.exit({call}())
"""
_ENTRY: Final = re.compile(r"([\w.]+)\s*:\s*([\w.]+)\s*(?:\[[^\]]*\])?")
_TEXT: Final = 1 << 20
_WITHOUT_BYTECODE: Final = re.compile(r"(^|/)tests?/")


@dataclass(frozen=True, slots=True)
class Origin:
    """What is written down of where a distribution came from.

    Attributes:
        requested: Whether a person asked for it by name (PEP 376).
        url: The address or folder, where it came from no index (PEP 610); empty for an index.
        sha256: The digest of the file at the address.
        commit: The commit, where `url` is that of a repository of git's.
        revision: What that was named by.
        subdirectory: The folder in it.
    """

    requested: bool = False
    url: str = ""
    sha256: str = ""
    commit: str = ""
    revision: str = ""
    subdirectory: str = ""


def place_of(member: str, wheel: Wheel, base: Base) -> str:
    """Return where a member of a wheel goes, without a leading ``/``.

    Raises:
        BivyError: It is not a path, or of a scheme that installers do not know.
    """
    fault = fault_of_path(member)
    if fault:
        raise BivyError(f"{wheel.where}: {member!r} is among the {fault}", hint="it is not installed")
    top, _, rest = member.partition("/")
    if not rest or not top.endswith(".data"):
        return f"{base.site_packages}/{member}"
    scheme, _, path = rest.partition("/")
    name = wheel.dist_info.partition("-")[0]
    places = {
        "purelib": base.site_packages,
        "platlib": base.site_packages,
        "scripts": f"{base.prefix}/bin",
        "data": base.prefix,
        "headers": f"{base.prefix}/include/python{base.python}/{name}",
    }
    if scheme not in places or not path:
        raise BivyError(f"{wheel.where}: {member!r} is of no scheme that installers know")
    return f"{places[scheme]}/{path}"


def sources_of(wheel: Wheel, base: Base) -> dict[str, str]:
    """Return the Python modules in a wheel that are worth compiling: by member, where they are installed.

    Tests are not: nobody imports those of a library in an image, and they are half of what some wheels have.
    """
    places = {}
    for member in wheel.members:
        if member.path.endswith(".py") and not _WITHOUT_BYTECODE.search(member.path):
            place = place_of(member.path, wheel, base)
            if place.startswith(f"{base.site_packages}/"):
                places[member.path] = place
    return places


def bytecode_place(source: str, python: str) -> str:
    """Return where Python looks for the bytecode of a module (PEP 3147)."""
    folder, _, name = source.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.cpython-{python.replace('.', '')}.pyc"


def install(
    wheel: Wheel, base: Base, origin: Origin, bytecode: Mapping[str, tuple[int, Callable[[], Iterable[bytes]]]]
) -> list[Item]:
    """Return what an installer makes of a wheel; contents are read when a layer is written, in any order.

    Args:
        wheel: The wheel, which has to stay open until then.
        base: What it is installed into.
        origin: Where it came from.
        bytecode: By the place of a module, the size of its bytecode and what returns it.

    Raises:
        BivyError: It is not a wheel that can be installed.
    """
    if not wheel.dist_info or wheel.metadata is None:
        raise BivyError(f"{wheel.where} cannot be installed: it has no .dist-info folder that can be read")
    record: list[tuple[str, str, str]] = []
    items: list[Item] = []
    own = [*_entry_points(wheel, base), *_notes(wheel, base, origin)]
    taken = {item.entry.path for item in own}
    special = {f"{wheel.dist_info}/{name}" for name in _SPECIAL}
    for member in wheel.members:
        place = place_of(member.path, wheel, base)
        if member.path in special or place in taken:
            continue
        if place.startswith(f"{base.prefix}/bin/"):
            item = _program(wheel, member.path, place, base)
            record.append((place, *_digest(item.entry.content)))
        else:
            entry = Entry(place, Kind.FILE, 0o755 if member.executable else 0o644)
            item = Item(entry, member.size, _reader(wheel, member.path))
            record.append((place, wheel.digest(member.path), str(member.size)))
        items.append(item)
        if found := bytecode.get(place):
            compiled = Entry(bytecode_place(place, base.python), Kind.FILE, 0o644)
            items.append(Item(compiled, *found))
            record.append((compiled.path, "", ""))
    record += [(item.entry.path, *_digest(item.entry.content)) for item in own]
    place = f"{base.site_packages}/{wheel.dist_info}/RECORD"
    return [*items, *own, Item.of(place, _record([*record, (place, "", "")], base))]


def _reader(wheel: Wheel, path: str) -> Callable[[], Iterator[bytes]]:
    return lambda: wheel.chunks(path)


def _program(wheel: Wheel, member: str, place: str, base: Base) -> Item:
    """Return a program as it is installed: one that says ``#!python`` is run by the image's."""
    content = wheel.read(member)
    first, newline, rest = content.partition(b"\n")
    if re.match(rb"#!\s*pythonw?\b", first):
        content = f"#!{base.interpreter}".encode() + newline + rest
    return Item.of(place, content, 0o755)


def _entry_points(wheel: Wheel, base: Base) -> Iterator[Item]:
    """Yield the programs that a wheel says it has (entry points specification)."""
    path = f"{wheel.dist_info}/entry_points.txt"
    if all(member.path != path for member in wheel.members):
        return
    for name, target in parse_entry_points(wheel.read(path, _TEXT), wheel.where).items():
        yield script(name, target, base)


def parse_entry_points(raw: bytes, where: str) -> dict[str, str]:
    """Return the programs that an ``entry_points.txt`` names, with the object that each calls.

    Raises:
        BivyError: It is none.
    """
    reader = configparser.RawConfigParser(delimiters=("=",), strict=False)
    reader.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        reader.read_string(raw.decode())
    except (UnicodeDecodeError, configparser.Error) as fault:
        raise BivyError(f"{where}: entry_points.txt cannot be read: {fault}") from None
    found: dict[str, str] = {}
    for section in ("console_scripts", "gui_scripts"):
        if reader.has_section(section):
            found |= dict(reader.items(section))
    return found


def script(name: str, target: str, base: Base) -> Item:
    """Return the program that calls an object, ``package.module:function``.

    Raises:
        BivyError: That is no such thing, or the name is none of a file.
    """
    match = _ENTRY.fullmatch(target.strip())
    if not match or "/" in name or name in ("", ".", ".."):
        raise BivyError(f"the entry point {name} = {target} is not one", hint="it is NAME = package.module:function")
    text = _SCRIPT.format(
        python=base.interpreter, module=match[1], name=match[2].split(".")[0], call=match[2],
    )  # fmt: skip
    return Item.of(f"{base.prefix}/bin/{name}", text.encode(), 0o755)


def _notes(wheel: Wheel, base: Base, origin: Origin) -> Iterator[Item]:
    folder = f"{base.site_packages}/{wheel.dist_info}"
    yield Item.of(f"{folder}/INSTALLER", b"bivy\n")
    if origin.requested:
        yield Item.of(f"{folder}/REQUESTED", b"")
    if origin.url:
        what: dict[str, object] = {"archive_info": {"hashes": {"sha256": origin.sha256}} if origin.sha256 else {}}
        if origin.commit:
            what = {"vcs_info": {"vcs": "git", "commit_id": origin.commit,
                                 **({"requested_revision": origin.revision} if origin.revision else {})},
                    **({"subdirectory": origin.subdirectory} if origin.subdirectory else {})}  # fmt: skip
        content = json.dumps({"url": origin.url, **what}, sort_keys=True)
        yield Item.of(f"{folder}/direct_url.json", content.encode())


def _digest(content: bytes) -> tuple[str, str]:
    found = urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={found}", str(len(content))


def _record(lines: list[tuple[str, str, str]], base: Base) -> bytes:
    """Write RECORD: paths relative to ``site-packages``, as installers write them."""
    up = "../" * len(base.site_packages.removeprefix(f"{base.prefix}/").split("/"))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for path, digest, size in sorted(lines):
        inside = path.removeprefix(f"{base.site_packages}/")
        writer.writerow((inside if inside != path else up + path.removeprefix(f"{base.prefix}/"), digest, size))
    return text.getvalue().encode()
