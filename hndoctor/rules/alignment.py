"""Whether a network's layers work together: what training makes of them, and chance does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from hndoctor.records import Checkpoint, ModuleVitals, TensorVitals
from hndoctor.rules.stretches import label

HALVING = frozenset({"relu", "leakyrelu", "swish", "mish"})  # activations that let about half of the power through
# Median alignment below which the weights are as good as drawn by chance.  Random ones have .7 to 1.4 (initialisations
# and benchmarks/lab/chance); what the lab's runs had learned, wherever the median gain is 2 and more, has 3.0 to 325
BY_CHANCE = 2.0


def alignment(checkpoint: Checkpoint) -> float | None:
    """The median over modules of the gain, as a multiple of what random weights of the same norms would have.

    For independent weights E||Wx||^2 = ||W||_F^2 / n ||x||^2 with n columns, layer after layer.  Training turns the
    layers towards each other and makes it several times that.  None where it cannot be told: a layer norm, a skip
    connection, activations or shapes that were not evaluated.
    """
    told = checkpoint.metadata
    if told.is_layer_norm or told.skip_connection:
        return None
    found = [one for module in checkpoint.modules if (one := _alignment(module, checkpoint)) is not None]
    return median(found) if found else None


def is_by_chance(checkpoint: Checkpoint) -> bool:
    """Its weights point nowhere in particular, so that all that they add to a context is noise."""
    found = alignment(checkpoint)
    return found is not None and found < BY_CHANCE


def _alignment(module: ModuleVitals, checkpoint: Checkpoint) -> float | None:
    prefix = f"{label(module)}."
    layers = [one for one in checkpoint.tensors if one.name.startswith(prefix) and len(one.shape) == 2]
    if module.gain is None or not _fit(layers):
        return None
    chance = math.prod(layer.frobenius / math.sqrt(layer.shape[1]) for layer in layers)  # not of squares: they overflow
    if checkpoint.metadata.activation_func in HALVING:
        chance *= 0.5 ** ((len(layers) - 1) / 2)
    return module.gain / chance if chance > 0 else None


def _fit(layers: Sequence[TensorVitals]) -> bool:
    """Matrices (out, in), each taking what the one before it gives."""
    fed = all(one.shape[1] > 0 for one in layers)
    return bool(layers) and fed and all(one.shape[0] == after.shape[1] for one, after in pairwise(layers))
