"""Training pictures are found where the run says, measured small, and never looked for on another machine."""

from __future__ import annotations

import pytest
from PIL import Image

from hndoctor.collect import find_runs
from hndoctor.records import Preview
from hndoctor.vitals import measure_run, save
from hndoctor.vitals.training import SAMPLE, training_pictures
from tests.metrics.drawings import drawing

PREVIEWS = (Preview("images/a-0.png", 0, width=64, height=96),)


def _nothing_known(name, path):
    return None


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for k in range(SAMPLE + 6):
        Image.fromarray(drawing(k, 160)).save(folder / f"{k:03d}.png")
    (folder / "000.txt").write_text("a caption", encoding="utf-8")
    (folder / "001.png").write_bytes(b"no picture")
    return folder


def test_a_sample_is_measured_at_the_previews_size(pictures, tmp_path):
    found = list(training_pictures(str(pictures), tmp_path, PREVIEWS, _nothing_known))
    assert len(found) >= SAMPLE - 1
    assert {(p.width, p.height) for p in found} == {(64, 64)}
    assert all(p.scores and p.thumbnail is None and p.path.startswith("training/") for p in found)


def test_a_folder_beside_the_run_is_found(pictures, tmp_path):
    assert list(training_pictures("data", tmp_path, PREVIEWS, _nothing_known))


def test_a_relative_folder_counts_from_where_the_trainer_was_started(pictures, tmp_path, monkeypatch):
    """The web UI's and our own runs lie below it; where the doctor is started changes nothing."""
    run = tmp_path / "textual_inversion" / "2023-01-01" / "name" / "hypernetworks"
    run.mkdir(parents=True)
    (run / "data").mkdir()  # holds no pictures: not the one that was meant
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for here in (tmp_path, elsewhere, run):
        monkeypatch.chdir(here)
        assert len(list(training_pictures("data", run, PREVIEWS, _nothing_known))) >= SAMPLE - 1


@pytest.mark.parametrize("told", [None, "", "gone", "//server/share", "\\\\server\\share", "a\0b"])
def test_what_is_not_here_is_left_alone(told, tmp_path):
    assert list(training_pictures(told, tmp_path, PREVIEWS, _nothing_known)) == []


def test_without_previews_nothing_is_measured(pictures, tmp_path):
    assert list(training_pictures(str(pictures), tmp_path, (), _nothing_known)) == []


def test_a_run_takes_its_training_pictures_along_and_measures_them_once(pictures, tmp_path, monkeypatch):
    (pictures / "001.png").unlink()
    run = tmp_path / "run"
    (run / "images").mkdir(parents=True)
    Image.fromarray(drawing(1, 64)).save(run / "images" / "run-0.png")
    told = f'{{"data_root": "{pictures.as_posix()}", "learn_rate": "5e-6"}}'
    (run / "settings-2023-01-01-10-00-00.json").write_text(told, encoding="utf-8")
    (found,) = find_runs(run)
    vitals = measure_run(found)
    assert len(vitals.training) >= SAMPLE - 1
    from hndoctor.vitals import known

    monkeypatch.setattr(known, "SETTLED", -3600.0)
    save(vitals, run / "vitals.json")
    monkeypatch.setattr("hndoctor.metrics.scores.measure_training", lambda *_: pytest.fail("measured twice"))
    again = measure_run(find_runs(run)[0])
    assert [p.path for p in again.training] == [p.path for p in vitals.training]
