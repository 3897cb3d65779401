"""Every activation of the web UI in numpy, with torch's exact definitions and default arguments.

``swish`` is Hardswish, as in the web UI.  The softmax family is built without a dimension there, and torch then takes
the first of three: the pictures of a batch.  Evaluated for a batch of one, as here, its values are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hndoctor.formats.types import Array

Activation = Callable[[Array], Array]

PRELU_SLOPE = 0.25  # torch's initial slope; the stored one is used where there is one
_RRELU_SLOPE = (1 / 8 + 1 / 3) / 2  # in evaluation torch takes the mean of its range
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805
_SOFTPLUS_LINEAR = 20.0  # torch's threshold above which softplus is the identity


def leaky(slope: float) -> Activation:
    """x above zero, slope * x below."""
    return lambda x: np.where(x > 0, x, slope * x)


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _sigmoid(x: Array) -> Array:
    return _HALF * (1 + np.tanh(_HALF * x))


def _softplus(x: Array) -> Array:
    return np.where(x > _SOFTPLUS_LINEAR, x, np.log1p(np.exp(np.minimum(x, _SOFTPLUS_LINEAR))))


def _logsigmoid(x: Array) -> Array:
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def _mish(x: Array) -> Array:
    return x * np.tanh(_softplus(x))


def _gelu(x: Array) -> Array:
    from scipy.special import erf  # only here: importing scipy costs a tenth of a second

    gate: Array = _HALF * (1 + erf(x * np.float32(np.sqrt(0.5))))
    return x * gate


def _relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def _hardsigmoid(x: Array) -> Array:
    gate: Array = np.clip(x + 3, 0, 6) / 6
    return gate


def _selu(x: Array) -> Array:
    return _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.minimum(x, 0)))


def _softshrink(x: Array) -> Array:
    return np.sign(x) * np.maximum(np.abs(x) - _HALF, 0)


_HALF = 0.5

ACTIVATIONS: Mapping[str, Activation] = {
    "relu": lambda x: np.maximum(x, 0),
    "leakyrelu": leaky(0.01),
    "elu": _elu,
    "swish": lambda x: x * _hardsigmoid(x),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "celu": _elu,
    "gelu": _gelu,
    "hardshrink": lambda x: np.where(np.abs(x) > _HALF, x, 0),
    "hardsigmoid": _hardsigmoid,
    "hardswish": lambda x: x * _hardsigmoid(x),
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "logsigmoid": _logsigmoid,
    "logsoftmax": np.zeros_like,
    "mish": _mish,
    "prelu": leaky(PRELU_SLOPE),
    "relu6": _relu6,
    "rrelu": leaky(_RRELU_SLOPE),
    "selu": _selu,
    "silu": lambda x: x * _sigmoid(x),
    "softmax": np.ones_like,
    "softmax2d": np.ones_like,
    "softmin": np.ones_like,
    "softplus": _softplus,
    "softshrink": _softshrink,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanhshrink": lambda x: x - np.tanh(x),
}
"""All but ``linear`` (the identity) and what cannot be evaluated: ``glu``, ``multiheadattention``, ``threshold``."""

CAN_DIE = frozenset({"relu", "relu6", "swish", "hardswish", "hardsigmoid", "hardshrink", "softshrink"})
"""Activations with a flat stretch at exactly zero, in which a unit stays once it has got there."""


def layer_norm(x: Array, weight: Array, bias: Array | float) -> Array:
    """torch's LayerNorm over the last axis, epsilon 1e-5."""
    centred = x - x.mean(axis=-1, keepdims=True)
    normal: Array = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * weight + bias
    return normal
