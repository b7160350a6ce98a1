"""What of a project is started: what it says, or else the one thing in it that can be meant; never a silent guess."""

from __future__ import annotations

import ast
import posixpath
import re
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bivy.app.values import HOME, ProjectKind
from bivy.errors import UsageError
from bivy.musl.archives.standards import normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bivy.app.options import AppOptions
    from bivy.app.values import Metadata, ProjectFile

PORT: Final = 8000
_LIMIT: Final = 4 << 20
_AIDS: Final = {
    "tests", "test", "testing", "docs", "doc", "examples", "example", "scripts", "benchmarks", "bench", "migrations",
    "alembic", "tools", "tasks",
}  # fmt: skip
"""Folders in which what looks like an application is not the one that is meant."""
_NO_PROGRAMS: Final = ("setup.py", "conftest.py", "noxfile.py", "manage.py", "__init__.py")
# What applications are made by, and after which protocol a server speaks to them.
_MAKERS: Final = {
    "fastapi.FastAPI": "asgi",
    "fastapi.applications.FastAPI": "asgi",
    "starlette.applications.Starlette": "asgi",
    "litestar.Litestar": "asgi",
    "litestar.app.Litestar": "asgi",
    "quart.Quart": "asgi",
    "blacksheep.Application": "asgi",
    "falcon.asgi.App": "asgi",
    "channels.routing.ProtocolTypeRouter": "asgi",
    "django.core.asgi.get_asgi_application": "asgi",
    "flask.Flask": "wsgi",
    "bottle.Bottle": "wsgi",
    "falcon.App": "wsgi",
    "django.core.wsgi.get_wsgi_application": "wsgi",
}
_HINT: Final = re.compile(
    rb"\b(fastapi|starlette|litestar|quart|blacksheep|falcon|channels|django\.core\.[aw]sgi|flask|bottle)\b"
)
# Distributions whose extras bring a server along.
_BRINGS: Final = {
    ("fastapi", "standard"): "uvicorn",
    ("fastapi", "all"): "uvicorn",
    ("litestar", "standard"): "uvicorn",
    ("channels", "daphne"): "daphne",
    ("blacksheep", "full"): "uvicorn",
}


@dataclass(frozen=True, slots=True)
class Start:
    """One way in which a project can be started.

    Attributes:
        words: The entrypoint.
        why: What it was chosen for, in a few words that go on after "it is started with …, since".
        line: The line of ``[tool.bivy]`` that says it.
        ports: Where it listens.
        imports: A folder that its modules are imported from, beside those of the project; empty for none.
    """

    words: tuple[str, ...]
    why: str
    line: str
    ports: tuple[str, ...] = ()
    imports: str = ""


@dataclass(frozen=True, slots=True)
class Application:
    """A web application in the project's code.

    Attributes:
        module: The module that it is in.
        name: What it is called there.
        protocol: ``asgi`` or ``wsgi``.
        factory: Whether it is a function that returns the application.
        maker: What makes it: ``FastAPI``.
        imports: The folder that the module is imported from, relative to the project's root.
    """

    module: str
    name: str
    protocol: str
    factory: bool
    maker: str
    imports: str


@dataclass(frozen=True, slots=True)
class Searched:
    """What there is to choose from.

    Attributes:
        name: The project's name.
        kind: What kind of project it is.
        metadata: What it says of itself.
        files: What belongs to it.
        imports: The folders that its modules are imported from.
        requires: The normalised names of what it depends on, as far as they are written down.
        read: Gives a file's bytes.
    """

    name: str
    kind: ProjectKind
    metadata: Metadata
    files: tuple[ProjectFile, ...]
    imports: tuple[str, ...]
    requires: frozenset[str]
    read: Callable[[str], bytes]


def told_start(options: AppOptions) -> Start | None:
    """Return what options say is started; ``None`` where they say nothing."""
    if options.entrypoint:
        return Start(options.entrypoint, "`entrypoint` says so", f"entrypoint = {_list(options.entrypoint)}")
    if options.script:
        return Start((options.script,), "`script` says so", f'script = "{options.script}"')
    if options.module:
        return Start(("python3", "-m", options.module), "`module` says so", f'module = "{options.module}"')
    return None


