"""HN120: checkpoints of one run are of one network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hndoctor
from hndoctor.formats.write import write_hypernetwork
from hndoctor.rules import continuity
from tests.rules.makers import checkpoint, each_module, signs, vitals


def moved(update, rms=0.01, before=0.01):
    """Three checkpoints, the modules of the second having moved so far."""
    first = each_module(checkpoint(500), rms=before, update_rms=None)
    second = each_module(checkpoint(1000), rms=rms, update_rms=update)
    return signs(continuity.another_network, vitals(first, second, each_module(checkpoint(1500), rms=rms)))


def test_weights_that_forgot_where_they_were_are_told():
    (sign,) = moved(0.0141)
    assert (sign.step, sign.limit) == (1000, continuity.ELSEWHERE)
    assert sign.message == "the weights of all modules have nothing in common with those before at step 1,000"
    assert len(moved(0.012)) == 1
    assert moved(0.0119) == []
    assert moved(None) == []


def test_whoever_blows_up_or_dies_is_still_the_same():
    assert moved(1.03, rms=1.0) == [], "a hundred times as large"
    assert moved(0.0099, rms=0.0001) == []
    assert moved(0.0, rms=0.0, before=0.0) == []


def back(*cosines, far=0.0005, rms=0.01):
    """Checkpoints whose changes have these cosines with the ones before."""
    made = [each_module(checkpoint(500), rms=rms, update_rms=far)]
    for at, cosine in enumerate(cosines, 2):
        made.append(each_module(checkpoint(500 * at), rms=rms, update_rms=far, update_cosine=cosine))
    return signs(continuity.another_network, vitals(*made))


def test_weights_that_go_back_and_forth_are_told_once():
    (sign,) = back(None, -0.9, -0.95, 0.1)
    assert sign.message == "the weights go back the way they came from step 1,500 to step 2,000 (2 checkpoints)"
    assert (sign.step, sign.value, sign.limit) == (1500, -0.9, continuity.UNDONE)
    assert len(back(-0.5)) == 1
    assert back(-0.49) == [], "in no run of the lab below -.18"


def test_rounding_in_turns_is_no_going_back():
    assert len(back(-1.0, far=0.0005)) == 1
    assert back(-1.0, far=0.00049) == []
    assert back(-1.0, far=None) == []
    last = each_module(checkpoint(1500, step=None), rms=0.01, update_rms=0.001, update_cosine=-1.0)
    assert signs(continuity.another_network, vitals(checkpoint(500), last)) == [], "x.pt, a copy of the best"
    k, v = each_module(checkpoint(1000), rms=0.01, update_rms=0.001, update_cosine=-1.0).modules
    partly = replace(checkpoint(1000), modules=(k, replace(v, update_cosine=None)))
    assert signs(continuity.another_network, vitals(checkpoint(500), partly)) == [], "not known of every module"


def test_one_module_alone_is_named():
    first = checkpoint(500)
    k, v = checkpoint(1000).modules
    second = replace(checkpoint(1000), modules=(k, replace(v, update_rms=1.3 * v.rms)))
    (sign,) = signs(continuity.another_network, vitals(first, second))
    assert "the weights of 768.v have" in sign.message
    for far, told in ((0.89, 1), (0.91, 0), (1.19, 0), (1.2, 1)):
        second = replace(second, modules=(replace(k, update_rms=far * k.rms), second.modules[1]))
        assert len(signs(continuity.another_network, vitals(first, second))) == told, "at a ruinous rate all go far"


def test_other_layers_are_told():
    made = checkpoint(1000)
    for other in (made.tensors[:4], tuple(replace(t, shape=t.shape[::-1]) for t in made.tensors)):
        (sign,) = signs(continuity.another_network, vitals(checkpoint(500), replace(made, tensors=other)))
        assert sign.message == "its layers are not those of the checkpoint before at step 1,000"
    partial = replace(made, tensors=(), partial="a LoRA")
    assert signs(continuity.another_network, vitals(checkpoint(500), partial)) == []


@pytest.mark.parametrize("fault", ["none", "swapped", "foreign", "narrower"])
def test_real_files_of_two_networks_under_one_name(tmp_path, fault):
    rng = np.random.default_rng(3)

    def drawn(width=48):
        shapes = {"linear.0.weight": (width, 24), "linear.0.bias": (width,), "linear.1.weight": (24, width)}
        return {name: rng.normal(0, 0.02, shape).astype(np.float32) for name, shape in shapes.items()} | {
            "linear.1.bias": rng.normal(0, 0.02, 24).astype(np.float32)
        }

    k, v = drawn(), drawn()
    for step in (500, 1000, 1500):
        for array in (*k.values(), *v.values()):
            array += rng.normal(0, 0.002, array.shape).astype(np.float32)
        last = {"swapped": (v, k), "foreign": (drawn(), v), "narrower": (drawn(36), drawn(36))}.get(fault, (k, v))
        told = {"step": step - 1, "layer_structure": [1, 1.5 if fault == "narrower" and step == 1500 else 2, 1]}
        write_hypernetwork(tmp_path / f"a-{step}.pt", [(24, *(last if step == 1500 else (k, v)))], told)
    found = [finding.step for finding in hndoctor.scan(tmp_path)[0].findings if finding.code == "HN120"]
    assert found == ([] if fault == "none" else [1500])


def test_a_network_that_blew_up_swings_and_forgets_by_itself():
    """RMSprop at 3e-2: weights five times as large at the first save, and back within two more."""
    sizes = (0.05, 0.02, 0.007, 0.007)
    course = [each_module(checkpoint(500 * i), rms=rms, update_rms=0.03) for i, rms in enumerate(sizes, 1)]
    assert signs(continuity.another_network, vitals(*course[:3])) == []
    (sign,) = signs(continuity.another_network, vitals(*course))
    assert sign.step == 2000, "between two calm ones it is another network"
