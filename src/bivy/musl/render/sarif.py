"""A report as SARIF 2.1.0, for code scanning (OASIS, Static Analysis Results Interchange Format)."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bivy import __version__
from bivy.musl.render.json import encodable, rules_of, target_id
from bivy.musl.render.summary import MEANING, TO_LOOK_AT, plain, rows, sentence, spell_targets, split_code, split_source
from bivy.musl.report import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bivy.musl.render.summary import Row
    from bivy.musl.report import Finding, Problem, Report, Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"
"""The name that code scanning knows the repository's own folder by."""

_ARCHIVE_MEMBER = re.compile(r"(.*?\.(?:whl|egg|zip|tar|tar\.\w+|tgz)):(.+)", re.DOTALL)
_MANIFESTS = ("uv.lock", "pylock.toml", "requirements.txt", "pyproject.toml")
_MANIFEST_SUFFIXES = (".lock", ".toml", ".txt", ".in")
_LEVELS: Mapping[Verdict, Severity] = MappingProxyType(
    {Verdict.IMPOSSIBLE: Severity.ERROR, Verdict.UNKNOWN: Severity.WARNING, Verdict.COMPILE: Severity.NOTE}
)
_REASONS: Mapping[Verdict, tuple[str, str]] = MappingProxyType(
    {
        Verdict.IMPOSSIBLE: (
            "No wheel of this distribution fits musl, and there is no source archive to compile.",
            "Take a version that has a wheel for musl or a source archive, or a substitute, or do without it on musl.",
        ),
        Verdict.UNKNOWN: (
            "Whether this distribution can be installed on musl could not be found out.",
            "See what could not be read, and ask again.",
        ),
        Verdict.COMPILE: (
            "No wheel of this distribution fits musl: it is installed from its source, which has to be compiled.",
            "Compile it once, outside the image, with `bivy wheel`.",
        ),
    }
)


