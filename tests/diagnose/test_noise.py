"""Which pictures count as noise that the network made."""

from dataclasses import replace

from hndoctor.diagnose.noise import noise_of
from tests.makers import STEPS, a_checkpoint, a_preview, a_run

BLACK = {"contrast": 0.0, "immerkaer_sigma": 0.0, "brightness": 0.0}


def test_a_black_picture_is_no_clean_picture():
    black = tuple(replace(a_preview(step, 0.0), scores=BLACK) for step in STEPS)
    assert set(noise_of(a_run(previews=black, checkpoints=())).values()) == {0.9}
    assert set(noise_of(a_run(previews=black)).values()) == {0.5}, "finite weights: the VAE's doing"
    ruined = tuple(a_checkpoint(step, nan=1) for step in STEPS)
    assert set(noise_of(a_run(previews=black, checkpoints=ruined)).values()) == {0.9}


def test_what_could_not_be_read_says_nothing():
    previews = (replace(a_preview(500), unreadable="cut"), replace(a_preview(1000), noise=None), a_preview(1500, 0.3))
    assert noise_of(a_run(previews=previews)) == {"images/x-1500.png": 0.3}


def textured(step, repetition):
    """A preview whose frame repeats itself, as far as `repetition` says."""
    return replace(a_preview(step, 0.0), scores={"contrast": 0.2, "repetition": repetition})


def test_one_texture_where_the_same_prompt_gave_a_picture_is_none():
    vitals = a_run(previews=(textured(0, 0.3), textured(500, 0.6), textured(1000, 0.97)))
    before, half, late = (noise_of(vitals)[preview.path] for preview in vitals.previews)
    assert max(before, half) < 0.1
    assert late > 0.9


def test_a_pattern_that_was_there_before_or_was_trained_on_is_no_sign():
    tiled = (textured(0, 0.9), textured(1000, 0.97))
    assert noise_of(a_run(previews=tiled))[tiled[1].path] < 0.1
    alone = (textured(1000, 0.97),)
    assert noise_of(a_run(previews=alone))[alone[0].path] < 0.1
    patterns = tuple(replace(textured(0, 0.9), path=f"data/{at}.png", step=None) for at in range(12))
    style = a_run(previews=(textured(0, 0.3), textured(1000, 0.97)), training=patterns)
    assert noise_of(style)[style.previews[1].path] < 0.1
