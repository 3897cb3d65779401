"""The optimizer's state as a `.optim` file holds it: written, matched with its network, taken up again."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hndoctor.formats import read
from hndoctor.formats.hashes import generation, old_hash, short_hash
from hndoctor.formats.types import OptimizerFile, Refused
from hndoctor.formats.write import write_optimizer
from trainer import optimizer_kinds as kinds

_OURS = frozenset({"fused", "foreach", "capturable"})  # how this machine computes it; no part of the state
_TRAINED = "hndoctor_trained"  # entry of a parameter: its trained weights, where the `.pt` holds others (schedule-free)
_SCALE, _STREAK = "hndoctor_scale", "hndoctor_scale_streak"  # entries of the first group: the gradient scaler's state
SKIPPED = 0.01  # share of steps that fp16 may have skipped while the web UI counted them all (guess)


def optim_path(checkpoint: Path) -> Path:
    """Where the state of a checkpoint lies: `<name>.pt.optim`."""
    return checkpoint.with_name(checkpoint.name + ".optim")


def save(
    path: Path,
    checkpoint: Path,
    optimizer: torch.optim.Optimizer,
    trained: Sequence[Tensor] = (),
    scaler: torch.amp.GradScaler | None = None,
) -> None:
    """Write the state of a checkpoint, bound to it by the hash that the web UI compares.  Raises OSError.

    `trained` are the trained weights where the checkpoint holds others.  The web UI passes over what it does not know.
    """
    state = optimizer.state_dict()
    arrays = {index: dict(_entries(one)) for index, one in state["state"].items()}
    for index, weights in enumerate(trained):
        arrays.setdefault(index, {})[_TRAINED] = _plain(weights)
    groups = [_portable(group) for group in state["param_groups"]]
    if scaler is not None:
        told = scaler.state_dict()
        groups[0] |= {_SCALE: float(told["scale"]), _STREAK: int(told["_growth_tracker"])}
    write_optimizer(path, type(optimizer).__name__, arrays, groups, short_hash(checkpoint))


def _entries(one: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The entries of a parameter, flat; bitsandbytes wraps its 8-bit ones in a dictionary, and reads them flat too."""
    for key, value in one.items():
        if isinstance(value, Mapping):
            yield from _entries(value)
        else:
            yield key, _plain(value)


def _plain(value: Any) -> Any:
    return value.detach().to("cpu").contiguous().numpy() if isinstance(value, Tensor) else value


def _portable(group: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value.item() if isinstance(value, Tensor) else value for key, value in group.items()}
    return {key: (False if key == "capturable" else None) if key in _OURS else value for key, value in plain.items()}


# --- read and matched -------------------------------------------------------------------------------------------------


def stored(checkpoint: Path) -> OptimizerFile | str:
    """The state beside a checkpoint, or the reason why there is none that can be used."""
    path = optim_path(checkpoint)
    if not path.is_file():
        return f"{path.name} is not there"
    try:
        file = read(path)
    except (Refused, OSError) as error:
        return f"{path.name} cannot be read: {error}"
    return file if isinstance(file, OptimizerFile) else f"{path.name} is not an optimizer state"


def name_of(file: OptimizerFile) -> str:
    """The optimizer that a state belongs to; the web UI's oldest states do not say, and are AdamW's."""
    return file.optimizer_name or "AdamW"


def mismatch(
    file: OptimizerFile, checkpoint: Path, step: int, name: str, parameters: Sequence[nn.Parameter]
) -> str | None:
    """Why a state is not that of this checkpoint, or not of this optimizer; None if it is."""
    if not (is_bound(file, checkpoint) or was_bound_to_the_start(file, step)):
        own = _hash(file, checkpoint)
        return f"{file.path.name} belongs to another network (its hash says {file.hash}, the network's is {own})"
    if name_of(file) != name:
        return f"{file.path.name} is the state of {file.optimizer_name}, not of {name}"
    if any(not _fits(one, parameters, index) for index, one in file.state.items()):
        return f"{file.path.name} does not fit the network's layers"
    return None


