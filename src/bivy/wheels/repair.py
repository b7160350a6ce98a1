"""What a backend built becomes a wheel for musl: libraries bundled, tags true, and nothing in it that does not load.

What the base image has is not bundled: security fixes come with the image, and one process has one OpenSSL. What it has
not is put into ``NAME.libs/`` under a name of its own, as auditwheel does, so that two wheels' libraries do not meet.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import subprocess
import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bivy.elf import ElfError, is_elf, read_elf
from bivy.errors import BivyError
from bivy.musl.binaries import check_binaries
from bivy.musl.binaries.data import is_musl_itself
from bivy.musl.report import Severity
from bivy.programs import find_patchelf
from bivy.wheels.pack import Member, pack, record_of, wheel_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bivy.elf import Elf
    from bivy.musl.target import Target
    from bivy.wheels.packages import Added

_LARGEST: Final = 4 << 30
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Bundled:
    """A library that was put into a wheel.

    Attributes:
        soname: The name that it had.
        path: Where it is in the wheel.
        package: The Alpine package that it came from, with its version; empty where that is not known.
        license: That package's licence.
    """

    soname: str
    path: str
    package: str = ""
    license: str = ""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A wheel that is ready.

    Attributes:
        name: Its file name.
        content: Its bytes.
        libraries: The paths of what is compiled in it.
        bundled: The libraries that were put into it.
        linked: The libraries of the base image that it uses.
        notes: What is to be known of it, in sentences.
    """

    name: str
    content: bytes
    libraries: tuple[str, ...]
    bundled: tuple[Bundled, ...]
    linked: tuple[str, ...]
    notes: tuple[str, ...]


def repair(
    wheel: Path, *, target: Target, base: Mapping[str, Elf], upper: Path | None, added: Sequence[Added], epoch: int,
    scratch: Path,
) -> Repaired:  # fmt: skip
    """Make of what a backend built a wheel that loads in the base image.

    Args:
        wheel: What the backend built.
        target: What it is for.
        base: The base image's libraries.
        upper: The folder with the packages that were added for the build.
        added: These packages.
        epoch: The time of its files, in seconds since 1970.
        scratch: A folder for what is under way.

    Raises:
        BivyError: It is damaged, or would not load.
    """
    members = _read(wheel)
    elves = _elves(members, wheel.name)
    bundled = _bundle(elves, members, base, upper, added, wheel.name, scratch)
    for path, elf in elves.items():
        _set_search_path(path, elf, members, scratch)
    bundle = tuple(bundled.values())
    name, members = _retagged(wheel.name, members, target, compiled=bool(elves), bundled=bundle)
    compiled = {path: member.content for path, member in members.items() if is_elf(member.content)}
    notes = _check(compiled, target, base, name)
    taken = {each for elf in elves.values() for each in elf.needed if each in base and not is_musl_itself(each)}
    return Repaired(name, pack(members.values(), epoch), tuple(sorted(compiled)), bundle, tuple(sorted(taken)), notes)


def _read(wheel: Path) -> dict[str, Member]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            if sum(info.file_size for info in archive.infolist()) > _LARGEST:
                raise BivyError(f"{wheel.name} is larger than {_LARGEST >> 30} GB")
            return {
                info.filename: Member(info.filename, archive.read(info), bool(info.external_attr >> 16 & 0o111))
                for info in archive.infolist()
                if not info.is_dir()
            }
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as fault:
        raise BivyError(f"what the build made, {wheel.name}, is not a wheel: {fault}") from fault


def _elves(members: Mapping[str, Member], where: str) -> dict[str, Elf]:
    found = {}
    for path, member in members.items():
        if is_elf(member.content):
            try:
                elf = read_elf(member.content)
            except ElfError as fault:
                raise BivyError(f"{where}: {path}: {fault}") from fault
            if elf.dynamic and elf.type in ("shared", "pie", "exec"):
                found[path] = elf
    return found


# Bundling


