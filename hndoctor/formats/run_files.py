"""What a run's folder holds beside checkpoints and previews, by name: where who writes and who reads agree."""

LOSS_LOG = "hypernetwork_loss.csv"  # the web UI's
VALIDATION_LOG = "validation.jsonl"
VALIDATED = "validated.jsonl"  # what `hndoctor validate` measured; NAME.validated.jsonl where runs share a folder
RUN_FILE = "run.json"  # our trainer's own account, beside the settings that it writes as the web UI does
CONFIG = "config.toml"  # of a run that our trainer made: the base model, the pictures, what was held out
VITALS = "vitals.json"  # what a scan measured
PAGE = "health.html"  # and what it said
AVERAGES = "ema"  # our trainer's moving averages, one beside each checkpoint: no run of their own
SET_ASIDE = "set-aside"  # gets what a resumed run has left behind: no part of the run any more
