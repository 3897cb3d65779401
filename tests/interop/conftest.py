"""Networks of every kind, written in the exact form of the web UI that could make them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from tests.interop import twins

SIZES = (12, 8)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hndoctor.formats.source.FRESH", 0.0)


@dataclass(frozen=True)
class Kind:
    """How a network is built."""

    structure: tuple[float, ...] = (1, 2, 1)
    activation: str | None = "linear"
    norm: bool = False
    dropout: tuple[float, ...] = ()
    out: bool = False
    sizes: tuple[int, ...] = field(default=SIZES)

    @property
    def drops(self) -> tuple[float, ...]:
        return self.dropout or (0.0,) * len(self.structure)


KINDS = {
    "plain": Kind(),
    "wide": Kind((1, 1.5, 1.5, 1)),
    "relu": Kind(activation="relu"),
    "relu-out": Kind(activation="relu", out=True),
    "norm": Kind(norm=True),
    "relu-norm": Kind((1, 2, 1), "relu", norm=True),
    "mish-norm-deep": Kind((1, 2, 1.5, 1), "mish", norm=True),
    "swish-dropout": Kind((1, 2, 2, 1), "swish", dropout=(0, 0.3, 0, 0)),
    "swish-dropout-last": Kind((1, 2, 2, 1), "swish", dropout=(0, 0.3, 0.3, 0)),
    "elu-odd-dropout": Kind((1, 2, 2, 1), "elu", dropout=(0, 0.05, 0.15, 0)),
    "leaky-norm-dropout": Kind((1, 2, 2, 1), "leakyrelu", norm=True, dropout=(0, 0.1, 0.2, 0)),
    "tanh-norm": Kind(activation="tanh", norm=True),
    "tanh-norm-out": Kind(activation="tanh", norm=True, out=True),
    "gelu": Kind(activation="gelu"),
    "prelu": Kind(activation="prelu"),
    "celu": Kind((1, 1.5, 1), "celu"),
    "single": Kind((1, 1), "relu"),
}


def modules_of(kind: Kind, seed: int = 0) -> dict[int, tuple[twins.WebUIModule, twins.WebUIModule]]:
    """The network as trained: layer norms far from their beginning, every bias in use."""
    made = {}
    for size in kind.sizes:
        pair = []
        for side in (0, 1):
            module = twins.WebUIModule(
                twins.stack(size, kind.structure, kind.activation, kind.norm, kind.drops, kind.out)
            )
            generator = torch.Generator().manual_seed(1000 * seed + 10 * size + side)
            for name, parameter in module.named_parameters():
                scale = 0.5 if parameter.dim() < 2 else 0.3
                parameter.data = scale * torch.randn(parameter.shape, generator=generator)
                if parameter.dim() == 1 and name.endswith("weight"):
                    parameter.data += 1
            pair.append(module.eval())
        made[size] = tuple(pair)
    return made


def root_of(kind: Kind, seed: int = 0, **more: object) -> dict:
    """The whole dictionary as the web UI of 2023 saves it."""
    states = {
        size: tuple(OrderedDict(module.state_dict()) for module in pair)
        for size, pair in modules_of(kind, seed).items()
    }
    return states | {
        "step": 499,
        "name": "fischl",
        "layer_structure": [float(part) for part in kind.structure],
        "activation_func": kind.activation,
        "is_layer_norm": kind.norm,
        "weight_initialization": "Normal",
        "sd_checkpoint": "6ce0161689",
        "sd_checkpoint_name": "v1-5-pruned",
        "activate_output": kind.out,
        "use_dropout": any(kind.drops),
        "dropout_structure": list(kind.drops),
        "last_layer_dropout": kind.drops[-2] != 0,
        "optional_info": None,
        **more,
    }


def saved(path: Path, kind: Kind, seed: int = 0, **more: object) -> Path:
    """A file of 2023; as torch's stream, because today's torch gives its zip members of other names."""
    torch.save(root_of(kind, seed, **more), path, _use_new_zipfile_serialization=False)
    return path


def meant(kind: Kind, seed: int = 0) -> torch.Tensor:
    """What the network computes, by the web UI that made it."""
    return twins.outputs(modules_of(kind, seed))
