from __future__ import annotations

import bz2
import gzip
import lzma
import random
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bivy.errors import BivyError
from bivy.musl.archives.sdist import Sdist, read_remote_sdist, read_sdist
from bivy.musl.archives.zipped import Bounds
from tests.loopback import Answer, Loopback
from tests.musl.archives.making import PKG_INFO, PYPROJECT, make_sdist, sdist_files, tar_member, tar_of, zip_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

NAME = "demo-1.0.tar.gz"
NOISE = random.Random(1).randbytes(3 << 20)


HOOK = "[tool.hatch.build.hooks.custom]\na=1"
POETRY = "[tool.poetry.build]\nscript='build.py'"


def backend(name: str, *requires: str, more: str = "") -> bytes:
    return f'[build-system]\nrequires = {list(requires)}\nbuild-backend = "{name}"\n{more}'.encode()


@pytest.fixture
def sdist(tmp_path: Path) -> Callable[..., Sdist]:
    def read(content: bytes, name: str = NAME, **more: Any) -> Sdist:
        path = tmp_path / name
        path.write_bytes(content)
        return read_sdist(path, **more)

    return read


def messages(sdist: Sdist) -> str:
    return "\n".join(problem.message for problem in sdist.problems)


def test_a_source_archive_says_what_it_is_and_what_builds_it(sdist: Callable[..., Sdist]) -> None:
    found = sdist(make_sdist({"demo/__init__.py": b""}))
    assert (found.name, found.version) == ("demo", "1.0")
    assert (found.requires, found.requires_known) == (("other>=2",), True)
    assert found.requires_python == ">=3.9"
    assert found.build_requires == ("setuptools>=61",)
    assert found.backend == "setuptools.build_meta"
    assert found.languages == frozenset()
    assert found.extension_modules is False
    assert found.complete
    assert found.problems == ()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("demo-1.0.tar", bytes),
        ("demo-1.0.tar.gz", gzip.compress),
        ("demo-1.0.tgz", gzip.compress),
        ("demo-1.0.tar.bz2", bz2.compress),
        ("demo-1.0.tar.xz", lzma.compress),
        ("demo-1.0.tar.zst", lambda content: zstandard.ZstdCompressor().compress(content)),
    ],
)
def test_every_compression_is_read(name: str, pack: Callable[[bytes], bytes], sdist: Callable[..., Sdist]) -> None:
    found = sdist(pack(make_sdist({"a.c": b""}, mode="w:")), name)
    assert (found.name, found.version, found.complete, found.problems) == ("demo", "1.0", True, ())
    assert found.languages == {"c"}


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, lzma.compress, lambda raw: zstandard.ZstdCompressor().compress(raw)]
)
def test_a_cut_off_archive_is_never_taken_for_a_whole_one(
    pack: Callable[[bytes], bytes], sdist: Callable[..., Sdist]
) -> None:
    content = pack(make_sdist({"noise": NOISE}, mode="w:"))
    for missing in (20, 2000, 200_000):
        found = sdist(content[:-missing])
        assert (missing < 10_000 and pack is bytes) or "cut off" in messages(found)
        assert found.complete == (not found.problems)


def test_a_zip_archive_is_read(sdist: Callable[..., Sdist]) -> None:
    found = sdist(zip_of(sdist_files({"src/a.pyx": b"", "setup.py": b"setup()"})), "demo-1.0.zip")
    assert (found.name, found.backend, found.languages) == ("demo", "setuptools.build_meta", frozenset({"cython"}))
    assert found.problems == ()


def test_languages_are_told_by_files_but_not_by_those_of_tests_and_examples(sdist: Callable[..., Sdist]) -> None:
    files = {
        "src/a.c": b"", "src/b.CPP": b"", "src/c.pyx": b"", "src/d.f90": b"", "rust/Cargo.toml": b"", "go/e.go": b"",
        "tests/f.cu": b"", "docs/g.zig": b"", "vendored/meson/test cases/h/h.cu": b"", "src/noending": b"",
    }  # fmt: skip
    found = sdist(make_sdist(files))
    assert found.languages == {"c", "c++", "cython", "fortran", "rust", "go"}
    assert found.known_from["fortran"] == "src/d.f90"


