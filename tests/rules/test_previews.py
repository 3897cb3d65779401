"""Each rule on previews fires where it should, and is silent where it should be."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from hndoctor.diagnose.noise import noise_of
from hndoctor.records import Checkpoint, NetworkMetadata, Preview, Severity, TensorVitals, Vitals
from hndoctor.rules._previews_distance import composition_distance, distance, diversity
from hndoctor.rules._previews_relative import (
    Group,
    References,
    change,
    comparable,
    comparable_series,
    differences,
    judged_grey,
    judged_noise,
    noise_probability,
    noise_seen,
    references_for,
    references_of,
)
from hndoctor.rules.engine import Rule, findings_of
from hndoctor.rules.previews import RULES_PREVIEWS

HEALTHY = {
    "broad_gradient_kurtosis": 8.0,
    "gradient_kurtosis": 12.0,
    "calm_tile_chroma": 0.01,
    "local_colour_entropy": 1.0,
    "joint_entropy": 6.0,
    "long_lag_autocorrelation": 0.4,
    "contrast": 0.3,
    "brightness": 0.5,
    "colourfulness": 40.0,
    "clipping": 0.02,
    "edge_overshoot": 0.2,
    "repetition": 0.2,
}
NOISY = {
    "broad_gradient_kurtosis": 3.0,
    "gradient_kurtosis": 3.2,
    "calm_tile_chroma": 0.2,
    "local_colour_entropy": 5.0,
    "joint_entropy": 11.5,
    "long_lag_autocorrelation": 0.0,
    "contrast": 0.45,
    "colourfulness": 80.0,
    "edge_overshoot": 0.6,
}
ODD = (0.2, 0.8, 0.5) * 64


def preview(step: int | None, share: float = 0.0, **fields) -> Preview:
    """A preview on its way from healthy (0) to noise (1)."""
    scores = {k: v + share * (NOISY.get(k, v) - v) for k, v in HEALTHY.items()} | fields.pop("scores", {})
    usual = {
        "path": f"images/n-{step}.png",
        "width": 512,
        "height": 512,
        "prompt": "a cat",
        "seed": 7,
        "sampler": "Euler a",
        "cfg_scale": 7.0,
        "clip_skip": 1,
        "negative_prompt": "",
        "noise": max(0.0005, min(0.9995, share)),
        "noise_share": share,
        "fingerprint": ODD,
    }
    return Preview(step=step, scores=scores, **(usual | fields))


def found(law: Rule, *previews: Preview, checkpoints=()):
    """What a rule says of these previews."""
    return list(findings_of(law, Vitals("run", "run", previews=previews, checkpoints=tuple(checkpoints))))


def law(code: str) -> Rule:
    """The rule of a code."""
    return next(r for r in RULES_PREVIEWS if r.code == code)


def checkpoint(step: int, nan: int) -> Checkpoint:
    """A checkpoint with so many NaN."""
    tensor = TensorVitals("768.k.linear.0.weight", (2, 2), "float32", 4, nan, 0, 0, 0, 1.0, 1.0, 1.0)
    return Checkpoint("n.pt", step, step - 1, 1, 0.0, "", "zip", "", NetworkMetadata(), (tensor,), ())


def test_codes_are_in_order_and_every_rule_has_a_manual():
    codes = [r.code for r in RULES_PREVIEWS]
    assert codes == [f"HN3{n:02d}" for n in range(1, len(codes) + 1)]
    assert all(r.needs == "previews" and len(r.manual.splitlines()) >= 3 for r in RULES_PREVIEWS)


@pytest.mark.parametrize("rule", RULES_PREVIEWS, ids=lambda r: r.code)
def test_a_healthy_run_is_left_alone(rule):
    course = [preview(s, fingerprint=tuple(v + s / 50_000 for v in ODD)) for s in (0, 500, 1000, 1500, 2000)]
    assert found(rule, *course) == []


@pytest.mark.parametrize("rule", RULES_PREVIEWS, ids=lambda r: r.code)
def test_nothing_measured_is_nothing_said(rule):
    assert found(rule) == []
    assert [f.code for f in found(rule, Preview("a.png", 5))] == []


# --- relative judgement


def test_noise_is_told_with_and_without_references():
    assert noise_probability(preview(500, 1.0)) > 0.95
    assert noise_probability(preview(500, 1.0), [preview(0)]) > 0.95
    assert noise_probability(preview(500, 0.0), [preview(0)]) < 0.05


def test_what_looked_like_noise_before_training_is_not_the_networks_doing():
    mosaic = preview(0, 1.0)
    assert noise_probability(preview(500, 1.0), [mosaic]) < 0.3


def _training(share):
    return tuple(preview(None, share, path=f"training/{k}.png", prompt=None, seed=None) for k in range(6))


def test_the_training_pictures_of_a_glitch_artist_are_normal():
    course = (preview(0), preview(500, 1.0))
    with_them = Vitals("run", "run", previews=course, training=_training(1.0))
    without = Vitals("run", "run", previews=course)
    assert judged_noise(course[1], references_of(course[1], without)).value > 0.95
    assert judged_noise(course[1], references_of(course[1], with_them)).value < 0.3


def test_training_pictures_that_are_sound_do_not_excuse_noise():
    course = (preview(0), preview(500, 1.0))
    vitals = Vitals("run", "run", previews=course, training=_training(0.0))
    assert judged_noise(course[1], references_of(course[1], vitals)).value > 0.9


def test_random_captions_are_judged_against_each_other():
    course = tuple(preview(500 * k, 1.0 if k == 6 else 0.0, prompt=f"caption {k}", seed=k) for k in range(1, 7))
    references = references_of(course[-1], Vitals("run", "run", previews=course))
    assert references.itself == ()
    assert [r.step for r in references.kind] == [500, 1000, 1500, 2000, 2500]
    assert judged_noise(course[-1], references).value > 0.9
    mosaics = tuple(preview(500 * k, 0.9, prompt=f"caption {k}", seed=k, noise=0.45) for k in range(1, 7))
    last = replace(mosaics[-1], noise=0.7)
    assert judged_noise(last, references_of(last, Vitals("run", "run", previews=mosaics))).value < 0.5


def test_references_narrow_the_interval():
    unsure = preview(500, 1.0, noise=0.8, noise_interval=(0.3, 0.98))
    alone, beside = (judged_noise(unsure, references_of(unsure, Vitals("r", "r", previews=(*first, unsure))))
                     for first in ((), (preview(0),)))  # fmt: skip
    assert (alone.low, alone.high) == (0.3, 0.98)
    assert beside.low <= beside.value <= beside.high


def test_change_is_signed_and_bounded():
    assert change(preview(1, 0.0), [preview(0, 0.0)]) == 0
    assert 2 < change(preview(1, 1.0), [preview(0, 0.0)]) <= 3
    assert change(preview(1, 0.0), [preview(0, 1.0)]) < -2
    assert change(Preview("x.png", 1), [preview(0)]) == 0


def test_probability_rises_with_severity():
    values = [noise_probability(preview(500, k / 10), [preview(0)]) for k in range(11)]
    assert values == sorted(values)


def test_references_are_comparable_and_of_step_zero():
    pictures = [preview(0), preview(500), preview(0, seed=8), preview(0, path="b.png")]
    assert [r.path for r in references_for(preview(1000), pictures)] == ["b.png", "images/n-0.png"]


def test_without_step_zero_the_earliest_sound_ones_serve():
    pictures = [preview(500), preview(1000, 1.0), preview(1500)]
    assert [r.step for r in references_for(preview(2000), pictures)] == [500]


def test_unknown_settings_do_not_forbid_comparison():
    assert comparable(preview(0, prompt=None, seed=None), preview(500))
    assert differences(preview(0), preview(1, seed=9, width=256)) == ("seed", "size")


# --- the rules


def test_noise_is_an_error_with_its_share():
    (finding,) = found(law("HN301"), preview(0), preview(500), preview(1000, 1.0, noise_share=0.93))
    assert (finding.step, finding.severity, finding.subject) == (1000, Severity.ERROR, "images/n-1000.png")
    assert "93%" in finding.message
    assert finding.confidence > 0.9


def test_noise_is_told_with_its_interval():
    (finding,) = found(law("HN301"), preview(500, 1.0, noise=0.97, noise_interval=(0.9, 0.99)))
    assert "(97%, 90% to 99%)" in finding.message
    assert finding.confidence == pytest.approx(0.9)  # judged alone: the lower end


def grey(grey_noise: float, share: float = 1.0, step: int = 500) -> Preview:
    """A preview that has moved as noise moves, and looks like noise without colour as far as is said."""
    return preview(step, share, noise=0.01, noise_share=0.0, grey_noise=grey_noise)


def test_grey_noise_is_named_unless_it_was_there_before():
    (finding,) = found(law("HN301"), preview(0), grey(0.9))
    assert finding.message == "the preview is noise in grey or in one tint"
    assert finding.value == pytest.approx(finding.confidence, abs=1e-4)
    assert found(law("HN301"), grey(0.8, step=0), grey(0.9)) == []


def test_what_looks_grey_but_has_not_changed_is_no_noise():
    """Gravel is gravel beside the gravel that the untrained network drew."""
    assert found(law("HN301"), preview(0), grey(0.9, share=0.0)) == []


def test_training_pictures_do_not_make_noise_of_a_clean_picture_that_is_unlike_them():
    """The base model's own, before the style is learned: as sure of grey noise as it is alone, and no more."""
    training = tuple(replace(preview(None), path=f"training/{i}.png") for i in range(4))
    judged = [judged_grey(grey(alone), References(kind=Group(training))) for alone in (0.02, 0.4, 0.9)]
    assert judged == pytest.approx([0.02, 0.4, 0.9], abs=0.1)


