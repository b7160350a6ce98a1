"""The standard library's own code is no cause for alarm, but for a list that is explained."""

from __future__ import annotations

import fnmatch
import sys
import tomllib
from pathlib import Path

import pytest

from bivy.musl.code import check_code
from bivy.musl.report import Part, Severity
from tests.integration.conftest import NAME, bivy
from tests.musl.code.conftest import TARGET

EXPLAINED = tomllib.loads((Path(__file__).parent / "stdlib.toml").read_text(encoding="utf-8"))["found"]
TESTS = frozenset({"test", "tests", "idle_test"})

pytestmark = pytest.mark.image


@pytest.fixture(scope="module")
def library(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Part:
    folder = tmp_path_factory.mktemp("library")
    # What pip's wheel is made of is pip's, as in site-packages, not the library's.
    copy = "cp -r /usr/local/lib/python3.14/. /out; rm -r /out/unpacked-wheels"
    bivy("run", "--output", str(dist), "-v", f"{folder}:/out", NAME, "sh", "-c", copy)
    assert not [path for path in folder.rglob("*") if path.is_dir() and path.name in TESTS - {"tests"}]
    return check_code([folder], targets=[TARGET], root=folder)


def test_all_of_it_is_read(library: Part) -> None:
    newer = [problem for problem in library.problems if "does not parse" in problem.message]
    assert [problem for problem in library.problems if problem not in newer] == []
    assert not newer or sys.version_info < (3, 14)
    assert library.looked_at["source files"] > 600


def test_what_is_found_is_what_is_explained(library: Part) -> None:
    found = {(finding.rule.name, finding.path) for finding in library.findings}
    explained = {
        (entry["rule"], path)
        for entry in EXPLAINED
        for pattern in entry["files"]
        for path in fnmatch.filter({path for rule, path in found if rule == entry["rule"]}, pattern)
    }
    assert found == explained
    unparsed = {problem.subject for problem in library.problems}
    for entry in EXPLAINED:
        assert entry["why"]
        for pattern in entry["files"]:
            known = {path for rule, path in explained if rule == entry["rule"]} | unparsed
            assert fnmatch.filter(known, pattern), f"{entry['rule']} is not found in {pattern}"


def test_what_the_library_copes_with_is_a_note(library: Part) -> None:
    copes = {finding.rule.name for finding in library.findings if finding.path in ("platform.py", "subprocess.py")}
    assert copes == {"configuration-name", "program-missing"}
    assert {finding.weight for finding in library.findings if finding.rule.name in copes} == {Severity.NOTE}