def find_start(searched: Searched) -> Start:
    """Find the one thing in a project that can be meant; see `find_candidates`.

    Raises:
        UsageError: There are several of a kind, or nothing at all; the hint has the lines that would say it.
    """
    candidates = find_candidates(searched)
    if len(candidates.starts) == 1:
        return candidates.starts[0]
    if candidates.starts:
        message = f"{searched.name} has {len(candidates.starts)} {candidates.what}"
        raise UsageError(message, hint=_lines_to_write(candidates.starts))
    if candidates.unserved:
        application = candidates.unserved[0]
        raise UsageError(
            f"{searched.name} has a web application, made by {application.maker} in {application.module}, and nothing "
            "that serves it is among its dependencies",
            hint=f"add {' or '.join(_usual_servers(application))} to them, or say in [tool.bivy] what is started: "
            'entrypoint = ["…"]',
        )
    raise UsageError(
        f"{searched.name} has nothing that is known to be started: no script, web application, __main__.py or main.py",
        hint='say in [tool.bivy] what it is: script = "…", module = "…" or entrypoint = ["…"]',
    )


@dataclass(frozen=True, slots=True)
class Candidates:
    """What of a project can be started.

    Attributes:
        what: What kind of thing that is, in the plural.
        starts: The ways to start it.
        unserved: Web applications that nothing among the project's dependencies serves.
    """

    what: str
    starts: tuple[Start, ...]
    unserved: tuple[Application, ...] = ()


def find_candidates(searched: Searched) -> Candidates:
    """Find what of a project can be started.

    It is looked for in this order, and the first kind of which there is one decides: scripts of the package, web
    applications for which there is a server, packages that can be started, files that look like the program.
    """
    if searched.kind is ProjectKind.SCRIPT:
        name = searched.files[0].path
        words = ("python3", f"{HOME}/{name}")
        return Candidates("scripts", (Start(words, "it is the script", f"entrypoint = {_list(words)}"),))
    if scripts := _scripts(searched):
        return Candidates("scripts", tuple(scripts))
    applications = _applications(searched)
    if served := [*_served(applications, searched.requires)]:
        return Candidates("ways to serve its web application", tuple(served))
    if packages := [*_packages(searched)]:
        return Candidates("packages that can be started", tuple(packages))
    return Candidates("files that may be the program", tuple(_programs(searched)), tuple(applications))


def _lines_to_write(found: Sequence[Start]) -> str:
    return "write into [tool.bivy] which one is meant:" + "".join(f"\n        {start.line}" for start in found)


def _list(words: Iterable[str]) -> str:
    import json

    # TOML's basic strings are JSON's but for the character DEL.
    return "[" + ", ".join(json.dumps(word, ensure_ascii=False).replace("\x7f", "\\u007f") for word in words) + "]"


def _scripts(searched: Searched) -> list[Start]:
    """Return the package's commands; that which has the package's name, where there is one."""
    scripts = searched.metadata.scripts
    same = [name for name in scripts if normalised(name) == normalised(searched.name)]
    if len(scripts) > 1 and len(same) == 1:
        return [Start((same[0],), "of its scripts, it is the one with the project's name", f'script = "{same[0]}"')]
    return [Start((name,), "it is its only script", f'script = "{name}"') for name in scripts]


def servers(requires: Iterable[str]) -> frozenset[str]:
    """Return the names of the distributions among requirements (PEP 508), with the servers that their extras bring."""
    from packaging.requirements import InvalidRequirement, Requirement

    names: set[str] = set()
    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        name = normalised(requirement.name)
        names.add(name)
        names |= {_BRINGS[name, extra] for extra in requirement.extras if (name, extra) in _BRINGS}
    return frozenset(names)


_ADDRESS: Final = f"0.0.0.0:{PORT}"


