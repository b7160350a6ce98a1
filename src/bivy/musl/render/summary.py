"""What every rendering of a report says alike: what comes first, what is shown as one, what to do, and the answer."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from bivy.musl.report import Answer, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bivy.musl.report import Distribution, Finding, Need, Report
    from bivy.musl.target import Target

Value = TypeVar("Value")

VERDICTS: tuple[Verdict, ...] = tuple(Verdict)
"""Worst first."""
SEVERITIES: tuple[Severity, ...] = tuple(Severity)
"""Worst first."""
TO_LOOK_AT = frozenset({Verdict.IMPOSSIBLE, Verdict.UNKNOWN, Verdict.COMPILE})
"""The verdicts that ask something of the person."""

MEANING: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.IMPOSSIBLE: "cannot be installed",
        Verdict.UNKNOWN: "not known",
        Verdict.COMPILE: "has to be compiled",
        Verdict.SOURCE: "from source, nothing to compile",
        Verdict.BUILT: "compiled for musl earlier",
        Verdict.MUSLLINUX: "wheel for musl",
        Verdict.PURE: "wheel for every platform",
    }
)
"""Each verdict in a few words."""

_LANGUAGES = MappingProxyType({"c": "C", "c++": "C++", "fortran": "Fortran", "go": "Go", "rust": "Rust"})
# Commands of which several are one with more arguments.
_JOINED = ("bivy wheel ", "apk add ")
# A command at the end of a sentence, after a colon: in backquotes, or as it is where it is plainly one.
_COMMAND_AT_END = re.compile(r"(?<=:)\s+(?:`([^`]+)`\.?|((?:bivy|apk|pip|uv|python3?) [^`]+))$")
_LINK = re.compile(r"(https?://[^\s<>\"]+)(.*)", re.DOTALL)
# What turns the direction of text around, so that it reads as something else: Unicode, UAX 9.
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Row:
    """Distributions that are alike but for their target, shown as one.

    Attributes:
        name: The distribution's normalised name.
        version: Its version, or empty.
        verdict: How it gets onto musl.
        guess: Whether the verdict rests on a rule of thumb.
        why: The reason, in one sentence.
        targets: The targets this is true for.
        files: What an installer would take, each once.
        evidence: What the reason rests on, each line once.
        needs: What compiling it takes, each once.
        advice: What to do, in order, each once.
        asked: Whether it was asked for by name.
    """

    name: str
    version: str
    verdict: Verdict
    guess: bool
    why: str
    targets: tuple[Target, ...]
    files: tuple[str, ...]
    evidence: tuple[str, ...]
    needs: tuple[Need, ...]
    advice: tuple[str, ...]
    asked: bool

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class Named:
    """All that is known of one name, over all targets.

    Attributes:
        name: The distribution's normalised name.
        verdict: The worst of its verdicts.
        guess: Whether that verdict rests on nothing but rules of thumb.
        rows: What differs, worst first.
        at: Its distributions by target: one, or several where a project has several versions.
        requires: What it requires on any of the targets.
        asked: Whether it was asked for by name.
    """

    name: str
    verdict: Verdict
    guess: bool
    rows: tuple[Row, ...]
    at: Mapping[Target, tuple[Distribution, ...]]
    requires: tuple[str, ...]
    asked: bool

    @property
    def versions(self) -> tuple[str, ...]:
        """Its versions, each once."""
        return _once(row.version for row in self.rows if row.version)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        text: What, in words; `code` stands in backquotes.
        command: The command, or the code, that does it, or empty. It is what advice ends with after a colon.
        about: What for: distributions, places, or what could not be read.
    """

    text: str
    command: str
    about: tuple[str, ...]


def plain(text: str, *, keep: str = "\n\t") -> str:
    """Return text in which nothing is left that a terminal obeys or that reads as something else.

    Control characters, marks of direction and the halves of characters that stand for undecodable bytes in a file's
    name are spelled as Python would spell them; all else stays.

    Args:
        text: Text from anywhere.
        keep: The control characters that stay.
    """
    if text.isprintable():  # most is
        return text
    return "".join(_spell(character) if _is_unsafe(character, keep) else character for character in text)


def flat(text: str) -> str:
    """Return text on one line, with nothing left that a terminal obeys (`plain`)."""
    return plain(" ".join(text.split()), keep="")


def rows(distributions: Iterable[Distribution]) -> tuple[Row, ...]:
    """Return distributions, worst first, those that are alike but for their target as one."""
    alike: dict[tuple[object, ...], list[Distribution]] = {}
    for one in distributions:
        alike.setdefault((one.name, one.version, one.verdict, one.guess, one.why), []).append(one)
    merged = [_merge(group) for group in alike.values()]
    return tuple(sorted(merged, key=lambda row: (_rank(row.verdict), not row.asked, row.name, row.version)))


