"""Packages for a newer machine are others than those for every machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bivy.arch import ARCHES, build_machine, find_arch, for_cpu
from bivy.build.graph import Recipes, plan
from bivy.build.toolchain import find_toolchain, wrappers
from bivy.errors import UsageError


def test_a_cpu_may_be_spelled_as_gcc_spells_it() -> None:
    assert for_cpu(find_arch("amd64"), "x86-64-v3") == replace(ARCHES["x86_64"], cpu="x86_64_v3")


def test_the_compiler_is_told() -> None:
    text = wrappers(find_toolchain(for_cpu(find_arch("amd64"), "x86-64-v3"), build_machine()))["cc"]
    assert "-mcpu=x86_64_v3 " in text


def test_packages_for_it_have_another_key() -> None:
    usual, newer = (
        plan(["zlib"], arch, Recipes())[-1] for arch in (find_arch("amd64"), for_cpu(find_arch("amd64"), "x86-64-v3"))
    )
    assert usual.label == newer.label
    assert usual.key != newer.key


def test_one_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="knows no machine 'x86_64_v9' of the architecture x86_64"):
        plan(["zlib"], for_cpu(find_arch("amd64"), "x86-64-v9"), Recipes())
