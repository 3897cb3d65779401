"""Which loaders refuse or misread a file: against the loaders' own code, rebuilt small."""

from __future__ import annotations

import dataclasses
import re
import zipfile

import numpy as np
import pytest
import torch

from hndoctor.formats import read
from hndoctor.formats.loaders import COMFY_ACTIVATIONS, layout_problem, misread_by, refused_by, refused_in_autumn_2022
from hndoctor.formats.write import write_hypernetwork
from tests.formats.conftest import numpy_modules, torch_root, torch_state
from tests.formats.test_layout import web_ui_module


def saved(tmp_path, root, **options):
    torch.save(root, tmp_path / "a.pt", **options)
    return read(tmp_path / "a.pt")


def state(structure, func, norm, dropout, out, size=8):
    made = web_ui_module(size, structure, func, norm, dropout, out).state_dict()
    return {f"linear.{name}": tensor for name, tensor in made.items()}


def test_what_hndoctor_writes_is_taken_by_all(tmp_path, rng):
    write_hypernetwork(tmp_path / "a.pt", numpy_modules(rng), {"activation_func": "linear", "step": 9})
    file = read(tmp_path / "a.pt")
    assert refused_by(file) == ()
    assert misread_by(file) == ()


def test_what_this_torch_writes_is_refused_by_the_web_ui(tmp_path):
    file = saved(tmp_path, torch_root())
    assert any(re.match(r"web UI: .*torch writes since 2\.7", reason) for reason in refused_by(file))
    legacy = saved(tmp_path, torch_root(), _use_new_zipfile_serialization=False)
    assert refused_by(legacy) == ()


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (("data.pkl", "version", "data/0"), None),
        (("data.pkl", "version", "data/0", "byteorder"), "web UI to 1.9.4:"),
        (("data.pkl", "version", "data/0", "byteorder", ".data/serialization_id"), "web UI to 1.9.4:"),
        (("data.pkl", "version", "byteorder", ".format_version"), "web UI:"),
    ],
)
def test_member_names_by_generation(tmp_path, rng, members, expected):
    write_hypernetwork(tmp_path / "a.pt", numpy_modules(rng), {})
    found = refused_by(dataclasses.replace(read(tmp_path / "a.pt"), members=members))
    assert [reason.split(":")[0] + ":" for reason in found] == ([expected] if expected else [])


# What safe.py of 11 October to 2 December 2022 let pass, by names alone (web UI @66b7d758)
THEN = re.compile(r"archive/(data/\d+|version|data\.pkl)")


@pytest.mark.parametrize(("top", "whole"), [("archive", True), ("a", False), ("archives", False)])
def test_the_web_uis_of_autumn_2022_want_one_folder(tmp_path, rng, top, whole):
    october = {"step": 9, "layer_structure": [1.0, 2.0, 1.0], "is_layer_norm": False}
    torch.save({8: (torch_state(8), torch_state(8))} | october, tmp_path / "new.pt")
    with zipfile.ZipFile(tmp_path / "new.pt") as new, zipfile.ZipFile(tmp_path / "a.pt", "w") as old:
        for name in new.namelist():
            if re.search(r"/(data/\d+|version|data\.pkl)$", name):
                old.writestr(top + name[name.index("/") :], new.read(name))
        assert all(THEN.fullmatch(name) for name in old.namelist()) is whole
    file = read(tmp_path / "a.pt")
    assert file.top == top
    assert file.provenance == "web UI, 19 to 21 October 2022"
    found = [reason for reason in refused_by(file) if "2 December" in reason]
    assert bool(found) is not whole
    assert refused_by(dataclasses.replace(file, provenance="web UI, since 10 January 2023")) == ()
    assert bool(list(refused_in_autumn_2022(file))) is not whole


CASES = [
    ((1, 2, 1), "relu", False, (0, 0, 0), False),
    ((1, 2, 1), "relu", False, (0, 0.1, 0), True),
    ((1, 2, 1.5, 1), "swish", True, (0, 0.05, 0.1, 0), False),
    ((1, 1), None, False, (0, 0), False),
    ((1, 2, 1), "prelu", True, (0, 0, 0), True),
]


