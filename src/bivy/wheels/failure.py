"""What could not be compiled, told to a person: what, why, and what to do about it."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING, Final

from bivy.build.workshop import tail
from bivy.errors import BivyError
from bivy.musl.dependencies.known import Known, known_distributions
from bivy.wheels.explain import explain, other_language
from bivy.wheels.packages import known_packages
from bivy.wheels.project import HookError
from bivy.wheels.workshop import TimeIsUpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bivy.musl.archives.sdist import Sdist
    from bivy.musl.target import Target
    from bivy.wheels.explain import Fault
    from bivy.wheels.find import Candidate


class NotCompiledError(BivyError):
    """A build failed, and its log tells what it lacked.

    Attributes:
        packages: The Alpine packages that would help.
        requires: What the build could require that would help.
        rest: What else there is to say: the hint without the command that names these.
    """

    def __init__(
        self, message: str, *, hint: str, packages: Sequence[str], requires: Sequence[str], rest: Sequence[str]
    ) -> None:
        super().__init__(message, hint=hint)
        self.packages = tuple(packages)
        self.requires = tuple(requires)
        self.rest = tuple(rest)


_RUST: Final = ("maturin", "setuptools_rust", "setuptools-rust", "maturin-pep517")


def refuse_language(candidate: Candidate, told: Sdist, newest_wheel: Callable[[], str]) -> None:
    """Refuse a source archive in a language that bivy has no compiler of.

    Args:
        candidate: What it is of.
        told: What it says.
        newest_wheel: Returns the newest version that has a wheel, or an empty string.

    Raises:
        BivyError: It is.
    """
    known = known_distributions().get(candidate.name, Known())
    engine = told.backend.partition(":")[0].partition(".")[0]
    required = " ".join(told.build_requires).lower()
    rust = "rust" in known.compilers or engine in _RUST or any(name in required for name in _RUST)
    language = (
        "Rust" if rust else "Fortran" if "fortran" in known.compilers else "Go" if "go" in known.compilers else ""
    )
    if not language:
        return
    if candidate.apart:
        hint = "compile it for musl elsewhere: for Rust, maturin build --zig --target x86_64-unknown-linux-musl does so"
        raise BivyError(f"{candidate} was not compiled: {other_language(language)}", hint=hint)
    newest = newest_wheel()
    hint = f"{candidate.name}=={newest} has a wheel for musl" if newest else "no version of it has a wheel for musl"
    raise BivyError(f"{candidate} was not compiled: {other_language(language)}", hint=hint)


@contextlib.contextmanager
def explained(candidate: Candidate, log: Path, target: Target, packages: Sequence[str]) -> Iterator[None]:
    """Say of a fault what was being compiled, and of a build that failed why, as far as its log tells.

    Args:
        candidate: What is compiled.
        log: What its build says.
        target: What for.
        packages: The packages that the build is given.
    """
    try:
        yield
    except HookError as fault:
        text = log.read_text("utf-8", "replace")
        lacking = [each for each in known_packages(candidate.name) if each not in packages]
        found = explain(text, name=candidate.name, python=target.python, packages=lacking)
        raise _failed(candidate, found, log, fault.status, packages) from None
    except TimeIsUpError as fault:
        raise BivyError(
            f"{candidate} was not compiled: {fault}\n{tail(log, 5)}".rstrip(), hint=f"{fault.hint}; its log is {log}"
        ) from None
    except BivyError as fault:
        if "was not compiled: " in str(fault):  # what its build requires
            raise
        raise BivyError(f"{candidate} was not compiled: {fault}", hint=fault.hint) from None


def _failed(candidate: Candidate, found: Sequence[Fault], log: Path, status: int, given: Sequence[str]) -> BivyError:
    if not found:
        return BivyError(
            f"{candidate} was not compiled: its build ended with {status}\n{tail(log)}", hint=f"the whole log is {log}"
        )
    lines = "".join(f"\n  {each.what}" for each in found)
    again = []
    packages = [name for each in found for name in each.packages]
    requires = [name for each in found for name in each.requires]
    if packages or requires:
        words = ["bivy", "wheel", candidate.asked]
        words += [word for name in dict.fromkeys([*given, *packages]) for word in ("--with", name)]
        words += [word for name in dict.fromkeys(requires) for word in ("--build-requires", name)]
        again.append(f"try again with what is missing: {shlex.join(words)}")
    rest = [*dict.fromkeys(each.advice for each in found if each.advice), f"the whole log is {log}"]
    return NotCompiledError(
        f"{candidate} was not compiled:{lines}", hint="\n      ".join([*again, *rest]),
        packages=[*dict.fromkeys(packages)], requires=[*dict.fromkeys(requires)], rest=rest,
    )  # fmt: skip


def told_in(candidate: Candidate, log: Path, target: Target) -> tuple[str, ...]:
    """Return what is to be said of a wheel with nothing compiled in it, whose source has something to compile."""
    found = explain(log.read_text("utf-8", "replace"), name=candidate.name, python=target.python)
    why = f": {'; '.join(each.what for each in found)}" if found else ""
    return (f"nothing in it is compiled: the build went on without{why}",)
