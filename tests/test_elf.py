"""ELF files of every kind are read, as another reader reads them; what is damaged is told, and never takes long."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bivy.arch import ARCHES
from bivy.elf import Elf, ElfError, Export, is_elf, read_elf
from tests.elves import Linker

ANSWER = "int answer(void) { return 42; }\n"
ASK = "int other(void); __attribute__((weak)) int maybe(void); extern int number;\n"
ASK += "int ask(void) { return other() + (maybe ? maybe() : 0) + number; }\n"


@pytest.fixture(scope="module")
def linker(tmp_path_factory: pytest.TempPathFactory) -> Linker:
    return Linker(tmp_path_factory.mktemp("elf"))


@pytest.fixture(scope="module")
def library(linker: Linker) -> bytes:
    """A library with all that there is to read: what it needs has versions, and so has it."""
    glibc = linker.glibc()
    source = f"int puts(void); int __printf_chk(void); _Thread_local int count; {ANSWER}"
    source += "int old(void) { return puts(); } int hidden(void) { return ++count + __printf_chk(); }"
    path = linker.link(
        "libanswer.so.1", source, "-soname=libanswer.so.1", "-rpath=$ORIGIN/../lib:/opt/lib", "-znow",
        "--hash-style=gnu", needs=[glibc],
        versions="ONE { global: old; local: *; }; TWO { global: answer; } ONE;",
    )  # fmt: skip
    return path.read_bytes()


def test_a_library_says_what_it_is_called_what_it_needs_and_what_it_has(library: bytes) -> None:
    elf = read_elf(library)
    assert (elf.machine, elf.bits, elf.big_endian, elf.type) == ("EM_X86_64", 64, False, "shared")
    assert (elf.soname, elf.needed, elf.interpreter) == ("libanswer.so.1", ("libc.so.6",), "")
    assert elf.search_path == ("$ORIGIN/../lib", "/opt/lib")
    assert {(symbol.name, symbol.version, symbol.default) for symbol in elf.exports} == {
        ("answer", "TWO", True),
        ("old", "ONE", True),
        ("ONE", "ONE", True),
        ("TWO", "TWO", True),
    } - {(name, name, True) for name in ("ONE", "TWO") if name not in {symbol.name for symbol in elf.exports}}
    imports = {symbol.name: symbol for symbol in elf.imports}
    assert (imports["puts"].version, imports["puts"].file) == ("GLIBC_2.2.5", "libc.so.6")
    assert imports["__printf_chk"].version == "GLIBC_2.3.4"
    assert elf.version_needs == (("libc.so.6", ("GLIBC_2.2.5", "GLIBC_2.3.4")),)
    assert (elf.relro, elf.bind_now, elf.tls, elf.stack) == ("full", True, True, "plain")


def test_weak_imports_are_told_from_those_that_have_to_be_there(linker: Linker) -> None:
    elf = read_elf(linker.link("ask.so", ASK).read_bytes())
    assert {symbol.name: symbol.weak for symbol in elf.imports} == {"other": False, "maybe": True, "number": False}
    assert [symbol.name for symbol in elf.exports] == ["ask"]


@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_symbols_are_found_by_either_hash_table_and_where_nothing_is_exported(linker: Linker, style: str) -> None:
    elf = read_elf(linker.link(f"{style}.so", ASK, f"--hash-style={style}").read_bytes())
    assert {symbol.name for symbol in elf.imports} == {"other", "maybe", "number"}
    silent = linker.link(f"{style}-silent.so", ASK, f"--hash-style={style}", versions="{ local: *; };", kind="-shared")
    elf = read_elf(silent.read_bytes())
    assert {symbol.name for symbol in elf.imports} <= {"other", "maybe", "number"}
    assert elf.exports == ()


def test_imports_are_found_where_the_hash_table_has_nothing(linker: Linker) -> None:
    source = "int other(void); __attribute__((constructor)) static void start(void) { other(); }\n"
    elf = read_elf(linker.link("constructor.so", source, "--hash-style=gnu").read_bytes())
    assert [symbol.name for symbol in elf.imports] == ["other"]
    assert elf.exports == ()


@pytest.mark.parametrize("arch", ARCHES)
def test_files_of_every_architecture_are_read(tmp_path: Path, arch: str) -> None:
    target = ARCHES[arch]
    elf = read_elf(Linker(tmp_path, arch).link("ask.so", ASK, "-soname=ask").read_bytes())
    assert (elf.machine, elf.bits, elf.big_endian) == (target.elf, target.bits, target.big_endian)
    assert {"other", "maybe", "number"} <= {symbol.name for symbol in elf.imports}
    assert (elf.soname, [symbol.name for symbol in elf.exports]) == ("ask", ["ask"])


def test_programs_are_told_from_libraries(linker: Linker) -> None:
    start = "void _start(void) { for (;;); }\n"
    loader = "--dynamic-linker=/lib/ld-musl-x86_64.so.1"
    pie = read_elf(linker.link("pie", start, loader, kind="-pie").read_bytes())
    assert (pie.type, pie.interpreter, pie.dynamic) == ("pie", "/lib/ld-musl-x86_64.so.1", True)
    fixed = read_elf(linker.link("fixed", start, kind="-static").read_bytes())
    assert (fixed.type, fixed.interpreter, fixed.dynamic) == ("exec", "", False)
    anywhere = read_elf(linker.link("static-pie", start, "--no-dynamic-linker", kind="-pie").read_bytes())
    assert (anywhere.type, anywhere.interpreter) == ("pie", "")
    part = read_elf(linker.link("part.o", start, kind="-r").read_bytes())
    assert (part.type, part.dynamic) == ("object", False)


def test_how_it_wants_to_be_in_memory_is_told(linker: Linker) -> None:
    plain = read_elf(linker.link("plain.so", ANSWER, "-znorelro").read_bytes())
    assert (plain.relro, plain.stack, plain.text_relocations, plain.static_tls) == ("none", "plain", False, False)
    wild = linker.link("wild.so", f"extern int other; int *there = &other; {ANSWER}", "-zexecstack", "-znotext")
    assert read_elf(wild.read_bytes()).stack == "executable"
    tls = linker.link(
        "tls.so", "_Thread_local int n; int f(void) { return ++n; }", compiled=["-fPIC", "-ftls-model=initial-exec"]
    )
    assert (read_elf(tls.read_bytes()).static_tls, read_elf(tls.read_bytes()).tls) == (True, True)
    x86 = Linker(linker.folder, "x86")
    text = x86.link("text.so", "extern int other; int f(void) { return other; }", "-znotext", compiled=["-fno-PIC"])
    assert read_elf(text.read_bytes()).text_relocations


def test_a_file_that_says_nothing_of_its_stack_gets_what_its_architecture_gives(tmp_path: Path) -> None:
    unsaid = {}
    for arch in ("x86_64", "aarch64"):
        content = bytearray(Linker(tmp_path, arch).link("answer.so", ANSWER).read_bytes())
        place = next(place for place, kind in segments(bytes(content)) if kind == 0x6474E551)
        content[place : place + 4] = b"\0\0\0\0"
        unsaid[arch] = read_elf(bytes(content))
    assert {elf.stack for elf in unsaid.values()} == {"unsaid"}
    assert (unsaid["x86_64"].stack_executable, unsaid["aarch64"].stack_executable) == (True, False)


def test_section_headers_are_not_needed_and_not_believed(library: bytes) -> None:
    without = bytearray(library)
    struct.pack_into("<Q", without, 40, 0)
    struct.pack_into("<HHH", without, 58, 0, 0, 0)
    wrong = bytearray(library)
    struct.pack_into("<Q", wrong, 40, len(library) - 8)
    for content in (without, wrong):
        elf = read_elf(bytes(content))
        assert elf.stripped
        assert elf.imports == read_elf(library).imports
        assert elf.exports == read_elf(library).exports
    assert not read_elf(library).stripped


def test_this_machines_python_and_libraries_are_read_as_another_reader_reads_them() -> None:
    places = [Path(sys.executable).resolve(), *sorted(Path(sys.prefix, "lib").rglob("*.so"))[:40]]
    places += sorted(Path("/usr/lib").glob("*-linux-gnu/lib[cmz]*.so.?"))[:20]
    for path in places:
        content = path.read_bytes()
        if is_elf(content):
            assert summary(read_elf(content)) == other_summary(content), path


def told(content: bytes) -> str:
    """Read a file; return what is wrong with it, or nothing where it could be read."""
    try:
        assert isinstance(read_elf(content), Elf)
    except ElfError as fault:
        return str(fault)
    return ""


def summary(elf: Elf) -> dict[str, Any]:
    return {
        "needed": elf.needed,
        "soname": elf.soname,
        "runpath": elf.runpath,
        "imports": {symbol.name for symbol in elf.imports},
        "exports": {symbol.name for symbol in elf.exports},
    }


def other_summary(content: bytes) -> dict[str, Any]:
    dynamic = next(s for s in ELFFile(io.BytesIO(content)).iter_segments() if isinstance(s, DynamicSegment))
    tags: list[Any] = list(dynamic.iter_tags())
    found: dict[str, Any] = {
        "needed": tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
        "soname": next((tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), ""),
        "runpath": next((tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"), ""),
        "imports": set(),
        "exports": set(),
    }
    for symbol in dynamic.iter_symbols():
        info, other = symbol["st_info"], symbol["st_other"]
        if info["bind"] == "STB_LOCAL" or not symbol.name or other["visibility"] in ("STV_HIDDEN", "STV_INTERNAL"):
            continue
        if symbol["st_shndx"] == "SHN_UNDEF":
            found["imports"].add(symbol.name)
        elif symbol["st_value"] or info["type"] == "STT_TLS":
            found["exports"].add(symbol.name)
    return found


def segments(content: bytes) -> list[tuple[int, int]]:
    """Return where each program header of a 64-bit little-endian file is, and its type."""
    start, count = struct.unpack_from("<Q", content, 32)[0], struct.unpack_from("<H", content, 56)[0]
    return [(start + 56 * n, struct.unpack_from("<I", content, start + 56 * n)[0]) for n in range(count)]


def tags_of(content: bytes) -> dict[int, int]:
    """Return where the value of each entry of the dynamic segment is."""
    header = next(place for place, kind in segments(content) if kind == 2)
    offset, size = struct.unpack_from("<Q", content, header + 8)[0], struct.unpack_from("<Q", content, header + 32)[0]
    return {struct.unpack_from("<Q", content, place)[0]: place + 8 for place in range(offset, offset + size, 16)}


def offset_of(content: bytes, address: int) -> int:
    """Return where in the file something is that is loaded at an address."""
    for place, kind in segments(content):
        _, _, offset, start, _, size = struct.unpack_from("<IIQQQQ", content, place)
        if kind == 1 and start <= address < start + size:
            return int(offset + address - start)
    raise AssertionError(address)


def with_value(content: bytes, tag: int, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into("<Q", changed, tags_of(content)[tag], value)
    return bytes(changed)


def table_at(content: bytes, tag: int) -> int:
    """Return where in the file the table is that an entry of the dynamic segment leads to."""
    return offset_of(content, struct.unpack_from("<Q", content, tags_of(content)[tag])[0])


GNU_HASH, STRTAB, STRSZ, SYMTAB, SYMENT, VERNEED, VERNEEDNUM, VERSYM = (
    0x6FFFFEF5, 5, 10, 6, 11, 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFF0,
)  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"\x7fEL", b"MZ" + bytes(200), b"#!/bin/sh\n"])
def test_what_is_no_elf_file_is_told_so(content: bytes) -> None:
    assert not is_elf(content)
    with pytest.raises(ElfError, match="not an ELF file"):
        read_elf(content)


def test_a_file_that_is_cut_short_anywhere_is_read_or_told_to_be_damaged(library: bytes) -> None:
    messages = [told(library[:size]) for size in range(4, len(library), 7)]
    assert all(message.startswith("a damaged ELF file: ") for message in messages if message)
    assert sum(map(bool, messages)) > 100


def test_a_number_of_segments_that_no_file_has_is_refused(library: bytes) -> None:
    changed = bytearray(library)
    struct.pack_into("<H", changed, 56, 65535)
    with pytest.raises(ElfError, match="65535 segments"):
        read_elf(bytes(changed))


def test_a_hash_table_with_more_buckets_than_the_file_has_bytes_is_refused(library: bytes) -> None:
    changed = bytearray(library)
    struct.pack_into("<I", changed, table_at(library, GNU_HASH), 0xFFFFFFFF)
    with pytest.raises(ElfError, match="hash table"):
        read_elf(bytes(changed))


def test_a_hash_table_whose_filter_has_more_words_than_the_file_has_bytes_is_refused(library: bytes) -> None:
    changed = bytearray(library)
    struct.pack_into("<I", changed, table_at(library, GNU_HASH) + 8, 0xFFFFFFFF)
    with pytest.raises(ElfError, match="hash table"):
        read_elf(bytes(changed))


def test_a_bucket_that_leads_past_the_last_symbol_is_refused(library: bytes) -> None:
    changed = bytearray(library)
    place = table_at(library, GNU_HASH)
    _, _, words, _ = struct.unpack_from("<IIII", library, place)
    struct.pack_into("<I", changed, place + 16 + 8 * words, 0xFFFFFFF0)
    with pytest.raises(ElfError, match="chain"):
        read_elf(bytes(changed))


def test_a_chain_without_an_end_ends_where_the_file_does(library: bytes) -> None:
    changed = bytearray(library)
    start = table_at(library, GNU_HASH)
    buckets, _, words, _ = struct.unpack_from("<IIII", library, start)
    dynamic = min(tags_of(library).values()) - 8
    for place in range(start + 16 + 8 * words + 4 * buckets, dynamic, 4):
        changed[place] &= 0xFE
    with pytest.raises(ElfError, match="chain"):
        read_elf(bytes(changed))


def test_more_symbols_than_there_is_room_for_are_refused(linker: Linker) -> None:
    content = linker.link("sysv-count.so", ASK, "--hash-style=sysv").read_bytes()
    changed = bytearray(content)
    struct.pack_into("<I", changed, table_at(content, 4) + 4, 0xFFFFFFFF)
    with pytest.raises(ElfError, match="4294967295 symbols"):
        read_elf(bytes(changed))


def test_a_list_of_versions_that_leads_to_itself_ends(library: bytes) -> None:
    place = table_at(library, VERNEED)
    _, _, _, first, _ = struct.unpack_from("<HHIII", library, place)
    # An entry says how far ahead the next one is: each of 65535 lists begins where the last one did.
    changed = bytearray(with_value(library, VERNEEDNUM, 0xFFFFFFFF))
    struct.pack_into("<H", changed, place + 2, 0xFFFF)
    struct.pack_into("<I", changed, place + 12, 0xFFFFFFFF)
    struct.pack_into("<I", changed, place + first + 12, 0xFFFFFFFC)
    with pytest.raises(ElfError):
        read_elf(bytes(changed))


def test_lists_of_versions_that_overlap_are_read_once_and_no_more() -> None:
    content = crafted(lists=30_000, name=64)
    with pytest.raises(ElfError, match="more versions"):
        read_elf(content)


def test_names_that_overlap_do_not_fill_the_memory() -> None:
    content = crafted(symbols=60_000, name=60_000)
    with pytest.raises(ElfError, match="names without an end"):
        read_elf(content)


@pytest.mark.parametrize("tag", [STRTAB, SYMTAB, GNU_HASH, VERNEED, VERSYM])
@pytest.mark.parametrize("value", [0x100000, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF])
def test_a_table_that_is_nowhere_is_damage(library: bytes, tag: int, value: int) -> None:
    assert told(with_value(library, tag, value)).startswith("a damaged ELF file: ")


def test_a_segment_that_is_larger_than_the_file_is_read_as_far_as_it_goes(library: bytes) -> None:
    changed = bytearray(library)
    for place, kind in segments(library):
        if kind in (1, 2, 4):
            struct.pack_into("<QQ", changed, place + 32, 1 << 62, 1 << 62)
    assert told(bytes(changed)) == ""


def test_segments_that_lie_over_each_other_are_no_endless_work(library: bytes) -> None:
    changed = bytearray(library)
    for place, kind in segments(library):
        if kind == 1:
            struct.pack_into("<QQ", changed, place + 8, 0, 0)
    assert told(bytes(changed)).startswith("a damaged ELF file: ")


def crafted(*, lists: int = 0, symbols: int = 0, name: int = 1) -> bytes:
    """Make a file by hand that a linker would not: one segment, at address 0, with tables that lie over each other."""
    names = b"\0" + b"x" * name + b"\0"
    head = 64 + 2 * 56
    tables = head + 16 * 10
    strings = tables
    table = strings + len(names)
    # Each list's first entry is the next list: all of them are one run of entries.
    needs = b"".join(struct.pack("<HHIII", 1, 0xFFFF, 1, 16, 16) for _ in range(lists)) + bytes(64)
    entries = bytes(24) + b"".join(struct.pack("<IBBHQQ", 1 + n % 50, 0x12, 0, 0, 0, 0) for n in range(symbols))
    hash_at = table + len(needs) + len(entries)
    hashes = struct.pack("<II", 0, symbols + 1)
    dynamic = [(STRTAB, strings), (STRSZ, len(names)), (SYMTAB, table + len(needs)), (SYMENT, 24), (4, hash_at)]
    dynamic += [(VERNEED, table), (VERNEEDNUM, lists)] if lists else []
    size = hash_at + len(hashes)
    header = (
        b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    )
    headers = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    headers += struct.pack("<IIQQQQQQ", 2, 6, head, head, head, 160, 160, 8)
    section = b"".join(struct.pack("<QQ", *entry) for entry in dynamic).ljust(160, b"\0")
    return header + headers + section + names + needs + entries + hashes


def test_what_is_made_by_hand_is_an_elf_file_as_long_as_it_is_small() -> None:
    elf = read_elf(crafted(symbols=3, name=4))
    assert [symbol.name for symbol in elf.imports] == ["xxxx", "xxx", "xx"]


_VALUES = st.sampled_from([0, 1, 2, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, 0xFFFFFFFFFFFFFFFF])
_CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from([1, 2, 4, 8]), _VALUES | st.integers(0, 2**64 - 1)),
    max_size=6,
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=_CHANGES, front=st.booleans(), cut=st.none() | st.floats(0, 1))
def test_a_file_with_bytes_changed_is_read_or_told_to_be_damaged(
    library: bytes, changes: list[tuple[float, int, int]], front: bool, cut: float | None
) -> None:
    changed = bytearray(library)
    # The tables that are read are in the first part of the file.
    reach = 2048 if front else len(changed) - 8
    for place, width, value in changes:
        start = int(place * reach)
        changed[start : start + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    content = bytes(changed[: int(cut * len(changed))] if cut is not None else changed)
    assert told(content) == "" or "\n" not in told(content)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400), st.sampled_from([1, 2]), st.sampled_from([1, 2]))
def test_any_bytes_are_read_or_told_to_be_damaged(content: bytes, width: int, order: int) -> None:
    for start in (b"", b"\x7fELF", b"\x7fELF" + bytes([width, order])):
        assert "\n" not in told(start + content)


def test_exports_are_plain_tuples_that_name_their_parts(library: bytes) -> None:
    assert Export("answer", "TWO", default=True, kind="function") in read_elf(library).exports
