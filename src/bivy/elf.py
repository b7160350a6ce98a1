"""What an ELF file asks of the loader and gives to others, read as a loader reads it (System V ABI, chapters 4 and 5).

A loader goes by the program headers and the dynamic segment that they lead to, and so does this: section headers can
be missing, or be wrong on purpose, and the file still runs. They are asked one thing, whether a symbol table is left.

The bytes are anybody's. Every read is checked against the file's end, every list ends by the file's size, and names
have a bound together: a damaged file is an `ElfError`, in a time that grows with the file and nothing else.

pyelftools was measured beside this: the 22 ELF files of numpy 2.5.5's wheel for musl on x86_64 (45 MB) take it 2.9 s,
and 0.05 s here, for the same answers. It makes a dictionary of every symbol by a description of its fields, where one
`struct` reads the whole table; and it follows the links in a table for as long as they go on.
"""

from __future__ import annotations

import bisect
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MACHINES = {
    2: "EM_SPARC", 3: "EM_386", 4: "EM_68K", 8: "EM_MIPS", 20: "EM_PPC", 21: "EM_PPC64", 22: "EM_S390", 40: "EM_ARM",
    42: "EM_SH", 43: "EM_SPARCV9", 50: "EM_IA_64", 62: "EM_X86_64", 183: "EM_AARCH64", 190: "EM_CUDA", 224: "EM_AMDGPU",
    243: "EM_RISCV", 247: "EM_BPF", 258: "EM_LOONGARCH",
}  # fmt: skip
"""Names of ``e_machine``, as in <elf.h>."""

# Where a file that says nothing of its stack gets an executable one (elf_backend_default_execstack in GNU's linker).
_EXECUTABLE_BY_DEFAULT = {"EM_386", "EM_X86_64", "EM_ARM", "EM_S390"}

_TYPES = {1: "object", 2: "exec", 3: "shared", 4: "core"}
_KINDS = ("none", "object", "function", "section", "file", "common", "tls", "", "", "", "ifunc")

_LOAD, _DYNAMIC, _INTERP, _NOTE, _TLS = 1, 2, 3, 4, 7
_GNU_STACK, _GNU_RELRO = 0x6474E551, 0x6474E552

_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SYMENT, _SONAME, _RPATH = 1, 4, 5, 6, 10, 11, 14, 15
_TEXTREL, _BIND_NOW, _RUNPATH, _FLAGS, _GNU_HASH = 22, 24, 29, 30, 0x6FFFFEF5
_VERSYM, _FLAGS_1, _VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = (
    0x6FFFFFF0, 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF,
)  # fmt: skip
# The tags whose value is an address: what comes next after the symbol table bounds it.
_ADDRESSES = frozenset({3, _HASH, _STRTAB, _SYMTAB, 7, 12, 13, 17, 23, 25, 26, 32, 36, _GNU_HASH, _VERSYM, _VERDEF,
                        _VERNEED})  # fmt: skip

# What no program that anybody has built comes near.
_MOST_SEGMENTS = 4096
_MOST_VERSIONS = 1 << 15  # the index of one has 15 bits
_LONGEST_NAME = 1 << 16
_ALL_NAMES = 64 << 20


class ElfError(BivyError):
    """A file is no ELF file, or a damaged one; the message goes after the file's name and a colon."""


class Import(NamedTuple):
    """A symbol that a file takes from another one; a plain tuple, since there are tens of thousands.

    Attributes:
        name: Its name.
        version: The version of it that is asked for, ``GLIBC_2.34``; empty for any.
        file: The soname of the library that is to have that version; empty where none is named.
        weak: Whether the file can do without it.
        kind: ``function``, ``object``, ``tls``, ``none`` (the file does not say) and others.
    """

    name: str
    version: str
    file: str
    weak: bool
    kind: str


class Export(NamedTuple):
    """A symbol that a file has for others.

    Attributes:
        name: Its name.
        version: Its version, empty where it has none.
        default: Whether it is what one gets who asks for no version (``name@@VERSION``).
        kind: As in `Import`.
    """

    name: str
    version: str
    default: bool
    kind: str


