"""Which code is reached on Linux by which Python, and what it copes with: conditions, handlers, early returns."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from bivy.musl.code.names import DEPTH, Scope, constant, open_scope, resolve, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_EVERYTHING = "BaseException"
_COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
_FACTS = {"os.name": "posix", "sys.platform": "linux", "platform.system()": "Linux", "typing.TYPE_CHECKING": False}
"""What is known of every target."""


_LEAVES = (ast.Constant, ast.Name, ast.alias, ast.Pass)
_SIGNS = (ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file a piece of code is.

    Attributes:
        scope: The names that it sees.
        pythons: The versions of Python, such as ``3.14``, that reach it.
        handled: The exceptions that code around it handles without raising again.
        loops: How many loops and comprehensions are around it.
    """

    scope: Scope
    pythons: frozenset[str]
    handled: frozenset[str] = frozenset()
    loops: int = 0

    def copes_with(self, exceptions: Sequence[str]) -> bool:
        """Say whether one of `exceptions` would be handled here."""
        return bool(exceptions) and not self.handled.isdisjoint({*exceptions, "Exception", _EVERYTHING})


_Nodes: TypeAlias = "Iterator[tuple[ast.AST, Place]]"


def reached(tree: ast.Module, pythons: frozenset[str]) -> Iterator[tuple[ast.AST, Place, ast.AST]]:
    """Iterate over the nodes that are reached on Linux by one of `pythons`, each with its place and its statement."""
    waiting: list[tuple[ast.AST, Place, ast.AST]] = [(tree, Place(open_scope(tree, None), pythons), tree)]
    while waiting:
        node, place, statement = waiting.pop()
        if isinstance(node, ast.stmt):
            statement = node
        yield node, place, statement
        if not isinstance(node, _LEAVES):
            inner = [(child, there, statement) for child, there in _INNER.get(type(node), _plain)(node, place)]
            inner.reverse()
            waiting += inner


def own_lines(node: ast.stmt) -> tuple[int, int]:
    """Return the lines of a statement, or of its head where it has statements within."""
    first, last = node.lineno, node.end_lineno or node.lineno
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        first = min([first, *(decorator.lineno for decorator in node.decorator_list)])
    elif not isinstance(node, _COMPOUND):
        return first, last
    body = node.cases if isinstance(node, ast.Match) else node.body
    begin = body[0].pattern.lineno if isinstance(body[0], ast.match_case) else body[0].lineno
    return first, max(node.lineno, begin - 1)


def _conditional(node: ast.AST, place: Place) -> _Nodes:
    assert isinstance(node, (ast.If, ast.IfExp))
    yield node.test, place
    yield from _branch(node.body, _if(node.test, place, wanted=True))
    yield from _branch(node.orelse, _if(node.test, place, wanted=False))


def _boolean(node: ast.AST, place: Place) -> _Nodes:
    assert isinstance(node, ast.BoolOp)
    for operand in node.values:
        yield from _branch(operand, place)
        place = _if(operand, place, wanted=isinstance(node.op, ast.And))


def _tried(node: ast.AST, place: Place) -> _Nodes:
    assert isinstance(node, (ast.Try, ast.TryStar))
    handled = frozenset(name for handler in node.handlers for name in _handled(handler, place.scope))
    yield from _block(node.body, replace(place, handled=place.handled | handled))
    for handler in node.handlers:
        yield handler, place
    yield from _block(node.orelse, place)
    yield from _block(node.finalbody, place)


def _with(node: ast.AST, place: Place) -> _Nodes:
    assert isinstance(node, (ast.With, ast.AsyncWith))
    for item in node.items:
        yield item, place
    handled = frozenset(name for item in node.items for name in _suppressed(item.context_expr, place.scope))
    yield from _block(node.body, replace(place, handled=place.handled | handled))


def _looped(node: ast.AST, place: Place) -> _Nodes:
    yield from _plain(node, replace(place, loops=place.loops + 1))


def _plain(node: ast.AST, place: Place) -> _Nodes:
    for name in node._fields:
        child = getattr(node, name, None)
        if isinstance(child, list):
            if child and isinstance(child[0], ast.stmt):
                yield from _block(child, place)
            else:
                yield from ((inner, place) for inner in child if isinstance(inner, ast.AST))
        elif isinstance(child, ast.AST) and not isinstance(child, _SIGNS):
            yield child, place


def _opened(node: ast.AST, place: Place) -> _Nodes:
    """Iterate over a function's or class's children: its body sees its own names, and runs when it is called."""
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef))
    inside = replace(place, scope=open_scope(node, place.scope))
    if not isinstance(node, ast.ClassDef):
        inside = replace(inside, handled=frozenset(), loops=0)
    for name, child in ast.iter_fields(node):
        if name == "body":
            yield from _branch(child, inside)
        elif isinstance(child, ast.AST):
            yield child, place
        elif isinstance(child, list):
            yield from ((inner, place) for inner in child if isinstance(inner, ast.AST))


def _branch(branch: ast.AST | list[ast.stmt], place: Place) -> _Nodes:
    if place.pythons:
        if isinstance(branch, list):
            yield from _block(branch, place)
        else:
            yield branch, place


def _block(body: Sequence[ast.stmt], place: Place) -> _Nodes:
    """Iterate over statements; what follows ``if …: return`` is only reached where the condition does not hold."""
    for statement in body:
        if not place.pythons:
            return
        yield statement, place
        if isinstance(statement, ast.If) and not statement.orelse and _leaves(statement.body, place.scope):
            place = _if(statement.test, place, wanted=False)


