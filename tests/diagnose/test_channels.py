"""What each channel says at a stop, at both sides of each of its bounds."""

import math
from dataclasses import replace

import pytest

from hndoctor.diagnose import channels
from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.chain import interpolate
from hndoctor.diagnose.channels import BREAKING, BROKEN, OVERTRAINED, Seen, gain_of, is_finite, seen_along
from hndoctor.diagnose.stations import stops_of
from hndoctor.records import LossPoint, Vitals
from hndoctor.rules.windows import WINDOW
from tests.makers import a_checkpoint, a_preview, validation

EPS = 1e-6


def seen(noise=(), **parts):
    vitals = Vitals("r", "x", **parts)
    return seen_along(stops_of(vitals), vitals, dict(noise))


def said(channel, **parts):
    return [one.rows.get(channel) for one in seen(**parts)]


def sign_of(*checkpoints):
    """What the weights say of breakage at the last stop; the same for one that has just begun."""
    row = said("weights", checkpoints=checkpoints)[-1]
    assert row[:BREAKING] == (0.0, 0.0, 0.0)
    assert row[BREAKING] == row[BROKEN]
    return row[BROKEN]


def modules(checkpoint, *changes):
    """The first modules of a network, changed one by one."""
    made = [replace(module, **change) for module, change in zip(checkpoint.modules, changes, strict=False)]
    return replace(checkpoint, modules=(*made, *checkpoint.modules[len(made) :]))


# --- captions ---------------------------------------------------------------------------------------------------------


def captioned(share, spread=0.0, held_out=0.095):
    """A validation whose caption gap was 1 under the bare base model, with an error of `spread` / sqrt(2)."""
    (point,) = validation({500: held_out})
    bare = (1 - 2 * spread, 1.0, 1 + 2 * spread) if spread else (0.99, 1.0, 1.01)
    return replace(point, caption_gaps=tuple(share + one - 1 for one in bare), base_caption_gaps=bare)


def captions_sign(*points):
    return [row and row[BROKEN] for row in said("captions", validation=points)]


def test_what_is_left_of_the_caption_gap_speaks_for_and_against_breakage():
    for share in (0.0, 0.2, 0.6, 1.0, 2.0):
        assert captions_sign(captioned(share)) == [pytest.approx(interpolate(believed.CAPTIONS, share))]
    assert captions_sign(*validation({500: 0.09})) == [None], "not measured"
    (row,) = said("captions", validation=(captioned(0.0),))
    assert row[:BREAKING] == (0.0, 0.0, 0.0)
    assert row[BREAKING] == row[BROKEN]


def test_a_caption_gap_counts_as_far_as_it_was_sure():
    least, full = believed.CAPTIONS_SURE
    (whole,) = captions_sign(captioned(0.0))
    errors = [1 / (2 * spread * math.sqrt(2 / 3)) for spread in (0.3, 0.5, 0.9)]
    signs = [captions_sign(captioned(0.0, spread))[0] for spread in (0.3, 0.5, 0.9)]
    expected = [whole * min(1, max(0, (one - least) / (full - least))) for one in errors]
    assert signs == [pytest.approx(one) for one in expected]
    assert signs[-1] == 0 < signs[0] < whole


@pytest.mark.parametrize(
    ("mean", "held_out", "low", "high"),
    [
        (0.0, 0.05, 3.9, 4.1),  # half the loss, and captions make no sure difference
        (0.0, 0.085, 1.0, 3.9),  # a sixth: in part
        (0.0, 0.095, 0.0, 0.0),  # a twentieth: as on Stable Diffusion, where that says nothing
        (0.3, 0.05, -9.0, -1.9),  # they make one
    ],
)
def test_what_has_learned_much_without_captions_was_broken_from_the_start(mean, held_out, low, high):
    """No gap was ever sure, the bare base model's least of all: a pocket network (Adamax, 3e-2) had one of .02 with an
    error of .03 at .58 of the base model's held-out loss, and drew nothing that it was asked for."""
    (point,) = validation({500: held_out})
    gaps = tuple(mean + off for off in (-0.06, 0.1, -0.09, 0.05))
    point = replace(point, caption_gaps=gaps, base_caption_gaps=(-0.5, 0.4, -0.2, 0.4))
    (sign,) = captions_sign(point)
    assert low <= sign <= high
    alike = replace(point, base_caption_gaps=(-0.03, 0.02, -0.01, 0.02))
    (silent,) = captions_sign(alike)
    assert silent == 0.0 or mean, "captions that are much alike tell nothing"


