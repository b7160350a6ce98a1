"""Where rules apply in one file."""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bivy.musl.code import matchers
from bivy.musl.code.commands import LONGEST, RUNNERS, Run, runs
from bivy.musl.code.names import UNKNOWN, Scope, constant, is_starred, resolve, text
from bivy.musl.code.reach import Place, own_lines, reached

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bivy.musl.code.image import ImageFacts
    from bivy.musl.code.rules import CodeRule, Condition, Match

_TAKES_TEXT = frozenset({"search", "match", "fullmatch", "compile", "startswith", "endswith", "find", "index", "count",
                         "assertIn", "assertEqual", "assertRaisesRegex", "assertRegex", "raises"})  # fmt: skip
"""Names of functions that compare a text with their arguments."""

_SETS = frozenset({"setenv", "putenv", "setdefault"})
_ASKS = frozenset({"shutil.which", "distutils.spawn.find_executable", "hasattr", "getattr", "os.path.exists",
                   "os.path.isfile", "os.access"})  # fmt: skip
"""Functions that say whether something is there."""

_ASKS_LAST = frozenset(name.rpartition(".")[2] for name in _ASKS)
_LOOKED_AT = frozenset({ast.Call, ast.Attribute, ast.Name, ast.Subscript, ast.Import, ast.ImportFrom, ast.Constant,
                        ast.Compare, ast.FormattedValue, ast.Assign, ast.Dict})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule applies.

    Attributes:
        rule: The rule.
        node: The code.
        place: Where it is.
        lines: First and last line of the statement that it is in, without the statements within that.
        found: What was found.
        copes: Whether the code copes with it.
    """

    rule: CodeRule
    node: ast.expr | ast.stmt
    place: Place
    lines: tuple[int, int]
    found: str
    copes: bool = False


@dataclass(frozen=True, slots=True)
class _Index:
    """The rules' matches by what sets them off, so that most nodes are done with one look.

    Attributes:
        names: By kind and name.
        kinds: By kind.
        methods: The last parts of all names of functions that matter.
        attributes: The last parts of all names that matter in any use.
        settings: The variables.
    """

    names: dict[tuple[str, str], list[tuple[CodeRule, Match]]]
    kinds: dict[str, list[tuple[CodeRule, Match]]]
    methods: frozenset[str]
    attributes: frozenset[str]
    settings: frozenset[str]


@functools.lru_cache(maxsize=8)
def _index(rules: tuple[CodeRule, ...]) -> _Index:
    names: dict[tuple[str, str], list[tuple[CodeRule, Match]]] = {}
    kinds: dict[str, list[tuple[CodeRule, Match]]] = {}
    for rule in rules:
        for match in rule.match:
            kinds.setdefault(match.kind, []).append((rule, match))
            for name in match.names:
                names.setdefault((match.kind, name), []).append((rule, match))
    last = {kind: {name.rpartition(".")[2] for of, name in names if of == kind} for kind in ("call", "name")}
    asked = {name.rpartition(".")[2] for name in RUNNERS | _ASKS}
    methods = frozenset(last["call"] | asked | _TAKES_TEXT | _SETS)
    return _Index(
        names, kinds, methods, frozenset(last["name"]), frozenset(name for of, name in names if of == "setting")
    )


def find(tree: ast.Module, rules: Sequence[CodeRule], pythons: frozenset[str], image: ImageFacts) -> list[Hit]:
    """Return where `rules` apply in code that one of `pythons` reaches, each rule once for a piece of code."""
    index = _index(tuple(rules))
    hits: dict[tuple[str, int, int, str], Hit] = {}
    asked: set[str] = set()
    modules: set[str] = set()
    quiet: set[int] = set()
    for node, place, statement in reached(tree, pythons):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            quiet.add(id(node.value))  # a docstring is no text that the code uses
        elif isinstance(node, ast.Call):
            asked.update(_asked(node, place.scope))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            modules.update(_modules(node))
        if type(node) not in _LOOKED_AT:
            continue
        for rule, found, subject in _applies(node, place, index, image, quiet):
            if place.loops == 0 and any(match.looped for match in rule.match):
                continue
            assert isinstance(node, (ast.expr, ast.stmt))
            assert isinstance(statement, ast.stmt)
            hit = Hit(rule, node, place, own_lines(statement), found, place.copes_with(tuple(rule.guards)))
            hits.setdefault((rule.name, node.lineno, node.col_offset, subject), hit)
    return [
        replace(hit, copes=hit.copes or not asked.isdisjoint({subject, subject.rpartition(".")[2]}))
        for (_, _, _, subject), hit in hits.items()
        if hit.rule.beside.isdisjoint(modules if subject.startswith("?.") else {subject.partition(".")[0]})
    ]


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the names of the outermost modules that a statement imports from."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [(node.module or "").partition(".")[0]]


def _asked(node: ast.Call, scope: Scope) -> Iterator[str]:
    """Iterate over the names that code asks for before it uses them: programs, attributes, files."""
    last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if last in _ASKS_LAST or isinstance(node.func, ast.Name):
        name = resolve(node.func, scope)
        if name in _ASKS and not (name == "getattr" and len(node.args) < 3):
            yield from filter(None, (text(argument, scope) for argument in node.args[:2]))


def _applies(
    node: ast.AST, place: Place, index: _Index, image: ImageFacts, quiet: set[int]
) -> Iterator[tuple[CodeRule, str, str]]:
    """Iterate over the rules that apply to a node, with what was found, and what that is about."""
    scope = place.scope
    if isinstance(node, ast.Call):
        yield from _calls(node, scope, index, image)
    elif isinstance(node, ast.Attribute):
        if node.attr in index.attributes and isinstance(node.ctx, ast.Load):
            yield from _named(resolve(node, scope), index)
    elif isinstance(node, ast.Name):
        if node.id in index.attributes and isinstance(node.ctx, ast.Load) and is_starred(node.id, scope):
            yield from _named(resolve(node, scope), index)
    elif isinstance(node, ast.Subscript):
        if isinstance(node.value, ast.Call):
            yield from _named(resolve(node, scope), index)
    elif isinstance(node, ast.Import):
        yield from _imports([alias.name for alias in node.names], index)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from _imports([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)], index)
        for alias in node.names:
            yield from _named(f"{node.module}.{alias.name}", index)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str) and id(node) not in quiet:
            yield from _texts("text", node.value, index, image)
    elif isinstance(node, ast.Compare):
        for operand in (node.left, *node.comparators):
            yield from _compared(operand, scope, index, image)
    elif isinstance(node, ast.FormattedValue) and node.format_spec is not None:
        yield from _texts("format", text(node.format_spec, scope) or "", index, image)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Subscript) and (resolve(target.value, scope) or "").endswith("environ"):
                yield from _settings(text(target.slice, scope), text(node.value, scope), index)
    elif isinstance(node, ast.Dict):
        for key, one in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in index.settings:
                yield from _settings(str(key.value), text(one, scope), index)


def _calls(node: ast.Call, scope: Scope, index: _Index, image: ImageFacts) -> Iterator[tuple[CodeRule, str, str]]:
    for keyword in node.keywords:
        if keyword.arg in index.settings:
            yield from _settings(keyword.arg, text(keyword.value, scope), index)
    if isinstance(node.func, ast.Attribute) and node.func.attr not in index.methods:
        return
    name = resolve(node.func, scope) or ""
    last = name.rpartition(".")[2]
    for key in {name, f"*.{last}"} if "." in name else {name}:
        for rule, match in index.names.get(("call", key), ()):
            if (
                not (key.startswith("*") and name in _excluded(rule))
                and (found := _told(node, match, scope)) is not None
            ):
                yield from _decided(rule, match, found, name, image)
    if name == "getattr" and len(node.args) > 1 and (told := text(node.args[1], scope)):
        yield from _named(f"{resolve(node.args[0], scope) or '?'}.{told}", index)
    if name == "format" and len(node.args) == 2:
        yield from _texts("format", text(node.args[1], scope) or "", index, image)
    if last in _TAKES_TEXT:
        for argument in [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "match")]:
            yield from _compared(argument, scope, index, image)
    if last in _SETS and len(node.args) >= 2:
        yield from _settings(text(node.args[0], scope), text(node.args[1], scope), index)
    if name in RUNNERS:
        for run in runs(node, name, scope):
            yield from _run(run, index, image)


@functools.lru_cache(maxsize=256)
def _excluded(rule: CodeRule) -> frozenset[str]:
    """Return the names that a rule lists in full, which its ``*.NAME`` is then not about."""
    return frozenset(name for match in rule.match for name in match.names if not name.startswith("*"))


def _named(name: str | None, index: _Index) -> Iterator[tuple[CodeRule, str, str]]:
    if name:
        last = name.rpartition(".")[2]
        for key in {name, f"*.{last}"} if "." in name else {name}:
            for rule, _ in index.names.get(("name", key), ()):
                yield rule, last, name


def _imports(modules: list[str], index: _Index) -> Iterator[tuple[CodeRule, str, str]]:
    for module in modules:
        for rule, _ in index.names.get(("import", module), ()):
            yield rule, module, module


def _texts(kind: str, told: str, index: _Index, image: ImageFacts) -> Iterator[tuple[CodeRule, str, str]]:
    for rule, match in index.kinds.get(kind, ()) if len(told) <= LONGEST else ():
        found = _pattern(match.matches).search(told)
        if found:
            yield from _decided(rule, match, _found(found), found[0], image)


def _compared(node: ast.expr, scope: Scope, index: _Index, image: ImageFacts) -> Iterator[tuple[CodeRule, str, str]]:
    for one in node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]:
        told = text(one, scope)
        if told:
            yield from _texts("compared", told, index, image)


def _settings(name: str | None, told: str | None, index: _Index) -> Iterator[tuple[CodeRule, str, str]]:
    for rule, match in index.names.get(("setting", name or ""), ()):
        if not match.matches or (told is not None and _pattern(match.matches).search(told)):
            yield rule, f"{name}={told}" if told and UNKNOWN not in told else str(name), str(name)


def _run(run: Run, index: _Index, image: ImageFacts) -> Iterator[tuple[CodeRule, str, str]]:
    for rule, match in index.kinds.get("script" if run.script else "command", ()):
        found = matchers.OF_RUNS[match.finds](run, image)
        if found:
            yield rule, found[1], found[0]
    if not run.words:
        return
    program, rest = run.words[0].rpartition("/")[2], " ".join(run.words[1:])
    for rule, match in index.names.get(("command-line", program), ()):
        if _pattern(match.matches).search(rest):
            yield rule, f"{program} {rest}".replace(UNKNOWN, "…"), program


def _told(node: ast.Call, match: Match, scope: Scope) -> str | None:
    """Return what a call's arguments say, where they are what a match asks for."""
    said = ""
    for condition in match.where:
        argument = _argument(node, condition)
        if condition.absent:
            if argument is not None:
                return None
            continue
        if argument is None:
            return None
        found = _fulfils(argument, condition, scope)
        if found is None:
            return None
        said = said or found
    return said


