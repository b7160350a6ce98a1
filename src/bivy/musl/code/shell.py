"""Commands for a shell: the programs that they run, and bash's words that busybox's ash does not know."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from bivy.musl.code.names import UNKNOWN

PUNCTUATION = "();<>|&\n"
KEYWORDS = frozenset(
    [
        "!",
        "{",
        "}",
        "if",
        "then",
        "elif",
        "else",
        "fi",
        "do",
        "done",
        "while",
        "until",
        "for",
        "case",
        "esac",
        "in",
        "select",
        "function",
        "coproc",
        "[[",
        "]]",
    ]
)
PREFIXES = frozenset({"env", "nohup", "nice", "exec", "command", "time", "setsid", "builtin"})
"""Words before a command's own name."""

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")


@dataclass(frozen=True, slots=True)
class Bashism:
    """Something that bash understands and ash does not.

    Attributes:
        pattern: Where it is in a command, quoted text left out.
        found: What to call it.
    """

    pattern: re.Pattern[str]
    found: str


def _word(words: str) -> str:
    return rf"(?:^|[;&|({{\n]|\bthen\b|\bdo\b|\belse\b)\s*(?:{words})(?=[\s;&|)]|$)"


BASHISMS = tuple(
    Bashism(re.compile(pattern, re.MULTILINE), found)
    for pattern, found in (
        (r"\$\{[A-Za-z_]\w*(?:\^\^?|,,?)", "${name^^}"),
        (r"\$\{!\w", "${!name}"),
        (r"\$\{\w+@[A-Za-z]\}", "${name@Q}"),
        (r"\$\{\w+\[", "${name[…]}"),
        (r"(?:^|[\s;&|(])[A-Za-z_]\w*=\(", "name=(…)"),
        (r"(?:^|[\s;&|])[A-Za-z_]\w*\+=", "name+=…"),
        (r"<<<", "<<<"),
        (r"&>>", "&>>"),
        (r"\|&", "|&"),
        (r"(?:^|[\s,}])[^\s{}$'\"]*\{[^\s{}]*(?:,|\.\.)[^\s{}]*\}", "{a,b} or {1..3}"),
        (r"(?:^|[;&|\n]|\bif\b|\bwhile\b|\buntil\b)\s*\(\([^()]+\)\)", "((…))"),
        (r"\bfor\s*\(\(", "for ((…))"),
        (r";;?&", ";&"),
        (_word(r"select\s+\w+\s+in\b[^;]*"), "select"),
        (_word(r"(?:declare|typeset|pushd|popd|dirs|shopt|mapfile|readarray|builtin|enable|compgen|complete|disown|caller|bind)\b[^;&|\n]*"),
         "a word of bash's own"),
        (r"\bread\s+(?:-\w+\s+)*-\w*a\b", "read -a"),
        (r"\bexport\s+-f\b", "export -f"),
        (r"\bexec\s+-a\b", "exec -a"),
        (r"\bprintf\s+-v\b", "printf -v"),
        (r"\btest\s+-v\b|\[\s+-v\b", "test -v"),
    )
)  # fmt: skip
"""Each fails, or means something else, in the image's /bin/sh; what is not here works there."""


def bashisms(script: str) -> list[str]:
    """Return what of bash's a script uses that ash does not know, in the order of `BASHISMS`."""
    bare = _without_quoted(script)
    found = []
    for bashism in BASHISMS:
        match = bashism.pattern.search(bare)
        if match:
            own = re.sub(r"^[\s;&|({]+", "", match[0]).split()
            found.append(own[0] if bashism.found.startswith("a word") and own else bashism.found)
    return found


def _without_quoted(script: str) -> str:
    """Return a script without here-documents, comments and what is in quotes, but for expansions in double ones."""
    script = re.sub(r"<<-?\s*(['\"]?)(\w+)\1(?s:.*?)\n\s*\2(?=\s|$)", "", script)
    if UNKNOWN in script:
        script = script.replace(UNKNOWN, "x")

    def outside(match: re.Match[str]) -> str:
        quoted = match[0]
        if quoted[0] == '"':
            return " ".join(["''", *re.findall(r"\$\{[^}]*\}", quoted)])
        return "" if quoted[0] in "\\#" else "''" if quoted[0] == "'" else quoted

    return re.sub(r"\\.|\$?'[^']*'|\"(?:\\.|[^\"\\])*\"|(?<![^\s;])#[^\n]*", outside, script, flags=re.DOTALL)


def _uncommented(script: str) -> str:
    quoted = r"\\.|'[^']*'|\"(?:\\.|[^\"\\])*\""
    return re.sub(rf"({quoted})|(?<![^\s;])#[^\n]*", lambda match: match[1] or "", script, flags=re.DOTALL)


def command_lines(script: str) -> list[list[str]]:
    """Return the commands of a script, each with its words; nothing where it cannot be told.

    Words that are not known in advance are `UNKNOWN`. What follows a here-document is left out, and all of a script
    with a ``case``, whose patterns look like commands.
    """
    if re.search(r"(?:^|[\s;])case\s", script):
        return []
    known = re.sub(r"\$\(\([^()]*(?:\([^()]*\)[^()]*)*\)\)", UNKNOWN, _uncommented(script).partition("<<")[0])
    lexer = shlex.shlex(known, posix=True, punctuation_chars=PUNCTUATION)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    try:
        tokens = list(lexer)
    except ValueError:
        return []
    lines: list[list[str]] = [[]]
    functions: set[str] = set()
    skip = False
    for token in tokens:
        if token and not token.strip(PUNCTUATION):
            if token.startswith("()"):
                functions.update(lines.pop())
            skip = ("<" in token or ">" in token) and not token.endswith("(")  # a file's name follows
            if not skip:
                lines.append([])
        elif skip:
            skip = False
        else:
            lines[-1].append(token)
    own = [_command(line) for line in lines]
    return [line for line in own if line and line[0] not in functions]


def _command(words: list[str]) -> list[str]:
    """Return a command without what stands before it: keywords, assignments, ``env``."""
    while words:
        first = words[0]
        if first in ("for", "select", "function", "[[", "coproc"):
            return []
        if first in KEYWORDS or first in PREFIXES or _ASSIGNMENT.match(first):
            words = words[1:]
        elif first == "timeout" and len(words) > 2 and not words[1].startswith("-"):
            words = words[2:]
        elif first.isdigit() and len(words) == 1:
            return []
        else:
            break
    if not words or not re.fullmatch(r"[\w./+\[-]+", words[0]) or words[0].startswith("-"):
        return []
    return [UNKNOWN if "$" in word or "`" in word else word for word in words]
