"""The web UI's learning-rate schedule: its grammar exactly, and its traps said before they are stepped into.

A schedule is comma-separated: ``rate:step`` (until that step, which is excluded), ``rate:-1`` or a bare ``rate``
(until the last step).  ``5e-5:100, 5e-6:1500, 5e-7:10000, 5e-8:20000`` is the guide's own (G23).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hndoctor.formats.rates import in_words, power

RUINOUS_RATE = 5e-3  # rate; the old default reaches NaN very quickly on SD1 (G20)
FLOOR_RATE = 5e-8  # rate; the lowest of the guide's own schedule (G23); less is needless (G24)


class ScheduleError(ValueError):
    """A schedule that the web UI would refuse, or that no optimizer can follow; one line says where and how."""


@dataclass(frozen=True)
class Segment:
    """One rate and the step at which it ends (excluded).  Ends need not rise: see `effective_ends`."""

    rate: float
    end: int


@dataclass(frozen=True)
class Trap:
    """Something a schedule does that its author probably did not mean."""

    kind: str  # "invalid", "ends-early", "semicolon", "fields", "order", "ignored", "rises", "ruinous", "needless"
    text: str


def parse_schedule(text: str, max_steps: int, start: int = 0) -> tuple[Segment, ...]:
    """The segments that a training from step `start` to `max_steps` follows (web UI, `LearnScheduleIterator`).

    Pairs that end at or before `start` are skipped, ends are clipped to `max_steps`, and what follows a bare rate,
    ``-1`` or the first end beyond `max_steps` is never read.  One departure: nan, infinite and negative rates, which
    the web UI takes though they destroy the network, raise `ScheduleError` like any other unusable schedule.
    """
    segments = tuple(_segments(text, max_steps, start))
    if not segments:
        raise ScheduleError(_why_empty(text, start))
    return segments


def strict_schedule(text: str, max_steps: int, start: int = 0) -> tuple[Segment, ...]:
    """The same, but raises `ScheduleError` for a semicolon and for three fields too: the web UI goes on with the first
    rate to the very end then, which nobody means."""
    segments = parse_schedule(text, max_steps, start)
    for trap in _grammar_traps(text, max_steps, len(segments)):
        if trap.kind in ("semicolon", "fields"):
            raise ScheduleError(f"learning rate {trap.text}")
    return segments


def _segments(text: str, max_steps: int, start: int) -> Iterator[Segment]:
    for pair in text.split(","):
        if not pair.strip():
            continue
        fields = pair.split(":")
        if len(fields) != 2:  # also three fields: the web UI reads only the first of them
            yield Segment(_rate(fields[0], pair), max_steps)
            return
        end = _end(fields[1], pair)
        if end > start:
            yield Segment(_rate(fields[0], pair), min(end, max_steps))
            if end > max_steps:
                return
        elif end == -1:
            yield Segment(_rate(fields[0], pair), max_steps)
            return


def _rate(field: str, pair: str) -> float:
    try:
        rate = float(field)
    except ValueError:
        hint = " (separate the parts with commas, not with ;)" if ";" in field else ""
        raise _wrong(pair, f"{field.strip()!r} is not a number; write e.g. 5e-6{hint}") from None
    if not math.isfinite(rate) or rate < 0:
        raise _wrong(pair, "a rate must be a finite number, 0 or more; write e.g. 5e-6")
    return rate


def _end(field: str, pair: str) -> int:
    try:
        return int(field)
    except ValueError:
        whole = _as_whole(field)
        mend = f"write {whole}" if whole is not None else 'write e.g. "5e-5:100, 5e-6:1500"'
        raise _wrong(pair, f"step {field.strip()!r} is not a whole number; {mend}") from None


def _wrong(pair: str, why: str) -> ScheduleError:
    return ScheduleError(f"learning rate {pair.strip()!r}: {why}")


def _as_whole(field: str) -> int | None:
    try:
        number = float(field)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number == int(number) else None


def _why_empty(text: str, start: int) -> str:
    if not text.strip(" ,\t\r\n"):
        return 'learning rate: the schedule is empty; write e.g. "5e-6" or "5e-5:100, 5e-6:1500, 5e-7:10000"'
    return (
        f"learning rate {text.strip()!r}: every part of the schedule ends at or before step {start:,}, "
        "where training starts; add a part that ends later"
    )


def effective_ends(segments: Sequence[Segment]) -> tuple[int, ...]:
    """The step at which each segment really ends: one whose end does not rise lasts one step (web UI)."""
    ends: list[int] = []
    for segment in segments:
        ends.append(max(segment.end, ends[-1] + 1) if ends else segment.end)
    return tuple(ends)


def rate_at(segments: Sequence[Segment], step: int) -> float | None:
    """The rate of step `step` (counted from 0, as the web UI counts while training); None: the schedule is finished."""
    for segment, end in zip(segments, effective_ends(segments), strict=True):
        if step < end:
            return segment.rate
    return None


def dose(segments: Sequence[Segment], batch_size: int, start: int = 0) -> float:
    """The learning-rate dose: the sum over all steps from `start` of rate × sqrt(batch size).

    `batch_size` counts gradient accumulation too.  The guide's overtraining band is 0.045 to 0.125 on SD1 (G21).
    """
    total, begin = 0.0, start
    for segment, end in zip(segments, effective_ends(segments), strict=True):
        total += segment.rate * max(0, end - begin)
        begin = max(begin, end)
    return total * math.sqrt(batch_size)


def step_at_dose(segments: Sequence[Segment], batch_size: int, wanted: float, start: int = 0) -> int | None:
    """The first step count at which the dose reaches `wanted`; None: the schedule ends before."""
    left, begin = wanted / math.sqrt(batch_size), start
    for segment, end in zip(segments, effective_ends(segments), strict=True):
        part = segment.rate * max(0, end - begin)
        if part >= left and segment.rate > 0:
            return begin + math.ceil(left / segment.rate - 1e-9)
        left -= part
        begin = max(begin, end)
    return None


# --- traps ------------------------------------------------------------------------------------------------------------


def traps(text: str, max_steps: int, scale: float = 1.0) -> tuple[str, ...]:
    """What this schedule does that its author probably did not mean, each in one sentence; empty: nothing.

    `scale` multiplies the bounds on rates, which are Stable Diffusion 1's, for base models of another width.
    """
    return tuple(trap.text for trap in find_traps(text, max_steps, scale))


def find_traps(text: str, max_steps: int, scale: float = 1.0) -> tuple[Trap, ...]:
    """The same with the kind of each trap, for rules to weigh; an unusable schedule is the one trap "invalid"."""
    try:
        segments = parse_schedule(text, max_steps)
    except ScheduleError as error:
        return (Trap("invalid", str(error)),)
    grammar = _grammar_traps(text, max_steps, len(segments))
    return (*grammar, *_course_traps(segments, max_steps), *_rate_traps(segments, scale))


def _grammar_traps(text: str, max_steps: int, used: int) -> Iterator[Trap]:
    pairs = [pair.strip() for pair in text.split(",") if pair.strip()]
    for pair in pairs:
        if ";" in pair:
            yield Trap("semicolon", f"{pair!r} has a semicolon: only its first rate is used, to the end; use commas")
        elif pair.count(":") > 1:
            yield Trap("fields", f"{pair!r} has too many fields: its first rate is used to the end; write rate:step")
    read = _read_pairs(pairs, max_steps)
    if read < len(pairs):
        rest, last = ", ".join(pairs[read:]), pairs[read - 1]
        yield Trap("ignored", f"{rest!r} is never reached: {last!r} already lasts to step {max_steps:,}")
    if read > used:
        yield Trap("order", f"{read - used} part(s) of the schedule end at or before step 0 and are skipped")


def _read_pairs(pairs: Sequence[str], max_steps: int) -> int:
    """How many pairs the parser looks at before it stops."""
    for index, pair in enumerate(pairs, 1):
        fields = pair.split(":")
        if len(fields) != 2 or int(fields[1]) == -1 or int(fields[1]) > max_steps:
            return index
    return len(pairs)


def _course_traps(segments: Sequence[Segment], max_steps: int) -> Iterator[Trap]:
    for before, after in pairwise(segments):
        if after.end <= before.end:
            steps = f"step {after.end:,} does not come after step {before.end:,}"
            yield Trap("order", f"{steps}: the rate {power(after.rate)} lasts a single step; let the steps rise")
        if after.rate > before.rate:
            rise = f"the rate rises from {in_words(before.rate)} to {in_words(after.rate)} at step {before.end:,}"
            yield Trap("rises", f"{rise}; unless a warm-up is meant, let the rates fall")
    last = effective_ends(segments)[-1]
    if last < max_steps:
        ends = f"the schedule ends at step {last:,}: training stops there, not at {max_steps:,}"
        yield Trap("ends-early", f"{ends}; end the schedule with {power(segments[-1].rate)}:{max_steps}")


def _rate_traps(segments: Sequence[Segment], scale: float) -> Iterator[Trap]:
    model = "Stable Diffusion 1" if scale == 1 else "a model of this width (carried from Stable Diffusion 1, untested)"
    floor = FLOOR_RATE * scale
    for segment in segments:
        if segment.rate >= RUINOUS_RATE * scale:
            mend = f"begin with {in_words(_short(5e-5 * scale))} or less"
            yield Trap("ruinous", f"{in_words(segment.rate)} reaches NaN very quickly on {model}; {mend}")
        elif segment.rate == 0:
            yield Trap("needless", f"the rate is 0 up to step {segment.end:,}: nothing is learned there")
        elif segment.rate < floor:
            low = f"{in_words(segment.rate)} up to step {segment.end:,} is too low to have an effect on {model}"
            yield Trap("needless", f"{low}; stop earlier, or stay at {in_words(_short(floor))} or above")


def _short(rate: float) -> float:
    """A rate with two significant digits, for advice."""
    return float(f"{rate:.1e}")
