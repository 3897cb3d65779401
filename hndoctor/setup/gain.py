"""How strongly a planned hypernetwork disturbs its contexts before the first step: computed, not guessed (G18)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from hndoctor.formats.activations import ACTIVATIONS, layer_norm
from hndoctor.formats.layout import Layer, layers
from hndoctor.formats.types import Array

CONTEXTS = 64  # vectors of unit variance; the gain is their root mean square, steady to about 1 %
SEED = 0  # the gain is a measurement, so it must be the same twice
NORMAL_STD = 0.01  # web UI: of "Normal", and of every layer norm whatever the initialisation
INITS = ("Normal", "XavierUniform", "XavierNormal", "KaimingUniform", "KaimingNormal")


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
        return layer_norm(x, rng.normal(0, NORMAL_STD, layer.n_out).astype(np.float32), 0.0)
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
