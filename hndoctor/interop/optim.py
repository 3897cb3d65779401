"""Carrying an optimizer state over to a network that was written anew, so that the web UI takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hndoctor.formats.hashes import old_hash, short_hash
from hndoctor.formats.types import OptimizerFile
from hndoctor.formats.write import write_optimizer
from hndoctor.interop.reading import Pairs

NO_HASHING = 0  # the web UI was started with --no-hashing: it compares None with None


def beside(path: Path) -> Path:
    """Where the optimizer state of a network lies."""
    return path.with_name(path.name + ".optim")


def misfit(state: OptimizerFile, modules: Pairs) -> str | None:
    """Why a state does not belong to a network of these tensors, told from numbers and shapes; None: it fits."""
    shapes = [array.shape for _, k, v in modules for part in (k, v) for array in part.values()]
    if len(state.state) != len(shapes):
        return f"it holds {len(state.state)} parameters, the network has {len(shapes)}"
    for index, shape in enumerate(shapes):
        for key, value in state.state.get(index, {}).items():
            if isinstance(value, np.ndarray) and value.ndim and value.shape != shape:
                return f"{key} of parameter {index} has shape {value.shape}, the network's has {shape}"
        if index not in state.state:
            return f"parameter {index} is missing"
    return None


def rate_of(state: OptimizerFile) -> float | None:
    """The learning rate that a state goes on with."""
    lr = state.param_groups[0].get("lr") if state.param_groups else None
    return float(lr) if isinstance(lr, (int, float)) and not isinstance(lr, bool) else None


def write(state: OptimizerFile, network: Path, hashing: int, learning_rate: float | None = None) -> Path:
    """Write a state beside a network that is already there, with the hash by which the web UI accepts it.

    `hashing`: 1 the hash of before 14 January 2023, 2 the one since, 0 none.  A `learning_rate` replaces the stored
    one: the web UI goes on at the stored rate until the schedule's next change, whatever is typed.  Raises OSError.
    """
    path = beside(network)
    groups = _groups(state.param_groups, learning_rate)
    write_optimizer(path, state.optimizer_name or "AdamW", state.state, groups, _hash(network, hashing))
    return path


def _hash(network: Path, hashing: int) -> str | None:
    if hashing == NO_HASHING:
        return None
    return old_hash(network) if hashing == 1 else short_hash(network)


def _groups(groups: Sequence[Mapping[str, Any]], rate: float | None) -> list[dict[str, Any]]:
    changed = {} if rate is None else {"lr": rate}
    return [{**group, **changed} for group in groups]
