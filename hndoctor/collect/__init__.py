"""PATH -> runs: which files on disk belong to one course of training, and which step each is from.

Nothing is opened here.  Runs of ours and of the web UI (`textual_inversion/<date>/<name>/`) have the same layout:
`hypernetworks/<name>-<N>.pt` (+ `.optim`), `images/<name>-<N>.png`, `hypernetwork_loss.csv`, `settings-*.json`.
A folder of loose `.pt` files (`models/hypernetworks`) holds one run for each name.
"""

from hndoctor.collect.finding import CollectError, beside, find_around, find_own, find_pictures, find_runs
from hndoctor.collect.parts import CHECKPOINTS, PICTURES

__all__ = ["CHECKPOINTS", "PICTURES", "CollectError", "beside", "find_around", "find_own", "find_pictures", "find_runs"]
