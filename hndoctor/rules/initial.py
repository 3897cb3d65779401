"""What the web UI's initialisations look like in numbers: are the weights still those that were drawn?"""

from __future__ import annotations

import math

from hndoctor.records import Checkpoint, TensorVitals

NORMAL_STD = 0.01  # of every weight, layer norm's too (web UI, HypernetworkModule.__init__)
SIGMAS = 5.0  # standard errors that a drawn spread may be off by


def initial_std(tensor: TensorVitals, initialisation: str) -> float | None:
    """The standard deviation with which a weight is drawn; None for biases and unknown initialisations.

    Xavier: gain 1, by both fans.  Kaiming: gain sqrt(2), by fan in.  Layer norm weights are always Normal.
    """
    if not tensor.name.endswith(".weight"):
        return None
    if initialisation == "Normal" or len(tensor.shape) == 1:
        return NORMAL_STD
    n_out, n_in = tensor.shape if len(tensor.shape) == 2 else (0, 0)
    if initialisation.startswith("Xavier") and n_in:
        return math.sqrt(2 / (n_in + n_out))
    if initialisation.startswith("Kaiming") and n_in:
        return math.sqrt(2 / n_in)
    return None


def is_at_its_initialisation(checkpoint: Checkpoint) -> bool:
    """Every bias exactly zero, and every matrix of the spread it was drawn with.

    The biases decide: the first optimizer step moves each of them.  (For some days in autumn 2022 the web UI drew
    biases too; such files are not recognised.)
    """
    weights = [tensor for tensor in checkpoint.tensors if tensor.name.endswith(".weight")]
    biases = [tensor for tensor in checkpoint.tensors if tensor.name.endswith(".bias")]
    if not weights or not biases or any(tensor.zeros < tensor.count for tensor in biases):
        return False
    return all(_as_drawn(tensor, checkpoint.metadata.weight_initialization) for tensor in weights)


def _as_drawn(tensor: TensorVitals, initialisation: str) -> bool:
    std = initial_std(tensor, initialisation)
    if tensor.shape == (1,):  # PReLU's slope
        return True
    return std is not None and abs(tensor.rms / std - 1) < SIGMAS / math.sqrt(2 * max(tensor.count, 1)) + 1e-4
