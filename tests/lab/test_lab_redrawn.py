"""Other held-out pictures than the user's own: the oracle's, as many and as sure."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from benchmarks.lab import redrawn
from benchmarks.lab.store import Kept
from hndoctor.records import ValidationPoint
from tests.lab.test_lab_limits import kept


def a_run(rise: float = 1.0) -> Kept:
    """Overtrained by the oracle's pictures, with a validation that shows health."""
    one = kept(rise)
    points = tuple(ValidationPoint(at, 0.06, 0.1, 0.05, 0.1, (0.06,) * 24, (0.1,) * 24) for at in (500, 1000))
    configuration = replace(one.configuration, validation=3)
    return replace(one, configuration=configuration, vitals=replace(one.vitals, validation=points))


class Picked(random.Random):
    """Draws what it was told to."""

    def sample(self, population, k):
        assert (len(population), k) == (48, 6)
        return [5, 0, 9, 3, 47, 1]


def test_each_item_is_the_mean_of_two_of_the_oracles_pictures_the_same_at_every_checkpoint():
    one = a_run()
    base, (now, later) = one.finest.base.held_out, one.finest.checkpoints
    told = redrawn.redrawn(one, Picked()).validation
    for point, losses in zip(told, (now.held_out, later.held_out), strict=True):
        assert point.items == pytest.approx([(losses[a] + losses[b]) / 2 for a, b in ((5, 0), (9, 3), (47, 1))])
        assert point.base_items == pytest.approx([(base[a] + base[b]) / 2 for a, b in ((5, 0), (9, 3), (47, 1))])
        assert point.held_out == pytest.approx(sum(point.items) / 3)
        assert point.held_out_base == pytest.approx(sum(point.base_items) / 3)
        assert (point.train, point.train_base) == (0.05, 0.1), "training pictures stay the run's own"


def test_where_the_oracle_measured_nothing_only_the_caption_gaps_stay():
    one = a_run()
    stray = replace(one.vitals.validation[0], step=750, caption_gaps=(0.1,) * 3, base_caption_gaps=(0.2,) * 3)
    one = replace(one, vitals=replace(one.vitals, validation=(stray,)))
    (point,) = redrawn.redrawn(one, random.Random(1)).validation
    assert (point.held_out, point.items, point.caption_gaps) == (0.0, (), (0.1,) * 3)


def test_what_the_users_own_pictures_hide_others_may_show(monkeypatch):
    monkeypatch.setattr(redrawn, "DRAWS", 3)
    lines = list(redrawn.table([a_run(3.0)]))
    own, others = ([cell.strip() for cell in line.split("|")[2:6]] for line in lines[2:])
    assert own == ["-", "-", "0/1 = 0.00", "-"]
    assert others == ["-", "3/3 = 1.00", "3/3 = 1.00", "0.00"]