@pytest.mark.parametrize(
    ("files", "compiles"),
    [
        ({"setup.py": b"from setuptools import setup\nsetup()"}, False),
        ({"setup.py": b"setup(ext_modules=[Extension('a', ['a.c'])])"}, True),
        ({"setup.py": b"setup(ext_modules=[])"}, False),
        ({"setup.py": b"setup(**arguments)"}, None),
        ({"setup.py": b"setup(ext_modules=found())"}, None),
        ({"setup.py": b"print 'Python 2'"}, None),
        ({"setup.py": b"import more\nsetup(**more.arguments)", "more.py": b"x = Extension('a', ['a.c'])"}, True),
        ({"pyproject.toml": PYPROJECT + b"[[tool.setuptools.ext-modules]]\nname = 'a'\nsources = ['a.c']\n"}, True),
        ({"pyproject.toml": backend("setuptools.build_meta", "setuptools", "cython")}, None),
        ({"pyproject.toml": backend("maturin", "maturin>=1")}, True),
        ({"pyproject.toml": backend("mesonpy", "meson-python")}, True),
        ({"pyproject.toml": backend("scikit_build_core.build", "scikit-build-core")}, True),
        ({"pyproject.toml": backend("flit_core.buildapi", "flit_core")}, False),
        ({"pyproject.toml": backend("hatchling.build", "hatchling")}, False),
        (
            {"pyproject.toml": backend("hatchling.build", "hatchling", more=HOOK)},
            None,
        ),
        ({"pyproject.toml": backend("poetry.core.masonry.api", "poetry-core")}, False),
        (
            {"pyproject.toml": backend("poetry.core.masonry.api", "poetry-core", more=POETRY)},
            None,
        ),
        ({"pyproject.toml": backend("unheard_of", "unheard-of")}, None),
        ({"pyproject.toml": backend("own", more='backend-path = ["."]'), "setup.py": b"setup(ext_modules=[a])"}, True),
    ],
)
def test_whether_something_is_compiled_is_told_as_far_as_it_can_be(
    files: dict[str, bytes], compiles: bool | None, sdist: Callable[..., Sdist]
) -> None:
    assert sdist(make_sdist(files)).extension_modules is compiles


@pytest.mark.parametrize("content", [None, b"", b"[project]\nname='demo'\n", b"[build-system]\nbuild-backend='x'\n"])
def test_without_a_build_system_it_is_that_of_the_fallback(content: bytes | None, sdist: Callable[..., Sdist]) -> None:
    files = sdist_files({"pyproject.toml": content or b""})
    if content is None:
        del files["demo-1.0/pyproject.toml"]
    found = sdist(tar_of(files))
    assert found.backend == "setuptools.build_meta:__legacy__"
    assert found.build_requires == ("setuptools>=40.8.0",)


def test_what_a_build_needs_is_named_with_the_file_that_says_so(sdist: Callable[..., Sdist]) -> None:
    files = {
        "setup.py": b"setup(setup_requires=['cffi'], ext_modules=[Extension('a', ['a.c'], libraries=['ffi'])])",
        "meson.build": b"project('demo', 'c', 'fortran')\ndependency('openblas')\n",
        "CMakeLists.txt": b"find_package(ZLIB REQUIRED)",
        "src/rust/Cargo.toml": b'[dependencies]\nopenssl-sys = "0.9"\n',
    }
    found = sdist(make_sdist(files))
    assert set(found.libraries) == {"ffi", "openblas", "ZLIB", "openssl"}
    assert set(found.tools) == {"meson", "cmake"}
    assert found.languages == {"c", "fortran", "rust"}
    assert found.build_requires == ("setuptools>=61", "cffi")
    assert found.known_from["openblas"] == "meson.build"
    assert found.known_from["ffi"] == "setup.py"
    assert found.known_from["openssl"] == "src/rust/Cargo.toml"


