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
