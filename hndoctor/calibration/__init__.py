"""What measures are worth: probabilities with their uncertainty and reasons, from one fitted table.

`table.py` is written by ``python -m benchmarks.previews.calibrate``; nothing here needs numpy, so that rules judge
again in milliseconds.
"""

from __future__ import annotations

from hndoctor.calibration.again import judged_again, whole
from hndoctor.calibration.alone import (
    AMONG,
    PARTLY,
    TILE,
    WHOLE,
    Judged,
    blank,
    either_noise,
    grey_noise,
    is_small,
    judge,
    noise_reasons,
    repeated,
)
from hndoctor.calibration.beside import (
    Compared,
    Usual,
    compare,
    compare_grey,
    compare_grey_kind,
    compare_kind,
    compare_odds,
    fried,
)
from hndoctor.calibration.forms import FORMS
from hndoctor.calibration.logistic import Branch, Form, Probability, Reason, Term, clipped, log_odds, probability

__all__ = [
    "AMONG",
    "FORMS",
    "PARTLY",
    "TILE",
    "WHOLE",
    "Branch",
    "Compared",
    "Form",
    "Judged",
    "Probability",
    "Reason",
    "Term",
    "Usual",
    "blank",
    "clipped",
    "compare",
    "compare_grey",
    "compare_grey_kind",
    "compare_kind",
    "compare_odds",
    "either_noise",
    "fried",
    "grey_noise",
    "is_small",
    "judge",
    "judged_again",
    "log_odds",
    "noise_reasons",
    "probability",
    "repeated",
    "whole",
]
