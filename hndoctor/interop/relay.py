"""The same tensors under other names: a module's layers, found by their order and laid out anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from hndoctor.formats.layout import Layer, layer_parameters, layers
from hndoctor.formats.types import Array, HypernetworkFile, Module
from hndoctor.interop.errors import InteropError
from hndoctor.interop.reading import Pairs, pairs
from hndoctor.records import NetworkMetadata

_ENTRY = re.compile(r"linear\.(\d{1,4})\.(weight|bias)")
_OLD = ("linear1", "linear2")


def entries(module: Module) -> list[dict[str, Array]]:
    """The tensors of a module, layer by layer in their order.  ValueError: names of no plain module."""
    found: dict[int, dict[str, Array]] = {}
    for name, array in module.tensors.items():
        match = _ENTRY.fullmatch(name)
        if match is None:
            raise ValueError(f"{name[:60]} is no tensor of a plain module")
        found.setdefault(int(match[1]), {})[match[2]] = array
    return [found[index] for index in sorted(found)]


def relaid(
    file: HypernetworkFile, metadata: NetworkMetadata, dropout: Sequence[float], *, old_names: bool = False
) -> Pairs:
    """All modules, named as a web UI with these settings names them.

    The dropout settings decide the numbers in the names; layers themselves keep their order.  A file whose own settings
    do not fit its tensors is mended by this where the layers themselves fit.  Raises InteropError where they do not.
    """
    if metadata.skip_connection:
        return pairs({(m.size, m.side): dict(m.tensors) for m in file.modules})
    made: dict[tuple[int, str], dict[str, Array]] = {}
    for module in file.modules:
        try:
            made[module.size, module.side] = _module(module, metadata, dropout, old_names)
        except ValueError as problem:
            where = f"{module.size}.{module.side}"
            raise InteropError(f"{file.path}: {where}: {problem}; its settings do not fit its tensors") from None
    return pairs(made)


def _module(module: Module, metadata: NetworkMetadata, dropout: Sequence[float], old_names: bool) -> dict[str, Array]:
    stack = layers(
        module.size,
        metadata.layer_structure or (1.0, 2.0, 1.0),
        metadata.activation_func,
        metadata.is_layer_norm,
        dropout,
        metadata.activate_output,
    )
    holding = [layer for layer in stack if layer_parameters(layer, metadata.activation_func)]
    found = entries(module)
    if len(found) != len(holding):
        raise ValueError(f"{len(found)} layers with tensors, and {len(holding)} are expected")
    tensors: dict[str, Array] = {}
    for at, (layer, held) in enumerate(zip(holding, found, strict=True)):
        _check(layer, held)
        prefix = _OLD[at] if old_names else layer.prefix
        tensors |= {f"{prefix}.{part}": held[part] for part in ("weight", "bias") if part in held}
    return tensors


def _check(layer: Layer, held: dict[str, Array]) -> None:
    shapes: dict[str, dict[str, tuple[int, ...]]] = {
        "linear": {"weight": (layer.n_out, layer.n_in), "bias": (layer.n_out,)},
        "layer_norm": {"weight": (layer.n_out,), "bias": (layer.n_out,)},
        "activation": {"weight": (1,)},
    }
    found = {part: array.shape for part, array in held.items()}
    if found != shapes[layer.kind]:
        raise ValueError(f"layer {layer.index} has shapes {found}, and {shapes[layer.kind]} are expected")


def without_dropout(metadata: NetworkMetadata) -> NetworkMetadata:
    """The same network with dropout nowhere: it computes the same pictures."""
    none = (0.0,) * len(metadata.layer_structure or (1.0, 2.0, 1.0))
    return replace(metadata, use_dropout=False, dropout_structure=none, last_layer_dropout=False)
