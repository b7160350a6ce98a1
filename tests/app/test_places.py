"""What comes from folders, workspaces, repositories and addresses is made into wheels."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest
from uv import find_uv_bin

from bivy.app.dependencies import Asking, Pinned, pin_dependencies
from bivy.app.distributions import dependency_layers
from bivy.app.git import checkout, public_address
from bivy.app.install import Origin, install
from bivy.app.lockfile import write_lock
from bivy.app.project import read_project
from bivy.app.saying import places_beside
from bivy.arch import ARCHES
from bivy.errors import BivyError
from bivy.musl.archives.wheel import open_wheel
from bivy.musl.dependencies.lock import Repository
from bivy.musl.target import make_target
from bivy.progress import Silent
from tests.app.making import SITE, a_base, wheel, workplace
from tests.app.projects import write_files
from tests.musl.dependencies.shelf import Shelf, serve_shelf

TARGET = make_target("3.14", ARCHES["x86_64"], "1.2.6")
# uv brings this backend along, so that no index is asked.
SYSTEM = f'[build-system]\nrequires = ["uv_build=={version("uv")}"]\nbuild-backend = "uv_build"\n'


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serve_shelf() as shelf:
        yield shelf


def package(folder: Path, name: str, requires: tuple[str, ...] = (), more: str = "", text: str = "x = 1\n") -> Path:
    """Write a project with a build backend."""
    said = f'[project]\nname = "{name}"\nversion = "1.0"\ndependencies = {json.dumps(requires)}\n'
    inside = f"src/{name.replace('-', '_')}/__init__.py"
    return write_files(folder, {"pyproject.toml": f"{SYSTEM}\n{said}{more}", inside: text})


def service(tmp_path: Path, files: dict[str, str]) -> Path:
    """Write a project without a build backend."""
    return write_files(tmp_path / "service", {"main.py": "print(1)\n", **files})


def pin(folder: Path, tmp_path: Path, **more: object) -> dict[str, Pinned]:
    asking = Asking(tmp_path / "cache", Silent(), **more)  # type: ignore[arg-type]
    project = read_project(folder, {"entrypoint": ["python3", "main.py"]})
    return {each.name: each for each in pin_dependencies(project, TARGET, asking)}


def members(pinned: Pinned) -> dict[str, bytes]:
    with zipfile.ZipFile(pinned.url) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def lock(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [find_uv_bin(), "lock", "--quiet", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"]
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(folder: Path) -> str:
    """Commit all there is in a folder; return the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    return git(folder, "rev-parse", "HEAD")


# Folders


@pytest.mark.parametrize(
    "line", ["./lib", "-e ./lib", "--editable=./lib", "lib @ {folder}", "-e {folder}", "./lib[fast]"]
)
def test_a_folder_in_a_requirements_file_becomes_a_wheel(shelf: Shelf, tmp_path: Path, line: str) -> None:
    shelf.wheel("quick", "1.0")
    folder = service(tmp_path, {})
    lib = package(folder / "lib", "lib", more='\n[project.optional-dependencies]\nfast = ["quick"]\n')
    (folder / "requirements.txt").write_text(line.format(folder=lib.as_uri()) + "\n")
    found = pin(folder, tmp_path, index=shelf.address)
    assert set(found) == ({"lib", "quick"} if "fast" in line else {"lib"})
    assert found["lib"].file == "lib-1.0-py3-none-any.whl"
    assert members(found["lib"])["lib/__init__.py"] == b"x = 1\n"


