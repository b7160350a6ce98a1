"""The command line as a person meets it: help, wrong questions, listing, archives, the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bivy.apk.entry import Entry, Kind
from bivy.arch import ARCHES, build_machine
from bivy.oci.config import ImageConfig
from bivy.oci.image import make_image
from bivy.oci.layer import layer_from_tree
from bivy.oci.layout import write_image
from bivy.rootfs.tree import Tree

OWN = build_machine()
FOREIGN, OTHER = [arch for arch in (ARCHES["ppc64le"], ARCHES["riscv64"], ARCHES["s390x"]) if arch is not OWN][:2]
COMMANDS = (
    "build", "run", "init", "app", "check", "wheel", "verify", "tags", "sbom", "inspect", "page", "push", "load",
    "images", "repo", "cache", "completion",
)  # fmt: skip


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout with a small image, for this machine and two others, and another for just these two."""
    tree = Tree.of([Entry("etc/motd", Kind.FILE, 0o644, content=b"hello" * 100)])
    for arch in (OWN, FOREIGN, OTHER):
        config = ImageConfig(arch.oci, arch.variant, cmd=("sh",), env=("PATH=/bin",))
        image = make_image(config, [layer_from_tree(tree, created_by="a test")])
        write_image(image, tmp_path / "dist", ["small:1"] if arch is OWN else ["small:1", "foreign:1"])
    return tmp_path / "dist"


def bivy(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bivy", *words], capture_output=True, text=True, env={**os.environ, **variables}
    )


def refusal(*words: str) -> str:
    done = bivy(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_help_names_every_command_in_the_order_in_which_they_are_met() -> None:
    said = bivy("--help").stdout
    places = [said.index(f"  {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = bivy(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: bivy {command}")


def test_a_mistyped_command_is_answered_with_the_nearest_one() -> None:
    assert "Is 'inspect' meant?" in refusal("inspct")


def test_start_up_imports_nothing_heavy() -> None:
    program = (
        "import sys, bivy.cli\n"
        "try: bivy.cli.group(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx', 'rich', 'msgspec', 'elftools', 'zstandard', 'deflate', 'ziglang', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_an_unknown_version_is_refused_with_those_that_are_known() -> None:
    said = refusal("build", "2.7")
    assert "python 2.7 is not known" in said
    assert "3.14.7" in said


def test_an_unknown_architecture_is_refused_with_those_that_are_known() -> None:
    said = refusal("build", "3.14", "--arch", "m68k")
    assert "unknown architecture 'm68k'" in said
    assert "aarch64 (linux/arm64/v8)" in said


@pytest.mark.parametrize("reference", ["Small:1!", "oci:", "a b"])
def test_what_is_no_reference_is_refused_with_what_one_may_be(reference: str) -> None:
    assert "oci-archive:FILE" in refusal("inspect", reference)


def test_an_unknown_name_is_refused_with_the_nearest_that_is_there(layout: Path) -> None:
    said = refusal("inspect", "smal:1", "--output", str(layout))
    assert "small:1" in said


def test_a_folder_without_a_layout_is_refused_with_what_makes_one(tmp_path: Path) -> None:
    assert "bivy build" in refusal("images", "--output", str(tmp_path))


def test_images_are_listed_with_platform_and_size(layout: Path) -> None:
    lines = [line.split()[:2] for line in bivy("images", "--output", str(layout)).stdout.splitlines()]
    assert sorted(lines) == sorted(
        [["small:1", arch.platform] for arch in (OWN, FOREIGN, OTHER)]
        + [["foreign:1", arch.platform] for arch in (FOREIGN, OTHER)]
    )
    listed = json.loads(bivy("images", "--output", str(layout), "--json").stdout)
    assert {image["platform"] for image in listed} == {arch.platform for arch in (OWN, FOREIGN, OTHER)}
    assert all(image["size"] > 0 for image in listed)


def test_inspecting_says_layers_and_largest_files_of_the_platform_asked_for(layout: Path) -> None:
    words = ("inspect", "small:1", "--output", str(layout), "--platform", FOREIGN.name)
    found = json.loads(bivy(*words, "--json").stdout)
    assert found["platform"] == FOREIGN.platform
    assert found["layers"][0]["created_by"] == "a test"
    assert found["largest"] == [{"path": "/etc/motd", "size": 500}]
    said = bivy(*words).stdout
    assert "/etc/motd" in said
    assert FOREIGN.platform in said


def test_of_several_platforms_this_machines_is_meant(layout: Path) -> None:
    found = json.loads(bivy("inspect", "small:1", "--output", str(layout), "--json").stdout)
    assert found["platform"] == OWN.platform


def test_several_platforms_but_not_this_machines_is_refused_with_those_there_are(layout: Path) -> None:
    said = refusal("inspect", "foreign:1", "--output", str(layout))
    assert FOREIGN.platform in said
    assert OTHER.platform in said


def test_the_cache_says_where_it_is_and_prune_keeps_the_sources(tmp_path: Path) -> None:
    for part in ("sources", "packages", "logs"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "file").write_bytes(bytes(1000))
    found = json.loads(bivy("cache", "--json", BIVY_CACHE=str(tmp_path)).stdout)
    assert (found["folder"], found["size"]) == (str(tmp_path), 3000)
    assert "freed 2.0 kB" in bivy("cache", "prune", BIVY_CACHE=str(tmp_path)).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sources"]
    bivy("cache", "prune", "--all", BIVY_CACHE=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed_for_each_shell(shell: str) -> None:
    assert "_BIVY_COMPLETE" in bivy("completion", shell).stdout


def test_the_shell_is_told_the_commands_that_begin_like_the_word() -> None:
    done = bivy(_BIVY_COMPLETE="bash_complete", COMP_WORDS="bivy ins", COMP_CWORD="1")
    assert done.stdout.split() == ["plain,inspect"]


def test_a_reader_that_has_seen_enough_is_no_fault(layout: Path) -> None:
    command = f"{sys.executable} -m bivy images --output {layout} | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
