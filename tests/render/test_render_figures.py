"""Numbers as people read them: at the edges."""

from __future__ import annotations

import math

import pytest

from hndoctor.render.figures import against, percent, plain, rate, size


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"), (0, "0"), (5e-7, "5e-7"), (1.5e-6, "1.5e-6"), (1e-5, "1e-5"), (0.01, "1e-2"),
        (1, "1"), (20, "20"), (2.5, "2.5"), (999.9, "1000"), (2e4, "2e4"), (math.inf, "∞"), (math.nan, "–"),
        (1.7976e308, "∞"),
    ],
)  # fmt: skip
def test_rates(value, told):
    assert rate(value) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "–"), (0, "0"), (5e-7, "0.0000005"), (1.25e-4, "0.000125"), (1, "1"), (1e-12, "1e-12"), (1e12, "1e12")],
)
def test_rates_without_powers(value, told):
    assert plain(value) == told


@pytest.mark.parametrize(
    ("share", "told"),
    [(None, "–"), (0, "0%"), (0.005, "<1%"), (0.0051, "1%"), (0.994, "99%"), (0.995, ">99%"), (1, "100%")],
)
def test_shares_that_are_neither_nothing_nor_certain_never_look_so(share, told):
    assert percent(share) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (87_765_432, "83.7 MiB"), (5 << 30, "5.0 GiB")],
)
def test_sizes(count, told):
    assert size(count) == told


@pytest.mark.parametrize(
    ("share", "shown"),
    [(1, "0%"), (1.0004, "0%"), (0.976, "−2.4%"), (1.0731, "+7.3%"), (1.12, "+12%"), (5.016, "+402%"),
     (9.99, "+899%"), (10, "× 10"), (11.87, "× 12"), (0.5, "−50%")],
)  # fmt: skip
def test_a_loss_against_another_is_told_in_per_cent_or_times(share: float, shown: str) -> None:
    assert against(share) == shown