@pytest.mark.parametrize(
    ("metadata", "project", "requires", "known"),
    [
        (b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: a\n", b"", ("a",), False),
        (b"Metadata-Version: 2.2\nName: demo\nVersion: 1.0\nRequires-Dist: a\n", b"", ("a",), True),
        (b"Metadata-Version: 2.2\nName: demo\nVersion: 1.0\nDynamic: Requires-Dist\n", b"", (), False),
        (b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", b"[project]\ndependencies = ['b']\n", ("b",), True),
        (b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", b"[project]\ndynamic = ['dependencies']\n", (), False),
    ],
)
def test_requirements_are_known_where_a_build_cannot_change_them(
    metadata: bytes, project: bytes, requires: tuple[str, ...], known: bool, sdist: Callable[..., Sdist]
) -> None:
    found = sdist(make_sdist({"PKG-INFO": metadata, "pyproject.toml": project}))
    assert (found.requires, found.requires_known) == (requires, known)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (tar_member("../outside.c", b"x"), "lead"),
        (tar_member("/etc/passwd", b"x"), "lead"),
        (tar_member("demo-1.0/../../outside.c", b"x"), "lead"),
        (tar_member("demo-1.0/link", type=tarfile.SYMTYPE, linkname="../../outside"), "links that lead out"),
        (tar_member("demo-1.0/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "links that lead out"),
        (tar_member("demo-1.0/link", type=tarfile.LNKTYPE, linkname="../outside"), "links that lead out"),
        (tar_member("demo-1.0/disk", type=tarfile.BLKTYPE), "devices or pipes"),
        (tar_member("demo-1.0/tty", type=tarfile.CHRTYPE), "devices or pipes"),
        (tar_member("demo-1.0/pipe", type=tarfile.FIFOTYPE), "devices or pipes"),
        (tar_member("stray.c", b"x"), "files outside the one folder"),
        (tar_member("other-2.0/setup.py", b"x"), "more than one folder at its top"),
        (tar_member("demo-1.0/a\\b.c", b"x"), "not every program reads in the same way"),
    ],
)
def test_a_member_that_does_not_belong_is_a_problem_and_the_rest_is_read(
    member: tuple[tarfile.TarInfo, bytes], message: str, sdist: Callable[..., Sdist]
) -> None:
    found = sdist(tar_of({}, member, *(tar_member(*item) for item in sdist_files({"a.f": b""}).items())))
    assert message in messages(found)
    assert (found.name, found.backend, found.complete) == ("demo", "setuptools.build_meta", True)
    assert "fortran" in found.languages


def test_links_within_are_no_problem_but_are_not_followed(sdist: Callable[..., Sdist]) -> None:
    link = tar_member("demo-1.0/src/link.c", type=tarfile.SYMTYPE, linkname="../real.c")
    assert sdist(make_sdist({}, link)).problems == ()
    files = {"demo-1.0/real": PKG_INFO}
    found = sdist(tar_of(files, tar_member("demo-1.0/PKG-INFO", type=tarfile.SYMTYPE, linkname="real")))
    assert "not read, since they are links: 'demo-1.0/PKG-INFO'" in messages(found)


def test_another_name_inside_than_outside_is_a_problem(sdist: Callable[..., Sdist]) -> None:
    found = sdist(make_sdist(), "other-1.0.tar.gz")
    assert "its file name says 'other', its metadata 'demo'" in messages(found)
    assert found.name == "demo"
    assert "is not the file name of a source archive" in messages(sdist(make_sdist(), "demo.tar.gz"))


def test_without_pkg_info_name_and_version_are_those_of_the_file_name(sdist: Callable[..., Sdist]) -> None:
    found = sdist(tar_of({"demo-1.0/setup.py": b""}))
    assert "there is no PKG-INFO in it" in messages(found)
    assert (found.name, found.version) == ("demo", "1.0")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"pyproject.toml": b"[build-system"}, "pyproject.toml cannot be read"),
        ({"pyproject.toml": b"\xff"}, "pyproject.toml cannot be read"),
        ({"pyproject.toml": b"a=" + b"[" * 50_000}, "pyproject.toml cannot be read"),
        ({"pyproject.toml": PYPROJECT + b"#" * (1 << 20)}, "too large to be read"),
        (
            {"pyproject.toml": b"[build-system]\nrequires = ['?']\n"},
            "requirements in pyproject.toml that",
        ),
        ({"PKG-INFO": PKG_INFO + bytes(10 << 20)}, "too large to be read"),
        ({"PKG-INFO": b"Name: demo\n"}, "does not say which version it is"),
        ({"setup.py": b"print 'hello'"}, "programs that bivy cannot read"),
        ({"setup.py": b"(" * 100_000}, "programs that bivy cannot read"),
        ({"setup.py": b"\0"}, "programs that bivy cannot read"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem(
    files: dict[str, bytes], message: str, sdist: Callable[..., Sdist]
) -> None:
    found = sdist(make_sdist(files))
    assert message in messages(found)
    assert found.name == "demo"


@pytest.mark.parametrize(
    "project",
    [
        b"build-system = 1",
        b"[build-system]\nrequires = 1",
        b"[build-system]\nrequires = [1]\nbuild-backend = 2",
        b"project = []",
        b"tool = 'a'",
        b"[tool]\nsetuptools = 3",
    ],
)
def test_a_pyproject_with_other_types_than_it_should_have_is_read(project: bytes, sdist: Callable[..., Sdist]) -> None:
    assert sdist(make_sdist({"pyproject.toml": project})).backend == "setuptools.build_meta:__legacy__"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither a tar nor a zip"),
        (b"nothing of that", "neither a tar nor a zip"),
        (b"<html>", "neither a tar nor a zip"),
        (gzip.compress(b"nothing of that", mtime=0), "cut off or damaged"),
        (gzip.compress(b"", mtime=0), "cut off or damaged"),
        (make_sdist()[:30], "cut off or damaged"),
        (b"PK\3\4 and nothing", "cut off or damaged"),
    ],
)
def test_what_is_no_archive_is_an_error(content: bytes, message: str, sdist: Callable[..., Sdist]) -> None:
    with pytest.raises(BivyError, match=message):
        sdist(content)


