"""What must hold of the numbers however they are tuned: probabilities are some, curves have a direction."""

from itertools import pairwise

import pytest

from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.chain import interpolate

RISING = (
    "GAIN", "GAIN_BY_CHANCE", "LOSS", "LOSS_RISEN", "LOST", "GAP", "HARM_BROKEN", "HARM_OVERTRAINED", "LAYOUT_KEPT",
    "CAPTIONS_LEARNT",
)  # fmt: skip
FALLING = ("IMPROVED_STARTING", "LAYOUT_LOST", "CAPTIONS", "CAPTIONS_SEEN")
SHARES = {
    "ONSET_ASTRAY", "CEILING_RATE_UNKNOWN", "RECOVERY", "NOISE_SEEN", "NOISE_FALSE", "BLANK", "BLANK_EXPLAINED",
    "PREVIEW_CORRELATION", "LAG", "RISE_SHARE", "RISE_SOUND", "ONSET_SEEN", "HARM_UNSHARED", "UNSEEN_BROKEN",
    "GAIN_ALONE", "DEAD_UNITS", "LOST_RISE", "HARM_SPOILS", "GAP_LEARNT", "OVER_SHARE", "OVER_LEAST", "OVER_ALONG",
}  # fmt: skip


def test_every_curve_is_known_here():
    curves = {name for name, value in vars(believed).items() if isinstance(value, tuple) and name.isupper()}
    assert curves - {"ONSET_ASTRAY_RANGE", "RISE_SCALE", "CAPTIONS_SURE"} == {*RISING, *FALLING}


@pytest.mark.parametrize("name", [*RISING, *FALLING])
def test_a_curve_goes_one_way(name):
    curve = getattr(believed, name)
    for (x0, y0), (x1, y1) in pairwise(curve):
        assert x0 < x1
        assert y0 < y1 if name in RISING else y0 > y1


@pytest.mark.parametrize("name", ["GAIN", "GAIN_BY_CHANCE", "LOSS", "HARM_BROKEN"])
def test_evidence_of_breakage_speaks_both_for_and_against(name):
    heights = [height for _, height in getattr(believed, name)]
    assert heights[0] < -1
    assert heights[-1] > 3


@pytest.mark.parametrize("name", ["LOST", "LOSS_RISEN", "GAP", "HARM_OVERTRAINED"])
def test_evidence_of_harm_alone_begins_at_nothing(name):
    assert getattr(believed, name)[0][1] == 0


@pytest.mark.parametrize("name", sorted(SHARES))
def test_a_share_is_one(name):
    assert 0 < getattr(believed, name) < 1


@pytest.mark.parametrize("name", ["DEAD_AT_START", "UNSEEN", "BLIND", "BREAK_USUAL", "BREAK_RUINOUS"])
def test_shares_of_several_are_some(name):
    assert all(0 < share < 1 for share in getattr(believed, name).values())


def test_each_base_model_has_its_own():
    kinds = {"sd1", "sd2", "pocket", "unknown"}
    for name in ("ONSET_TIMES", "SPREAD_OTHER_BASE", "CEILING", "BREAK_USUAL", "BREAK_RUINOUS"):
        assert set(getattr(believed, name)) == kinds
    assert all(0 < ceiling <= 1 for ceiling in believed.CEILING.values())
    assert all(times >= 1 for times in believed.ONSET_TIMES.values())
    assert believed.SPREAD_OTHER_BASE["sd1"] == 0, "it is the band's own"
    assert all(believed.BREAK_USUAL[kind] < believed.BREAK_RUINOUS[kind] / 50 for kind in kinds)


def test_the_guides_own_model_is_the_measure_of_the_others():
    assert believed.ONSET_TIMES["sd1"] == believed.CEILING["sd1"] == 1
    assert believed.ONSET_PICTURES == 50
    assert 9_000 * 5e-6 < believed.ONSET_MEDIAN < 25_000 * 5e-6
    low, high = believed.ONSET_ASTRAY_RANGE
    assert low < believed.LEARNT_MEDIAN < believed.ONSET_MEDIAN < high
    assert 0 < believed.LEARNT_SPREAD < 2
    assert 0 < believed.ONSET_POWER <= 1
    assert believed.FAST_RATE == 5e-5


def test_what_is_withheld_for_silence_is_a_little():
    assert sum(believed.UNSEEN.values()) < 0.5
    assert set(believed.BLIND) < set(believed.UNSEEN)


def test_the_heaviest_sign_outweighs_all_others_together():
    against = [interpolate(getattr(believed, name), -1e9) for name in ("GAIN", "LOSS", "HARM_BROKEN")]
    for_it = [believed.GROWTH_WEIGHT, believed.DEAD_WEIGHT, believed.RMS_WEIGHT, believed.LOSS_NONFINITE_LAST]
    assert 2 * -sum(against) < believed.CERTAIN
    assert all(0 < weight < believed.CERTAIN / 3 for weight in for_it)
    assert 0 < believed.LOSS_NONFINITE < believed.LOSS_NONFINITE_LAST
    assert -1 < believed.GAIN_UNKNOWN < 0, "little"
    assert -2 < believed.CLEAN_OVERTRAINED < 0
    assert believed.BREAK_OVERTRAINED > 1


def test_noise_is_told_from_pictures_and_a_blank_is_no_clean_picture():
    assert believed.NOISE_SEEN > 0.8
    assert believed.NOISE_FALSE < 0.1
    assert 0.5 <= believed.BLANK_EXPLAINED < believed.BLANK


def test_gains_in_their_order():
    assert believed.GAIN_HARMLESS < 1 < believed.GAIN_LIKELY < believed.GAIN_CERTAIN
    assert believed.GROWTH > 1.5
    assert believed.RMS_EXPLODED >= 0.1, "ten times the web UI's Normal initialisation at the least"
    for gain in (0.1, 1.0, 2.0, 4.0, 8.0):
        chance, learnt = (interpolate(curve, gain) for curve in (believed.GAIN_BY_CHANCE, believed.GAIN))
        assert chance >= learnt, "random weights are never the sounder"
    for gain in (0.1, 0.2, 0.35, 0.5, 0.75, 1.0):
        chance, learnt = (interpolate(curve, gain) for curve in (believed.GAIN_BY_CHANCE, believed.GAIN))
        assert chance == learnt, "and as sound as learned ones where they hardly change the contexts"


def test_rises_in_their_order():
    low, high = believed.RISE_SCALE
    assert 0 < low < high < 0.1
    assert believed.RISE_SOUND < believed.RISE_SHARE
    assert believed.RISE_CAP > 1
    assert believed.LOST_ERRORS >= 1
    assert 0 < believed.LOST_SPOILS < believed.LOST[-1][1]
    assert 8 <= believed.LOSS_FULL <= 32
