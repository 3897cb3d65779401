"""The course that is planned: schedule, rates, steps and dose."""

from __future__ import annotations

from collections.abc import Iterator

from hndoctor.records import PlanVitals, Setup, Severity
from hndoctor.rules.dose import NARROW
from hndoctor.rules.engine import Sign, rule

SD1_WIDTH = 768  # cross-attention width of Stable Diffusion 1, on which the guide's figures were found
BAND = (0.045, 0.125)  # dose at which overtraining begins on Stable Diffusion 1 (G21)
ASTRAY = "which the lab found up to thirty times too low, and too high"  # on the pocket model (benchmarks/lab, doses)
STARVED = 0.002  # dose; a twentieth of the band's low end, reached by no schedule of the guide (guess)
ENOUGH_STEPS = 20_000  # steps; more are not needed (G19)
_ABOUT_SCHEDULE = {"ends-early", "semicolon", "fields", "order", "ignored"}


def trapped(plan: PlanVitals, kinds: set[str]) -> Iterator[str]:
    """The sentences of the schedule's traps of these kinds."""
    return (text for kind, text in plan.traps if kind in kinds)


def scale(plan: PlanVitals) -> float:
    """What the guide's doses are multiplied by for this base model: they are carried by width."""
    return SD1_WIDTH / (plan.context_width or SD1_WIDTH)


def whose(plan: PlanVitals, tried: str = "untested") -> str:
    """Whose figures these are, for the message; `tried`: what became of them on another base model."""
    if plan.context_width is None:
        return "Stable Diffusion 1's figures, as the base model is not known"
    if plan.context_width == SD1_WIDTH:
        return "Stable Diffusion 1's figures"
    return f"Stable Diffusion 1's figures carried to width {plan.context_width}, {tried}"


def is_pocket(plan: PlanVitals) -> bool:
    """Whether the base model is of an embedded model's size."""
    return plan.context_width is not None and plan.context_width < NARROW


def is_foreign(plan: PlanVitals) -> bool:
    """Whether a base model was named of which nothing is known: the guide's figures may not be its."""
    return plan.base_model is not None and plan.context_width is None


def sure(plan: PlanVitals) -> float:
    """How far the guide's figures can be trusted for this base model (guess)."""
    return 0.8 if plan.context_width == SD1_WIDTH else 0.5


@rule("HN550", Severity.ERROR, needs="setup")
def plan_unusable(setup: Setup) -> Iterator[Sign]:
    """A setting cannot be used.

    Training would stop before its first step: the network cannot be built, or the schedule cannot be read (G13, G23).
    Correct the setting.
    """
    if setup.plan:
        for problem in dict.fromkeys((*setup.plan.problems, *trapped(setup.plan, {"invalid"}))):
            yield Sign(problem)


@rule("HN551", Severity.ERROR, needs="setup")
def plan_rate_ruinous(setup: Setup) -> Iterator[Sign]:
    """The learning rate destroys the network.

    5e-3, the old default, reaches NaN within few steps; hypernetworks want 5e-5 for the first hundred steps and 5e-6 or
    5e-7 after that (G20).  Lower it: `5e-5:100, 5e-6:1500, 5e-7:10000`.
    """
    plan = setup.plan
    for text in trapped(plan, {"ruinous"}) if plan else ():
        rates = [rate for rate, _ in plan.schedule] if plan else []
        if plan and is_foreign(plan):
            text = f"{text} (the base model's own scale is not known)"
            yield Sign(
                f"learning rate {text}", value=max(rates, default=None), severity=Severity.WARNING, confidence=0.6
            )
        else:
            yield Sign(f"learning rate {text}", value=max(rates, default=None), confidence=0.95)


@rule("HN552", Severity.WARNING, needs="setup")
def plan_schedule_trap(setup: Setup) -> Iterator[Sign]:
    """The schedule does something else than it seems to say.

    It ends before the last step, a part of it is never reached, or a sign in it cuts it off (G23).  The message says
    which and what to write.
    """
    if setup.plan:
        yield from (Sign(f"learning rate: {text}") for text in trapped(setup.plan, _ABOUT_SCHEDULE))