def test_an_archive_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BivyError, match="cannot read"):
        read_sdist(tmp_path / NAME)


def test_an_archive_that_is_cut_off_is_read_up_to_there(sdist: Callable[..., Sdist]) -> None:
    content = make_sdist({"a.c": b"", "noise": NOISE, "b.f": b""})
    found = sdist(content[: len(content) // 2])
    assert (found.name, found.languages, found.complete) == ("demo", frozenset({"c"}), False)
    assert "after 4 members it is cut off or damaged" in messages(found)


def test_a_damaged_header_is_not_taken_for_the_end(sdist: Callable[..., Sdist]) -> None:
    content = bytearray(make_sdist({"a.c": b"", "b.f": b""}, mode="w:"))
    content[content.index(b"demo-1.0/b.f")] ^= 1
    found = sdist(bytes(content), "demo-1.0.tar")
    assert not found.complete
    assert "after 3 members it is cut off or damaged" in messages(found)


def test_a_wrong_checksum_at_the_end_is_a_problem(sdist: Callable[..., Sdist]) -> None:
    content = bytearray(make_sdist())
    content[-6] ^= 1
    found = sdist(bytes(content))
    assert found.name == "demo"
    assert "CRC check failed" in messages(found)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_not_blown_up(pack: Callable[[bytes], bytes], sdist: Callable[..., Sdist]) -> None:
    content = pack(tar_of(sdist_files(), tar_member("demo-1.0/bomb.py", bytes(64 << 20)), mode="w:"))
    tracemalloc.start()
    found = sdist(content, bounds=Bounds(total=16 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "more than 16777216 bytes when unpacked" in messages(found)
    assert (found.name, found.complete) == ("demo", False)
    assert peak < 16 << 20


def test_a_file_that_announces_an_absurd_size_is_not_believed(sdist: Callable[..., Sdist]) -> None:
    info = tarfile.TarInfo("demo-1.0/setup.py")
    info.size = 1 << 60
    raw = tar_of(sdist_files(), mode="w:")[: -tarfile.RECORDSIZE]
    start = raw.rstrip(b"\0")
    start += bytes(-len(start) % 512)
    found = sdist(gzip.compress(start + info.tobuf(tarfile.GNU_FORMAT) + b"short"))
    assert found.name == "demo"
    assert not found.complete


@pytest.mark.parametrize("size", [100_000, 10 << 20])
def test_a_header_without_end_is_not_read(size: int, sdist: Callable[..., Sdist]) -> None:
    header = tarfile.TarInfo("header")
    header.type = tarfile.XHDTYPE
    header.size = size
    content = header.tobuf(tarfile.USTAR_FORMAT) + b"1" * size + bytes(-size % 512)
    members = tar_of(sdist_files(), mode="w:")
    with pytest.raises(BivyError, match="a header in it has"):
        sdist(gzip.compress(content + members))


def test_an_archive_of_very_many_members_is_read_up_to_the_bounds(sdist: Callable[..., Sdist]) -> None:
    found = sdist(make_sdist({f"{number}.py": b"" for number in range(300)}), bounds=Bounds(members=100))
    assert "it has more than 100 members" in messages(found)
    assert found.name == "demo"


def test_a_header_of_negative_size_does_not_lead_in_circles(sdist: Callable[..., Sdist]) -> None:
    raw = bytearray(tar_of(sdist_files({"a.c": b"x"}), mode="w:"))
    place = raw.index(b"demo-1.0/a.c")
    raw[place + 124 : place + 136] = b"\xff" * 10 + b"\xfc\x00"  # in base 256, as GNU tar writes large numbers
    raw[place + 148 : place + 156] = b" " * 8
    raw[place + 148 : place + 156] = b"%06o\0 " % sum(raw[place : place + 512])
    found = sdist(bytes(raw), "demo-1.0.tar")
    assert found.name == "demo"


def at(site: Loopback, content: bytes, name: str = NAME) -> str:
    site.files[f"/{name}"] = content
    return site.url(f"/{name}")


def test_a_remote_archive_is_read_like_a_local_one(
    client: httpx.Client, site: Loopback, sdist: Callable[..., Sdist]
) -> None:
    content = make_sdist({"setup.py": b"setup(ext_modules=[Extension('a', ['a.c'])])", "a.c": b""})
    here, there = sdist(content), read_remote_sdist(client, at(site, content))
    assert (here.name, here.languages, here.extension_modules) == (there.name, there.languages, there.extension_modules)
    assert there.complete
    assert there.problems == ()
    assert (there.traffic.requests, there.traffic.bytes) == (1, len(content))


def test_of_a_large_remote_archive_no_more_is_fetched_than_is_needed(client: httpx.Client, site: Loopback) -> None:
    files = {"pyproject.toml": backend("mesonpy", "meson-python"), "a.c": b""}
    content = make_sdist({**files, **{f"noise{number}": NOISE for number in range(4)}})
    found = read_remote_sdist(client, at(site, content), eager=1000)
    assert (found.name, found.backend, found.languages, found.complete) == ("demo", "mesonpy", frozenset({"c"}), False)
    assert found.problems == ()
    assert found.traffic.bytes < len(content) / 4


def test_a_remote_archive_is_read_up_to_the_limit_and_says_so(client: httpx.Client, site: Loopback) -> None:
    content = make_sdist({"noise1": NOISE, "noise2": NOISE, "setup.py": b""})
    found = read_remote_sdist(client, at(site, content), limit=1 << 20)
    assert (found.name, found.complete) == ("demo", False)
    assert "only its first" in messages(found)
    assert found.traffic.bytes < len(content) / 2


def test_what_was_not_reached_is_not_guessed(client: httpx.Client, site: Loopback) -> None:
    files = {"demo-1.0/noise1": NOISE, "demo-1.0/noise2": NOISE, "demo-1.0/pyproject.toml": backend("mesonpy")}
    found = read_remote_sdist(client, at(site, tar_of(files)), limit=1 << 20)
    assert (found.name, found.version, found.complete) == ("demo", "1.0", False)
    assert (found.backend, found.build_requires, found.extension_modules) == ("", (), None)
    assert not found.requires_known


def test_a_remote_zip_archive_is_read_in_pieces(client: httpx.Client, site: Loopback) -> None:
    files = sdist_files({"noise.txt": NOISE + NOISE, "a.c": b"", "setup.py": b"setup()"})
    content = zip_of(files, zipfile.ZIP_STORED)
    found = read_remote_sdist(client, at(site, content, "demo-1.0.zip"))
    assert (found.name, found.languages, found.complete, found.problems) == ("demo", frozenset({"c"}), True, ())
    assert found.traffic.bytes < len(content) / 2


def test_a_remote_archive_that_breaks_off_is_taken_up_again(client: httpx.Client, site: Loopback) -> None:
    content = make_sdist({"noise": NOISE, "a.c": b""})
    address = at(site, content)
    site.answers[f"/{NAME}"] = [Answer(bytes_sent=1_000_000), Answer(bytes_sent=300_000, ranges=False)]
    found = read_remote_sdist(client, address)
    assert (found.languages, found.complete, found.problems) == (frozenset({"c"}), True, ())


def test_a_remote_archive_that_keeps_breaking_off_is_read_up_to_there(client: httpx.Client, site: Loopback) -> None:
    address = at(site, make_sdist({"a.c": b"", "noise": NOISE, "b.f": b""}))
    site.answers[f"/{NAME}"] = [Answer(bytes_sent=500_000)] * 5
    found = read_remote_sdist(client, address)
    assert (found.name, found.languages, found.complete) == ("demo", frozenset({"c"}), False)
    assert "it was not fetched to its end" in messages(found)


@pytest.mark.parametrize(
    ("answer", "message"),
    [(Answer(status=404), "404"), (Answer(status=503), "503"), (Answer(raw=b"garbage"), "cannot be read")],
)
def test_a_remote_archive_that_cannot_be_had_is_an_error(
    answer: Answer, message: str, client: httpx.Client, site: Loopback
) -> None:
    address = at(site, make_sdist())
    site.answers[f"/{NAME}"] = [answer] * 5
    with pytest.raises(BivyError, match=message):
        read_remote_sdist(client, address)


def test_an_archive_on_this_machine_can_be_named_by_its_address(client: httpx.Client, tmp_path: Path) -> None:
    for name, content in ((NAME, make_sdist()), ("demo-1.0.zip", zip_of(sdist_files()))):
        (tmp_path / name).write_bytes(content)
        assert read_remote_sdist(client, (tmp_path / name).as_uri()).name == "demo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def read_all(content: bytes, folder: Path) -> None:
    path = folder / NAME
    path.write_bytes(content)
    try:
        found = read_sdist(path, bounds=Bounds(total=32 << 20))
    except BivyError:
        return
    assert all(problem.message for problem in found.problems)


SOUND = make_sdist(
    {"setup.py": b"setup(ext_modules=[Extension('a', ['a.c'], libraries=['z'])])", "a.c": b"x"}, mode="w:"
)
SOUND_LENGTH = len(SOUND.rstrip(b"\0"))
changes = st.lists(st.tuples(st.integers(0, SOUND_LENGTH), st.binary(min_size=1, max_size=12)), min_size=1, max_size=6)


@given(st.binary(max_size=3000))
def test_any_bytes_end_in_a_value_or_an_error(folder: Path, content: bytes) -> None:
    read_all(content, folder)
    read_all(gzip.compress(content), folder)


@settings(max_examples=400)
@given(changes, st.integers(0, SOUND_LENGTH), st.booleans())
def test_a_changed_archive_ends_in_a_value_or_an_error(
    folder: Path, changed: list[tuple[int, bytes]], cut: int, shorten: bool
) -> None:
    content = bytearray(SOUND)
    for place, value in changed:
        content[place : place + len(value)] = value
    read_all(bytes(content[:cut]) if shorten else bytes(content), folder)


HEADERS = [place for place in range(0, SOUND_LENGTH, 512) if SOUND[place + 257 : place + 262] == b"ustar"]


@settings(max_examples=400)
@given(
    st.sampled_from(HEADERS),
    st.sampled_from([(0, 100), (100, 48), (156, 1), (157, 100), (263, 200)]),
    st.binary(max_size=48),
)
def test_a_changed_header_with_a_right_checksum_ends_in_a_value_or_an_error(
    folder: Path, header: int, field: tuple[int, int], value: bytes
) -> None:
    content = bytearray(SOUND)
    start, size = header + field[0], min(field[1], len(value))
    content[start : start + size] = value[:size]
    content[header + 148 : header + 156] = b" " * 8
    content[header + 148 : header + 156] = b"%06o\0 " % sum(content[header : header + 512])
    read_all(bytes(content), folder)


@settings(max_examples=200)
@given(st.integers(0, len(make_sdist()) - 1), st.binary(min_size=1, max_size=5))
def test_a_changed_compressed_archive_ends_in_a_value_or_an_error(folder: Path, place: int, value: bytes) -> None:
    content = bytearray(make_sdist())
    content[place : place + len(value)] = value
    read_all(bytes(content), folder)


@given(st.binary(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_any_files_end_in_a_value(folder: Path, metadata: bytes, project: str, script: str) -> None:
    files = {"PKG-INFO": PKG_INFO[:45] + metadata, "pyproject.toml": project.encode(errors="replace")}
    read_all(make_sdist({**files, "setup.py": script.encode(errors="replace")}), folder)


def test_reading_writes_nothing_to_disk(sdist: Callable[..., Sdist], tmp_path: Path) -> None:
    sdist(make_sdist({"a.c": b""}, tar_member("../outside", b"x")))
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert not (tmp_path.parent / "outside").exists()


def test_what_a_hook_runs_is_read_like_a_setup_script(sdist: Callable[..., Sdist]) -> None:
    files = {
        "pyproject.toml": backend("hatchling.build", "hatchling", more=HOOK),
        "hatch_build.py": b"import subprocess\nsubprocess.run(['python', '_setup.py'])",
        "_setup.py": b"setup(ext_modules=[Extension('a', ['a.c'], libraries=['z'])])",
    }
    found = sdist(make_sdist(files))
    assert found.extension_modules is True
    assert "z" in found.libraries


def test_a_script_that_no_hook_runs_says_nothing(sdist: Callable[..., Sdist]) -> None:
    files = {
        "pyproject.toml": backend("hatchling.build", "hatchling"),
        "hatch_build.py": b"subprocess.run(['python', '_setup.py'])",
        "_setup.py": b"setup(ext_modules=[Extension('a', ['a.c'])])",
    }
    assert sdist(make_sdist(files)).extension_modules is False
