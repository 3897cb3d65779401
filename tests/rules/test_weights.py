"""HN1xx: each rule fires on its complaint, and is silent on a sound run."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hndoctor.records import LossPoint, NetworkMetadata, Refusal, Settings, Severity
from hndoctor.rules import idle, optimizers, sizes, units, weights
from hndoctor.rules.pace import paces
from hndoctor.rules.weights import RULES_WEIGHTS
from tests.rules.makers import checkpoint, course, each_module, first_tensor, optimizer, signs, tensor, vitals

SOUND = course(0.1, 0.12, 0.15, 0.2, 0.26)
PAIRED = vitals(*(replace(c, optimizer=optimizer(c.step)) for c in SOUND.checkpoints))


@pytest.mark.parametrize("law", RULES_WEIGHTS, ids=lambda law: law.code)
def test_silent_on_a_sound_run(law):
    assert signs(law, SOUND) == []
    assert signs(law, PAIRED) == []
    assert signs(law, vitals()) == []


@pytest.mark.parametrize("law", RULES_WEIGHTS, ids=lambda law: law.code)
def test_every_rule_has_a_manual(law):
    assert law.title.endswith(".")
    assert len(law.manual.splitlines()) >= 4


def test_codes_are_single():
    assert len({law.code for law in RULES_WEIGHTS}) == len(RULES_WEIGHTS)


# --- HN101 to HN103 ---------------------------------------------------------------------------------------------------


def test_one_nan_is_found_and_placed():
    good, bad = checkpoint(500), first_tensor(checkpoint(1000), nan=3)
    (sign,) = signs(weights.weights_not_finite, vitals(good, bad))
    assert (sign.step, sign.value, sign.limit) == (1000, 3.0, 0.0)
    assert sign.subject == "hypernetworks/a-1000.pt"
    assert "3 NaN of 1,179,648 in 768.k.linear.0.weight at step 1,000" in sign.message


def test_a_stretch_is_one_finding_and_recovery_begins_another():
    ill = [first_tensor(checkpoint(s), posinf=1179648) for s in (1000, 1500, 2500)]
    run = vitals(checkpoint(500), ill[0], ill[1], checkpoint(2000), ill[2])
    first, second = signs(weights.weights_not_finite, run)
    assert "100.0%" in first.message
    assert "from step 1,000 to step 1,500 (2 checkpoints)" in first.message
    assert second.step == 2500


def test_nan_in_a_lora_is_found_too():
    lora = replace(checkpoint(500), partial="a LoRA", modules=())
    assert signs(weights.weights_not_finite, vitals(first_tensor(lora, neginf=1)))


@pytest.mark.parametrize(
    ("gain", "severity"),
    [
        (0.5, None),
        (1.9, None),
        (2.0, Severity.WARNING),
        (4.1, Severity.WARNING),
        (8.0, Severity.ERROR),
        (900, Severity.ERROR),
    ],
)
def test_absolute_gain(gain, severity):
    found = signs(weights.exploded, course(gain))
    assert [sign.severity for sign in found] == ([severity] if severity else [])


@pytest.mark.parametrize(("gain", "severity"), [(14.0, Severity.WARNING), (33.0, Severity.ERROR)])
def test_one_module_in_the_range_of_noise_is_enough(gain, severity):
    """Sound runs of the lab reach 17 in one of eight modules; no values of a sound one have reached 32."""
    one = checkpoint(500)
    one = replace(one, modules=(replace(one.modules[0], gain=0.3), replace(one.modules[1], gain=gain)))
    (sign,) = signs(weights.exploded, vitals(one))
    assert sign.severity is severity
    assert f"768.v adds {gain:g} times its input" in sign.message


def test_random_weights_ruin_at_a_smaller_gain_than_learned_ones():
    """Random weights of RMS .07 have a gain of .07^2 x 768 = 3.8; of RMS .0103 it takes training to have 3.4."""
    (random,) = signs(weights.exploded, course(3.4, rms=0.07))
    assert (random.severity, random.value, random.limit) == (Severity.ERROR, 3.4, 2.0)
    assert "as good as random" in random.message
    (learned,) = signs(weights.exploded, course(3.4))
    assert learned.severity is Severity.WARNING
    assert signs(weights.exploded, course(1.9, rms=0.05)) == []


def test_behind_a_layer_norm_nothing_is_said_of_chance():
    norm = NetworkMetadata(activation_func="relu", layer_structure=(1, 2, 1), is_layer_norm=True)
    (sign,) = signs(weights.exploded, course(3.4, rms=0.07, metadata=norm))
    assert sign.severity is Severity.WARNING


def test_uniform_explosion_is_seen_even_where_the_gain_is_hidden():
    (sign,) = signs(weights.exploded, course(0.1, rms=100.0))
    assert sign.severity is Severity.ERROR
    assert (sign.value, sign.limit) == (100.0, 1.0)


def test_a_rise_is_a_warning_and_then_an_error():
    first, second = signs(weights.exploded, course(0.2, 2.5, 9.0, 30.0))
    assert (first.severity, first.step) == (Severity.ERROR, 1500)
    assert "to the end (2 checkpoints), the largest gain 30" in first.message
    assert (second.severity, second.step) == (Severity.WARNING, 1000)


def test_a_single_large_weight():
    (sign,) = signs(weights.exploded, vitals(first_tensor(checkpoint(500), max_abs=7.0)))
    assert (sign.severity, sign.value) == (Severity.WARNING, 7.0)


def test_a_jump_of_the_gain_against_the_run_itself():
    (sign,) = signs(weights.exploding, course(0.1, 0.3, 0.5, 1.9))
    assert (sign.step, sign.value) == (2000, 1.9)
    assert sign.limit == pytest.approx(1.5)
    assert signs(weights.exploding, course(0.01, 0.1, 0.45)) == []
    assert signs(weights.exploding, course(0.1, 0.12, 0.54, 0.7)) == []  # a network that learns


def test_a_jump_of_the_updates():
    calm = [checkpoint(500 * i, rms=0.01, drift=1e-4) for i in (1, 2, 3, 4)]
    wild = checkpoint(2500, rms=0.03, drift=2e-2)
    (sign,) = signs(weights.exploding, vitals(*calm, wild))
    assert sign.step == 2500
    assert "200 times as far" in sign.message
    assert signs(weights.exploding, vitals(*calm, checkpoint(2500, rms=0.011, drift=2e-2))) == []


def test_a_raised_rate_explains_a_jump():
    calm = [checkpoint(500 * i, rms=0.01, drift=1e-4) for i in (1, 2, 3, 4)]
    wild = checkpoint(2500, rms=0.03, drift=2e-2)
    rates = [LossPoint(500 * i, 0.1, 5e-6) for i in (1, 2, 3, 4)]
    (raised,) = signs(weights.exploding, vitals(*calm, wild, losses=(*rates, LossPoint(2500, 0.1, 5e-3))))
    assert raised.confidence < 0.8
    assert "0.067 times per unit of learning-rate dose" in raised.message
    (sudden,) = signs(weights.exploding, vitals(*calm, wild, losses=(*rates, LossPoint(2500, 0.1, 5e-6))))
    assert sudden.confidence == 0.8


def test_the_pace_of_updates():
    first, second = checkpoint(500, rms=0.01, drift=None), checkpoint(1500, rms=0.02, drift=1e-3)
    (pace,) = paces(vitals(first, second, losses=(LossPoint(500, 0.1, 1e-5), LossPoint(1500, 0.1, 1e-5))))
    assert pace.ratio == pytest.approx(1e-3 / 0.02)
    assert pace.per_step == pytest.approx(1e-3 / 0.02 / 1000)
    assert pace.per_dose == pytest.approx(1e-3 / 0.02 / (1000 * 1e-5))
    assert paces(vitals(first, second))[0].per_dose is None
    assert paces(vitals(second, first)) == ()


# --- HN104 to HN107 ---------------------------------------------------------------------------------------------------


def test_a_network_without_effect():
    (sign,) = signs(idle.no_effect, course(0.1, 5e-5, 0.0))
    assert (sign.step, sign.limit) == (1000, 1e-4)
    assert "from step 1,000 to the end (2 checkpoints)" in sign.message
    assert (idle.no_effect.severity, sign.severity) == (Severity.ERROR, None)
    (sign,) = signs(idle.no_effect, course(0.0, 0.1))
    assert sign.severity is Severity.WARNING


def test_one_module_without_effect():
    one = checkpoint(500)
    one = replace(one, modules=(replace(one.modules[0], gain=0.0), one.modules[1]))
    (sign,) = signs(idle.no_effect, vitals(one))
    assert sign.message == "768.k does nothing at step 500, others do"
    assert sign.severity is Severity.WARNING


def untouched(name, step, n=(1.0, 1.0)):
    """A network as it was created."""
    stds = {"Normal": (0.01, 0.01), "XavierNormal": (math.sqrt(2 / 2304),) * 2}
    stds["KaimingUniform"] = (math.sqrt(2 / 768), math.sqrt(2 / 1536))
    first, second = (std * factor for std, factor in zip(stds[name], n, strict=True))
    tensors = (
        tensor("768.k.linear.0.weight", (1536, 768), first),
        tensor("768.k.linear.0.bias", (1536,), 0.0),
        tensor("768.k.linear.1.weight", (768, 1536), second),
        tensor("768.k.linear.1.bias", (768,), 0.0),
    )
    return checkpoint(step, metadata=NetworkMetadata(weight_initialization=name), tensors=tensors)


def spread(at, *varied, gain=0.1):
    """A checkpoint whose modules' effects differ so much from context to context."""
    made = checkpoint(at, gain)
    return replace(made, modules=tuple(replace(m, varied=v) for m, v in zip(made.modules, varied, strict=True)))


