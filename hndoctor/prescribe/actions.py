"""The actions of a prescription: use it, resume from it, start again; each with its settings, remedies and commands."""

from __future__ import annotations

from dataclasses import dataclass

from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.channels import gain_of, is_finite
from hndoctor.prescribe import how
from hndoctor.prescribe.choice import Candidate, acceptable
from hndoctor.prescribe.rates import GUIDE_STEPS, Rates, schedule
from hndoctor.records import Action, Alternative, Diagnosis, Prescription, Severity, State, Station, Vitals

LOWER_STRENGTH = "use it at a lower strength first: <hypernet:{name}:0.6> costs nothing"
AVERAGE = (
    "average it with its neighbours, which steadies a network that swings around its best: "
    "hndoctor merge {files} --out merged.pt"
)
VALIDATE = (
    "measure the checkpoints on pictures that were not trained on, without which overtraining does not show: {command}"
)


@dataclass(frozen=True)
class Case:
    """Everything that a prescription is made from."""

    vitals: Vitals
    diagnosis: Diagnosis
    last: Station
    candidates: tuple[Candidate, ...]
    rates: Rates

    @property
    def held_out(self) -> bool:
        """Whether anything was measured on held-out pictures."""
        return any(point.held_out > 0 for point in self.vitals.validation)

    @property
    def last_step(self) -> Alternative:
        """Why not the last one, where an earlier one is chosen though the network is not broken."""
        past = self.held_out or self.last.state is State.OVERTRAINED
        return Alternative("use the last step", "it is past its best" if past else "it is likelier to be broken")

    @property
    def faulty(self) -> bool:
        """Whether any finding is an error, be it of long ago."""
        return any(finding.severity is Severity.ERROR for finding in self.diagnosis.findings)

    @property
    def because(self) -> tuple[str, ...]:
        """Codes of the findings that call for action, most severe first."""
        told = [f.code for f in self.diagnosis.findings if f.severity is not Severity.INFO]
        of_the_course = [
            code for code in told if not code.startswith(("HN0", "HN5"))
        ]  # files and set-up: other matters
        return tuple(dict.fromkeys(of_the_course or told))


def use(case: Case, chosen: Candidate, why: str, done: bool = False) -> Prescription:
    sentence = f"Stop and use step {chosen.step:,}: {why}."
    on = Alternative("train on at a lower rate", "overtraining only comes later, and it gets no better than this")
    again = Alternative("train on", "it may bring more detail, and overtraining nearer (G19, G21)")
    return Prescription(
        action=Action.STOP,
        sentence=sentence,
        checkpoint=chosen.file.path,
        step=chosen.step,
        because=case.because,
        acceptable=acceptable(case.candidates, chosen, case.vitals),
        free_remedies=_remedies(case, chosen),
        rejected=(again,) if done else (on, case.last_step),
        how_hndoctor=(),
        how_webui=tuple(how.webui_use(case.vitals, chosen.file)),
    )


def resume(
    case: Case,
    chosen: Candidate,
    rate: float,
    end: int,
    sentence: str,
    rejected: tuple[Alternative, ...],
    text: str | None = None,
) -> Prescription:
    text = text or schedule(rate, end)
    changes = case.rates.known(chosen.step) != rate
    return Prescription(
        action=Action.RESUME,
        sentence=sentence,
        checkpoint=chosen.file.path,
        step=chosen.step,
        learning_rate=rate,
        schedule=text,
        because=case.because,
        acceptable=acceptable(case.candidates, chosen, case.vitals),
        free_remedies=_remedies(case, chosen),
        rejected=rejected,
        how_hndoctor=(how.train_command(case.vitals, chosen.file, text, end),),
        how_webui=(
            tuple(how.webui_resume(case.vitals, chosen.file, text, end, changes)) if case.rates.fit_the_webui else ()
        ),
    )


def restart(case: Case, rate: float, sentence: str, rejected: tuple[Alternative, ...]) -> Prescription:
    end = case.vitals.settings.steps or GUIDE_STEPS
    text = schedule(rate, end)
    more = ("--name", how.quoted(f"{case.vitals.name}-again"), "--weight-init", "Normal")
    return Prescription(
        action=Action.RESTART,
        sentence=sentence,
        learning_rate=rate,
        schedule=text,
        because=case.because,
        rejected=rejected,
        how_hndoctor=(how.train_command(case.vitals, None, text, end, *more),),
        how_webui=tuple(how.webui_restart(text, end)) if case.rates.fit_the_webui else (),
    )


def _remedies(case: Case, chosen: Candidate) -> tuple[str, ...]:
    """What costs no training, first (science.md §C.6)."""
    found = []
    if case.last.state in (State.OVERTRAINED, State.BROKEN):
        final = next((one for one in case.vitals.checkpoints if one.path == case.last.checkpoint), None)
        gain = gain_of(final) if final and is_finite(final) else None
        if final and is_finite(final) and (gain is None or gain < believed.GAIN_CERTAIN):
            found.append(LOWER_STRENGTH.format(name=final.path.rsplit("/", 1)[-1].removesuffix(".pt")))
    sound = [one for one in case.candidates if one.sound >= 0.5]
    steps = [one.step for one in sound]
    if chosen.step in steps and len(steps) >= 3 and case.last.state is not State.BROKEN:
        at = steps.index(chosen.step)
        near = sound[max(0, at - 1) : at + 2]
        if len(near) > 1:
            files = (how.quoted(how.place(case.vitals, one.file.path)) for one in near)
            found.append(AVERAGE.format(files=" ".join(files)))
    if case.last.state is not State.BROKEN and not case.held_out:
        command = how.validate_command(case.vitals)
        found += [VALIDATE.format(command=command)] if command else []
    return tuple(found)