@dataclass(frozen=True, slots=True)
class Elf:
    """What an ELF file says of itself.

    Attributes:
        machine: What it is for, as <elf.h> calls it: ``EM_X86_64``; ``EM_77`` for a number that has no name here.
        bits: Width of a pointer, 32 or 64.
        big_endian: Whether the most significant byte comes first.
        type: ``pie`` (a program, anywhere in memory), ``exec`` (a program, at its address), ``shared`` (a library),
            ``object`` (for the linker), ``core``, or ``other``.
        interpreter: The loader that it asks for, empty where it asks for none.
        soname: The name that others ask for it by, empty where it has none.
        needed: The libraries that it asks for, in its order.
        rpath: Where it looks for them first, empty where nowhere special (``DT_RPATH``).
        runpath: The same, as newer linkers write it (``DT_RUNPATH``).
        imports: The symbols that it takes from others.
        exports: The symbols that it has for others.
        dynamic: Whether it has a dynamic segment at all.
        stack: ``executable``, ``plain``, or ``unsaid`` where it does not say.
        text_relocations: Whether the loader has to write into its code.
        relro: What is read-only once it is loaded: ``none``, ``partial``, or ``full``.
        bind_now: Whether all its imports are looked up when it is loaded.
        static_tls: Whether it counts on its thread-local variables being there before it is loaded (initial-exec).
        tls: Whether it has thread-local variables.
        version_needs: The versions that it asks for, by library.
        abi: The oldest kernel that it says it runs on (``NT_GNU_ABI_TAG``): ``Linux 3.2.0``; empty where it does not.
        stripped: Whether its symbol table, for debugging, is gone.
    """

    machine: str
    bits: int
    big_endian: bool
    type: str
    interpreter: str = ""
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: str = ""
    runpath: str = ""
    imports: tuple[Import, ...] = ()
    exports: tuple[Export, ...] = ()
    dynamic: bool = False
    stack: str = "unsaid"
    text_relocations: bool = False
    relro: str = "none"
    bind_now: bool = False
    static_tls: bool = False
    tls: bool = False
    version_needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    abi: str = ""
    stripped: bool = True

    @property
    def stack_executable(self) -> bool:
        """Whether its stack is executable, by its own word or, where it says nothing, as its architecture has it."""
        return self.stack == "executable" or (self.stack == "unsaid" and self.machine in _EXECUTABLE_BY_DEFAULT)

    @property
    def search_path(self) -> tuple[str, ...]:
        """The folders that it wants its libraries looked for in, ``$ORIGIN`` as written; musl goes by either list."""
        return tuple(folder for folder in (self.runpath or self.rpath).split(":") if folder)


def is_elf(content: bytes) -> bool:
    """Tell by its first bytes whether something is meant to be an ELF file."""
    return content[:4] == b"\x7fELF"


def read_elf(content: bytes) -> Elf:
    """Read an ELF file.

    Args:
        content: All its bytes.

    Raises:
        ElfError: It is no ELF file, or damaged.
    """
    if not is_elf(content):
        raise ElfError("not an ELF file")
    try:
        return _read(_File.of(content))
    except struct.error:
        # Each read names the bytes that it wants, so this is always one that the file does not have.
        raise ElfError("a damaged ELF file: it is cut short, or points past its end") from None
    except _DamageError as damage:
        raise ElfError(f"a damaged ELF file: {damage}") from None


class _DamageError(Exception):
    """What is wrong with a file, to go after "a damaged ELF file: "."""


class _Segment(NamedTuple):
    """A program header."""

    type: int
    flags: int
    offset: int
    address: int
    size: int
    memory: int