def test_a_module_that_does_nothing_is_told_from_its_first_checkpoint_on():
    half = [replace(c, modules=(replace(c.modules[0], gain=0.0), c.modules[1])) for c in course(0.1, 0.1).checkpoints]
    (sign,) = signs(idle.no_effect, vitals(checkpoint(100), *half))
    assert sign.step == 500
    assert sign.message == "768.k does nothing from step 500 to the end (2 checkpoints), others do"
    assert sign.severity is Severity.WARNING


def test_the_same_for_every_context():
    (sign,) = signs(idle.the_same_for_every_context, vitals(spread(500, 0.1, 0.1), spread(1000, 0.0, 9e-5)))
    assert (sign.step, sign.value, sign.severity) == (1000, 9e-5, None)
    assert sign.message == "every module adds the same to every context at step 1,000"
    assert idle.the_same_for_every_context.severity is Severity.ERROR
    (sign,) = signs(idle.the_same_for_every_context, vitals(spread(500, 0.0, 0.1)))
    assert (sign.severity, sign.message) == (Severity.WARNING, "768.k adds the same to every context at step 500")
    (sign,) = signs(idle.the_same_for_every_context, vitals(spread(500, 0.0, 0.0), spread(1000, 0.1, 0.1)))
    assert sign.severity is Severity.WARNING


