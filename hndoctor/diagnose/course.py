"""Where evidence meets: from stops and signs to the probabilities of four states at each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product, takewhile

from hndoctor.diagnose import parameters as believed
from hndoctor.diagnose.chain import Row, marginals
from hndoctor.diagnose.channels import BREAKING, BROKEN, HEALTHY, OVERTRAINED, STARTING, Seen, is_finite, seen_along
from hndoctor.diagnose.hazard import Prior, at_the_start, onsets_seen, prior_of, transition
from hndoctor.diagnose.stations import Stop, stops_of
from hndoctor.diagnose.validation import is_risen, is_unshared
from hndoctor.records import Onset, State, Station, Vitals
from hndoctor.rules.stretches import is_ageless

NAMED = (State.STARTING, State.HEALTHY, State.OVERTRAINED, State.BROKEN)


@dataclass(frozen=True)
class Judged:
    """A course with what it was judged from."""

    stops: tuple[Stop, ...]
    stations: tuple[Station, ...]
    seen: tuple[Seen, ...]
    prior: Prior

    @property
    def last(self) -> Station | None:
        """The last station that could be judged."""
        return next((station for station in reversed(self.stations) if station.p), None)

    @property
    def onset(self) -> Onset:
        """The first stations at which a bad state is the most probable one; of overtraining, which comes gradually, the
        first at which it is likelier than not and held-out pictures show it, if they do."""
        first = dict.fromkeys(NAMED) | {s.state: s.step for s in reversed(self.stations)}
        shown = self._shown
        return Onset(first[State.OVERTRAINED] if shown is None else shown, first[State.BROKEN])

    @property
    def _shown(self) -> int | None:
        """From where on the held-out loss has risen, and not the training items' along, for good."""
        told = zip(self.stations, self.seen, strict=True)
        over = [(s.step, seen.drift) for s, seen in told if seen.drift and s.p.get(State.OVERTRAINED.value, 0.0) >= 0.5]
        lasting = takewhile(lambda one: is_risen(one[1]), reversed(over))
        shown = [step for step, drift in lasting if is_unshared(drift)]
        return shown[-1] if shown else next((step for step, _ in over), None)

    @property
    def recovered(self) -> int | None:
        """The step from which on no station is broken any more, where one was."""
        told = [station for station in self.stations if station.p]
        broken = [at for at, station in enumerate(told) if station.state is State.BROKEN]
        return told[broken[-1] + 1].step if broken and broken[-1] + 1 < len(told) else None


def judge_course(vitals: Vitals, noise: Mapping[str, float]) -> Judged:
    """The course of a run.  `noise`: probability of noise by the path of the preview."""
    prior, stops = prior_of(vitals), stops_of(vitals)
    seen = seen_along(stops, vitals, noise)
    rows = _rows(vitals, prior, stops, seen)
    stations = tuple(_station(stop, one, row) for stop, one, row in zip(stops, seen, rows, strict=True))
    return Judged(stops, stations, seen, prior)


def _rows(vitals: Vitals, prior: Prior, stops: Sequence[Stop], seen: Sequence[Seen]) -> tuple[Row, ...]:
    if not stops:
        return ()
    steps = []
    before: Stop | None = None
    for stop, onset in zip(stops, onsets_seen(stops), strict=True):
        resumed = before is not None and (_is_told(vitals, before, stop) or _must_be(before, stop))
        mended = believed.RECOVERY if resumed else believed.RECOVERY_ALONE / len(stops)
        steps.append(transition(prior, before, stop, mended, onset))
        before = stop
    rows = _over_blindness(at_the_start(vitals), steps, seen)
    return tuple(_with_doubt(row, _missing(seen, at)) for at, row in enumerate(rows))


def _is_told(vitals: Vitals, before: Stop, stop: Stop) -> bool:
    return any(before.step <= at < stop.step for at in vitals.settings.resumed_at)


def _must_be(before: Stop, stop: Stop) -> bool:
    """No step makes NaN a number again: finite weights after it come from before it, or that file alone is damaged."""
    finite = bool(stop.checkpoints) and all(map(is_finite, stop.checkpoints))
    return finite and not all(map(is_finite, before.checkpoints))


def _over_blindness(start: Row, steps: Sequence[Sequence[Row]], seen: Sequence[Seen]) -> tuple[Row, ...]:
    """The chain's rows, averaged over which channels are blind to the way in which this run breaks, if it does.

    So no number of clean previews or sane weights proves health, and a channel that shows the breakage later is
    believed where it was clean before.
    """
    spoke = sorted({name for one in seen for name in one.channels} & set(believed.BLIND))
    runs, weights = [], []
    for pattern in product((False, True), repeat=len(spoke)):
        blind = [name for name, closed in zip(spoke, pattern, strict=True) if closed]
        shares = (believed.BLIND[name] if name in blind else 1 - believed.BLIND[name] for name in spoke)
        rows, told = marginals(start, steps, [one.total(blind) for one in seen])
        runs.append(rows)
        weights.append(told + math.fsum(map(math.log, shares)))
    top = max(weights)
    share = [math.exp(weight - top) for weight in weights]
    whole = math.fsum(share)
    return tuple(
        tuple(math.fsum(w * p for w, p in zip(share, ps, strict=True)) / whole for ps in zip(*at, strict=True))
        for at in zip(*runs, strict=True)
    )


def _missing(seen: Sequence[Seen], at: int) -> tuple[str, ...]:
    """Channels that speak neither here, nor later, nor at the stop just before."""
    heard = {name for one in seen[max(0, at - 1) :] for name in one.channels}
    return tuple(name for name in believed.UNSEEN if name not in heard)


def _with_doubt(row: Row, missing: Sequence[str]) -> Row:
    """Missing channels never invent health: they withhold a share of it.  What is known to be bad stays so."""
    doubt = math.fsum(believed.UNSEEN[name] for name in missing)
    held = doubt * (row[STARTING] + row[HEALTHY])
    broken = row[BREAKING] + row[BROKEN] + believed.UNSEEN_BROKEN * held
    over = row[OVERTRAINED] + (1 - believed.UNSEEN_BROKEN) * held
    return ((1 - doubt) * row[STARTING], (1 - doubt) * row[HEALTHY], over, broken)


def _station(stop: Stop, seen: Seen, row: Row) -> Station:
    checkpoint = stop.checkpoints[0] if stop.checkpoints else None
    if checkpoint is None and stop.unreadable:
        return Station(stop.step, None, stop.unreadable[0].path, State.UNREADABLE, {}, seen.channels)
    if checkpoint and is_ageless(checkpoint):  # then the clock stood at zero for want of a step, not of training
        row = (0.0, row[STARTING] + row[HEALTHY], *row[HEALTHY + 1 :])
    total = math.fsum(row)
    p = {state.value: value / total for state, value in zip(NAMED, row, strict=True)}
    return Station(
        step=stop.step,
        stored_step=checkpoint.stored_step if checkpoint else None,
        checkpoint=checkpoint.path if checkpoint else None,
        state=max(NAMED, key=lambda state: p[state.value]),
        p=p,
        channels=(*seen.channels, "prior"),
    )
