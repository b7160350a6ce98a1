"""The rules: data, one file for each subject, in `rules/`."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from bivy.musl.report import Rule, Severity

FOLDER = Path(__file__).parent / "rules"


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an argument of a call has to be.

    Attributes:
        position: Its number, from 0; -1 where it is only given by name.
        keyword: Its name; empty where it is only given by position.
        matches: A regular expression (``re.search``) for a text that is written out.
        above: A number that is written out is greater.
        equals: A number or truth value that is written out is this.
        absent: It is not given.
    """

    position: int = -1
    keyword: str = ""
    matches: str = ""
    above: float | None = None
    equals: bool | int | None = None
    absent: bool = False


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a rule applies.

    Attributes:
        kind: What is looked at: a ``call`` of a name, a ``name`` that is used in any way, an ``import``, a ``text``
            that is written out, a text that something is ``compared`` with, a ``format`` as in f-strings, a ``setting``
            (an environment variable that is set), a ``command`` that is run, or a ``command-line`` or ``script``.
        names: Qualified names; ``*.NAME`` where the method's name is unmistakable; for an ``import`` modules, for a
            ``setting`` variables, for a ``command-line`` programs.
        where: What arguments of a call have to be, all of it.
        matches: A regular expression (``re.search``) for the text, the value that is set, or the words of the
            command line behind the program, joined by spaces.
        looped: It is in a loop or comprehension.
        finds: A function in `matchers` that decides, and says what is the matter.
        asks: What `finds` is to look for.
    """

    kind: Literal[
        "call", "name", "import", "text", "compared", "format", "setting", "command", "command-line", "script"
    ]
    names: frozenset[str] = frozenset()
    where: tuple[Condition, ...] = ()
    matches: str = ""
    looped: bool = False
    finds: str = ""
    asks: frozenset[str] = frozenset()


class CodeRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule, key by key.

    Attributes:
        name: What a comment that silences it calls it.
        title: What is the matter, in a few words.
        severity: How much it weighs.
        why: How musl or the image differs.
        instead: What to write instead.
        message: What is said of one place; ``{call}`` is the code there, ``{found}`` what was found in it.
        match: Where it applies; one is enough.
        fails: Code that has it, once.
        passes: Code that does without.
        source: Where this is documented.
        since: The first Python for which it is true.
        guess: Whether it rests on a rule of thumb.
        guards: Exceptions that show, where the code handles them, that it copes.
        beside: Modules whose objects have methods that are only named as those that this is about: in a file that
            imports one of them, nothing is said of a method of something unknown.
        program: Code that shows the difference when it runs.
        musl: What it prints in the image.
        glibc: What it prints on glibc; absent where that depends on the machine, or where it is about the image.
        unshown: Why there is no program.
        needs: What the program needs: ``network`` (one of its own, and a resolver's files that it may write),
            ``locale`` (glibc's German one).
    """

    name: str
    title: str
    severity: Severity
    why: str
    instead: str
    message: str
    match: tuple[Match, ...]
    fails: str
    passes: str
    source: str = ""
    since: str = "3.0"
    guess: bool = False
    guards: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    program: str = ""
    musl: str = ""
    glibc: str | None = None
    unshown: str = ""
    needs: frozenset[str] = frozenset()

    @property
    def rule(self) -> Rule:
        """The rule as reports show it."""
        return Rule(self.name, self.title, self.severity, self.why, self.instead, self.source)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: tuple[CodeRule, ...]


@functools.cache
def load_rules() -> tuple[CodeRule, ...]:
    """Return all rules, in the order of their files."""
    rules: list[CodeRule] = []
    for path in sorted(FOLDER.glob("*.toml")):
        with path.open("rb") as file:
            rules += msgspec.convert(tomllib.load(file), _File).rules
    return tuple(rules)