def test_once_captions_are_lost_a_low_loss_is_no_proof():
    def sign(point):
        return said("validation", validation=(point,))[-1][BROKEN]

    untold = validation({500: 0.05})[0]
    assert sign(captioned(1.0, held_out=0.05)) == sign(untold) < -1
    assert sign(captioned(0.1, held_out=0.05)) == 0


# --- weights ----------------------------------------------------------------------------------------------------------


def test_the_gain_that_counts_is_all_modules_where_they_agree_and_less_of_one_that_stands_alone():
    assert gain_of(a_checkpoint(500, 3.0)) == pytest.approx(3.0)
    alone = modules(a_checkpoint(500, 0.1), {"gain": 10.0})
    assert gain_of(alone) == pytest.approx(max(1.0, believed.GAIN_ALONE * 10.0))
    most = modules(a_checkpoint(500, 8.0), {"gain": 10.0}, {"gain": None})
    assert gain_of(most) == pytest.approx(math.sqrt(80))
    assert gain_of(a_checkpoint(500, None)) is None


def test_of_a_key_no_gain_counts_beyond_where_attention_is_settled():
    def counted(side, gain):
        return gain_of(modules(a_checkpoint(500, 0.1), {"gain": gain, "side": side}))

    assert counted("k", 1000.0) == counted("k", believed.GAIN_KEY) > counted("k", believed.GAIN_KEY / 2)
    assert counted("v", 1000.0) == pytest.approx(believed.GAIN_ALONE * 1000)


@pytest.mark.parametrize("field", ["nan", "posinf", "neginf"])
def test_one_number_that_is_none_outweighs_everything(field):
    sound = a_checkpoint(500)
    ruined = replace(sound, tensors=(*sound.tensors, replace(sound.tensors[0], **{field: 1})))
    assert is_finite(sound)
    assert not is_finite(ruined)
    assert sign_of(ruined) == believed.CERTAIN
    assert sign_of(sound, replace(ruined, path="y")) == believed.CERTAIN, "the worse of two files of one step"


@pytest.mark.parametrize("gain", [0.05, 1.0, 3.3, 40.0])
def test_the_sign_of_a_gain_is_read_from_the_curve_that_belongs_to_its_weights(gain, monkeypatch):
    assert sign_of(a_checkpoint(500, gain)) == pytest.approx(interpolate(believed.GAIN, gain))
    monkeypatch.setattr(channels, "is_by_chance", lambda checkpoint: True)
    assert sign_of(a_checkpoint(500, gain)) == pytest.approx(interpolate(believed.GAIN_BY_CHANCE, gain))


def test_of_two_files_of_one_step_the_worse_counts_and_what_is_no_network_does_not():
    good, bad = a_checkpoint(500, 0.1), replace(a_checkpoint(500, 20.0), path="y")
    assert sign_of(good, bad) == sign_of(bad)
    other = replace(bad, partial="a LoRA")
    assert sign_of(good, other) == sign_of(good)
    assert said("weights", checkpoints=(other,)) == [None]


@pytest.mark.parametrize(
    ("rms", "sign"),
    [(1.0 - EPS, believed.GAIN_UNKNOWN), (1.0, believed.RMS_WEIGHT)],  # a hundred times the web UI's Normal
)
def test_a_gain_that_cannot_be_computed_says_little_unless_the_weights_are_huge(rms, sign):
    assert sign_of(modules(a_checkpoint(500, None), {"rms": rms})) == sign


@pytest.mark.parametrize(
    ("before", "gain", "grown"),
    [
        (0.5, 0.5 * believed.GROWTH, False),
        (0.5, 0.5 * believed.GROWTH + EPS, True),
        (0.01, believed.GAIN_HARMLESS, False),
        (0.01, believed.GAIN_HARMLESS + EPS, True),
        (None, 5.0, False),
        (0.0, 5.0, False),
    ],
)
def test_a_jump_of_the_gain_counts_beyond_what_is_harmless(before, gain, grown):
    more = believed.GROWTH_WEIGHT if grown else 0.0
    told = sign_of(a_checkpoint(500, before), a_checkpoint(1000, gain))
    assert told == pytest.approx(interpolate(believed.GAIN, gain) + more)