def test_what_a_folder_requires_comes_along_also_from_another_folder(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("quick", "1.0")
    package(tmp_path / "other", "other", ("quick",))
    package(tmp_path / "lib", "lib", ("other",), '\n[tool.uv.sources]\nother = { path = "../other" }\n')
    folder = service(tmp_path, {"requirements.txt": "../lib\n"})
    found = pin(folder, tmp_path, index=shelf.address)
    assert set(found) == {"lib", "other", "quick"}
    assert found["lib"].requires == ("other",)


def test_a_change_in_a_folder_is_noticed(tmp_path: Path) -> None:
    lib = package(tmp_path / "lib", "lib")
    folder = service(tmp_path, {"requirements.txt": "../lib\n"})
    first = pin(folder, tmp_path)["lib"]
    (lib / "src/lib/__init__.py").write_text("x = 2\n")
    second = pin(folder, tmp_path)["lib"]
    assert members(second)["lib/__init__.py"] == b"x = 2\n"
    assert first.sha256 != second.sha256


def test_a_folder_that_begins_to_require_something_is_resolved_anew(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("quick", "1.0")
    package(tmp_path / "lib", "lib")
    folder = service(tmp_path, {"requirements.txt": "../lib\n"})
    assert set(pin(folder, tmp_path, index=shelf.address)) == {"lib"}
    package(tmp_path / "lib", "lib", ("quick",))
    assert set(pin(folder, tmp_path, index=shelf.address)) == {"lib", "quick"}


def test_a_folder_that_says_what_it_requires_only_when_it_is_built_is_built(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("quick", "1.0")
    backend = (
        "import zipfile\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    with zipfile.ZipFile(folder + '/lib-3.0-py3-none-any.whl', 'w') as archive:\n"
        "        archive.writestr('lib.py', '')\n"
        "        archive.writestr('lib-3.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: lib\\nVersion: 3.0\\n"
        "Requires-Dist: quick\\n')\n"
        "        archive.writestr('lib-3.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nTag: py3-none-any\\n')\n"
        "        archive.writestr('lib-3.0.dist-info/RECORD', '')\n"
        "    return 'lib-3.0-py3-none-any.whl'\n"
    )
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    write_files(tmp_path / "lib", {"pyproject.toml": system, "backend.py": backend})
    folder = service(tmp_path, {"requirements.txt": "../lib\n"})
    found = pin(folder, tmp_path, index=shelf.address)
    assert {name: each.version for name, each in found.items()} == {"lib": "3.0", "quick": "1.0"}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = service(tmp_path, {"requirements.txt": "../lib\n"})
    with pytest.raises(BivyError, match=r"requirements\.txt, line 1: .*/lib is not there"):
        pin(folder, tmp_path)


def test_a_folder_without_a_project_and_a_link_out_of_one_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path / "lib", {"README.md": ""})
    folder = service(tmp_path, {"requirements.txt": "lib @ " + (tmp_path / "lib").as_uri() + "\n"})
    with pytest.raises(BivyError, match="lib"):
        pin(folder, tmp_path)
    package(tmp_path / "lib", "lib")
    (tmp_path / "lib" / "src" / "lib" / "out").symlink_to("/etc/passwd")
    with pytest.raises(BivyError, match="link out of the project"):
        pin(folder, tmp_path)


def test_sources_of_uvs_in_a_pyproject_are_followed(tmp_path: Path) -> None:
    package(tmp_path / "lib", "lib")
    said = '[project]\nname = "service"\nversion = "1"\ndependencies = ["lib"]\n'
    said += '[tool.uv.sources]\nlib = { path = "../lib" }\n'
    folder = service(tmp_path, {"pyproject.toml": said})
    assert set(pin(folder, tmp_path)) == {"lib"}


def test_a_script_may_name_a_folder_too(tmp_path: Path) -> None:
    package(tmp_path / "lib", "lib")
    block = '# /// script\n# dependencies = ["lib"]\n# [tool.uv.sources]\n# lib = { path = "lib" }\n# ///\nprint(1)\n'
    (tmp_path / "job.py").write_text(block)
    project = read_project(tmp_path / "job.py")
    (found,) = pin_dependencies(project, TARGET, Asking(tmp_path / "cache", Silent()))
    assert found.file == "lib-1.0-py3-none-any.whl"


# Workspaces


def workspace(tmp_path: Path) -> Path:
    root = package(
        tmp_path / "ws", "shop", ("core",),
        '\n[tool.uv.workspace]\nmembers = ["packages/*"]\n[tool.uv.sources]\ncore = { workspace = true }\n',
    )  # fmt: skip
    package(root / "packages/core", "core")
    package(root / "packages/web", "web", ("core",), '\n[project.scripts]\nweb = "web:main"\n')
    write_files(root / "packages/web", {"main.py": ""})
    write_files(root, {"main.py": ""})
    return root


def test_a_member_of_a_workspace_is_taken_as_its_lock_above_says(tmp_path: Path) -> None:
    root = workspace(tmp_path)
    lock(root, "--offline")
    web = root / "packages" / "web"
    project = read_project(web)
    assert (project.dependencies, project.notes) == ("../../uv.lock", ())
    found = pin(web, tmp_path)
    assert {name: each.file for name, each in found.items()} == {"core": "core-1.0-py3-none-any.whl"}
    beside = places_beside(project, tuple(found.values()))
    assert {str(root / "uv.lock"), str(root / "packages/core")} <= set(beside)


def test_the_root_of_a_workspace_gets_what_it_requires_itself(tmp_path: Path) -> None:
    root = workspace(tmp_path)
    lock(root, "--offline")
    assert set(pin(root, tmp_path)) == {"core"}


def test_a_workspace_without_a_lock_is_resolved(tmp_path: Path) -> None:
    root = workspace(tmp_path)
    assert set(pin(root / "packages" / "web", tmp_path)) == {"core"}


def test_a_member_whose_requirements_changed_after_the_lock_is_noticed(tmp_path: Path) -> None:
    root = workspace(tmp_path)
    lock(root, "--offline")
    package(root / "packages/core", "core", ("attrs>=3",))
    with pytest.raises(BivyError, match=r"uv\.lock does not match the project: it was made before core required attrs"):
        pin(root / "packages" / "web", tmp_path)


def test_what_is_virtual_is_not_installed_but_what_it_requires_is(tmp_path: Path) -> None:
    package(tmp_path / "lib", "lib")
    virtual = '[project]\nname = "tools"\nversion = "1"\ndependencies = ["lib"]\n[tool.uv]\npackage = false\n'
    virtual += '[tool.uv.sources]\nlib = { path = "../lib" }\n'
    write_files(tmp_path / "tools", {"pyproject.toml": virtual})
    said = '[project]\nname = "service"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["tools"]\n'
    said += '[tool.uv.sources]\ntools = { path = "../tools", package = false }\n'
    folder = service(tmp_path, {"pyproject.toml": said})
    lock(folder, "--offline")
    assert set(pin(folder, tmp_path)) == {"lib"}


# Repositories


@pytest.mark.parametrize("named", ["", "@main", "@v1", "@{commit}"])
def test_a_repository_is_taken_at_what_it_is_named_by(tmp_path: Path, named: str) -> None:
    lib = package(tmp_path / "lib", "lib")
    commit = repository(lib)
    git(lib, "tag", "v1")
    line = f"lib @ git+{lib.as_uri()}{named.format(commit=commit)}\n"
    folder = service(tmp_path, {"requirements.txt": line})
    found = pin(folder, tmp_path)["lib"]
    assert found.source
    assert (found.source.commit, found.source.place, found.file) == (commit, lib.as_uri(), "lib-1.0-py3-none-any.whl")


def test_a_branch_means_one_commit_until_it_is_asked_anew(tmp_path: Path) -> None:
    lib = package(tmp_path / "lib", "lib")
    repository(lib)
    folder = service(tmp_path, {"requirements.txt": f"git+{lib.as_uri()}@main\n"})
    pin(folder, tmp_path)
    (lib / "src/lib/__init__.py").write_text("x = 2\n")
    repository(lib)
    assert members(pin(folder, tmp_path)["lib"])["lib/__init__.py"] == b"x = 1\n"
    assert members(pin(folder, tmp_path, upgrade=True)["lib"])["lib/__init__.py"] == b"x = 2\n"


def test_a_locked_commit_is_taken_though_the_branch_went_on(tmp_path: Path) -> None:
    lib = package(tmp_path / "lib", "lib")
    commit = repository(lib)
    said = '[project]\nname = "service"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["lib"]\n'
    said += f'[tool.uv.sources]\nlib = {{ git = "{lib.as_uri()}", branch = "main" }}\n'
    folder = service(tmp_path, {"pyproject.toml": said})
    lock(folder)
    (lib / "src/lib/__init__.py").write_text("x = 2\n")
    repository(lib)
    found = pin(folder, tmp_path)["lib"]
    assert found.source
    assert found.source.commit == commit
    assert members(found)["lib/__init__.py"] == b"x = 1\n"


def test_a_folder_in_a_repository_and_its_submodules_are_there(tmp_path: Path) -> None:
    part = write_files(tmp_path / "part", {"data.txt": "part"})
    repository(part)
    whole = tmp_path / "whole"
    package(whole / "python", "lib")
    repository(whole)
    git(whole, "submodule", "--quiet", "add", part.as_uri(), "python/src/lib/part")
    commit = repository(whole)
    said = (
        'lock-version = "1.0"\ncreated-by = "t"\n[[packages]]\nname = "lib"\nversion = "1.0"\n[packages.vcs]\n'
        f'type = "git"\nurl = "{whole.as_uri()}"\ncommit-id = "{commit}"\nsubdirectory = "python"\n'
    )
    folder = service(tmp_path, {"pylock.toml": said})
    found = pin(folder, tmp_path)["lib"]
    assert members(found)["lib/part/data.txt"] == b"part"


def test_files_of_a_repository_that_its_gitignore_names_belong_to_it(tmp_path: Path) -> None:
    lib = package(tmp_path / "lib", "lib")
    write_files(lib, {".gitignore": "*.dat\n", "src/lib/kept.dat": "kept"})
    git(lib, "init", "--quiet", "--initial-branch", "main")
    git(lib, "add", "--force", "src/lib/kept.dat")
    repository(lib)
    folder = service(tmp_path, {"requirements.txt": f"lib @ git+{lib.as_uri()}\n"})
    assert members(pin(folder, tmp_path)["lib"])["lib/kept.dat"] == b"kept"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lib @ git+{lib}@nowhere", "nowhere"),
        ("lib @ git+{lib}@" + "0" * 40, "0" * 40),
        ("lib @ git+{lib}x", "lib"),
        ("lib @ git+{lib}#subdirectory=none", "none"),
    ],
)
def test_what_a_repository_does_not_have_is_named(tmp_path: Path, line: str, said: str) -> None:
    lib = package(tmp_path / "lib", "lib")
    repository(lib)
    folder = service(tmp_path, {"requirements.txt": line.format(lib=lib.as_uri()) + "\n"})
    with pytest.raises(BivyError, match=said):
        pin(folder, tmp_path)


