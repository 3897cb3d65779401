"""When things happen before anything is seen: the guide's figures, and the bounds of the transitions."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.channels import BREAKING, BROKEN, HEALTHY, OVERTRAINED, STARTING
from hndoctor.diagnose.hazard import at_the_start, prior_of, transition
from hndoctor.diagnose.stations import Stop
from hndoctor.records import Settings, Vitals
from tests.makers import POCKET, a_checkpoint, a_run

PLAN = Settings(learn_rate="5e-6", steps=20_000, images=50)
SD2 = (320, 640, 1024, 1280)


def of(sizes=None, **changes):
    more = {"sizes": sizes} if sizes else {}
    return prior_of(a_run(settings=replace(PLAN, **changes), loss=None, noise=None, **more))


def hazard(before, after):
    return (after - before) / (1 - before)


# --- the prior --------------------------------------------------------------------------------------------------------


def test_on_sd1_the_onset_lies_within_the_guides_band_for_four_runs_in_five_to_which_it_applies():
    prior = of()
    assert prior.median == pytest.approx(believed.ONSET_MEDIAN)
    low, high = (math.log(steps * 5e-6 / prior.median) / prior.spread for steps in (9_000, 25_000))
    inside = 0.5 * math.erfc(-high / math.sqrt(2)) - 0.5 * math.erfc(-low / math.sqrt(2))
    assert inside == pytest.approx(0.8, abs=0.05)


def test_more_pictures_move_the_onset_by_their_power():
    few, many = of(images=25).median, of(images=400).median
    assert many / few == pytest.approx(16**believed.ONSET_POWER)
    assert of(images=None).median == of(images=0).median == of(images=believed.ONSET_PICTURES).median
    assert (of(images=0).pictures, of(images=7).pictures) == (None, 7)


def test_other_base_models_have_their_own_scale_and_trust():
    pocket, sd2, unknown = of(POCKET), of(SD2), of((2048,))
    base = pocket.base
    assert base.scale > 5
    assert pocket.median == pytest.approx(believed.ONSET_MEDIAN * base.scale * believed.ONSET_TIMES["pocket"])
    for prior, kind in ((pocket, "pocket"), (sd2, "sd2"), (unknown, "unknown"), (of(), "sd1")):
        assert prior.base.kind == kind
        assert prior.spread == max(believed.ONSET_SPREAD, believed.SPREAD_OTHER_BASE[kind])
        assert prior.ceiling == believed.CEILING[kind]


def test_what_is_not_known_widens_the_band():
    assert of().spread == believed.ONSET_SPREAD
    assert of(images=None).spread == believed.SPREAD_PICTURES_UNKNOWN
    assert of(optimizer="AdamW8bit").spread == of(optimizer="ADAM").spread == believed.ONSET_SPREAD
    assert of(optimizer="Lion").spread == believed.SPREAD_FAST
    assert of(learn_rate="5e-5").spread == believed.ONSET_SPREAD
    assert of(learn_rate="6e-5:100, 5e-6").spread == believed.SPREAD_FAST
    assert believed.SPREAD_FAST > believed.SPREAD_PICTURES_UNKNOWN > believed.ONSET_SPREAD
    assert of(POCKET, optimizer="Lion").spread == max(believed.SPREAD_FAST, believed.SPREAD_OTHER_BASE["pocket"])
    assert of(POCKET, learn_rate="3e-4").clock.rates[0] < believed.FAST_RATE * of(POCKET).base.scale


def test_an_unknown_rate_bounds_what_dose_may_say():
    unknown = of(learn_rate=None)
    assert unknown.ceiling == min(believed.CEILING["sd1"], believed.CEILING_RATE_UNKNOWN)
    assert of().ceiling == believed.CEILING["sd1"]


@pytest.mark.parametrize("sizes", [None, POCKET])
def test_an_unknown_rate_bounds_what_time_may_say_of_breakage(sizes):
    """At first so many times what it says at the usual rate; in the end no more than dose does, however it is cut."""
    unknown, usual = of(sizes, learn_rate=None), of(sizes, learn_rate="5e-6" if sizes is None else "1e-3")
    assert unknown.clock.told is None
    times = believed.BREAK_RATE_UNKNOWN
    assert unknown.breaks_between(0, 5) == pytest.approx(times * usual.breaks_between(0, 5), rel=0.02)
    sound = 1.0
    for begun in range(0, 1_000_000, 50_000):
        sound *= 1 - unknown.breaks_between(begun, begun + 50_000)
    assert 1 - sound == pytest.approx(unknown.breaks_between(0, 1_000_000))
    assert unknown.breaks_between(0, 10**12) == pytest.approx(believed.CEILING_RATE_UNKNOWN, rel=1e-3)
    assert unknown.breaks_between(200, 200) == unknown.breaks_between(200, 100) == 0


def test_overtraining_by_dose_is_half_at_the_median_of_runs_to_which_it_applies():
    prior = of()
    low, high = believed.ONSET_ASTRAY_RANGE
    astray = math.log(prior.median / low) / math.log(high / low)
    wanted = (1 - believed.ONSET_ASTRAY) * 0.5 + believed.ONSET_ASTRAY * astray
    assert prior.overtrained_by(prior.median) == pytest.approx(prior.ceiling * wanted)
    at_low = (1 - believed.ONSET_ASTRAY) * 0.5 * math.erfc(-math.log(low / prior.median) / prior.spread / math.sqrt(2))
    assert prior.overtrained_by(low) == pytest.approx(at_low), "of runs astray none before this"
    assert prior.overtrained_by(1e6) == pytest.approx(prior.ceiling)
    assert prior.overtrained_by(0.0) == prior.overtrained_by(-1.0) == 0.0
    pocket = of(POCKET)
    wide = (bound * pocket.base.scale for bound in believed.ONSET_ASTRAY_RANGE)
    low, high = wide
    astray = math.log(pocket.median / low) / math.log(high / low)
    wanted = (1 - believed.ONSET_ASTRAY) * 0.5 + believed.ONSET_ASTRAY * astray
    assert pocket.overtrained_by(pocket.median) == pytest.approx(pocket.ceiling * wanted)


def test_an_effect_is_shown_by_half_of_all_at_its_own_median():
    prior, pocket = of(), of(POCKET)
    assert prior.learnt_by(believed.LEARNT_MEDIAN) == pytest.approx(0.5)
    assert pocket.learnt_by(believed.LEARNT_MEDIAN * pocket.base.scale) == pytest.approx(0.5)
    one = 0.5 * math.erfc(-1 / math.sqrt(2))
    assert prior.learnt_by(believed.LEARNT_MEDIAN * math.exp(believed.LEARNT_SPREAD)) == pytest.approx(one)
    assert prior.learnt_by(0.0) == prior.learnt_by(-1.0) == 0.0


# --- breakage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sizes", "kind"), [(None, "sd1"), (POCKET, "pocket")])
def test_the_hazard_of_breakage_is_told_at_the_usual_and_at_the_ruinous_rate(sizes, kind):
    base = of(sizes).base
    for rate, per_step in ((base.usual, believed.BREAK_USUAL[kind]), (base.ruinous, believed.BREAK_RUINOUS[kind])):
        prior = of(sizes, learn_rate=str(rate))
        for times in (1, 3):
            sound = [1 / (1 + times * per_step * step) for step in (100, 200)]
            assert prior.breaks_between(100, 200, times) == pytest.approx(1 - sound[1] / sound[0], rel=1e-3)
    assert of().breaks_between(200, 200) == of().breaks_between(200, 100) == 0


def test_the_guides_usual_rate_seldom_breaks_a_run_and_its_ruinous_one_nearly_always():
    assert of().breaks_between(0, 20_000) < 0.1
    ruinous = of(learn_rate="5e-3")
    assert ruinous.breaks_between(0, 25) == pytest.approx(0.5, abs=0.01)
    assert ruinous.breaks_between(0, 500) > 0.95


def test_what_has_stood_a_rate_for_long_is_hardly_broken_by_more_of_it_however_it_is_cut():
    prior = of(learn_rate="5e-4")
    each = [prior.breaks_between(begun, begun + 100) for begun in range(0, 10_000, 100)]
    assert all(late < early for early, late in pairwise(each))
    assert 1 - math.prod(1 - one for one in each) == pytest.approx(prior.breaks_between(0, 10_000))


@pytest.mark.parametrize("rate", ["1e-300", "1e300"])
def test_no_rate_is_beyond_its_powers(rate):
    assert 0 <= of(learn_rate=rate).breaks_between(0, 500) <= 1


def test_in_larger_batches_a_step_counts_for_more():
    one, four = of(), of(batch_size=4)
    assert four.breaks_between(0, 100) == pytest.approx(one.breaks_between(0, 200), rel=1e-3)


# --- transitions ------------------------------------------------------------------------------------------------------


@given(st.integers(0, 9000), st.integers(1, 9000), st.booleans(), st.floats(0, 1), st.sampled_from([None, POCKET]))
def test_every_row_of_a_transition_is_a_distribution(begun, more, first, mended, sizes):
    prior = of(sizes)
    rows = transition(prior, None if first else Stop(begun), Stop(begun + more), mended)
    for row in rows:
        assert sum(row) == pytest.approx(1)
        assert min(row) >= 0


def test_what_happens_between_two_stops():
    prior = of()
    d0, d1 = 5e-6 * 4000, 5e-6 * 8000
    learn = hazard(prior.learnt_by(d0), prior.learnt_by(d1))
    over = hazard(prior.overtrained_by(d0), prior.overtrained_by(d1))
    breaks = prior.breaks_between(4000, 8000)
    sooner = prior.breaks_between(4000, 8000, believed.BREAK_OVERTRAINED)
    starting, healthy, overtrained, breaking, broken = transition(prior, Stop(4000), Stop(8000), 0.0)
    sound = 1 - breaks
    assert starting == pytest.approx((sound * (1 - learn), sound * learn * (1 - over), sound * learn * over, breaks, 0))
    assert healthy == pytest.approx((0, sound * (1 - over), sound * over, breaks, 0))
    assert overtrained == pytest.approx((0, 0, 1 - sooner, sooner, 0))
    assert breaking == broken == (0, 0, 0, 0, 1)
    assert sooner > breaks


def test_the_first_stop_is_counted_from_the_beginning_and_shows_what_was_dead_as_just_broken():
    prior = of()
    rows = transition(prior, None, Stop(500), 0.0)
    assert rows[STARTING][BREAKING] == pytest.approx(prior.breaks_between(0, 500))
    assert rows[BREAKING] == (0, 0, 0, 1, 0)
    assert rows[BROKEN] == (0, 0, 0, 0, 1)


def test_what_was_broken_mends_by_its_chance_and_overtraining_never_does():
    rows = transition(of(), Stop(500), Stop(1000), 0.3)
    for state in (BREAKING, BROKEN):
        assert rows[state][HEALTHY] == 0.3
        assert rows[state][BROKEN] == pytest.approx(0.7)
    assert rows[OVERTRAINED][HEALTHY] == 0
    first = transition(of(), None, Stop(1000), 0.3)
    assert first[BREAKING] == pytest.approx((0, 0.3, 0, 0.7, 0))


def test_what_is_certain_to_have_happened_has_happened():
    rows = transition(of(), Stop(10**9), Stop(2 * 10**9), 0.0)
    assert rows[HEALTHY][HEALTHY] == 0
    assert rows[STARTING][STARTING] == 0


def test_no_rate_alone_makes_breakage_certain():
    """It may be told wrongly, or be no rate of Adam's: what is seen must be able to say otherwise."""
    rows = transition(of(learn_rate="100"), None, Stop(1000), 0.0)
    assert rows[HEALTHY][BREAKING] == believed.BREAK_MOST < 1


