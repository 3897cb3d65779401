"""The other direction: what we write, every web UI generation and ComfyUI take, and compute the same from."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from webui_rules import WEB_UI, Generation, check_pt, comfy_layers

from hndoctor.formats import HypernetworkFile, read
from hndoctor.formats.write import write_hypernetwork, write_optimizer
from trainer import optimizer as optimizers
from trainer.errors import TrainerError
from trainer.network import Hypernetwork
from trainer.optimizer_kinds import UNFIT, make, meant

SIZES = (24, 16)
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "relu": {"activation_func": "relu", "layer_structure": (1, 2, 2, 1)},
    "wide": {"activation_func": "mish", "layer_structure": (1, 1.5, 1.2, 1), "weight_init": "XavierNormal"},
    "last activation": {"activation_func": "swish", "activate_output": True},
    "norm": {"activation_func": "linear", "add_layer_norm": True},
}


def made(kind: str) -> Hypernetwork:
    network = Hypernetwork.create(SIZES, name="フィッシュル, v1", seed=4, **KINDS[kind])
    network.step, network.sd_checkpoint, network.optional_info = 499, "cc6cb27103", None
    return network


@pytest.mark.parametrize("generation", WEB_UI, ids=lambda generation: generation.name)
@pytest.mark.parametrize("kind", KINDS)
def test_networks_pass_every_generations_rules(tmp_path: Path, kind: str, generation: Generation) -> None:
    made(kind).save(tmp_path / "a.pt")
    check_pt(tmp_path / "a.pt", generation)
    network = made(kind)
    write_hypernetwork(tmp_path / "b.pt", network.arrays(), network.metadata(), "legacy")
    check_pt(tmp_path / "b.pt", generation)


TORCHS = sorted(
    name
    for name, kind in inspect.getmembers(torch.optim, inspect.isclass)
    if issubclass(kind, torch.optim.Optimizer) and name not in UNFIT
)
OTHERS = ("Prodigy", "AdamWScheduleFree", "RAdamScheduleFree", "SGDScheduleFree")


@pytest.mark.parametrize("generation", WEB_UI, ids=lambda generation: generation.name)
@pytest.mark.parametrize("name", [*TORCHS, *OTHERS])
def test_optimizer_states_pass_every_generations_rules(tmp_path: Path, name: str, generation: Generation) -> None:
    network = made("relu").requires_grad_(True)
    optimizer = make(name, list(network.parameters()), 1e-4, 0.01)
    sum(p.square().sum() for p in network.parameters()).backward()
    optimizer.step()
    parameters = list(network.parameters())
    with meant(optimizer, parameters) as trained:
        network.save(tmp_path / "a.pt")
    optimizers.save(optimizers.optim_path(tmp_path / "a.pt"), tmp_path / "a.pt", optimizer, trained)
    check_pt(tmp_path / "a.pt.optim", generation)
    assert torch.load(tmp_path / "a.pt.optim", weights_only=True)["optimizer_name"] == name


@pytest.mark.parametrize("generation", WEB_UI, ids=lambda generation: generation.name)
def test_8_bit_states_pass_since_the_web_ui_knows_bytes(tmp_path: Path, generation: Generation) -> None:
    """The storages that bitsandbytes' states need; it is not installed everywhere."""
    state = {0: {"step": 3, "state1": np.zeros(4, np.uint8), "absmax1": np.zeros(1, np.float32)}}
    write_optimizer(tmp_path / "a.pt.optim", "AdamW8bit", state, [{"params": [0], "lr": 1e-4}], None)
    if ("torch", "ByteStorage") in generation.globals:
        check_pt(tmp_path / "a.pt.optim", generation)
    else:
        with pytest.raises(pickle.UnpicklingError, match="torch/ByteStorage' is forbidden"):
            check_pt(tmp_path / "a.pt.optim", generation)