def _bundle(
    elves: dict[str, Elf], members: dict[str, Member], base: Mapping[str, Elf], upper: Path | None,
    added: Sequence[Added], wheel: str, scratch: Path,
) -> dict[str, Bundled]:  # fmt: skip
    """Put the libraries that the base image lacks into the wheel, and have its files ask for them there."""
    beside = _beside(upper)
    own = {posixpath.basename(path) for path in elves} | {elf.soname for elf in elves.values()}
    folder = f"{re.split('-', wheel)[0]}.libs"
    bundled: dict[str, Bundled] = {}
    pending = list(elves)
    names: dict[str, dict[str, str]] = {}
    while pending:
        path = pending.pop(0)
        for soname in elves[path].needed:
            if soname in own or soname in base or is_musl_itself(soname) or soname.startswith("libpython3"):
                continue
            source = beside.get(soname)
            if source is None:
                continue  # the check tells
            if soname not in bundled:
                bundled[soname] = _bring(soname, source, upper, folder, added, members, elves)
                pending.append(bundled[soname].path)
            names.setdefault(path, {})[soname] = posixpath.basename(bundled[soname].path)
    for path, renamed in names.items():
        words = [word for old, new in renamed.items() for word in ("--replace-needed", old, new)]
        back = posixpath.relpath(folder, posixpath.dirname(_place(path)) or ".")
        search = [*_own_folders(elves[path]), "$ORIGIN" if back == "." else f"$ORIGIN/{back}"]
        words += ["--set-rpath", ":".join(dict.fromkeys(search))]
        _patch(path, members, words, scratch)
        elves[path] = read_elf(members[path].content)
    for each in bundled.values():
        _patch(each.path, members, ["--set-soname", posixpath.basename(each.path)], scratch)
        elves[each.path] = read_elf(members[each.path].content)
    return bundled


def _beside(upper: Path | None) -> dict[str, Path]:
    """Return the libraries of the packages that were added, by the name that they are asked for."""
    found: dict[str, Path] = {}
    for folder in ("lib", "usr/lib", "usr/local/lib"):
        place = upper / folder if upper else None
        for path in sorted(place.rglob("*.so*")) if place and place.is_dir() else ():
            real = path.resolve()
            if upper and real.is_relative_to(upper.resolve()) and real.is_file():
                found.setdefault(path.name, real)
    return found


def _bring(
    soname: str, source: Path, upper: Path | None, folder: str, added: Sequence[Added], members: dict[str, Member],
    elves: dict[str, Elf],
) -> Bundled:  # fmt: skip
    content = source.read_bytes()
    stem, dot, rest = soname.partition(".so")
    path = f"{folder}/{stem}-{hashlib.sha256(content).hexdigest()[:8]}{dot}{rest}"
    members[path] = Member(path, content, executable=True)
    elves[path] = read_elf(content)
    inside = str(source.relative_to(upper.resolve())) if upper else ""
    package = next((each for each in added if inside in each.files), None)
    return Bundled(soname, path, str(package or ""), package.license if package else "")


def _place(path: str) -> str:
    """Return where a wheel's file is once it is installed, from ``site-packages`` on."""
    found = re.fullmatch(r"[^/]+\.data/(?:purelib|platlib)/(.*)", path)
    return found[1] if found else path


def _own_folders(elf: Elf) -> list[str]:
    return [folder for folder in elf.search_path if folder.startswith("$ORIGIN")]


def _set_search_path(path: str, elf: Elf, members: dict[str, Member], scratch: Path) -> None:
    """Take folders of the build's out of where a file looks for libraries: they are nowhere else."""
    kept = _own_folders(elf)
    if list(elf.search_path) == kept:
        return
    words = ["--set-rpath", ":".join(kept)] if kept else ["--remove-rpath"]
    _patch(path, members, words, scratch)


def _patch(path: str, members: dict[str, Member], words: Sequence[str], scratch: Path) -> None:
    file = scratch / "patched"
    file.write_bytes(members[path].content)
    try:
        done = subprocess.run([find_patchelf(), *words, str(file)], capture_output=True, text=True, check=False)
    except OSError as fault:
        raise BivyError(f"patchelf cannot be run: {fault.strerror}", hint="pip install patchelf") from fault
    if done.returncode:
        raise BivyError(f"{path} cannot be changed so that it finds its libraries: {done.stderr.strip()}")
    members[path] = replace(members[path], content=file.read_bytes())
    file.unlink()