def test_a_jump_is_measured_from_the_largest_gain_of_the_last_stop_that_had_one():
    doubled = (a_checkpoint(500, 0.3), replace(a_checkpoint(500, 2.0), path="y"))
    after = a_checkpoint(1000, 2.0 * believed.GROWTH)
    assert sign_of(*doubled, after) == pytest.approx(interpolate(believed.GAIN, 2.0 * believed.GROWTH))
    unknown = a_checkpoint(1000, None)
    later = a_checkpoint(1500, 0.5 * believed.GROWTH + EPS)
    assert sign_of(a_checkpoint(500, 0.5), unknown, later) > sign_of(a_checkpoint(500, 0.6), unknown, later) + 1


def test_weights_that_stay_large_are_no_new_evidence_of_breakage():
    gains = {500: 0.3, 1000: 8.0, 1500: 8.0, 2000: 14.0, 2500: 9.0, 3000: 15.0, 3500: 0.3}
    rows = said("weights", checkpoints=tuple(a_checkpoint(step, gain) for step, gain in gains.items()))
    signs = [row[BROKEN] for row in rows]
    at = {gain: interpolate(believed.GAIN, gain) for gain in gains.values()}
    jump = believed.GROWTH_WEIGHT  # from .3 to 8
    new = [at[0.3], at[8.0] + jump, 0.0, at[14.0] - at[8.0] - jump, 0.0, at[15.0] - at[14.0]]
    assert signs == pytest.approx([*new, at[0.3]])
    ruined = [replace(a_checkpoint(step), tensors=(replace(a_checkpoint(0).tensors[0], nan=1),)) for step in (1, 2)]
    assert [row[BROKEN] for row in said("weights", checkpoints=tuple(ruined))] == [believed.CERTAIN] * 2


@pytest.mark.parametrize(
    ("dead", "counts"),
    [
        ([believed.DEAD_UNITS] * 8, True),
        ([believed.DEAD_UNITS - EPS] + [1.0] * 7, False),
        ([1.0] + [None] * 7, True),
        ([None] * 8, False),
    ],
)
def test_dead_units_count_where_they_are_dead_in_all_modules(dead, counts):
    checkpoint = modules(a_checkpoint(500), *({"dead_units": share} for share in dead))
    more = believed.DEAD_WEIGHT if counts else 0.0
    assert sign_of(checkpoint) == pytest.approx(interpolate(believed.GAIN, 0.1) + more)


# --- previews ---------------------------------------------------------------------------------------------------------


def noise_sign(noise):
    high, low = believed.NOISE_SEEN, believed.NOISE_FALSE
    return math.log((noise * high + (1 - noise) * (1 - high)) / (noise * low + (1 - noise) * (1 - low)))


def previewed(*levels):
    previews = tuple(a_preview(500, index=at) for at in range(len(levels)))
    noise = {one.path: level for one, level in zip(previews, levels, strict=True)}
    return said("previews", previews=previews, noise=noise)[0]


def test_noise_speaks_for_breakage_and_a_clean_picture_against_it_though_it_lags():
    loud, clean = previewed(1.0), previewed(0.0)
    assert loud == pytest.approx((0, 0, 0, noise_sign(1.0), noise_sign(1.0)))
    against = noise_sign(0.0)
    assert against < 0 < noise_sign(1.0)
    assert clean == pytest.approx((0, 0, believed.CLEAN_OVERTRAINED, believed.LAG * against, against))


def test_previews_of_one_step_are_not_independent():
    one, two = previewed(1.0), previewed(1.0, 1.0)
    assert two[BROKEN] == pytest.approx(one[BROKEN] * 2 / (1 + believed.PREVIEW_CORRELATION))
    mixed = previewed(1.0, 0.0)
    half = (noise_sign(1.0) + noise_sign(0.0)) / (1 + believed.PREVIEW_CORRELATION)
    assert mixed[BROKEN] == pytest.approx(half)
    assert mixed[OVERTRAINED] == pytest.approx(believed.CLEAN_OVERTRAINED / 2)


