"""What belongs to a project, and what stays out of its image."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bivy.apk.entry import Kind
from bivy.app.files import find_file, find_files
from bivy.errors import BivyError
from tests.app.projects import write_files


def paths(root: Path, *exclude: str) -> list[str]:
    return [file.path for file in find_files(root, exclude).files]


def fault(root: Path) -> BivyError:
    with pytest.raises(BivyError) as caught:
        find_files(root)
    return caught.value


def test_files_come_in_the_order_of_their_paths_with_one_of_two_modes(tmp_path: Path) -> None:
    write_files(tmp_path, {"b.py": "b", "a/z.py": "", "a.py": "", "a/run.sh": "#!"})
    (tmp_path / "a/run.sh").chmod(0o700)
    (tmp_path / "b.py").chmod(0o600)
    found = find_files(tmp_path).files
    assert [(file.path, file.mode, file.size) for file in found] == [
        ("a/run.sh", 0o755, 2),
        ("a/z.py", 0o644, 0),
        ("a.py", 0o644, 0),
        ("b.py", 0o644, 1),
    ]


@pytest.mark.parametrize(
    "path",
    [
        ".git/config", ".venv/lib/x.py", "shop/__pycache__/a.cpython-314.pyc", "shop/old.pyc", "shop.egg-info/PKG-INFO",
        "dist/shop-1.0.tar.gz", "build/lib/shop.py", "node_modules/left-pad/index.js", ".mypy_cache/x", ".coverage",
        "web/node_modules/x.js", "shop/.DS_Store", "Dockerfile", "shop/a.py~", ".gitignore",
    ],
)  # fmt: skip
def test_what_other_programs_made_stays_out(tmp_path: Path, path: str) -> None:
    write_files(tmp_path, {path: "", "shop/main.py": ""})
    assert paths(tmp_path) == ["shop/main.py"]


@pytest.mark.parametrize("path", ["shop/build/plan.py", "shop/dist/a.py", "tests/test_a.py", "docs/a.md", "uv.lock"])
def test_what_only_looks_like_it_belongs_to_the_project(tmp_path: Path, path: str) -> None:
    write_files(tmp_path, {path: ""})
    assert paths(tmp_path) == [path]


def test_an_environment_a_layout_and_a_cache_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    write_files(tmp_path, {"main.py": "", "python/pyvenv.cfg": "", "python/bin/x": "", "images/oci-layout": "{}",
                           "images/blobs/x": "", "fast/CACHEDIR.TAG": "", "fast/x": ""})  # fmt: skip
    assert paths(tmp_path) == ["main.py"]


@pytest.mark.parametrize(
    "path",
    [".env", ".env.production", "conf/.netrc", "id_rsa", "keys/id_ed25519", "tls/server.key", ".aws/credentials",
     ".pypirc", "cert.p12", ".streamlit/secrets.toml"],
)  # fmt: skip
def test_what_holds_secrets_stays_out_and_is_named(tmp_path: Path, path: str) -> None:
    write_files(tmp_path, {path: "secret", "main.py": ""})
    found = find_files(tmp_path)
    assert [file.path for file in found.files] == ["main.py"]
    assert len(found.secrets) == 1
    assert path.startswith(found.secrets[0])


def test_a_pem_file_stays_out_where_it_holds_a_private_key(tmp_path: Path) -> None:
    write_files(tmp_path, {"ca.pem": "-----BEGIN CERTIFICATE-----", "own.pem": "-----BEGIN EC PRIVATE KEY-----\n"})
    found = find_files(tmp_path)
    assert [file.path for file in found.files] == ["ca.pem"]
    assert found.secrets == ("own.pem",)
    assert paths(tmp_path, "!own.pem") == ["ca.pem", "own.pem"]


def test_samples_of_secrets_are_none(tmp_path: Path) -> None:
    write_files(tmp_path, {".env.example": "KEY="})
    assert paths(tmp_path) == [".env.example"]
    write_files(tmp_path, {".gitignore": ".env.*\n"})
    assert paths(tmp_path) == []


def test_patterns_of_the_options_take_out_and_bring_back(tmp_path: Path) -> None:
    write_files(tmp_path, {"docs/a.md": "", "data/big.csv": "", "data/small.csv": "", ".env": "", "static/site.css": "",
                           ".gitignore": "static/\n"})  # fmt: skip
    assert paths(tmp_path) == ["data/big.csv", "data/small.csv", "docs/a.md"]
    assert paths(tmp_path, "docs/", "*.csv", "!small.csv") == ["data/small.csv"]
    assert paths(tmp_path, "/data", "/docs", "!.env", "!static/site.css") == [".env", "static/site.css"]
    assert paths(tmp_path, "/data", "/docs", "!static") == ["static/site.css"]


def test_gitignore_is_obeyed_as_git_does(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            ".gitignore": "*.log\n!keep.log\n/top.txt\nout/\ndeep/**/x.txt\n# comment\n\\#odd\nspace\\ \n[z-a]\n",
            "sub/.gitignore": "*.txt\n!/here.txt\n",
            **dict.fromkeys(
                ["a.log", "keep.log", "top.txt", "sub/top.txt", "sub/here.txt", "sub/low/here.txt", "out/a",
                 "sub/out/b", "deep/x.txt", "deep/1/2/x.txt", "#odd", "space ", "sub/keep.log", "main.py", "out.py"], ""
            ),
        },
    )  # fmt: skip
    subprocess.run(["git", "init", "-q", tmp_path], check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "-C", tmp_path, "ls-files", "--others", "--exclude-standard", "-z"], check=True, capture_output=True
    ).stdout.decode().split("\0")  # fmt: skip
    assert sorted(paths(tmp_path)) == sorted(path for path in listed if path and not path.endswith(".gitignore"))


def test_dockerignore_begins_at_the_top_and_brings_back(tmp_path: Path) -> None:
    write_files(tmp_path, {".dockerignore": "# comment\n*.md\n**/*.tmp\ndata\n!data/keep.csv\n/docs/\n",
                           **dict.fromkeys(["a.md", "low/a.md", "x.tmp", "low/x.tmp", "data/a.csv", "data/keep.csv",
                                            "docs/a", "low/docs/a"], "")})  # fmt: skip
    assert paths(tmp_path) == ["data/keep.csv", "low/a.md", "low/docs/a"]


def test_a_dockerignore_that_names_what_stays_leaves_everything_else_out(tmp_path: Path) -> None:
    write_files(tmp_path, {".dockerignore": "*\n!**/*.py\n", "shop/a.py": "", "b.py": "", "shop/a.txt": ""})
    assert paths(tmp_path) == ["b.py", "shop/a.py"]


def test_links_inside_are_kept_and_made_to_hold_in_another_folder(tmp_path: Path) -> None:
    root = write_files(tmp_path / "shop", {"data/a.txt": "", "b/c/d.txt": ""})
    (root / "near.txt").symlink_to("data/a.txt")
    (root / "b/up").symlink_to("../data")
    (root / "b/absolute").symlink_to(root / "data" / "a.txt")
    (root / "around").symlink_to("../shop/data")
    (root / "nowhere").symlink_to("data/missing")
    found = {file.path: file.target for file in find_files(root).files if file.kind is Kind.SYMLINK}
    assert found == {
        "near.txt": "data/a.txt", "b/up": "../data", "b/absolute": "../data/a.txt", "around": "data",
        "nowhere": "data/missing",
    }  # fmt: skip


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "..", "door/../../outside", "/"])
def test_a_link_out_of_the_project_is_refused(tmp_path: Path, target: str) -> None:
    root = write_files(tmp_path / "shop", {"door/a": ""})
    write_files(tmp_path, {"outside": ""})
    (root / "link").symlink_to(target)
    said = fault(root)
    assert f"{root / 'link'} is a link out of the project, to {target}" in str(said)
    assert 'exclude = ["/link"]' in (said.hint or "")
    assert paths(root, "/link") == ["door/a"]


def test_a_link_that_leads_out_by_another_link_is_refused(tmp_path: Path) -> None:
    root = write_files(tmp_path / "shop", {".gitignore": "door\n"})
    (root / "door").symlink_to(tmp_path)
    (root / "link").symlink_to("door/outside")
    assert "link out of the project" in str(fault(root))


def test_a_socket_and_a_pipe_are_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert f"{tmp_path / 'pipe'} is a pipe" in str(fault(tmp_path))
    (tmp_path / "pipe").unlink()
    here = Path.cwd()
    os.chdir(tmp_path)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("gunicorn.sock")
            said = fault(tmp_path)
    finally:
        os.chdir(here)
    assert "gunicorn.sock is a socket" in str(said)
    assert said.hint == 'leave it out, in [tool.bivy]: exclude = ["/gunicorn.sock"]'


@pytest.mark.parametrize("path", ["shut.txt", "shut"])
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, path: str) -> None:
    write_files(tmp_path, {"shut.txt": "", "shut/a": ""})
    (tmp_path / path).chmod(0)
    program = (
        "import os, sys, pathlib\n"
        "from bivy.app.files import find_files\n"
        "from bivy.errors import BivyError\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: find_files(pathlib.Path(sys.argv[1]))\n"
        "except BivyError as fault: print(fault)\n"
    )
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    said = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True).stdout
    (tmp_path / path).chmod(0o700)
    assert said.startswith(f"{tmp_path / path} cannot be read")


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("")
    assert "is not UTF-8" in str(fault(tmp_path))


def test_a_script_belongs_to_itself_alone(tmp_path: Path) -> None:
    write_files(tmp_path, {"job.py": "print()", "other.py": ""})
    assert find_file(tmp_path / "job.py").path == "job.py"