def is_bound(file: OptimizerFile, checkpoint: Path) -> bool:
    """Whether the state's hash is the checkpoint's; both generations of the web UI's hashes are known."""
    return file.hash is None or file.hash == _hash(file, checkpoint)  # None: the web UI was told not to hash


def _hash(file: OptimizerFile, checkpoint: Path) -> str | None:
    return old_hash(checkpoint) if generation(file.hash or "") == 1 else short_hash(checkpoint)


def was_bound_to_the_start(file: OptimizerFile, step: int) -> bool:
    """Whether the steps that the state counts are the network's.

    The web UI from 2023 on writes into `name-500.pt.optim` the hash of the file that the training began with, so that
    its own states never match (and it drops them silently).  Then the count of steps must tell.
    """
    counted = next((one["step"] for one in file.state.values() if isinstance(one.get("step"), int | float)), None)
    return isinstance(counted, int | float) and step - int(SKIPPED * step) <= counted <= step and counted > 0


def _fits(one: Mapping[str, Any], parameters: Sequence[nn.Parameter], index: int) -> bool:
    """Whether entries have the size of their parameter; Adafactor keeps a matrix's rows and columns alone."""
    if not 0 <= index < len(parameters):
        return False
    shape = tuple(parameters[index].shape)
    if "row_var" in one and "col_var" in one:
        return bool(one["row_var"].shape[0] == shape[0] and one["col_var"].shape[-1] == shape[-1])
    sizes = [int(value.size) for value in one.values() if getattr(value, "ndim", 0)]
    return not sizes or parameters[index].numel() in sizes


# --- taken up ---------------------------------------------------------------------------------------------------------


def load(
    file: OptimizerFile,
    optimizer: torch.optim.Optimizer,
    parameters: Sequence[nn.Parameter],
    scaler: torch.amp.GradScaler | None = None,
) -> None:
    """Take up a state: the optimizer's own numbers, the scaler's, and the trained weights; rate and options stay."""
    numbers = kinds.is_torchs(optimizer)
    state = {
        index: {key: _value(key, value, numbers) for key, value in one.items() if key != _TRAINED}
        for index, one in file.state.items()
    }
    groups = _groups(file, optimizer)
    optimizer.load_state_dict({"state": {i: one for i, one in state.items() if one}, "param_groups": groups})
    kinds.train(optimizer)
    trained = [file.state[i][_TRAINED] for i in range(len(parameters)) if _TRAINED in file.state.get(i, {})]
    if len(trained) == len(parameters):
        kinds.put(parameters, [torch.tensor(array) for array in trained])
    scale = file.param_groups[0].get(_SCALE) if file.param_groups else None
    if scaler is not None and scale is not None:
        streak = int(file.param_groups[0].get(_STREAK, 0))
        scaler.load_state_dict(scaler.state_dict() | {"scale": scale, "_growth_tracker": streak})


def _groups(file: OptimizerFile, optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Our options, with what the optimizer itself keeps in its groups (Prodigy's estimate, counters)."""
    own: list[dict[str, Any]] = optimizer.state_dict()["param_groups"]
    if kinds.is_torchs(optimizer):
        return own
    options = {*inspect.signature(type(optimizer)).parameters, "params", "initial_lr"}
    for mine, theirs in zip(own, file.param_groups, strict=False):
        mine |= {key: value for key, value in theirs.items() if key in mine and key not in options}
    return own


def _value(key: str, value: Any, torchs: bool) -> Any:
    """As the optimizer had it: numbers of no dimension are read as plain ones."""
    if hasattr(value, "ndim"):
        return torch.from_numpy(value.copy())
    if key == "step" and not torchs:
        return int(value)
    return torch.tensor(float(value), dtype=torch.float32)