def test_training_pictures_of_grey_noise_make_it_normal():
    kind = tuple(replace(grey(0.9), path=f"training/{i}.png", step=None) for i in range(4))
    sound = tuple(replace(preview(None), path=f"training/{i}.png") for i in range(4))
    for training, expected in ((kind, 0), (sound, 1)):
        vitals = Vitals("run", "run", previews=(preview(0), grey(0.9)), training=training)
        assert len(list(findings_of(law("HN301"), vitals))) == expected


def test_pale_noise_that_looks_a_little_like_both_kinds_is_noise():
    alone = [preview(500, noise=0.4, grey_noise=0.0), preview(500, noise=0.0, grey_noise=0.3)]
    assert all(found(law("HN301"), one) == [] for one in alone)
    (finding,) = found(law("HN301"), preview(500, noise=0.4, grey_noise=0.3))
    assert finding.value == pytest.approx(1 - 0.6 * 0.7)


def test_the_page_and_the_course_know_noise_without_colour():
    vitals = Vitals("run", "run", previews=(preview(0), grey(0.9)))
    assert noise_seen(vitals) == noise_of(vitals)
    assert noise_seen(vitals)["images/n-500.png"] > 0.5 > noise_seen(vitals)["images/n-0.png"]


@pytest.mark.parametrize(("share", "before", "told"), [(0.7, 0.0, 1), (0.4, 0.1, 1), (0.4, 0.2, 0), (0.3, 0.0, 0)])
def test_part_of_the_frame_is_a_warning(share, before, told):
    findings = found(law("HN301"), preview(0, noise_share=before), preview(500, 0.2, noise_share=share))
    assert len(findings) == told
    assert all(finding.severity is Severity.WARNING for finding in findings)


