"""Python on Python: compile, parse, inspect, import, document, run tests, command lines."""

import argparse
import ast
import compileall
import dis
import importlib
import inspect
import io
import pathlib
import sys
import tempfile
import traceback
import typing
import unittest
from unittest import mock

MODULES = ["argparse", "ast", "asyncio.base_events", "collections", "dataclasses", "decimal", "email.message", "http.client",
           "inspect", "json.decoder", "logging", "pathlib", "pickle", "re._parser", "shutil", "subprocess", "tarfile", "typing",
           "unittest.mock", "urllib.request", "zipfile"]  # fmt: skip


class Renamer(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Name(id=node.id + "_", ctx=node.ctx), node)


def sources() -> list[str]:
    return [inspect.getsource(importlib.import_module(name)) for name in MODULES]


def compile_all(texts: list[str]) -> int:
    total = 0
    for text in texts:
        tree = ast.parse(text)
        total += sum(1 for _ in ast.walk(tree))
        code = compile(text, "text", "exec", dont_inherit=True)
        total += len(code.co_code) + sum(1 for _ in dis.get_instructions(code))
    tree = ast.fix_missing_locations(Renamer().visit(ast.parse(texts[0])))
    return total + len(ast.unparse(tree)) + len(ast.dump(tree))


def inspect_all() -> int:
    total = 0
    for name in MODULES:
        for _, value in inspect.getmembers(importlib.import_module(name), callable):
            try:
                total += len(inspect.signature(value).parameters)
            except (TypeError, ValueError):
                total += 1
    return total


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.values = list(range(10))

    def test_values(self) -> None:
        self.assertEqual(self.values[3], 3)
        self.assertIn(4, self.values)
        with self.assertRaises(IndexError):
            self.values[99]

    def test_mock(self) -> None:
        thing = mock.Mock(side_effect=[1, 2])
        self.assertEqual([thing("a"), thing(b=1)], [1, 2])
        thing.assert_called_with(b=1)
        with mock.patch("os.getcwd", return_value="/nowhere") as patched:
            self.assertTrue(patched() == "/nowhere" and patched.called)

    def test_fails(self) -> None:
        self.fail("on purpose")


def command_line(count: int) -> int:
    parser = argparse.ArgumentParser(prog="tool", description="A tool.")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more")
    commands = parser.add_subparsers(dest="command")
    for name in ("build", "run", "push"):
        sub = commands.add_parser(name, help=f"to {name}")
        sub.add_argument("what", nargs="*")
        sub.add_argument("--number", type=int, default=3)
        sub.add_argument("--mode", choices=["a", "b"])
    return sum(len(parser.parse_args(["-vv", "run", "a", "b", "--number", str(i), "--mode=a"]).what) for i in range(count)) + len(parser.format_help())


T = typing.TypeVar("T")


class Box(typing.Generic[T]):
    content: T
    other: "list[int] | None" = None


def main() -> None:
    texts = sources()
    result = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(Case))
    try:
        raise LookupError("shown")
    except LookupError:
        shown = traceback.format_exc()
    hints = sum(len(typing.get_type_hints(Box[int].__origin__)) for _ in range(300)) + len(str(dict[str, list[Box[int]]]))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for i, text in enumerate(texts):
            (folder / f"m{i}.py").write_text(text)
        compileall.compile_dir(folder, quiet=2)
        sys.path.insert(0, name)
        (folder / "tiny.py").write_text("VALUE = [i for i in range(10)]\n")
        tiny = importlib.import_module("tiny")
        for _ in range(30):
            importlib.reload(tiny)
    print(compile_all(texts), inspect_all(), result.testsRun, len(shown), command_line(150), hints, sum(map(len, (str(eval(f"{i}+1")) for i in range(500)))))


if __name__ == "__main__":
    main()
