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
from hndoctor.weights.tallies import Tally, blocks, clamped, rows_of, tally

WHOLE = ("exp_avg", "exp_avg_sq", "momentum_buffer", "square_avg")  # moments that have their parameter's shape
Shape = tuple[int, ...]


def measure_optimizer(
    file: OptimizerFile, checkpoint_path: Path, sha256: str, name: str = "", shapes: Sequence[Shape] | None = None
) -> OptimizerVitals:
    """The numbers of an optimizer state.

    `checkpoint_path`, its `sha256` and the `shapes` of its tensors, in their order, are the network it lies beside;
    `name` is the path to record.  Raises OSError only if the network vanished meanwhile.
    """
    counted = [(key, tally(array)) for _, key, array in _arrays(file)]
    matches, which = _hash(file.hash, checkpoint_path, sha256)
    group: Mapping[str, Any] = file.param_groups[0] if file.param_groups else {}
    return OptimizerVitals(
        path=name or file.path.name,
        optimizer_name=file.optimizer_name,
        learning_rate=_rate(group),
        step=_step(file),
        hash=file.hash,
        hash_matches=matches,
        hash_generation=which,
        tensors=len(counted),
        nonfinite=sum(one.count - one.finite for _, one in counted),
        zero_second_moment=_zero_share([one for key, one in counted if key == "exp_avg_sq"]),
        update_rms=_next_update(file),
        misfits=0 if shapes is None else _misfits(file, shapes),
    )


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
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _rate(group: Mapping[str, Any]) -> float | None:
    """The rate of a group; D-Adaptation and Prodigy store a factor of 1 there, and beside it the rate they found."""
    rate, found = _finite(group.get("lr")), _finite(group.get("d"))
    return rate if rate is None or found is None else rate * found


def _step(file: OptimizerFile) -> int | None:
    steps = [_finite(entry.get("step")) for entry in file.state.values()]
    known = [step for step in steps if step is not None and 0 <= step < STEP_LIMIT]
    return int(max(known)) if known else None


def _zero_share(counted: Sequence[Tally]) -> float:
    """The share of all second moments that are exactly zero: parameters that never got a gradient."""
    total = sum(one.count for one in counted)
    return sum(one.zeros for one in counted) / total if total else 0.0


def _next_update(file: OptimizerFile) -> float | None:
    """RMS of the step Adam would make if the next gradient were like the mean of the last: lr * m̂ / (sqrt(v̂) + eps).

    None for those that find their rate themselves (Prodigy, D-Adaptation): they scale the moments in ways of their own.
    """
    if any("d" in group for group in file.param_groups):
        return None
    squares, count = 0.0, 0
    with np.errstate(all="ignore"):
        for group in file.param_groups:
            for index in group.get("params", ()):
                found = _adam_squares(file.state.get(index, {}), group)
                if found:
                    squares, count = squares + found[0], count + found[1]
    if not count or not math.isfinite(squares):
        return None
    return clamped(math.sqrt(squares / count))


def _adam_squares(entry: Mapping[str, Array | float | int], group: Mapping[str, Any]) -> tuple[float, int] | None:
    first, second = entry.get("exp_avg"), entry.get("exp_avg_sq")
    rate, step = _finite(group.get("lr")), _finite(entry.get("step"))
    betas, eps = _betas(group.get("betas")), _finite(group.get("eps", 1e-8))
    if not (isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and first.shape == second.shape):
        return None
    if rate is None or not step or eps is None or betas is None:
        return None
    bias1, bias2 = 1 - betas[0] ** step, 1 - betas[1] ** step
    squares, count = 0.0, 0
    for m, v in zip(blocks(rows_of(first)), blocks(rows_of(second)), strict=True):
        update = rate / bias1 * m / (np.sqrt(v / bias2) + eps)
        finite = update[np.isfinite(update)].astype(np.float64)
        squares, count = squares + float(np.dot(finite, finite)), count + len(finite)
    return squares, count


def _betas(value: Any) -> tuple[float, float] | None:
    if not (isinstance(value, (tuple, list)) and len(value) == 2):
        return None
    first, second = _finite(value[0]), _finite(value[1])
    if first is None or second is None or not (0 <= first < 1 and 0 <= second < 1):
        return None
    return first, second
