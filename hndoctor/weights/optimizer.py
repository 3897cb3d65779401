"""What an optimizer state says: does it belong to its network, and what would it do next?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hndoctor.formats.hashes import generation, old_hash
from hndoctor.formats.plain import STEP_LIMIT
from hndoctor.formats.types import Array, OptimizerFile
from hndoctor.records import OptimizerVitals
from hndoctor.weights.groups import finite
from hndoctor.weights.tallies import blocks, rows_of, tally, zeros
from hndoctor.weights.updates import next_step

WHOLE = frozenset(
    {
        "exp_avg",
        "exp_avg_sq",
        "max_exp_avg_sq",
        "exp_inf",
        "momentum_buffer",
        "square_avg",
        "grad_avg",
        "acc_delta",
        "sum",
    }
)  # moments that have their parameter's shape
SQUARES = frozenset({"exp_avg_sq", "max_exp_avg_sq", "exp_inf", "square_avg", "acc_delta", "sum"})  # never below zero
COUNTS = ("step", "mu_product")  # numbers of a parameter's state that must be finite
# Of a group: these too.  Others may be infinite by nature, as Prodigy's growth rate
SETTINGS = ("lr", "betas", "eps", "weight_decay", "momentum", "alpha")
Shape = tuple[int, ...]


def measure_optimizer(
    file: OptimizerFile, checkpoint_path: Path, sha256: str, name: str = "", shapes: Sequence[Shape] | None = None
) -> OptimizerVitals:
    """The numbers of an optimizer state.

    `checkpoint_path`, its `sha256` and the `shapes` of its tensors, in their order, are the network it lies beside;
    `name` is the path to record.  Raises OSError only if the network vanished meanwhile.
    """
    measured = [(key, array, tally(array)) for _, key, array in _arrays(file)]
    matches, which = _hash(file.hash, checkpoint_path, sha256)
    update, beyond = next_step(file)
    group: Mapping[str, Any] = file.param_groups[0] if file.param_groups else {}
    return OptimizerVitals(
        path=name or file.path.name,
        optimizer_name=file.optimizer_name,
        learning_rate=_rate(group),
        step=_step(file),
        hash=file.hash,
        hash_matches=matches,
        hash_generation=which,
        tensors=len(measured),
        nonfinite=sum(one.count - one.finite for _, _, one in measured),
        zero_second_moment=_zero_share([array for key, array, _ in measured if key == "exp_avg_sq"]),
        update_rms=update,
        misfits=0 if shapes is None else _misfits(file, shapes),
        negative=sum(_negative(array) for key, array, one in measured if key in SQUARES and one.signed),
        wrong=_wrong(file),
        parameters=_parameters(file),
        kept=len(file.state),
        beyond=beyond,
    )


def _parameters(file: OptimizerFile) -> int | None:
    """How many parameters its groups name together; torch loads no state that has another number."""
    listed = [group.get("params") for group in file.param_groups]
    return None if None in listed else sum(len(params) for params in listed if params is not None)


def _negative(array: Array) -> int:
    """How many numbers are below zero, infinite ones too."""
    return sum(int(np.count_nonzero(block < 0)) for block in blocks(rows_of(array)))


def _wrong(file: OptimizerFile) -> tuple[str, ...]:
    """The names of numbers that are there and with which nothing can be computed."""
    states = [(key, entry.get(key)) for entry in file.state.values() for key in COUNTS]
    settings = [(key, group.get(key)) for group in file.param_groups for key in SETTINGS]
    return tuple(sorted({key for key, value in (*states, *settings) if _is_wrong(key, value)}))


def _is_wrong(key: str, value: Any) -> bool:
    """Not finite, or outside what torch's own optimizers take when they are created (loading checks nothing)."""
    if isinstance(value, (tuple, list)):
        return any(_is_wrong(key, one) for one in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return not math.isfinite(value) or value < 0 or (key == "betas" and value >= 1)


def _misfits(file: OptimizerFile, shapes: Sequence[Shape]) -> int:
    """Parameters whose moments are not of their shape: torch numbers parameters in the order of the file's tensors."""
    wrong = {
        index
        for index, key, array in _arrays(file)
        if key in WHOLE and not (0 <= index < len(shapes) and array.shape == shapes[index])
    }
    return len(wrong)


def _arrays(file: OptimizerFile) -> Iterator[tuple[int, str, Array]]:
    for index, entry in file.state.items():
        for key, value in entry.items():
            if isinstance(value, np.ndarray) and key != "step":
                yield index, key, value


def _hash(stored: str | None, checkpoint: Path, sha256: str) -> tuple[bool | None, int | None]:
    which = generation(stored)
    if which is None or stored is None:
        return None, which
    return stored == (sha256[:10] if which == 2 else old_hash(checkpoint)), which


def _finite(value: Any) -> float | None:
    try:
        return finite(value)
    except ValueError:
        return None


def _rate(group: Mapping[str, Any]) -> float | None:
    """The rate of a group; D-Adaptation and Prodigy store a factor of 1 there, and beside it the rate they found."""
    rate, found = _finite(group.get("lr")), _finite(group.get("d"))
    return rate if rate is None or found is None else rate * found


def _step(file: OptimizerFile) -> int | None:
    steps = [_finite(entry.get("step")) for entry in file.state.values()]
    known = [step for step in steps if step is not None and 0 <= step < STEP_LIMIT]
    return int(max(known)) if known else None


def _zero_share(moments: Sequence[Array]) -> float:
    """The share of all second moments that are exactly zero: parameters that never got a gradient."""
    total = sum(rows_of(array).size for array in moments)
    return sum(zeros(array) for array in moments) / total if total else 0.0
