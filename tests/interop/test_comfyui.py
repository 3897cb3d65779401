"""`export --for comfyui`: what ComfyUI computes from our file is what was trained; from the original it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
