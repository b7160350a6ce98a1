"""What the tests of the code rules share."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bivy.arch import ARCHES
from bivy.musl.code import check_code
from bivy.musl.target import make_target
from tests.integration.conftest import dist

if TYPE_CHECKING:
    from collections.abc import Callable

    from bivy.musl.report import Part
    from bivy.musl.target import Target

__all__ = ["dist"]

TARGET = make_target("3.14", ARCHES["x86_64"], "1.2.6")


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Part]:
    """A function that checks a piece of code."""

    def checked(code: str, targets: tuple[Target, ...] = (TARGET,)) -> Part:
        (tmp_path / "code.py").write_text(textwrap.dedent(code), encoding="utf-8")
        return check_code([tmp_path], targets=targets, root=tmp_path)

    return checked


@pytest.fixture
def rules_found(check: Callable[..., Part]) -> Callable[..., list[str]]:
    """A function that returns the names of the rules that find something in a piece of code."""

    def found(code: str) -> list[str]:
        part = check(code)
        assert part.problems == ()
        return [finding.rule.name for finding in part.findings]

    return found
