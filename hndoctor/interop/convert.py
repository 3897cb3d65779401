"""From any generation of the file to any other: what can be kept is kept, what cannot is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hndoctor.formats.generations import (
    GENERATIONS,
    MONKEYPATCH,
    WEBUI,
    Generation,
    carried,
    dropout_of,
    obstacle,
    reads,
)
from hndoctor.formats.plain import METADATA_KEYS
from hndoctor.formats.types import HypernetworkFile
from hndoctor.formats.write import Container, complete_metadata, write_generation
from hndoctor.interop import optim, reading
from hndoctor.interop.comfyui import for_comfyui
from hndoctor.interop.errors import InteropError
from hndoctor.interop.reading import Pairs
from hndoctor.interop.relay import relaid
from hndoctor.records import NetworkMetadata

COMFYUI = "comfyui"
FLAT = ".safetensors"
_OLD_HASH = 8  # hex digits of sd_checkpoint before 14 January 2023
# Losing one of these would make it another network: `obstacle` speaks of them
_SHAPE_KEYS = frozenset({"layer_structure", "activation_func", "is_layer_norm", "activate_output"})


@dataclass(frozen=True)
class Network:
    """A network ready to be written in some form, and what was lost or changed on the way."""

    modules: Pairs
    metadata: dict[str, Any]
    form: Generation
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Converted:
    """What was written."""

    path: Path
    optim: Path | None
    notes: tuple[str, ...]


def convert(
    source: Path, target: Path, to: str = WEBUI.name, *, container: Container = "zip", overwrite: bool = False
) -> Converted:
    """Write a hypernetwork in another form; `to` is a name of `formats.generations.GENERATIONS`, or "comfyui".

    The target's suffix decides about safetensors.  An optimizer state beside the source goes along.  Raises
    InteropError where the form cannot hold the network, or the target is there; OSError where the disk refuses.
    """
    file = reading.network(source)
    if target.suffix.lower() not in (".pt", FLAT):
        raise InteropError(f"{target}: name a file that ends in .pt or {FLAT}")
    reading.refuse_existing(target, overwrite)
    reading.refuse_existing(
        optim.beside(target), overwrite and optim.beside(source).is_file()
    )  # else it would be stale
    network = prepared(file, to)
    kind: Container = "safetensors" if is_flat(target, to) else container
    written = written_with_state(file, network, target, kind)
    return replace(written, notes=(*network.notes, *written.notes))


def is_flat(target: Path, to: str) -> bool:
    """Whether the target is a safetensors file.  Raises InteropError for a form whose program reads none."""
    flat = target.suffix.lower() == FLAT
    if flat and to not in (WEBUI.name, MONKEYPATCH.name):
        raise InteropError(f"{target}: {to} has no safetensors form; name a .pt")
    return flat


def prepared(file: HypernetworkFile, to: str, name: str | None = None) -> Network:
    """The network in the form `to`, under its own name or a new one.  Raises InteropError where that cannot be."""
    if to == COMFYUI:
        made = for_comfyui(file)
        return _complete(file, made.modules, made.metadata, WEBUI, made.notes, name)
    form = _form(to)
    problem = obstacle(file.metadata, tuple(dict.fromkeys(m.size for m in file.modules)), form)
    if problem:
        raise InteropError(f"{file.path}: cannot become {form.title}: {problem}")
    metadata = carried(file.metadata, form)
    dropout = dropout_of(reads(metadata, form))
    modules = relaid(file, metadata, dropout, old_names=form.old_names)
    return _complete(file, modules, metadata, form, tuple(_lost(file, metadata, form)), name)


def _form(to: str) -> Generation:
    known = {form.name: form for form in GENERATIONS}
    if to not in known:
        raise InteropError(f'there is no form "{to}"; write one of {", ".join((*known, COMFYUI))}')
    return known[to]


def _complete(
    file: HypernetworkFile,
    modules: Pairs,
    metadata: NetworkMetadata,
    form: Generation,
    notes: tuple[str, ...],
    name: str | None,
) -> Network:
    full = complete_metadata(told(file, metadata, name), file.path.stem)
    if form.name == MONKEYPATCH.name:
        full = {**full, "skip_connection": metadata.skip_connection, "upsample_linear": file.raw.get("upsample_linear")}
    kept = full if form.keys[: len(METADATA_KEYS)] == METADATA_KEYS else {key: full[key] for key in form.keys}
    if not metadata.skip_connection and form is WEBUI:
        kept = {key: value for key, value in kept.items() if key not in ("skip_connection", "upsample_linear")}
    return Network(modules, kept, form, (*notes, *_stored_otherwise(file)))


def told(file: HypernetworkFile, metadata: NetworkMetadata, name: str | None) -> dict[str, Any]:
    """The metadata as the file's keys, with whatever plain values the file holds beside them."""
    extra = {key: value for key, value in file.raw.items() if key not in ("malformed", "sizes")}
    own: dict[str, Any] = {key: getattr(metadata, key) for key in METADATA_KEYS}
    own["activation_func"] = metadata.activation_func or "linear"  # ComfyUI refuses None
    own["name"] = name or metadata.name or file.path.stem
    return {**own, **extra}


