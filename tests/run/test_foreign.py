"""Images of other machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.errors import BivyError
from bivy.run.foreign import check_architecture


@pytest.mark.parametrize(
    ("architecture", "machine"),
    [
        ("amd64", "x86_64"),
        ("linux/386", "x86_64"),
        ("arm64/v8", "aarch64"),
        ("arm/v7", "aarch64"),
        ("arm/v6", "armv7l"),
    ],
)
def test_what_runs_here_is_let_through(architecture: str, machine: str, tmp_path: Path) -> None:
    check_architecture(architecture, machine, tmp_path)


@pytest.mark.parametrize(
    ("architecture", "machine", "emulator"),
    [
        ("arm64", "x86_64", "aarch64"),
        ("arm/v6", "x86_64", "arm"),
        ("amd64", "aarch64", "x86_64"),
        ("386", "riscv64", "i386"),
    ],
)
def test_what_does_not_is_refused_unless_an_emulator_is_registered(
    architecture: str, machine: str, emulator: str, tmp_path: Path
) -> None:
    registered = tmp_path / f"qemu-{emulator}"
    for content in (None, "disabled\ninterpreter /x\nflags: F\n", "enabled\ninterpreter /x\nflags: OC\n"):
        if content:
            registered.write_text(content)
        with pytest.raises(BivyError, match=f"does not run on this machine \\({machine}\\)") as caught:
            check_architecture(architecture, machine, tmp_path)
        assert f"qemu-{emulator}" in str(caught.value.hint)
    registered.write_text("enabled\ninterpreter /x\nflags: OCF\n")
    check_architecture(architecture, machine, tmp_path)
