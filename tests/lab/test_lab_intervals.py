"""Acceptable checkpoints held against the oracle's best."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.lab import intervals
from benchmarks.lab.population import population
from benchmarks.lab.store import Kept
from benchmarks.lab.truth import Measures, Oracle
from tests.makers import POCKET, a_run


def a_kept_run(best: int) -> Kept:
    """Sound, four checkpoints; by the oracle the one of step `best` is far better than the others."""
    steps = (500, 1000, 1500, 2000)
    base = Measures(0, held_out=(0.1, 0.1, 0.1), train=(0.1,), followed=0.9)
    points = tuple(
        Measures(at, held_out=((0.05 if at == best else 0.09),) * 3, train=(0.05,), followed=0.9) for at in steps
    )
    configuration = replace(population()[0], every=500, checkpoints=4)
    return Kept(configuration, Oracle(base, points, 0.95, 0.25), a_run(steps, sizes=POCKET), {})


def test_each_listed_checkpoint_has_its_probability_and_what_the_oracle_says():
    told = intervals.told_of(a_kept_run(2000))
    assert [one.best for one in told] == [False] * (len(told) - 1) + [True]
    assert [one.near for one in told] == [one.best for one in told]
    assert sum(one.p for one in told) == pytest.approx(1, abs=0.1)
    assert told[-1].p == max(one.p for one in told)


def test_where_nothing_was_gained_nothing_is_best():
    kept = a_kept_run(2000)
    flat = tuple(replace(point, held_out=(0.1, 0.1, 0.1)) for point in kept.oracle.checkpoints)
    assert intervals.told_of(replace(kept, oracle=replace(kept.oracle, checkpoints=flat))) == ()


def test_the_table_counts_runs_whose_best_is_listed_and_checkpoints_by_their_probability():
    early = a_kept_run(500)
    other = replace(early, configuration=replace(early.configuration, name="other"))
    assert not any(one.best for one in intervals.told_of(early)), "the last ones are listed, it is the first"
    lines = list(intervals.table([a_kept_run(2000), other]))
    assert "in 1/2 = 0.50" in lines[0]
    counts = [int(line.split("|")[2]) for line in lines[3:]]
    assert sum(counts) == len(intervals.told_of(a_kept_run(2000))) + len(intervals.told_of(other))
