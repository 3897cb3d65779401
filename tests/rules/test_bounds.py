"""The rules on runs at both sides of their bounds, and the figures that they give."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hndoctor.records import (
    LossPoint,
    ModuleVitals,
    NetworkMetadata,
    Settings,
    Severity,
    ValidationPoint,
    Vitals,
)
from hndoctor.rules import files as filed
from hndoctor.rules import (
    idle,
    losses,
    optimizers,
    previews,
    units,
    weights,
)
from hndoctor.rules.initial import initial_std
from tests.makers import POCKET, a_preview, a_run
from tests.makers import losses as logged
from tests.rules.makers import checkpoint, each_module, first_tensor, signs, tensor, vitals
from tests.rules.makers import course as gains
from tests.rules.makers import optimizer as state_of

EPS = 1e-6
SCALE = 1 + 1e-9


def of(*checkpoints, **more):
    return vitals(*checkpoints, **more)


def spoilt(**changes):
    return of(first_tensor(checkpoint(500), **changes))


def modules(*given, at=500):
    """A network of these (gain, more) modules."""
    made = tuple(ModuleVitals(768, "kv"[i % 2], gain, rms=0.01) for i, gain in enumerate(given))
    return of(replace(checkpoint(at), modules=made))


def norm(rms, step=units.NORM_STEPS, layer_norm=True, bias=768):
    made = checkpoint(step, metadata=NetworkMetadata(is_layer_norm=layer_norm))
    more = (
        replace(tensor("768.k.linear.1.weight", (768,), rms), rms=rms),
        tensor("768.k.linear.1.bias", (bias,), 0.1),
    )
    return of(replace(made, stored_step=step, tensors=(*made.tensors, *more)))


def optimised(**changes):
    return of(replace(checkpoint(500), optimizer=state_of(500, **changes)))


def initialised(gain, name="XavierNormal", off=1.0, **more):
    std = initial_std(checkpoint(1).tensors[0], name) or 0.01
    metadata = NetworkMetadata(weight_initialization=name, **more)
    made = checkpoint(500, gain, metadata=metadata)
    matrices = tuple(replace(t, rms=std * off) if len(t.shape) == 2 else t for t in made.tensors)
    return of(replace(made, tensors=matrices))


def unchanged(update, rms=0.01):
    files = [each_module(checkpoint(step), update_rms=1e-3, rms=rms) for step in (500, 1000)]
    return of(files[0], each_module(files[1], update_rms=update))


def held_out(rise, error, base=None):
    """Two points of which the second lies above the best, or above the bare base model."""
    away = error * math.sqrt(3)  # so that the standard error of four is `error`
    best = (0.1,) * 4
    worse = tuple(0.1 * (1 + rise + side * away) for side in (-1, 1, -1, 1))
    bare = 0.1 if base else 0.2
    first = ValidationPoint(500, 0.1, bare, items=best, base_items=best)
    second = ValidationPoint(1000, 0.1 * (1 + rise), bare, items=worse, base_items=best)
    return Vitals("r", "x", validation=(first, second))


def memorised(gap):
    return Vitals("r", "x", validation=(ValidationPoint(500, 0.1, 0.1, 0.1 * math.exp(-gap), 0.1),))


def spike(loss):
    return Vitals("r", "x", losses=(LossPoint(10, loss),))


def rate(value, sizes_=None):
    return a_run(
        losses=logged(range(10, 500, 10), rate=value), settings=Settings(), **({"sizes": sizes_} if sizes_ else {})
    )


def repeating(value, reference=None):
    shown = replace(a_preview(1000), scores={"repetition": value}, noise=0.0)
    first = replace(a_preview(0), scores={"repetition": reference or 0.0}, noise=0.0)
    return Vitals("r", "x", previews=(first, shown) if reference is not None else (shown,))


def stored(step, name, **more):
    return of(replace(checkpoint(step), stored_step=name, **more))


BOUNDS = [
    (weights.weights_not_finite, spoilt(), spoilt(nan=1)),
    (weights.weights_not_finite, spoilt(), spoilt(posinf=1)),
    (weights.weights_not_finite, spoilt(), spoilt(neginf=1)),
    (weights.exploded, modules(0.1, 0.1, weights.GAIN_ODD - EPS), modules(0.1, 0.1, weights.GAIN_ODD)),
    (weights.exploded, gains(weights.MEDIAN_ODD - EPS), gains(weights.MEDIAN_ODD)),
    (weights.exploded, spoilt(max_abs=weights.WEIGHT_LARGE), spoilt(max_abs=weights.WEIGHT_LARGE + EPS)),
    (weights.exploded, gains(0.1, rms=0.999), gains(0.1, rms=1.0)),  # not the constant, which could be any
    (weights.exploding, gains(0.1, weights.GAIN_LARGE), gains(0.1, weights.GAIN_LARGE + EPS)),
    (weights.exploding, gains(1.0, weights.GROWTH), gains(1.0, weights.GROWTH + EPS)),
    (weights.exploding, gains(0.0, 5.0), gains(0.5, 5.0)),
    (
        weights.ruined_by_its_initialisation,
        initialised(weights.GAIN_HARMLESS - EPS),
        initialised(weights.GAIN_HARMLESS),
    ),
    (weights.ruined_by_its_initialisation, initialised(1.0, off=0.75), initialised(1.0, off=0.76)),
    (weights.ruined_by_its_initialisation, initialised(1.0, off=1.25), initialised(1.0, off=1.24)),
    (weights.ruined_by_its_initialisation, initialised(1.0, "Normal"), initialised(1.0, "KaimingUniform")),
    (weights.ruined_by_its_initialisation, initialised(1.0, is_layer_norm=True), initialised(1.0)),
    (idle.no_effect, gains(idle.DEAD_GAIN), gains(idle.DEAD_GAIN - 1e-9)),
    (idle.no_effect, modules(0.0, None), modules(0.0, 0.0)),
    (idle.no_effect, modules(0.1, idle.DEAD_GAIN), modules(0.1, idle.DEAD_GAIN - 1e-9)),
    (idle.not_changing, unchanged(idle.UNCHANGED * 0.0101), unchanged(idle.UNCHANGED * 0.01)),
    (idle.not_changing, unchanged(None), unchanged(0.0)),
    (units.layer_norm_holds_it_back, norm(units.NORM_STUCK), norm(units.NORM_STUCK - EPS)),
    (units.layer_norm_holds_it_back, norm(0.01, units.NORM_STEPS - 1), norm(0.01, units.NORM_STEPS)),
    (units.layer_norm_holds_it_back, norm(0.01, layer_norm=False), norm(0.01)),
    (units.layer_norm_holds_it_back, norm(0.01, bias=5), norm(0.01)),
    (
        units.dead_last_activation,
        of(each_module(checkpoint(500), dead_outputs=units.DEAD_UNITS - EPS)),
        of(each_module(checkpoint(500), dead_outputs=units.DEAD_UNITS)),
    ),
    (
        units.dead_hidden_units,
        of(each_module(checkpoint(500), dead_units=units.DEAD_UNITS - EPS)),
        of(each_module(checkpoint(500), dead_units=units.DEAD_UNITS)),
    ),
    (units.too_large_for_half_precision, spoilt(max_abs=65504.0), spoilt(max_abs=65505.0)),
    (units.effect_not_examined, modules(0.1), modules(None)),
    (units.effect_not_examined, modules(0.1, 0.2), modules(0.1, None)),
    (optimizers.optimizer_state_unfit, optimised(step=500), optimised(step=501)),
    (optimizers.optimizer_state_unfit, optimised(nonfinite=0), optimised(nonfinite=1)),
    (optimizers.optimizer_state_unfit, optimised(misfits=0), optimised(misfits=1)),
    (optimizers.optimizer_state_unfit, optimised(tensors=1), optimised(tensors=0)),
    (
        optimizers.optimizer_state_unfit,
        optimised(zero_second_moment=optimizers.ZERO_MOMENTS - EPS),
        optimised(zero_second_moment=optimizers.ZERO_MOMENTS),
    ),
    (losses.loss_rises, spike(losses.USELESS), spike(losses.USELESS + EPS)),
    (losses.validation_got_worse, held_out(losses.WORSE - EPS, 0.0012), held_out(losses.WORSE + 1e-4, 0.0012)),
    (losses.validation_got_worse, held_out(0.0298, 0.01), held_out(0.0302, 0.01)),
    (
        losses.worse_than_no_network,
        held_out(losses.WORSE - EPS, 0.0012, True),
        held_out(losses.WORSE + 1e-4, 0.0012, True),
    ),
    (losses.worse_than_no_network, held_out(0.0298, 0.01, True), held_out(0.0302, 0.01, True)),
    (losses.learns_by_heart, memorised(losses.MEMORISED - EPS), memorised(losses.MEMORISED + EPS)),
    (losses.rate_is_not_what_was_asked, rate(4.9e-3), rate(5e-3)),
    (losses.rate_is_not_what_was_asked, rate(1.4e-2, POCKET), rate(1.5e-2, POCKET)),
    (previews.repeated_texture, repeating(previews.REPEATS_ALONE - EPS), repeating(previews.REPEATS_ALONE)),
    (previews.repeated_texture, repeating(previews.REPEATS - EPS, 0.1), repeating(previews.REPEATS, 0.1)),
    (
        previews.repeated_texture,
        repeating(0.7 + previews.REPEATS_MORE - EPS, 0.7),
        repeating(0.7 + previews.REPEATS_MORE + EPS, 0.7),
    ),
    (filed.name_and_step_differ, stored(500, 499), stored(500, 498)),
    (filed.name_and_step_differ, stored(500, 500), stored(500, 501)),
    (filed.name_and_step_differ, stored(500, 0, provenance="NovelAI"), stored(500, 0)),
    (filed.name_and_step_differ, stored(500, 0, partial="a LoRA"), stored(500, 0)),
    (filed.name_and_step_differ, of(replace(checkpoint(500), step=None)), stored(500, 400)),
]


@pytest.mark.parametrize(
    ("law", "silent", "fires"), BOUNDS, ids=[f"{at}-{row[0].code}" for at, row in enumerate(BOUNDS)]
)
def test_at_both_sides_of_the_bound(law, silent, fires):
    assert signs(law, silent) == []
    assert signs(law, fires)


# --- how grave, how sure ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "severity", "value", "limit", "sure"),
    [
        (modules(0.1, weights.GAIN_NOISE, 0.1), Severity.ERROR, weights.GAIN_NOISE, weights.GAIN_NOISE, 0.95),
        (modules(0.1, weights.GAIN_NOISE - 1, 0.1), Severity.WARNING, weights.GAIN_NOISE - 1, weights.GAIN_ODD, 0.7),
        (modules(1000, 0.1, 0.1), Severity.WARNING, 1000, weights.GAIN_ODD, 0.7),  # a key
        (gains(weights.MEDIAN_NOISE), Severity.ERROR, weights.MEDIAN_NOISE, weights.MEDIAN_NOISE, 0.95),
        (gains(3.0), Severity.WARNING, 3.0, weights.MEDIAN_ODD, 0.7),
    ],
)
def test_how_far_a_gain_goes(evidence, severity, value, limit, sure):
    (sign,) = signs(weights.exploded, evidence)
    assert (sign.severity, sign.value, sign.limit, sign.confidence) == (severity, value, limit, sure)


def test_random_weights_from_their_own_median_on(monkeypatch):
    monkeypatch.setattr(weights, "is_by_chance", lambda checkpoint: True)
    (ruined,) = signs(weights.exploded, gains(weights.MEDIAN_BY_CHANCE))
    assert (ruined.severity, ruined.limit) == (Severity.ERROR, weights.MEDIAN_BY_CHANCE)
    assert signs(weights.exploded, gains(weights.MEDIAN_BY_CHANCE - EPS)) == []


@pytest.mark.parametrize(("gain", "severity"), [(weights.GAIN_CERTAIN_DEATH, None), (1.29, Severity.WARNING)])
def test_a_harsh_initialisation_is_certain_death_from_a_gain_on(gain, severity):
    (sign,) = signs(weights.ruined_by_its_initialisation, initialised(gain))
    assert (sign.severity, sign.value, sign.limit) == (severity, gain, weights.GAIN_HARMLESS)


def test_the_jump_is_from_the_largest_gain_before():
    assert signs(weights.exploding, gains(1.0, 0.2, 2.9)) == []
    (sign,) = signs(weights.exploding, gains(0.2, 1.0, 3.1))
    assert (sign.step, sign.limit, sign.confidence) == (1500, weights.GROWTH * 1.0, weights.SURE)
    assert "from 1 to 3.1" in sign.message


def test_updates_must_jump_tenfold_with_the_weights_half_as_large_again():
    def moved(times, grown):
        calm = [checkpoint(500 * i, rms=0.01, drift=1e-4) for i in (1, 2, 3, 4)]
        return signs(weights.exploding, of(*calm, checkpoint(2500, rms=0.01 * grown, drift=1e-4 * times)))

    assert not moved(10, 2.0)
    assert moved(10.01, 2.0)
    assert not moved(20, 1.499)
    assert moved(20, 1.501)


def test_two_calm_updates_are_needed_to_tell_a_jump():
    def after(count):
        calm = [checkpoint(500 * i, rms=0.01, drift=1e-4) for i in range(1, count + 2)]
        return signs(weights.exploding, of(*calm, checkpoint(500 * (count + 2), rms=0.03, drift=1e-2)))

    assert not after(1)
    assert after(2)


def test_the_worst_tensor_and_the_share_are_told():
    made = checkpoint(500)
    few, half = replace(made.tensors[0], nan=2), replace(made.tensors[1], posinf=768, neginf=1)
    (sign,) = signs(weights.weights_not_finite, of(replace(made, tensors=(few, half, *made.tensors[2:]))))
    assert sign.message == "768 +Inf and 1 -Inf (50.1%) in 768.k.linear.0.bias at step 500, 2 tensors in all"
    assert sign.value == 771
    small, share = (spoilt(nan=count) for count in (1179, 1180))
    assert "1,179 NaN of 1,179,648" in signs(weights.weights_not_finite, small)[0].message
    assert "1,180 NaN (0.1%)" in signs(weights.weights_not_finite, share)[0].message


def test_severities_of_idle_networks():
    (ceased,) = signs(idle.no_effect, gains(0.1, 0.0))
    assert (ceased.severity, ceased.step) == (None, 1000)
    (over,) = signs(idle.no_effect, gains(0.0, 0.1))
    assert (over.severity, over.step) == (Severity.WARNING, 500)
    (some,) = signs(idle.no_effect, modules(0.1, 0.0))
    assert (some.severity, some.message) == (Severity.WARNING, "768.v does nothing at step 500, others do")
    (both,) = signs(idle.no_effect, modules(0.0, 0.0, 0.1))
    assert "768.k, 768.v do nothing" in both.message


def test_optimizer_states_say_what_is_wrong_with_them():
    (grave,) = signs(optimizers.optimizer_state_unfit, optimised(nonfinite=7))
    assert (grave.severity, grave.value, grave.limit) == (Severity.ERROR, 7.0, 0.0)
    (empty,) = signs(optimizers.optimizer_state_unfit, optimised(tensors=0, zero_second_moment=1.0))
    assert (empty.severity, empty.message) == (Severity.INFO, "a-500.pt.optim: it holds no moments at all")
    (later,) = signs(optimizers.optimizer_state_unfit, optimised(step=900))
    assert (later.value, later.limit) == (900.0, 500.0)
    assert "counted 900 steps, its network 499" in later.message
    (cut,) = signs(optimizers.optimizer_state_unfit, optimised(unreadable="cut short", nonfinite=3))
    assert cut.message == "a-500.pt.optim: cut short"
    both = signs(optimizers.optimizer_state_unfit, optimised(nonfinite=1, misfits=2))
    assert len(both) == 2
