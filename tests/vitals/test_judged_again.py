"""Previews that were measured before are judged by today's calibration, and measured again where it asks for more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hndoctor.metrics import measure_preview
from hndoctor.records import Preview, PreviewPath, Vitals
from hndoctor.vitals import from_json, to_json
from hndoctor.vitals.known import Known
from tests.metrics.drawings import latent_noise


@pytest.fixture
def measured(tmp_path: Path) -> Preview:
    path = tmp_path / "n-500.png"
    Image.fromarray(latent_noise(1, 256, 2.5)).save(path)
    return measure_preview(PreviewPath(path, 500), tmp_path)


def read_again(preview: Preview) -> Preview:
    vitals = Vitals("r", "r", previews=(preview,), training=(replace(preview, step=None),))
    again = from_json(to_json(vitals))
    assert again.training[0].noise == again.previews[0].noise
    return again.previews[0]


def test_what_an_older_calibration_made_of_the_measures_is_made_anew(measured: Preview) -> None:
    older = replace(measured, noise=0.01, noise_interval=(0.0, 0.5), severity=0.1, grey_noise=0.9)
    assert measured.noise is not None
    assert measured.noise > 0.9
    assert read_again(older) == measured


def test_where_a_measure_is_missing_the_judgement_stays(measured: Preview) -> None:
    scores = {name: value for name, value in measured.scores.items() if name != "coherence"}
    older = replace(measured, scores=scores, noise=0.25)
    assert read_again(older).noise == 0.25


def test_what_could_not_be_read_is_not_judged() -> None:
    refused = Preview(path="a.png", step=1, unreadable="a.png: damaged picture")
    assert read_again(refused) == refused


def test_a_preview_that_lacks_a_measure_is_measured_again(measured: Preview, tmp_path: Path) -> None:
    path, taken = tmp_path / "n-500.png", measured.modified + 60
    assert Known(previews={"n": measured}, taken=taken).preview("n", path) == measured
    scores = {name: value for name, value in measured.scores.items() if name != "coherence"}
    assert Known(previews={"n": replace(measured, scores=scores)}, taken=taken).preview("n", path) is None


def test_a_judgement_is_the_same_whether_measured_or_read(tmp_path: Path) -> None:
    for seed in range(3):
        path = tmp_path / f"{seed}.png"
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (96, 128, 3), dtype=np.uint8)).save(path)
        preview = measure_preview(PreviewPath(path, seed), tmp_path)
        assert read_again(preview) == preview