def test_a_locked_commit_that_does_not_exist_is_named(tmp_path: Path) -> None:
    lib = package(tmp_path / "lib", "lib")
    commit = repository(lib)
    said = '[project]\nname = "service"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["lib"]\n'
    said += f'[tool.uv.sources]\nlib = {{ git = "{lib.as_uri()}" }}\n'
    folder = service(tmp_path, {"pyproject.toml": said})
    lock(folder)
    place = folder / "uv.lock"
    place.write_text(place.read_text().replace(commit, "0" * 40))
    with pytest.raises(BivyError, match=rf"lib: {lib.as_uri()} has no commit {'0' * 40}"):
        pin(folder, tmp_path)


def test_without_git_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lib = package(tmp_path / "lib", "lib")
    repository(lib)
    folder = service(tmp_path, {"requirements.txt": f"git+{lib.as_uri()}\n"})
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(BivyError, match="there is no git on this machine"):
        pin(folder, tmp_path)


def test_nothing_is_fetched_where_nothing_may_be(tmp_path: Path) -> None:
    lib = package(tmp_path / "lib", "lib")
    repository(lib)
    folder = service(tmp_path, {"requirements.txt": f"git+{lib.as_uri()}\n"})
    with pytest.raises(BivyError, match="nothing may be fetched"):
        pin(folder, tmp_path, offline=True)
    pin(folder, tmp_path)
    assert set(pin(folder, tmp_path, offline=True)) == {"lib"}