def _argument(node: ast.Call, condition: Condition) -> ast.expr | None:
    if 0 <= condition.position < len(node.args):
        before = node.args[: condition.position + 1]
        return None if any(isinstance(argument, ast.Starred) for argument in before) else before[-1]
    return next(
        (keyword.value for keyword in node.keywords if condition.keyword and keyword.arg == condition.keyword), None
    )


def _fulfils(argument: ast.expr, condition: Condition, scope: Scope) -> str | None:
    if condition.above is not None or condition.equals is not None:
        told = constant(argument, scope)
        if condition.equals is not None:
            return str(told) if told == condition.equals and told is not None else None
        above = condition.above or 0
        return f"{told}" if isinstance(told, (int, float)) and told > above else None
    said = text(argument, scope)
    if said is None:
        return None
    found = _pattern(condition.matches).search(said)
    return None if found is None else _found(found) or said


def _decided(
    rule: CodeRule, match: Match, found: str, subject: str, image: ImageFacts
) -> Iterator[tuple[CodeRule, str, str]]:
    if not match.finds:
        yield rule, found, subject
    elif (decided := matchers.OF_TEXT[match.finds](found, image)) is not None:
        yield rule, decided[1], decided[0]


def _found(match: re.Match[str]) -> str:
    """Return what a match is about: its group, where it has one."""
    return match[match.lastindex or 0]


@functools.lru_cache(maxsize=512)
def _pattern(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.DOTALL)
