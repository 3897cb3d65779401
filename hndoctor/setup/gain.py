"""How strongly a planned hypernetwork disturbs its contexts before the first step: computed, not guessed (G18)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hndoctor.formats.layout import Layer, layers

Array = NDArray[Any]
CONTEXTS = 64  # vectors of unit variance; the gain is their root mean square, steady to about 1 %
SEED = 0  # the gain is a measurement, so it must be the same twice
NORMAL_STD = 0.01  # web UI: of "Normal", and of every layer norm whatever the initialisation
INITS = ("Normal", "XavierUniform", "XavierNormal", "KaimingUniform", "KaimingNormal")
_EPS = 1e-5  # torch's LayerNorm


def _sigmoid(x: Array) -> Array:
    result: Array = special.expit(x)
    return result


def _softplus(x: Array) -> Array:
    result: Array = np.logaddexp(0, x)
    return result


def _expm1(x: Array) -> Array:
    result: Array = np.expm1(np.minimum(x, 0))
    return result


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "relu": lambda x: np.maximum(x, 0),
        "leakyrelu": lambda x: np.where(x > 0, x, 0.01 * x),
        "elu": lambda x: np.where(x > 0, x, _expm1(x)),
        "celu": lambda x: np.where(x > 0, x, _expm1(x)),
        "selu": lambda x: _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * _expm1(x)),
        "gelu": lambda x: x * special.ndtr(x),
        "silu": lambda x: x * _sigmoid(x),
        "mish": lambda x: x * np.tanh(_softplus(x)),
        "swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,  # the web UI's swish is Hardswish
        "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
        "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
        "hardtanh": lambda x: np.clip(x, -1, 1),
        "relu6": lambda x: np.clip(x, 0, 6),
        "tanh": np.tanh,
        "sigmoid": _sigmoid,
        "softplus": _softplus,
        "softsign": lambda x: x / (1 + np.abs(x)),
        "tanhshrink": lambda x: x - np.tanh(x),
        "hardshrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
        "softshrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
        "logsigmoid": lambda x: -_softplus(-x),
        "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
        "rrelu": lambda x: np.where(x > 0, x, (1 / 8 + 1 / 3) / 2 * x),  # its mean slope
        # The web UI builds these without a dimension; torch then normalises over the pictures of a batch, here one.
        "softmax": np.ones_like,
        "softmin": np.ones_like,
        "logsoftmax": np.zeros_like,
        "softmax2d": np.ones_like,
    }
)


@lru_cache(maxsize=64)
def initial_gain(
    dim: int,
    structure: tuple[float, ...],
    activation: str | None = "linear",
    init: str = "Normal",
    is_layer_norm: bool = False,
    activate_output: bool = False,
) -> float:
    """‖h(x)‖ / ‖x‖ of a freshly created module, over contexts of unit variance and width `dim` (web UI, creation).

    Dropout is left out: previews and pictures are made without it.  Raises ValueError for what the web UI cannot build.
    """
    if init not in INITS:
        raise ValueError(f'initialisation "{init}" is not one of the web UI\'s; write one of {", ".join(INITS)}')
    rng = np.random.default_rng(SEED)
    contexts = rng.standard_normal((CONTEXTS, dim)).astype(np.float32)
    h = contexts
    with np.errstate(over="ignore", invalid="ignore"):  # an exploding network is a result here
        for layer in layers(dim, structure, activation, is_layer_norm, None, activate_output):
            h = _apply(layer, h, activation, init, rng)
    return float(np.sqrt(np.mean(h.astype(np.float64) ** 2) / np.mean(contexts.astype(np.float64) ** 2)))


def _apply(layer: Layer, x: Array, activation: str | None, init: str, rng: np.random.Generator) -> Array:
    if layer.kind == "linear":
        return x @ _weights(layer.n_out, layer.n_in, init, rng).T
    if layer.kind == "activation":
        return ACTIVATIONS[activation or "linear"](x)
    if layer.kind == "layer_norm":
        normal = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + _EPS)
        result: Array = normal * rng.normal(0, NORMAL_STD, layer.n_out).astype(np.float32)
        return result
    return x


def _weights(n_out: int, n_in: int, init: str, rng: np.random.Generator) -> Array:
    """One weight matrix (out, in) as the web UI draws it; biases start at 0."""
    std = {
        "Normal": NORMAL_STD,
        "XavierNormal": math.sqrt(2 / (n_in + n_out)),
        "XavierUniform": math.sqrt(2 / (n_in + n_out)),
        "KaimingNormal": math.sqrt(2 / n_in),  # gain sqrt(2) for every activation: the web UI passes relu or a = 0
        "KaimingUniform": math.sqrt(2 / n_in),
    }[init]
    if init.endswith("Uniform"):
        bound = np.float32(math.sqrt(3) * std)
        return (rng.random((n_out, n_in), dtype=np.float32) * 2 - 1) * bound
    return rng.standard_normal((n_out, n_in), dtype=np.float32) * np.float32(std)
