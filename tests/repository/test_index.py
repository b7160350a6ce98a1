"""A folder of packages becomes an index that says what is there, or says what is wrong."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bivy.apk.errors import ApkError
from bivy.apk.index import read_index
from bivy.apk.package import read_info, read_package, write_package
from bivy.apk.sign import Signer, generate_key, read_signed
from bivy.errors import BivyError
from bivy.progress import Silent
from bivy.repository.index import INDEX, index_repository, sign_file, sign_repository
from tests.apk.samples import ENTRIES, INFO

Put = Callable[..., Path]
SILENT = Silent()


@pytest.fixture(scope="session")
def signers() -> tuple[Signer, Signer]:
    return tuple(Signer(generate_key(1024), f"{name}-0001.rsa.pub") for name in "ab")  # type: ignore[return-value]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """A function that writes a package into a repository and returns the repository's folder."""

    def write(name: str, version: str = "1.0-r0", arch: str = "x86_64", folder: str = "x86_64") -> Path:
        info = replace(INFO, name=name, version=version, arch=arch)
        place = tmp_path / "repository" / folder / f"{name}-{version}.apk"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(write_package(info, ENTRIES))
        return tmp_path / "repository"

    return write


def index_of(folder: Path, *signers: Signer) -> list[tuple[str, str, str]]:
    keys = {signer.name: signer.key.public for signer in signers} or None
    entries = read_index((folder / INDEX).read_bytes(), keys)
    return [(entry.name, entry.version, entry.arch) for entry in entries]


def test_every_architecture_gets_an_index_signed_by_the_key_that_lies_beside(
    put: Put, signers: tuple[Signer, Signer]
) -> None:
    put("one")
    put("one", "2.0-r0")
    put("two", arch="noarch")
    folder = put("one", arch="aarch64", folder="aarch64")
    done = index_repository(folder, description="mine", signer=signers[0], progress=SILENT)
    assert [(each.arch, len(each.entries), each.changed) for each in done] == [
        ("aarch64", 1, True),
        ("x86_64", 3, True),
    ]
    # apk looks for a package in the folder of the architecture that the index says.
    expected = [("one", "1.0-r0", "x86_64"), ("one", "2.0-r0", "x86_64"), ("two", "1.0-r0", "x86_64")]
    assert index_of(folder / "x86_64", signers[0]) == expected
    assert (folder / signers[0].name).is_file()
    with pytest.raises(ApkError, match="not trusted"):
        index_of(folder / "x86_64", signers[1])


def test_the_folder_of_one_architecture_will_do(put: Put) -> None:
    folder = put("one") / "x86_64"
    (done,) = index_repository(folder, description="", signer=None, progress=SILENT)
    assert (done.path, done.arch, done.signed_by) == (folder / INDEX, "x86_64", "")
    assert index_of(folder) == [("one", "1.0-r0", "x86_64")]


def test_the_same_packages_give_the_same_bytes_and_nothing_is_written_again(
    put: Put, signers: tuple[Signer, Signer]
) -> None:
    put("one")
    folder = put("two")
    index_repository(folder, description="mine", signer=signers[0], progress=SILENT)
    index = folder / "x86_64" / INDEX
    first, time = index.read_bytes(), index.stat().st_mtime_ns
    (done,) = index_repository(folder, description="", signer=signers[0], progress=SILENT)
    assert (done.changed, index.read_bytes(), index.stat().st_mtime_ns) == (False, first, time)
    index.unlink()
    index_repository(folder, description="mine", signer=signers[0], progress=SILENT)
    assert index.read_bytes() == first


def test_what_is_damaged_misnamed_or_for_another_machine_is_named_and_the_old_index_stays(put: Put) -> None:
    folder = put("one")
    index_repository(folder, description="", signer=None, progress=SILENT)
    before = (folder / "x86_64" / INDEX).read_bytes()
    put("two")
    damaged = folder / "x86_64" / "two-1.0-r0.apk"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    put("three", arch="aarch64")
    put("four")
    (folder / "x86_64" / "four-1.0-r0.apk").rename(folder / "x86_64" / "five.apk")
    with pytest.raises(BivyError) as caught:
        index_repository(folder, description="", signer=None, progress=SILENT)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    for word in ("two-1.0-r0.apk", "three-1.0-r0.apk is for aarch64", "five.apk has another name", "four-1.0-r0.apk"):
        assert word in str(caught.value)
    assert (folder / "x86_64" / INDEX).read_bytes() == before
    assert sorted(path.name for path in (folder / "x86_64").iterdir()) == [
        INDEX, "five.apk", "one-1.0-r0.apk", "three-1.0-r0.apk", "two-1.0-r0.apk",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_packages_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BivyError, match=r"is not a folder|no packages"):
        index_repository(tmp_path / name, description="", signer=None, progress=SILENT)


