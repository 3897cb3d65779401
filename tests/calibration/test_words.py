"""Reasons in words fit the way that the measure went."""

from __future__ import annotations

import pytest

from hndoctor.calibration.logistic import Reason
from hndoctor.calibration.table import TABLE
from hndoctor.calibration.words import FALLS, SAYINGS, TURNED, told


@pytest.mark.parametrize(
    ("measure", "value", "typical", "said"),
    [
        ("cell_energy", 0.3, 0.07, "its energy lies at the latent grid (share 0.3, in pictures 0.07)"),
        ("cell_energy", 0.01, 0.07, "it lacks waves of a few values (share 0.01, in pictures 0.07)"),
        ("coarse_energy", 0.01, 0.5, "it has few large forms (share of energy 0.01, in pictures 0.5)"),
        ("coarse_energy", 0.9, 0.5, "it has nothing but large forms (share of energy 0.9, in pictures 0.5)"),
        ("saturation", 0.6, 0.2, "it is unusually saturated (chroma 0.6, in pictures 0.2)"),
    ],
)
def test_words_fit_the_way_a_measure_went(measure: str, value: float, typical: float, said: str) -> None:
    assert told(Reason(measure, value, typical, 1.0)) == said


def test_what_has_words_for_one_way_only_goes_that_way_in_every_branch_of_noise() -> None:
    one_way = {"saturation": 1, "colourfulness": 1, "joint_entropy": 1, "hue_entropy": 1, "calm_tile_chroma": 1,
               "calm_tile_rms": 1, "local_colour_entropy": 1, "local_grey_entropy": 1, "lossless_size": 1,
               "tile_rms_variation": -1, "tile_chroma_variation": -1, "long_lag_autocorrelation": -1,
               "detail_skewness": -1}  # fmt: skip
    for name, branch in TABLE.items():
        if name.startswith(("fine noise", "blobs")):
            for term in branch.terms:
                sign = one_way.get(term.measure, 0)
                assert sign * (term.found - term.typical) >= 0, (name, term.measure)
    assert TURNED.keys() <= SAYINGS.keys()
    assert TURNED.keys() >= FALLS
