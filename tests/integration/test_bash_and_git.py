"""The recipes of bash and git: a repository made of them, its packages in a root, and the programs at work."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from bivy.apk.entry import Kind
from bivy.apk.package import Package, extract, read_package
from bivy.arch import build_machine
from bivy.build.scan import read_binary
from bivy.elf import is_elf, read_elf
from bivy.repository.serve import open_server
from bivy.sandbox import Bind, Sandbox, find_bubblewrap, why_no_sandbox
from tests.integration.conftest import bivy

pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(why_no_sandbox() is not None, reason=str(why_no_sandbox())),
]


@dataclass(frozen=True)
class Root:
    """A folder in which the packages of the repository are unpacked."""

    folder: Path
    packages: dict[str, Package]

    def run(self, *argv: str, network: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        program = find_bubblewrap()
        assert program is not None
        sandbox = Sandbox(
            binds=[Bind(self.folder, "/", writable=True)],
            environment={
                "PATH": "/usr/bin:/bin", "HOME": "/root", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
                "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org", **variables,
            },
            network=network, uid=0, gid=0,
        )  # fmt: skip
        return subprocess.run(sandbox.command(program, argv), capture_output=True, text=True, timeout=120)

    def says(self, *argv: str, network: bool = False, **variables: str) -> str:
        done = self.run(*argv, network=network, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    folder = tmp_path_factory.mktemp("repository")
    words = ("repo", "build", "bash", "git", "curl", "alpine-baselayout", "--with-dependencies", "--unsigned")
    made = json.loads(bivy(*words, "--output", str(folder), "--json").stdout)
    assert made["missing"] == []
    packages = [read_package(Path(path)) for path in made["packages"]]
    found = Root(folder / "root", {package.info.name: package for package in packages})
    for package in sorted(packages, key=lambda package: package.info.name != "alpine-baselayout"):
        extract(package, found.folder)
    return found


def test_bash_is_bash_with_readline_and_job_control(root: Root) -> None:
    script = 'a=(one "two three"); declare -A m=([k]=v); echo "${#a[@]} ${a[1]^^} ${m[k]} $BASH_VERSION"; cmp <(:) <(:)'
    assert root.says("bash", "-c", script).startswith("2 TWO THREE v 5.2.37")
    assert "emacs" in root.says("bash", "-c", "bind -V >/dev/null 2>&1; set -o")
    assert root.says("bash", "-mc", "sleep 0 & wait %1; echo $?; ulimit -n >/dev/null; printf '%a' 1.0") == "0\n0x1p+0"
    assert root.says("bash", "-c", 'for s in INT TERM RTMIN; do kill -l $s; done; (exit 7); echo "$?"').split() == [
        "2", "15", "35", "7",
    ]  # fmt: skip


def test_bash_is_a_login_shell_while_it_is_installed(root: Root) -> None:
    shells = root.folder / "etc/shells"
    before = shells.read_text()
    for name, content in root.packages["bash"].scripts.items():
        (root.folder / f"tmp-{name}").write_bytes(content)
        (root.folder / f"tmp-{name}").chmod(0o755)
    for _ in range(2):
        root.says("/tmp-post-install", "5.2.37-r0")
        assert shells.read_text() == before + "/bin/bash\n"
    root.says("/tmp-pre-deinstall", "5.2.37-r0")
    assert shells.read_text() == before


def test_git_keeps_and_clones_what_is_committed(root: Root) -> None:
    root.says("sh", "-c", """
        set -e
        cd /root && rm -rf one two
        git init -q -b main one && cd one
        echo hello > file && git add file && git commit -q -m first
        echo more >> file && git commit -q -a -m second && git tag -a -m tagged v1
        git grep -q -e 'mor[e]$' && git gc -q && git fsck
        git -c protocol.file.allow=always clone -q /root/one /root/two
    """)  # fmt: skip
    assert root.says("git", "-C", "/root/two", "log", "--format=%s").split() == ["second", "first"]
    assert (root.folder / "root/two/file").read_text() == "hello\nmore\n"
    assert (root.folder / "root/two/.git/hooks/pre-commit.sample").is_file()  # of git-init-template
    assert "git version 2.55.0" in root.says("git", "--version")


def test_git_s_scripts_find_what_they_call(root: Root) -> None:
    root.says("sh", "-c", """
        set -e
        cd /root && rm -rf main part
        git init -q -b main part && (cd part && echo x > x && git add x && git commit -q -m part)
        git init -q -b main main && cd main && git -c protocol.file.allow=always submodule --quiet add /root/part part
        git commit -q -m 'with a part' && git stash list && git rebase -q HEAD && git submodule status
        git bisect start && git bisect reset
    """)  # fmt: skip


@pytest.fixture
def https(root: Root) -> Iterator[Callable[[], str]]:
    """A function that serves a repository of git's over https and returns its URL; its authority is in the root."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(root.folder / "root/authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    folder = root.folder / "root/served"
    root.says("sh", "-c", """
        set -e
        rm -rf /root/work /root/served && mkdir /root/served && git init -q -b main /root/work && cd /root/work
        echo hello > file && git add file && git commit -q -m first
        git clone -q --bare /root/work /root/served/work.git && git -C /root/served/work.git update-server-info
    """)  # fmt: skip
    server = open_server(folder, "127.0.0.1", 0)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield lambda: f"https://127.0.0.1:{server.server_address[1]}/work.git"
    server.shutdown()
    thread.join()
    server.server_close()