@pytest.mark.parametrize("varied", [None, 1.1e-4])
def test_effects_that_differ_or_are_not_known_are_no_sameness(varied):
    assert signs(idle.the_same_for_every_context, vitals(spread(500, varied, varied))) == []
    assert signs(idle.the_same_for_every_context, vitals(spread(500, 0.0, 0.0, gain=0.0))) == []  # HN104's


@pytest.mark.parametrize("name", ["Normal", "XavierNormal", "KaimingUniform"])
def test_untouched_weights(name):
    (sign,) = signs(idle.still_at_its_initialisation, vitals(untouched(name, 5000)))
    assert sign.severity is None
    assert sign.message == f"{name} initialisation, untouched after 4,999 steps"
    (fresh,) = signs(idle.still_at_its_initialisation, vitals(untouched(name, 1)))
    assert fresh.severity is Severity.INFO
    assert signs(idle.still_at_its_initialisation, vitals(untouched(name, 5000, (1.0, 1.02)))) == []


def test_k_and_v_alike():
    made = checkpoint(500)
    half = made.tensors[:4]
    twins = tuple(replace(t, name=t.name.replace(".k.", ".v.")) for t in half)
    (sign,) = signs(idle.k_and_v_identical, vitals(replace(made, tensors=half + twins)))
    assert "size 768 at step 500" in sign.message
    assert signs(idle.k_and_v_identical, vitals(untouched("Normal", 5))) == []


