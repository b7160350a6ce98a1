"""What a name in a file stands for: the qualified name behind imports and assignments, and constant values."""

from __future__ import annotations

import ast
import builtins
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

UNKNOWN = "\ufffc"
"""Stands in a text for a part that is only known when the code runs."""

DEPTH = 12
"""How many assignments are followed from a name to its value."""

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(slots=True)
class Scope:
    """The names that one module, class or function binds.

    Attributes:
        parent: The scope around it, ``None`` for a module.
        is_class: Whether it is a class, whose names functions in it do not see.
        bound: What each name is: a qualified name, an expression, or ``None`` where that depends.
        attributes: For a class, what ``self.NAME`` is.
        stars: Modules whose names are all imported.
    """

    parent: Scope | None = None
    is_class: bool = False
    bound: dict[str, str | ast.expr | None] = field(default_factory=dict)
    attributes: dict[str, ast.expr | None] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)


def open_scope(node: ast.Module | ast.ClassDef | _Function, parent: Scope | None) -> Scope:
    """Return the scope that `node` opens, with what its statements bind in it."""
    scope = Scope(parent, isinstance(node, ast.ClassDef))
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        for argument in _arguments(node.args):
            scope.bound[argument.arg] = _instance_of(argument.annotation)
    if not isinstance(node, ast.Lambda):
        for statement in _statements(node.body):
            _bind(statement, scope)
            if scope.is_class and isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                _bind_attributes(statement, scope)
    return scope


def resolve(node: ast.AST, scope: Scope, depth: int = DEPTH) -> str | None:
    """Return what an expression is called in full, or ``None`` where it cannot be known.

    A call's result is the callee's name and ``()``, an element of something its name and ``[]`` with the number in it;
    an attribute of something unknown is ``?.NAME``: ``ctypes.CDLL().malloc_trim``, ``sys.version_info[0]``.
    """
    if depth <= 0:
        return None
    if isinstance(node, ast.Name):
        owner = _owner(node.id, scope)
        if owner is None:
            return _starred(node.id, scope)
        bound = owner.bound[node.id]
        return resolve(bound, owner, depth - 1) if isinstance(bound, ast.expr) else bound
    if isinstance(node, ast.Attribute):
        own = _own_attribute(node, scope)
        if own is not None:
            return resolve(own, scope, depth - 1)
        return f"{resolve(node.value, scope, depth - 1) or '?'}.{node.attr}"
    if isinstance(node, ast.Call):
        called = resolve(node.func, scope, depth - 1)
        return called and f"{called}()"
    if isinstance(node, ast.Subscript):
        whole = resolve(node.value, scope, depth - 1)
        index = node.slice.value if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int) else ""
        return whole and f"{whole}[{index}]"
    if isinstance(node, ast.NamedExpr):
        return resolve(node.value, scope, depth - 1)
    return None


def is_starred(name: str, scope: Scope) -> bool:
    """Say whether a name comes from ``from MODULE import *``, as far as can be told."""
    return _owner(name, scope) is None and "." in (_starred(name, scope) or "")


def value(node: ast.expr, scope: Scope) -> ast.expr:
    """Follow names to the expression that is assigned to them, as far as that is known."""
    for _ in range(DEPTH):
        found: str | ast.expr | None = None
        if isinstance(node, ast.Name) and (owner := _owner(node.id, scope)) is not None:
            found = owner.bound[node.id]
        elif isinstance(node, ast.Attribute):
            found = _own_attribute(node, scope)
        if not isinstance(found, ast.expr):
            return node
        node = found
    return node


def constant(node: ast.expr, scope: Scope, depth: int = DEPTH) -> object:
    """Return the number, text or truth value that an expression is, ``None`` where that is not known."""
    node = value(node, scope)
    if depth <= 0:
        return None
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = constant(node.operand, scope, depth - 1)
        return -number if isinstance(number, (int, float)) else None
    if isinstance(node, ast.BinOp):
        return _calculated(node, scope, depth - 1)
    return None


def text(node: ast.expr, scope: Scope, depth: int = DEPTH) -> str | None:
    """Return the text that an expression is, with `UNKNOWN` for parts that are not known; ``None`` for no text."""
    node = value(node, scope)
    if depth <= 0:
        return None
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else UNKNOWN
            for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text(node.left, scope, depth - 1), text(node.right, scope, depth - 1)
        return None if left is None and right is None else (left or UNKNOWN) + (right or UNKNOWN)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _filled(text(node.left, scope, depth - 1), "%")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return _filled(text(node.func.value, scope, depth - 1), "{")
    found = constant(node, scope)
    if isinstance(found, bytes):
        return found.decode("utf-8", "replace")
    return found if isinstance(found, str) else None


