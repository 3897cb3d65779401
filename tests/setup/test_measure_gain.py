"""The initial gain, against the published figures and against a plain network of lists of matrices."""

from __future__ import annotations

import numpy as np
import pytest

from hndoctor.formats import layout
from hndoctor.setup.gain import ACTIVATIONS, INITS, initial_gain


@pytest.mark.parametrize(
    ("dim", "normal"),
    [(320, 0.045), (640, 0.089), (768, 0.109), (1280, 0.180)],
)
def test_g18_the_published_gains_of_one_two_one_come_out(dim: int, normal: float) -> None:
    assert initial_gain(dim, (1, 2, 1)) == pytest.approx(normal, rel=0.05)
    assert initial_gain(dim, (1, 2, 1), "relu") == pytest.approx(0.7 * normal, rel=0.06)


@pytest.mark.parametrize(
    ("init", "linear", "relu"),
    [
        ("XavierUniform", 0.94, 0.67),
        ("XavierNormal", 0.94, 0.67),
        ("KaimingUniform", 2.0, 1.42),
        ("KaimingNormal", 2.0, 1.42),
    ],
)
def test_g18_other_initialisations_disturb_from_the_start(init: str, linear: float, relu: float) -> None:
    assert initial_gain(640, (1, 2, 1), "linear", init) == pytest.approx(linear, rel=0.05)
    assert initial_gain(640, (1, 2, 1), "relu", init) == pytest.approx(relu, rel=0.05)


def test_g15_a_final_layer_norm_starts_at_almost_nothing() -> None:
    for init in INITS:
        assert initial_gain(320, (1, 2, 1), "relu", init, is_layer_norm=True) == pytest.approx(0.0085, rel=0.3)


def test_the_gain_is_that_of_a_plain_network() -> None:
    rng = np.random.default_rng(7)
    gains = []
    for _ in range(8):
        x = rng.standard_normal((200, 64))
        first, second = rng.normal(0, 0.01, (96, 64)), rng.normal(0, 0.01, (64, 96))
        h = np.maximum(x @ first.T, 0) @ second.T
        gains.append(np.linalg.norm(h) / np.linalg.norm(x))
    assert initial_gain(64, (1, 1.5, 1), "relu") == pytest.approx(np.mean(gains), rel=0.15)


def test_the_gain_is_the_same_twice() -> None:
    assert initial_gain(96, (1, 2, 1), "mish") == initial_gain(96, (1, 2, 1), "mish")


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_the_web_ui_can_build_is_evaluated(name: str) -> None:
    assert np.isfinite(initial_gain(32, (1, 2, 1), name, "XavierNormal", activate_output=True))


def test_no_activation_is_forgotten() -> None:
    unbuildable = {"linear", "glu", "multiheadattention", "threshold"}
    assert set(layout.ACTIVATIONS) - unbuildable == set(ACTIVATIONS)


@pytest.mark.parametrize(
    ("name", "at_one", "at_minus_one"),
    [
        ("swish", 2 / 3, -1 / 3),
        ("mish", 0.8650983882673103, -0.30340146137410895),
        ("gelu", 0.8413447460685429, -0.15865525393145707),
        ("selu", 1.0507009873554805, -1.1113307378125628),
        ("silu", 0.7310585786300049, -0.2689414213699951),
        ("softshrink", 0.5, -0.5),
        ("leakyrelu", 1.0, -0.01),
    ],
)
def test_activations_have_their_published_values(name: str, at_one: float, at_minus_one: float) -> None:
    assert ACTIVATIONS[name](np.array([1.0, -1.0])) == pytest.approx([at_one, at_minus_one], rel=1e-6)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="XavierNormal"):
        initial_gain(32, (1, 2, 1), "relu", "Xavier")
    with pytest.raises(ValueError, match="start and end with 1"):
        initial_gain(32, (1, 2), "relu")