# Addresses


def test_a_wheel_on_this_machine_is_taken_by_its_path(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels", "lib", "1.0", {"lib.py": ""})
    folder = service(tmp_path, {"requirements.txt": "../wheels/lib-1.0-py3-none-any.whl\n"})
    assert pin(folder, tmp_path)["lib"].file == "lib-1.0-py3-none-any.whl"


def test_the_wheel_at_an_address_is_taken_if_it_has_the_locked_digest(shelf: Shelf, tmp_path: Path) -> None:
    address = shelf.wheel("lib", "1.0")
    said = '[project]\nname = "service"\nversion = "1"\nrequires-python = ">=3.11"\n'
    folder = service(tmp_path, {"pyproject.toml": said + f'dependencies = ["lib @ {address}"]\n'})
    lock(folder)
    found = pin(folder, tmp_path)["lib"]
    assert (found.direct, found.sha256) == (address, hashlib.sha256(shelf.projects["lib"][0].content).hexdigest())
    place = folder / "uv.lock"
    place.write_text(place.read_text().replace(found.sha256, "0" * 64))
    wrong = pin(folder, tmp_path)
    with pytest.raises(BivyError, match="0000"):
        dependency_layers(tuple(wrong.values()), workplace(tmp_path / "cache"))


def test_an_archive_has_to_be_whole(tmp_path: Path) -> None:
    said = (
        'lock-version = "1.0"\ncreated-by = "t"\n[[packages]]\nname = "lib"\nversion = "1.0"\n[packages.archive]\n'
        'url = "https://example.org/lib-1.0.tar.gz"\nsubdirectory = "x"\nhashes = { sha256 = "' + "0" * 64 + '" }\n'
    )
    folder = service(tmp_path, {"pylock.toml": said})
    with pytest.raises(BivyError, match="lib is in the folder x of"):
        pin(folder, tmp_path)


# What else knows of them


def test_a_lock_that_is_written_says_where_things_come_from_and_is_obeyed(tmp_path: Path) -> None:
    lib, far = package(tmp_path / "lib", "lib"), package(tmp_path / "far", "far")
    commit = repository(far)
    folder = service(tmp_path, {"requirements.txt": f"../lib\nfar @ git+{far.as_uri()}@main\n"})
    before = pin(folder, tmp_path)
    write_lock(read_project(folder, {"entrypoint": ["python3", "main.py"]}), {TARGET: tuple(before.values())})
    text = (folder / "pylock.toml").read_text()
    assert 'path = "../lib"' in text
    assert f'commit-id = "{commit}"' in text
    after = pin(folder, tmp_path)
    assert {name: each.file for name, each in after.items()} == {name: each.file for name, each in before.items()}
    assert lib.is_dir()


def test_an_image_says_which_commit_it_has_and_no_path_of_this_machine(tmp_path: Path) -> None:
    lib, far = package(tmp_path / "lib", "lib"), package(tmp_path / "far", "far")
    commit = repository(far)
    folder = service(tmp_path, {"requirements.txt": f"{lib}\nfar @ git+{far.as_uri()}@main\n"})
    at = workplace(tmp_path / "cache")
    found = pin(folder, tmp_path)
    (layer,) = dependency_layers(tuple(found.values()), at)
    assert not any(path.endswith("direct_url.json") for path in layer.paths)
    assert os.fsencode(tmp_path) not in bytes(layer.content)
    assert found["far"].source
    public = msgspec.structs.replace(found["far"].source, place="https://git.example.org/far")
    (layer,) = dependency_layers([msgspec.structs.replace(found["far"], source=public)], at)
    assert f"{SITE}/far-1.0.dist-info/direct_url.json" in layer.paths
    assert f"git+https://git.example.org/far@{commit}".encode() in bytes(layer.content)


def test_a_wheel_of_a_commit_says_so_in_the_image(tmp_path: Path) -> None:
    built = wheel(tmp_path, "far", "1.0", {"far.py": ""})
    origin = Origin(True, "https://git.example.org/far", commit="a" * 40, revision="main", subdirectory="x")
    with open_wheel(built) as opened:
        (found,) = (item for item in install(opened, a_base(tmp_path), origin, {})
                    if item.entry.path.endswith("direct_url.json"))  # fmt: skip
    assert json.loads(found.entry.content) == {
        "url": "https://git.example.org/far", "subdirectory": "x",
        "vcs_info": {"vcs": "git", "commit_id": "a" * 40, "requested_revision": "main"},
    }  # fmt: skip


def test_names_and_passwords_are_in_no_message_and_no_address(tmp_path: Path) -> None:
    assert public_address("https://me:secret@example.org/x") == "https://example.org/x"
    assert public_address("ssh://git:secret@example.org/x") == "ssh://git@example.org/x"
    wanted = Repository("http://me:secret@127.0.0.1:9/x.git", "", "main")
    with pytest.raises(BivyError) as fault:
        checkout(wanted, "lib", cache=tmp_path, offline=False, told=(), progress=Silent())
    assert "secret" not in f"{fault.value} {fault.value.hint}"
    assert not any("secret" in path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("address", ["ext::sh -c id", "--upload-pack=id", "/etc", "ftp://example.org/x"])
def test_an_address_that_is_none_of_a_repository_runs_nothing(tmp_path: Path, address: str) -> None:
    with pytest.raises(BivyError, match="is no address of a repository"):
        checkout(Repository(address, "a" * 40), "lib", cache=tmp_path, offline=False, told=(), progress=Silent())
