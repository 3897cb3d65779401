"""The machine's report: one object, the contract of `schema.json` beside this file.  Same input, same bytes.

ASCII only: it passes through every console's code page, and no name in it can act on a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hndoctor import __version__
from hndoctor.records import SCHEMA, Diagnosis, Finding, PictureJudgement, Prescription, Station


def render_json(diagnoses: Sequence[Diagnosis], pictures: Sequence[PictureJudgement] = ()) -> str:
    """Every run, and the pictures judged alone where there are any, as one JSON object with a final newline."""
    whole: dict[str, Any] = {"hndoctor": __version__, "schema": SCHEMA, "runs": [run_object(d) for d in diagnoses]}
    if pictures:
        whole["pictures"] = [_picture(p) for p in pictures]
    return json.dumps(whole, indent=2, allow_nan=False) + "\n"


def run_object(diagnosis: Diagnosis) -> dict[str, Any]:
    """One run as the contract wants it."""
    return {
        "run": diagnosis.run,
        "name": diagnosis.name,
        "verdict": diagnosis.verdict.value,
        "summary": diagnosis.summary,
        "findings": [finding_object(f) for f in diagnosis.findings],
        "not_examined": [{"what": s.what, "why": s.why} for s in diagnosis.not_examined],
        "course": [_station(s) for s in diagnosis.course],
        "onset": {"overtrained": diagnosis.onset.overtrained, "broken": diagnosis.onset.broken},
        "prior": diagnosis.prior,
        "prescription": None if diagnosis.prescription is None else _prescription(diagnosis.prescription),
    }


def finding_object(finding: Finding) -> dict[str, Any]:
    """One finding; every key is always there."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "confidence": finding.confidence,
        "step": finding.step,
        "subject": finding.subject,
        "message": finding.message,
        "value": finding.value,
        "limit": finding.limit,
    }


def _station(station: Station) -> dict[str, Any]:
    return {
        "step": station.step,
        "stored_step": station.stored_step,
        "checkpoint": station.checkpoint,
        "state": station.state.value,
        "p": dict(station.p),
        "channels": list(station.channels),
    }


def _prescription(advice: Prescription) -> dict[str, Any]:
    source = None
    if advice.checkpoint is not None:
        source = {"checkpoint": advice.checkpoint, "step": advice.step}
    return {
        "action": advice.action.value,
        "sentence": advice.sentence,
        "resume_from": source,
        "learning_rate": advice.learning_rate,
        "schedule": advice.schedule,
        "because": list(advice.because),
        "acceptable": [{"step": step, "p": p} for step, p in advice.acceptable],
        "free_remedies": list(advice.free_remedies),
        "rejected": [{"what": a.what, "why_not": a.why_not} for a in advice.rejected],
        "how": {"hndoctor": list(advice.how_hndoctor), "webui": list(advice.how_webui)},
    }


def _picture(judged: PictureJudgement) -> dict[str, Any]:
    return {
        "picture": judged.picture,
        "p": dict(judged.p),
        "scores": dict(judged.scores),
        "because": list(judged.because),
        "unreadable": judged.unreadable,
        "interval": {kind: list(bounds) for kind, bounds in judged.interval.items()},
        "severity": judged.severity,
        "noise_share": judged.noise_share,
        "tiles": [list(row) for row in judged.tiles],
    }
