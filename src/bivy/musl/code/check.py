"""Files become findings: the rules that a person's code meets, but for those that comments silence."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from bivy.musl.code.image import ImageFacts, base_image
from bivy.musl.code.match import Hit, find
from bivy.musl.code.rules import CodeRule, load_rules
from bivy.musl.code.silence import comments, silence
from bivy.musl.code.sources import Source, find_files, read_source
from bivy.musl.report import Finding, Part, Problem, Severity, Silenced

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bivy.musl.target import Target

LONGEST = 100
"""Characters of code that a finding shows."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is looked for, and for what."""

    rules: Sequence[CodeRule]
    targets: Sequence[Target]
    image: ImageFacts


def check_code(
    paths: Iterable[Path],
    *,
    targets: Sequence[Target],
    root: Path | None = None,
    image: ImageFacts | None = None,
    exclude: Sequence[str] = (),
) -> Part:
    """Read a person's code, and find what behaves differently on musl or in the image.

    Args:
        paths: Files and folders. In a folder, ``.py`` files and Python scripts count; virtual environments, hidden
            folders, ``build``, ``node_modules`` and ``site-packages`` are left out.
        targets: What for; code that none of their Pythons reaches on Linux is passed over.
        root: The folder that paths in the report are relative to, where they are in it; else they are as given.
        image: What the image has; bivy's base image where nothing is said.
        exclude: Patterns of files and folders that are left out of folders.

    Returns:
        Findings in the order of files and lines, those that the person has silenced, and a problem for each file that
        could not be read or parsed.
    """
    asked = _Asked(load_rules(), targets, image or base_image())
    findings: list[Finding] = []
    silenced: list[Silenced] = []
    problems: list[Problem] = []
    read = 0
    for path in find_files(paths, exclude):
        source = path if isinstance(path, Problem) else read_source(path, _shown(path, root))
        if isinstance(source, Problem):
            problems.append(source)
            continue
        try:
            found, quiet = _check(source, asked)
        except RecursionError:
            problems.append(Problem(source.path, "it is nested too deeply to be read"))
            continue
        read += 1
        findings += found
        silenced += quiet
    counts = MappingProxyType({"source files": read})
    return Part(findings=tuple(findings), silenced=tuple(silenced), problems=tuple(problems), looked_at=counts)


def _shown(path: Path, root: Path | None) -> str:
    if root is not None and path.is_relative_to(root):
        return str(path.relative_to(root))
    return str(path)


def _check(source: Source, asked: _Asked) -> tuple[list[Finding], list[Silenced]]:
    pythons = frozenset(target.python for target in asked.targets)
    found = []
    for hit in find(source.tree, asked.rules, pythons, asked.image):
        finding = _finding(hit, source.path, asked.targets)
        if finding is not None:
            found.append((finding, hit.lines))
    found.sort(key=lambda pair: (pair[0].line, pair[0].column, pair[0].rule.name))
    findings, silenced = silence(source.path, found, comments(source.text), {rule.name for rule in asked.rules})
    return sorted(findings, key=lambda finding: finding.line), silenced


def _finding(hit: Hit, path: str, targets: Sequence[Target]) -> Finding | None:
    true_for = tuple(
        target
        for target in targets
        if target.python in hit.place.pythons and _number(target.python) >= _number(hit.rule.since)
    )
    if not true_for:
        return None
    code = " ".join(ast.unparse(hit.node).split())
    shown = code if len(code) <= LONGEST else code[: LONGEST - 1] + "…"
    rule = hit.rule.rule
    message = hit.rule.message.replace("{call}", shown).replace("{found}", hit.found)
    if hit.copes:
        message += "; the code copes with that"
    return Finding(
        rule,
        path,
        message,
        line=hit.node.lineno,
        column=hit.node.col_offset + 1,
        evidence=(shown,),
        guess=hit.rule.guess,
        targets=() if len(true_for) == len(targets) else true_for,
        severity=Severity.NOTE if hit.copes and rule.severity is not Severity.NOTE else None,
    )


def _number(python: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python.split("."))
