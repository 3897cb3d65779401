"""A weighted average of checkpoints: the cheap remedy where the last ones swing around something better than each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from hndoctor.formats.counted import counted
from hndoctor.formats.generations import WEBUI, carried, dropout_of
from hndoctor.formats.types import Array, HypernetworkFile
from hndoctor.formats.write import complete_metadata, write_generation
from hndoctor.interop import optim, reading
from hndoctor.interop.convert import FLAT, told
from hndoctor.interop.errors import InteropError
from hndoctor.interop.reading import Pairs
from hndoctor.interop.relay import relaid

STRANGERS = 0.2  # cosine of two networks' weights below which they are no kin: one course stays far above (guess)
_Key = tuple[int, int, str]  # size, side, tensor


@dataclass(frozen=True)
class Merged:
    """What was written, from what, and how near the parts lie to each other."""

    path: Path
    weights: tuple[float, ...]  # as they counted: their sum is 1
    step: int  # stored: the furthest of the parts
    likeness: float  # smallest cosine between the weights of two parts, -1..1
    notes: tuple[str, ...] = ()


def merge(sources: Sequence[Path], target: Path, weights: Sequence[float] = (), *, overwrite: bool = False) -> Merged:
    """Write the average of two or more checkpoints; `weights` count each (default: all the same), scaled to sum 1.

    Raises InteropError, in one line, where structures differ or something else keeps the parts from being added,
    OSError where the disk refuses.
    """
    shares = _shares(sources, weights)
    if target.suffix.lower() not in (".pt", FLAT):
        raise InteropError(f"{target}: name a file that ends in .pt or {FLAT}")
    reading.refuse_existing(target, overwrite)
    reading.refuse_existing(optim.beside(target))  # it would belong to another network
    files = [reading.network(path) for path in sources]
    for file in files:
        reading.check_finite(file, "leave it out")
        check_same(files[0], file)
    furthest = max(files, key=lambda file: file.metadata.step)
    # Dropout decides the numbers in the tensors' names, so all are laid out with one's.
    laid = [relaid(file, file.metadata, dropout_of(furthest.metadata)) for file in files]
    modules = average(laid, shares)
    metadata = complete_metadata(
        told(furthest, carried(furthest.metadata, WEBUI), target.stem) | {"optional_info": _recipe(files, shares)},
        target.stem,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    flat = target.suffix.lower() == FLAT
    write_generation(target, modules, metadata, WEBUI, "safetensors" if flat else "zip")
    likeness = least_likeness(laid)
    return Merged(target, shares, furthest.metadata.step, likeness, tuple(_notes(likeness)))


def _notes(likeness: float) -> list[str]:
    notes = ["no optimizer state: moments of several checkpoints do not add up; training goes on with a new one"]
    if likeness < STRANGERS:
        notes.append(
            f"the parts are no kin (cosine {likeness:.2f}): networks of different trainings cancel each other out; "
            "merge checkpoints of one run"
        )
    return notes


def _shares(sources: Sequence[Path], weights: Sequence[float]) -> tuple[float, ...]:
    if len(sources) < 2:
        raise InteropError("one checkpoint alone is no merger; name two or more")
    given = tuple(weights) or (1.0,) * len(sources)
    if len(given) != len(sources):
        there = f"there are {len(sources)} checkpoints and {counted(len(given), 'weight')}"
        raise InteropError(f"{there}; give one weight for each")
    total = math.fsum(given)
    if not all(math.isfinite(w) for w in given) or not math.isfinite(total) or total <= 0:
        raise InteropError("the weights must be finite numbers with a sum above 0; write e.g. 0.5,0.5")
    return tuple(w / total for w in given)


# --- what can be added ------------------------------------------------------------------------------------------------


def check_same(one: HypernetworkFile, other: HypernetworkFile) -> None:
    """Raise InteropError, in one line, unless two networks are built alike."""
    for what in ("layer_structure", "activation_func", "is_layer_norm", "activate_output", "skip_connection"):
        mine, theirs = getattr(one.metadata, what), getattr(other.metadata, what)
        mine, theirs = (value or "linear" if what == "activation_func" else value for value in (mine, theirs))
        if mine != theirs:
            _refuse(one, other, what, _shown(mine), _shown(theirs))
    sizes = [sorted({module.size for module in file.modules}) for file in (one, other)]
    if sizes[0] != sizes[1]:
        _refuse(one, other, "sizes", _shown(sizes[0]), _shown(sizes[1]))


def _refuse(one: HypernetworkFile, other: HypernetworkFile, what: str, mine: str, theirs: str) -> None:
    raise InteropError(
        f"{other.path}: its {what} is {theirs}, that of {one.path.name} is {mine}; "
        "only networks built alike can be merged"
    )


def _shown(value: object) -> str:
    return ", ".join(f"{part:g}" for part in value) if isinstance(value, (tuple, list)) else str(value)


# --- arithmetic -------------------------------------------------------------------------------------------------------


def average(laid: Sequence[Pairs], shares: Sequence[float]) -> Pairs:
    """The weighted sum of every tensor, computed in float64 and stored as float32; sizes in the first part's order."""
    parts = [{size: pair for size, *pair in modules} for modules in laid]
    made: Pairs = []
    for size in parts[0]:
        k, v = (_sum([part[size][side] for part in parts], shares) for side in (0, 1))
        made.append((size, k, v))
    return made


def _sum(parts: Sequence[Mapping[str, Array]], shares: Sequence[float]) -> dict[str, Array]:
    result: dict[str, Array] = {}
    for name, first in parts[0].items():
        total = np.zeros(first.shape, np.float64)
        for part, share in zip(parts, shares, strict=True):
            total += share * part[name].astype(np.float64)
        result[name] = total.astype(np.float32)
    return result


def least_likeness(laid: Sequence[Pairs]) -> float:
    """The smallest cosine between all weights of one part and of another, -1..1; 0 for a network of zeros."""
    parts = [{(size, at, name): a for size, *pair in m for at in (0, 1) for name, a in pair[at].items()} for m in laid]
    return min(_cosine(one, other) for one, other in combinations(parts, 2))


def _cosine(one: Mapping[_Key, Array], other: Mapping[_Key, Array]) -> float:
    product, mine, theirs = (
        math.fsum(float(np.vdot(a[key], b[key])) for key in one) for a, b in ((one, other), (one, one), (other, other))
    )
    return product / math.sqrt(mine * theirs) if mine > 0 and theirs > 0 else 0.0


def _recipe(files: Sequence[HypernetworkFile], shares: Sequence[float]) -> str:
    parts = (f"{share:g} {file.path.stem}" for file, share in zip(files, shares, strict=True))
    return f"merged by hndoctor: {' + '.join(parts)}"[:1000]
