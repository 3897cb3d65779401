"""Optimizers, and their state as a `.optim` file holds it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hndoctor.formats import read
from hndoctor.formats.hashes import generation, old_hash, short_hash
from hndoctor.formats.types import OptimizerFile, Refused
from hndoctor.formats.write import write_optimizer
from trainer.errors import TrainerError

_OURS = frozenset({"fused", "foreach", "capturable"})  # how this machine computes it; no part of the state


def optim_path(checkpoint: Path) -> Path:
    """Where the state of a checkpoint lies: `<name>.pt.optim`."""
    return checkpoint.with_name(checkpoint.name + ".optim")


def make(name: str, parameters: Sequence[nn.Parameter], rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """The torch optimizer of that class name, in its fastest form.  Raises `TrainerError` if there is none."""
    kind = getattr(torch.optim, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer)) or name in ("Optimizer", "LBFGS"):
        raise TrainerError(f'optimizer "{name}": not one of torch.optim\'s classes; use AdamW')
    known = inspect.signature(kind).parameters
    options: dict[str, Any] = {"lr": rate}
    options |= {"weight_decay": weight_decay} if "weight_decay" in known else {}
    options |= {"fused": True} if "fused" in known and parameters[0].device.type in ("cuda", "cpu") else {}
    return kind(list(parameters), **options)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def save(path: Path, checkpoint: Path, optimizer: torch.optim.Optimizer) -> None:
    """Write the state beside its checkpoint, bound to it by the hash that the web UI compares.  Raises OSError."""
    state = optimizer.state_dict()
    arrays = {index: {key: _plain(value) for key, value in one.items()} for index, one in state["state"].items()}
    groups = [_portable(group) for group in state["param_groups"]]
    write_optimizer(path, type(optimizer).__name__, arrays, groups, short_hash(checkpoint))


def _plain(value: Any) -> Any:
    return value.detach().to("cpu").contiguous().numpy() if isinstance(value, Tensor) else value


def _portable(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: (False if key == "capturable" else None) if key in _OURS else value for key, value in group.items()}


def load(checkpoint: Path, optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]) -> str | None:
    """Take up the state that lies beside a checkpoint.  Gives None, or the reason why the optimizer starts anew."""
    path = optim_path(checkpoint)
    if not path.is_file():
        return f"{path.name} is not there"
    try:
        file = read(path)
    except (Refused, OSError) as error:
        return f"{path.name} cannot be read: {error}"
    if not isinstance(file, OptimizerFile):
        return f"{path.name} is not an optimizer state"
    reason = _mismatch(file, checkpoint, optimizer, parameters)
    if reason is None:
        optimizer.load_state_dict(_state_dict(file, optimizer))
    return reason


def _mismatch(
    file: OptimizerFile, checkpoint: Path, optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]
) -> str | None:
    if file.hash is not None:  # None: the web UI was told not to hash, and takes any
        own = old_hash(checkpoint) if generation(file.hash) == 1 else short_hash(checkpoint)
        if file.hash != own:
            return f"{file.path.name} belongs to another network (its hash says {file.hash}, the network's is {own})"
    if (file.optimizer_name or "AdamW") != type(optimizer).__name__:
        return f"{file.path.name} is the state of {file.optimizer_name}, not of {type(optimizer).__name__}"
    shapes = {index: tuple(p.shape) for index, p in enumerate(parameters)}
    stored = {index: shape for index, one in file.state.items() if (shape := _shape(one))}
    if stored and stored != shapes:  # plain SGD has none
        return f"{file.path.name} does not fit the network's layers"
    return None


def _shape(state: Mapping[str, Any]) -> tuple[int, ...]:
    return next((tuple(v.shape) for v in state.values() if getattr(v, "ndim", 0)), ())


def _state_dict(file: OptimizerFile, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    state = {index: {key: _tensor(key, value) for key, value in one.items()} for index, one in file.state.items()}
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}


def _tensor(key: str, value: Any) -> Any:
    if key == "step":  # a plain number in states of before torch 1.12
        return torch.tensor(float(value), dtype=torch.float32)
    return torch.from_numpy(value.copy()) if hasattr(value, "ndim") else value
