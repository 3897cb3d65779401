"""A run that is measured again and again while it grows: each file once."""

from __future__ import annotations

import time

from hndoctor.records import Run, Vitals
from hndoctor.vitals.known import Known, states_of
from hndoctor.vitals.measuring import measure_run


class Following:
    """Measures a run as `measure_run` does, roughly, and takes over what has not changed since the last time.

    For whoever makes the run's writer wait meanwhile, as `train --heal` does: then a file is what it was as long as its
    times are, however young they are, and nothing needs to be kept on the disk.
    """

    def __init__(self) -> None:
        self._known = Known()

    def measure(self, run: Run) -> Vitals:
        """The run's vitals as it lies there now."""
        states, taken = states_of(run), time.time()
        vitals = measure_run(run, rough=True, known=self._known)
        self._known = Known.of(vitals, taken, states)
        return vitals