def test_another_key_of_the_same_name_is_not_overwritten(put: Put, signers: tuple[Signer, Signer]) -> None:
    folder = put("one")
    index_repository(folder, description="", signer=signers[0], progress=SILENT)
    stranger = replace(signers[1], name=signers[0].name)
    before = (folder / stranger.name).read_bytes()
    with pytest.raises(BivyError, match="is another key"):
        index_repository(folder, description="", signer=stranger, progress=SILENT)
    assert (folder / stranger.name).read_bytes() == before


def test_a_signature_takes_the_place_of_the_one_before_and_the_rest_stays(
    put: Put, signers: tuple[Signer, Signer]
) -> None:
    path = put("one") / "x86_64" / "one-1.0-r0.apk"
    plain = path.read_bytes()
    for signer in signers:
        assert sign_file(path, signer)
        assert not sign_file(path, signer)
        assert path.read_bytes().endswith(plain)
        package = read_package(path, {signer.name: signer.key.public})
        assert package.checksum == read_info(plain).checksum
    with pytest.raises(ApkError, match="not trusted"):
        read_package(path, {signers[0].name: signers[0].key.public})


def test_signing_a_repository_signs_its_packages_and_writes_its_index_anew(
    put: Put, signers: tuple[Signer, Signer]
) -> None:
    put("one")
    folder = put("two")
    index_repository(folder, description="mine", signer=None, progress=SILENT)
    changed, (done,) = sign_repository(folder, signers[0], SILENT)
    assert (changed, done.changed, done.signed_by) == (2, True, signers[0].name)
    keys = {signers[0].name: signers[0].key.public}
    for entry in read_index((folder / "x86_64" / INDEX).read_bytes(), keys):
        path = folder / "x86_64" / f"{entry.name}-{entry.version}.apk"
        assert entry.size == path.stat().st_size
        assert read_package(path, keys).checksum == entry.checksum
    changed, (done,) = sign_repository(folder, signers[0], SILENT)
    assert (changed, done.changed) == (0, False)


def kinds_of(path: Path) -> list[str]:
    return [member.entry.path for member in read_signed(path.read_bytes(), 1 << 24, str(path)).signatures]


def test_indexes_are_signed_over_sha256_and_packages_so_that_apk_2_12_reads_them(
    put: Put, signers: tuple[Signer, Signer]
) -> None:
    folder = put("one") / "x86_64"
    sign_repository(folder, signers[0], SILENT)
    assert kinds_of(folder / INDEX) == [f".SIGN.RSA256.{signers[0].name}"]
    assert kinds_of(folder / "one-1.0-r0.apk") == [f".SIGN.RSA.{signers[0].name}"]
    written = (folder / INDEX).read_bytes()
    sign_file(folder / INDEX, signers[1])
    assert sign_file(folder / INDEX, signers[0])
    assert (folder / INDEX).read_bytes() == written


def test_an_index_can_be_signed_alone(put: Put, signers: tuple[Signer, Signer]) -> None:
    folder = put("one")
    index_repository(folder, description="", signer=None, progress=SILENT)
    assert sign_file(folder / "x86_64" / INDEX, signers[1])
    assert index_of(folder / "x86_64", signers[1]) == [("one", "1.0-r0", "x86_64")]


@pytest.mark.parametrize("content", [b"", b"text", bytes(512)])
def test_what_is_neither_package_nor_index_is_not_signed(
    tmp_path: Path, content: bytes, signers: tuple[Signer, Signer]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ApkError, match=str(path)):
        sign_file(path, signers[0])
    assert path.read_bytes() == content


def test_a_damaged_package_is_not_signed(put: Put, signers: tuple[Signer, Signer]) -> None:
    path = put("one") / "x86_64" / "one-1.0-r0.apk"
    path.write_bytes(path.read_bytes()[:-20] + bytes(20))
    before = path.read_bytes()
    with pytest.raises(ApkError):
        sign_file(path, signers[0])
    assert path.read_bytes() == before


def _index(folder: Path, signer: Signer) -> None:
    index_repository(folder, description="mine", signer=signer, progress=Silent())


def test_two_at_once_leave_one_whole_index(put: Put, signers: tuple[Signer, Signer]) -> None:
    folder = put("one")
    for number in range(20):
        put(f"more-{number}")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_index, args=(folder, signers[0])) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(index_of(folder / "x86_64", signers[0])) == 21
    assert [path.name for path in (folder / "x86_64").iterdir() if path.suffix != ".apk"] == [INDEX]
