"""What a ``setup.py`` would compile, read with `ast` and never run; best effort, since it is a program."""

from __future__ import annotations

import ast
import re
import threading
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

_KEYWORDS = {"ext_modules", "cffi_modules", "rust_extensions", "cmake_source_dir", "cmake_install_dir", "cmake_args"}
_EXTENSION = re.compile(r"(.*Extension|cythonize|mypycify|intree_extensions|CFFIBuild)")
_LIBRARIES = re.compile(r"(.*_)?lib(rarie)?s", re.IGNORECASE)
_LIBRARY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_CONFIG_TOOL = re.compile(r"pkgconf|[a-z0-9_+.]{1,40}-config|(pg|mysql|mariadb)_config")
_SCRIPT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}\.py")
_OTHER_PLATFORMS = re.compile(r"win32|win|nt|windows|darwin|cygwin|mingw.*|macos.*|msvc|aix.*|sunos.*", re.IGNORECASE)
_TOLERATED = {
    "BuildFailed",
    "BuildExtFailed",
    "CCompilerError",
    "CompileError",
    "DistutilsExecError",
    "DistutilsPlatformError",
}
# What a failed build comes to, in which a compiler's fault is among others.
_ANYTHING = {"", "BaseException", "Exception", "SystemExit"}
_BUILD_METHODS = {"build_extension", "build_extensions", "run"}
_FILTERS = threading.Lock()


@dataclass(slots=True)
class Script:
    """What was found in a script.

    Attributes:
        extensions: Whether it names extension modules, ``False`` where it certainly has none.
        optional: Whether it is written to go on where compiling fails.
        libraries: Names of libraries that it links.
        tools: Programs that tell where libraries are: ``pkg-config``, ``xml2-config``.
        requires: Distributions that it wants for building (``setup_requires``).
        imports: Modules that it imports, of which some may be beside it.
        scripts: Names of Python files that it mentions, since it may run them.
    """

    extensions: bool | None = False
    optional: bool = False
    libraries: dict[str, None] = field(default_factory=dict)
    tools: dict[str, None] = field(default_factory=dict)
    requires: dict[str, None] = field(default_factory=dict)
    imports: dict[str, None] = field(default_factory=dict)
    scripts: dict[str, None] = field(default_factory=dict)


def read_script(source: bytes) -> Script | None:
    """Read a script; ``None`` where it is not Python that this Python reads."""
    try:
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = Script()
    for node in _walk(tree):
        _look(node, found)
    found.optional |= _sets_up_once_more(tree)
    return found


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those that are for other platforms only."""
    ahead: list[ast.AST] = [tree]
    while ahead:
        node = ahead.pop()
        yield node
        if isinstance(node, ast.If | ast.IfExp):
            ahead += _branches(node)
        else:
            ahead += ast.iter_child_nodes(node)


def _branches(node: ast.If | ast.IfExp) -> list[ast.AST]:
    body: list[ast.AST] = [*node.body] if isinstance(node, ast.If) else [node.body]
    other: list[ast.AST] = [*node.orelse] if isinstance(node, ast.If) else [node.orelse]
    asked, negative = _asks_for_other_platform(node.test)
    if not asked:
        return [node.test, *body, *other]
    return body if negative else other


def _asks_for_other_platform(test: ast.expr) -> tuple[bool, bool]:
    """Tell whether a condition is that this is, or is not, another platform than Linux."""
    negative = False
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        negative, test = True, test.operand
    if isinstance(test, ast.Compare):
        negative ^= isinstance(test.ops[0], ast.NotEq | ast.NotIn)
    elif not isinstance(test, ast.Call):
        return False, False
    values = [node.value for node in ast.walk(test) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return bool(values) and all(_OTHER_PLATFORMS.fullmatch(value) for value in values), negative


def _look(node: ast.AST, found: Script) -> None:
    match node:
        case ast.Call():
            _look_at_call(node, found)
        case ast.Assign(targets=[target, *_], value=value) | ast.AugAssign(target=target, value=value):
            _look_at_value(_name(target), value, found)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            _look_at_value(_name(target), value, found)
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    _look_at_value(key.value, value, found)
        case ast.ClassDef():
            if any(_EXTENSION.fullmatch(_name(base)) for base in node.bases):
                found.extensions = found.extensions or None
            if any(_name(base).endswith("build_ext") for base in node.bases):
                found.optional |= _goes_on(node)
        case ast.ExceptHandler():
            found.optional |= _swallows(node, _TOLERATED)
        case ast.Constant(value=str() as text):
            if _CONFIG_TOOL.fullmatch(text):
                found.tools[text] = None
            if _SCRIPT.fullmatch(text):
                found.scripts[text] = None
        case ast.Import():
            found.imports.update((alias.name.partition(".")[0], None) for alias in node.names)
        case ast.ImportFrom(module=str() as module):
            found.imports[module.partition(".")[0]] = None


def _goes_on(command: ast.ClassDef) -> bool:
    """Tell whether a ``build_ext`` of the script's own goes on where the one that it builds on fails."""
    methods = [node for node in command.body if isinstance(node, ast.FunctionDef) and node.name in _BUILD_METHODS]
    return any(
        _calls(attempt.body, _BUILD_METHODS) and any(_swallows(handler, _ANYTHING) for handler in attempt.handlers)
        for method in methods
        for attempt in ast.walk(method)
        if isinstance(attempt, ast.Try)
    )


