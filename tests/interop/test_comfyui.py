"""`export --for comfyui`: what ComfyUI computes from our file is what was trained; from the original it is not."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hndoctor.formats import read
from hndoctor.formats.loaders import misread_by, refused_by
from hndoctor.interop import InteropError, convert
from hndoctor.interop.comfyui import IDENTITY_FROM, lowest
from tests.interop import twins
from tests.interop.conftest import KINDS, Kind, meant, saved

RIGHT = sorted(set(KINDS) - {"tanh-norm", "gelu", "prelu"})
# Kinds that ComfyUI misreads or refuses as the web UI wrote them: without these the test below would prove little
TRAPS = {"relu-norm", "mish-norm-deep", "swish-dropout", "swish-dropout-last", "elu-odd-dropout", "leaky-norm-dropout"}


@pytest.mark.parametrize("name", RIGHT)
def test_comfyui_computes_what_was_trained(tmp_path: Path, name: str) -> None:
    done = convert(saved(tmp_path / "a.pt", KINDS[name]), tmp_path / "b.pt", "comfyui")
    torch.testing.assert_close(twins.outputs(twins.comfyui(done.path)), meant(KINDS[name]), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", RIGHT)
def test_and_so_does_the_web_ui(tmp_path: Path, name: str) -> None:
    done = convert(saved(tmp_path / "a.pt", KINDS[name]), tmp_path / "b.pt", "comfyui")
    torch.testing.assert_close(
        twins.outputs(twins.web_ui(done.path, "webui")), meant(KINDS[name]), atol=2e-5, rtol=1e-4
    )


@pytest.mark.parametrize("name", sorted(TRAPS))
def test_from_the_original_it_computes_something_else(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    apart = twins.outputs(twins.comfyui(saved(tmp_path / "a.pt", KINDS[name]))) - meant(KINDS[name])
    assert apart.abs().max() > 0.05


@pytest.mark.parametrize("name", ["tanh-norm", "gelu", "prelu"])
def test_what_no_file_can_make_it_compute_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InteropError, match="ComfyUI") as refused:
        convert(saved(tmp_path / "a.pt", KINDS[name]), tmp_path / "b.pt", "comfyui")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "b.pt").exists()


def test_october_files_keep_their_last_activation_there(tmp_path: Path) -> None:
    convert(saved(tmp_path / "a.pt", KINDS["relu-out"]), tmp_path / "october.pt", "2022-10-26")
    apart = twins.outputs(twins.comfyui(tmp_path / "october.pt")) - meant(KINDS["relu-out"])
    assert apart.abs().max() > 0.05
    done = convert(tmp_path / "october.pt", tmp_path / "b.pt", "comfyui")
    torch.testing.assert_close(twins.outputs(twins.comfyui(done.path)), meant(KINDS["relu-out"]))


def test_what_was_changed_is_said(tmp_path: Path) -> None:
    notes = " ".join(convert(saved(tmp_path / "a.pt", KINDS["leaky-norm-dropout"]), tmp_path / "b.pt", "comfyui").notes)
    assert "dropout is left out" in notes
    assert "biases are raised" in notes
    notes = " ".join(convert(saved(tmp_path / "c.pt", KINDS["celu"]), tmp_path / "d.pt", "comfyui").notes)
    assert "celu is written as elu" in notes


@pytest.mark.parametrize("name", sorted(IDENTITY_FROM))
def test_activations_leave_large_numbers_alone(name: str) -> None:
    x = torch.linspace(IDENTITY_FROM[name], 60, 2000, dtype=torch.float64)
    assert (twins.ACTIVATIONS[name]()(x) - x).abs().max() < 1e-8


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 12), out=st.integers(1, 6))
def test_no_context_falls_below_the_bound(seed: int, n: int, out: int) -> None:
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(out, n)), rng.normal(size=out)
    gain, offset = rng.normal(size=n), rng.normal(size=n)
    found = lowest(weight, bias, gain, offset)
    worst = -(weight * gain)[np.argmin(weight @ offset + bias - np.linalg.norm(weight * gain, axis=1))]
    for x in (*rng.normal(size=(50, n)), worst, 1e6 * worst):
        normal = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
        assert (weight @ (normal * gain + offset) + bias).min() >= found - 1e-9


def test_weights_that_no_constant_can_lift_are_refused(tmp_path: Path) -> None:
    kind = Kind(activation="relu", norm=True, sizes=(8,))
    path = saved(tmp_path / "a.pt", kind)
    root = torch.load(path, weights_only=True)
    root[8][0]["linear.3.weight"] *= 1e6
    torch.save(root, path, _use_new_zipfile_serialization=False)
    with pytest.raises(InteropError, match="too large"):
        convert(path, tmp_path / "b.pt", "comfyui")


# --- what HN006 and HN007 say of ComfyUI, against the twin of its loader ----------------------------------------------

STRUCTURES = ([1, 1], [1, 2, 1], [1, 2, 1.5, 1])


def written(path: Path, structure: list[float], activation: str, norm: bool, **flags: object) -> torch.Tensor:
    """A file with these settings as the web UI writes it, tensors drawn; what it was trained to compute."""
    torch.manual_seed(3)
    use, last = bool(flags["use_dropout"]), bool(flags["last_layer_dropout"])
    dropout = [0.0, *[0.3 * use] * (len(structure) - 3), 0.3 * (use and last), 0.0][-len(structure) :]
    output = bool(flags.get("activate_output", True))
    pair = [twins.WebUIModule(twins.stack(8, structure, activation, norm, dropout, output)).eval() for _ in range(2)]
    for module in pair:
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, 0.2, 0.5)
    root = {8: tuple(module.state_dict() for module in pair), "step": 9, "layer_structure": structure}
    root |= {"activation_func": activation, "is_layer_norm": norm, **flags}
    torch.save(root, path, _use_new_zipfile_serialization=False)
    return twins.outputs({8: (pair[0], pair[1])})


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("activation", ["linear", "relu", "swish"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_it_is_said_to_misread_exactly_what_it_computes_otherwise(
    tmp_path: Path, structure: list[float], activation: str, norm: bool
) -> None:
    for use, last, output in product((False, True), (False, True), (False, True, None)):
        flags = {"use_dropout": use, "last_layer_dropout": last}
        flags |= {} if output is None else {"activate_output": output}
        right = written(tmp_path / "a.pt", structure, activation, norm, **flags)
        torch.manual_seed(1)
        there = twins.outputs(twins.comfyui(tmp_path / "a.pt"))
        said = misread_by(read(tmp_path / "a.pt"))
        assert bool(said) is not torch.allclose(there, right, atol=1e-5), (flags, said)


def test_layers_stored_in_another_order_are_computed_in_that_order(tmp_path: Path) -> None:
    plain = {"use_dropout": False, "last_layer_dropout": False, "activate_output": False}
    written(tmp_path / "a.pt", [1, 1, 1], "relu", False, **plain)
    root = torch.load(tmp_path / "a.pt")
    root[8] = tuple(dict(reversed(state.items())) for state in root[8])
    torch.save(root, tmp_path / "b.pt", _use_new_zipfile_serialization=False)
    there = [twins.outputs(twins.comfyui(tmp_path / name)) for name in ("a.pt", "b.pt")]
    assert not torch.allclose(*there)
    here = [twins.outputs(twins.web_ui(tmp_path / name, "webui")) for name in ("a.pt", "b.pt")]
    assert torch.allclose(*here)
    assert misread_by(read(tmp_path / "a.pt")) == ()
    assert any("order in which they are stored" in reason for reason in misread_by(read(tmp_path / "b.pt")))


def test_it_fails_on_a_layer_without_a_bias(tmp_path: Path) -> None:
    root = {8: ({"linear.0.weight": torch.eye(8)}, {"linear.0.weight": torch.eye(8)}), "layer_structure": [1, 1]}
    torch.save(root, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(KeyError):
        twins.comfyui(tmp_path / "a.pt")
    assert "ComfyUI: linear.0 has no bias, without which it fails" in refused_by(read(tmp_path / "a.pt"))
