"""What held-out pictures say, beside training pictures measured alike."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.chain import interpolate
from hndoctor.diagnose.channels import BREAKING, BROKEN, HEALTHY, OVERTRAINED, STARTING
from hndoctor.diagnose.stations import Stop
from hndoctor.diagnose.validation import is_risen, is_unshared, rise_sign, spoils, validation_row
from hndoctor.records import ValidationPoint
from hndoctor.rules.paired import Drift, against_base

EPS = 1e-6


def point(harm=0.0, learnt=None, step=1000, base=0.1):
    """Held-out items worse than under the bare base model by `harm`, training items better by `learnt`; of logs."""
    held_out = base * math.exp(harm)
    train = base * math.exp(-learnt) if learnt is not None else None
    return ValidationPoint(step, held_out, base, train, base if learnt is not None else None)


def row(*points, drift=None, spoilt=False):
    return validation_row(Stop(1000, validation=points), {one.step: one for one in [drift] if one}, spoilt)


def drifted(rise=0.0, error=0.01, gained=0.0, shared=0.0, best=500):
    return Drift(1000, best, rise, error, gained, shared)


def test_without_validation_nothing_is_said():
    assert row() is None


def test_the_last_point_of_a_stop_counts():
    assert row(point(0.5, step=900), point(-0.2)) == row(point(-0.2))


def test_harm_speaks_for_breakage_as_far_as_training_pictures_share_it():
    def broken(harm, learnt):
        return row(point(harm, learnt))[BROKEN]

    at = {harm: interpolate(believed.HARM_BROKEN, harm) for harm in (-0.3, 0.1, 0.4)}
    assert at[0.1] > 0 > at[-0.3]
    assert broken(0.4, -0.4) == pytest.approx(at[0.4])
    assert broken(0.4, -0.1) == pytest.approx(at[0.1]), "they share only a part"
    assert broken(0.1, -0.4) == pytest.approx(at[0.1])
    assert broken(0.4, 0.3) == pytest.approx(at[-0.3]), "they have gained: it is no breakage"
    assert broken(0.4, None) == pytest.approx(believed.HARM_UNSHARED * at[0.4]), "not told: half as much"
    assert broken(-0.3, None) == pytest.approx(at[-0.3]), "what speaks for health counts whole"
    assert row(point(0.4, -0.4))[BREAKING] == row(point(0.4, -0.4))[BROKEN]
    assert row(point(0.4, -0.4))[HEALTHY] == 0


def test_after_damage_a_low_loss_no_longer_speaks_against_breakage():
    calm, spoilt = row(point(-0.3, 0.3)), row(point(-0.3, 0.3), spoilt=True)
    assert calm[BROKEN] < 0
    assert spoilt[BROKEN] == 0
    assert row(point(0.4, -0.4), spoilt=True) == row(point(0.4, -0.4))


def test_a_benefit_that_is_gone_speaks_for_overtraining_as_far_as_training_pictures_do_not_share_the_harm():
    def over(harm, learnt):
        """Beside what the rise itself says, of which all is shared here."""
        return row(point(harm, learnt), drift=drifted(0.05, gained=0.02, shared=1.0))[OVERTRAINED]

    full = interpolate(believed.HARM_OVERTRAINED, 0.02)
    assert full > 0
    assert over(0.02, 0.02) == over(0.02, 0.0) == over(0.02, None) == pytest.approx(full)
    assert over(0.02, -0.01) == pytest.approx(full / 2)
    assert over(0.02, -0.02) == pytest.approx(over(0.02, -0.3)) == pytest.approx(0)
    assert over(-0.02, 0.01) == 0


def test_after_damage_a_rise_that_is_left_speaks_for_breakage_as_much_as_for_overtraining():
    risen = drifted(0.05, gained=0.3)
    calm, spoilt = row(point(-0.2, 0.3), drift=risen), row(point(-0.2, 0.3), drift=risen, spoilt=True)
    assert calm[OVERTRAINED] == spoilt[OVERTRAINED] > 0 > calm[BROKEN]
    assert spoilt[BROKEN] == pytest.approx(rise_sign(risen))


def test_above_a_base_model_that_was_never_beaten_the_rise_is_the_same_comparison_and_counts_once():
    risen = drifted(0.1, best=0)
    assert row(point(0.1, 0.0), drift=risen)[OVERTRAINED] == pytest.approx(rise_sign(risen))


@pytest.mark.parametrize("errors", [0.5, 2.0, 5.0])
def test_an_improvement_is_held_against_its_error_where_the_network_may_still_be_starting(errors):
    spread = [0.09, 0.1, 0.11, 0.12]
    items = tuple(value * (1 - 0.001 * at) - 0.002 for at, value in enumerate(spread))
    made = replace(point(), held_out=math.fsum(items) / 4, held_out_base=0.105, items=items, base_items=tuple(spread))
    change = against_base(made)
    scaled = replace(change, error=-change.rise / errors)
    assert row(made)[STARTING] == pytest.approx(interpolate(believed.IMPROVED_STARTING, -change.rise / change.error))
    told = interpolate(believed.IMPROVED_STARTING, -scaled.rise / scaled.error)
    assert told == pytest.approx(interpolate(believed.IMPROVED_STARTING, errors))


def test_without_a_bare_base_model_only_the_drift_speaks():
    bare = replace(point(), held_out_base=0.0)
    assert row(bare) == (0, 0, 0, 0, 0)
    assert row(replace(point(), held_out=0.0)) is None, "a loss of nothing was not measured"
    risen = drifted(0.1, gained=0.1)
    assert row(bare, drift=risen)[OVERTRAINED] == pytest.approx(rise_sign(risen))


# --- a rise over the best ---------------------------------------------------------------------------------------------


def over(drift, learnt=None, harm=0.0):
    """What a rise alone adds to overtraining."""
    made = point(harm, learnt)
    return row(made, drift=drift)[OVERTRAINED] - row(made)[OVERTRAINED]


def test_a_rise_speaks_for_overtraining_as_far_as_training_pictures_do_not_share_it():
    risen = drifted(0.1, gained=0.1)
    assert rise_sign(risen) > 0
    whole = rise_sign(risen)
    assert over(risen) == pytest.approx(whole)
    assert over(replace(risen, shared=0.25)) == pytest.approx(0.75 * whole)
    assert over(replace(risen, shared=1.0)) == 0


def test_what_has_not_risen_speaks_against_overtraining_whatever_is_shared():
    still = drifted(0.0, gained=0.3, error=0.001)
    assert rise_sign(still) < 0
    assert over(still) == over(replace(still, shared=1.0)) == pytest.approx(rise_sign(still))


@given(
    st.floats(0.0, 0.5),
    st.floats(0.0, 0.5),
    st.floats(0.001, 0.05),
    st.floats(0.0, 0.6),
)
def test_a_larger_rise_never_speaks_less_for_overtraining(rise, more, error, gained):
    small, large = (rise_sign(drifted(one, error, gained)) for one in (rise, rise + more))
    assert -believed.RISE_CAP <= small <= believed.RISE_CAP
    assert large >= small - 0.1, "but for the coarse steps of its integral"


@pytest.mark.parametrize("gained", [0.0, 0.02, 0.5])
def test_a_rise_beyond_all_scales_is_no_smaller_evidence(gained):
    assert rise_sign(drifted(1.0, 0.01, gained)) == rise_sign(drifted(10.0, 0.01, gained)) == believed.RISE_CAP


def test_a_rise_of_two_scales_is_more_than_one_of_one_and_a_half():
    high = believed.RISE_SCALE[1]
    one, two = (rise_sign(drifted(times * high, high / 2 / believed.ERROR_TIMES)) for times in (1.5, 2.0))
    assert one + 0.2 < two < believed.RISE_CAP


def slow_likelihood(drift, scale):
    """The same integral with many more points."""
    drift = replace(drift, error=believed.ERROR_TIMES * drift.error)
    if scale <= 0:
        return (1 + (drift.rise / drift.error) ** 2 / 4) ** -2.5
    points = [(at + 0.5) * 6 * scale / 20_000 for at in range(20_000)]
    weights = [math.exp(-((true / scale) ** 2) / 2) for true in points]
    tails = [(1 + ((drift.rise - true) / drift.error) ** 2 / 4) ** -2.5 for true in points]
    return math.fsum(w * t for w, t in zip(weights, tails, strict=True)) / math.fsum(weights)


@pytest.mark.parametrize(
    "drift",
    [
        drifted(0.004, 0.01, 0.0),
        drifted(0.02, 0.01, 0.0),
        drifted(0.02, 0.01, 0.02),
        drifted(0.01, 0.015, 0.3),
        drifted(0.05, 0.03, 0.5),
        drifted(0.0, 0.008, 0.1),
    ],
)
def test_the_weight_of_a_rise_is_the_ratio_of_two_integrals(drift):
    low, high = believed.RISE_SCALE
    share = believed.RISE_SHARE * drift.gained
    scales = (max(min(high, max(low, drift.gained)), share), max(high, share))
    least = max(believed.OVER_LEAST, believed.OVER_SHARE * drift.gained)
    wanted = max(slow_likelihood(replace(drift, rise=drift.rise - least), scale) for scale in scales)
    wanted = math.log(wanted / slow_likelihood(drift, believed.RISE_SOUND * drift.gained))
    assert abs(wanted) < believed.RISE_CAP
    assert rise_sign(drift) == pytest.approx(wanted, abs=0.03)


def test_the_weight_of_a_rise_is_bounded_on_both_sides_and_no_outlier_is_too_far():
    assert rise_sign(drifted(0.2, 0.001, 0.0)) == believed.RISE_CAP
    assert rise_sign(drifted(0.0, 1e-9, 1e-9)) == -believed.RISE_CAP
    assert abs(rise_sign(drifted(1e12, 1e-12, 0.1))) <= believed.RISE_CAP


@pytest.mark.parametrize(("gained", "least"), [(0.0, believed.OVER_LEAST), (0.4, 0.4 * believed.OVER_SHARE)])
def test_a_rise_counts_from_a_share_of_the_benefit_on_and_from_the_least_that_matters(gained, least):
    assert is_risen(drifted(least + EPS, gained=gained))
    assert not is_risen(drifted(least - EPS, gained=gained))


def test_a_rise_is_learning_by_heart_where_training_pictures_share_less_than_half_of_it():
    assert is_unshared(drifted(0.1, shared=believed.OVER_ALONG - EPS))
    assert not is_unshared(drifted(0.1, shared=believed.OVER_ALONG))


# --- a benefit that is lost -------------------------------------------------------------------------------------------


def lost(drift, spoilt=False):
    """What a drift adds to breakage."""
    made = point(-0.3, 0.3)
    return row(made, drift=drift, spoilt=spoilt)[BROKEN]


def test_a_benefit_lost_on_training_pictures_too_speaks_for_breakage():
    rise = 2 * believed.LOST_RISE
    drift = drifted(rise, 0.01, gained=rise / 0.8, shared=1.0)
    whole = interpolate(believed.LOST, 0.8)
    assert whole > 0
    assert lost(drift) == pytest.approx(whole), "and the low loss no longer speaks against it"
    assert lost(replace(drift, shared=0.5)) == pytest.approx(whole / 2)
    quiet = lost(drifted())
    assert quiet < 0
    assert lost(replace(drift, shared=0.0)) == pytest.approx(quiet)
    assert lost(replace(drift, gained=0.0)) == pytest.approx(quiet)


def test_a_ripple_is_no_loss():
    gained = 0.05
    at = drifted(believed.LOST_ERRORS * 0.01, 0.01, gained, 1.0)
    assert lost(at) == pytest.approx(at.rise / believed.LOST_RISE * interpolate(believed.LOST, at.rise / gained))
    assert lost(replace(at, rise=at.rise - EPS)) == pytest.approx(lost(drifted()))


def test_what_spoils():
    def drift(sign):
        """All of it shared, and as much lost as has this sign."""
        (x0, y0), (x1, y1) = next(
            pair for pair in zip(believed.LOST, believed.LOST[1:], strict=False) if pair[0][1] <= sign <= pair[1][1]
        )
        part = x0 + (sign - y0) / (y1 - y0) * (x1 - x0)
        return drifted(believed.LOST_RISE * 2, 0.001, believed.LOST_RISE * 2 / part, 1.0)

    better = point(-0.3, 0.3)
    assert spoils(better, drift(believed.LOST_SPOILS + EPS))
    assert not spoils(better, drift(believed.LOST_SPOILS - EPS))
    assert not spoils(better, None)
    harm = believed.HARM_SPOILS
    assert spoils(point(harm + EPS, -harm - EPS), None)
    assert not spoils(point(harm + EPS, -harm + EPS), None), "training pictures do not share it"
    assert not spoils(point(harm - EPS, -harm - EPS), None)
    assert not spoils(point(1.0, None), None), "training pictures were not measured"
    assert not spoils(replace(point(1.0, -1.0), held_out_base=0.0), None)


@pytest.mark.parametrize(
    ("train", "base"), [(None, 0.1), (0.1, None), (0.0, 0.1), (0.1, 0.0), (-0.1, 0.1), (0.1, -0.1)]
)
def test_what_has_no_logarithm_was_not_measured(train, base):
    made = replace(point(0.2), train=train, train_base=base)
    assert row(made) == row(point(0.2))


# --- the gap ----------------------------------------------------------------------------------------------------------


def test_what_training_pictures_gained_alone_speaks_for_overtraining():
    def told(share, learnt=0.2):
        """`share` of what training items gained held-out ones did not."""
        return row(point(-learnt * (1 - share), learnt))[OVERTRAINED]

    for share in (0.8, 0.95):
        wanted = interpolate(believed.GAP, share)
        assert told(share) == pytest.approx(wanted)
        assert told(share, believed.GAP_LEARNT + EPS) == pytest.approx(wanted)
        assert told(share, believed.GAP_LEARNT - EPS) == 0
    assert told(0.5) == 0
