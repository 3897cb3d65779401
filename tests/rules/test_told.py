"""Every number and word that a rule says, as it was read and found right: `HNDOCTOR_GOLDEN=write` writes them anew.

A report shows a finding's number, its limit, and how sure it is; a limit that moves shows here as one changed line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hndoctor.diagnose import diagnose
from hndoctor.records import Finding, Settings, Vitals
from hndoctor.rules.engine import findings_of
from tests.makers import STEPS, a_checkpoint, a_run, an_optimizer, losses, unreadable, validation
from tests.rules.setup_evidence import BY_CODE
from tests.rules.test_bounds import BOUNDS
from tests.rules.test_setup import CASES
from tests.rules.test_setup_bounds import BOUNDS as SETUP_BOUNDS

GOLDEN = Path(__file__).parent / "golden"
NAN = {step: 5 if step >= 4000 else 0 for step in STEPS}
PAIR = an_optimizer(hash_matches=False, hash_generation=2)
WORSE = {step: 0.09 + max(0, step - 3000) * 1e-5 for step in STEPS}
BETTER = {step: 0.08 - 5e-6 * step for step in STEPS}


def jumping(at: int) -> tuple[object, ...]:
    """Checkpoints whose gain grows fourfold at a step."""
    return tuple(a_checkpoint(step, 0.12 if step < at else 0.5) for step in STEPS)


RUNS: dict[str, Vitals] = {
    "sound": a_run(),
    "exploded": a_run(gain={0: 0.1, 4000: 20}, noise={0: 0.02, 4500: 0.99}),
    "drifting": a_run(gain={0: 0.3, 3000: 2.2}, noise=None),
    "jumping": a_run(checkpoints=jumping(3000), noise=None),
    "not a number": a_run(checkpoints=tuple(a_checkpoint(step, 0.1, nan=NAN[step]) for step in STEPS), noise=None),
    "dead from the start": a_run(gain=20, noise=0.99, rate=5e-3),
    "without effect": a_run(gain=1e-6),
    "noisy previews alone": a_run(noise={0: 0.02, 3000: 0.4, 4000: 0.9}),
    "loss over the cap": a_run(loss={0: 0.1, 3000: 0.45}),
    "loss that is no number": replace(a_run(), losses=losses(range(10, 5001, 10), {0: 0.1, 3000: float("nan")})),
    "overtrained": a_run(validation=validation(WORSE, train=BETTER)),
    "unreadable": a_run(unreadable=(unreadable(2000), unreadable(2500))),
    "pairs of others": a_run(checkpoints=tuple(a_checkpoint(step, optimizer=PAIR) for step in STEPS[:3])),
    "resumed from such a pair": a_run(
        checkpoints=tuple(a_checkpoint(step, optimizer=PAIR) for step in STEPS), settings=Settings(resumed_at=(2000,))
    ),
    "too fast": a_run(rate=1e-2, settings=Settings(learn_rate="1e-2", steps=5000, batch_size=1, images=50)),
    "needlessly slow": a_run(rate=1e-8, settings=Settings(learn_rate="1e-8", steps=5000, batch_size=1, images=50)),
}


def line_of(found: Finding) -> str:
    """Everything that is told of a finding; numbers with as many digits as anyone reads."""
    numbers = ["-" if number is None else f"{number:.4g}" for number in (found.step, found.value, found.limit)]
    step, value, limit = numbers
    head = f"{found.code} {found.severity.value} {found.confidence:.3g}  step {step}  {value} against {limit}"
    return f"{head}  [{found.subject or ''}]  {found.message}"


def told(name: str, findings: Iterable[Finding]) -> Iterator[str]:
    yield f"# {name}"
    yield from map(line_of, findings)
    yield ""


def same(file: str, lines: list[str]) -> None:
    """Compare with what lies there, or write it."""
    path = GOLDEN / file
    text = "\n".join(lines)
    if os.environ.get("HNDOCTOR_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text.splitlines() == path.read_text(encoding="utf-8").splitlines()


def test_what_the_setup_rules_say() -> None:
    lines: list[str] = []
    for number, (code, _, fires, _) in enumerate(CASES):
        lines += told(f"{code}, case {number}", findings_of(BY_CODE[code], fires))
    same("setup.txt", lines)


def test_what_rules_say_just_beyond_their_bounds() -> None:
    lines: list[str] = []
    for law, _, fires in BOUNDS:
        lines += told(law.code, findings_of(law, fires))
    for code, _, fires in SETUP_BOUNDS:
        lines += told(code, findings_of(BY_CODE[code], fires))
    same("bounds.txt", lines)


@pytest.mark.parametrize("name", RUNS)
def test_what_is_said_of_a_run(name: str) -> None:
    diagnosis = diagnose(RUNS[name])
    course = " ".join(f"{s.state.value[0]}{max(s.p.values(), default=0):.2f}" for s in diagnosis.course)
    onset = f"onset: overtrained {diagnosis.onset.overtrained}, broken {diagnosis.onset.broken}"
    head = [f"{diagnosis.verdict.value}: {diagnosis.summary}", course, onset, ""]
    same(f"{name.replace(' ', '-')}.txt", [*head, *told(name, diagnosis.findings)])
