"""Writing hypernetworks and optimizer states that every loader takes, atomically and always with the same bytes.

The zip holds only member names that the strictest ``modules/safe.py`` (web UI of October 2022) lets pass, and only the
three globals that it, ``torch.load(weights_only=True)`` and ComfyUI allow.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hndoctor.formats.atomic import write_whole
from hndoctor.formats.containers import Part, legacy_parts, safetensors_parts, zip_parts
from hndoctor.formats.generations import WEBUI, Generation
from hndoctor.formats.layout import check_structure, parse_dropout_structure
from hndoctor.formats.plain import METADATA_KEYS
from hndoctor.formats.recognise import HEADER_KEY
from hndoctor.formats.types import Array

Container = Literal["zip", "legacy", "safetensors"]
Modules = Sequence[tuple[int, Mapping[str, Array], Mapping[str, Array]]]

_PARTS: Mapping[str, Callable[[Any], Iterator[Part]]] = {"zip": zip_parts, "legacy": legacy_parts}


def write_hypernetwork(path: Path, modules: Modules, metadata: Mapping[str, Any], container: Container = "zip") -> None:
    """Write a hypernetwork: `modules` is (size, k state dict, v state dict) in the order they shall have in the file.

    All thirteen metadata keys of the web UI are written; what `metadata` leaves out gets the web UI's default for a new
    network.  Further keys are kept if they are plain.  Raises ValueError for what no loader could take, OSError (the
    old file untouched) where the disk refuses.
    """
    if not modules:
        raise ValueError("a hypernetwork without any size")
    write_generation(path, modules, complete_metadata(metadata, path.stem), WEBUI, container)


def write_generation(
    path: Path, modules: Modules, metadata: Mapping[str, Any], form: Generation, container: Container = "zip"
) -> None:
    """Write a hypernetwork in the form of any generation: `metadata` as they shall stand there, in their order.

    Raises as `write_hypernetwork`.
    """
    if container == "safetensors":
        write_whole(path, list(safetensors_parts(*_flat(modules, metadata))))
        return
    if container not in _PARTS:
        raise ValueError(f'container "{container}" is none of zip, legacy, safetensors')
    pair = list if form.lists else tuple
    root: dict[Any, Any] = {int(size): pair((_state(k), _state(v))) for size, k, v in modules}
    write_whole(path, list(_PARTS[container](root | dict(metadata))))


def _state(tensors: Mapping[str, Array]) -> OrderedDict[str, Array]:
    return OrderedDict((str(name), np.asarray(array)) for name, array in tensors.items())


def _flat(modules: Modules, metadata: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, str]]:
    tensors = {
        f"{size}.{side}.{name}": np.asarray(array)
        for size, *pair in modules
        for side, state in zip("kv", pair, strict=True)
        for name, array in state.items()
    }
    root = {**metadata, "sizes": [int(size) for size, _, _ in modules]}
    return tensors, {"format": "pt", HEADER_KEY: json.dumps(root, ensure_ascii=False)}


def complete_metadata(metadata: Mapping[str, Any], stem: str) -> dict[str, Any]:
    """The thirteen keys in the web UI's order and types, then whatever else is given."""
    given = dict(metadata)
    structure = [float(m) for m in _or(given.get("layer_structure"), (1.0, 2.0, 1.0))]
    check_structure(structure)
    last = bool(given.get("last_layer_dropout", False))
    filled = parse_dropout_structure(structure, bool(given.get("use_dropout", False)), last)[: len(structure)]
    dropout = [_probability(p) for p in _or(given.get("dropout_structure"), filled)]
    if len(dropout) != len(structure):
        raise ValueError(f"dropout structure has {len(dropout)} numbers, the layer structure {len(structure)}")
    defaults: dict[str, Any] = {
        "step": 0,
        "name": stem,
        "activation_func": "linear",
        "is_layer_norm": False,
        "weight_initialization": "Normal",
        "sd_checkpoint": None,
        "sd_checkpoint_name": None,
        "activate_output": False,
        "use_dropout": any(dropout),
        "last_layer_dropout": dropout[-2] != 0,
        "optional_info": None,
    }
    full = {**defaults, **given, "layer_structure": structure, "dropout_structure": dropout}
    return {key: full[key] for key in METADATA_KEYS} | {k: v for k, v in full.items() if k not in METADATA_KEYS}


def _or(value: Any, default: Sequence[float]) -> Sequence[float]:
    return default if value is None else value


def _probability(p: Any) -> float:
    if not 0 <= p < 1 or not math.isfinite(p):
        raise ValueError("dropout structure: every number must be 0 or between 0 and 1")
    return float(p)


def write_optimizer(
    path: Path,
    optimizer_name: str,
    state: Mapping[int, Mapping[str, Array | float]],
    param_groups: Sequence[Mapping[str, Any]],
    hash: str | None,
) -> None:
    """Write the optimizer state beside a checkpoint, in the web UI's ``.optim`` form.

    `state` is ``optimizer.state_dict()["state"]``: parameter number -> its entries; ``step`` becomes the 0-d float32
    tensor that torch writes.  `hash` is `hashes.short_hash` of the ``.pt`` beside it, by which the web UI accepts it.
    Raises as `write_hypernetwork`.
    """
    entries = {int(index): {key: _entry(key, value) for key, value in entry.items()} for index, entry in state.items()}
    inner = {"state": entries, "param_groups": [dict(group) for group in param_groups]}
    root = {"optimizer_name": optimizer_name, "hash": hash, "optimizer_state_dict": inner}
    write_whole(path, list(zip_parts(root)))


def _entry(key: str, value: Array | float) -> Array | float:
    return np.asarray(value, np.float32) if key == "step" else value
