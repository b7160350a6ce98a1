"""Comments that silence a finding on their line: ``# bivy: ok[rule-name] reason``."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.musl.report import Finding, Rule, Severity, Silenced

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

COMMENT = re.compile(r"#.*?\bbivy:\s*ok\[([^\]]*)\]:?[ \t]*(.*)$")
_HOW = "Write `# bivy: ok[rule-name] reason` on a line of the statement."
WITHOUT_REASON = Rule(
    "silence-without-reason",
    "A finding is silenced without a reason",
    Severity.NOTE,
    "Without a reason nobody can tell later whether it still holds, so the finding counts.",
    "Write the reason behind the bracket: `# bivy: ok[rule-name] reason`.",
)
OF_NOTHING = Rule(
    "silence-of-nothing",
    "There is nothing here to silence",
    Severity.NOTE,
    "The comment silences a rule that finds nothing on these lines, and would hide what it finds there later.",
    "Remove the comment.",
)
OF_UNKNOWN = Rule(
    "silence-of-unknown-rule",
    "A comment silences a rule that does not exist",
    Severity.NOTE,
    "The name is not that of a rule, so nothing is silenced.",
    _HOW,
)


@dataclass(frozen=True, slots=True)
class Comment:
    """One rule that a comment silences.

    Attributes:
        line: Where the comment is.
        rule: The rule's name.
        reason: Why, empty where none is given.
    """

    line: int
    rule: str
    reason: str


def comments(text: str) -> list[Comment]:
    """Return what the comments of a file silence."""
    if "bivy:" not in text:
        return []
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and (match := COMMENT.match(token.string)):
            found += [Comment(token.start[0], name.strip(), match[2].strip()) for name in match[1].split(",")]
    return found


def silence(
    path: str, found: Iterable[tuple[Finding, tuple[int, int]]], told: Collection[Comment], known: Collection[str]
) -> tuple[list[Finding], list[Silenced]]:
    """Part what is found into what stands and what is silenced.

    Args:
        path: The file.
        found: The findings, each with first and last line of its statement.
        told: What the file's comments silence.
        known: The names of all rules.
    """
    findings: list[Finding] = []
    silenced: list[Silenced] = []
    used: set[Comment] = set()
    for finding, (first, last) in found:
        own = [comment for comment in told if comment.rule == finding.rule.name and first <= comment.line <= last]
        used.update(own)
        reason = next((comment.reason for comment in own if comment.reason), "")
        if reason:
            silenced.append(Silenced(finding, reason))
        else:
            findings.append(finding)
    for comment in told:
        if comment.rule not in known:
            message = f"no rule is called {comment.rule!r}"
            findings.append(Finding(OF_UNKNOWN, path, message, comment.line))
        elif comment not in used:
            findings.append(Finding(OF_NOTHING, path, f"{comment.rule} finds nothing here", comment.line))
        elif not comment.reason:
            message = f"{comment.rule} is silenced without a reason, so it counts"
            findings.append(Finding(WITHOUT_REASON, path, message, comment.line))
    return findings, silenced