UPPER = [0.8 if at // 3 // 8 < 4 else 0.2 for at in range(192)]
LEFT = [0.8 if at // 3 % 8 < 4 else 0.2 for at in range(192)]


def clean_beside(kept, noise=0.0):
    """What a preview says of breakage whose composition correlates so with that of step 0."""
    mixed = [kept * up + math.sqrt(1 - kept**2) * left for up, left in zip(UPPER, LEFT, strict=True)]
    previews = tuple(
        replace(a_preview(step), scores={"contrast": 0.2}, fingerprint=tuple(picture))
        for step, picture in ((0, UPPER), (500, mixed))
    )
    return said("previews", previews=previews, noise={previews[1].path: noise})[-1][BROKEN]


def test_a_clean_picture_of_something_else_says_nothing_against_breakage():
    (lost, height), (some, _) = believed.LAYOUT_LOST
    (none, _), (whole, _) = believed.LAYOUT_KEPT
    assert none <= lost < some <= whole
    clean = channels._noise_sign(0.0)
    assert clean_beside(whole + 0.01) == pytest.approx(clean)
    assert clean_beside(lost - 0.01) == pytest.approx(height) == clean_beside(0.0)
    assert clean < clean_beside((some + whole) / 2) < clean_beside(some - 0.05) < height
    loud = channels._noise_sign(1.0)
    assert clean_beside(0.0, noise=1.0) == clean_beside(1.0, noise=1.0) == pytest.approx(loud)
    assert 0 < height < loud


def test_all_clean_previews_of_a_run_together_speak_against_overtraining_once():
    previews = (a_preview(500), a_preview(1000), a_preview(1000, index=1), a_preview(1500), a_preview(2000))
    noise = {one.path: 0.0 for one in previews[:4]}
    rows = said("previews", previews=previews, noise=noise)
    assert rows[3] is None, "not measured"
    assert [row[OVERTRAINED] for row in rows[:3]] == pytest.approx([believed.CLEAN_OVERTRAINED / 3] * 3)


# --- losses -----------------------------------------------------------------------------------------------------------


def logged(*values, before=0, gain=1.0):
    """What is said at step 1000 of these losses, after some of .4 that belong to the stop before, of this gain."""
    old = tuple(LossPoint(at + 1, 0.4) for at in range(before))
    new = tuple(LossPoint(900 + at, value, nonfinite=value is None) for at, value in enumerate(values))
    return said("losses", checkpoints=(a_checkpoint(500, gain), a_checkpoint(1000)), losses=(*old, *new))[-1]


def test_a_loss_that_was_high_before_the_network_changed_anything_says_nothing_by_its_level():
    high = [0.4] * 32
    assert logged(*high, before=32)[BROKEN] > 0
    assert logged(*high, before=32, gain=believed.GAIN_HARMLESS)[BROKEN] == 0
    assert logged(*high, before=31, gain=believed.GAIN_HARMLESS)[BROKEN] > 0, "too few to tell"
    assert logged(*[0.1] * 32, before=32, gain=believed.GAIN_HARMLESS)[BROKEN] < 0
    risen = logged(*[1.6] * 32, before=32, gain=believed.GAIN_HARMLESS)[BROKEN]
    assert risen == pytest.approx(interpolate(believed.LOSS_RISEN, math.log(4)))


def test_the_mean_loss_is_read_from_its_curve_with_full_weight_from_so_many_points_on():
    full = logged(*[0.4] * believed.LOSS_FULL)
    assert full == pytest.approx((0, 0, 0, interpolate(believed.LOSS, 0.4), interpolate(believed.LOSS, 0.4)))
    half = logged(*[0.4] * (believed.LOSS_FULL // 2))
    assert half[BROKEN] == pytest.approx(full[BROKEN] / 2)
    assert logged(*[0.4] * 2 * believed.LOSS_FULL)[BROKEN] == pytest.approx(full[BROKEN])
    assert logged() is None


def test_points_that_the_stop_before_has_counted_weigh_nothing_again():
    assert WINDOW == 32, "of which a quarter is new below"
    old, fresh = logged(*[0.4] * 32), logged(*[0.4] * 8, before=100)
    assert fresh[BROKEN] == pytest.approx(old[BROKEN] / 4)


@pytest.mark.parametrize(
    ("values", "more"),
    [
        ([None] + [0.4] * 20, believed.LOSS_NONFINITE),
        ([0.4] * 20 + [None], believed.LOSS_NONFINITE_LAST),
        ([0.4] * 21, 0.0),
    ],
)
def test_a_loss_that_is_no_number_counts_more_where_it_stays_so(values, more):
    told = logged(*values)
    assert told[BROKEN] - more == pytest.approx(interpolate(believed.LOSS, 0.4))
    assert told[BREAKING] == told[BROKEN]


def test_losses_none_of_which_is_a_number_have_no_mean():
    assert logged(None, None, before=100)[BROKEN] == believed.LOSS_NONFINITE_LAST
    assert logged(None, None)[BROKEN] == believed.LOSS_NONFINITE_LAST


# --- all together -----------------------------------------------------------------------------------------------------


def log_of(*values):
    return tuple(LossPoint(10 * at, value, 5e-6, value is None) for at, value in enumerate(values, 1))


def along(*values):
    """What the losses say of breakage at the stops of a log that stands alone."""
    return {stop.step: one.rows["losses"][BROKEN] for stop, one in zip(*_log(*values), strict=True)}


def _log(*values):
    run = Vitals(run="x", name="x", losses=log_of(*values))
    stops = stops_of(run)
    return stops, seen_along(stops, run, {})


def test_a_typical_loss_of_twice_its_lowest_says_nothing_yet_and_of_four_times_much():
    low, high = [0.02, 0.03] * 48, [0.08, 0.12] * 48  # both far below the cap
    (risen, told) = _log(*low, *high)
    flat = along(*low, *high[:1])
    assert min(flat.values()) < 0 > max(flat.values())
    last = told[-1].rows["losses"][BROKEN]
    fresh = len(risen[-1].losses) / WINDOW
    level = interpolate(believed.LOSS, 0.1)
    times = believed.LOSS_RISEN[-1][1] * (math.log(4) - 0.7) / 0.7
    assert last == pytest.approx(fresh * (level + times), rel=1e-6)
    twice = along(*low, *(value / 2 for value in high))
    assert max(twice.values()) < 0


def test_where_the_loss_becomes_nan_for_good_the_finite_ones_before_speak_against_breakage():
    dead, alive = along(*[0.1] * 48, *[None] * 24), along(*[0.1] * 72)
    for step in dead:
        lasting = believed.LOSS_FINITE_YET if step < 481 else believed.LOSS_NONFINITE_LAST
        assert dead[step] == pytest.approx((alive[step] if step < 481 else 0.0) + lasting, abs=1e-9), step
    again = along(*[0.1] * 24, *[None] * 24, *[0.1] * 24)
    assert again[min(again)] == along(*[0.1] * 72)[min(again)], "it came back: that day is no other"


def test_channels_add_up_and_a_blind_one_says_nothing_of_breakage():
    one = Seen({"weights": (0.0, 0.0, 1.0, 2.0, 3.0), "losses": (0.5, 0.0, 1.0, 1.0, 1.0)})
    assert one.channels == ("weights", "losses")
    assert one.total() == (0.5, 0.0, 2.0, 3.0, 4.0)
    assert one.total(["weights"]) == (0.5, 0.0, 2.0, 1.0, 1.0)
    assert one.total(["weights", "losses"]) == (0.5, 0.0, 2.0, 0.0, 0.0)
    assert Seen({}).total() == (0.0,) * 5


def test_only_channels_that_spoke_are_told():
    (one,) = seen(checkpoints=(a_checkpoint(500),), validation=validation({500: 0.09}))
    assert one.channels == ("weights", "validation")


def test_once_spoilt_a_lower_loss_is_no_proof_of_mending():
    """Worse than the bare base model on all pictures, then better."""
    curve = {500: 0.09, 1000: 0.1 * math.exp(2 * believed.HARM_SPOILS), 1500: 0.05}
    calm = curve | {1000: 0.09}
    spoilt, sound = (
        said("validation", checkpoints=tuple(map(a_checkpoint, told)), validation=validation(told, train=told))[-1]
        for told in (curve, calm)
    )
    assert spoilt[BROKEN] == 0.0
    assert sound[BROKEN] < -1