@dataclass(frozen=True, slots=True)
class _File:
    """The file and what its header says of how to read it."""

    content: memoryview
    bits: int
    order: str
    fields: tuple[int, ...]

    @classmethod
    def of(cls, content: bytes) -> _File:
        if len(content) < 16:
            raise _DamageError("it ends in its header")
        width, order = content[4], content[5]
        if width not in (1, 2) or order not in (1, 2):
            raise _DamageError(f"its header says that it has class {width} and byte order {order}, which is neither")
        bits, sign = 32 * width, "<>"[order - 1]
        fields = struct.unpack_from(sign + ("HHIQQQIHHHHHH" if bits == 64 else "HHIIIIIHHHHHH"), content, 16)
        return cls(memoryview(content), bits, sign, fields)

    @property
    def word(self) -> int:
        """Bytes of a pointer."""
        return self.bits // 8

    def unpack(self, form: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + form, self.content, offset)

    def table(self, form: str, content: memoryview) -> Iterator[tuple[int, ...]]:
        """Read all whole entries of a table."""
        size = struct.calcsize(self.order + form)
        return struct.iter_unpack(self.order + form, content[: len(content) // size * size])

    def part(self, offset: int, size: int, what: str) -> memoryview:
        if offset + size > len(self.content):
            raise _DamageError(f"{what} goes past the end of the file")
        return self.content[offset : offset + size]


def _read(file: _File) -> Elf:
    kind, machine = file.fields[0], file.fields[1]
    segments = _segments(file)
    loaded = _Memory.of(file, segments)
    stack = next((segment for segment in segments if segment.type == _GNU_STACK), None)
    dynamic = next((segment for segment in segments if segment.type == _DYNAMIC), None)
    interpreter = next((segment for segment in segments if segment.type == _INTERP), None)
    loader = _text(file.part(interpreter.offset, min(interpreter.size, 4096), "the name of its loader"), 0) if (
        interpreter) else ""  # fmt: skip
    link = _link(file, loaded, dynamic) if dynamic and kind in (2, 3) else _Link()
    relro = any(segment.type == _GNU_RELRO for segment in segments)
    program = link.program or (loader and not link.soname)
    return Elf(
        machine=MACHINES.get(machine, f"EM_{machine}"),
        bits=file.bits,
        big_endian=file.order == ">",
        type="pie" if kind == 3 and program else _TYPES.get(kind, "other"),
        interpreter=loader,
        soname=link.soname,
        needed=link.needed,
        rpath=link.rpath,
        runpath=link.runpath,
        imports=link.imports,
        exports=link.exports,
        dynamic=dynamic is not None,
        stack="unsaid" if stack is None else "executable" if stack.flags & 1 else "plain",
        text_relocations=link.text_relocations,
        relro="none" if not relro else "full" if link.bind_now else "partial",
        bind_now=link.bind_now,
        static_tls=link.static_tls,
        tls=any(segment.type == _TLS for segment in segments),
        version_needs=link.version_needs,
        abi=_abi(file, segments),
        stripped=_is_stripped(file),
    )


def _segments(file: _File) -> list[_Segment]:
    _, _, _, _, start, _, _, _, size, count, *_ = file.fields
    if not count or not start:
        return []
    form = "IIQQQQQQ" if file.bits == 64 else "IIIIIIII"
    if size != struct.calcsize(f"={form}"):
        raise _DamageError(f"its program headers are {size} bytes each, which they are not in any such file")
    if count > _MOST_SEGMENTS:
        raise _DamageError(f"it says that it has {count} segments, more than any file")
    rows = file.table(form, file.part(start, size * count, "the list of its segments"))
    if file.bits == 64:
        return [_Segment(row[0], row[1], row[2], row[3], row[5], row[6]) for row in rows]
    return [_Segment(row[0], row[6], row[1], row[2], row[4], row[5]) for row in rows]


@dataclass(frozen=True, slots=True)
class _Memory:
    """Which bytes of the file are at which address, once it is loaded."""

    file: _File
    starts: tuple[int, ...]
    segments: tuple[_Segment, ...]

    @classmethod
    def of(cls, file: _File, segments: list[_Segment]) -> _Memory:
        # The loader lays them over each other in their order; they have to be in that of their addresses. A file in
        # which they are not loads as chance has it: the one that begins nearest below an address is taken here.
        loaded = sorted((s for s in segments if s.type == _LOAD and s.size), key=lambda segment: segment.address)
        return cls(file, tuple(segment.address for segment in loaded), tuple(loaded))

    def at(self, address: int, what: str) -> memoryview:
        """Return what is at an address, as far as the segment goes."""
        index = bisect.bisect_right(self.starts, address) - 1
        segment = self.segments[index] if index >= 0 else None
        if segment is None or address >= segment.address + segment.size:
            raise _DamageError(f"{what} is said to be at {address:#x}, where nothing of the file is loaded")
        size = min(segment.size, max(len(self.file.content) - segment.offset, 0))
        start = address - segment.address
        if start >= size:
            raise _DamageError(f"{what} lies past the end of the file")
        return self.file.content[segment.offset + start : segment.offset + size]


@dataclass(frozen=True, slots=True)
class _Link:
    """What the dynamic segment says."""

    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: str = ""
    runpath: str = ""
    imports: tuple[Import, ...] = ()
    exports: tuple[Export, ...] = ()
    text_relocations: bool = False
    bind_now: bool = False
    static_tls: bool = False
    program: bool = False
    version_needs: tuple[tuple[str, tuple[str, ...]], ...] = ()


def _link(file: _File, memory: _Memory, segment: _Segment) -> _Link:
    # musl's loader takes the address, not the offset: a file in which they disagree is read as it is loaded.
    table = memory.at(segment.address, "its dynamic segment")[: segment.size]
    needed: list[int] = []
    tags: dict[int, int] = {}
    for tag, value in file.table("QQ" if file.bits == 64 else "II", table):
        if tag == 0:
            break
        if tag == _NEEDED:
            needed.append(value)
        tags[tag] = value
    if not tags:
        return _Link()
    names = _Names(memory.at(tags[_STRTAB], "the table of its names")[: tags.get(_STRSZ, 0)] if _STRTAB in tags else
                   memoryview(b""))  # fmt: skip
    needs, versions = _version_needs(memory, tags, names)
    definitions = _version_definitions(memory, tags, names)
    imports, exports = _symbols(memory, tags, names, versions, definitions)
    flags, flags_1 = tags.get(_FLAGS, 0), tags.get(_FLAGS_1, 0)
    return _Link(
        soname=names.at(tags[_SONAME]) if _SONAME in tags else "",
        needed=tuple(names.at(offset) for offset in needed),
        rpath=names.at(tags[_RPATH]) if _RPATH in tags else "",
        runpath=names.at(tags[_RUNPATH]) if _RUNPATH in tags else "",
        imports=imports,
        exports=exports,
        text_relocations=_TEXTREL in tags or bool(flags & 4),
        bind_now=_BIND_NOW in tags or bool(flags & 8) or bool(flags_1 & 1),
        static_tls=bool(flags & 0x10),
        program=bool(flags_1 & 0x08000000),
        version_needs=needs,
    )


class _Names:
    """A table of names that end with a zero byte, with a bound on how much is read out of it in all."""

    def __init__(self, table: memoryview) -> None:
        self._table = bytes(table)
        self._left = _ALL_NAMES

    def at(self, offset: int) -> str:
        if offset >= len(self._table):
            raise _DamageError("a name lies outside the table of its names")
        # A linker lets a name be the end of another one; a file in which each of many is most of the table is
        # meant to fill the memory.
        end = self._table.find(b"\0", offset, offset + _LONGEST_NAME)
        self._left -= end - offset
        if end < 0 or self._left < 0:
            raise _DamageError("the table of its names has names without an end")
        return self._table[offset:end].decode("utf-8", "backslashreplace")


def _symbols(
    memory: _Memory, tags: Mapping[int, int], names: _Names,
    versions: Mapping[int, tuple[str, str]], definitions: Mapping[int, str],
) -> tuple[tuple[Import, ...], tuple[Export, ...]]:  # fmt: skip
    """Read the dynamic symbol table."""
    if _SYMTAB not in tags:
        return (), ()
    file = memory.file
    form = "IBBHQQ" if file.bits == 64 else "IIIBBH"
    size = struct.calcsize(f"={form}")
    if tags.get(_SYMENT, size) != size:
        raise _DamageError(f"its symbols are {tags[_SYMENT]} bytes each, which they are not in any such file")
    count, sure = _count_symbols(memory, tags, size)
    if not count:
        return (), ()
    table = memory.at(tags[_SYMTAB], "the table of its symbols")
    if sure and count * size > len(table):
        raise _DamageError(f"it says that it has {count} symbols, but their table has room for {len(table) // size}")
    which = _version_indexes(memory, tags, count)
    imports: list[Import] = []
    exports: list[Export] = []
    for number, row in enumerate(file.table(form, table[: count * size])):
        if file.bits == 64:
            name, info, other, section, value = row[:5]
        else:
            name, value, _, info, other, section = row
        binding, kind = info >> 4, info & 15
        # Local ones, and those that are hidden, are nobody's business but the file's.
        if binding not in (1, 2, 10) or not name or other & 3 in (1, 2):
            continue
        version = which[number] if number < len(which) else 1
        shown = _KINDS[kind] if kind < len(_KINDS) else ""
        if section == 0:
            wanted, library = versions.get(version & 0x7FFF, ("", ""))
            imports.append(Import(names.at(name), wanted, library, binding == 2, shown))
        elif value or kind == 6:
            label = definitions.get(version & 0x7FFF, "")
            exports.append(Export(names.at(name), label, not version & 0x8000, shown))
    return tuple(imports), tuple(exports)


def _count_symbols(memory: _Memory, tags: Mapping[int, int], size: int) -> tuple[int, bool]:
    """Find out how many dynamic symbols there are, which no field says; and whether that is sure.

    A hash table has an entry for each symbol; GNU's only for those that others can find, which come last. Where
    none can, what lies next in memory is the bound.
    """
    file = memory.file
    if _HASH in tags:
        table = memory.at(tags[_HASH], "the hash table of its symbols")
        buckets, count = struct.unpack_from(f"{file.order}II", table)
        if not buckets and file.fields[1] == 22:
            # GNU's linker writes 64-bit words for s390x (as its ABI supplement has it), LLVM's 32-bit ones.
            _, count = struct.unpack_from(f"{file.order}QQ", table)
        return count, True
    if _GNU_HASH in tags:
        hashed = _count_hashed(memory, tags[_GNU_HASH])
        if hashed:
            return hashed, True
    start = tags[_SYMTAB]
    table = memory.at(start, "the table of its symbols")
    after = [value for tag, value in tags.items() if tag in _ADDRESSES and start < value < start + len(table)]
    # Without anything after it, this is not the table of a file that a linker made.
    return ((min(after) - start) // size if after else 0), False


def _count_hashed(memory: _Memory, address: int) -> int:
    """Return one more than the last symbol in GNU's hash table, 0 where it has none."""
    file = memory.file
    table = memory.at(address, "the hash table of its symbols")
    buckets, first, filter_words, _ = struct.unpack_from(f"{file.order}IIII", table)
    start = 16 + filter_words * file.word
    if start + buckets * 4 > len(table):
        raise _DamageError("the hash table of its symbols goes past the end of the file")
    last = max((bucket for (bucket,) in file.table("I", table[start : start + buckets * 4])), default=0)
    if last < max(first, 1):
        return 0
    chain = table[start + buckets * 4 + (last - first) * 4 :]
    for distance, (value,) in enumerate(file.table("I", chain)):
        if value & 1:
            return last + distance + 1
    raise _DamageError("a chain in the hash table of its symbols has no end")


def _version_indexes(memory: _Memory, tags: Mapping[int, int], count: int) -> tuple[int, ...]:
    if _VERSYM not in tags:
        return ()
    table = memory.at(tags[_VERSYM], "the versions of its symbols")
    return struct.unpack_from(f"{memory.file.order}{min(count, len(table) // 2)}H", table)


_Needs = tuple[tuple[str, tuple[str, ...]], ...]


def _version_needs(
    memory: _Memory, tags: Mapping[int, int], names: _Names
) -> tuple[_Needs, dict[int, tuple[str, str]]]:
    """Read which versions are asked for, of which library: a list of lists (LSB Core, "Symbol Versioning")."""
    if _VERNEED not in tags:
        return (), {}
    order = memory.file.order
    table = memory.at(tags[_VERNEED], "the list of versions that it needs")
    found: list[tuple[str, tuple[str, ...]]] = []
    versions: dict[int, tuple[str, str]] = {}
    left = _MOST_VERSIONS
    offset = 0
    for _ in range(min(tags.get(_VERNEEDNUM, 0), _MOST_VERSIONS)):
        _, count, file, first, following = struct.unpack_from(f"{order}HHIII", table, offset)
        library = names.at(file)
        asked: list[str] = []
        place = offset + first
        for _ in range(count):
            left -= 1
            if left < 0:
                raise _DamageError("it asks for more versions of libraries than a file can")
            _, _, index, name, after = struct.unpack_from(f"{order}IHHII", table, place)
            asked.append(names.at(name))
            versions[index & 0x7FFF] = (asked[-1], library)
            if not after:
                break
            place += after
        found.append((library, tuple(asked)))
        if not following:
            break
        offset += following
    return tuple(found), versions


def _version_definitions(memory: _Memory, tags: Mapping[int, int], names: _Names) -> dict[int, str]:
    """Read the versions that the file gives to its own symbols, by index; the first is the file itself and none."""
    if _VERDEF not in tags:
        return {}
    order = memory.file.order
    table = memory.at(tags[_VERDEF], "the list of its versions")
    found: dict[int, str] = {}
    offset = 0
    for _ in range(min(tags.get(_VERDEFNUM, 0), _MOST_VERSIONS)):
        _, flags, index, _, _, first, following = struct.unpack_from(f"{order}HHHHIII", table, offset)
        (name,) = struct.unpack_from(f"{order}I", table, offset + first)
        if not flags & 1:
            found[index & 0x7FFF] = names.at(name)
        if not following:
            break
        offset += following
    return found


def _abi(file: _File, segments: list[_Segment]) -> str:
    """Read the note on the kernel that the file is for (LSB, "Note Sections"); notes without sense are passed over."""
    for segment in segments:
        if segment.type != _NOTE:
            continue
        notes = file.content[segment.offset : segment.offset + min(segment.size, 1 << 16)]
        offset = 0
        while offset + 12 <= len(notes):
            name, size, kind = struct.unpack_from(f"{file.order}III", notes, offset)
            body = offset + 12 + (name + 3 & ~3)
            if kind == 1 and size >= 16 and bytes(notes[offset + 12 : offset + 16]) == b"GNU\0" and body + 16 <= len(
                notes):  # fmt: skip
                system, *numbers = struct.unpack_from(f"{file.order}IIII", notes, body)
                return f"{'Linux' if system == 0 else f'system {system}'} {'.'.join(map(str, numbers))}"
            offset = body + (size + 3 & ~3)
    return ""


def _is_stripped(file: _File) -> bool:
    """Tell by the section headers whether a symbol table is left; where they make no sense, none is."""
    _, _, _, _, _, start, _, _, _, _, size, count, _ = file.fields
    if not start or not count or size != (64 if file.bits == 64 else 40) or start + size * count > len(file.content):
        return True
    return not any(file.unpack("I", start + size * number + 4)[0] == 2 for number in range(count))


def _text(content: memoryview, offset: int) -> str:
    return bytes(content[offset:]).split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