def test_weights_that_do_not_change():
    still = [each_module(checkpoint(s), update_rms=0.0) for s in (1000, 1500)]
    (sign,) = signs(idle.not_changing, vitals(checkpoint(500), *still, checkpoint(2000)))
    assert sign.step == 1000
    assert "from step 1,000 to step 1,500" in sign.message
    copy = each_module(replace(checkpoint(500), step=None, path="a.pt"), update_rms=0.0)
    assert signs(idle.not_changing, vitals(checkpoint(500), copy)) == []
    last = replace(copy, stored_step=checkpoint(500).stored_step + 1)  # the web UI's own last file: one step more
    assert signs(idle.not_changing, vitals(checkpoint(500), last)) == []
    later = replace(copy, stored_step=checkpoint(500).stored_step + 2)
    assert len(signs(idle.not_changing, vitals(checkpoint(500), later))) == 1


def shrinking(*rest):
    """Checkpoints of which this share of gain and weights is left."""
    return vitals(*(checkpoint(500 * i, 0.3 * gain, 0.01 * rms) for i, (gain, rms) in enumerate(rest, 1)))


def test_a_network_that_fades_is_told_and_one_of_which_nothing_is_left_is_an_error():
    (sign,) = signs(idle.fading, shrinking((1, 1), (0.5, 0.8), (0.3, 0.7), (0.1, 0.5)))
    assert (sign.step, sign.severity, sign.limit) == (1500, None, idle.FADED_GAIN)
    assert sign.message == "the network's effect has shrunk to 10.0% of what it was at step 2,000"
    assert sign.value == pytest.approx(0.1)
    (sign,) = signs(idle.fading, shrinking((1, 1), (0.3, 0.7), (0.04, 0.5)))
    assert (sign.step, sign.severity, sign.limit) == (1000, Severity.ERROR, idle.FADED_AWAY)
    (sign,) = signs(idle.fading, shrinking((1, 1), (0.04, 0.5), (1, 1)))
    assert sign.severity is None


@pytest.mark.parametrize(
    "rest",
    [
        ((1, 1), (0.34, 0.1)),
        ((1, 1), (0.1, 0.76)),  # learned to do less, with weights as large: no fading
        ((3e-4, 1), (1e-5, 0.1)),  # it never did anything (HN104)
        ((20, 30), (1, 1)),  # an explosion that is over
    ],
)
def test_what_has_not_shrunk_or_had_exploded_does_not_fade(rest):
    assert signs(idle.fading, shrinking(*rest)) == []


def test_what_some_modules_keep_is_not_fading():
    """RMSprop at 3e-2 on the pocket model: after an explosion the keys are gone, and the values hold the style."""
    course = shrinking((1, 1), (0.2, 0.5), (0.01, 0.4)).checkpoints
    alive = tuple(
        replace(c, modules=tuple(replace(m, gain=0.15) if m.side == "v" else m for m in c.modules)) for c in course
    )
    assert signs(idle.fading, vitals(*alive)) == []


