"""From the plain values of a file to what it is: a hypernetwork, an optimizer state, or tensors of another kind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hndoctor.formats.allowed import NumpyArray, Tensor
from hndoctor.formats.loaders import MALFORMED
from hndoctor.formats.plain import check_leaves, is_tensor, leaves, metadata_of, plain_values, provenance_of
from hndoctor.formats.safetensors import Flat
from hndoctor.formats.shelf import Shelf
from hndoctor.formats.types import Array, HypernetworkFile, Module, OptimizerFile, Refused, TensorFile
from hndoctor.records import Refusal

SIDES = ("k", "v")
SIZE_LIMIT = 1 << 14  # width of a context; Stable Diffusion's go up to 2048, and 32 contexts are drawn of each
HEADER_KEY = "hypernetwork"  # safetensors header: the metadata as JSON
EMBEDDING_WIDTHS = (768, 1024, 1280)
_OF_A_HYPERNETWORK = re.compile(r"[0-9]{1,5}\.[kv]\.linear(?:\.[0-9]{1,3}|[12])\.(?:weight|bias)")


@dataclass(frozen=True)
class Facts:
    """What is known of a file apart from its values."""

    path: Path
    container: str
    bytes: int
    sha256: Callable[[], str]
    members: tuple[str, ...] = ()
    globals: tuple[str, ...] = ()
    top: str = ""


def recognise(root: Any, shelf: Shelf, facts: Facts) -> HypernetworkFile | OptimizerFile | TensorFile:
    """Make the record that fits the root object of a torch file.  Raises Refused."""
    check_leaves(root)
    if isinstance(root, dict):
        if any(isinstance(key, str) and key.isdecimal() and _is_pair_like(root[key]) for key in root):
            raise Refused(Refusal.DAMAGED, "its sizes are stored as text, not as numbers: no loader finds them")
        sizes = [key for key in root if type(key) is int]
        if any(_is_pair_like(root[size]) for size in sizes):
            return _hypernetwork(root, sizes, shelf, facts)
        if isinstance(root.get("optimizer_state_dict"), dict):
            return _optimizer(root["optimizer_state_dict"], root, shelf, facts)
        if isinstance(root.get("state"), dict) and isinstance(root.get("param_groups"), list):
            return _optimizer(root, {}, shelf, facts)
    return _tensors(root, shelf, facts)


# --- hypernetwork -----------------------------------------------------------------------------------------------------


def _is_pair_like(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and any(isinstance(part, dict) for part in value)


def _hypernetwork(root: dict[Any, Any], sizes: list[int], shelf: Shelf, facts: Facts) -> HypernetworkFile:
    modules: list[Module] = []
    for size in sizes:
        pair = root[size]
        if not 0 < size < SIZE_LIMIT:
            raise Refused(Refusal.DAMAGED, f"size {size} is the width of no context")
        if not _is_pair_like(pair) or len(pair) != 2 or not all(isinstance(part, dict) and part for part in pair):
            raise Refused(Refusal.DAMAGED, f"size {size} does not hold two state dicts, one for k and one for v")
        modules += [_module(size, side, part, shelf) for side, part in zip(SIDES, pair, strict=True)]
    lists = any(isinstance(root[size], list) for size in sizes)
    return _finish(root, tuple(modules), lists, facts)


def _module(size: int, side: str, state: Mapping[Any, Any], shelf: Shelf) -> Module:
    tensors: dict[str, Array] = {}
    dtypes: dict[str, str] = {}
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, (Tensor, NumpyArray)):
            raise Refused(Refusal.DAMAGED, f"{size}.{side} holds something that is not a named tensor")
        name = modern(key)
        if name in tensors:
            raise Refused(Refusal.DAMAGED, f"{size}.{side} holds {name} under an old name too")
        tensors[name] = shelf.array(value)
        dtypes[name] = value.dtype if isinstance(value, Tensor) else tensors[name].dtype.name
    return Module(size, side, tensors, dtypes)


def modern(key: str) -> str:
    """The name a tensor has today: ``linear1.weight`` of NovelAI and the first web UIs is ``linear.0.weight``."""
    for old, new in (("linear1.", "linear.0."), ("linear2.", "linear.1.")):
        if key.startswith(old):
            return new + key[len(old) :]
    return key


def _finish(root: Mapping[Any, Any], modules: tuple[Module, ...], lists: bool, facts: Facts) -> HypernetworkFile:
    if not any(array.size for module in modules for array in module.tensors.values()):
        raise Refused(Refusal.DAMAGED, "a hypernetwork whose tensors hold no numbers at all")
    keys = tuple(key for key in root if isinstance(key, str))
    metadata, wrong = metadata_of(root, facts.path.stem)
    raw = plain_values(root)
    if wrong:
        raw[MALFORMED] = wrong
    provenance = provenance_of(keys, lists, raw)
    return HypernetworkFile(
        path=facts.path,
        container=facts.container,
        modules=modules,
        metadata=metadata,
        keys=keys,
        provenance=provenance,
        sha256=facts.sha256(),
        bytes=facts.bytes,
        members=facts.members,
        globals=facts.globals,
        top=facts.top,
        raw=raw,
    )


# --- optimizer --------------------------------------------------------------------------------------------------------


def _optimizer(inner: dict[Any, Any], outer: Mapping[Any, Any], shelf: Shelf, facts: Facts) -> OptimizerFile:
    state = inner.get("state")
    groups = inner.get("param_groups")
    if not isinstance(state, dict) or not isinstance(groups, list) or not all(isinstance(g, dict) for g in groups):
        raise Refused(Refusal.DAMAGED, "its optimizer state lacks the state or the parameter groups")
    entries: dict[int, dict[str, Array | float | int]] = {}
    for index, entry in state.items():
        if type(index) is not int or not isinstance(entry, dict):
            raise Refused(Refusal.DAMAGED, "its optimizer state is not listed by parameter number")
        found = {str(key): value for key, value in entry.items() if is_tensor(value) or isinstance(value, int | float)}
        entries[index] = {key: _state_value(value, shelf) for key, value in found.items()}
    plain_groups = tuple(plain_values(group, ()) | _scalars(group, shelf) | _params(group) for group in groups)
    name, hashed = outer.get("optimizer_name"), outer.get("hash")
    return OptimizerFile(
        facts.path,
        name if isinstance(name, str) else None,
        hashed if isinstance(hashed, str) else None,
        entries,
        plain_groups,
        facts.sha256(),
        facts.bytes,
    )


def _scalars(group: Mapping[Any, Any], shelf: Shelf) -> dict[str, Any]:
    """Numbers that torch holds as tensors, as it does the learning rate of a captured step."""
    found = {str(key): _state_value(value, shelf) for key, value in group.items() if is_tensor(value)}
    return {key: value for key, value in found.items() if isinstance(value, float)}


def _params(group: Mapping[Any, Any]) -> dict[str, Any]:
    params = group.get("params")
    return {"params": list(params)} if isinstance(params, list) and all(type(p) is int for p in params) else {}


def _state_value(value: Any, shelf: Shelf) -> Array | float | int:
    if not isinstance(value, (Tensor, NumpyArray)):
        number: float | int = value
        return number
    array = shelf.array(value)
    return array if array.ndim else float(array)


# --- tensors of another kind ------------------------------------------------------------------------------------------


def _tensors(root: Any, shelf: Shelf, facts: Facts) -> TensorFile:
    tensors: dict[str, Array] = {}
    dtypes: dict[str, str] = {}
    for where, leaf in leaves(root):
        if isinstance(leaf, (Tensor, NumpyArray)):
            name = ".".join(where) or "tensor"
            tensors[name] = shelf.array(leaf)
            dtypes[name] = leaf.dtype if isinstance(leaf, Tensor) else tensors[name].dtype.name
    kind = "embedding" if isinstance(root, dict) and "string_to_param" in root else kind_of(tensors)
    return _tensor_file(kind, tensors, dtypes, facts)


def _tensor_file(kind: str, tensors: dict[str, Array], dtypes: dict[str, str], facts: Facts) -> TensorFile:
    if not any(array.size for array in tensors.values()):
        raise Refused(Refusal.FOREIGN, "a file of tensors without any number in it")
    return TensorFile(facts.path, facts.container, kind, tensors, dtypes, facts.sha256(), facts.bytes)


_LORA_SIGNS = ("lora_", "lora.", "hada_", "lokr_", "dora_scale", "oft_")
_MODEL_SIGNS = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "conditioner.embedders.")
_EMBEDDING_NAMES = ("emb_params", "clip_l", "clip_g")


def kind_of(tensors: Mapping[str, Array]) -> str:
    """ "lora", "model", "embedding" or "tensors", told from names and shapes."""
    if any(sign in name for name in tensors for sign in _LORA_SIGNS):
        return "lora"
    if any(sign in name for name in tensors for sign in _MODEL_SIGNS):
        return "model"
    if any(name in _EMBEDDING_NAMES for name in tensors):
        return "embedding"
    shapes = [array.shape for array in tensors.values()]
    if len(shapes) == 1 and 1 <= len(shapes[0]) <= 2 and shapes[0][-1] in EMBEDDING_WIDTHS:
        return "embedding"  # diffusers' learned_embeds: one token, one row
    return "tensors"


# --- safetensors ------------------------------------------------------------------------------------------------------


def recognise_flat(flat: Flat, facts: Facts) -> HypernetworkFile | TensorFile:
    """A safetensors file: a hypernetwork if header or all names say so (``768.k.linear.0.weight``).  Raises Refused."""
    if HEADER_KEY not in flat.metadata:
        if flat.tensors and all(map(_OF_A_HYPERNETWORK.fullmatch, flat.tensors)):
            return _finish({}, _flat_modules(flat, None), False, facts)  # without settings, as NovelAI's originals
        return _tensor_file(kind_of(flat.tensors), dict(flat.tensors), dict(flat.dtypes), facts)
    try:
        root = json.loads(flat.metadata[HEADER_KEY])
    except (ValueError, RecursionError):
        root = None
    if not isinstance(root, dict):
        raise Refused(Refusal.DAMAGED, "its hypernetwork metadata is not JSON")
    modules = _flat_modules(flat, root.pop("sizes", None))
    return _finish(root, modules, False, facts)


def _flat_modules(flat: Flat, sizes: Any) -> tuple[Module, ...]:
    """The modules of ``size.side.name`` keys, in the order of `sizes` (how they were written), else of the file."""
    parts: dict[tuple[int, str], tuple[dict[str, Array], dict[str, str]]] = {}
    for name, array in flat.tensors.items():
        size, _, rest = name.partition(".")
        side, _, key = rest.partition(".")
        if not (size.isascii() and size.isdigit() and len(size) < 8 and side in SIDES and key):
            raise Refused(Refusal.DAMAGED, "a tensor of the hypernetwork is not named size.side.name")
        if not 0 < int(size) < SIZE_LIMIT:
            raise Refused(Refusal.DAMAGED, f"size {int(size)} is the width of no context")
        tensors, dtypes = parts.setdefault((int(size), side), ({}, {}))
        tensors[modern(key)], dtypes[modern(key)] = array, flat.dtypes[name]
    order = {size: i for i, size in enumerate(sizes)} if _are_sizes(sizes) else {}
    named = sorted(parts, key=lambda part: (order.get(part[0], len(order)), part[0], part[1]))
    if {(size, side) for size, _ in named for side in SIDES} != set(named) or not named:
        raise Refused(Refusal.DAMAGED, "a size of the hypernetwork lacks its k or its v module")
    return tuple(Module(size, side, *parts[(size, side)]) for size, side in named)


def _are_sizes(sizes: Any) -> bool:
    return isinstance(sizes, list) and all(type(size) is int for size in sizes)
