"""vitals.json: the same bytes, the same vitals; and one clear line for anything else."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hndoctor import judge
from hndoctor.records import SCHEMA, Vitals
from hndoctor.vitals import VitalsError, from_json, load, save, to_json
from tests.makers import STEPS, a_run, an_optimizer, unreadable, validation

WHOLE = a_run(
    validation=validation(dict.fromkeys(STEPS, 0.09)), unreadable=(unreadable(700),), gain={0: 0.1, 3000: 12.0}
)


def test_round_trip():
    data = to_json(WHOLE)
    assert from_json(data) == WHOLE
    assert to_json(from_json(data)) == data
    assert judge(from_json(data)) == judge(WHOLE)


def test_saved_and_loaded(tmp_path):
    save(WHOLE, tmp_path / "vitals.json")
    assert load(tmp_path / "vitals.json") == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == ["vitals.json"]


def test_an_optimizer_survives():
    checkpoint = a_run().checkpoints[0]
    vitals = Vitals(
        "r", "x", checkpoints=(checkpoint.__class__(**{**vars(checkpoint), "optimizer": an_optimizer(1e-5)}),)
    )
    assert from_json(to_json(vitals)) == vitals


GOOD = {"run": "r", "name": "x", "schema": SCHEMA}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"schema": 1}',
        b"[" * 100_000,
        json.dumps({**GOOD, "schema": "1"}).encode(),
        json.dumps({**GOOD, "losses": [{"step": "many", "loss": 1}]}).encode(),
        json.dumps({**GOOD, "losses": [{"step": 1}]}).encode(),
        b'{"run": "r", "name": "x", "schema": 1, "losses": [{"step": 1, "loss": 1e999}]}',
        b'{"run": "r", "name": "x", "schema": 1, "losses": [{"step": 1, "loss": NaN}]}',
    ],
    ids=range(12),
)
def test_what_is_no_vitals_file_says_so_in_one_line(tmp_path, data):
    path = tmp_path / "vitals.json"
    path.write_bytes(data)
    with pytest.raises(VitalsError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_schema_is_named():
    with pytest.raises(VitalsError, match="update hndoctor"):
        from_json(json.dumps({**GOOD, "schema": SCHEMA + 1}).encode())
    with pytest.raises(VitalsError, match="scan the run again"):
        from_json(json.dumps({**GOOD, "schema": 0}).encode())


def test_unknown_keys_are_ignored():
    assert from_json(json.dumps({**GOOD, "mood": "good"}).encode()) == Vitals("r", "x")


def test_a_forged_thumbnail_is_dropped():
    forged = {**GOOD, "previews": [{"path": "a.png", "step": 1, "thumbnail": '"><script>'}]}
    assert from_json(json.dumps(forged).encode()).previews[0].thumbnail is None


def test_no_such_file_is_said_in_one_line(tmp_path):
    with pytest.raises(VitalsError, match=r"vitals\.json: cannot be read"):
        load(tmp_path / "vitals.json")


@settings(max_examples=200)
@given(st.data())
def test_flipped_bytes_never_raise_anything_else(data):
    good = bytearray(to_json(a_run((500,), loss=None)))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with suppress(VitalsError):
        judge(from_json(bytes(good)))
