"""What a target installs."""

from __future__ import annotations

import pytest

from bivy.arch import ARCHES, build_machine
from bivy.errors import UsageError
from bivy.musl.target import make_target, make_targets


def tags_of(python: str = "3.14", arch: str = "x86_64", musl: str = "1.2.6") -> list[str]:
    return [str(tag) for tag in make_target(python, ARCHES[arch], musl).tags]


def test_a_wheel_for_musl_comes_before_one_for_every_platform() -> None:
    tags = tags_of()
    assert tags.index("cp314-cp314-musllinux_1_2_x86_64") < tags.index("cp38-abi3-musllinux_1_2_x86_64")
    assert tags.index("cp38-abi3-musllinux_1_2_x86_64") < tags.index("py3-none-any")


def test_a_wheel_for_glibc_is_never_taken() -> None:
    assert not [tag for tag in tags_of() if "manylinux" in tag]


def test_a_wheel_for_a_newer_musl_is_not_taken() -> None:
    assert "cp314-cp314-musllinux_1_1_x86_64" in tags_of(musl="1.1.24")
    assert "cp314-cp314-musllinux_1_2_x86_64" not in tags_of(musl="1.1.24")


@pytest.mark.parametrize(
    ("arch", "machine"),
    [("aarch64", "aarch64"), ("armv7", "armv7l"), ("armhf", "armv6l"), ("x86", "i686"), ("riscv64", "riscv64")],
)
def test_wheels_call_an_architecture_by_the_name_of_the_machine(arch: str, machine: str) -> None:
    assert f"cp314-cp314-musllinux_1_2_{machine}" in tags_of(arch=arch)


def test_a_full_version_of_python_means_its_minor_version() -> None:
    assert make_target("3.14.7", ARCHES["x86_64"], "1.2.6").python == "3.14"


def test_the_free_threaded_python_takes_wheels_of_its_own() -> None:
    tags = tags_of("3.14t")
    assert "cp314-cp314t-musllinux_1_2_x86_64" in tags
    assert "cp314-cp314-musllinux_1_2_x86_64" not in tags
    assert "cp38-abi3-musllinux_1_2_x86_64" not in tags
    assert "py3-none-any" in tags


@pytest.mark.parametrize(("python", "musl"), [("2.7", "1.2.6"), ("alpine", "1.2.6"), ("3.14", "2.36"), ("3.14", "new")])
def test_what_is_no_version_is_refused(python: str, musl: str) -> None:
    with pytest.raises(UsageError, match="is not a version"):
        make_target(python, ARCHES["x86_64"], musl)


def test_what_is_not_said_is_what_the_image_on_this_machine_has() -> None:
    (target,) = make_targets((), (), "")
    assert (target.python, target.arch, target.musl) == ("3.14", build_machine(), "1.2.6")


def test_every_python_is_asked_about_on_every_architecture_once() -> None:
    targets = make_targets(("3.13", "3.14"), ("amd64", "x86_64", "linux/arm64"), "")
    assert [(target.python, target.arch.name) for target in targets] == [
        ("3.13", "x86_64"), ("3.13", "aarch64"), ("3.14", "x86_64"), ("3.14", "aarch64"),
    ]  # fmt: skip


def test_all_stands_for_every_architecture_of_alpine() -> None:
    assert {target.arch.name for target in make_targets((), ("all",), "")} == set(ARCHES)
