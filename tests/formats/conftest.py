"""Small hypernetworks as torch makes them, and hypernetworks as numpy arrays."""

from __future__ import annotations

import collections

import numpy as np
import pytest
import torch

SIZES = (24, 8)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("hndoctor.formats.source.FRESH", 0.0)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def torch_state(size, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed + size)
    shapes = {"linear.0.weight": (2 * size, size), "linear.0.bias": (2 * size,)}
    shapes |= {"linear.1.weight": (size, 2 * size), "linear.1.bias": (size,)}
    made = {name: (torch.randn(shape, generator=generator) * 0.01).to(dtype) for name, shape in shapes.items()}
    return collections.OrderedDict(made)


def torch_root(dtype=torch.float32, **metadata):
    root = {size: (torch_state(size, dtype), torch_state(size, dtype, 100)) for size in SIZES}
    return root | {
        "step": 499,
        "name": "fischl",
        "layer_structure": [1.0, 2.0, 1.0],
        "activation_func": "linear",
        "is_layer_norm": False,
        "weight_initialization": "Normal",
        "sd_checkpoint": "0123456789",
        "sd_checkpoint_name": "anything",
        "activate_output": False,
        "use_dropout": False,
        "dropout_structure": [0, 0, 0],
        "last_layer_dropout": False,
        "optional_info": None,
        **metadata,
    }


def numpy_modules(rng, sizes=SIZES, dtype=np.float32):
    def state(size):
        return {
            "linear.0.weight": rng.normal(0, 0.01, (2 * size, size)).astype(dtype),
            "linear.0.bias": rng.normal(0, 0.001, 2 * size).astype(dtype),  # trained: the web UI begins with zeros
            "linear.1.weight": rng.normal(0, 0.01, (size, 2 * size)).astype(dtype),
            "linear.1.bias": rng.normal(0, 0.001, size).astype(dtype),
        }

    return [(size, state(size), state(size)) for size in sizes]


def assert_same(file, root):
    """Every tensor that was read is torch's own, to the last bit."""
    assert [(m.size, m.side) for m in file.modules] == [(s, side) for s in root if type(s) is int for side in "kv"]
    for module in file.modules:
        state = root[module.size]["kv".index(module.side)]
        assert list(module.tensors) == list(state)
        for name, tensor in state.items():
            theirs = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()
            np.testing.assert_array_equal(module.tensors[name], theirs.numpy())
            assert module.dtypes[name] == str(tensor.dtype).removeprefix("torch.")
