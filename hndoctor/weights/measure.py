"""A whole hypernetwork in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hndoctor.formats.types import Array, HypernetworkFile, Module, TensorFile
from hndoctor.records import ModuleVitals, TensorVitals
from hndoctor.weights.changes import Past, change
from hndoctor.weights.network import effect
from hndoctor.weights.tallies import Tallies, clamped
from hndoctor.weights.tensors import vitals_of

NO_PAST = Past()
NOTHING_COUNTED = Tallies()
Directions = dict[str, Array]  # tensor name -> right singular vector to start from at the next checkpoint


def measure(
    file: HypernetworkFile,
    past: Past = NO_PAST,
    directions: Mapping[str, Array] | None = None,
    rough: bool = False,
    counted: Tallies = NOTHING_COUNTED,
) -> tuple[tuple[TensorVitals, ...], tuple[ModuleVitals, ...], Directions]:
    """Every number of a network, and the singular directions that make the next checkpoint cheaper.

    `rough` leaves out what no verdict depends on: sharp spectral norms and the ranks.  One non-finite weight changes
    nothing but the counts and the gain of its own module.  `counted` holds what was counted while the file was read.
    """
    tensors: list[TensorVitals] = []
    modules: list[ModuleVitals] = []
    found: Directions = {}
    for module in file.modules:
        own = []
        for name, array in module.tensors.items():
            full = f"{module.size}.{module.side}.{name}"
            start = directions.get(full) if directions else None
            made, spectral = vitals_of(
                full, array, module.dtypes.get(name, array.dtype.name), start, rough, counted.of(array)
            )
            if spectral is not None and not rough:
                found[full] = spectral.direction
            own.append(made)
        tensors += own
        modules.append(_module(file, module, own, past))
    return tuple(tensors), tuple(modules), found


def measure_tensors(
    file: TensorFile, rough: bool = False, counted: Tallies = NOTHING_COUNTED
) -> tuple[TensorVitals, ...]:
    """The tensors of a file of another kind: integrity and norms."""
    named = file.tensors.items()
    return tuple(
        vitals_of(name, array, file.dtypes.get(name, array.dtype.name), None, rough, counted.of(array))[0]
        for name, array in named
    )


def _module(file: HypernetworkFile, module: Module, own: Sequence[TensorVitals], past: Past) -> ModuleVitals:
    does = effect(module, file.metadata, max((tensor.max_abs for tensor in own), default=0.0))
    went = change(module, past)
    return ModuleVitals(
        size=module.size,
        side=module.side,
        gain=does.gain,
        dead_units=does.dead_units,
        rms=_rms(tuple(own)),
        update_rms=went.update_rms,
        update_cosine=went.update_cosine,
        travel_rms=went.travel_rms,
        dead_outputs=does.dead_outputs,
        best_rms=went.best_rms,
        varied=does.varied,
    )


def _rms(own: tuple[TensorVitals, ...]) -> float:
    finite = sum(t.count - t.nan - t.posinf - t.neginf for t in own)
    return clamped(math.hypot(*(t.frobenius for t in own)) / math.sqrt(finite)) if finite else 0.0