def as_sarif(
    report: Report,
    *,
    root: Path | None = None,
    manifests: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return a report as one run of SARIF.

    Args:
        report: The report.
        root: The repository's folder. Paths below it are given relative to it, others as they are; without it, all
            relative paths are taken to be relative to it already.
        manifests: The text of the requirements file, lock or project file that distributions come from, by its path as
            the person wrote it (`read_manifests`). Results for distributions are placed on the lines that name them.
    """
    rules = rules_of(report)
    shown = [row for row in rows(report.found.distributions) if row.verdict in TO_LOOK_AT]
    descriptors = [_descriptor(rule) for rule in rules] + [
        _verdict_descriptor(verdict) for verdict in _LEVELS if any(row.verdict is verdict for row in shown)
    ]
    places = _Places(report, root, manifests)
    results = [_result(finding, places) for finding in report.found.findings]
    results += [_result(one.finding, places, silenced=True, reason=one.reason) for one in report.found.silenced]
    results += [_verdict_result(row, places) for row in shown]
    numbers = {descriptor["id"]: number for number, descriptor in enumerate(descriptors)}
    _fingerprint(results)
    for result in results:
        result["ruleIndex"] = numbers[result["ruleId"]]
    run = {
        "tool": {
            "driver": {
                "name": "bivy", "version": __version__, "semanticVersion": __version__,
                "shortDescription": {"text": "Whether it works on musl."}, "rules": descriptors,
            }
        },
        "invocations": [
            {
                "executionSuccessful": not report.found.problems,
                "toolExecutionNotifications": [_notification(problem) for problem in report.found.problems],
            }
        ],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The folder of the project that was checked."}}},
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "asked": list(report.asked), "targets": [target_id(target) for target in report.targets],
            "answer": report.answer.value, "sentence": sentence(report),
        },
    }  # fmt: skip
    log: dict[str, Any] = encodable({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})
    return log


def read_manifests(asked: Sequence[str]) -> dict[str, str]:
    """Read what distributions were taken from, of what was asked about: requirements files, locks, project folders.

    What is no such file, or cannot be read, is left out: whoever checked it has said so already.
    """
    found: dict[str, str] = {}
    for name in asked:
        path = Path(name)
        candidates = [path / manifest for manifest in _MANIFESTS] if path.is_dir() else [path]
        for candidate in candidates:
            if candidate.is_file() and candidate.name.endswith(_MANIFEST_SUFFIXES):
                try:
                    found[str(candidate)] = candidate.read_text("utf-8")
                except (OSError, ValueError):
                    continue
                break
    return found


class _Places:
    """Where files and distributions are, as SARIF puts it."""

    def __init__(self, report: Report, root: Path | None, manifests: Mapping[str, str]) -> None:
        self.targets = report.targets
        self._images = sorted((name for name in report.asked if name), key=len, reverse=True)
        self._root = root.resolve() if root else None
        self._manifests = dict(manifests) or {
            name: "" for name in report.asked if name.endswith(_MANIFEST_SUFFIXES) and not name.startswith("-")
        }

    def of_finding(self, finding: Finding) -> dict[str, Any]:
        """Return a finding's location: a file and a line, or an archive and the file in it."""
        container, member = self._split(finding.path)
        location: dict[str, Any] = {"physicalLocation": {"artifactLocation": self._artifact(container)}}
        if member:
            place = f"{member}:{finding.line}" if finding.line else member
            location["logicalLocations"] = [{"fullyQualifiedName": place, "kind": "member"}]
        elif finding.line:
            column = {"startColumn": finding.column} if finding.column else {}
            location["physicalLocation"]["region"] = {"startLine": finding.line, **column}
        return location

    def of_distribution(self, name: str) -> list[dict[str, Any]]:
        """Return where a distribution is named, or would be; empty where no file was asked about."""
        spelled = r"[-_.]+".join(re.escape(part) for part in re.split(r"[-_.]+", name))
        named = re.compile(rf"""(?im)^\s*(?:name\s*=\s*)?["']?{spelled}(?![-\w.])""")
        lines = {
            path: text.count("\n", 0, match.end()) + 1
            for path, text in self._manifests.items()
            if (match := named.search(text))
        }
        for path, line in (*lines.items(), *((path, 1) for path in self._manifests)):
            artifact = self._artifact(path)
            return [{"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": line}}}]
        return []

    def _split(self, path: str) -> tuple[str, str]:
        """Split the name of a file in an archive or image into that and the file."""
        for image in self._images:
            if path.startswith(f"{image}:"):
                return image, path[len(image) + 1 :]
        match = _ARCHIVE_MEMBER.fullmatch(path)
        return (match[1], match[2]) if match else (path, "")

    def _artifact(self, path: str) -> dict[str, str]:
        """Return a file's location, relative to the repository where it is in there."""
        if self._root:
            absolute = Path(posixpath.normpath(Path.cwd() / path))
            if absolute.is_relative_to(self._root):
                return _relative(absolute.relative_to(self._root).as_posix())
            path = str(absolute) if posixpath.isabs(path) or path.startswith("..") else path
        if posixpath.isabs(path):
            return {"uri": f"file://{_quote(path)}"}
        return _relative(posixpath.normpath(path))


def _relative(path: str) -> dict[str, str]:
    return {"uri": _quote(path), "uriBaseId": ROOT}


