"""vitals.json: the same bytes, the same vitals; and one clear line for anything else."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hndoctor import judge
from hndoctor.records import SCHEMA, Settings, Vitals
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


def test_more_elements_of_a_kind_than_there_are_elements_are_a_forgery():
    sound = json.loads(to_json(a_run((500,), loss=None)))
    tensor = sound["checkpoints"][0]["tensors"][0]
    assert from_json(json.dumps(sound).encode()).checkpoints
    tensor.update(nan=tensor["count"], zeros=1)
    with pytest.raises(VitalsError, match="the numbers of checkpoint"):
        from_json(json.dumps(sound).encode())


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


def test_a_name_that_is_no_text_is_spelt_out():
    """File names come from the system as bytes; what of them is no UTF-8 arrives as lone surrogates."""
    vitals = Vitals("runs/\udcff", "x", validation=validation({500: 0.1}), settings=Settings(model_name="\udcfe"))
    again = from_json(to_json(vitals))
    assert again.run == "runs/\\udcff"
    assert again.settings.model_name == "\\udcfe"
    assert again.validation == vitals.validation


@pytest.mark.parametrize("limit", ["MAX_BYTES", "MOST_OBJECTS", "MOST_VALUES"])
def test_one_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch, limit):
    save(WHOLE, tmp_path / "vitals.json")
    monkeypatch.setattr(f"hndoctor.vitals.stored.{limit}", 3)
    with pytest.raises(VitalsError, match="larger than a run's measurements can be"):
        load(tmp_path / "vitals.json")


def test_more_files_than_a_run_can_have_are_not_believed(monkeypatch):
    monkeypatch.setattr("hndoctor.vitals.believable.MOST_FILES", 3)
    with pytest.raises(VitalsError, match="more than 3 files of one run"):
        from_json(to_json(WHOLE))


def test_a_refused_file_of_a_step_that_cannot_be_is_not_believed():
    vitals = Vitals("r", "x", unreadable=(unreadable(-5),))
    with pytest.raises(VitalsError, match="the step of a file that could not be read"):
        from_json(to_json(vitals))
