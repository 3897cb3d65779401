"""Settings of every kind into one record."""

import json

import pytest

from hndoctor.formats.settings import merge, read, read_validation
from hndoctor.records import Settings, ValidationPoint


def written(tmp_path, name, value):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value, indent=4), encoding="utf-8")
    return path


def test_the_web_uis_json(tmp_path):
    given = {
        "datetime": "2023-02-01 10:00:00", "batch_size": 2, "gradient_step": 4, "num_of_dataset_images": 30,
        "learn_rate": "5e-5:100, 5e-6:1500", "steps": 20000, "initial_step": 0, "model_name": "nai",
        "model_hash": "925997e9",
    }  # fmt: skip
    assert read(written(tmp_path, "settings-2023-02-01-10-00-00.json", given)) == Settings(
        source="settings-2023-02-01-10-00-00.json",
        learn_rate="5e-5:100, 5e-6:1500",
        steps=20000,
        batch_size=2,
        gradient_step=4,
        images=30,
        model_name="nai",
        model_hash="925997e9",
    )


def test_the_web_uis_text_later_lines_win(tmp_path):
    settings = read(
        written(tmp_path, "settings.txt", "learn_rate: 1e-5\nsteps: 100\ninitial_step: 50\nlearn_rate: 5e-6\n")
    )
    assert (settings.learn_rate, settings.steps, settings.resumed_at) == ("5e-6", 100, (50,))


def test_our_run_json(tmp_path):
    given = {
        "config": {"train": {"learn_rate": 5e-06, "steps": 900, "batch_size": 4, "seed": 7}},
        "base_model": {"name": "pocket", "hash": "abcdef0123"},
        "data": {"fingerprint": "new", "images": 24, "history": ["old"]},
        "resumed_at": [300, {"step": 600, "fingerprint": "old"}],
    }
    settings = read(written(tmp_path, "run.json", given))
    assert (settings.learn_rate, settings.steps, settings.batch_size, settings.seed) == ("5e-06", 900, 4, 7)
    assert (settings.model_name, settings.model_hash, settings.images) == ("pocket", "abcdef0123", 24)
    assert settings.data_fingerprints == ("old", "new")
    assert settings.resumed_at == (300, 600)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": ' * 100_000])
def test_what_is_no_settings_file_says_so_in_one_line(tmp_path, text):
    with pytest.raises(ValueError, match=r"run\.json: ") as caught:
        read(written(tmp_path, "run.json", text))
    assert "\n" not in str(caught.value)


def test_values_of_a_wrong_kind_are_not_told(tmp_path):
    given = {"batch_size": "many", "steps": -1, "gradient_step": True, "num_of_dataset_images": 1.5, "learn_rate": None}
    assert read(written(tmp_path, "settings-1.json", given)) == Settings(source="settings-1.json")


def test_merging_keeps_what_the_newer_does_not_say():
    older = Settings(source="a", learn_rate="5e-6", images=20, data_fingerprints=("x",), resumed_at=(500,))
    newer = Settings(source="b", learn_rate="5e-7", data_fingerprints=("x", "y"), resumed_at=(100,))
    assert merge([older, newer]) == Settings(
        source="b", learn_rate="5e-7", images=20, data_fingerprints=("x", "y"), resumed_at=(100, 500)
    )
    assert merge([]) == Settings()


def test_validation_lines(tmp_path):
    good = {
        "step": 100,
        "held_out": 0.1,
        "held_out_base": 0.2,
        "train": 0.3,
        "train_base": 0.4,
        "items": [0.1],
        "base_items": [0.2],
    }
    lines = [
        json.dumps({**good, "step": 200}), json.dumps({**good, "held_out": 0.9}), json.dumps(good),
        '{"step": 300, "held_out": NaN, "held_out_base": 0.2}', "[]", "", '{"step": 4',
    ]  # fmt: skip
    points = read_validation(written(tmp_path, "validation.jsonl", "\n".join(lines)))
    assert [point.step for point in points] == [100, 200]
    assert points[0] == ValidationPoint(100, 0.1, 0.2, 0.3, 0.4, (0.1,), (0.2,))


def test_caption_gaps_are_read_whole_or_not_at_all(tmp_path):
    def read(**more):
        line = {"step": 1, "held_out": 0.1, "held_out_base": 0.2, **more}
        (point,) = read_validation(written(tmp_path, "validation.jsonl", json.dumps(line)))
        return point.caption_gaps, point.base_caption_gaps

    assert read() == ((), ())
    assert read(caption_gaps=[0.1, -0.2], base_caption_gaps=[0, 0.3]) == ((0.1, -0.2), (0.0, 0.3))
    for bad in ([0.1, None], [0.1, 1e3], [0.1, "x"], [0.1], 3, [0.1, float("nan")]):
        assert read(caption_gaps=bad, base_caption_gaps=[0.1, 0.2])[0] == ()
    assert read(caption_gaps=[0.1, 0.2]) == ((), ()), "with nothing to compare them with"


def test_items_that_cannot_be_paired_are_dropped(tmp_path):
    line = {"step": 1, "held_out": 0.1, "held_out_base": 0.2, "items": [0.1, None], "base_items": [0.2, 0.3]}
    assert read_validation(written(tmp_path, "validation.jsonl", json.dumps(line)))[0].items == ()