def words(node: ast.expr, scope: Scope, depth: int = DEPTH) -> list[str] | None:
    """Return the texts of a list, `UNKNOWN` for those that are not known; ``None`` where it is no list.

    What follows an element that stands for several (``*more``) is `UNKNOWN` too.
    """
    node = value(node, scope)
    if depth <= 0:
        return None
    if isinstance(node, (ast.List, ast.Tuple)):
        return [UNKNOWN if isinstance(item, ast.Starred) else text(item, scope) or UNKNOWN for item in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = words(node.left, scope, depth - 1), words(node.right, scope, depth - 1)
        return None if left is None else left + (right or [UNKNOWN])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "split" and not node.args and (whole := text(node.func.value, scope)):
            return whole.split()
        if resolve(node.func, scope) == "shlex.split" and node.args and (whole := text(node.args[0], scope)):
            return _shell_words(whole)
    return None


def _shell_words(whole: str) -> list[str] | None:
    try:
        return shlex.split(whole)
    except ValueError:
        return None


def _filled(template: str | None, sign: str) -> str | None:
    """Return a template whose fields are unknown; what it says around them is not."""
    if template is None or sign not in template:
        return template
    import re

    pattern = r"%(?:\(\w+\))?[-#0 +]*[\d.*]*[diouxXeEfFgGcrsa]" if sign == "%" else r"\{[^{}]*\}"
    return re.sub(pattern, UNKNOWN, template).replace(sign * 2, sign)


def _calculated(node: ast.BinOp, scope: Scope, depth: int) -> object:
    """Return the result of the small sums in which people write sizes: ``64 * 1024 * 1024``, ``10 ** 6``."""
    left, right = constant(node.left, scope, depth), constant(node.right, scope, depth)
    if isinstance(left, str) and isinstance(right, str) and isinstance(node.op, ast.Add):
        return left + right
    if not (isinstance(left, (int, float)) and isinstance(right, (int, float))) or max(abs(left), abs(right)) > 2**64:
        return None
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(left, int) and isinstance(right, int) and 0 <= right <= 64:
        if isinstance(node.op, ast.Pow):
            return left**right
        if isinstance(node.op, ast.LShift):
            return left << right
    return None


def _owner(name: str, scope: Scope) -> Scope | None:
    """Return the scope whose `name` is meant."""
    around: Scope | None = scope
    while around is not None:
        if name in around.bound and (around is scope or not around.is_class):
            return around
        around = around.parent
    return None


def _starred(name: str, scope: Scope) -> str | None:
    """Return what a name is that nothing binds: one of ``from MODULE import *``, a built-in one, or unknown."""
    around: Scope | None = scope
    while around is not None:
        if around.stars:
            return f"{around.stars[0]}.{name}"
        around = around.parent
    return name if hasattr(builtins, name) else None


def _own_attribute(node: ast.Attribute, scope: Scope) -> ast.expr | None:
    if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
        return None
    around: Scope | None = scope
    while around is not None and not around.is_class:
        around = around.parent
    return around.attributes.get(node.attr) if around else None


def _arguments(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    yield from (argument for argument in (arguments.vararg, arguments.kwarg) if argument)


def _instance_of(annotation: ast.expr | None) -> ast.expr | None:
    """Return a call that makes what an annotation names: what such an argument is."""
    if isinstance(annotation, (ast.Name, ast.Attribute)):
        return ast.Call(func=annotation, args=[], keywords=[])
    return None


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Iterate over statements and those within, but for those of functions and classes, which have their own scope."""
    waiting = list(body)[::-1]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = [*getattr(node, "body", ()), *getattr(node, "orelse", ()), *getattr(node, "finalbody", ())]
            for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
                inner += part.body
            waiting += inner[::-1]


def _bind(node: ast.stmt, scope: Scope) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            _bind_name(alias.asname or alias.name.split(".")[0], alias.name if alias.asname else None, scope)
    elif isinstance(node, ast.ImportFrom):
        _bind_imported(node, scope)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                _bind_expression(target.id, node.value, scope)
            else:
                _forget(target, scope)
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.AugAssign)):
        _forget(node.target, scope)
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            if item.optional_vars is not None:
                _forget(item.optional_vars, scope)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        scope.bound[node.name] = None
    elif isinstance(node, (ast.Try, ast.TryStar)):
        scope.bound.update({handler.name: None for handler in node.handlers if handler.name})
    elif isinstance(node, ast.Match):
        for case in node.cases:
            _forget(case.pattern, scope)


def _bind_imported(node: ast.ImportFrom, scope: Scope) -> None:
    module = node.module if not node.level and node.module else "?"
    for alias in node.names:
        if alias.name != "*":
            _bind_name(alias.asname or alias.name, f"{module}.{alias.name}", scope)
        elif module != "?":
            scope.stars.append(module)


def _bind_attributes(method: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
    """Bind each ``self.NAME`` that a class assigns once."""
    for statement in _statements(method.body):
        for target in statement.targets if isinstance(statement, ast.Assign) else ():
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                known = target.attr not in scope.attributes
                scope.attributes[target.attr] = statement.value if known and isinstance(statement, ast.Assign) else None


def _forget(target: ast.AST, scope: Scope) -> None:
    """Bind the names in a target to something unknown."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            scope.bound[node.id] = None
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            scope.bound[node.name] = None


def _bind_name(name: str, qualified: str | None, scope: Scope) -> None:
    """Bind an import; the first counts, as the others stand in for it where it is missing."""
    if not isinstance(scope.bound.get(name), str):
        scope.bound[name] = qualified or name


def _bind_expression(name: str, expression: ast.expr | None, scope: Scope) -> None:
    """Bind what is assigned; a second assignment makes it unknown, beside an import it stands in for that."""
    if expression is None:
        scope.bound.setdefault(name, None)
    elif name not in scope.bound:
        scope.bound[name] = expression
    elif not (isinstance(scope.bound[name], str) and isinstance(expression, ast.Constant)):
        scope.bound[name] = None
