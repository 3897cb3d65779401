"""The table in the code is what the script makes of what was measured, and that was measured by today's measures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.previews import calibrate, families
from benchmarks.previews.labels import settled
from benchmarks.previews.measure import PACKED
from benchmarks.previews.measuring import NAMES, load, measured
from hndoctor.calibration import FORMS
from hndoctor.calibration.table import FLOORS, TABLE


@pytest.fixture(scope="module")
def table():
    return calibrate.tuning_rows(settled(load(PACKED)))


def test_the_table_is_the_scripts_own_output():
    assert calibrate.TABLE.read_text(encoding="utf-8") == calibrate.text_of(calibrate.kept())


def test_fitting_again_gives_the_same_table(table):
    known, again = calibrate.kept(), calibrate.calibrated(table, lambda _: None)
    for name, branch in again.branches.items():
        ours = TABLE[name]
        assert [t.measure for t in branch.terms] == [t.measure for t in ours.terms]
        assert branch.intercept == pytest.approx(ours.intercept, rel=2e-3, abs=2e-3), name
        assert [t.weight for t in branch.terms] == pytest.approx([t.weight for t in ours.terms], rel=5e-3, abs=2e-3)
        assert [t.bend for t in branch.terms] == pytest.approx([t.bend for t in ours.terms], rel=5e-3, abs=2e-3)
    assert again.floors == pytest.approx(FLOORS, rel=1e-3)
    assert again.held_out == pytest.approx(known.held_out, rel=1e-2, abs=0.05)


@pytest.mark.parametrize("piece", ["pixels", "blank", "textures", "patterns", "decoders"])
def test_what_was_measured_was_measured_by_these_measures(table, piece):
    rows = np.flatnonzero((table.piece == piece) & (table.pair < 0))[:3]
    samples = families.tuning(families.Places())[piece]()
    again = measured(piece, [replace(next(samples), twins=()) for _ in rows])
    assert again.scores == pytest.approx(table.scores[rows], rel=2e-3, abs=2e-4)


def test_every_measure_has_a_form_and_a_floor():
    assert set(NAMES) == set(FORMS) == set(FLOORS)


def test_every_branch_has_its_spread():
    for name, branch in TABLE.items():
        if not name.startswith(("tile", "severity", "blobs or fine")):  # of which no interval is told
            assert len(branch.deviations) == (2 if branch.bends else 1) * len(branch.terms) + 1, name
            assert len({len(row) for row in branch.deviations}) == 1, name
