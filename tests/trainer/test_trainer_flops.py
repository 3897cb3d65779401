"""What a step costs on a full-size UNet, counted without weights, against the published count."""

from __future__ import annotations

import pytest

from benchmarks.flops import TOLERANCE, WAYS, cost, make_unet


def test_a_step_costs_what_was_counted_before_and_the_web_uis_pattern_too() -> None:
    unet = make_unet()
    ours, theirs = WAYS[0], next(way for way in WAYS if way.name.startswith("768, the web UI's pattern, as"))
    counted = {way.name: cost(unet, way) for way in (ours, theirs)}
    assert counted == pytest.approx({way.name: way.known for way in (ours, theirs)}, rel=TOLERANCE)
    assert counted[theirs.name] > 1.7 * counted[ours.name]
