"""hndoctor: is this hypernetwork run healthy, since when not, and what now?

import hndoctor

for diagnosis in hndoctor.scan("runs"):
    print(diagnosis.run, diagnosis.verdict, diagnosis.summary)

vitals = hndoctor.measure("runs/fischl")   # slow: reads weights and pictures
diagnosis = hndoctor.judge(vitals)         # instant
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hndoctor.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from hndoctor.records import Diagnosis, Vitals

__all__ = ["__version__", "judge", "measure", "scan"]


def measure(path: str | Path) -> Vitals:
    """Measure the one run at PATH: a run's folder, a checkpoint, a loss log, a `vitals.json` of before; a URL of these.

    Raises ValueError, in one line, where there is no run or more than one.
    """
    from dataclasses import replace

    from hndoctor.collect import CollectError, find_own
    from hndoctor.remote import here
    from hndoctor.vitals import measure_run

    with here(path) as place:
        runs = find_own(place.path)
        if len(runs) > 1:
            named = ", ".join(str(run.root / run.name) if run.shares_folder else str(run.root) for run in runs[:3])
            what = f"{len(runs)} runs ({place.told(named)}, …)"
            raise CollectError(f"{path}: holds {what}; give one of them, or use scan")
        vitals = measure_run(runs[0])
        return replace(vitals, run=place.told(vitals.run))


def judge(vitals: Vitals) -> Diagnosis:
    """The diagnosis of a measured run, with its prescription."""
    from dataclasses import replace

    from hndoctor.diagnose import diagnose
    from hndoctor.prescribe import prescribe

    diagnosis = diagnose(vitals)
    return replace(diagnosis, prescription=prescribe(vitals, diagnosis))


def scan(path: str | Path) -> tuple[Diagnosis, ...]:
    """Measure and judge every run at or below PATH.  Raises ValueError, in one line, where there is none."""
    from dataclasses import replace

    from hndoctor.collect import find_runs
    from hndoctor.remote import here
    from hndoctor.vitals import measure_run

    with here(path) as place:
        measured = [measure_run(run) for run in find_runs(place.path)]
        return tuple(judge(replace(vitals, run=place.told(vitals.run))) for vitals in measured)
