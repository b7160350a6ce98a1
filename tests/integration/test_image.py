"""The whole image: what the official image is checked for, and what bivy promises beside."""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from bivy.sandbox import why_no_sandbox
from tests.integration.conftest import NAME, bivy

pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(why_no_sandbox() is not None, reason=f"no container can be started here: {why_no_sandbox()}"),
]

OFFICIAL_SIZE = 17_774_999


@pytest.fixture
def run(dist: Path) -> Runner:
    return Runner(dist)


class Runner:
    """Runs commands in the image."""

    def __init__(self, dist: Path) -> None:
        self.dist = dist

    def __call__(self, *command: str, options: tuple[str, ...] = (), check: bool = True) -> str:
        done = bivy("run", "--output", str(self.dist), *options, NAME, *command, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + ("" if check else done.stderr)

    def python(self, program: str, *, options: tuple[str, ...] = (), check: bool = True) -> str:
        return self("python3", "-c", program, options=options, check=check)


def test_the_modules_that_need_a_library_are_there(run: Runner) -> None:
    modules = (
        "bz2 compression.zstd ctypes curses curses.panel dbm.gnu dbm.ndbm dbm.sqlite3 decimal ensurepip hashlib lzma "
        "readline sqlite3 ssl uuid venv xml.parsers.expat zlib zoneinfo _decimal _uuid"
    )
    run.python("import importlib\nfor name in '''" + modules + "'''.split(): importlib.import_module(name)")


def test_every_extension_module_of_the_standard_library_imports(run: Runner) -> None:
    program = """
import importlib, pathlib, sys, sysconfig
folder = pathlib.Path(sysconfig.get_path('platstdlib')) / 'lib-dynload'
names = sorted({path.name.partition('.')[0] for path in folder.glob('*.so')} | {*sys.builtin_module_names})
for name in names: importlib.import_module(name)
print(len(names), '_tkinter' in names)
"""
    count, tk = run.python(program).split()
    assert int(count) > 90
    assert tk == "False"


def test_all_algorithms_of_hashlib_work(run: Runner) -> None:
    program = """
import hashlib
for name in hashlib.algorithms_available | hashlib.algorithms_guaranteed:
    digest = hashlib.new(name, b'bivy')
    digest.hexdigest(*([16] if name.startswith('shake') else []))
print(hashlib.scrypt(b'a', salt=b'b', n=2, r=1, p=1).hex()[:8], hashlib.sha256(b'').hexdigest()[:8])
"""
    assert run.python(program).split()[1] == "e3b0c442"


def test_logarithms_of_powers_of_two_are_exact_down_to_the_smallest(run: Runner) -> None:
    """The C library's are; those of the compiler's runtime, which the linker may prefer, are not."""
    program = """
import math
print([number for number in range(-1074, 1024) if math.log2(2.0 ** number) != number], math.log10(1e-308))
"""
    assert run.python(program) == "[] -308.0\n"


def test_what_looks_into_a_process_finds_the_file_that_has_asyncios_tasks(run: Runner) -> None:
    assert "/_asyncio.cpython-" in run.python("import _asyncio; print(_asyncio.__file__)")


def test_databases_keep_what_is_put_into_them(run: Runner) -> None:
    program = """
import dbm.gnu, dbm.ndbm, sqlite3
for module, name in ((dbm.gnu, '/tmp/g'), (dbm.ndbm, '/tmp/n')):
    with module.open(name, 'c') as database: database[b'key'] = b'value'
    with module.open(name, 'r') as database: assert database[b'key'] == b'value'
connection = sqlite3.connect(':memory:')
connection.enable_load_extension(True)
print(connection.execute("select json_extract('{\\"a\\": 7}', '$.a')").fetchone()[0])
connection.execute('create virtual table t using fts5(x)')
"""
    assert run.python(program).strip() == "7"


def test_time_zones_are_there_and_the_clock_says_utc(run: Runner) -> None:
    program = """
import datetime, zoneinfo
zone = zoneinfo.ZoneInfo('Europe/Berlin')
print(datetime.datetime(2026, 7, 1, tzinfo=zone).utcoffset(), len(zoneinfo.available_timezones()) > 400)
"""
    assert run.python(program).strip() == "2:00:00 True"
    assert run("date", "+%Z").strip() == "UTC"


def test_no_compiled_bytecode_is_under_usr_local(run: Runner) -> None:
    assert run("find", "/usr/local", "-name", "*.pyc", "-o", "-name", "__pycache__", "-o", "-name", "*.pyo") == ""


def test_recursion_in_a_thread_ends_in_an_exception(run: Runner) -> None:
    program = """
import sys, threading
sys.setrecursionlimit(100_000)
def dive(): return dive()
def deep():
    try: dive()
    except RecursionError: print('RecursionError')
def nested():
    value = []
    for _ in range(200_000): value = [value]
    try: repr(value)
    except RecursionError: print('RecursionError')
for target in (deep, nested):
    thread = threading.Thread(target=target); thread.start(); thread.join()
"""
    assert run.python(program).split() == ["RecursionError", "RecursionError"]


def test_no_account_has_a_password(run: Runner) -> None:
    shadow = [line.split(":")[1] for line in run("cat", "/etc/shadow").splitlines()]
    passwd = [line.split(":")[1] for line in run("cat", "/etc/passwd").splitlines()]
    assert shadow
    assert set(shadow) <= {"*", "!"}
    assert set(passwd) == {"x"}


def test_a_command_replaces_the_default_one(run: Runner, dist: Path) -> None:
    assert run("echo", "instead").strip() == "instead"
    done = bivy("run", "--output", str(dist), NAME, given="print(6 * 7)\n")
    assert done.stdout.strip() == "42"


def test_who_compiles_extensions_is_not_asked_for_packed_relocations(run: Runner) -> None:
    # A wheel for musllinux_1_2 has to run on a musl before 1.2.4.
    program = "import sysconfig; print(*[v for v in sysconfig.get_config_vars().values() if 'pack-rel' in str(v)])"
    assert run.python(program).strip() == ""
    assert run("grep", "-rl", "pack-relative", "/usr/local/lib", "/usr/local/bin", check=False).strip() == ""


def test_a_virtual_environment_has_the_pip_of_this_python_without_a_network(run: Runner) -> None:
    program = "python3 -m venv /tmp/v && /tmp/v/bin/pip check && /tmp/v/bin/pip --version && python3 -m pip --version"
    healthy, made, own = run("sh", "-c", program, check=True).splitlines()
    assert healthy == "No broken requirements found."
    assert made.startswith("pip ")
    assert made.split()[1] == own.split()[1]


def test_pip_comes_back_after_it_was_removed(run: Runner) -> None:
    program = (
        "pip uninstall --yes --quiet pip && ! python3 -m pip --version && python3 -m ensurepip --default-pip && "
        "pip check && pip --version"
    )
    assert run("sh", "-c", program, check=False).count("No broken requirements found.") == 1


def test_every_file_of_pips_record_is_there_with_its_digest(run: Runner) -> None:
    program = """
import base64, hashlib, importlib.metadata
for file in importlib.metadata.distribution('pip').files:
    content = file.locate().read_bytes()
    if file.hash:
        digest = base64.urlsafe_b64encode(hashlib.new(file.hash.mode, content).digest()).rstrip(b'=').decode()
        assert digest == file.hash.value, file
print('whole')
"""
    assert run.python(program).strip() == "whole"


def test_it_is_the_python_that_it_says(run: Runner) -> None:
    program = """
import os, platform, sys, sysconfig
print(platform.python_version(), os.environ['PYTHON_VERSION'], sysconfig.get_config_var('EXT_SUFFIX'),
      sysconfig.get_config_var('Py_ENABLE_SHARED'), sys.executable, platform.libc_ver())
"""
    found = run.python(program)
    assert found.startswith(f"3.14.7 3.14.7 .cpython-314-{os.uname().machine}-linux-musl.so 1 /usr/local/bin/python3")


def test_libraries_are_found_without_a_compiler_or_ldconfig(run: Runner) -> None:
    program = """
import ctypes, ctypes.util
for name in ('c', 'ssl', 'z', 'sqlite3'): ctypes.CDLL(ctypes.util.find_library(name))
print(ctypes.util.find_library('nonesuch'))
"""
    assert run.python(program).strip() == "None"


def test_the_shell_and_the_programs_of_the_base_are_there(run: Runner) -> None:
    assert run("sh", "-c", "echo $((6 * 7)); ls / | head -n 1; getent passwd root | cut -d: -f1").split() == [
        "42",
        "bin",
        "root",
    ]
    assert "musl" in run("ldd", "/usr/local/bin/python3")
    assert run("sh", "-c", "printf 'h\\344' | iconv -f latin1 -t utf-8") == "hä"
    assert int(run("getconf", "PAGESIZE")) >= 4096


def test_it_says_honestly_what_it_is(run: Runner) -> None:
    release = dict(line.split("=", 1) for line in run("cat", "/etc/os-release").splitlines() if "=" in line)
    assert release["ID_LIKE"].strip('"') == "alpine"
    assert release["ID"].strip('"') != "alpine"


@pytest.mark.parametrize("name", ["gcc", "cc", "git", "bash", "make", "apt-get"])
def test_what_a_small_image_must_not_have_is_not_there(run: Runner, name: str) -> None:
    assert run("sh", "-c", f"command -v {name} || echo none").strip() == "none"


@pytest.mark.parametrize(
    ("wheel", "program"),
    [
        ("six", "import six; print(six.__name__)"),
        ("markupsafe", "import markupsafe._speedups; print('markupsafe')"),
    ],
)
def test_pip_installs_a_pure_and_a_musllinux_wheel(run: Runner, wheel: str, program: str) -> None:
    install = f"pip install --quiet --only-binary :all: --no-cache-dir --target /tmp/site {wheel}"
    script = f'{install} && PYTHONPATH=/tmp/site python3 -c "{program}"'
    found = run(
        "sh", "-c", script, options=("--network", "host", "--host-certificates", "-e", "PIP_ROOT_USER_ACTION=ignore")
    )
    assert found.split()[-1] == wheel


class Greeter(BaseHTTPRequestHandler):
    """Answers every request with a word."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def secure_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An https server on loopback, and the certificate of the authority that vouches for it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    certificate = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    server = HTTPServer(("127.0.0.1", 0), Greeter)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_port}/", certificate
    server.shutdown()
    server.server_close()


def test_https_is_checked_against_certificates(run: Runner, secure_server: tuple[str, Path]) -> None:
    address, certificate = secure_server
    fetch = f"import urllib.request; print(urllib.request.urlopen('{address}').read().decode())"
    trusted = ("-v", f"{certificate}:/authority.pem:ro", "-e", "SSL_CERT_FILE=/authority.pem", "--network", "host")
    assert "CERTIFICATE_VERIFY_FAILED" in run.python(fetch, options=("--network", "host"), check=False)
    assert run.python(fetch, options=trusted).strip() == "hello"


def test_wget_checks_certificates_too(run: Runner, secure_server: tuple[str, Path]) -> None:
    address, certificate = secure_server
    refused = run("wget", "-q", "-O", "-", address, options=("--network", "host"), check=False)
    assert "hello" not in refused
    assert "certificate" in refused.lower()
    trusted = ("-v", f"{certificate}:/authority.pem:ro", "-e", "SSL_CERT_FILE=/authority.pem", "--network", "host")
    assert run("wget", "-q", "-O", "-", address, options=trusted) == "hello"


def test_it_is_no_larger_than_the_official_image(dist: Path) -> None:
    found = json.loads(bivy("inspect", "--output", str(dist), NAME, "--json").stdout)
    assert sum(layer["size"] for layer in found["layers"]) <= OFFICIAL_SIZE


def test_every_file_belongs_to_a_package_or_is_the_database(dist: Path) -> None:
    found = json.loads(bivy("inspect", "--output", str(dist), NAME, "--json").stdout)
    names = {package["name"] for package in found["packages"]}
    assert {"musl", "busybox", "python", "libssl3", "tzdata", "ca-certificates-bundle"} <= names
    database = next(layer["size"] for layer in found["layers"] if "database" in layer["created_by"])
    assert found["unowned_compressed_estimate"] <= database


def test_nothing_changed_and_the_image_is_there_at_once(dist: Path) -> None:
    found = json.loads(bivy("build", "3.14", "--output", str(dist), "--json").stdout)
    assert found["unchanged"]


def test_the_image_is_the_same_in_another_folder(dist: Path, tmp_path: Path) -> None:
    here, there = (
        json.loads(bivy("build", "3.14", "--output", str(folder), "--json").stdout)["digest"]
        for folder in (dist, tmp_path / "other place")
    )
    assert here == there


def test_a_damaged_layout_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    first = json.loads(bivy("build", "3.14", "--output", str(folder), "--json").stdout)
    blob = folder / "blobs" / "sha256" / first["layers"][0]["digest"].removeprefix("sha256:")
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    refused = bivy("inspect", "--output", str(folder), NAME, check=False)
    assert refused.returncode == 1
    assert blob.name in refused.stderr
    bivy("build", "3.14", "--output", str(folder))
    bivy("inspect", "--output", str(folder), NAME)


def test_archives_of_both_kinds_and_layers_of_zstd_hold_the_same_packages(dist: Path, tmp_path: Path) -> None:
    words = (
        "--output",
        str(tmp_path),
        "--compression",
        "zstd",
        "--format",
        "oci-archive",
        "--format",
        "docker-archive",
    )
    made = json.loads(bivy("build", "3.14", *words, "--json").stdout)
    endings = [Path(path).name.removeprefix("python-3.14-alpine-") for path in made["archives"]]
    assert [ending.split(".")[1:] for ending in endings] == [["oci", "tar"], ["docker", "tar"]]
    wanted = json.loads(bivy("inspect", "--output", str(dist), NAME, "--json").stdout)["packages"]
    names = {package["name"] for package in wanted}
    for reference in (f"oci-archive:{made['archives'][0]}", f"docker-archive:{made['archives'][1]}"):
        found = json.loads(bivy("inspect", reference, "--json").stdout)
        assert {package["name"] for package in found["packages"]} == names
    zstd = json.loads(bivy("inspect", "--output", str(tmp_path), NAME, "--json").stdout)
    assert {layer["media_type"] for layer in zstd["layers"]} == {"application/vnd.oci.image.layer.v1.tar+zstd"}