def by_name(distributions: Iterable[Distribution]) -> tuple[Named, ...]:
    """Return what is known of each name, the worst first."""
    groups: dict[str, list[Distribution]] = {}
    for one in distributions:
        groups.setdefault(one.name, []).append(one)
    named = [_name(name, group) for name, group in groups.items()]
    return tuple(sorted(named, key=lambda one: (_rank(one.verdict), not one.asked, one.name)))


def counts(distributions: Iterable[Distribution]) -> Mapping[Verdict, int]:
    """Return how many names have each verdict, worst first: a name counts once, with its worst."""
    counted = Counter(one.verdict for one in by_name(distributions))
    return MappingProxyType({verdict: counted[verdict] for verdict in VERDICTS if counted[verdict]})


def weights(findings: Iterable[Finding]) -> Mapping[Severity, int]:
    """Return how many findings weigh how much, worst first."""
    counted = Counter(finding.weight for finding in findings)
    return MappingProxyType({severity: counted[severity] for severity in SEVERITIES if counted[severity]})


def by_file(findings: Iterable[Finding]) -> tuple[tuple[str, tuple[Finding, ...]], ...]:
    """Return findings by file: files with the worst first, findings in the order of their lines."""
    files: dict[str, list[Finding]] = {}
    for finding in findings:
        files.setdefault(finding.path, []).append(finding)
    ordered = sorted(files.items(), key=lambda item: (min(_weigh(finding) for finding in item[1]), item[0]))
    return tuple((path, tuple(sorted(group, key=_place))) for path, group in ordered)


def spell_asked(name: str) -> str:
    """Spell what was asked about: as the person wrote it, but for a dot."""
    return "this folder" if name in (".", "./") else name


def spell_place(finding: Finding) -> str:
    """Spell where a finding is: ``app/report.py:12``."""
    return f"{finding.path}:{finding.line}" if finding.line else finding.path


def spell_targets(targets: Iterable[Target], among: Sequence[Target]) -> str:
    """Spell targets by that in which they differ from the others, empty where all of them are meant."""
    meant = set(targets)
    if meant >= set(among):
        return ""
    parts: tuple[Callable[[Target], str], ...] = (
        lambda target: target.arch.name,
        lambda target: f"Python {target.python_name}",
        lambda target: f"musl {target.musl}",
    )
    differing = [part for part in parts if len({part(target) for target in among}) > 1]
    for part in differing:
        values = {part(target) for target in meant}
        if meant == {target for target in among if part(target) in values}:
            return ", ".join(_once(part(target) for target in among if target in meant))
    return ", ".join(
        " ".join(part(target) for part in (*differing[1:], *differing[:1])) for target in among if target in meant
    )


def spell_needs(needs: Sequence[Need]) -> str:
    """Spell what compiling takes, empty where nothing is known: ``a compiler for C and Rust, openssl-dev``.

    What a build requires of other distributions is left out: an installer sees to that by itself.
    """
    languages = _once(_LANGUAGES.get(need.name, need.name) for need in needs if need.kind == "compiler")
    others = _once(need.name for need in needs if need.kind not in ("compiler", "build"))
    return ", ".join([f"a compiler for {_and(languages)}", *others] if languages else others)


def describe_targets(targets: Sequence[Target]) -> str:
    """Describe all targets of a report: ``Python 3.13 and 3.14 on x86_64 and aarch64, musl 1.2.6``."""
    pythons, arches, musls = (
        _once(target.python_name for target in targets),
        _once(target.arch.name for target in targets),
        _once(target.musl for target in targets),
    )
    if len(set(targets)) < len(pythons) * len(arches) * len(musls):
        return "; ".join(str(target) for target in targets)
    return f"Python {_and(pythons)} on {_and(arches)}, musl {_and(musls)}" if targets else ""


def steps(report: Report) -> tuple[Step, ...]:
    """Return what to do, in order, each once: first what stands in the way, last what is only different."""
    found = report.found
    shown = rows(found.distributions)
    collected: dict[tuple[str, str], Step] = {}
    _advise(collected, (row for row in shown if row.verdict is Verdict.IMPOSSIBLE))
    _instead(collected, (finding for finding in found.findings if finding.weight is Severity.ERROR))
    _advise(collected, (row for row in shown if row.verdict is Verdict.UNKNOWN))
    for problem in found.problems:
        if problem.hint:
            _add(collected, _begun(problem.hint), problem.subject)
    _advise(collected, (row for row in shown if row.verdict is Verdict.COMPILE))
    _instead(collected, (finding for finding in found.findings if finding.weight is Severity.WARNING))
    _advise(collected, (row for row in shown if row.verdict not in TO_LOOK_AT))
    return tuple(collected.values())