# --- HN108 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "gain", "severity"),
    [
        ("KaimingUniform", 2.0, None),
        ("XavierNormal", 0.94, Severity.WARNING),
        ("XavierNormal", 0.3, "silent"),
        ("Normal", 2.0, "silent"),
    ],
)
def test_ruined_by_its_initialisation(name, gain, severity):
    first = each_module(untouched(name, 500), gain=gain)
    found = signs(weights.ruined_by_its_initialisation, vitals(first, checkpoint(1000)))
    assert [sign.severity for sign in found] == ([] if severity == "silent" else [severity])


def test_a_layer_norm_shields_and_later_growth_is_another_matter():
    shielded = each_module(untouched("KaimingUniform", 500), gain=2.0)
    shielded = replace(shielded, metadata=replace(shielded.metadata, is_layer_norm=True))
    assert signs(weights.ruined_by_its_initialisation, vitals(shielded)) == []
    grown = each_module(untouched("XavierNormal", 500, (3.0, 3.0)), gain=9.0)
    assert signs(weights.ruined_by_its_initialisation, vitals(grown)) == []


# --- HN109 to HN114 ---------------------------------------------------------------------------------------------------


def with_norm(step, rms):
    extra = (tensor("768.k.linear.2.weight", (1536,), rms), tensor("768.k.linear.2.bias", (1536,), 1e-3))
    made = checkpoint(step, metadata=NetworkMetadata(activation_func="relu", is_layer_norm=True))
    return replace(made, tensors=made.tensors + extra)


def test_a_layer_norm_that_never_left_its_start():
    (sign,) = signs(units.layer_norm_holds_it_back, vitals(with_norm(5000, 0.011)))
    assert sign.value == 0.011
    assert signs(units.layer_norm_holds_it_back, vitals(with_norm(5000, 0.3))) == []
    assert signs(units.layer_norm_holds_it_back, vitals(with_norm(500, 0.011))) == []


def test_dead_outputs_and_dead_units():
    (sign,) = signs(units.dead_last_activation, vitals(each_module(checkpoint(500), dead_outputs=0.9)))
    assert (sign.value, sign.limit) == (0.9, 0.7)
    (sign,) = signs(units.dead_hidden_units, vitals(each_module(checkpoint(500), dead_units=0.75)))
    assert "75% of the hidden units of 768.v never fire" in sign.message
    assert signs(units.dead_hidden_units, vitals(each_module(checkpoint(500), dead_units=0.5))) == []


def test_too_large_for_half_precision():
    (sign,) = signs(units.too_large_for_half_precision, vitals(first_tensor(checkpoint(500), max_abs=7e4)))
    assert sign.value == 7e4
    lora = replace(first_tensor(checkpoint(500), max_abs=7e4), partial="a LoRA", modules=())
    assert signs(units.too_large_for_half_precision, vitals(lora)), "a number is a number in any file"


def test_an_unknown_gain_is_not_silent_unless_nan_explains_it():
    unknown = each_module(checkpoint(500), gain=None)
    (sign,) = signs(units.effect_not_examined, vitals(unknown))
    assert "768.k, 768.v" in sign.message
    assert (units.effect_not_examined.severity, sign.severity) == (Severity.ERROR, None)
    (sign,) = signs(units.effect_not_examined, vitals(unknown, checkpoint(1000)))
    assert sign.severity is Severity.WARNING
    (sign,) = signs(units.effect_not_examined, vitals(first_tensor(unknown, nan=1)))
    assert "768.k" not in sign.message