@pytest.mark.parametrize("said", CASES)
@pytest.mark.parametrize("real", CASES)
def test_the_layout_fits_exactly_where_strict_loading_would(tmp_path, said, real):
    structure, func, norm, dropout, out = said
    root = {8: (state(*real), state(*real))} | {
        "step": 1,
        "layer_structure": list(structure),
        "activation_func": func,
        "is_layer_norm": norm,
        "dropout_structure": list(dropout),
        "activate_output": out,
        "use_dropout": any(dropout),
        "weight_initialization": "Normal",
    }
    file = saved(tmp_path, root)
    twin = torch.nn.Module()
    twin.linear = web_ui_module(8, structure, func, norm, dropout, out)
    try:
        twin.load_state_dict(root[8][0])
        loads = True
    except RuntimeError:
        loads = False
    assert (layout_problem(file, file.modules[0]) is None) is loads
    assert any("8.k" in reason for reason in refused_by(file)) is not loads


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layer_structure": None}, "layer_structure is None"),
        ({"activation_func": "nonsense"}, "is not one of the web UI's"),
        ({"skip_connection": True}, "MonkeyPatch"),
    ],
)
def test_settings_that_the_web_ui_cannot_build(tmp_path, changes, words):
    found = refused_by(saved(tmp_path, torch_root(**changes), _use_new_zipfile_serialization=False))
    assert any(reason.startswith("web UI:") and words in reason for reason in found)


@pytest.mark.parametrize(
    ("name", "loaders"),
    [("a.pt", []), ("a.PT", []), ("a.ckpt", ["web UI"]), ("a.safetensors", ["web UI", "ComfyUI"])],
)
def test_names_under_which_a_loader_finds_no_network(tmp_path, name, loaders):
    torch.save(torch_root(), tmp_path / name, _use_new_zipfile_serialization=False)
    assert [reason.split(":")[0] for reason in refused_by(read(tmp_path / name))] == loaders


def test_safetensors_bfloat16_and_numpy(tmp_path, rng):
    write_hypernetwork(tmp_path / "a.safetensors", numpy_modules(rng), {}, "safetensors")
    assert {reason.split(":")[0] for reason in refused_by(read(tmp_path / "a.safetensors"))} == {"web UI", "ComfyUI"}
    legacy = {"_use_new_zipfile_serialization": False}
    (reason,) = refused_by(saved(tmp_path, torch_root(torch.bfloat16), **legacy))
    assert reason.startswith("web UI to 1.2.0")
    found = refused_by(saved(tmp_path, torch_root(other=np.float64(1)), **legacy))
    assert any(reason.startswith("ComfyUI: numpy") for reason in found)
    if int(np.__version__.split(".")[0]) >= 2:
        assert any("numpy._core.multiarray.scalar is not on its list" in reason for reason in found)


# --- ComfyUI ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["gelu", "silu", "prelu", None])
def test_activations_that_comfyui_does_not_know(tmp_path, activation):
    file = saved(tmp_path, torch_root(activation_func=activation))
    assert any(reason.startswith("ComfyUI") for reason in refused_by(file))


@pytest.mark.parametrize("activation", sorted(COMFY_ACTIVATIONS))
def test_activations_that_it_knows(tmp_path, activation):
    file = saved(tmp_path, torch_root(activation_func=activation))
    assert not any(reason.startswith("ComfyUI") for reason in refused_by(file))


def without(root, key):
    return {k: v for k, v in root.items() if k != key}


@pytest.mark.parametrize(
    ("root", "words"),
    [
        (without(torch_root(activation_func="relu"), "activate_output"), "leaves out the last activation"),
        (torch_root(activation_func="relu", is_layer_norm=True), "adds an activation"),
        (torch_root(use_dropout=True, last_layer_dropout=True), "dropout switched on"),
        (torch_root() | {8: ({"linear.0.linear.0.weight": torch.ones(8, 8)}, torch_state(8))}, "residual blocks"),
    ],
)
def test_what_comfyui_misreads(tmp_path, root, words):
    (reason,) = misread_by(saved(tmp_path, root))
    assert reason.startswith("ComfyUI")
    assert words in reason


def test_what_comfyui_reads_rightly(tmp_path):
    assert misread_by(saved(tmp_path, torch_root(activation_func="relu"))) == ()
    assert misread_by(saved(tmp_path, torch_root(is_layer_norm=True))) == ()
    assert misread_by(saved(tmp_path, {8: (torch_state(8), torch_state(8))})) == ()


@pytest.mark.parametrize("changes", [{"step": "499"}, {"step": None}, {"step": -5}, {"name": 5}, {"is_layer_norm": 0}])
def test_values_that_a_web_ui_takes_as_they_are_are_no_reason_to_refuse(tmp_path, changes):
    assert refused_by(saved(tmp_path, torch_root(**changes), _use_new_zipfile_serialization=False)) == ()


@pytest.mark.parametrize("changes", [{"layer_structure": "1,2,1"}, {"dropout_structure": "0"}])
def test_values_that_a_web_ui_builds_layers_from_must_be_of_their_kind(tmp_path, changes):
    (reason,) = refused_by(saved(tmp_path, torch_root(**changes), _use_new_zipfile_serialization=False))
    assert f'the value of "{next(iter(changes))}" is not of the kind' in reason
