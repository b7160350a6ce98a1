"""A report as SARIF, held to OASIS's schema and to what code scanning asks for."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from sarif_kit import validation_errors

from bivy.musl.render.sarif import as_sarif, read_manifests
from bivy.musl.render.summary import plain
from bivy.musl.report import Finding, Part, Report
from tests.musl.render.samples import REPORTS, STRFTIME, SYMBOL, X86_64, good, one_target, project


def run_of(report: Report, **values: Any) -> Any:
    log = json.loads(json.dumps(as_sarif(report, **values), ensure_ascii=False).encode())
    assert validation_errors(log) == []
    return log["runs"][0]


def finding(path: str, line: int = 0, message: str = "It is so", rule: Any = STRFTIME) -> Report:
    return Report((), (X86_64,), Part(findings=(Finding(rule, path, message, line),)))


def location(path: str, line: int = 0, **values: Any) -> Any:
    return run_of(finding(path, line), **values)["results"][0]["locations"][0]


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_fits_the_schema_of_sarif(name: str) -> None:
    assert run_of(REPORTS[name])["tool"]["driver"]["name"] == "bivy"


def test_a_finding_has_its_rule_its_level_and_its_place() -> None:
    run = run_of(project())
    result = next(one for one in run["results"] if one["ruleId"] == "strftime-directive")
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == "strftime-directive"
    assert rule["name"] == "StrftimeDirective"
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["helpUri"] == STRFTIME.source
    assert "Instead: Format the number itself" in rule["help"]["text"]
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "app/report.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 48, "startColumn": 21},
    }


def test_every_result_finds_its_rule_by_number() -> None:
    run = run_of(project())
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert len({rule["id"] for rule in rules}) == len(rules)


def test_a_rules_link_is_its_help_and_what_is_no_link_is_said_there() -> None:
    rules = {rule["id"]: rule for rule in run_of(project())["tool"]["driver"]["rules"]}
    assert rules["libc-by-name"]["helpUri"] == "https://wiki.musl-libc.org/functional-differences-from-glibc.html"
    assert rules["libc-by-name"]["help"]["text"].endswith("(Name Resolver/DNS)")
    assert "helpUri" not in rules["locale"]


def test_a_silenced_finding_is_a_suppressed_result_with_the_persons_reason_and_no_other_is() -> None:
    results = run_of(project())["results"]
    suppressed = [one for one in results if one["suppressions"]]
    assert [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in suppressed] == [
        "app/legacy.py"
    ]
    assert suppressed[0]["suppressions"] == [
        {"kind": "inSource", "status": "accepted", "justification": "only runs on the old servers"}
    ]


def test_distributions_that_are_not_simply_there_are_results_and_others_are_not() -> None:
    results = [one for one in run_of(project())["results"] if one["ruleId"].startswith("distribution-")]
    assert [(one["ruleId"], one["level"]) for one in results] == [
        ("distribution-impossible", "error"),
        ("distribution-unknown", "warning"),
        ("distribution-compile", "note"),
        ("distribution-compile", "note"),
    ]
    assert results[3]["message"]["text"].startswith("pyodbc 5.3.0 (aarch64): probably has to be compiled.")
    assert run_of(good())["results"] == []


def test_problems_are_notifications_and_make_the_run_one_that_did_not_see_all() -> None:
    (invocation,) = run_of(project())["invocations"]
    assert not invocation["executionSuccessful"]
    assert [one["level"] for one in invocation["toolExecutionNotifications"]] == ["error", "error"]
    assert "app/broken.py: Line 3" in invocation["toolExecutionNotifications"][1]["message"]["text"]
    assert run_of(good())["invocations"][0]["executionSuccessful"]


def fingerprints(report: Report) -> list[str]:
    return [one["partialFingerprints"]["finding/v1"] for one in run_of(report)["results"]]


def test_fingerprints_stay_when_lines_are_inserted_above() -> None:
    report = project()
    moved = tuple(dataclasses.replace(one, line=one.line and one.line + 100) for one in report.found.findings)
    assert fingerprints(report) == fingerprints(
        dataclasses.replace(report, found=dataclasses.replace(report.found, findings=moved))
    )


def test_fingerprints_stay_when_another_target_is_asked_about_too() -> None:
    both, one = (set(fingerprints(report)) for report in (project(), one_target()))
    assert one < both


def test_results_that_are_alike_have_fingerprints_of_their_own() -> None:
    twice = Finding(STRFTIME, "a.py", "It is so", 1), Finding(STRFTIME, "a.py", "It is so", 2)
    first, second = fingerprints(Report((), (X86_64,), Part(findings=twice)))
    assert first != second
    every = fingerprints(project())
    assert len(set(every)) == len(every)


def test_a_file_in_an_archive_is_placed_at_the_archive_and_named_beside_it() -> None:
    place = location("dist/spam-1.0.tar.gz:spam-1.0/spam.py", 3)
    assert place == {
        "physicalLocation": {"artifactLocation": {"uri": "dist/spam-1.0.tar.gz", "uriBaseId": "%SRCROOT%"}},
        "logicalLocations": [{"fullyQualifiedName": "spam-1.0/spam.py:3", "kind": "member"}],
    }


def test_a_file_in_an_image_is_placed_at_the_image() -> None:
    found = Part(findings=(Finding(SYMBOL, "python:3.14-alpine:usr/lib/x.so", "It is so"),))
    place = run_of(Report(("python:3.14-alpine",), (X86_64,), found))["results"][0]["locations"][0]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "python%3A3.14-alpine"
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "usr/lib/x.so"


def uri(path: str, **values: Any) -> Any:
    artifact = location(path, 1, **values)["physicalLocation"]["artifactLocation"]
    return artifact["uri"], artifact.get("uriBaseId")


def test_paths_are_relative_to_the_repository_where_they_are_in_it(tmp_path: Path) -> None:
    assert uri("./a b/ü.py") == ("a%20b/%C3%BC.py", "%SRCROOT%")
    assert uri(f"{tmp_path}/app/x.py", root=tmp_path) == ("app/x.py", "%SRCROOT%")
    assert uri("/usr/x.py", root=tmp_path) == ("file:///usr/x.py", None)
    assert uri("/usr/x.py") == ("file:///usr/x.py", None)


def test_distributions_are_placed_on_the_lines_that_name_them(tmp_path: Path) -> None:
    lock = tmp_path / "uv.lock"
    lock.write_text('version = 1\n\n[[package]]\nname = "pyodbc-stubs"\n\n[[package]]\nname = "pyodbc"\n')
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# what we need\nConfluent_Kafka[avro]>=2\nonnxruntime==1.23.2\n")

    def lines(path: Path) -> dict[str, int]:
        results = run_of(project(), manifests=read_manifests([str(path)]), root=tmp_path)["results"]
        return {
            one["message"]["text"].split()[0]: one["locations"][0]["physicalLocation"]["region"]["startLine"]
            for one in results
            if one["ruleId"].startswith("distribution-")
        }

    assert lines(lock)["pyodbc"] == 7
    assert lines(requirements) == {"confluent-kafka": 2, "onnxruntime": 3, "internal-billing:": 1, "pyodbc": 1}


def test_of_a_projects_folder_the_lock_is_taken_before_what_it_was_made_of(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "uv.lock", "main.py"):
        (tmp_path / name).write_text("")
    assert list(read_manifests([str(tmp_path), str(tmp_path / "main.py"), "numpy>=2"])) == [str(tmp_path / "uv.lock")]


def test_a_lock_that_was_asked_about_is_the_place_also_where_it_is_not_at_hand() -> None:
    result = run_of(one_target())["results"][-1]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "uv.lock"


def test_distributions_without_a_file_have_no_place() -> None:
    assert run_of(REPORTS["impossible"])["results"][0]["locations"] == []


def test_messages_hold_no_placeholders_and_no_links_but_their_own_text() -> None:
    (result,) = run_of(finding("a.py", 1, "`{0}` and [this](https://example.com)"))["results"]
    assert result["message"]["text"].startswith("`{{0}}` and \\[this\\](https://example.com)")


def test_hostile_text_makes_no_markdown_or_links_of_its_own() -> None:
    run = run_of(REPORTS["hostile"])
    rule = next(one for one in run["tool"]["driver"]["rules"] if "script" in one["id"])
    assert "helpUri" not in rule
    assert "<script" not in rule["help"]["markdown"]
    for text in (rule["help"]["text"], rule["help"]["markdown"], run["results"][0]["message"]["text"]):
        assert plain(text) == text