@pytest.mark.parametrize("generation", WEB_UI, ids=lambda generation: generation.name)
def test_the_rules_refuse_what_torch_itself_writes_today(tmp_path: Path, generation: Generation) -> None:
    """The reason for writing files by hand; and the proof that the rules can refuse."""
    torch.save({16: ({}, {})}, tmp_path / "a.pt")
    with pytest.raises(pickle.UnpicklingError, match="bad file inside"):
        check_pt(tmp_path / "a.pt", generation)
    torch.save({"a": torch.device("cpu")}, tmp_path / "b.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(pickle.UnpicklingError, match="torch/device' is forbidden"):
        check_pt(tmp_path / "b.pt", generation)


def web_ui_modules(state: dict[Any, Any]) -> dict[int, tuple[nn.Sequential, nn.Sequential]]:
    """The web UI's `Hypernetwork.load` and `HypernetworkModule`, from the reference's description."""
    structure, dropout = state["layer_structure"], state["dropout_structure"]
    assert structure[0] == structure[-1] == 1
    acts = {"linear": nn.Identity, "relu": nn.ReLU, "mish": nn.Mish, "swish": nn.Hardswish}

    def module(size: int, half: dict[str, Tensor]) -> nn.Sequential:
        stack: list[nn.Module] = []
        for i in range(len(structure) - 1):
            stack.append(nn.Linear(int(size * structure[i]), int(size * structure[i + 1])))
            last = i >= len(structure) - 2
            if state["activation_func"] not in ("linear", None) and (not last or state["activate_output"]):
                stack.append(acts[state["activation_func"]]())
            if state["is_layer_norm"]:
                stack.append(nn.LayerNorm(int(size * structure[i + 1])))
            if dropout[i + 1] > 0:
                stack.append(nn.Dropout(dropout[i + 1]))
        whole = nn.Sequential(*stack)
        whole.load_state_dict({name.removeprefix("linear."): tensor for name, tensor in half.items()})
        return whole

    return {key: (module(key, pair[0]), module(key, pair[1])) for key, pair in state.items() if type(key) is int}


@pytest.mark.parametrize("kind", KINDS)
def test_the_web_ui_computes_what_we_compute(tmp_path: Path, kind: str) -> None:
    network = made(kind)
    network.save(tmp_path / "a.pt")
    state = torch.load(tmp_path / "a.pt", weights_only=True)
    assert [key for key in state if type(key) is int] == list(SIZES)
    assert all(type(pair) is tuple for key, pair in state.items() if type(key) is int)
    assert (state["step"], state["name"], state["sd_checkpoint"]) == (499, "フィッシュル, v1", "cc6cb27103")
    with torch.no_grad():
        for size, pair in web_ui_modules(state).items():
            x = torch.randn(2, 5, size)
            for ours, theirs in zip(network(x, 0.7), pair, strict=True):
                assert torch.equal(ours, x + theirs(x) * 0.7)


@pytest.mark.parametrize("kind", KINDS)
def test_comfyui_computes_what_we_compute(tmp_path: Path, kind: str) -> None:
    network = made(kind)
    network.save(tmp_path / "a.pt")
    state = torch.load(tmp_path / "a.pt", weights_only=True)
    with torch.no_grad():
        for size in SIZES:
            x = torch.randn(2, 5, size)
            for ours, half in zip(network(x, 0.7), state[size], strict=True):
                assert torch.allclose(ours, x + nn.Sequential(*comfy_layers(state, half))(x) * 0.7, atol=1e-6)


def test_half_precision_is_written_as_single(tmp_path: Path) -> None:
    """The web UI's modules are single precision, and saved so; storage of another kind would only lose digits."""
    network = made("relu").half()
    network.save(tmp_path / "a.pt")
    state = torch.load(tmp_path / "a.pt", weights_only=True)
    assert {tensor.dtype for pair in (state[s] for s in SIZES) for half in pair for tensor in half.values()} == {
        torch.float32
    }
    for generation in WEB_UI:
        check_pt(tmp_path / "a.pt", generation)


@pytest.mark.parametrize("kind", KINDS)
def test_safetensors_hold_all_that_the_pt_holds(tmp_path: Path, kind: str) -> None:
    network = made(kind)
    network.save(tmp_path / "a.pt")
    network.save(tmp_path / "a.safetensors")
    pt, other = read(tmp_path / "a.pt"), read(tmp_path / "a.safetensors")
    assert isinstance(pt, HypernetworkFile)
    assert isinstance(other, HypernetworkFile)
    assert (other.container, other.metadata) == ("safetensors", pt.metadata)
    again = Hypernetwork.load(tmp_path / "a.safetensors")
    assert again.metadata() == network.metadata()
    assert again.sizes == network.sizes
    x = torch.randn(3, 16)
    assert all(torch.equal(a, b) for a, b in zip(again(x), network(x), strict=True))


def test_a_safetensors_file_of_something_else_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"lora.weight": torch.zeros(2, 2)}, tmp_path / "a.safetensors")
    with pytest.raises(TrainerError, match="not a hypernetwork"):
        Hypernetwork.load(tmp_path / "a.safetensors")