def _commands(application: Application) -> dict[str, tuple[str, ...]]:
    """Return the command line of each server that can serve an application, best known first."""
    host, port = ("--host", "0.0.0.0"), ("--port", str(PORT))  # noqa: S104 - as above
    place = f"{application.module}:{application.name}"
    called = f"{place}()" if application.factory else place
    factory = ("--factory",) if application.factory else ()
    if application.protocol == "asgi":
        return {
            "uvicorn": ("uvicorn", place, *factory, *host, *port),
            "hypercorn": ("hypercorn", called, "--bind", _ADDRESS),
            "granian": ("granian", "--interface", "asgi", place, *factory, *host, *port),
            **({} if application.factory else {"daphne": ("daphne", "-b", host[1], "-p", port[1], place)}),
        }
    return {
        "gunicorn": ("gunicorn", called, "--bind", _ADDRESS),
        "waitress": ("waitress-serve", f"--host={host[1]}", f"--port={PORT}", *(("--call",) if factory else ()), place),
        "granian": ("granian", "--interface", "wsgi", place, *factory, *host, *port),
    }


def _usual_servers(application: Application) -> list[str]:
    return ["uvicorn", "hypercorn"] if application.protocol == "asgi" else ["gunicorn", "waitress"]


def _served(applications: Sequence[Application], requires: frozenset[str]) -> Iterator[Start]:
    """Yield how each application is served by what the project depends on."""
    for application in applications:
        for server, words in _commands(application).items():
            if server in requires:
                what = "a function that returns" if application.factory else "an application made by"
                yield Start(
                    words,
                    f"{application.module}:{application.name} is {what} {application.maker}, and {server} is among "
                    "its dependencies",
                    f"entrypoint = {_list(words)}",
                    (f"{PORT}/tcp",),
                    application.imports,
                )


def _applications(searched: Searched) -> list[Application]:
    """Find the web applications in a project's code; of several, those that are called as applications usually are."""
    contents = {file.path: searched.read(file.path) for file in searched.files if _is_looked_into(file)}
    found = [
        each
        for path, content in contents.items()
        if _HINT.search(content)
        for each in _made_in(path, content, searched)
    ]
    factories = {each.name: each for each in found if each.factory}
    if factories:
        called = re.compile(rb"\b(" + b"|".join(re.escape(name.encode()) for name in factories) + rb")\s*\(")
        for path, content in contents.items():
            if called.search(content):
                found += _made_by(path, content, searched, factories)
    # What a function returns is not meant where it is called to make the one that is.
    whole = [each for each in found if not each.factory]
    found = whole or found
    usual = [each for each in found if each.name in ("app", "application", "create_app")]
    return [*dict.fromkeys(usual or found)]


def _is_looked_into(file: ProjectFile) -> bool:
    *folders, name = file.path.split("/")
    return (
        name.endswith(".py")
        and 0 < file.size <= _LIMIT
        and _AIDS.isdisjoint(folders)
        and not name.startswith("test_")
        and name not in ("conftest.py", "setup.py")
    )


def _parse(content: bytes) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _made_in(path: str, content: bytes, searched: Searched) -> Iterator[Application]:
    """Yield the applications that a file makes: what it assigns, and what functions return that need nothing."""
    from bivy.musl.code.names import open_scope, resolve

    tree, located = _parse(content), _module_of(path, searched)
    if tree is None or located is None:
        return
    module, imports = located
    scope = open_scope(tree, None)
    for name, bound in scope.bound.items():
        maker = _called(bound, lambda node: resolve(node, scope))
        if maker in _MAKERS:
            yield Application(module, name, _MAKERS[maker], False, maker.rpartition(".")[2], imports)  # noqa: FBT003
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and _needs_nothing(statement.args):
            inner = open_scope(statement, scope)
            maker = next(_returned(statement, lambda node, inner=inner: resolve(node, inner)), "")  # type: ignore[misc]
            if maker:
                yield Application(module, statement.name, _MAKERS[maker], True, maker.rpartition(".")[2], imports)  # noqa: FBT003