@pytest.mark.parametrize(("apart", "told"), [(0.0, 1), (9e-4, 1), (1.2e-3, 0), (0.05, 0)])
def test_k_and_v_are_the_same_to_a_thousandth(apart, told):
    made = checkpoint(500)
    half = len(made.tensors) // 2
    twin = [
        replace(
            one,
            name=one.name.replace(".k.", ".v."),
            frobenius=one.frobenius * (1 + apart),
            max_abs=one.max_abs * (1 - apart),
        )
        for one in made.tensors[:half]
    ]
    same = replace(made, tensors=(*made.tensors[:half], *twin))
    assert len(signs(idle.k_and_v_identical, vitals(same))) == told


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({"nonfinite": 7}, Severity.ERROR, "7 moments are not finite"),
        ({"zero_second_moment": 1.0}, None, "no gradient ever came"),
        ({"tensors": 0}, Severity.INFO, "no moments"),
        ({"negative": 5}, Severity.ERROR, "5 of its mean squares are below zero"),
        ({"wrong": ("lr", "step")}, Severity.ERROR, "no optimizer can use: lr, step"),
        ({"misfits": 3}, None, "the moments of 3 parameters have another shape than the network's tensors"),
        ({"beyond": 2.1}, None, "its moments contradict each other: a weight would go 2.1 times as far as Adam can"),
        ({"parameters": 0}, None, "it is for 0 parameters, its network has 8"),
        ({"parameters": 9, "kept": 9}, None, "it is for 9 parameters, its network has 8"),
        ({"parameters": 8, "kept": 7}, Severity.INFO, "it holds moments of 7 of 8 parameters: the others begin anew"),
        ({"step": 900}, None, "has counted 900 steps, its network 499"),
        ({"unreadable": "it was cut short"}, None, "a-500.pt.optim: it was cut short"),
    ],
)
def test_unfit_optimizer_states(changes, severity, words):
    (sign,) = signs(optimizers.optimizer_state_unfit, vitals(checkpoint(500, optimizer=optimizer(500, **changes))))
    assert sign.severity is severity
    assert words in sign.message
    assert sign.subject == "hypernetworks/a-500.pt.optim"


def test_moments_may_go_as_far_as_adam_can_and_lost_ones_are_told_once():
    for changes, told in (({"beyond": optimizers.BEYOND}, 0), ({"beyond": 99.0, "zero_second_moment": 1.0}, 1)):
        state = optimizer(500, **changes)
        assert len(signs(optimizers.optimizer_state_unfit, vitals(checkpoint(500, optimizer=state)))) == told


@pytest.mark.parametrize("kept", [0, 8])
def test_a_state_of_all_parameters_or_of_none_is_fit(kept):
    """None of them: a state before its first step."""
    state = optimizer(500, parameters=8, kept=kept)
    assert signs(optimizers.optimizer_state_unfit, vitals(checkpoint(500, optimizer=state))) == []


def test_a_network_with_parts_that_are_never_trained_has_fewer_parameters():
    told = NetworkMetadata(skip_connection=True)
    made = checkpoint(500, optimizer=optimizer(500, parameters=7, kept=7), metadata=told)
    assert signs(optimizers.optimizer_state_unfit, vitals(made)) == []


def test_a_reset_optimizer_is_not_unfit():
    assert signs(optimizers.optimizer_state_unfit, vitals(checkpoint(900, optimizer=optimizer(900, step=20)))) == []


@pytest.mark.parametrize(
    ("refusal", "told"),
    [(None, [None]), (Refusal.DAMAGED, [None]), (Refusal.WRITING, [Severity.INFO]), (Refusal.UNSAFE, [])],
)
def test_a_state_that_cannot_be_read_is_told_by_its_kind(refusal, told):
    state = optimizer(500, unreadable="for a reason", refusal=refusal)
    found = signs(optimizers.optimizer_state_unfit, vitals(checkpoint(500, optimizer=state)))
    assert [sign.severity for sign in found] == told


@pytest.mark.parametrize(
    ("leap", "told"), [(None, []), (0.99, []), (1.0, [None]), (9.9, [None]), (10.0, [Severity.ERROR])]
)
def test_a_step_longer_than_the_weights(leap, told):
    made = checkpoint(500, rms=0.01)
    state = optimizer(500, update_rms=None if leap is None else leap * 0.01 * (1 + 1e-9))
    found = signs(optimizers.optimizer_state_unfit, vitals(replace(made, optimizer=state)))
    assert [sign.severity for sign in found] == told
    assert all("would move the weights by" in sign.message for sign in found)


