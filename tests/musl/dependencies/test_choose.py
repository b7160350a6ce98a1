from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from bivy.musl.dependencies.choose import Fit, by_version, choose, newest_that_fits, version_text, wheel_parts
from bivy.musl.dependencies.lock import File
from tests.musl.dependencies.conftest import target


def files(*names: str) -> list[File]:
    return [File(name) for name in names]


@pytest.mark.parametrize(
    ("names", "taken", "fit"),
    [
        (["a-1-py3-none-any.whl", "a-1.tar.gz"], "a-1-py3-none-any.whl", Fit.PURE),
        (["a-1-py3-none-any.whl", "a-1-cp314-cp314-musllinux_1_2_x86_64.whl"],
         "a-1-cp314-cp314-musllinux_1_2_x86_64.whl", Fit.MUSL),
        (["a-1-cp39-abi3-musllinux_1_1_x86_64.whl", "a-1-cp314-cp314-musllinux_1_2_x86_64.whl"],
         "a-1-cp314-cp314-musllinux_1_2_x86_64.whl", Fit.MUSL),
        (["a-1-cp39-abi3-musllinux_1_1_x86_64.whl", "a-1.tar.gz"], "a-1-cp39-abi3-musllinux_1_1_x86_64.whl", Fit.MUSL),
        (["a-1-cp314-cp314-musllinux_1_2_aarch64.whl", "a-1.tar.gz"], "a-1.tar.gz", Fit.SOURCE),
        (["a-1-cp314-cp314t-musllinux_1_2_x86_64.whl", "a-1.tar.gz"], "a-1.tar.gz", Fit.SOURCE),
        (["a-1-cp314-cp314-musllinux_1_3_x86_64.whl", "a-1.zip"], "a-1.zip", Fit.SOURCE),
        (["a-1-1-py3-none-any.whl", "a-1-2-py3-none-any.whl"], "a-1-2-py3-none-any.whl", Fit.PURE),
        (["a-1-cp314-cp314-linux_x86_64.whl"], "a-1-cp314-cp314-linux_x86_64.whl", Fit.LINUX),
        (["a-1-cp314-cp314-manylinux_2_28_x86_64.musllinux_1_2_x86_64.whl"],
         "a-1-cp314-cp314-manylinux_2_28_x86_64.musllinux_1_2_x86_64.whl", Fit.MUSL),
    ],
)  # fmt: skip
def test_the_file_that_an_installer_takes_is_chosen(names: list[str], taken: str, fit: Fit) -> None:
    for order in (names, names[::-1]):
        chosen = choose(files(*order), target())
        assert chosen
        assert (chosen.file.name, chosen.fit) == (taken, fit)


@pytest.mark.parametrize(
    "names",
    [
        ["a-1-cp314-cp314-manylinux_2_28_x86_64.whl"],
        ["a-1-cp313-cp313-musllinux_1_2_x86_64.whl"],
        ["a-1-py2-none-any.whl"],
        ["a-1.exe", "a-1.rpm", "nonsense"],
        [],
    ],
)
def test_where_nothing_fits_nothing_is_chosen(names: list[str]) -> None:
    assert choose(files(*names), target()) is None


def test_a_file_that_was_withdrawn_or_is_for_another_python_is_not_taken() -> None:
    assert choose([File("a-1-py3-none-any.whl", yanked=True)], target()) is None
    assert choose([File("a-1-py3-none-any.whl", requires_python="<3.14")], target()) is None
    assert choose([File("a-1-py3-none-any.whl", requires_python=">=3.14.2")], target())
    assert choose([File("a-1-py3-none-any.whl", requires_python="nonsense")], target())


def test_the_newest_version_that_fits_is_found() -> None:
    versions = by_version(
        files(
            "a_b-10.0-cp314-cp314-manylinux_2_28_x86_64.whl",
            "a_b-9.1rc1-py3-none-any.whl",
            "a-b-9.0.tar.gz",
            "A.B-2.0-py3-none-any.whl",
            "other-11.0.tar.gz",
            "a-b-nonsense.tar.gz",
        ),
        "a-b",
    )
    assert list(versions) == [Version("10.0"), Version("9.1rc1"), Version("9.0"), Version("2.0")]
    found = newest_that_fits(versions, target())
    assert found
    assert (str(found[0]), found[1].file.name) == ("9.0", "a-b-9.0.tar.gz")


@given(st.text(max_size=80))
def test_no_file_name_breaks_the_choice(name: str) -> None:
    choose([File(name), File(f"{name}.whl"), File(f"a-1-{name}.whl")], target())
    wheel_parts(name)
    version_text(name, "a")
