"""Each fault that is planted in an image fails the check that is for it, and no other."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bivy.apk.entry import Entry, Kind
from bivy.oci import media
from bivy.oci.blob import Blob, digest_of
from bivy.oci.config import History, canonical
from bivy.oci.image import Image, make_image
from bivy.oci.layer import Layer
from bivy.oci.layout import read_image, write_image
from bivy.verify.check import own_checks
from bivy.verify.report import Report, Status
from bivy.verify.verify import verify
from tests.elves import Linker
from tests.rootfs.trees import file, folder, symlink
from tests.verify.making import HARD, SITE, TITLE, Plan, library, make, small_plan

READINGS = [check for check in own_checks() if not check.runs]


@pytest.fixture(scope="module")
def linker(tmp_path_factory: pytest.TempPathFactory) -> Linker:
    return Linker(tmp_path_factory.mktemp("elf"))


@pytest.fixture(scope="module")
def plan(linker: Linker) -> Plan:
    return small_plan(linker)


def checked(image: Image, cache: Path) -> Report:
    return verify(image, READINGS, where="a test", cache=cache)


def failing(report: Report) -> dict[str, tuple[str, ...]]:
    return {outcome.name: outcome.findings for outcome in report.having(Status.FAILED)}


def skipped(report: Report) -> dict[str, str]:
    return {outcome.name: outcome.reason for outcome in report.having(Status.SKIPPED)}


def test_nothing_is_wrong_with_the_image_that_faults_are_planted_in(plan: Plan, tmp_path: Path) -> None:
    report = checked(make(plan), tmp_path)
    assert failing(report) == {}
    assert set(skipped(report)) <= {"umoci"}


Planted = Callable[[Plan], Plan]

FILES: dict[str, tuple[str, Planted, str]] = {
    "an empty password": (
        "passwords", lambda plan: plan.having(file("etc/shadow", b"root:::0:::::\nmail:!::0:::::\n", 0o640, gid=42)),
        "root needs no password: the field in /etc/shadow is empty",
    ),
    "a password": (
        "passwords", lambda plan: plan.having(file("etc/shadow", b"root:$6$salt$hash:1::::::\n", 0o640, gid=42)),
        "root has a password in /etc/shadow",
    ),
    "a password where all can read it": (
        "passwords", lambda plan: plan.having(file("etc/passwd", b"root::0:0:root:/root:/bin/sh\n")),
        "root needs no password: the field in /etc/passwd is empty",
    ),
    "a file that all may write": (
        "world-writable", lambda plan: plan.having(file("etc/motd", b"", 0o666)), "/etc/motd has the mode 0666",
    ),
    "a folder that all may write to": (
        "world-writable", lambda plan: plan.having(folder("srv", 0o777)), "/srv has the mode 0777",
    ),
    "a setuid program": (
        "no-setuid", lambda plan: plan.having(file("bin/su", b"", 0o4755)), "/bin/su is setuid (mode 4755)",
    ),
    "a setgid program": (
        "no-setuid", lambda plan: plan.having(file("bin/write", b"", 0o2755)), "/bin/write is setgid (mode 2755)",
    ),
    "a file of nobody's": (
        "owners", lambda plan: plan.having(file("etc/motd", b"", uid=1234)),
        "/etc/motd belongs to user 1234, who is not in /etc/passwd",
    ),
    "a file of no group's": (
        "owners", lambda plan: plan.having(file("etc/motd", b"", gid=77)),
        "/etc/motd belongs to group 77, which is not in /etc/group",
    ),
    "a cache": (
        "no-leftovers", lambda plan: plan.having(file("var/cache/apk/APKINDEX.tar.gz")),
        "/var/cache/apk/APKINDEX.tar.gz: a cache",
    ),
    "a log": ("no-leftovers", lambda plan: plan.having(file("var/log/apk.log")), "/var/log/apk.log: a log"),
    "a temporary file": ("no-leftovers", lambda plan: plan.having(file("tmp/x")), "/tmp/x: a temporary file"),
    "a history": (
        "no-leftovers", lambda plan: plan.having(file("root/.ash_history")), "/root/.ash_history: what somebody typed",
    ),
    "an object file": (
        "no-leftovers", lambda plan: plan.having(file("usr/lib/x.o")), "/usr/lib/x.o: an object file",
    ),
    "a path in a text": (
        "no-builder-paths", lambda plan: plan.having(file("usr/bin/x-config", b"prefix=/home/ada/src/x\n")),
        "/usr/bin/x-config has /home/ada/src/x",
    ),
    "a path of the sandbox's": (
        "no-builder-paths", lambda plan: plan.having(file("etc/x", b"-I/usr/include -B /bivy/src/x\n")),
        "/etc/x has /bivy/src/x",
    ),
    "a path of a temporary folder in what a build writes": (
        "no-builder-paths", lambda plan: plan.having(file("usr/lib/pkgconfig/x.pc", b"prefix=/tmp/build-1/x\n")),
        "/usr/lib/pkgconfig/x.pc has /tmp/build-1/x",
    ),
    "a link to the builder's home": (
        "no-builder-paths",
        lambda plan: plan.having(symlink("usr/lib/x", "/root/x"), file("root/x")),
        "/usr/lib/x has /root/x",
    ),
    "a file that no package knows": (
        "owned-by-package", lambda plan: replace(plan, late=(file("etc/motd"),)),
        "/etc/motd belongs to no package",
    ),
    "a file of two packages": (
        "owned-by-package", lambda plan: replace(plan, doubly=("etc/group",)), "/etc/group belongs to all and another",
    ),
    "a file that is not as its RECORD says": (
        "records", lambda plan: plan.having(file(f"{SITE}/thing.py", b"answer = 43")),
        f"/{SITE}/thing.py of thing-1.0 is not as its RECORD says",
    ),
    "a file of a distribution that is gone": (
        "records", lambda plan: plan.without(f"{SITE}/thing.py"), f"/{SITE}/thing.py of thing-1.0 is not there",
    ),
    "a link to nothing": (
        "links", lambda plan: plan.having(symlink("usr/bin/x", "nothing")),
        "/usr/bin/x leads to nothing, which is not there",
    ),
    "links that lead to each other": (
        "links", lambda plan: plan.having(symlink("a", "b"), symlink("b", "a")), "/a leads to b, which is not there",
    ),
    "a package without a licence": (
        "licences", lambda plan: replace(plan, licences=""), "the package all has no licence",
    ),
    "a package with a licence that nobody knows": (
        "licences", lambda plan: replace(plan, licences="custom"),
        "the package all has the licence 'custom': Unknown license: 'custom'",
    ),
    "a distribution without a licence": (
        "licences", lambda plan: plan.having(file(f"{SITE}/thing-1.0.dist-info/METADATA", b"Name: thing\n")),
        "the Python distribution thing-1.0.dist-info names no licence and has no text of one",
    ),
    "git": ("no-tools", lambda plan: plan.having(file("usr/bin/git", b"", 0o755)), "/usr/bin/git: git"),
    "bash": ("no-tools", lambda plan: plan.having(file("bin/bash", b"", 0o755)), "/bin/bash: bash"),
    "a compiler": (
        "no-tools", lambda plan: plan.having(symlink("usr/bin/cc", "../../etc/group")), "/usr/bin/cc: a compiler",
    ),
    "a header": ("no-headers", lambda plan: plan.having(file("usr/include/zlib.h")), "/usr/include/zlib.h: a header"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FILES)
def test_a_planted_file_fails_the_check_that_is_for_it_and_no_other(fault: str, plan: Plan, tmp_path: Path) -> None:
    name, plant, finding = FILES[fault]
    found = failing(checked(make(plant(plan)), tmp_path))
    assert list(found) == [name], found
    assert finding in found[name]


def test_a_path_of_this_machines_cache_is_found_in_any_file(plan: Plan, tmp_path: Path) -> None:
    planted = plan.having(file("etc/x", f"from {tmp_path}/packages".encode()))
    assert failing(checked(make(planted), tmp_path)) == {"no-builder-paths": (f"/etc/x has {tmp_path}",)}


CHANGES: dict[str, tuple[Callable[[Entry], Entry], str]] = {
    "another content": (lambda entry: replace(entry, content=b"\n"), "has another content than in the package"),
    "another mode": (
        lambda entry: replace(entry, mode=0o600), "has mode 0600 and owner 0:0, not 0644 and 0:0",
    ),
    "another kind": (
        lambda entry: Entry(entry.path, Kind.DIRECTORY, 0o755), "is a folder",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", CHANGES)
def test_a_file_that_is_not_as_its_package_brought_it_fails_its_checksum(
    fault: str, plan: Plan, tmp_path: Path
) -> None:
    change, finding = CHANGES[fault]
    image = make(plan, change=lambda entry: change(entry) if entry.path == "etc/alpine-release" else entry)
    found = failing(checked(image, tmp_path))
    assert found == {"checksums": (f"/etc/alpine-release of all {finding}",)}


def test_a_file_of_a_package_that_is_gone_fails_its_checksum(plan: Plan, tmp_path: Path) -> None:
    gone = Entry("etc/.wh.alpine-release", Kind.FILE, 0o644)
    image = make(replace(plan, late=(gone,)))
    lower = make(plan).layers[0]
    upper = make(Plan((gone,), late=())).layers[0]
    assert image.layers
    both = make_image(plan.config, [lower, _without_database(upper)], plan.annotations)
    assert failing(checked(both, tmp_path)) == {"checksums": ("/etc/alpine-release of all is not there",)}


def _without_database(layer: Layer) -> Layer:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("etc/.wh.alpine-release"))
    content = memory.getvalue()
    return Layer(media.LAYER, Blob.of(content), digest_of(content), layer.created_by)


def _elf(name: str) -> Callable[[Linker], Entry]:
    return {
        "a library that is missing": lambda it: file(
            "usr/lib/libouter.so.1",
            library(it, "outer", source="int inner(void); int outer(void) {return inner();}", needs=[_absent(it)]),
        ),
        "a symbol that is missing": lambda it: file(
            "usr/lib/libouter.so.1",
            library(it, "outer", source="int nowhere(void); int outer(void) {return nowhere();}"),
        ),
        "a library for glibc": lambda it: file(
            "usr/lib/libouter.so.1",
            library(
                it, "outer", needs=[it.glibc()],
                source="int __printf_chk(void); int outer(void) {return __printf_chk();}",
            ),
        ),
        "a library that is cut off": lambda it: file("usr/lib/libouter.so.1", library(it, "outer")[:200]),
        "a library for another machine": lambda it: file(
            "usr/lib/libouter.so.1", library(Linker(it.folder / "arm", "aarch64"), "outer")
        ),
        "an executable stack": lambda it: file("usr/lib/libouter.so.1", library(it, "outer", *HARD, "-zexecstack")),
        "text relocations": lambda it: file(
            "usr/lib/libouter.so.1",
            library(it, "outer", *HARD, "-znotext", source='int outer; __asm__(".text\\n.quad outer");'),
        ),
        "a program at an address": lambda it: file(
            "usr/bin/outer",
            it.link("fixed", "void _start(void) {}", "-s", kind="-no-pie", compiled=("-fno-pie",)).read_bytes(), 0o755,
        ),
        "no RELRO": lambda it: file("usr/lib/libouter.so.1", library(it, "outer", "-znow", "-s", "-znorelro")),
        "partial RELRO": lambda it: file(
            "usr/lib/libouter.so.1",
            library(it, "outer", "-zlazy", "-zrelro", "-s", source="int puts(void); int outer(void) {return puts();}"),
        ),
        "symbols": lambda it: file("usr/lib/libouter.so.1", library(it, "outer", "-znow", "-zrelro", "-S")),
        "a second copy": lambda it: file("usr/local/lib/libinner.so.1", library(it, "inner")),
        "a second version": lambda it: file(
            "usr/local/lib/libinner.so.1", library(it, "inner", source="int inner(void) {return 7;}")
        ),
    }[name]  # fmt: skip


def _absent(linker: Linker) -> Path:
    return linker.link("absent/libabsent.so.3", "int inner(void) {return 0;}", "-soname=libabsent.so.3", *HARD)


ELVES = {
    "a library that is missing": ("libraries-found", "it needs libabsent.so.3"),
    "a symbol that is missing": ("symbols-found", "it needs the symbol nowhere"),
    "a library for glibc": ("no-glibc", "it is linked to glibc, and needs the symbol __printf_chk"),
    "a library that is cut off": ("elf-whole", "a damaged ELF file"),
    "a library for another machine": ("architecture", "is for AARCH64, 64 bits; the image is for linux/amd64"),
    "an executable stack": ("no-executable-stack", "/usr/lib/libouter.so.1 asks for one"),
    "text relocations": ("no-text-relocations", "/usr/lib/libouter.so.1"),
    "a program at an address": ("position-independent", "/usr/bin/outer is always loaded at the same address"),
    "no RELRO": ("full-relro", "/usr/lib/libouter.so.1 has no RELRO at all"),
    "partial RELRO": ("full-relro", "/usr/lib/libouter.so.1 has partial RELRO"),
    "symbols": ("stripped", "/usr/lib/libouter.so.1 has a symbol table"),
    "a second copy": (
        "no-library-twice", "libinner.so.1 is there as /usr/lib/libinner.so.1.0 and as /usr/local/lib/libinner.so.1",
    ),
    "a second version": ("no-library-twice", "libinner.so.1 is there as"),
}  # fmt: skip


@pytest.mark.parametrize("fault", ELVES)
def test_a_planted_elf_file_fails_the_check_that_is_for_it_and_no_other(fault: str, plan: Plan, tmp_path: Path) -> None:
    name, finding = ELVES[fault]
    own = Linker(tmp_path / "elf")
    found = failing(checked(make(plan.having(_elf(fault)(own))), tmp_path))
    assert list(found) == [name], found
    assert finding in found[name][0]


def test_a_library_that_wants_of_python_what_no_python_has_fails(plan: Plan, tmp_path: Path) -> None:
    own = Linker(tmp_path / "elf")
    python = library(own, "python3.14", source="int Py_Initialize(void) {return 0;}")
    asking = library(own, "outer", source="int PyNothing_New(void); int outer(void) {return PyNothing_New();}")
    planted = plan.having(file("usr/lib/libpython3.14.so.1", python), file("usr/lib/libouter.so.1", asking))
    assert list(failing(checked(make(planted), tmp_path))) == ["symbols-found"]


def test_layers_that_are_too_large_fail_the_budget_alone(plan: Plan, tmp_path: Path) -> None:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        member = tarfile.TarInfo("etc/alpine-release")
        member.size = len(b"3.24.1\n")
        archive.addfile(member, io.BytesIO(b"3.24.1\n"))
    # What is after the end of an archive is padding, of any size.
    content = memory.getvalue() + bytes(18_000_000)
    layer = Layer(media.LAYER_GZIP, Blob.of(gzip.compress(content, 0)), digest_of(content), "a test")
    image = make_image(plan.config, [make(plan).layers[0], layer], plan.annotations)
    found = failing(checked(image, tmp_path))
    assert list(found) == ["budget"]
    assert "more than the budget of" in found["budget"][0]


@pytest.mark.parametrize(
    ("annotations", "reason"),
    [
        ({TITLE: "mine:1"}, "there is no definition of it"),
        ({TITLE: "python:3.14-alpine"}, "the budget is for linux/amd64"),
    ],
)
def test_an_image_that_has_no_budget_is_told_so(
    annotations: dict[str, str], reason: str, plan: Plan, tmp_path: Path
) -> None:
    config = plan.config if annotations[TITLE] == "mine:1" else replace(plan.config, architecture="arm64", variant="v8")
    report = checked(make(replace(plan, annotations=annotations, config=config)), tmp_path)
    assert reason in skipped(report)["budget"]


def test_an_image_without_a_title_has_the_budget_of_python_where_it_is_one_on_alpine(
    plan: Plan, tmp_path: Path
) -> None:
    untitled = replace(plan, annotations={})
    assert "budget" in skipped(checked(make(untitled), tmp_path))
    like = untitled.having(file("etc/os-release", b'ID=bivy\nID_LIKE="alpine"\n'))
    assert "budget" not in skipped(checked(make(like), tmp_path))


def manifest_with(image: Image, **changed: object) -> Image:
    document = json.loads(image.manifest.read()) | changed
    document = {name: value for name, value in document.items() if value is not None}
    return replace(image, manifest=Blob.of(canonical(document)))


def test_a_manifest_may_leave_its_media_type_out(plan: Plan, tmp_path: Path) -> None:
    assert failing(checked(manifest_with(make(plan), mediaType=None), tmp_path)) == {}


def of_docker(image: Image) -> Image:
    document = json.loads(image.manifest.read())
    document["mediaType"] = media.DOCKER_MANIFEST
    document["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    layers = []
    for layer in document["layers"]:
        layer["mediaType"] = media.DOCKER_LAYER
        layers.append(layer)
    kept = tuple(replace(layer, media_type=media.DOCKER_LAYER) for layer in image.layers)
    return replace(image, manifest=Blob.of(canonical(document)), layers=kept)


def escaping(image: Image) -> Image:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../etc/cron.d/x"))
    content = memory.getvalue()
    layer = Layer(media.LAYER_GZIP, Blob.of(gzip.compress(content, mtime=0)), digest_of(content))
    return make_image(image.config, [*image.layers, layer], image.annotations)


def history_too_long(image: Image) -> Image:
    config = json.loads(image.config_blob.read())
    config["history"].append({"created_by": "nobody"})
    blob = Blob.of(canonical(config))
    document = json.loads(image.manifest.read())
    document["config"] |= {"digest": blob.digest, "size": blob.size}
    parsed = replace(image.config, history=(*image.config.history, History("nobody")))
    return replace(image, config=parsed, config_blob=blob, manifest=Blob.of(canonical(document)))


FORMAT: dict[str, tuple[str, Callable[[Plan], Image], str]] = {
    "an old schema": ("manifest", lambda plan: manifest_with(make(plan), schemaVersion=1), "schemaVersion is 1, not 2"),
    "docker's media types": ("media-types", lambda plan: of_docker(make(plan)), "the manifest's mediaType is"),
    "a time that is none": (
        "config", lambda plan: make(replace(plan, config=replace(plan.config, created="yesterday"))),
        "created: 'yesterday' is not a time",
    ),
    "a platform that is none": (
        "config", lambda plan: make(replace(plan, config=replace(plan.config, variant="v9"))),
        "linux/amd64/v9 is not a platform",
    ),
    "a variable that is none": (
        "config", lambda plan: make(replace(plan, config=replace(plan.config, env=("PYTHON_VERSION",)))),
        "Env: 'PYTHON_VERSION' is not NAME=value",
    ),
    "a history that does not fit": ("config", lambda plan: history_too_long(make(plan)), "history has 2 layers"),
    "a layer that is another": (
        "diff-ids",
        lambda plan: make_image(
            plan.config, [replace(make(plan).layers[0], diff_id=f"sha256:{'0' * 64}")], plan.annotations
        ),
        "but the config says sha256:000",
    ),
    "a layer that leads out": ("layers", lambda plan: escaping(make(plan)), "'../../etc/cron.d/x' is not a path"),
    "a licence that is none": (
        "annotations",
        lambda plan: make(replace(plan, annotations={TITLE: "python", "org.opencontainers.image.licenses": "free"})),
        "not an SPDX expression",
    ),
    "an address that is none": (
        "annotations",
        lambda plan: make(replace(plan, annotations={TITLE: "python", "org.opencontainers.image.url": "python.org"})),
        "'python.org' is not a URL",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FORMAT)
def test_a_document_that_is_wrong_fails_the_check_that_is_for_it_and_no_other(
    fault: str, plan: Plan, tmp_path: Path
) -> None:
    name, plant, finding = FORMAT[fault]
    found = failing(checked(plant(plan), tmp_path))
    assert list(found) == [name], found
    assert finding in found[name][0]


def test_a_layer_whose_bytes_were_altered_fails_its_digest_and_what_needs_it_is_skipped(
    plan: Plan, tmp_path: Path
) -> None:
    image = make(plan)
    write_image(image, tmp_path / "dist", ["x:1"])
    path = tmp_path / "dist/blobs/sha256" / image.layers[0].digest.removeprefix("sha256:")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    report = checked(read_image(tmp_path / "dist", "x:1"), tmp_path)
    assert list(failing(report)) == ["digests"]
    assert "was altered" in failing(report)["digests"][0]
    assert "its files cannot be read" in skipped(report)["world-writable"]


@pytest.mark.clients
def test_what_umoci_unpacks_otherwise_fails_that_check(plan: Plan, tmp_path: Path) -> None:
    from shutil import which

    if which("umoci") is None:
        pytest.skip("umoci is not installed")
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        member = tarfile.TarInfo("srv/pipe")
        member.type = tarfile.FIFOTYPE
        archive.addfile(member)
    content = memory.getvalue()
    layer = Layer(media.LAYER_GZIP, Blob.of(gzip.compress(content, mtime=0)), digest_of(content))
    image = make_image(plan.config, [make(plan).layers[0], layer], plan.annotations)
    assert failing(checked(image, tmp_path)) == {
        "umoci": ("/srv is only there as umoci reads the layers", "/srv/pipe is only there as umoci reads the layers")
    }


def test_what_is_where_the_program_starts_belongs_to_the_application_and_bytecode_to_its_source(
    plan: Plan, tmp_path: Path
) -> None:
    late = (
        file("app/main.py"), file("app/__pycache__/main.cpython-314.pyc"),
        file(f"{SITE}/__pycache__/thing.cpython-314.pyc"),
        file(f"{SITE}/__pycache__/stray.cpython-314.pyc"), file("application/x"),
    )  # fmt: skip
    changed = replace(plan, late=late, config=replace(plan.config, working_dir="/app"))
    assert failing(checked(make(changed), tmp_path))["owned-by-package"] == (
        "/application/x belongs to no package",
        f"/{SITE}/__pycache__/stray.cpython-314.pyc belongs to no package",
    )


def test_an_image_without_a_package_database_is_checked_and_said_to_lack_one(plan: Plan, tmp_path: Path) -> None:
    from bivy.oci.layer import layer_from_tree
    from bivy.rootfs.tree import Tree

    image = make_image(plan.config, [layer_from_tree(Tree.of(plan.entries))], plan.annotations)
    report = checked(image, tmp_path)
    assert failing(report) == {}
    lacking = "it has no package database of apk's (/lib/apk/db/installed)"
    assert {name for name, reason in skipped(report).items() if reason == lacking} == {"owned-by-package", "checksums"}


def test_an_image_of_nothing_is_checked_all_the_same(tmp_path: Path) -> None:
    report = checked(make(Plan((), annotations={})), tmp_path)
    assert failing(report) == {}
    assert skipped(report)["libraries-found"] == "it has no ELF files"
    assert skipped(report)["passwords"] == "it has no /etc/passwd, and so no accounts"


def test_a_name_that_is_no_text_is_told_in_one_that_is(plan: Plan, tmp_path: Path) -> None:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        member = tarfile.TarInfo("etc/\udcff\x1b[31m\n")
        member.mode = 0o666
        archive.addfile(member)
    content = memory.getvalue()
    layer = Layer(media.LAYER_GZIP, Blob.of(gzip.compress(content, mtime=0)), digest_of(content))
    report = checked(make_image(plan.config, [make(plan).layers[0], layer], plan.annotations), tmp_path)
    (finding,) = failing(report)["world-writable"]
    assert finding.isprintable()
    assert finding.encode()
    assert "dcff" in finding