def test_several_previews_of_a_step_are_one_finding():
    pictures = [preview(500, 1.0, seed=s, path=f"{s}.png") for s in range(3)]
    (finding,) = found(law("HN301"), *pictures)
    assert finding.message.startswith("3 of 3")


def test_growing_noise_warns_before_the_collapse():
    course = [preview(500 * k, share) for k, share in enumerate((0, 0, 0, 0.4, 0.5, 0.58, 0.65, 1.0))]
    (finding,) = found(law("HN302"), *course)
    assert finding.step < 3500


def test_a_collapse_at_one_blow_is_no_growth():
    assert found(law("HN302"), *[preview(500 * k, s) for k, s in enumerate((0, 0, 0, 0, 1.0, 1.0))]) == []


@pytest.mark.parametrize(("brightness", "word"), [(0.0, "black"), (1.0, "white"), (0.4, "one colour")])
def test_blank_previews_are_named(brightness, word):
    nothing = {"contrast": 0.0, "immerkaer_sigma": 0.0, "brightness": brightness}
    (finding,) = found(law("HN303"), preview(500, scores=nothing))
    assert word in finding.message


def test_weights_decide_whose_fault_black_is():
    black = preview(500, scores={"contrast": 0.0, "immerkaer_sigma": 0.0, "brightness": 0.0})
    (broken,) = found(law("HN303"), black, checkpoints=[checkpoint(500, 3)])
    (finite,) = found(law("HN303"), black, checkpoints=[checkpoint(500, 0)])
    assert (broken.severity, finite.severity) == (Severity.ERROR, Severity.WARNING)
    assert "not finite" in broken.message
    assert "VAE" in finite.message


