"""One module of a hypernetwork, layer for layer the web UI's (web UI, `HypernetworkModule`)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional, init

from hndoctor.formats import layout
from trainer.errors import TrainerError

NORMAL_STD = 0.01  # of weights under "Normal", and of every layer norm's gain (web UI)


def _legacy_dim(x: Tensor) -> int:
    """The dimension that torch's softmax family takes when none is given, as the web UI gives none."""
    return 0 if x.dim() in (0, 1, 3) else 1


class Softmax(nn.Module):
    """`nn.Softmax()` as the web UI builds it: without a dimension, so over the pictures of a batch."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.softmax(x, _legacy_dim(x))


class Softmin(nn.Module):
    """`nn.Softmin()` without a dimension."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.softmin(x, _legacy_dim(x))


class LogSoftmax(nn.Module):
    """`nn.LogSoftmax()` without a dimension."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.log_softmax(x, _legacy_dim(x))


def _activations() -> dict[str, Callable[[], nn.Module]]:
    space = torch.nn.modules.activation
    classes: list[tuple[str, Any]] = inspect.getmembers(space, inspect.isclass)
    own = {name.lower(): made for name, made in classes if made.__module__ == space.__name__}
    return {
        "linear": nn.Identity,
        "swish": nn.Hardswish,  # the web UI's choice; SiLU is "silu"
        **own,
        "softmax": Softmax,
        "softmin": Softmin,
        "logsoftmax": LogSoftmax,
    }


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(_activations())
"""Every activation by the web UI's name for it: `linear`, `swish`, and each torch activation in lower case."""


def _kaiming(into: Callable[..., Tensor]) -> Callable[[Tensor, str | None, torch.Generator | None], object]:
    def fill(weight: Tensor, activation: str | None, generator: torch.Generator | None) -> object:
        shape = "leaky_relu" if activation == "leakyrelu" else "relu"
        return into(weight, nonlinearity=shape, generator=generator)

    return fill


INITIALISATIONS: Mapping[str, Callable[[Tensor, str | None, torch.Generator | None], object]] = MappingProxyType(
    {
        "Normal": lambda weight, _, generator: init.normal_(weight, 0.0, NORMAL_STD, generator=generator),
        "XavierUniform": lambda weight, _, generator: init.xavier_uniform_(weight, generator=generator),
        "XavierNormal": lambda weight, _, generator: init.xavier_normal_(weight, generator=generator),
        "KaimingUniform": _kaiming(init.kaiming_uniform_),
        "KaimingNormal": _kaiming(init.kaiming_normal_),
    }
)
"""The web UI's weight initialisations, by its names."""


def _build(entry: layout.Layer, activation: str | None) -> nn.Module:
    if entry.kind == "linear":
        return nn.Linear(entry.n_in, entry.n_out)
    if entry.kind == "layer_norm":
        return nn.LayerNorm(entry.n_out)
    if entry.kind == "dropout":
        return nn.Dropout(entry.p)
    return ACTIVATIONS[activation or "linear"]()


class HypernetworkModule(nn.Module):
    """`x + linear(x) * strength`: rewrites contexts (..., size) for keys or for values.

    Weights are left as torch makes them until `initialise` or `load_state_dict`.
    """

    linear: nn.Sequential

    def __init__(
        self,
        size: int,
        layer_structure: Sequence[float] = (1, 2, 1),
        activation_func: str | None = "linear",
        add_layer_norm: bool = False,
        dropout_structure: Sequence[float] | None = None,
        activate_output: bool = False,
    ) -> None:
        super().__init__()
        try:
            entries = layout.layers(
                size, layer_structure, activation_func, add_layer_norm, dropout_structure, activate_output
            )
        except ValueError as error:
            raise TrainerError(str(error)) from None
        self.linear = nn.Sequential(*(_build(entry, activation_func) for entry in entries))

    def forward(self, x: Tensor, strength: float = 1.0) -> Tensor:
        change: Tensor = self.linear(x)
        return x + change if strength == 1.0 else x + change * strength

    def initialise(
        self, weight_init: str = "Normal", activation_func: str | None = None, generator: torch.Generator | None = None
    ) -> None:
        """Draw new weights as the web UI does: layer norms always "Normal" (their gain starts near 0), biases 0."""
        if weight_init not in INITIALISATIONS:
            names = ", ".join(INITIALISATIONS)
            raise TrainerError(f'weight_init "{weight_init}" is not one of the web UI\'s: {names}')
        with torch.no_grad():
            for layer in self.linear:
                if isinstance(layer, nn.Linear | nn.LayerNorm):
                    kind = "Normal" if isinstance(layer, nn.LayerNorm) else weight_init
                    INITIALISATIONS[kind](layer.weight, activation_func, generator)
                    init.zeros_(layer.bias)
