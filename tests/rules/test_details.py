"""Initialisations, sizes, distances and words: small things that rules rest on."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hndoctor.records import (
    ModuleVitals,
    Refusal,
    Settings,
    Severity,
    Vitals,
)
from hndoctor.rules import (
    alignment,
    previews,
    sizes,
    stretches,
)
from hndoctor.rules import files as filed
from hndoctor.rules._previews_alike import SAME, previews_as_before_training
from hndoctor.rules._previews_distance import composition_distance, distance, diversity
from hndoctor.rules._previews_made import negative_prompt_used
from hndoctor.rules._previews_relative import differences
from hndoctor.rules.initial import SIGMAS, initial_std, is_at_its_initialisation
from hndoctor.rules.pace import paces
from hndoctor.rules.spoken import spoken
from tests.makers import a_checkpoint, a_preview, an_optimizer, unreadable
from tests.rules.makers import checkpoint, each_module, signs, tensor, vitals

EPS = 1e-6


# --- initialisations --------------------------------------------------------------------------------------------------


def test_spreads_of_initialisations():
    matrix, bias = tensor("768.k.linear.0.weight", (30, 20), 1), tensor("768.k.linear.0.bias", (30,), 1)
    layer_norm = tensor("768.k.linear.1.weight", (30,), 1)
    odd = replace(matrix, shape=(3, 4, 5))
    assert initial_std(matrix, "Normal") == initial_std(layer_norm, "XavierNormal") == 0.01
    assert initial_std(matrix, "XavierUniform") == pytest.approx(math.sqrt(2 / 50))
    assert initial_std(matrix, "KaimingNormal") == pytest.approx(math.sqrt(2 / 20))
    assert initial_std(bias, "Normal") is initial_std(matrix, "other") is initial_std(odd, "XavierNormal") is None


def test_untouched_is_as_drawn_and_without_a_bias_that_moved():
    def fresh(off=0.0, bias=0.0):
        count = 1536 * 768
        error = SIGMAS / math.sqrt(2 * count) + 1e-4
        made = checkpoint(500)
        tensors = tuple(
            tensor(t.name, t.shape, 0.01 * (1 + off * error))
            if t.name.endswith("weight")
            else tensor(t.name, t.shape, bias)
            for t in made.tensors
        )
        return is_at_its_initialisation(replace(made, tensors=tensors))

    assert fresh()
    assert fresh(0.99)
    assert fresh(-0.99)
    assert not fresh(1.01)
    assert not fresh(-1.01)
    assert not fresh(bias=1e-6)
    assert not is_at_its_initialisation(replace(checkpoint(500), tensors=()))


# --- sizes ------------------------------------------------------------------------------------------------------------


def fits(widths, model):
    made = replace(checkpoint(500), modules=tuple(ModuleVitals(w, "k", 0.1) for w in widths))
    return [
        (s.message.split(":")[0].split(" at ")[0], s.severity)
        for s in signs(sizes.sizes_do_not_fit_the_base_model, vitals(made, settings=Settings(model_name=model)))
    ]


@pytest.mark.parametrize(
    ("widths", "model", "said"),
    [
        ((320, 768), "v1-5-pruned.ckpt", None),
        ((320, 1024), "v1-5-pruned.ckpt", ("it has size 1024, Stable Diffusion 1 reads captions through 768", None)),
        ((320, 768), "folder/sd_xl_base", ("it has size 768, Stable Diffusion XL reads captions through 2048", None)),
        ((320, 768, 1024), "mine", ("it has sizes 768 and 1024", Severity.INFO)),
        ((320, 1024, 2048), "v2-1", ("it has sizes 1024 and 2048", Severity.INFO)),
        (
            (320, 640),
            "mine",
            ("it has no size for captions (768, 1024 or 2048), only for self-attention", Severity.INFO),
        ),
        ((320, 500), "mine", None),
        ((255,), "v1-5", None),
        ((), "v1-5", None),
    ],
)
def test_sizes_against_the_base_model(widths, model, said):
    assert fits(widths, model) == ([said] if said else [])


# --- words and small things -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("a gain of 4.32e+03", "a gain of 4,320"),
        ("1e+08 and 1e+09", "100,000,000 and 1e+09"),
        ("320.k", "the key network of size 320"),
    ],
)
def test_numbers_and_modules_in_words(message, said):
    assert spoken(message) == said


def test_where_a_stretch_lies():
    first, second = a_checkpoint(9000), a_checkpoint(None)
    assert stretches.Stretch((first,), True).where == "at step 9,000"
    assert stretches.Stretch((second,), False).where == "in x.pt"
    assert stretches.Stretch((first, second), True).where == "from step 9,000 to the end (2 checkpoints)"
    assert stretches.Stretch((second, first), False).where == "from x.pt to step 9,000 (2 checkpoints)"


def test_chance_from_its_bound_on(monkeypatch):
    for value, said in ((alignment.BY_CHANCE - EPS, True), (alignment.BY_CHANCE, False), (None, False)):
        monkeypatch.setattr(alignment, "alignment", lambda checkpoint, value=value: value)
        assert alignment.is_by_chance(a_checkpoint(500)) is said


def shown(step, *fingerprint, **scores):
    return replace(a_preview(step), fingerprint=fingerprint, scores=scores, noise=0.0)


def test_distances_of_fingerprints():
    black, white, red = (shown(1, *values) for values in ((0, 0, 0) * 2, (1, 1, 1) * 2, (1, 0, 0) * 2))
    assert distance(black, white) == 1
    assert distance(black, red) == pytest.approx(math.sqrt(1 / 3))
    assert distance(black, shown(1)) is distance(shown(1), black) is None
    left, right = shown(1, 1, 1, 1, 0, 0, 0), shown(1, 0, 0, 0, 1, 1, 1)
    assert composition_distance(left, right) == pytest.approx(math.sqrt(2))
    assert composition_distance(left, left) == pytest.approx(0, abs=1e-6)
    assert composition_distance(left, black) == 0
    assert composition_distance(left, shown(1)) is None
    faint = shown(1, 0.6, 0.6, 0.6, 0.5, 0.5, 0.5)
    assert composition_distance(left, faint) == pytest.approx(0, abs=1e-6), "blind to contrast"
    green, blue = shown(1, 0, 0.5, 0, 0, 0, 0, 0, 0, 0), shown(1, 0, 0, 0, 0, 0, 0.5, 0, 0, 0)
    r = -0.5  # of (2, -1, -1) and (-1, 2, -1), whatever each is scaled by
    assert composition_distance(green, blue) == pytest.approx(math.sqrt(1 - r))
    mixed = shown(1, 1, 0, 0, 0, 1, 0, 0, 0, 1)
    luma = [0.299, 0.587, 0.114]
    ramp = [0.0, 0.5, 1.0]
    told = shown(1, *(v for value in ramp for v in (value,) * 3))
    mean = sum(luma) / 3
    up = sum((a - mean) * (b - 0.5) for a, b in zip(luma, ramp, strict=True))
    r = up / math.sqrt(sum((a - mean) ** 2 for a in luma) * 0.5)
    assert composition_distance(mixed, told) == pytest.approx(math.sqrt(1 - r))


def test_diversity_is_the_mean_over_pairs():
    three = [shown(1, value) for value in (0.0, 0.3, 0.9)]
    assert diversity(three) == pytest.approx((0.3 + 0.9 + 0.6) / 3)
    assert diversity(three[:1]) is None


def test_a_picture_as_before_training():
    def same(apart, **scores):
        first, last = (
            shown(0, 0.5, 0.5, 0.5, contrast=0.2),
            shown(900, *(0.5 + apart,) * 3, **{"contrast": 0.2, **scores}),
        )
        return signs(previews_as_before_training, Vitals("r", "x", previews=(first, last)))

    assert same(SAME - EPS)
    assert not same(SAME + EPS)
    assert same(0.0, contrast=0.2019)
    assert not same(0.0, contrast=0.2021)


def test_a_long_negative_prompt_is_shortened():
    def quoted(text):
        vitals = Vitals("r", "x", previews=(replace(a_preview(1), negative_prompt=text, scores={"contrast": 0.2}),))
        return [sign.message.partition('"')[2].rpartition('"')[0] for sign in signs(negative_prompt_used, vitals)]

    assert quoted("a" * 40) == ["a" * 40]
    assert quoted("a" * 41) == ["a" * 39 + "…"]
    assert quoted("bad \n hands") == ["bad hands"]
    assert quoted("  ") == []


def blank(contrast, **more):
    scores = {"contrast": contrast, "immerkaer_sigma": 0.0, "brightness": 0.5}
    return Vitals("r", "x", previews=(replace(a_preview(500), scores=scores),), **more)


def test_whose_fault_a_blank_picture_is():
    (alone,) = signs(previews.blank_preview, blank(0.0))
    assert (alone.confidence, alone.severity) == (0.7, None)
    (sound,) = signs(previews.blank_preview, blank(0.0, checkpoints=(a_checkpoint(500),)))
    assert (sound.confidence, sound.severity) == (0.9, Severity.WARNING)
    for field in ("nan", "posinf", "neginf"):
        made = a_checkpoint(500)
        made = replace(made, tensors=(replace(made.tensors[0], **{field: 1}),))
        (ruined,) = signs(previews.blank_preview, blank(0.0, checkpoints=(made,)))
        assert (ruined.confidence, ruined.severity) == (1.0, None)


def test_refusals_go_to_their_own_rules():
    kinds = {
        Refusal.UNSAFE: filed.unsafe_file,
        Refusal.DAMAGED: filed.damaged_file,
        Refusal.FOREIGN: filed.not_a_checkpoint,
        Refusal.WRITING: filed.still_being_written,
    }
    for kind, law in kinds.items():
        vitals = Vitals("r", "x", unreadable=(unreadable(500, kind),))
        assert [signs(other, vitals) != [] for other in kinds.values()] == [other is law for other in kinds.values()]
        (sign,) = signs(law, vitals)
        assert (sign.message, sign.step) == ("x-500.pt: it ends in the middle of a tensor", 500)


def test_reasons_of_loaders_are_told_once_with_their_files():
    wrapping = "web UI: a name is not on its list"
    files = (replace(a_checkpoint(500), refused_by=(wrapping,)), replace(a_checkpoint(1000), refused_by=(wrapping,)))
    (sign,) = signs(filed.a_loader_will_refuse_it, Vitals("r", "x", checkpoints=files))
    assert sign.message == "web UI will refuse 2 checkpoints, from x-500.pt on: a name is not on its list"
    assert (sign.step, sign.severity) == (500, Severity.INFO)
    faulty = (replace(files[0], refused_by=("web UI: its layers do not fit",)),)
    (sign,) = signs(filed.a_loader_will_refuse_it, Vitals("r", "x", checkpoints=faulty))
    assert (sign.message, sign.severity) == ("web UI will refuse x-500.pt: its layers do not fit", None)
    other = (replace(files[0], refused_by=("ComfyUI: its layers do not fit",)),)
    assert signs(filed.a_loader_will_refuse_it, Vitals("r", "x", checkpoints=other))[0].severity is Severity.INFO


def test_the_web_uis_habit_of_pairs_is_a_note():
    def pairs(*hashes, provenance="web UI, 2022", final=False, **more):
        told = {"hash_matches": False, "hash_generation": 2} | more
        files = [
            replace(a_checkpoint(500 * n), optimizer=an_optimizer(hash=one, **told), provenance=provenance)
            for n, one in enumerate(hashes, 1)
        ]
        files[-1] = replace(files[-1], step=None) if final else files[-1]
        (sign,) = signs(filed.optimizer_state_of_another_network, Vitals("r", "x", checkpoints=tuple(files)))
        return sign.severity, sign.value

    assert pairs("a", "a") == (Severity.INFO, 2.0)
    assert pairs("a", "b") == (None, 2.0)
    assert pairs("a", "a", final=True) == (None, 2.0)
    assert pairs("a", provenance="kohya") == (None, 1.0)
    assert pairs("a", "a", hash_generation=1) == (None, 2.0), "then it hashed the file that it had just written"


@pytest.mark.parametrize(("matching", "severity"), [(500, None), (1500, Severity.INFO)])
def test_where_an_earlier_pair_fits_it_is_no_habit(matching, severity):
    """The last of a web UI's pairs fits, those before it do not."""
    files = [
        replace(
            a_checkpoint(step),
            optimizer=an_optimizer(hash_matches=step == matching, hash_generation=2),
            provenance="web UI, 2023",
        )
        for step in (500, 1000, 1500)
    ]
    (sign,) = signs(filed.optimizer_state_of_another_network, Vitals("r", "x", checkpoints=tuple(files)))
    assert (sign.severity, sign.value) == (severity, 2.0)


def test_settings_that_are_equal_do_not_differ():
    def made(prompt, seed):
        return replace(a_preview(500), prompt=prompt, seed=seed)

    assert differences(made("a house", 12345), made("".join(["a ", "house"]), int("12345"))) == ()
    assert differences(made("a house", 12345), made("a tree", 12346)) != ()


def test_files_of_one_step_have_no_pace():
    first, second = (replace(each_module(checkpoint(500), update_rms=1e-3), path=path) for path in "ab")
    assert paces(vitals(first, second)) == ()
    (found,) = paces(vitals(first, each_module(checkpoint(1000), update_rms=1e-3)))
    assert found.per_step == pytest.approx(found.ratio / 500)
    assert found.speed == pytest.approx(1e-3 / 500)
    assert found.per_dose is None
