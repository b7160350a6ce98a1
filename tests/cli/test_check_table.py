"""The report of ``bivy check`` on a terminal and in a pipe."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from rich.console import Console

from bivy.cli.check_table import draw
from bivy.musl.render.summary import sentence
from bivy.musl.report import Distribution, Part, Report, Verdict
from tests.musl.render.samples import HOSTILE, REPORTS, X86_64, single

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(name: str, width: int = 80, *, verbose: bool = False, no_color: bool = False) -> str:
    memory = io.StringIO()
    console = Console(
        file=memory, width=width, force_terminal=True, color_system="standard", no_color=no_color, highlight=False
    )
    draw(REPORTS[name], console, verbose=verbose)
    return memory.getvalue()


def in_pipe(name: str, *, verbose: bool = False) -> str:
    memory = io.StringIO()
    draw(REPORTS[name], Console(file=memory, highlight=False), verbose=verbose)
    return memory.getvalue()


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal_but_commands(name: str, width: int) -> None:
    for line in ESCAPE.sub("", on_terminal(name, width, verbose=True)).splitlines():
        assert len(line) <= width or line.startswith("       ")


@pytest.mark.parametrize("name", REPORTS)
def test_the_last_line_of_a_pipe_is_the_answer(name: str) -> None:
    assert in_pipe(name).splitlines()[-1] == sentence(REPORTS[name])


@pytest.mark.parametrize("name", REPORTS)
def test_the_answer_comes_last_on_a_terminal_too(name: str) -> None:
    words = ESCAPE.sub("", on_terminal(name, 300)).split()
    said = sentence(REPORTS[name]).split()
    assert words[-len(said) :] == said


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_is_cut_in_a_pipe_and_nothing_is_drawn(name: str) -> None:
    said = in_pipe(name, verbose=True)
    assert "\x1b" not in said
    assert not re.search("[\u2500-\u257f\u2026]", said)
    for finding in REPORTS[name].found.findings:
        if "script" not in finding.message:
            assert finding.message in said
    for one in REPORTS[name].found.distributions:
        if "script" not in one.why:
            assert f"{one.why}\n" in said


def test_the_worst_comes_first_and_what_is_simply_there_is_one_line() -> None:
    lines = in_pipe("project").splitlines()
    end = next(number for number, line in enumerate(lines) if "simply there" in line)
    verdicts = [line.split("  ")[0] for line in lines[2:end] if not line.startswith(" ")]
    assert verdicts == ["impossible", "unknown", "compile", "probably compile", "probably source", "built"]
    assert "55 more are simply there: 22 with a wheel for musl, 33 for every platform (-v lists them)" in lines
    assert not any("aiohttp" in line for line in lines)


def test_verbose_lists_what_is_simply_there_and_what_was_silenced() -> None:
    said = in_pipe("project", verbose=True)
    assert re.search(r"^musllinux +aiohttp 3\.13\.2", said, re.MULTILINE)
    assert "app/legacy.py:30: strftime-directive: only runs on the old servers" in said
    assert "simply there" not in said


def test_a_target_is_named_where_the_verdict_is_not_for_all() -> None:
    line = next(line for line in in_pipe("project").splitlines() if "pyodbc" in line)
    assert re.match(r"probably compile +pyodbc 5\.3\.0 +aarch64 +There is", line)


def test_findings_in_a_pipe_are_spelled_as_compilers_do() -> None:
    said = in_pipe("project")
    assert "app/native/prctl.py:7:8: error: loads libc.so.6, which is not there (libc-by-name)\n" in said
    assert "app/report.py:61:5: warning: probably: sorts by the rules" in said


def test_findings_on_a_terminal_stand_below_their_file() -> None:
    lines = ESCAPE.sub("", on_terminal("project")).splitlines()
    place = lines.index("app/report.py")
    assert re.match(r" +48:21 +error +%-d is glibc's", lines[place + 1])


def test_commands_stand_on_lines_of_their_own_and_are_not_wrapped() -> None:
    lines = [line.strip() for line in ESCAPE.sub("", on_terminal("project", 40)).splitlines()]
    assert "bivy wheel confluent-kafka==2.12.2 pyodbc==5.3.0" in lines


def test_without_colour_nothing_is_lost_but_the_colour() -> None:
    plain = on_terminal("project", no_color=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", plain)
    assert ESCAPE.sub("", plain) == ESCAPE.sub("", on_terminal("project"))


def test_a_reason_that_many_share_is_written_out_once_on_a_terminal_and_each_time_in_a_pipe() -> None:
    why = "There is no wheel that fits, and no source archive."
    found = tuple(Distribution(name, "1", X86_64, Verdict.IMPOSSIBLE, why) for name in ("a", "b", "c"))
    for terminal, number in ((True, 1), (False, 3)):
        memory = io.StringIO()
        draw(Report((), (X86_64,), Part(found)), Console(file=memory, width=120, force_terminal=terminal))
        assert memory.getvalue().count(why) == number
        assert memory.getvalue().count("as above") == 3 - number


def test_all_that_is_simply_there_is_said_without_a_table() -> None:
    assert in_pipe("good").splitlines()[2] == (
        "All are simply there: 22 with a wheel for musl, 31 for every platform (-v lists them)"
    )


def test_guesses_say_so() -> None:
    memory = io.StringIO()
    draw(single(Verdict.IMPOSSIBLE, guess=True), Console(file=memory))
    assert "probably impossible  spam 1.0" in memory.getvalue()
    assert memory.getvalue().splitlines()[-1].startswith("Probably no: ")


@pytest.mark.parametrize("verbose", [False, True])
def test_hostile_text_can_neither_command_the_terminal_nor_the_drawing(verbose: bool) -> None:
    for said in (on_terminal("hostile", verbose=verbose), in_pipe("hostile", verbose=verbose)):
        left = ESCAPE.sub("", said)
        assert not any(unicodedata.category(character) == "Cc" for character in left if character != "\n")
        assert "\u202e" not in said
        said.encode()
    assert "[bold]{{7*7}}" in in_pipe("hostile")
    assert "\x1b[31m<" not in on_terminal("hostile")
    assert HOSTILE not in in_pipe("hostile")
