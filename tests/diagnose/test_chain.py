"""The chain against its slow twin: every path written out."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndoctor.diagnose.chain import interpolate, marginals

SIZE = 3
share = st.floats(0.001, 1)
row = st.lists(share, min_size=SIZE, max_size=SIZE).map(lambda r: tuple(p / sum(r) for p in r))
sign = st.tuples(*[st.floats(-30, 30)] * SIZE)
stop = st.tuples(st.tuples(row, row, row), sign)


def slow(start, steps, signs):
    """P of every path through the states, summed."""
    totals = [[0.0] * SIZE for _ in steps]
    whole = 0.0
    for path in product(range(SIZE), repeat=len(steps) + 1):
        p = start[path[0]]
        for at, (matrix, seen) in enumerate(zip(steps, signs, strict=True)):
            p *= matrix[path[at]][path[at + 1]] * math.exp(seen[path[at + 1]])
        whole += p
        for at in range(len(steps)):
            totals[at][path[at + 1]] += p
    return [[p / whole for p in at] for at in totals], math.log(whole)


@given(row, st.lists(stop, min_size=1, max_size=4))
def test_the_same_as_every_path_written_out(start, stops):
    steps, signs = [s[0] for s in stops], [s[1] for s in stops]
    rows, told = marginals(start, steps, signs)
    expected, whole = slow(start, steps, signs)
    assert told == pytest.approx(whole, abs=1e-6)
    for found, want in zip(rows, expected, strict=True):
        assert found == pytest.approx(want, abs=1e-9)


def test_each_stop_has_its_transition_and_its_sign():
    stay = ((1.0, 0.0), (0.0, 1.0))
    for steps, signs in ((1, 2), (2, 1)):
        with pytest.raises(ValueError, match="argument 2 is"):
            marginals((0.5, 0.5), [stay] * steps, [(0.0, 0.0)] * signs)


def test_hundreds_of_stops_do_not_overflow():
    stay = ((1.0, 0.0), (0.0, 1.0))
    rows, _ = marginals((0.5, 0.5), [stay] * 500, [(0.0, -5.0)] * 500)
    assert rows[0] == pytest.approx((1.0, 0.0))


def test_interpolation_is_level_outside_and_straight_inside():
    curve = ((0.0, 1.0), (2.0, 3.0), (4.0, 0.0))
    assert [interpolate(curve, x) for x in (-9, 0, 1, 2, 3, 4, 9)] == [1, 1, 2, 3, 1.5, 0, 0]