def _leaves(body: Sequence[ast.stmt], scope: Scope) -> bool:
    last = body[-1]
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        name = resolve(last.value.func, scope) or ""
        return name in ("sys.exit", "os._exit", "exit", "pytest.skip") or name.endswith(".skipTest")
    return isinstance(last, (ast.Return, ast.Raise, ast.Continue, ast.Break))


def _handled(handler: ast.ExceptHandler, scope: Scope) -> Iterator[str]:
    """Iterate over the names of the exceptions that a handler deals with: not by raising."""
    if not any(isinstance(statement, ast.Raise) for statement in handler.body):
        if handler.type is None:
            yield _EVERYTHING
        else:
            yield from _exceptions(handler.type, scope)


def _exceptions(node: ast.expr, scope: Scope) -> Iterator[str]:
    node = value(node, scope)
    for one in node.elts if isinstance(node, ast.Tuple) else [node]:
        name = resolve(one, scope)
        if name:
            yield name.rpartition(".")[2]


def _suppressed(node: ast.expr, scope: Scope) -> Iterator[str]:
    if isinstance(node, ast.Call) and resolve(node.func, scope) == "contextlib.suppress":
        for argument in node.args:
            yield from _exceptions(argument, scope)


_INNER: dict[type[ast.AST], Callable[[ast.AST, Place], _Nodes]] = {
    **dict.fromkeys((ast.If, ast.IfExp), _conditional),
    ast.BoolOp: _boolean,
    **dict.fromkeys((ast.Try, ast.TryStar), _tried),
    **dict.fromkeys((ast.With, ast.AsyncWith), _with),
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef), _opened),
    **dict.fromkeys((ast.For, ast.AsyncFor, ast.While), _looped),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _looped),
}
"""How the children of a node are iterated over that are not all simply reached where it is."""


def _if(test: ast.expr, place: Place, *, wanted: bool) -> Place:
    """Return the place where `test` has come out as `wanted`, or may have."""
    pythons = frozenset(python for python in place.pythons if _holds(test, python, place.scope) in (wanted, None))
    return place if pythons == place.pythons else replace(place, pythons=pythons)


def _holds(test: ast.expr, python: str, scope: Scope, depth: int = DEPTH) -> bool | None:
    """Say whether a condition holds on Linux with this Python, ``None`` where that depends on other things."""
    test = value(test, scope)
    if depth <= 0:
        return None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _holds(test.operand, python, scope, depth - 1)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        known = [_holds(operand, python, scope, depth - 1) for operand in test.values]
        decides = isinstance(test.op, ast.Or)
        return decides if decides in known else None if None in known else not decides
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _compares(test, python, scope)
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "startswith":
        fact, prefixes = _fact(test.func.value, python, scope), _literal(test.args[0] if test.args else test, scope)
        if isinstance(fact, str) and isinstance(prefixes, (str, tuple)) and prefixes:
            return fact.startswith(prefixes)
    if isinstance(test, (ast.Name, ast.Attribute)):
        fact = _fact(test, python, scope)
        return fact if isinstance(fact, bool) else None
    return None


def _compares(test: ast.Compare, python: str, scope: Scope) -> bool | None:
    left, operator, right = test.left, test.ops[0], test.comparators[0]
    fact, other = _fact(left, python, scope), _literal(right, scope)
    if fact is None:
        fact, other = _fact(right, python, scope), _literal(left, scope)
        if not isinstance(operator, (ast.Eq, ast.NotEq)):
            return None
    if fact is None or other is None:
        return None
    if isinstance(fact, tuple) and isinstance(other, tuple) and isinstance(operator, (ast.Eq, ast.NotEq)):
        fact = fact[: len(other)]
    try:
        return _compare(operator, fact, other)
    except TypeError:
        return None


def _compare(operator: ast.cmpop, left: object, right: object) -> bool | None:
    if isinstance(operator, (ast.Eq, ast.Is)):
        return left == right
    if isinstance(operator, (ast.NotEq, ast.IsNot)):
        return left != right
    if isinstance(operator, ast.In):
        return left in right  # type: ignore[operator]
    if isinstance(operator, ast.NotIn):
        return left not in right  # type: ignore[operator]
    if isinstance(operator, ast.Lt):
        return bool(left < right)  # type: ignore[operator]
    if isinstance(operator, ast.LtE):
        return bool(left <= right)  # type: ignore[operator]
    if isinstance(operator, ast.Gt):
        return bool(left > right)  # type: ignore[operator]
    if isinstance(operator, ast.GtE):
        return bool(left >= right)  # type: ignore[operator]
    return None


def _fact(node: ast.expr, python: str, scope: Scope) -> object:
    """Return what is known of the target: its platform, its Python's version, as the code asks for it."""
    major, minor = (int(part) for part in python.split("."))
    if isinstance(node, ast.Subscript) and resolve(node.value, scope) == "sys.version_info":
        index = _literal(node.slice, scope)
        if isinstance(node.slice, ast.Slice) and node.slice.lower is None and node.slice.upper is not None:
            end = constant(node.slice.upper, scope)
            return (major, minor)[:end] if isinstance(end, int) and end <= 2 else None
        return (major, minor)[index] if isinstance(index, int) and 0 <= index < 2 else None
    name = resolve(node, scope)
    if name is None:
        return None
    versions = {"sys.version_info.major": major, "sys.version_info.minor": minor}
    if name == "sys.version_info":
        return (major, minor, 99)
    return versions.get(name, _FACTS.get(name))


def _literal(node: ast.expr, scope: Scope) -> object:
    node = value(node, scope)
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return tuple(constant(item, scope) for item in node.elts)
    return constant(node, scope)