def test_fried_is_told_by_the_pair():
    burnt = {"colourfulness": 130.0, "clipping": 0.35, "edge_overshoot": 0.5, "contrast": 0.45}
    (finding,) = found(law("HN304"), preview(0), preview(500, scores=burnt))
    assert finding.value > 0.8
    assert "3.2 times as colourful" in finding.message
    assert found(law("HN304"), preview(0, scores=burnt), preview(500, scores=burnt)) == []


def test_what_the_training_pictures_look_like_is_not_fried():
    burnt = {"colourfulness": 130.0, "clipping": 0.35, "edge_overshoot": 0.5, "contrast": 0.45}
    run = Vitals("r", "r", previews=(preview(0), preview(500, scores=burnt)))
    assert len(list(law("HN304").look(run))) == 1
    glaring = tuple(preview(k, scores=burnt) for k in range(8))
    assert list(law("HN304").look(replace(run, training=glaring))) == []


def test_a_vivid_style_is_not_fried():
    assert found(law("HN304"), preview(0), preview(500, scores={"colourfulness": 70.0})) == []


def test_fried_is_never_told_without_a_reference():
    assert found(law("HN304"), preview(500, scores={"colourfulness": 180.0, "clipping": 0.9})) == []


def test_repetition_is_judged_against_the_reference():
    assert len(found(law("HN305"), preview(0), preview(500, scores={"repetition": 0.9}))) == 1
    patterned = {"repetition": 0.8}
    assert found(law("HN305"), preview(0, scores=patterned), preview(500, scores={"repetition": 0.9})) == []


def _fingerprint(k, own, contrast=1.0, grey=False):
    """A scene common to all, and `own` as much of one's own; from 0.5 up and down."""
    rng, common = random.Random(k), random.Random(99)
    values = [0.5 + contrast * (0.2 * common.uniform(-1, 1) + own * rng.uniform(-1, 1)) for _ in range(192)]
    return tuple(sum(values[i - i % 3 : i - i % 3 + 3]) / 3 if grey else v for i, v in enumerate(values))


def _prompts(step, own, **kinds):
    return [
        preview(step, prompt=str(k), path=f"{step}-{k}.png", fingerprint=_fingerprint(k, own, **kinds))
        for k in range(4)
    ]


def test_sameness_over_prompts():
    (finding,) = found(law("HN306"), *_prompts(0, 0.2), *_prompts(500, 0.18), *_prompts(1000, 0.02))
    assert finding.step == 1000
    assert finding.value < 0.3
    assert found(law("HN306"), *_prompts(0, 0.2), *_prompts(500, 0.18)) == []


def test_a_faded_grey_style_is_not_sameness():
    assert found(law("HN306"), *_prompts(0, 0.2), *_prompts(500, 0.2, contrast=0.3, grey=True)) == []


def test_sameness_over_a_window_of_random_captions():
    def one(k, own):
        return preview(500 * k, prompt=str(k), fingerprint=_fingerprint(k, own))

    assert found(law("HN306"), *[one(k, 0.2 if k < 5 else 0.02) for k in range(10)])
    assert found(law("HN306"), *[one(k, 0.2) for k in range(10)]) == []


def test_no_effect():
    (finding,) = found(law("HN307"), preview(0), preview(500), preview(1000))
    assert finding.step == 1000
    assert found(law("HN307"), preview(500), preview(1000)) == []


