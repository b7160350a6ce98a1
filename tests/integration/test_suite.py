"""Some of CPython's own tests run in the image, and some that are planted there to fail, crash and hang."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bivy.arch import build_machine
from bivy.errors import UsageError
from bivy.files import cache_folder
from bivy.oci.open import opened
from bivy.progress import Silent
from bivy.sandbox import why_no_sandbox
from bivy.verify.suite.known import Known
from bivy.verify.suite.report import Status, SuiteReport
from bivy.verify.suite.run import run_suite
from bivy.verify.suite.tree import unpacked_tests
from tests.integration.conftest import NAME, bivy

pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(why_no_sandbox() is not None, reason=f"no container can be started here: {why_no_sandbox()}"),
]

FAILING = '''
import unittest

class Planted(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_parts(self):
        with self.subTest("one"): self.fail("a part")
    @unittest.skip("No module named '_testcapi'")
    def test_skipped(self): pass
'''  # fmt: skip
CRASHING = '''
import os, unittest

class Planted(unittest.TestCase):
    def test_1(self): pass
    def test_2(self): os.abort()
'''  # fmt: skip
LEAVING = "import os, unittest\nclass Planted(unittest.TestCase):\n    def test_1(self): os._exit(0)\n"
HANGING = "import time, unittest\nclass Planted(unittest.TestCase):\n    def test_1(self): time.sleep(600)\n"
BROKEN = "import no_such_module_at_all\n"
ONCE = """
import unittest
raise unittest.SkipTest("not today")
"""


@pytest.fixture(scope="module")
def tree(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CPython's tests with some more."""
    version = bivy(
        "run", "--output", str(dist), NAME, "python3", "-c", "import platform; print(platform.python_version())"
    )
    folder = tmp_path_factory.mktemp("suite") / "test"
    tests = unpacked_tests(version.stdout.strip(), cache=cache_folder(), progress=Silent())
    shutil.copytree(
        tests, folder, ignore=shutil.ignore_patterns("test_[!biz]*", "cjkencodings", "*data*"), symlinks=True
    )
    for name, text in {"failing": FAILING, "crashing": CRASHING, "leaving": LEAVING, "hanging": HANGING,
                       "broken": BROKEN, "once": ONCE}.items():  # fmt: skip
        (folder / f"test_planted_{name}.py").write_text(text)
    return folder


def run(
    dist: Path, tree: Path, tests: Sequence[str], known: Sequence[Known] = (), patience: float = 120
) -> SuiteReport:
    cache = tree.parent / "cache"
    with opened(NAME, layout=dist, platform=build_machine().platform, cache=cache) as image:
        return run_suite(image, where=NAME, cache=cache, tests=tests, known=known, tree=tree, patience=patience)


def test_tests_of_cpythons_pass_in_the_image(dist: Path, tree: Path) -> None:
    report = run(dist, tree, ["test_bool", "test_int"])
    assert report.good, report.findings()
    assert [file.status for file in report.files] == [Status.PASSED, Status.PASSED]
    assert report.figures()["tests_run"] > 60
    assert not report.whole


def test_each_planted_fault_is_found(dist: Path, tree: Path) -> None:
    names = ["broken", "crashing", "failing", "leaving", "once"]
    report = run(dist, tree, [f"test_planted_{name}" for name in names])
    found = {file.name.removeprefix("test_planted_"): file for file in report.files}
    assert {name: file.status for name, file in found.items()} == {
        "broken": Status.FAILED,
        "crashing": Status.CRASHED,
        "failing": Status.FAILED,
        "leaving": Status.CRASHED,
        "once": Status.SKIPPED,
    }
    assert found["failing"].lacking == 1
    assert sorted(report.findings()) == [
        "test.test_planted_failing.Planted.test_bad failed: AssertionError: 1 != 2",
        "test.test_planted_failing.Planted.test_parts failed: AssertionError: a part",
        "test_planted_broken failed: ModuleNotFoundError: No module named 'no_such_module_at_all'",
        "test_planted_crashing crashed: with the signal SIGABRT in test.test_planted_crashing.Planted.test_2",
        "test_planted_leaving crashed: with the exit status 0 in test.test_planted_leaving.Planted.test_1",
        "test_planted_once was skipped: not today",
    ]


def test_what_is_known_is_no_failure_and_what_is_left_out_does_not_run(dist: Path, tree: Path) -> None:
    known = [
        Known(("test.test_planted_failing.*",), "python", "planted"),
        Known(("test.test_planted_crashing.Planted.test_2",), "python", "planted", how="left out"),
    ]
    report = run(dist, tree, ["test_planted_failing", "test_planted_crashing"], known)
    assert report.good, report.findings()
    assert report.figures()["failed_as_known"] == 2


def test_a_file_that_hangs_is_ended_and_told(dist: Path, tree: Path) -> None:
    report = run(dist, tree, ["test_planted_hanging"], patience=4)
    assert report.findings() == ["test_planted_hanging timed out: in test.test_planted_hanging.Planted.test_1"]


def test_tests_that_there_are_not_are_refused(dist: Path, tree: Path) -> None:
    with pytest.raises(UsageError, match="CPython has no tests 'test_boool'; is `test_bool` meant"):
        run(dist, tree, ["test_boool"])


def test_a_run_that_is_interrupted_says_what_did_not_run_and_can_go_on(dist: Path) -> None:
    words = [sys.executable, "-m", "bivy.verify.suite", NAME, "--output", str(dist), "-j1", "test_bool", "test_socket"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("test test_bool: done"):
            break
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "1 of 2 files did not run: the run was interrupted" in said
    again = subprocess.run([*words[:-1], "--resume"], capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "test test_bool" not in again.stderr
    assert re.search(r"CPython 3\.\d+\.\d+: \d+ tests of 1 files ran, 0 failed as known", again.stdout)