def _made_by(
    path: str, content: bytes, searched: Searched, factories: Mapping[str, Application]
) -> Iterator[Application]:
    """Yield the applications that a file has made by a function of the project's."""
    from bivy.musl.code.names import open_scope, resolve

    tree, located = _parse(content), _module_of(path, searched)
    if tree is None or located is None:
        return
    scope = open_scope(tree, None)
    for name, bound in scope.bound.items():
        factory = factories.get(_called(bound, lambda node: resolve(node, scope)).rpartition(".")[2])
        if factory:
            yield replace(factory, module=located[0], name=name, factory=False, imports=located[1])


def _called(bound: object, resolve: Callable[[ast.expr], str | None]) -> str:
    """Return the full name of what is called to make the value of a name; empty where it is no call."""
    if not isinstance(bound, ast.Call):
        return ""
    return resolve(bound.func) or (bound.func.id if isinstance(bound.func, ast.Name) else "")


def _needs_nothing(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    return positional == len(arguments.defaults) and None not in arguments.kw_defaults


def _returned(function: ast.FunctionDef, resolve: Callable[[ast.expr], str | None]) -> Iterator[str]:
    """Yield what makes the applications that a function returns."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            maker = (resolve(node.value) or "").removesuffix("()")
            if maker in _MAKERS:
                yield maker


def _module_of(path: str, searched: Searched) -> tuple[str, str] | None:
    """Return the module that a file is, and the folder that it is imported from; ``None`` where it cannot be."""
    folder, name = posixpath.split(path)
    root = folder
    known = {"" if each == "." else each for each in searched.imports}
    packages = {posixpath.dirname(file.path) for file in searched.files if file.path.endswith("/__init__.py")}
    while root and root not in known and root in packages:
        root = posixpath.dirname(root)
    # A folder without __init__.py is a package all the same, where it is in one that modules are imported from.
    above = next((each for each in sorted(known, key=len, reverse=True) if _is_below(root, each)), None)
    if above is not None and root not in known and not _stands_alone(root, searched):
        root = above
    words = path[len(root) :].lstrip("/").removesuffix(".py").split("/")
    if words[-1] == "__init__":
        words = words[:-1]
    del folder, name
    return (".".join(words), root or ".") if words and all(word.isidentifier() for word in words) else None


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _stands_alone(folder: str, searched: Searched) -> bool:
    """Tell whether a folder is one in which a program is started: Django's with ``manage.py`` is."""
    return any(file.path == f"{folder}/manage.py" for file in searched.files)


def _packages(searched: Searched) -> Iterator[Start]:
    """Yield the packages at the top that have a ``__main__.py``; the project's own alone where it is one of them."""
    found: dict[str, str] = {}
    paths = {file.path for file in searched.files}
    for root in searched.imports:
        prefix = "" if root == "." else f"{root}/"
        for path in paths:
            words = path.removeprefix(prefix).split("/")
            if path.startswith(prefix) and len(words) == 2 and words[1] == "__main__.py" and words[0].isidentifier():
                found[words[0]] = path
    own = re.sub(r"[-_.]+", "_", searched.name).lower()
    found = {own: found[own]} if own in found else found
    for name, path in sorted(found.items()):
        if name not in _AIDS or name == own:
            yield Start(("python3", "-m", name), f"there is {path}", f'module = "{name}"')


def _programs(searched: Searched) -> Iterator[Start]:
    """Yield the files that look like the program: at the top, or else where modules are imported from."""
    for folder in ("", *(f"{each}/" for each in searched.imports if each != ".")):
        names = _programs_in(folder, searched)
        for path in names:
            words = ("python3", f"{HOME}/{path}")
            yield Start(words, f"there is {path}", f"entrypoint = {_list(words)}")
        if names:
            return


def _programs_in(folder: str, searched: Searched) -> list[str]:
    there = [file.path for file in searched.files if file.path.endswith(".py")]
    top = [path for path in there if path.startswith(folder) and "/" not in path.removeprefix(folder)]
    found = [path for name in ("__main__.py", "main.py", "app.py") if (path := f"{folder}{name}") in top]
    if len(found) > 1:
        marked = [path for path in found if b"__main__" in searched.read(path)]
        found = marked if len(marked) == 1 else found
    others = [path for path in top if path.removeprefix(folder) not in _NO_PROGRAMS]
    return found or (others if len(others) == 1 else [])