def _sets_up_once_more(tree: ast.Module) -> bool:
    """Tell whether the script calls ``setup`` again, by itself or in functions of its own, where that has failed."""
    functions = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and _calls(node.body, {"setup"})
    } | {"setup"}
    return any(
        _calls(attempt.body, functions)
        and any(_swallows(handler, _ANYTHING) and _calls(handler.body, functions) for handler in attempt.handlers)
        for attempt in ast.walk(tree)
        if isinstance(attempt, ast.Try)
    )


def _calls(body: Iterable[ast.stmt], names: AbstractSet[str]) -> bool:
    return any(
        isinstance(node, ast.Call) and _name(node.func) in names for statement in body for node in ast.walk(statement)
    )


def _swallows(handler: ast.ExceptHandler, kinds: AbstractSet[str]) -> bool:
    """Tell whether a handler takes one of some kinds of fault, and goes on."""
    told = {_name(part) for part in ast.walk(handler.type)} if handler.type else {""}
    return bool((told - {""} or told) & kinds) and not any(_gives_up(statement) for statement in handler.body)


def _gives_up(statement: ast.stmt) -> bool:
    """Tell whether a statement ends the script or hands a fault on, whatever else is so."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return _name(statement.value.func) in ("exit", "_exit")
    return isinstance(statement, ast.Raise)


def _look_at_call(node: ast.Call, found: Script) -> None:
    name = _name(node.func)
    if _EXTENSION.fullmatch(name):
        found.extensions = True
    for keyword in node.keywords:
        if keyword.arg is None:
            if name == "setup" and not found.extensions and not isinstance(keyword.value, ast.Dict):
                found.extensions = None  # setup(**arguments), which may hold anything
            continue
        _look_at_value(keyword.arg, keyword.value, found)
        if keyword.arg == "optional" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True:
            found.optional = True


def _look_at_value(name: str, value: ast.expr, found: Script) -> None:
    """Look at what a name, an argument or a key of a dictionary gets."""
    if name in _KEYWORDS and not found.extensions:
        empty = (isinstance(value, ast.Constant) and not value.value) or (
            isinstance(value, ast.List) and not value.elts
        )
        # A name says nothing yet: what it is bound to is looked at where that is done.
        certain = isinstance(value, ast.List | ast.Tuple) and not empty
        found.extensions = True if certain else found.extensions if empty else None
    if name == "setup_requires":
        found.requires.update(dict.fromkeys(_strings(value)))
    if _LIBRARIES.fullmatch(name):
        found.libraries.update((text, None) for text in _strings(value) if _LIBRARY.fullmatch(text))


def _strings(value: ast.expr) -> Iterator[str]:
    """Yield the strings in a list, and in lists that are added to it."""
    ahead: list[ast.expr] = [value]
    while ahead:
        node = ahead.pop()
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            for element in node.elts:
                if isinstance(element, ast.Constant) and isinstance(element.value, str):
                    yield element.value
        elif isinstance(node, ast.BinOp):
            ahead += [node.right, node.left]


def _name(node: ast.AST) -> str:
    """Return the last part of a dotted name, empty where it is none."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
