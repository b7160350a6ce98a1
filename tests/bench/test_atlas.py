"""The atlas reads what was seen in the image, and tells what `check` said otherwise.

The data was seen: pip 26.2.1 in the image, without a compiler.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.atlas.compare import Distributed, Said, by_distribution, difference, read_report
from bench.atlas.inside import provided, run
from bench.atlas.outcome import NetworkError, cause_of, read_seen, refusal
from bench.atlas.page import Notes, draw
from bench.atlas.record import Attempt, Cause, Head, Outcome, Unimported, read_names, read_record, write_record
from hypothesis import given
from hypothesis import strategies as st

from bivy.musl.report import Answer, Verdict

DATA = Path(__file__).parent / "data"
HEAD = Head("python:3.14-alpine", "sha256:" + "1" * 64, "3.14.7", "26.2.1", "x86_64")


def seen(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text())


def attempt(name: str) -> Attempt:
    return read_seen(seen(name), "2026-11-25")


def said(name: str, **verdicts: Verdict) -> Said:
    """What check could have said: a verdict for each distribution, `_` for `-`."""
    return Said(
        name, "1.0", {each.replace("_", "-"): Distributed("1.0", verdict) for each, verdict in verdicts.items()}
    )


# What was seen becomes what is recorded.


def test_a_wheel_is_installed_and_imported() -> None:
    found = attempt("pyyaml")
    assert (found.outcome, found.version, found.built) == (Outcome.INSTALLED, "6.0.4", {})
    assert found.files == {"pyyaml": "pyyaml-6.0.4-cp314-cp314-musllinux_1_2_x86_64.whl"}
    assert (found.modules, found.unimported, found.imports) == (("_yaml", "yaml"), (), True)


def test_what_was_built_from_source_on_the_way_is_named_with_the_wheel_that_came_of_it() -> None:
    assert attempt("google-crc32c").built == {"google-crc32c": "google_crc32c-1.9.0-py3-none-any.whl"}


@pytest.mark.parametrize(
    ("name", "outcome", "culprit", "reason"),
    [
        ("tensorflow", Outcome.NOTHING_FITS, "tensorflow", "from versions: none"),
        ("psycopg2", Outcome.NOT_BUILT, "psycopg2", "pg_config executable not found"),
        ("uwsgi", Outcome.NOT_BUILT, "uwsgi", "you need a C compiler to build uWSGI"),
        ("mapie", Outcome.NOT_BUILT, "scikit-learn", "Unknown compiler(s)"),
        ("dbt-core", Outcome.NOT_BUILT, "dbt-core-experimental-parser", "no prebuilt dbt-core-experimental-parser"),
    ],
)
def test_a_refusal_names_the_distribution_at_fault_and_the_line_that_says_why(
    name: str, outcome: Outcome, culprit: str, reason: str
) -> None:
    found = attempt(name)
    assert (found.outcome, found.culprit) == (outcome, culprit)
    assert reason in found.reason
    assert "\n" not in found.reason
    assert "/tmp/pip-" not in found.reason  # a folder with a random name, which would differ the next time


def test_the_version_that_was_refused_is_read_from_the_file_that_was_fetched() -> None:
    assert (attempt("uwsgi").version, attempt("dbt-core").version) == ("2.0.31", "1.12.6")


def test_versions_that_do_not_go_together_are_a_conflict() -> None:
    outcome, _, reason = refusal(1, (DATA / "conflict.txt").read_text())
    assert outcome is Outcome.CONFLICT
    assert reason.startswith("Cannot install boto3==1.44.8 and botocore<1.44")


def test_what_took_too_long_is_recorded_as_that_with_what_was_being_built() -> None:
    output = seen("uwsgi")["install"]["output"].partition("  error:")[0]
    assert refusal(None, output)[:2] == (Outcome.TOO_LONG, "uwsgi")


def test_a_failing_network_is_no_outcome() -> None:
    with pytest.raises(NetworkError):
        attempt("offline")


def test_a_build_that_cannot_reach_what_it_downloads_is_recorded_as_that() -> None:
    found = attempt("pymupdf")
    assert (found.outcome, found.culprit, found.unreached) == (Outcome.NOT_BUILT, "pymupdf", True)
    assert not attempt("uwsgi").unreached


def test_a_package_without_modules_has_none_to_fail() -> None:
    found = attempt("types-requests")
    assert (found.outcome, found.modules, found.imports) == (Outcome.INSTALLED, (), True)


def test_a_module_that_wants_what_its_distribution_does_not_require_is_not_held_against_the_image() -> None:
    (failed,) = attempt("soupsieve").unimported
    assert (failed.what, failed.cause) == ("soupsieve", Cause.MODULE)
    assert failed.text == "ModuleNotFoundError: No module named 'bs4'"
    assert attempt("soupsieve").imports


@pytest.mark.parametrize(
    ("status", "text", "cause"),
    [
        (1, "ImportError: Error loading shared library libgomp.so.1: No such file or directory", Cause.LIBRARY),
        (1, "ImportError: Error relocating /x/_c.so: __vsnprintf_chk: symbol not found", Cause.SYMBOL),
        (1, "OSError: libstdc++.so.6: cannot open shared object file: No such file or directory", Cause.LIBRARY),
        (-11, "", Cause.CRASH),
        (139, "", Cause.CRASH),
        (None, "", Cause.TOO_LONG),
        (1, "django.core.exceptions.ImproperlyConfigured: settings are not configured", Cause.CONFIGURATION),
        (1, "ImportError: cannot import name 'storage' from 'google.cloud' (unknown location)", Cause.MODULE),
        (1, "AttributeError: module 'ast' has no attribute 'Num'", Cause.OTHER),
    ],
)
def test_the_cause_of_a_failed_import_is_read_from_its_last_line(status: int | None, text: str, cause: Cause) -> None:
    assert cause_of(status, text) is cause


@given(st.text())
def test_whatever_pip_writes_a_refusal_is_one_line(output: str) -> None:
    outcome, _, reason = refusal(1, output)
    assert outcome is not Outcome.INSTALLED
    assert len(reason.splitlines()) <= 1


def test_a_record_is_a_line_a_package_in_the_order_of_names_and_reads_back(tmp_path: Path) -> None:
    attempts = {name: attempt(name) for name in ("uwsgi", "pyyaml", "soupsieve")}
    write_record(HEAD, attempts, tmp_path / "record")
    assert [json.loads(line)["name"] for line in (tmp_path / "record").read_text().splitlines()[1:]] == sorted(attempts)
    assert read_record(tmp_path / "record") == (HEAD, attempts)


def test_there_is_no_record_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_record(tmp_path / "record") == (None, {})


def test_the_packages_are_200_each_once() -> None:
    assert len(read_names()) == len(set(read_names())) == 200


# What runs in the image.


def test_a_namespace_stands_for_what_is_in_it(tmp_path: Path) -> None:
    from importlib.metadata import Distribution

    info = tmp_path / "x-1.0.dist-info"
    info.mkdir()
    files = ["space/inner/__init__.py", "space/inner/deep.py", "space/other.py", "plain/__init__.py", "plain/_c.so",
             "alone.cpython-314-x86_64-linux-musl.so", "x.libs/libz-1.so.1", "../../../bin/tool.py", "bad-name/x.py",
             "stubs/__init__.pyi"]  # fmt: skip
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    for file in files:
        path = info.parent / file
        if ".." not in file:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    modules, libraries = provided(Distribution.at(info))
    assert [each for each in modules if each != "alone"] == ["plain", "space.inner", "space.other"]
    assert [path.name for path in libraries] == ["alone.cpython-314-x86_64-linux-musl.so", "_c.so", "libz-1.so.1"]


def test_a_command_that_takes_too_long_is_stopped_and_what_it_wrote_is_kept() -> None:
    assert run(["sh", "-c", "echo begun; exec sleep 60"], 1) == (None, "begun\n")


# What check said, and what happened.


def test_what_was_said_to_work_and_works_agrees() -> None:
    assert difference(attempt("pyyaml"), said("pyyaml", pyyaml=Verdict.MUSLLINUX)) == ""


def test_what_was_said_to_work_and_was_refused_differs() -> None:
    text = difference(attempt("mapie"), said("mapie", mapie=Verdict.PURE, scikit_learn=Verdict.MUSLLINUX))
    assert text.startswith("check said that it could be installed, and scikit-learn was refused")


@pytest.mark.parametrize("verdict", [Verdict.COMPILE, Verdict.IMPOSSIBLE])
def test_what_was_said_to_be_in_the_way_and_was_agrees(verdict: Verdict) -> None:
    assert difference(attempt("mapie"), said("mapie", mapie=Verdict.PURE, scikit_learn=verdict)) == ""


def test_what_only_has_to_be_compiled_is_no_answer_where_nothing_fits() -> None:
    assert difference(attempt("tensorflow"), said("tensorflow", tensorflow=Verdict.IMPOSSIBLE)) == ""
    assert difference(attempt("tensorflow"), said("tensorflow", tensorflow=Verdict.COMPILE)) != ""


def test_something_else_in_the_way_than_was_said_differs() -> None:
    assert "what was refused is scikit-learn" in difference(attempt("mapie"), said("mapie", mapie=Verdict.COMPILE))


def test_what_was_said_to_be_in_the_way_and_was_not_differs() -> None:
    text = difference(attempt("google-crc32c"), said("google-crc32c", google_crc32c=Verdict.COMPILE))
    assert text == "check said that google-crc32c would be in the way, and it could be installed"


def test_what_was_not_found_out_never_agrees() -> None:
    for verdict in (Verdict.PURE, Verdict.UNKNOWN):
        answer = msgspec.structs.replace(said("pyyaml", pyyaml=verdict), problems=("index: gone",))
        assert answer.answer is Answer.UNKNOWN
        assert "index: gone" in difference(attempt("pyyaml"), answer)
    assert difference(attempt("pyyaml"), Said("pyyaml")) == "check could not find it out: no verdict"


def test_a_library_that_is_missing_differs_from_what_was_said_to_work() -> None:
    failed = Unimported("yaml", Cause.LIBRARY, "Error loading shared library libgomp.so.1")
    broken = msgspec.structs.replace(attempt("pyyaml"), unimported=(failed,))
    works = said("pyyaml", pyyaml=Verdict.MUSLLINUX)
    assert difference(broken, works) == "yaml could not be imported: Error loading shared library libgomp.so.1"
    assert difference(broken, msgspec.structs.replace(works, errors=("libgomp.so.1 is missing",))) == ""
    assert difference(attempt("pyyaml"), msgspec.structs.replace(works, errors=("it is missing",))) != ""


def test_distributions_are_compared_once_and_only_in_the_same_version() -> None:
    attempts = {"pyyaml": attempt("pyyaml"), "other": attempt("pyyaml")}
    same = Said("pyyaml", "6.0.4", {"pyyaml": Distributed("6.0.4", Verdict.MUSLLINUX)})
    assert by_distribution(attempts, {"pyyaml": same, "other": same}) == (1, 1, {})
    wrong = Said("pyyaml", "6.0.4", {"pyyaml": Distributed("6.0.4", Verdict.COMPILE)})
    assert by_distribution(attempts, {"pyyaml": wrong})[2] == {
        "pyyaml 6.0.4": "compile, and it turned out musllinux",
    }
    assert by_distribution(attempts, {"pyyaml": said("pyyaml", pyyaml=Verdict.MUSLLINUX)}) == (0, 0, {})


def test_a_report_of_check_is_read_for_what_is_compared() -> None:
    report = {
        "distributions": [
            {"name": "Mapie", "version": "1.4.1", "verdict": "pure", "why": "A wheel for every platform."},
            {"name": "scikit-learn", "version": "1.9.1", "verdict": "compile", "why": "Only its source fits."},
            {"name": "gone", "version": None, "verdict": "unknown", "why": "No index has it."},
        ],
        "findings": [{"severity": "error", "message": "it is missing"}, {"severity": "note", "message": "by the way"}],
        "problems": [{"subject": "index", "message": "gone"}],
    }
    found = read_report("mapie", report)
    assert (found.version, found.errors, found.problems) == ("1.4.1", ("it is missing",), ("index: gone",))
    assert found.distributions["scikit-learn"] == Distributed("1.9.1", Verdict.COMPILE, "Only its source fits.")
    assert found.in_the_way == {"gone": Verdict.UNKNOWN, "scikit-learn": Verdict.COMPILE}


# The page.


def test_the_page_shows_every_package_and_every_difference_with_why() -> None:
    attempts = {name: attempt(name) for name in ("pyyaml", "mapie", "soupsieve", "google-crc32c")}
    verdicts = {
        "pyyaml": said("pyyaml", pyyaml=Verdict.MUSLLINUX),
        "mapie": said("mapie", scikit_learn=Verdict.MUSLLINUX),
        "google-crc32c": said("google-crc32c", google_crc32c=Verdict.COMPILE),
    }
    page = draw(HEAD, attempts, verdicts, Notes(differs={"mapie": "A person wrote this."}))
    assert "**1 of 3, 33.3 %**" in page
    assert "| `pyyaml` | 6.0.4 | works | installed, imported |" in page
    assert "| `soupsieve` | 4.1.3 | not asked | installed, 1 of 1 modules not imported |" in page
    assert "> A person wrote this." in page
    assert "**`google-crc32c` 1.9.0**" in page
    assert page.count("> Not explained yet.") == 1


def test_what_a_program_said_does_not_break_the_page() -> None:
    failed = Unimported("yaml", Cause.OTHER, "Error: a|b <c> *d* [e] `f`")
    page = draw(HEAD, {"pyyaml": msgspec.structs.replace(attempt("pyyaml"), unimported=(failed,))}, {})
    assert r"a\|b \<c> \*d\* \[e\] \`f\`" in page
