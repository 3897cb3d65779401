"""How far previews keep the composition that their prompt and seed gave."""

from dataclasses import replace

import pytest

from hndoctor.diagnose.layout import layouts_of
from tests.makers import a_preview, a_run

LIT = tuple(0.8 if at < 96 else 0.2 for at in range(192))  # a bright upper half
DUSK = tuple(0.3 * value for value in LIT)
TURNED = tuple(reversed(LIT))
ASIDE = tuple(0.8 if at // 3 % 8 < 4 else 0.2 for at in range(192))  # a bright left half


def shown(step, picture, **more):
    return replace(a_preview(step), scores={"contrast": 0.2}, fingerprint=picture, **more)


def kept(*previews):
    found = layouts_of(a_run(previews=previews))
    return [found.get(one.path) for one in previews]


def test_a_composition_is_kept_in_other_colours_and_lost_in_another_picture():
    told = kept(shown(0, LIT), shown(500, DUSK), shown(1000, ASIDE), shown(1500, TURNED))
    assert told == [None, pytest.approx(1.0), pytest.approx(0.0), pytest.approx(-1.0)]


def test_without_a_picture_of_the_same_prompt_and_seed_nothing_is_said():
    assert kept(shown(0, LIT), shown(500, LIT, seed=2), shown(1000, LIT, prompt="a boat")) == [None] * 3
    assert kept(shown(0, ()), shown(500, LIT)) == [None, None], "the reference has no small copy"


def test_noise_is_no_reference():
    assert kept(shown(0, LIT, noise=0.5), shown(500, LIT)) == [None, None]
    assert kept(shown(0, LIT, noise=0.49), shown(500, LIT)) == [None, pytest.approx(1.0)]


def test_where_there_is_no_step_0_the_earliest_two_are_the_reference():
    told = kept(shown(500, LIT), shown(1000, ASIDE), shown(1500, LIT), shown(2000, ASIDE))
    assert told == [None, pytest.approx(0.0), pytest.approx(0.5), pytest.approx(0.5)]
