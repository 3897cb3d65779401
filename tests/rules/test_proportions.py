"""HN117 and HN119: what training does not make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hndoctor
from hndoctor.formats.write import write_hypernetwork
from hndoctor.records import Severity
from hndoctor.rules import proportions
from hndoctor.weights.tensors import vitals_of
from tests.rules.makers import checkpoint, first_tensor, signs, vitals

SIZES = (320, 640, 768, 1280)


def four_sizes(*names, times=1.0):
    """A network of four sizes, as Xavier draws them; the named tensors are scaled."""
    parts = [
        replace(tensor, name=f"{size}.{tensor.name.split('.', 1)[1]}", rms=tensor.rms * size**-0.5)
        for size in SIZES
        for tensor in checkpoint(500).tensors
    ]
    scaled = [replace(part, rms=part.rms * times) if part.name in names else part for part in parts]
    return vitals(replace(checkpoint(500), tensors=tuple(scaled)))


def out_of_line(*names, times=1.0):
    return signs(proportions.one_layer_out_of_line, four_sizes(*names, times=times))


def test_one_layer_out_of_line_is_named():
    assert out_of_line() == []
    (sign,) = out_of_line("768.v.linear.1.weight", times=10)
    assert "768.v.linear.1.weight" in sign.message
    assert sign.limit == proportions.OUT_OF_LINE < sign.value < 10
    assert out_of_line("320.k.linear.0.weight", times=2.49) == []
    assert len(out_of_line("320.k.linear.0.weight", times=2.51)) == 1
    assert out_of_line("320.k.linear.0.bias", times=100) == []


def test_both_sides_of_one_size_out_of_line_are_named_together():
    pair = ("1280.k.linear.0.weight", "1280.v.linear.0.weight")
    (sign,) = out_of_line(*pair, times=10)  # and 1280's are drawn half as large as 320's
    assert sign.message.startswith("linear.0.weight of both networks of size 1280 is 5 times as large")
    assert out_of_line(*pair, times=4.9) == []
    assert out_of_line(pair[0], "640.k.linear.0.weight", times=4) == [], "no pair, and none alone"


@pytest.mark.parametrize(("times", "severity"), [(7.9, None), (8.1, Severity.ERROR), (1e30, Severity.ERROR)])
def test_eight_times_is_beyond_all_that_was_seen(times, severity):
    (sign,) = out_of_line("320.k.linear.0.weight", times=times)
    assert sign.severity is severity


def test_with_one_size_no_layer_is_out_of_line():
    """There is only the other side to compare with."""
    made = first_tensor(checkpoint(500), rms=1.0)
    assert signs(proportions.one_layer_out_of_line, vitals(made)) == []


def not_made(**changes):
    return signs(proportions.weights_that_training_does_not_make, vitals(first_tensor(checkpoint(500), **changes)))


COUNT = 1536 * 768


def test_a_matrix_of_one_number_is_an_error():
    one = {"max_abs": 0.01, "rms": 0.01, "frobenius": 0.01 * COUNT**0.5}
    (sign,) = not_made(**one, spectral=(10.86, 10.87))
    assert sign.message == "all weights of 768.k.linear.0.weight are alike at step 500"
    assert sign.severity is Severity.ERROR
    assert not_made(**one, spectral=(0.5, 0.6)) == [], "an optimizer's first step from zero: one size, all signs"
    assert not_made(**one | {"rms": 0.0099}, spectral=(10.86, 10.87)) == []
    assert not_made(**one, spectral=(10.86, 10.87), count=proportions.MANY - 1) == [], "too few to tell"


@pytest.mark.parametrize("rough", [False, True])
@pytest.mark.parametrize(("alike", "count"), [(True, 1), (False, 0)])
def test_a_gate_and_a_scan_measure_well_enough_to_tell_them_apart(rough: bool, alike: bool, count: int):
    shape = (384, 256)
    matrix = np.full(shape, 0.01) if alike else 0.01 * np.random.default_rng(0).choice((-1, 1), shape)
    tensor, _ = vitals_of("768.k.linear.0.weight", matrix.astype(np.float32), "float32", None, rough)
    made = replace(checkpoint(500), tensors=(tensor,))
    assert len(signs(proportions.weights_that_training_does_not_make, vitals(made))) == count


@pytest.mark.parametrize(
    ("zeros", "severity"), [(proportions.HOLE, None), (COUNT // 2 - 1, None), (COUNT // 2, Severity.ERROR)]
)
def test_zeros_in_the_midst_of_a_matrix_are_counted(zeros, severity):
    (sign,) = not_made(zeros=zeros)
    assert sign.message == f"{zeros:,} weights of 768.k.linear.0.weight are exactly zero at step 500"
    assert sign.severity is severity


def test_some_zeros_are_none():
    assert not_made(zeros=proportions.HOLE - 1) == []
    assert len(not_made(zeros=11, count=1100)) == 1
    assert not_made(zeros=10, count=1100) == []
    assert not_made(zeros=COUNT // 3, dtype="float8_e4m3fn") == [], "that format has no smaller numbers"
    assert not_made(zeros=COUNT // 3, name="768.k.linear.0.upsample_layer.weight") == [], "it is never trained"
    assert not_made(zeros=COUNT, max_abs=0.0, rms=0.0) == [], "HN116 tells of a whole layer"
    assert not_made(zeros=COUNT // 3, nan=1) == [], "HN101 tells of that"


def test_one_weight_alone_is_named():
    (sign,) = not_made(max_abs=1.0, rms=0.0099)
    assert sign.message == "a weight of 768.k.linear.0.weight is 101 times the usual at step 500"
    assert not_made(max_abs=1.0, rms=0.0101) == []
    assert not_made(max_abs=1.0, rms=0.0) == [], "a forged record"


def test_several_are_counted():
    made = checkpoint(500)
    holed = replace(made, tensors=tuple(replace(t, zeros=t.count // 3) for t in made.tensors))
    (sign,) = signs(proportions.weights_that_training_does_not_make, vitals(holed))
    assert sign.message.endswith("at step 500, and 3 more like it")


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize("value", [0.01, -0.003])
def test_a_constant_matrix_of_a_real_file_is_found_without_a_series(tmp_path, container, value):
    rng = np.random.default_rng(3)

    def drawn():
        shapes = {
            "linear.0.weight": (64, 32),
            "linear.0.bias": (64,),
            "linear.1.weight": (32, 64),
            "linear.1.bias": (32,),
        }
        return {name: rng.normal(0, 0.02, shape).astype(np.float32) for name, shape in shapes.items()}

    k, v = drawn(), drawn()
    path = tmp_path / "a.pt"
    write_hypernetwork(path, [(32, k, v)], {"step": 4999}, container)
    assert "HN119" not in {finding.code for finding in hndoctor.scan(path)[0].findings}
    v["linear.1.weight"][:] = value
    write_hypernetwork(path, [(32, k, v)], {"step": 4999}, container)
    (found,) = [finding for finding in hndoctor.scan(path)[0].findings if finding.code == "HN119"]
    assert "32.v.linear.1.weight" in found.message
    assert found.severity is Severity.ERROR
