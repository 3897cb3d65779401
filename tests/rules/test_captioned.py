"""How far a network still goes by captions, against the best that it was."""

import math
from dataclasses import replace

import pytest

from hndoctor.records import Severity, Vitals
from hndoctor.rules import captioned as rules
from hndoctor.rules.captioned import followed_along
from tests.makers import validation


def gaps(mean, spread=0.02, count=6):
    return tuple(mean + spread * (at - (count - 1) / 2) for at in range(count))


def run(*means, bare=0.1, spread=0.02):
    """Validations every 500 steps whose caption gap is as given; `None`: not measured."""
    steps = [500 * at for at in range(1, len(means) + 1)]
    points = validation(dict.fromkeys(steps, 0.09))
    told = (
        point if mean is None else replace(point, caption_gaps=gaps(mean, spread), base_caption_gaps=gaps(bare, spread))
        for point, mean in zip(points, means, strict=True)
    )
    return Vitals("r", "x", validation=tuple(told))


def shares(vitals):
    return [pytest.approx(one.share) for one in followed_along(vitals.validation)]


def of(vitals):
    return list(rules.captions_are_lost.look(vitals))


def test_the_share_is_of_the_largest_gap_so_far_the_bare_base_models_included():
    assert shares(run(0.05, 0.2, 0.1, 0.3, 0.03)) == [0.5, 2.0, 0.5, 1.5, 0.1]


def test_a_gap_that_was_never_sure_is_told_as_such():
    (sure,) = followed_along(run(0.0).validation)
    (vague,) = followed_along(run(0.0, spread=0.2).validation)
    assert sure.errors > rules.SURE > vague.errors > 0


def test_what_is_not_measured_is_passed_over():
    assert not followed_along(run(None, None).validation)
    assert [one.step for one in followed_along(run(0.1, None, 0.1).validation)] == [500, 1500]
    few = replace(run(0.1).validation[0], caption_gaps=(0.1, 0.2), base_caption_gaps=(0.1, 0.2))
    assert not followed_along([few]), "two pictures have no spread"
    alike = replace(few, caption_gaps=(0.0,) * 6, base_caption_gaps=(0.0,) * 6)
    assert not followed_along([alike]), "captions that are all alike, or a base model that does not go by them"


def test_where_other_pictures_are_held_out_it_begins_anew():
    before, after = run(0.4, 0.1).validation
    other = replace(after, base_items=tuple(2 * item for item in after.base_items))
    assert [one.share for one in followed_along((before, after))] == [pytest.approx(4.0), pytest.approx(0.25)]
    assert [one.share for one in followed_along((before, other))] == [pytest.approx(4.0), pytest.approx(1.0)]


def test_captions_are_lost_fires():
    (found,) = of(run(0.2, 0.3, 0.05, 0.02))
    assert (found.step, found.limit) == (1500, rules.LOST)
    assert found.value == pytest.approx(0.02 / 0.3)
    assert "captions make 7% of the difference that they made at best" in found.message
    (against,) = of(run(0.2, -0.1))
    assert "make 0% of" in against.message, "a gap below nothing is none"
    assert rules.captions_are_lost.severity is Severity.WARNING


def test_captions_are_lost_is_silent():
    assert not of(Vitals("r", "x"))
    assert not of(run(0.2, 0.3, 0.15)), "half of it is there"
    assert not of(run(0.2, 0.01, 0.2)), "it has come back"
    assert not of(run(0.1, 0.01, spread=0.2)), "it was never sure that there was one"


def learned(mean, spread=0.05, held_out=0.05, bare=0.1):
    """No gap was ever sure; half of the bare base model's loss, if nothing else is said."""
    (point,) = validation({500: held_out})
    return Vitals("r", "x", validation=(
        replace(point, caption_gaps=gaps(mean, spread), base_caption_gaps=gaps(0.01, bare)),
    ))  # fmt: skip


def test_what_has_learned_much_and_never_went_by_captions_is_told():
    (found,) = of(learned(0.02))
    assert (found.step, found.limit, found.confidence) == (500, rules.UNSEEN, rules.SURE_UNSEEN)
    assert found.value == pytest.approx(0.02 / (0.05 * math.sqrt(3.5 / 6)))
    assert found.message == (
        "captions make no sure difference, though the held-out loss is 50% below the bare base model's"
    )
    assert not of(learned(0.2)), "they make one"
    assert not of(learned(0.02, held_out=0.09)), "it has not learned much yet"
    assert of(learned(0.0, spread=0.0)), "one caption is as good as any"
    assert not of(learned(0.02, bare=0.015)), "captions that are nearly alike, to the bare base model too"
