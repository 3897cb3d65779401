"""Alignment: about 1 for what chance makes, several for what training makes; measured on real files."""

from dataclasses import replace

import numpy as np
import pytest

import hndoctor
from hndoctor.formats.write import write_hypernetwork
from hndoctor.rules.alignment import alignment, is_by_chance
from tests.makers import a_checkpoint

META = {"step": 999, "name": "a", "layer_structure": [1, 2, 1], "is_layer_norm": False, "activate_output": False}


def measured(tmp_path, make, activation, size=256):
    rng = np.random.default_rng(5)

    def module():
        first, second = make(rng, (2 * size, size)), make(rng, (size, 2 * size))
        at = 1 if activation == "linear" else 2
        return {
            "linear.0.weight": first,
            "linear.0.bias": np.zeros(2 * size, np.float32),
            f"linear.{at}.weight": second,
            f"linear.{at}.bias": np.zeros(size, np.float32),
        }

    file = tmp_path / "a-1000.pt"
    write_hypernetwork(file, [(size, module(), module())], META | {"activation_func": activation})
    return hndoctor.measure(file).checkpoints[0]


def random(rng, shape):
    return (rng.standard_normal(shape) * 0.1).astype(np.float32)


def aligned(rng, shape):
    """Little noise, and one direction that every layer shares."""
    u, v = np.ones(shape[0]) / shape[0] ** 0.5, np.ones(shape[1]) / shape[1] ** 0.5
    return (rng.standard_normal(shape) * 0.01 + 40 * np.outer(u, v)).astype(np.float32)


@pytest.mark.parametrize("activation", ["relu", "linear", "leakyrelu"])
def test_chance_is_about_one(tmp_path, activation):
    found = measured(tmp_path, random, activation)
    assert alignment(found) == pytest.approx(1.0, abs=0.15)
    assert is_by_chance(found)


def test_layers_that_share_a_direction_are_far_above(tmp_path):
    found = measured(tmp_path, aligned, "linear")
    assert alignment(found) > 5
    assert not is_by_chance(found)


def test_a_network_of_zeros_has_no_alignment(tmp_path):
    found = measured(tmp_path, lambda rng, shape: np.zeros(shape, np.float32), "linear")
    assert alignment(found) is None
    assert not is_by_chance(found)


@pytest.mark.parametrize(
    ("shapes", "known"),
    [
        (((8, 4), (4, 8)), True),
        (((8, 4), (4, 9)), False),
        (((8, 4), (4, 7)), False),
        (((0, 0), (4, 0)), False),
        ((), False),
    ],
)
def test_layers_that_do_not_fit_each_other_have_no_alignment(shapes, known):
    made = a_checkpoint(500, 1.0, sizes=(768,))
    tensor = made.tensors[0]
    names = [f"768.k.linear.{at}.weight" for at in range(len(shapes))]
    tensors = tuple(replace(tensor, name=n, shape=s, frobenius=1.0) for n, s in zip(names, shapes, strict=True))
    found = alignment(replace(made, tensors=tensors))
    assert (found is not None) == known
    if known:
        assert found == pytest.approx((4 * 8) ** 0.5)