@rule("HN553", Severity.INFO, needs="setup")
def plan_rate_rises(setup: Setup) -> Iterator[Sign]:
    """The learning rate rises during the training.

    Short warm-ups do that on purpose; later in a run a higher rate undoes what the lower one had settled (G22, G23).
    Let the rates fall.
    """
    if setup.plan:
        yield from (Sign(f"learning rate: {text}", confidence=0.6) for text in trapped(setup.plan, {"rises"}))


@rule("HN554", Severity.INFO, needs="setup")
def plan_rate_needless(setup: Setup) -> Iterator[Sign]:
    """A learning rate is too low to have an effect.

    Below 5e-7 little happens, and below 5e-8, where the guide's own schedule ends, nothing (G24).  Stop earlier.
    """
    if setup.plan:
        yield from (Sign(f"learning rate: {text}", confidence=0.8) for text in trapped(setup.plan, {"needless"}))


@rule("HN555", Severity.WARNING, needs="setup")
def plan_dose_overtrains(setup: Setup) -> Iterator[Sign]:
    """The plan goes past the point where overtraining typically begins.

    At 5e-6 that is between 9,000 and 25,000 steps on Stable Diffusion 1 (G21): a dose (steps × rate, times the root
    of the batch) of 0.045 to 0.125, carried to other widths by size.  Plan fewer steps, or change to a lower rate
    before then.
    """
    plan = setup.plan
    if plan is None or plan.dose is None or plan.dose < BAND[0] * scale(plan) or any(trapped(plan, {"ruinous"})):
        return  # a ruinous rate kills before it overtrains
    low, middle, high = plan.onset
    past = plan.dose >= BAND[1] * scale(plan)
    near = f"near step {middle:,} (between {low:,} and {high:,})" if low and middle and high else f"after step {low:,}"
    begins = f"at this schedule overtraining typically begins {near}"
    figures = whose(plan, ASTRAY) if is_pocket(plan) else whose(plan)
    message = f"{begins}, and {plan.steps:,} are planned; plan fewer, or a lower rate from there ({figures})"
    severity = None if past and not is_foreign(plan) and not is_pocket(plan) else Severity.INFO
    yield Sign(
        message, step=low, value=plan.dose, limit=BAND[0] * scale(plan), confidence=sure(plan), severity=severity
    )


@rule("HN556", Severity.INFO, needs="setup")
def plan_dose_starves(setup: Setup) -> Iterator[Sign]:
    """The plan hardly moves the network.

    Steps and rate together stay far below what the guide's schedules give (G19, G24): previews will look like the base
    model's.  Train longer, or begin with a higher rate.
    """
    plan = setup.plan
    if plan is not None and plan.dose is not None and plan.dose < STARVED * scale(plan):
        steps = "1 step at this schedule hardly changes"
        if plan.steps != 1:
            steps = f"{plan.steps:,} steps at this schedule hardly change"
        message = f"{steps} anything; train longer, or begin at a higher rate"
        limit = STARVED * scale(plan)
        yield Sign(f"{message} ({whose(plan)})", value=plan.dose, limit=limit, confidence=sure(plan) - 0.2)


@rule("HN557", Severity.INFO, needs="setup")
def plan_steps(setup: Setup) -> Iterator[Sign]:
    """More steps are planned than are needed.

    20,000 or fewer are enough; 5,000 to 10,000 are usable, 10,000 to 20,000 bring detail (G19).  Plan fewer.
    """
    plan = setup.plan
    if plan is not None and plan.steps is not None and plan.steps > ENOUGH_STEPS:
        message = f"{plan.steps:,} steps are planned; {ENOUGH_STEPS:,} or fewer are enough, 12,500 to 15,000 usual"
        yield Sign(message, value=plan.steps, limit=ENOUGH_STEPS, confidence=0.7)
