"""Other ways to weigh the diagnosis's signs: each says what it is made to say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.lab.population import population
from benchmarks.lab.rivals import RIVALS, Signs, change_point, cumulative_sum, each_by_itself, signs_of, table
from benchmarks.lab.scores import Opinion
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import Measures, Oracle
from hndoctor.diagnose.stations import Stop
from tests.makers import a_run

STEPS = (500, 1000, 1500, 2000)


@pytest.fixture
def kept() -> Kept:
    vitals = a_run(steps=STEPS, gain=dict(zip(STEPS, (0.1, 0.3, 40.0, 60.0), strict=True)), noise=None)
    points = tuple(Measures(step, held_out=(0.1,), train=(0.1,)) for step in STEPS)
    oracle = Oracle(Measures(0, held_out=(0.1,), train=(0.1,)), points, 0.9, 0.2)
    return Kept(replace(population()[0], every=500), oracle, vitals, {})


@pytest.mark.parametrize("name", RIVALS)
def test_every_rival_sees_an_explosion(kept: Kept, name: str) -> None:
    assert RIVALS[name](signs_of(kept)) == Opinion(broken=1500)


def signs(kept: Kept, *broken: float) -> Signs:
    stops = tuple(Stop(step) for step in STEPS)
    return Signs(kept, stops, [(0.0, 0.0, -1.0, told, told) for told in broken])


def test_what_is_weak_but_lasts_is_found_by_those_that_remember(kept: Kept) -> None:
    weak = signs(kept, -3.0, 3.2, 3.2, 3.2)
    assert each_by_itself(weak).broken is None
    assert change_point(weak).broken == 1000
    assert cumulative_sum(weak).broken == 1500


def test_clean_signs_are_no_breakage_to_anybody(kept: Kept) -> None:
    calm = signs(kept, -3.0, -3.0, -3.0, -3.0)
    assert [rival(calm) for rival in (each_by_itself, change_point, cumulative_sum)] == [Opinion()] * 3


def test_the_table_has_a_row_for_each(kept: Kept) -> None:
    lines = list(table([kept]))
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {name}" for name in RIVALS]
    assert len({line.count("|") for line in lines}) == 1