# --- HN115 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "width"),
    [
        *((name, 768) for name in ("v1-5-pruned-emaonly", "sd-v1-4.ckpt [7460a6fa]", "sd15_model", "SD1.5", "nai")),
        *((name, 1024) for name in ("v2-1_768-ema-pruned", "sd2.1", "sd21_base", "stable-diffusion-2-base", "sd-v2")),
        *((name, 2048) for name in ("sd_xl_base_1.0", "stable-diffusion-xl-base-1.0")),
        *((name, None) for name in ("sd_2000steps", "mysd2023", "ssd-1b", "v2-anime-sd15", "nais-mix", "sd21style")),
    ],
)
def test_what_the_name_of_a_base_model_tells(name, width):
    assert sizes.text_width_of(name) == width


def of_sizes(*widths, **metadata):
    made = checkpoint(500, metadata=NetworkMetadata(activation_func="relu", layer_structure=(1, 2, 1), **metadata))
    return replace(
        made, modules=tuple(replace(made.modules[0], size=size, side=side) for size in widths for side in "kv")
    )


@pytest.mark.parametrize(
    ("name", "widths", "said"),
    [
        ("v2-1_768-ema-pruned.ckpt", (768, 320), "it has size 768, Stable Diffusion 2 reads captions through 1024"),
        (
            "models/sd_xl_base_1.0.safetensors",
            (768,),
            "it has size 768, Stable Diffusion XL reads captions through 2048",
        ),
        ("animefull-final-pruned", (1024,), "it has size 1024, Stable Diffusion 1 reads captions through 768"),
        ("anything-v3", (768, 1024, 320), "it has sizes 768 and 1024: no one model has both"),
        (None, (320, 640), "it has no size for captions (768, 1024 or 2048), only for self-attention"),
    ],
)
def test_sizes_that_do_not_fit(name, widths, said):
    run = vitals(of_sizes(*widths, sd_checkpoint_name=name), of_sizes(*widths, sd_checkpoint_name=name))
    (sign,) = signs(sizes.sizes_do_not_fit_the_base_model, run)
    assert sign.message == f"{said} at step 500"
    told = replace(vitals(of_sizes(768)), settings=Settings(model_name="stabilityai/stable-diffusion-2-1"))
    assert len(signs(sizes.sizes_do_not_fit_the_base_model, told)) == 1


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("v1-5-pruned-emaonly", (768, 320, 640, 1280)),
        ("anything-v2-1", (768,)),
        ("waifu-v2", (768,)),
        ("768-v-ema.ckpt", (1024, 320)),
        (None, (48, 80)),
        (None, (512,)),
        (None, (768, 512)),
    ],
)
def test_sizes_that_fit_or_say_nothing(name, widths):
    assert signs(sizes.sizes_do_not_fit_the_base_model, vitals(of_sizes(*widths, sd_checkpoint_name=name))) == []


@pytest.mark.parametrize(
    ("gain", "varied", "told"),
    [(0.5, 0.0499, True), (0.5, 0.0501, False), (0.499, 0.01, False), (20.0, 1.9, True), (20.0, None, False)],
)
def test_biases_that_drown_what_was_learned(gain, varied, told):
    k, v = checkpoint(500).modules
    made = replace(checkpoint(500), modules=(k, replace(v, gain=gain, varied=varied)))
    found = signs(idle.the_same_for_every_context, vitals(made))
    assert [sign.message for sign in found] == ["768.v adds nearly the same to every context at step 500"] * told
    assert [sign.severity for sign in found] == [Severity.WARNING] * told
    both = each_module(checkpoint(500), gain=gain, varied=varied)
    found = signs(idle.the_same_for_every_context, vitals(both))
    assert [sign.message.partition(" nearly")[0] for sign in found] == ["768.k, 768.v add"] * told
