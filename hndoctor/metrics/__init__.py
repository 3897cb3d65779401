"""Pixels to numbers: what a preview picture looks like, measured; judged elsewhere.

``METRICS`` is the table of measures, each a function of a picture (`Pixels`, or an array) to a float.
"""

from __future__ import annotations

from hndoctor.metrics.measures import METRICS
from hndoctor.metrics.picture import PictureError, load, thumbnail
from hndoctor.metrics.pixels import Pixels
from hndoctor.metrics.scores import Scores, judge_picture, measure_preview, score

__all__ = [
    "METRICS",
    "PictureError",
    "Pixels",
    "Scores",
    "judge_picture",
    "load",
    "measure_preview",
    "score",
    "thumbnail",
]
