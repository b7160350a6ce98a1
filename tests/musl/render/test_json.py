"""A report as JSON."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bivy.musl.render.json import as_json
from bivy.musl.render.summary import sentence
from bivy.musl.report import Answer, Severity, Verdict
from tests.musl.render.samples import REPORTS, project


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(files("bivy.musl.render").joinpath("check.schema.json").read_text("utf-8"))


def closed(schema: Any) -> Any:
    """Return a schema that allows no members but those that it describes."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        changed["unevaluatedProperties"] = False
    return changed


def test_the_schema_is_one(schema: Any) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_fits_the_schema_and_has_nothing_that_it_does_not_describe(name: str, schema: Any) -> None:
    # A silenced finding is a finding with a reason: this alone is not to be closed on its own.
    strict = closed(schema)
    del strict["$defs"]["finding"]["unevaluatedProperties"]
    value = json.loads(json.dumps(as_json(REPORTS[name]), ensure_ascii=False).encode())
    assert [error.message for error in Draft202012Validator(strict).iter_errors(value)] == []


@pytest.mark.parametrize("member", ["schema", "answer", "targets", "distributions", "findings", "problems"])
def test_the_schema_refuses_a_report_without_its_parts(member: str, schema: Any) -> None:
    value = as_json(project())
    del value[member]
    assert not Draft202012Validator(schema).is_valid(value)


def test_the_schema_knows_every_verdict_and_severity(schema: Any) -> None:
    assert schema["$defs"]["verdict"]["enum"] == list(Verdict)
    assert schema["$defs"]["severity"]["enum"] == list(Severity)


def test_all_that_a_report_holds_is_there() -> None:
    report = project()
    value = as_json(report)
    assert (value["schema"], value["answer"], value["asked"]) == ("bivy.check/1", "no", ["."])
    assert value["sentence"] == sentence(report)
    assert len(value["distributions"]) == len(report.found.distributions)
    assert len(value["findings"]) == len(report.found.findings)
    assert value["counts"]["distributions"] == {
        "impossible": 1, "unknown": 1, "compile": 2, "source": 1, "built": 1, "musllinux": 22, "pure": 33,
    }  # fmt: skip
    assert value["silenced"][0]["reason"] == "only runs on the old servers"


def test_distributions_and_findings_name_targets_and_rules_that_are_listed() -> None:
    value = as_json(project())
    targets, rules = {target["id"] for target in value["targets"]}, {rule["name"] for rule in value["rules"]}
    assert targets == {"python3.14-musl1.2.6-x86_64", "python3.14-musl1.2.6-aarch64"}
    assert {one["target"] for one in value["distributions"]} == targets
    assert {one["rule"] for one in [*value["findings"], *value["silenced"]]} == rules


def test_what_there_is_none_of_is_null() -> None:
    value = as_json(project())
    unknown = next(one for one in value["distributions"] if one["name"] == "internal-billing")
    assert (unknown["version"], unknown["file"]) == (None, None)
    binary = next(one for one in value["findings"] if one["path"].endswith("_core.so"))
    assert (binary["line"], binary["column"]) == (None, None)


def test_the_documentation_names_every_member_verdict_and_answer(schema: Any) -> None:
    text = (Path(__file__).parents[3] / "docs" / "check-json.md").read_text("utf-8")
    parts = [schema, schema["properties"]["silenced"]["items"], *schema["$defs"].values()]
    members = {name for part in parts for name in part.get("properties", {})}
    words = [*members, *Verdict, *Severity, *Answer]
    assert [word for word in words if f"`{word}`" not in text] == []