@pytest.mark.parametrize("change_of", [{"sampler": "DDIM"}, {"width": 768}, {"prompt": "a dog"}, {"cfg_scale": 12.0}])
def test_incomparable_previews(change_of):
    (finding,) = found(law("HN308"), preview(0), preview(500, **change_of))
    assert finding.step == 500
    (later,) = found(law("HN308"), preview(0), preview(500), preview(1000, **change_of))
    assert later.step == 1000


def test_a_new_seed_is_told_by_its_own_rule():
    assert found(law("HN308"), preview(0), preview(500, seed=9)) == []
    (finding,) = found(law("HN310"), preview(0), preview(500, seed=9), preview(1000, seed=10))
    assert finding.step == 500


def test_negative_prompt():
    (finding,) = found(law("HN309"), preview(0), preview(500, negative_prompt="bad hands"))
    assert "bad hands" in finding.message


@pytest.mark.parametrize("setting", [{"clip_skip": 2}, {"cfg_scale": 12.0}])
def test_unusual_sampling(setting):
    (finding,) = found(law("HN311"), preview(500, **setting))
    assert finding.severity is Severity.INFO


def test_unreadable_preview():
    broken = replace(Preview("images/n-9.png", 9), unreadable="n-9.png: damaged picture; make it again")
    (finding,) = found(law("HN312"), preview(0), broken)
    assert (finding.subject, finding.severity) == ("images/n-9.png", Severity.WARNING)


def test_a_preview_that_went_away_while_its_run_was_read_is_only_a_note():
    (finding,) = found(law("HN312"), preview(0), replace(Preview("images/n-9.png", 9), unreadable="gone", gone=True))
    assert finding.severity is Severity.INFO


def test_pictures_without_a_fingerprint_are_not_compared() -> None:
    """Vitals of others, or of a version that took none: nothing is said of what nobody measured."""
    fingerprint = tuple(n / 192 for n in range(192))
    with_one, without = (Preview("a.png", 0, 512, 512, fingerprint=told) for told in (fingerprint, ()))
    for apart in (distance, composition_distance):
        assert apart(with_one, without) is None
        assert apart(without, with_one) is None
        assert apart(with_one, with_one) == pytest.approx(0, abs=1e-6)
        assert diversity([without, without], apart) is None


def test_a_series_is_told_by_its_steps() -> None:
    """A preview of no known step has no place in one, and a second of the same step adds none."""
    steps = (0, 500, None, 500, 1000)
    given = [Preview(f"{at}.png", step, 512, 512, prompt="a house", seed=1) for at, step in enumerate(steps)]
    (series,) = comparable_series(given)
    assert [preview.path for preview in series] == ["0.png", "1.png", "4.png"]


def obvious_references(preview: Preview, previews: Sequence[Preview]) -> tuple[Preview, ...]:
    """By the definition, all compared with all."""
    fit = sorted((p for p in previews if p.scores and not p.unreadable and p.step is not None), key=by_step_and_path)
    earlier = [p for p in fit if (p.step or 0) < (preview.step or 0) and comparable(p, preview)]
    start = tuple(p for p in earlier if p.step == 0)
    return start or tuple(p for p in earlier[:2] if (p.noise or 0.0) < 0.5)


def by_step_and_path(preview: Preview) -> tuple[int, str]:
    return preview.step or 0, preview.path


@pytest.mark.parametrize("first", [0, 500])
@pytest.mark.parametrize("prompts", [("a",), ("a", "b", None), tuple("abcdefgh")], ids=len)
def test_references_are_those_of_the_definition(first: int, prompts: tuple[str | None, ...]) -> None:
    drawn = random.Random(len(prompts) + first)
    previews = [
        Preview(
            f"{n}.png", drawn.choice((None, *range(first, 5000, 500))), 512, drawn.choice((512, 512, 768)),
            prompt=drawn.choice(prompts), seed=drawn.choice((1, 1, None)), noise=drawn.choice((0.1, 0.9)),
            scores=HEALTHY if n % 9 else {}, unreadable=None if n % 11 else "truncated",
        )
        for n in range(120)
    ]  # fmt: skip
    for preview in previews:
        assert references_for(preview, previews) == obvious_references(preview, previews)
