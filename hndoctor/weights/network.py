"""What a module does: its tensors put together as the web UI would, and applied to fixed contexts.

The order of the stored tensors and the activation decide everything that counts in evaluation (dropout does nothing
then), so even a file whose dropout structure is wrong, or missing, is evaluated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hndoctor.formats.activations import ACTIVATIONS, CAN_DIE, Activation, layer_norm, leaky
from hndoctor.formats.mapped import LARGE
from hndoctor.formats.types import Array, Module
from hndoctor.records import NetworkMetadata

CONTEXTS = 32  # rows of unit variance: enough for the gain to 1 %, and for a sound ReLU unit to fire at least once
SEED = 20221007
WIDE = 1e4  # max |w| from which float32 might overflow on the way
_ENTRY = re.compile(r"linear\.(\d+)\.(weight|bias)")
_BLOCK = re.compile(r"linear\.(\d+)\.(?:linear\.(\d+)\.(weight|bias)|upsample_layer\.weight)")


@dataclass(frozen=True)
class Effect:
    """What a module does to contexts of unit variance."""

    gain: float | None
    varied: float | None  # of the gain, what differs from context to context
    dead_units: float | None
    dead_outputs: float | None


NOTHING = Effect(None, None, None, None)


@lru_cache(maxsize=16)
def contexts(size: int) -> Array:
    """The fixed contexts of one width: (CONTEXTS, size), float32, unit variance, always the same."""
    drawn: Array = np.random.default_rng(SEED).standard_normal((CONTEXTS, size), dtype=np.float32)
    return drawn


def effect(module: Module, metadata: NetworkMetadata, largest: float | None = None) -> Effect:
    """The gain ||h(x)|| / ||x|| and the units that never fire.  All None where the module cannot be evaluated.

    `largest` is the largest magnitude of any of its weights, where that is known already.
    """
    if any(array.dtype.kind == "c" for array in module.tensors.values()):
        return NOTHING  # torch would drop the imaginary parts with a warning
    x = contexts(module.size)
    if any(array.nbytes > LARGE for array in module.tensors.values()):
        return NOTHING
    if largest is None:
        largest = max(map(_largest, module.tensors.values()), default=0.0)
    wide = largest > WIDE or any(array.dtype == np.float64 for array in module.tensors.values())
    x = x.astype(np.float64) if wide else x
    with np.errstate(all="ignore"):
        try:
            change, hidden = _change(module, metadata, x)
        except (ValueError, KeyError, IndexError):
            return NOTHING
        wide_change, length = change.astype(np.float64), np.linalg.norm(x)
        gain = float(np.linalg.norm(wide_change) / length)
        varied = float(np.linalg.norm(wide_change - wide_change.mean(axis=0)) / length)
    if not np.isfinite(gain):
        return NOTHING
    return Effect(gain, varied, _dead_share(hidden), _dead_share([change]) if metadata.activate_output else None)


def _largest(array: Array) -> float:
    if array.size == 0:
        return 0.0
    with np.errstate(all="ignore"):
        return float(max(abs(array.max()), abs(array.min())))


def _change(module: Module, metadata: NetworkMetadata, x: Array) -> tuple[Array, list[Array]]:
    """h(x), and what the hidden layers made of x where their activation can die."""
    if any(_BLOCK.fullmatch(name) for name in module.tensors):
        return _residual(module, metadata, x), []
    hidden: list[Array] = []
    steps = _steps(module, metadata)
    last = max(index for index, (kind, _) in enumerate(steps) if kind == "linear")
    y = x
    for index, (kind, step) in enumerate(steps):
        y = step(y)
        if kind == "activation" and index < last and metadata.activation_func in CAN_DIE:
            hidden.append(y)
    if y.shape != x.shape:
        raise ValueError("the module does not keep the width of its context")
    return y, hidden


def _steps(module: Module, metadata: NetworkMetadata) -> list[tuple[str, Activation]]:
    """The module as functions in order: linear, activation, layer norm, linear ..."""
    entries = _entries(module)
    matrices = [index for index, parts in entries.items() if parts["weight"].ndim == 2]
    if not matrices:
        raise ValueError("no linear layer")
    steps: list[tuple[str, Activation]] = []
    slopes = iter([parts["weight"] for parts in entries.values() if parts["weight"].shape == (1,) and len(parts) == 1])
    for index, parts in entries.items():
        if parts["weight"].ndim == 2:
            steps.append(("linear", _linear(parts["weight"], parts.get("bias"))))
            if index != matrices[-1] or metadata.activate_output:
                steps += _activation(metadata.activation_func, next(slopes, None))
        elif parts["weight"].ndim == 1 and "bias" in parts:
            steps.append(("layer_norm", _norm(parts["weight"], parts["bias"])))
    return steps


def _entries(module: Module) -> dict[int, dict[str, Array]]:
    found: dict[int, dict[str, Array]] = {}
    for name, array in module.tensors.items():
        if match := _ENTRY.fullmatch(name):
            found.setdefault(int(match[1]), {})[match[2]] = array
    return dict(sorted(found.items()))


def _activation(name: str | None, slope: Array | None) -> list[tuple[str, Activation]]:
    if name in (None, "linear"):
        return []
    if name == "prelu" and slope is not None:
        return [("activation", leaky(float(slope[0])))]
    return [("activation", ACTIVATIONS[str(name)])]


def _linear(weight: Array, bias: Array | None) -> Activation:
    def step(x: Array) -> Array:
        # (W x')' and not x W': the product runs along the rows as they are stored, a sixth faster
        mapped: Array = (weight.astype(x.dtype, copy=False) @ np.ascontiguousarray(x.T)).T
        return mapped if bias is None else mapped + bias.astype(x.dtype, copy=False)

    return step


def _norm(weight: Array, bias: Array) -> Activation:
    return lambda x: layer_norm(x, weight.astype(x.dtype, copy=False), bias.astype(x.dtype, copy=False))


def _dead_share(outputs: list[Array]) -> float | None:
    """The share of units that are zero for every context."""
    if not outputs:
        return None
    return float(np.mean(np.concatenate([~y.any(axis=0) for y in outputs])))


# --- MonkeyPatch's residual blocks ------------------------------------------------------------------------------------


def _residual(module: Module, metadata: NetworkMetadata, x: Array) -> Array:
    """The change that a stack of ResBlocks makes: block(x) = upsample(x) + Sequential(...)(x), activation in each."""
    blocks: dict[int, dict[tuple[int, str] | str, Array]] = {}
    for name, array in module.tensors.items():
        if match := _BLOCK.fullmatch(name):
            key = (int(match[2]), match[3]) if match[2] else "upsample"
            blocks.setdefault(int(match[1]), {})[key] = array
    y = x
    for _, parts in sorted(blocks.items()):
        y = _block(parts, metadata.activation_func, y)
    if y.shape != x.shape:
        raise ValueError("the blocks do not keep the width of their context")
    return y - x


def _block(parts: dict[tuple[int, str] | str, Array], activation: str | None, x: Array) -> Array:
    inner = x
    for index in sorted({key[0] for key in parts if isinstance(key, tuple)}):
        weight, bias = parts[(index, "weight")], parts.get((index, "bias"))
        if weight.ndim == 2:
            inner = _linear(weight, bias)(inner)
        elif bias is not None:
            inner = _norm(weight, bias)(inner)
    for _, step in _activation(activation, None):
        inner = step(inner)
    return _upsampled(x, inner.shape[-1], parts.get("upsample")) + inner


def _upsampled(x: Array, width: int, weight: Array | None) -> Array:
    """torch's interpolate(mode="nearest-exact") along the channels, or the block's own linear map."""
    if weight is not None:
        mapped: Array = x @ weight.T.astype(x.dtype, copy=False)
        return mapped
    source = np.floor((np.arange(width) + 0.5) * (x.shape[-1] / width)).astype(np.int64)
    picked: Array = x[:, np.minimum(source, x.shape[-1] - 1)]
    return picked