def test_git_speaks_https_to_those_whom_it_trusts(root: Root, https: Callable[[], str]) -> None:
    trusting = {"GIT_SSL_CAINFO": "/root/authority.pem"}
    head = root.says("git", "-C", "/root/work", "rev-parse", "HEAD").strip()
    assert f"{head}\tHEAD" in root.says("git", "ls-remote", https(), network=True, **trusting)
    root.says("sh", "-c", f"rm -rf /root/clone; git clone -q {https()} /root/clone", network=True, **trusting)
    assert (root.folder / "root/clone/file").read_text() == "hello\n"
    done = root.run("git", "ls-remote", https(), network=True)
    assert done.returncode != 0
    assert "certificate" in done.stderr


def test_curl_speaks_https_to_those_whom_it_trusts(root: Root, https: Callable[[], str]) -> None:
    url = f"{https()}/HEAD"
    assert root.says("curl", "-sSf", "--cacert", "/root/authority.pem", url, network=True) == "ref: refs/heads/main\n"
    assert root.run("curl", "-sSf", url, network=True).returncode == 60


def test_builtin_commands_are_links_and_nothing_needs_another_language(root: Root) -> None:
    entries = root.packages["git"].entries
    links = [entry for entry in entries if entry.kind is Kind.SYMLINK and entry.path.startswith("usr/libexec")]
    assert len(links) > 100
    shebangs = {entry.content.split(b"\n", 1)[0] for entry in entries if entry.content[:2] == b"#!"}
    assert shebangs <= {b"#!/bin/sh"}
    assert root.packages["git"].info.installed_size < 9_000_000


def test_programs_can_be_anywhere_in_memory(root: Root) -> None:
    for name in ("bash", "git", "git-daemon", "curl", "libcurl"):
        for entry in root.packages[name].entries:
            if is_elf(entry.content):
                assert read_elf(entry.content).type in ("pie", "shared"), entry.path
                assert not read_binary(entry, build_machine()).faults


def test_they_ask_for_libraries_in_the_versions_that_were_built_against(root: Root) -> None:
    depends = root.packages["git"].info.depends
    assert {"so:libz.so.1>=1.3.2", "so:libcurl.so.4>=4.8.0", "libcurl>=8.21.0"} <= set(depends)
    assert {"libcrypto3>=3.5.7", "so:libssl.so.3>=3"} <= set(root.packages["libcurl"].info.depends)
    assert root.packages["git-init-template"].info.install_if == ("git=2.55.0-r0",)
