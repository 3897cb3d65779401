"""What the JSON report prints is what its published schema says."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from typing import Any

import pytest
import render_examples as examples
from render_schema import errors

from hndoctor.render import render_json

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