# --- the start --------------------------------------------------------------------------------------------------------


def start(**metadata):
    sound = a_checkpoint(500)
    return at_the_start(Vitals("r", "x", checkpoints=(sound, a_checkpoint(1000, metadata=metadata))))


def test_a_harsh_initialisation_may_be_dead_at_the_start_unless_a_layer_norm_tames_it():
    dead = believed.DEAD_AT_START
    assert at_the_start(Vitals("r", "x")) == start() == (1 - dead["Normal"], 0, 0, dead["Normal"], 0)
    assert start(weight_initialization="KaimingNormal") == (1 - dead["other"], 0, 0, dead["other"], 0)
    assert start(weight_initialization="KaimingNormal", is_layer_norm=True) == start()
    assert start(is_layer_norm=True) == start()


# --- words ------------------------------------------------------------------------------------------------------------


def test_when_overtraining_is_to_be_expected_is_said_and_whose_band_says_so():
    """In steps of two digits, at the run's own rate: 4 in 5 runs lie between the two."""
    words = of().words
    begun, end = (of().median / 5e-6 * math.exp(sign * 1.2816 * of().spread) for sign in (-1, 1))
    assert (round(begun, -2), round(end, -3)) == (9000, 25000)
    assert words == (
        "between step 9,000 and 25,000 in 8 of 10 runs like this one; reckoned from the guide's band for Stable "
        "Diffusion 1 (9,000 to 25,000 steps at 5e-6), 50 pictures and the rates from the schedule"
    )
    untold = of(learn_rate=None).words
    assert "and the usual rate; no file tells the rate, so this is a rough guess" in untold
    assert "an unknown number of pictures" in of(images=None).words
    assert "made wider for Stable Diffusion 2" in of(SD2).words
    assert "the base model is not known" in of((2048,)).words
    assert "on the pocket model" in of(POCKET).words
    assert of(learn_rate="1e-3").words.endswith("; so wide a range says little")
    assert "the rates of SGD are on a scale of their own" in of(optimizer="SGD").words


def test_a_rate_at_which_it_never_comes_is_said():
    assert of(learn_rate="1e-12").words.startswith("hardly ever at these rates; ")
    assert of(learn_rate="1e-8").words.startswith("from step ")
