"""Tensors -> numbers: everything that weights and optimizer states can tell, measured in one pass, judged nowhere."""

from __future__ import annotations

from hndoctor.weights.changes import Past
from hndoctor.weights.checkpoint import Memory, measure_checkpoint
from hndoctor.weights.measure import measure, measure_tensors
from hndoctor.weights.network import effect
from hndoctor.weights.optimizer import measure_optimizer
from hndoctor.weights.series import CHUNK, Chunk

__all__ = [
    "CHUNK",
    "Chunk",
    "Memory",
    "Past",
    "effect",
    "measure",
    "measure_checkpoint",
    "measure_optimizer",
    "measure_tensors",
]
