"""Run -> Vitals: everything measured, nothing judged, one checkpoint at a time; to and from `vitals.json`."""

from hndoctor.vitals.ahead import Mapped, Piece
from hndoctor.vitals.following import Following
from hndoctor.vitals.measuring import Progress, measure_run, measuring
from hndoctor.vitals.stored import VitalsError, from_json, load, save, to_json

__all__ = [
    "Following",
    "Mapped",
    "Piece",
    "Progress",
    "VitalsError",
    "from_json",
    "load",
    "measure_run",
    "measuring",
    "save",
    "to_json",
]