def sentence(report: Report) -> str:
    """Return the answer in one sentence, with its figures."""
    figures = _Figures.of(report)
    answer = report.answer
    if answer is Answer.NO:
        said = ("Probably no" if figures.no_is_guess else "No") + f": {_against(figures)}"
    elif answer is Answer.UNKNOWN:
        said = f"Not known: {_against(figures)}"
    else:
        said = _in_favour(figures, compiled=answer is Answer.COMPILE)
    if figures.guesses:
        said += f"; {figures.guesses} of the verdicts {_plural(figures.guesses, 'is a guess', 'are guesses')}"
    return f"{said}."


def split_source(source: str) -> tuple[str, str]:
    """Split what a rule rests on into a link, empty where it does not begin with one, and the rest."""
    match = _LINK.fullmatch(source)
    return (match[1], match[2].strip()) if match else ("", source)


def split_code(text: str) -> tuple[tuple[bool, str], ...]:
    """Split a sentence into pairs of whether it is code, which stands in backquotes, and the text without them."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one that nothing closes is no mark
        parts[-2:] = ["`".join(parts[-2:])]
    return tuple((number % 2 == 1, part) for number, part in enumerate(parts) if part)


@dataclass(frozen=True, slots=True)
class _Figures:
    """What the sentence speaks of."""

    names: tuple[str, ...]
    verdicts: Mapping[Verdict, int]
    weights: Mapping[Severity, int]
    problems: int
    guesses: int
    no_is_guess: bool
    where: str
    looked_at: Mapping[str, int]

    @classmethod
    def of(cls, report: Report) -> _Figures:
        found = report.found
        named = by_name(found.distributions)
        against: list[Distribution | Finding] = [
            one for one in found.distributions if one.verdict is Verdict.IMPOSSIBLE
        ]
        where = spell_targets({one.target for one in against if not hasattr(one, "rule")}, report.targets)
        against += [one for one in found.findings if one.weight is Severity.ERROR]
        return cls(
            names=tuple(one.name for one in named),
            verdicts=counts(found.distributions),
            weights=weights(found.findings),
            problems=len(found.problems),
            guesses=sum(one.guess for one in named),
            no_is_guess=all(one.guess for one in against),
            where=where,
            looked_at=found.looked_at,
        )


def _against(figures: _Figures) -> str:
    """Say all that speaks against a plain yes, what decides first."""
    distributions, places = _distributions(figures), _places(figures)
    number = figures.problems
    problems = [f"{number} {_plural(number, 'thing', 'things')} could not be looked at"] if number else []
    if Verdict.IMPOSSIBLE in figures.verdicts:
        clauses = [distributions, places, problems]
    elif Severity.ERROR in figures.weights:
        clauses = [places, distributions, problems]
    elif Verdict.UNKNOWN in figures.verdicts:
        clauses = [distributions, problems, places]
    else:
        clauses = [problems, distributions, places]
    return "; ".join(", ".join(clause) for clause in clauses if clause)


def _distributions(figures: _Figures) -> list[str]:
    verdicts = figures.verdicts
    where = f" ({figures.where})" if figures.where else ""
    compiled = _plural(verdicts.get(Verdict.COMPILE, 0), "has", "have")
    said = {
        Verdict.IMPOSSIBLE: f"cannot be installed on musl{where}",
        Verdict.COMPILE: f"{compiled} to be compiled",
        Verdict.UNKNOWN: "could not be judged",
    }
    total = len(figures.names)
    if total == 1:
        return [f"{flat(figures.names[0])} {words}" for verdict, words in said.items() if verdict in verdicts]
    subjects = [(verdicts[verdict], words) for verdict, words in said.items() if verdict in verdicts]
    return [
        f"{number}{f' of {total} distributions' if place == 0 else ''} {words}"
        for place, (number, words) in enumerate(subjects)
    ]


def _places(figures: _Figures) -> list[str]:
    errors, warnings = figures.weights.get(Severity.ERROR, 0), figures.weights.get(Severity.WARNING, 0)
    there = "there" if Verdict.IMPOSSIBLE in figures.verdicts else "on musl"
    said = [f"{errors} {_plural(errors, 'place does', 'places do')} not work {there}"] if errors else []
    if warnings and errors:
        said.append(f"{warnings} {_plural(warnings, 'behaves', 'behave')} differently")
    elif warnings:
        said.append(f"{warnings} {_plural(warnings, 'place behaves', 'places behave')} differently {there}")
    return said


def _in_favour(figures: _Figures, *, compiled: bool) -> str:
    """Say yes, and what is to be known beside it."""
    total, number = len(figures.names), figures.verdicts.get(Verdict.COMPILE, 0)
    if not total:
        looked_at = spell_counts(figures.looked_at)
        said = "Yes: nothing was found that does not work on musl" + (f", in {_and(looked_at)}" if looked_at else "")
    elif total == 1:
        name = flat(figures.names[0])
        said = f"Yes, once {name} has been compiled" if compiled else f"Yes: {name} can be installed on musl"
    elif compiled:
        which = f"all {total}" if number == total else f"{number} of {total}"
        said = f"Yes, once {which} distributions {_plural(number, 'has', 'have')} been compiled"
    else:
        said = f"Yes: all {total} distributions can be installed on musl"
    if number := figures.weights.get(Severity.WARNING, 0):
        said += f", but {number} {_plural(number, 'place behaves', 'places behave')} differently there"
    return said


def _advise(collected: dict[tuple[str, str], Step], rows: Iterable[Row]) -> None:
    for row in rows:
        for advice in row.advice:
            _add(collected, advice, row.label)


def _instead(collected: dict[tuple[str, str], Step], findings: Iterable[Finding]) -> None:
    for finding in sorted(findings, key=lambda finding: (_weigh(finding), finding.path, _place(finding))):
        if finding.rule.instead:
            title = _begun(finding.rule.title.rstrip("."))
            _add(collected, f"{title}: {finding.rule.instead}", spell_place(finding))


def _add(collected: dict[tuple[str, str], Step], advice: str, about: str) -> None:
    """Add a piece of advice to those there are, as one with another that says the same."""
    advice = " ".join(advice.split())
    ending = _COMMAND_AT_END.search(advice)
    text, command = (advice[: ending.start()], (ending[1] or ending[2]).strip()) if ending else (advice, "")
    verb = next((verb for verb in _JOINED if command.startswith(verb)), "")
    key = (text, verb or command)
    there = collected.get(key)
    if there:
        words = _once([*there.command[len(verb) :].split(), *command[len(verb) :].split()])
        command = verb + " ".join(words) if verb else command
    collected[key] = Step(text, command, _once([*(there.about if there else ()), about]))


def _merge(group: Sequence[Distribution]) -> Row:
    first = group[0]
    return Row(
        first.name,
        first.version,
        first.verdict,
        first.guess,
        first.why,
        targets=_once(one.target for one in group),
        files=_once(one.file for one in group if one.file),
        evidence=_once(line for one in group for line in one.evidence),
        needs=_once(need for one in group for need in one.needs),
        advice=_once(advice for one in group for advice in one.advice),
        asked=any(one.asked for one in group),
    )


def _name(name: str, group: Sequence[Distribution]) -> Named:
    worst = min((one.verdict for one in group), key=_rank)
    at: dict[Target, tuple[Distribution, ...]] = {}
    for one in group:
        at[one.target] = (*at.get(one.target, ()), one)
    return Named(
        name,
        worst,
        guess=all(one.guess for one in group if one.verdict is worst),
        rows=rows(group),
        at=MappingProxyType(at),
        requires=_once(sorted(required for one in group for required in one.requires)),
        asked=any(one.asked for one in group),
    )


def _rank(verdict: Verdict) -> int:
    return VERDICTS.index(verdict)


def _weigh(finding: Finding) -> int:
    return SEVERITIES.index(finding.weight)


def _place(finding: Finding) -> tuple[int, int, str, str]:
    return finding.line, finding.column, finding.rule.name, finding.message


def _once(values: Iterable[Value]) -> tuple[Value, ...]:
    """Return values in their order, each the first time only."""
    return tuple(dict.fromkeys(values))


def _plural(number: int, one: str, many: str) -> str:
    return one if number == 1 else many


def _begun(text: str) -> str:
    """Return a sentence that begins with a capital, unless with the name of this program."""
    return text if text.startswith("bivy") else text[:1].upper() + text[1:]


def spell_counts(looked_at: Mapping[str, int]) -> tuple[str, ...]:
    """Return how much was read, by kind: ``("45 distributions", "1 binary")``."""
    return tuple(f"{count} {_singular(kind, count)}" for kind, count in looked_at.items() if count)


def _singular(kind: str, number: int) -> str:
    """Return the name of a kind for a number of them: ``binaries``, ``binary``."""
    return re.sub(r"s$", "", re.sub(r"ies$", "y", flat(kind))) if number == 1 else flat(kind)


def _and(words: Sequence[str]) -> str:
    """Join words as a sentence does: ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _is_unsafe(character: str, keep: str) -> bool:
    if character in keep:
        return False
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _DIRECTION or character in "\u2028\u2029"


def _spell(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
