"""The program that writes down what comes of each test: with real tests of unittest's, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import unittest
from pathlib import Path
from typing import Any

from bivy.verify.suite.inside.recorder import listen, recorder
from bivy.verify.suite.room import program

TESTS = '''
import os, sys, unittest


class Kinds(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_error(self): raise RuntimeError("boo")
    @unittest.skip("not today")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): pass
    def test_parts(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)
    def test_part_skipped(self):
        with self.subTest():
            self.skipTest("this part")


class Unprepared(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise RuntimeError("no")
    def test_never(self): pass
'''  # fmt: skip


def recorded(folder: Path, tests: str) -> list[dict[str, Any]]:
    (folder / "kinds.py").write_text(textwrap.dedent(tests))
    place = folder / "record"
    runs = f"""
import sys, unittest
sys.path[:0] = [{str(folder)!r}, {str(Path(__file__).parents[3] / "src")!r}]
from bivy.verify.suite.inside.recorder import listen, recorder
class Result(unittest.TextTestResult): pass
listen(Result, recorder({str(place)!r}))
unittest.main("kinds", argv=["kinds"], testRunner=unittest.TextTestRunner(resultclass=Result))
"""
    subprocess.run([sys.executable, "-c", runs], capture_output=True, timeout=60)
    return [json.loads(line) for line in place.read_text().splitlines()]


def test_each_kind_of_outcome_is_written_down(tmp_path: Path) -> None:
    events = recorded(tmp_path, TESTS)
    ends = {event["end"]: (event["outcome"], event["text"]) for event in events if "end" in event}
    assert ends == {
        "kinds.Kinds.test_good": ("passed", ""),
        "kinds.Kinds.test_bad": ("failed", "AssertionError: 1 != 2"),
        "kinds.Kinds.test_error": ("failed", "RuntimeError: boo"),
        "kinds.Kinds.test_skipped": ("skipped", "not today"),
        "kinds.Kinds.test_expected": ("passed", ""),
        "kinds.Kinds.test_unexpected": ("failed", ""),
        "kinds.Kinds.test_parts": ("failed", "AssertionError: 1 == 1"),
        "kinds.Kinds.test_part_skipped": ("skipped", "this part"),
        "setUpClass (kinds.Unprepared)": ("failed", "RuntimeError: no"),
    }
    started = [event["start"] for event in events if "start" in event]
    assert "kinds.Kinds.test_good" in started
    assert "kinds.Unprepared.test_never" not in started


def test_what_was_written_before_a_crash_is_there(tmp_path: Path) -> None:
    events = recorded(tmp_path, TESTS + "\n    \nclass Last(unittest.TestCase):\n    def test_z(self): os.abort()\n")
    assert {"start": "kinds.Last.test_z"} in events
    assert not any(event.get("end") == "kinds.Last.test_z" for event in events)
    assert {"end": "kinds.Kinds.test_good", "outcome": "passed", "text": ""} in events


def test_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    events = recorded(tmp_path, """
        import os, unittest

        class Forks(unittest.TestCase):
            def test_fork(self):
                child = os.fork()
                if child == 0:
                    return
                os.waitpid(child, 0)
    """)  # fmt: skip
    assert [event for event in events if "end" in event] == [
        {"end": "kinds.Forks.test_fork", "outcome": "passed", "text": ""}
    ]


def test_it_writes_also_where_tests_put_others_in_the_place_of_its_functions(tmp_path: Path) -> None:
    class Result(unittest.TestResult):
        pass

    listen(Result, recorder(str(tmp_path / "record")))
    original, result, case = os.open, Result(), unittest.FunctionTestCase(lambda: None)
    try:
        os.open = None  # type: ignore[assignment]
        result.addSuccess(case)
    finally:
        os.open = original
    assert '"outcome": "passed"' in (tmp_path / "record").read_text()


def test_the_programs_need_nothing_but_the_standard_library() -> None:
    for name in ("recorder", "compiler"):
        loads = f"exec({program(name)!r}, {{'__name__': 'program'}})"
        done = subprocess.run([sys.executable, "-I", "-S", "-c", loads], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
