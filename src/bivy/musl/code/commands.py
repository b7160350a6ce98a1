"""The commands that code runs: which calls run one, and with which words."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bivy.musl.code.names import UNKNOWN, Scope, constant, text, words
from bivy.musl.code.shell import command_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_LIST = frozenset(
    {f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen")}
    | {"anyio.run_process", "anyio.open_process", "trio.run_process", "pty.spawn"}
)
"""They take a list of words, or a text: the program's name, or with ``shell=True`` a command for the shell."""

SHELL = frozenset({"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput",
                   "asyncio.create_subprocess_shell"})  # fmt: skip
"""They take a command for the shell."""

WORDS = {"asyncio.create_subprocess_exec": 0, "os.execlp": 0, "os.execl": 0, "os.spawnlp": 1, "os.spawnl": 1}
"""They take the words one by one, from this argument."""

PROGRAM_AND_LIST = {"os.execv": 0, "os.execve": 0, "os.execvp": 0, "os.execvpe": 0, "os.posix_spawn": 0,
                    "os.posix_spawnp": 0, "os.spawnv": 1, "os.spawnvp": 1, "os.spawnve": 1,
                    "os.spawnvpe": 1}  # fmt: skip
"""They take a program and, behind it, a list of words with the program's name again."""

TEXT = frozenset({"pexpect.spawn", "pexpect.run", "pexpect.pty_spawn.spawn", "pexpect.spawnu"})
"""They take a text that is split into words without a shell."""

RUNNERS = ONE_LIST | SHELL | WORDS.keys() | PROGRAM_AND_LIST.keys() | TEXT
LONGEST = 10_000
"""Characters of the longest command that is looked at."""

_SHELLS = frozenset({"sh", "/bin/sh", "ash", "/bin/ash"})


@dataclass(frozen=True, slots=True)
class Run:
    """One command line, or one script for a shell.

    Attributes:
        words: The program and its arguments, `UNKNOWN` where they are not written out; empty for a script.
        script: The text for ``/bin/sh``; empty for a command line.
    """

    words: tuple[str, ...] = ()
    script: str = ""


def runs(call: ast.Call, name: str, scope: Scope) -> Iterator[Run]:
    """Iterate over what a call runs: the command itself, and what a script in it runs."""
    for run in _direct(call, name, scope):
        if sum(map(len, (run.script, *run.words))) > LONGEST:
            continue
        yield run
        script = run.script
        if (
            run.words
            and run.words[0] in _SHELLS
            and len(run.words) > 2
            and run.words[1] in ("-c", "-ec", "-exc", "-euc")
        ):
            script = run.words[2]
            yield Run(script=script)
        for line in command_lines(script):
            yield Run(tuple(line))


def _direct(call: ast.Call, name: str, scope: Scope) -> Iterator[Run]:
    named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    if executable := text(named.get("executable", ast.Constant(None)), scope):
        yield Run((executable,))
        if name in ONE_LIST | SHELL:
            return  # the words are for that program, the script is for that shell
    if any(isinstance(argument, ast.Starred) for argument in call.args[:1]):
        return
    if name in ONE_LIST:
        told = call.args[0] if call.args else named.get("args", named.get("command"))
        if told is not None:
            yield from _list_or_text(told, named, name, scope)
    elif name in SHELL:
        told = call.args[0] if call.args else next(iter(named.values()), None)
        script = text(told, scope) if told is not None else None
        if script:
            yield Run(script=script)
    elif name in WORDS:
        found = words(ast.Tuple(elts=call.args[WORDS[name] :], ctx=ast.Load()), scope)
        if found:
            yield Run(tuple(found if name.startswith("asyncio") else [found[0], *found[2:]]))
    elif name in PROGRAM_AND_LIST:
        yield from _program_and_list(call.args[PROGRAM_AND_LIST[name] :], scope)
    elif name in TEXT and call.args and (line := text(call.args[0], scope)):
        split = line.split()
        yield Run((*split, UNKNOWN))


def _list_or_text(told: ast.expr, named: dict[str, ast.expr], name: str, scope: Scope) -> Iterator[Run]:
    shell = named.get("shell")
    as_script = constant(shell, scope) if shell is not None else False
    if name.startswith(("anyio", "trio")) and text(told, scope):
        as_script = True
    found = words(told, scope)
    if found:
        yield Run(script=found[0]) if as_script else Run(tuple(found))
    elif line := text(told, scope):
        if as_script:
            yield Run(script=line)
        elif not as_script and " " not in line and shell is None:
            yield Run((line,))


def _program_and_list(arguments: list[ast.expr], scope: Scope) -> Iterator[Run]:
    program = text(arguments[0], scope) if arguments else None
    if program:
        found = words(arguments[1], scope) if len(arguments) > 1 else None
        yield Run((program, *((found or [])[1:])))