# --- what is lost -----------------------------------------------------------------------------------------------------


def _lost(file: HypernetworkFile, to: NetworkMetadata, form: Generation) -> Iterator[str]:
    """Everything that the form cannot hold, each in one line."""
    own, default = file.metadata, NetworkMetadata()
    gone = [
        key
        for key in METADATA_KEYS
        if key in file.keys and key not in form.keys and key not in _SHAPE_KEYS and "dropout" not in key
    ]
    shown = [f"{key} ({getattr(own, key)})" for key in gone if getattr(own, key) != getattr(default, key)]
    if shown:
        yield f"not kept, as {form.title} has no place for it: {', '.join(shown)}"
    was, becomes = dropout_of(own), dropout_of(reads(to, form))
    if was != becomes:
        numbers = ", ".join(f"{p:g}" for p in was)
        yield f"not kept: dropout {numbers}; pictures are the same, training on from it has no dropout"
    others = [key for key in file.raw if key not in form.keys and key != "malformed"]
    if others and form.keys[: len(METADATA_KEYS)] != METADATA_KEYS:
        yield f"not kept: {', '.join(others)}"
    if "sd_checkpoint" in form.keys and form is not WEBUI and len(own.sd_checkpoint or "") > _OLD_HASH:
        yield "sd_checkpoint stays the newer hash of 10 digits: the older one cannot be told without the model"


def _stored_otherwise(file: HypernetworkFile) -> Iterator[str]:
    kinds = {dtype for module in file.modules for dtype in module.dtypes.values()}
    for dtype in sorted(kinds & {"bfloat16", "float8_e4m3fn", "float8_e5m2"}):
        yield f"{dtype} is written as float32, the same numbers"


# --- writing ----------------------------------------------------------------------------------------------------------


def written_with_state(
    file: HypernetworkFile,
    network: Network,
    target: Path,
    container: Container = "zip",
    hashing: int = 2,
    learning_rate: float | None = None,
    *,
    with_state: bool = True,
) -> Converted:
    """Write network and optimizer state, both or none.  Raises OSError; then what was there before is still there."""
    state, note = _state(file, network) if with_state else (None, None)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        write_generation(new, network.modules, network.metadata, network.form, container)
        if state is not None:
            optim.write(state, new, hashing, learning_rate)  # the hash is of the bytes, not of the name
            optim.beside(new).replace(optim.beside(target))
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
        optim.beside(new).unlink(missing_ok=True)
    return Converted(target, optim.beside(target) if state is not None else None, (note,) if note else ())


def _state(file: HypernetworkFile, network: Network) -> tuple[Any, str | None]:
    path = optim.beside(file.path)
    if not path.is_file():
        return None, None
    state = reading.optimizer(path)
    why = state if isinstance(state, str) else optim.misfit(state, network.modules)
    return (state, None) if why is None else (None, f"{path.name} was left out: {why}")