# Tags, and what the wheel says of itself


def _retagged(
    name: str, members: dict[str, Member], target: Target, *, compiled: bool, bundled: Sequence[Bundled]
) -> tuple[str, dict[str, Member]]:
    """Name a wheel by what it is for, and write that and what is in it down in it."""
    from packaging.tags import parse_tag

    parts = name.removesuffix(".whl").split("-")
    if len(parts) not in (5, 6):
        raise BivyError(f"what the build made, {name}, has not the name of a wheel")
    if compiled:
        parts[-1] = musllinux(target)
    elif parts[-1] != "any":
        # Nothing in it is compiled, but the backend says that it is for one platform: it may be right.
        parts[-1] = ".".join(musllinux(target) if each != "any" else each for each in parts[-1].split("."))
    about = next((path for path in members if re.fullmatch(r"[^/]+\.dist-info/WHEEL", path)), "")
    if not about:
        raise BivyError(f"what the build made, {name}, is not a wheel: it has no WHEEL")
    told = _fields(members[about].content)
    tags = [str(tag) for tag in parse_tag("-".join(parts[-3:]))]
    pure = not compiled and told.get("Root-Is-Purelib", ["true"]) == ["true"]
    folder = posixpath.dirname(about)
    kept = {
        path: member
        for path, member in members.items()
        if not (posixpath.dirname(path) == folder and posixpath.basename(path).startswith("RECORD"))
    }
    kept[about] = Member(about, wheel_file(told, tags, pure=pure))
    if bundled:
        listed = f"{folder}/sboms/bivy.cdx.json"
        kept[listed] = Member(listed, _bill(bundled))
    record = record_of(kept.values(), f"{folder}/RECORD")
    return "-".join(parts) + ".whl", {**kept, record.path: record}


def musllinux(target: Target) -> str:
    """Return the platform tag of wheels that are compiled for a target (PEP 656)."""
    major, minor = target.musl.split(".")[:2]
    return f"musllinux_{major}_{minor}_{target.arch.machine}"


def _fields(content: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), []).append(value.strip())
    return found


def _bill(bundled: Sequence[Bundled]) -> bytes:
    """Return a list of the libraries that were bundled (CycloneDX 1.6; PEP 770 says where it goes)."""
    components = []
    for each in sorted(bundled, key=lambda each: each.soname):
        name, _, version = each.package.rpartition("-r")[0].rpartition("-") if each.package else (each.soname, "", "")
        component: dict[str, object] = {"type": "library", "name": name or each.soname}
        if each.package:
            version = each.package.removeprefix(f"{name}-")
            component |= {"version": version, "purl": f"pkg:apk/alpine/{name}@{version}"}
        if each.license:
            component["licenses"] = [{"license": {"name": each.license}}]
        component["properties"] = [{"name": "bivy:file", "value": each.path}]
        components.append(component)
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    return json.dumps(bill, indent=1).encode() + b"\n"


# Whether it loads


def _check(compiled: Mapping[str, bytes], target: Target, base: Mapping[str, Elf], name: str) -> tuple[str, ...]:
    """Refuse a wheel that would not load in the base image; return what else is to be known.

    Raises:
        BivyError: It would not.
    """
    tags = (f"cp-none-{musllinux(target)}",)
    part = check_binaries(compiled.items(), targets=[target], where=name, tags=tags, provided=base)
    faults = [
        each
        for each in part.findings
        if (each.weight is Severity.ERROR and not each.guess) or each.rule.name == "library-missing"
    ]
    if faults:
        lines = _lines(f"{each.path.partition(':')[2] or each.path}: {each.message}" for each in faults)
        advice = [line for each in faults for line in each.evidence if line.startswith("apk add")]
        hint = "give the package with the library's development files to the build: --with NAME-dev"
        raise BivyError(f"what was compiled would not load in the base image:\n{lines}", hint=hint if advice else None)
    return tuple(f"{each.path}: {each.message}" for each in part.findings if each not in faults)


def _lines(texts: Iterable[str]) -> str:
    found = list(texts)
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return "\n".join(f"  {text}" for text in (*found[:_SHOWN], *more))
