"""A file from which ComfyUI's loader computes the very network that was trained.

That loader rebuilds a network from its tensors in their order.  It leaves dropout switched on, it takes a missing
``activate_output`` for false, it knows nine activations, and with layer norms it puts an activation behind the last
layer whatever the file says (a1111.md §4.1, read in ``comfy_extras/nodes_hypernetwork.py`` @0323d874).  The first three
are settings.  The last is undone by arithmetic: a layer norm does not see a constant that is added to all channels, and
several activations leave large numbers as they are.  So the last layer's biases are raised, all by one constant, until
the unwanted activation has nothing to do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from hndoctor.formats.generations import nonlinear
from hndoctor.formats.loaders import COMFY_ACTIVATIONS
from hndoctor.formats.types import Array, HypernetworkFile
from hndoctor.interop.errors import InteropError
from hndoctor.interop.reading import Pairs, pairs
from hndoctor.interop.relay import relaid, without_dropout
from hndoctor.records import NetworkMetadata

IDENTITY_FROM: Mapping[str, float] = MappingProxyType(
    {"relu": 0.0, "leakyrelu": 0.0, "elu": 0.0, "swish": 3.0, "mish": 12.0}
)
"""Above which x an activation gives x itself: exactly, for mish to 4e-10 (x · tanh(softplus(x)), by arithmetic)."""

TWINS: Mapping[str, str] = MappingProxyType({"celu": "elu", "hardswish": "swish"})
"""Activations that are the same function under a name that ComfyUI knows (torch's default arguments)."""

MOST_SHIFT = 1000.0  # a larger constant leaves float32 fewer than four digits of the layer's own numbers (arithmetic)


@dataclass(frozen=True)
class ForComfyUI:
    """Modules and metadata as ComfyUI needs them, and what was changed."""

    modules: Pairs
    metadata: NetworkMetadata
    notes: tuple[str, ...]


def for_comfyui(file: HypernetworkFile) -> ForComfyUI:
    """The network as a file that ComfyUI computes right, and every web UI too.

    Raises InteropError, in one line, where no file can do that.
    """
    own = file.metadata
    if own.skip_connection:
        raise InteropError(f"{file.path}: ComfyUI cannot compute residual blocks (skip_connection); train without them")
    if own.layer_structure is None:
        raise InteropError(f"{file.path}: stores no layer structure; convert it to a web UI's form first")
    notes: list[str] = []
    metadata = replace(without_dropout(own), activation_func=_activation(file, notes))
    if any(own.dropout_structure or ()) or own.use_dropout:
        notes.append("dropout is left out: ComfyUI would leave it switched on (pictures elsewhere stay the same)")
    if nonlinear(own) and "activate_output" not in file.keys and own.activate_output:
        notes.append("activate_output is written: ComfyUI would leave the last activation out without it")
    laid = replace(metadata, activation_func=own.activation_func)
    modules = relaid(file, laid, metadata.dropout_structure or ())
    if nonlinear(metadata) and metadata.is_layer_norm and not metadata.activate_output:
        modules = _shifted(file, modules, str(metadata.activation_func), notes)
    return ForComfyUI(modules, metadata, tuple(notes))


def _activation(file: HypernetworkFile, notes: list[str]) -> str:
    """The activation by a name that ComfyUI knows."""
    own = file.metadata.activation_func or "linear"
    if not nonlinear(file.metadata):
        return "linear"  # a single layer without activation on its output has none at all
    if own in TWINS:
        notes.append(f"activation {own} is written as {TWINS[own]}, the same function")
        return TWINS[own]
    if own not in COMFY_ACTIVATIONS:
        known = ", ".join(sorted(COMFY_ACTIVATIONS))
        raise InteropError(f"{file.path}: ComfyUI does not know the activation {own}; it computes {known}")
    return own


def _shifted(file: HypernetworkFile, modules: Pairs, activation: str, notes: list[str]) -> Pairs:
    """The modules with the biases of their last linear layer raised by a constant."""
    if activation not in IDENTITY_FROM:
        raise InteropError(
            f"{file.path}: with layer norm ComfyUI puts {activation} behind the last layer, and no file can undo that; "
            "use it in the web UI, or train without layer norm"
        )
    made: dict[tuple[int, str], dict[str, Array]] = {}
    largest = 0.0
    for size, *sides in modules:
        for side, tensors in zip("kv", sides, strict=True):
            made[size, side], shift = _raised(tensors, IDENTITY_FROM[activation])
            largest = max(largest, shift)
    if not largest <= MOST_SHIFT:
        raise InteropError(
            f"{file.path}: its last layer's numbers are too large for ComfyUI's layer norms; take an earlier checkpoint"
        )
    notes.append(
        f"the last layer's biases are raised by up to {largest:.3g}, which the layer norm behind it takes off again: "
        f"ComfyUI's own {activation} there then changes nothing"
    )
    return pairs(made)


def _raised(tensors: dict[str, Array], identity_from: float) -> tuple[dict[str, Array], float]:
    """One module's tensors, and the constant that its last bias was raised by."""
    names = _layer_names(tensors)
    matrices = [name for name in names if tensors[f"{name}.weight"].ndim == 2]
    last = matrices[-1]
    before = names[names.index(last) - 1] if len(matrices) > 1 else None
    weight, bias = (tensors[f"{last}.{part}"].astype(np.float64) for part in ("weight", "bias"))
    gain, offset = (
        (tensors[f"{before}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        if before is not None
        else (np.ones(weight.shape[1]), np.zeros(weight.shape[1]))
    )
    shift = max(0.0, identity_from - lowest(weight, bias, gain, offset))
    kind = tensors[f"{last}.bias"].dtype
    return {**tensors, f"{last}.bias": (bias + shift).astype(kind)}, shift


def _layer_names(tensors: Mapping[str, Array]) -> Sequence[str]:
    names = (name.removesuffix(".weight") for name in tensors if name.endswith(".weight"))
    return sorted(names, key=lambda name: int(name.rpartition(".")[2]))


def lowest(weight: Array, bias: Array, gain: Array, offset: Array) -> float:
    """A number that no output of a linear layer behind a layer norm falls below, whatever comes in.

    `weight` (out, in) and `bias` (out,) are the layer's, `gain` and `offset` (in,) the norm's.  A normalised vector of
    n channels has the length sqrt(n) at most, and Cauchy and Schwarz do the rest.
    """
    reach = np.linalg.norm(weight * gain, axis=1) * math.sqrt(weight.shape[1])
    return float(np.min(weight @ offset + bias - reach))
