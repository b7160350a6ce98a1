"""The rules that findings are instances of, and what Alpine calls the packages of well-known libraries."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.musl.report import Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = Path(__file__).parent


@functools.cache
def rules() -> Mapping[str, Rule]:
    """Return all rules about ELF files, by name."""
    data = tomllib.loads((_FOLDER / "rules.toml").read_text(encoding="utf-8"))
    return {
        name: Rule(
            name, told["title"], Severity(told["severity"]), told["why"], told["instead"], told.get("source", "")
        )
        for name, told in data.items()
    }


@functools.cache
def alpine_packages() -> Mapping[str, str]:
    """Return the package that has a library, by the library's soname, for those that are asked for often."""
    return tomllib.loads((_FOLDER / "packages.toml").read_text(encoding="utf-8"))
