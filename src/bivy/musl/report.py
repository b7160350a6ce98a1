"""What `check` finds out, as values: a verdict for each distribution, findings with their rules, and the answer."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bivy.musl.target import Target


class Verdict(enum.StrEnum):
    """How a distribution gets onto musl, worst first."""

    IMPOSSIBLE = "impossible"
    """It cannot be installed: no wheel fits and there is no source."""
    UNKNOWN = "unknown"
    """It could not be found out."""
    COMPILE = "compile"
    """Only its source fits, and that has to be compiled."""
    SOURCE = "source"
    """Only its source fits, and nothing in it is compiled."""
    BUILT = "built"
    """A wheel that was compiled for musl earlier is at hand."""
    MUSLLINUX = "musllinux"
    """There is a wheel for musl."""
    PURE = "pure"
    """There is a wheel for every platform."""


class Severity(enum.StrEnum):
    """How much a finding weighs, worst first."""

    ERROR = "error"
    """It does not work on musl."""
    WARNING = "warning"
    """It works otherwise than on glibc, or only where something is added."""
    NOTE = "note"
    """Worth knowing."""


class Answer(enum.StrEnum):
    """The answer to the whole question, worst first."""

    NO = "no"
    """Something cannot be installed, or does not work."""
    UNKNOWN = "unknown"
    """Something could not be read or found out."""
    COMPILE = "compile"
    """Yes, once what has no wheel has been compiled."""
    YES = "yes"
    """Yes."""


@dataclass(frozen=True, slots=True)
class Need:
    """What compiling a distribution takes.

    Attributes:
        kind: ``compiler`` (c, c++, rust, fortran, go…), ``package`` (Alpine's), ``tool`` (cmake, …) or ``build`` (a
            distribution that its build requires).
        name: Which.
        known_from: Where this is known from: ``pyproject.toml``, ``a *.c file in the sdist``, ``bivy's list``.
    """

    kind: str
    name: str
    known_from: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """One distribution's verdict for one target.

    Attributes:
        name: Its normalised name (PEP 503).
        version: Its version, empty where none could be chosen.
        target: What for.
        verdict: How it gets there.
        guess: Whether the verdict rests on a rule of thumb.
        file: The wheel or source archive that an installer would take, empty where there is none.
        address: Where that is, an address or a path; empty where it is not known.
        why: The reason, in one sentence.
        evidence: What the reason rests on, a line each: wheels that there are, markers, build requirements.
        needs: What compiling it takes.
        advice: What to do, in order; empty where nothing is to be done.
        requires: Normalised names of the distributions that it requires on this target.
        asked: Whether it was asked for by name, not brought in by another.
    """

    name: str
    version: str
    target: Target
    verdict: Verdict
    why: str
    guess: bool = False
    file: str = ""
    address: str = ""
    evidence: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    advice: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What a finding is an instance of.

    Attributes:
        name: Its identifier, as written in a comment that silences it: ``strftime-directive``.
        title: What is the matter, in a few words.
        severity: How much it weighs.
        why: How musl, or the image, differs, in a sentence or two.
        instead: What to do instead.
        source: The specification or documentation that says so, a URL or a section; empty where measured alone.
    """

    name: str
    title: str
    severity: Severity
    why: str
    instead: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that will behave differently, or not work.

    Attributes:
        rule: What it is an instance of.
        path: The file, as the person named it; a file in an archive or image follows the archive's name and a colon:
            ``pkg-1.0-….whl:pkg/_fast.so``.
        message: What was found there, in one sentence.
        line: The line, from 1; 0 where there are no lines.
        column: The column, from 1; 0 where there is none.
        evidence: What it rests on, a line each: missing symbols, the call as written.
        guess: Whether this rests on a rule of thumb.
        targets: The targets it is true for; empty for all.
        severity: How much it weighs here, where that is not the rule's own.
    """

    rule: Rule
    path: str
    message: str
    line: int = 0
    column: int = 0
    evidence: tuple[str, ...] = ()
    guess: bool = False
    targets: tuple[Target, ...] = ()
    severity: Severity | None = None

    @property
    def weight(self) -> Severity:
        """How much it weighs."""
        return self.severity or self.rule.severity


@dataclass(frozen=True, slots=True)
class Silenced:
    """A finding that the person has silenced on its line.

    Attributes:
        finding: The finding.
        reason: The person's reason.
    """

    finding: Finding
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read or found out; the rest is reported all the same.

    Attributes:
        subject: What: a file, a distribution, an index.
        message: What failed, and why.
        hint: What the person can do, or empty.
    """

    subject: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """What one room of `check` contributes to a report."""

    distributions: tuple[Distribution, ...] = ()
    findings: tuple[Finding, ...] = ()
    silenced: tuple[Silenced, ...] = ()
    problems: tuple[Problem, ...] = ()
    looked_at: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """How much was read, by kind: ``distributions``, ``binaries``, ``source files``."""

    def __add__(self, other: Part) -> Part:
        kinds = [*self.looked_at, *(kind for kind in other.looked_at if kind not in self.looked_at)]
        return Part(
            self.distributions + other.distributions,
            self.findings + other.findings,
            self.silenced + other.silenced,
            self.problems + other.problems,
            MappingProxyType({kind: self.looked_at.get(kind, 0) + other.looked_at.get(kind, 0) for kind in kinds}),
        )


@dataclass(frozen=True, slots=True)
class Report:
    """The answer and all that it rests on.

    Attributes:
        asked: What was asked about, as the person wrote it.
        targets: What for.
        found: What was found.
    """

    asked: tuple[str, ...]
    targets: tuple[Target, ...]
    found: Part

    @property
    def answer(self) -> Answer:
        """The answer to the whole question."""
        verdicts = {distribution.verdict for distribution in self.found.distributions}
        weights = {finding.weight for finding in self.found.findings}
        if Verdict.IMPOSSIBLE in verdicts or Severity.ERROR in weights:
            return Answer.NO
        if Verdict.UNKNOWN in verdicts or self.found.problems:
            return Answer.UNKNOWN
        return Answer.COMPILE if Verdict.COMPILE in verdicts else Answer.YES

    def is_no(self, *, strict: bool = False) -> bool:
        """Tell whether this must stop a pipeline: the answer is no, or could not be found out.

        Args:
            strict: Whether warnings, and what has to be compiled first, stop it too.
        """
        if self.answer in (Answer.NO, Answer.UNKNOWN):
            return True
        warned = any(finding.weight is Severity.WARNING for finding in self.found.findings)
        return strict and (warned or self.answer is Answer.COMPILE)