def _quote(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")


def _descriptor(rule: Rule) -> dict[str, Any]:
    descriptor = _described(rule.name, rule.title, rule.why, rule.instead, rule.severity)
    link, rest = split_source(rule.source)
    if link:
        descriptor["helpUri"] = quote(link, safe="/:?#@!$&'()*+,;=%~")
    if rest:
        for form, spell in (("text", str), ("markdown", _markdown)):
            descriptor["help"][form] += f"\n\n{_message(spell(rest))}"
    return descriptor


def _verdict_descriptor(verdict: Verdict) -> dict[str, Any]:
    why, instead = _REASONS[verdict]
    title = "could not be judged" if verdict is Verdict.UNKNOWN else MEANING[verdict]
    return _described(f"distribution-{verdict}", f"A distribution {title}", why, instead, _LEVELS[verdict])


def _described(name: str, title: str, why: str, instead: str, severity: Severity) -> dict[str, Any]:
    return {
        "id": name,
        "name": "".join(word[:1].upper() + word[1:] for word in re.split(r"[^0-9A-Za-z]+", name)) or name,
        "shortDescription": {"text": _message(title)},
        "fullDescription": {"text": _message(why)},
        "help": {
            "text": _message(f"{why}\n\nInstead: {instead}" if instead else why),
            "markdown": _message(_markdown(why) + (f"\n\n**Instead:** {_markdown(instead)}" if instead else "")),
        },
        "defaultConfiguration": {"level": severity.value},
        "properties": {
            "tags": ["musl"],
            # Code scanning's own: https://docs.github.com/code-security, "SARIF support for code scanning".
            "problem.severity": "recommendation" if severity is Severity.NOTE else severity.value,
        },
    }


def _result(finding: Finding, places: _Places, *, silenced: bool = False, reason: str = "") -> dict[str, Any]:
    where = spell_targets(finding.targets, places.targets) if finding.targets else ""
    message = f"Probably: {finding.message}" if finding.guess else finding.message
    lines = [f"{message} ({where})" if where else message, *finding.evidence]
    suppression = {"kind": "inSource", "status": "accepted", **({"justification": reason} if reason else {})}
    return {
        "ruleId": finding.rule.name,
        "level": finding.weight.value,
        "message": {"text": _message("\n".join(lines))},
        "locations": [places.of_finding(finding)],
        # What stays when the lines above it change. Which of several alike it is comes later.
        "partialFingerprints": {
            "finding/v1": "\0".join((finding.rule.name, finding.path, finding.message, *finding.evidence))
        },
        "suppressions": [suppression] if silenced else [],
        "properties": {
            "guess": finding.guess,
            "evidence": list(finding.evidence),
            "targets": [target_id(target) for target in finding.targets or places.targets],
        },
    }


def _verdict_result(row: Row, places: _Places) -> dict[str, Any]:
    where = spell_targets(row.targets, places.targets)
    verdict = ("probably " if row.guess else "") + MEANING[row.verdict]
    said = f"{row.label}{f' ({where})' if where else ''}: {verdict}. {row.why}"
    rule = f"distribution-{row.verdict}"
    return {
        "ruleId": rule,
        "level": _LEVELS[row.verdict].value,
        "message": {"text": _message("\n".join([said, *row.advice]))},
        "locations": places.of_distribution(row.name),
        "partialFingerprints": {"finding/v1": f"{rule}\0{row.name}"},
        "suppressions": [],
        "properties": {
            "guess": row.guess,
            "evidence": list(row.evidence),
            "targets": [target_id(target) for target in row.targets],
        },
    }


def _fingerprint(results: Sequence[dict[str, Any]]) -> None:
    """Make digests of what results are recognised by, with their number among those alike."""
    seen: Counter[str] = Counter()
    for result in results:
        for key, text in result["partialFingerprints"].items():
            digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]
            seen[digest] += 1
            result["partialFingerprints"][key] = f"{digest}:{seen[digest]}"


def _notification(problem: Problem) -> dict[str, Any]:
    # SARIF 2.1.0, 3.58.6: an error is what leaves the results incomplete.
    said = f"{problem.subject}: {problem.message}" + (f"\n{problem.hint}" if problem.hint else "")
    return {"level": "error", "message": {"text": _message(said)}}


def _message(text: str) -> str:
    """Return text as a message: braces doubled (SARIF 2.1.0, 3.11.5), and nothing that reads as a link (3.11.6)."""
    text = "\n".join(plain(" ".join(line.split()), keep="") for line in text.splitlines())
    if "](" in text:
        text = re.sub(r"[\\\[\]]", r"\\\g<0>", text)
    return text.replace("{", "{{").replace("}", "}}")


def _markdown(text: str) -> str:
    """Return a sentence as Markdown: its code in backquotes stays, and what looks like HTML is text."""
    return "".join(
        f"`{part}`" if is_code else part.replace("&", "&amp;").replace("<", "&lt;").replace("`", "\\`")
        for is_code, part in split_code(text)
    )
