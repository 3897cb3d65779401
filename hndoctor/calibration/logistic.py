"""From measures to a calibrated probability, with its uncertainty and its reasons.  Plain numbers, no arrays.

A `Branch` is a logistic over named measures.  It carries what its probability is worth: the covariance of its
coefficients over resampled *families* of pictures (not pictures: those of one family fail together).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST = 30.0  # log odds beyond which nothing changes any more
BENT = 3.0  # spreads beyond which a measure's bend bends no further
NINETY = 1.645  # standard deviations on either side that hold 90 % of a normal distribution


@dataclass(frozen=True)
class Form:
    """How a measure enters a logistic: clipped to where it was seen, and logarithmic where `offset` is given."""

    least: float
    most: float
    offset: float | None = None  # ln(value + offset)
    about: float | None = None  # |ln(value / about)|: how far from it, above or below

    def of(self, value: float) -> float:
        """The value as the logistic takes it."""
        clipped = min(max(value, self.least), self.most)
        if self.about is not None:
            return abs(math.log(clipped / self.about))
        return clipped if self.offset is None else math.log(clipped + self.offset)


@dataclass(frozen=True)
class Term:
    """One measure of a branch, standardised on the pictures that it was fitted on."""

    measure: str
    weight: float  # of one `spread`
    middle: float  # mean on the form's scale
    spread: float  # standard deviation on the form's scale
    typical: float  # median of sound pictures, as measured: what a reason compares with
    found: float  # median of what is looked for
    bend: float = 0.0  # weight of the square of the same, of at most `BENT` spreads: what is best in the middle


@dataclass(frozen=True)
class Reason:
    """One measure that speaks for what was found."""

    measure: str
    value: float
    typical: float  # of sound pictures
    odds: float  # log odds that it adds against a typical sound picture


@dataclass(frozen=True)
class Branch:
    """A logistic: log odds = intercept + Σ weight · z + bend · min(|z|, 3)², z = (form(value) − middle) / spread."""

    intercept: float
    terms: tuple[Term, ...]
    deviations: tuple[tuple[float, ...], ...]  # F of their covariance F Fᵀ, intercept first; few columns, or none

    def features(self, scores: Mapping[str, float], forms: Mapping[str, Form]) -> tuple[float, ...]:
        """The standardised measures, after a 1 for the intercept; then their squares where any term bends."""
        straight = [(forms[t.measure].of(scores[t.measure]) - t.middle) / t.spread for t in self.terms]
        return (1.0, *straight, *(map(bent, straight) if self.bends else ()))

    @property
    def bends(self) -> bool:
        """Whether any term does."""
        return any(t.bend for t in self.terms)

    def log_odds(self, features: Sequence[float]) -> float:
        """Log odds of standardised measures, natural logarithm, within ±`MOST`."""
        squares = (t.bend for t in self.terms) if self.bends else ()
        weights = (self.intercept, *(t.weight for t in self.terms), *squares)
        return clipped(sum(w * x for w, x in zip(weights, features, strict=True)))

    def deviation(self, features: Sequence[float]) -> float:
        """Standard deviation of the log odds: the length of Fᵀx."""
        columns = zip(*self.deviations, strict=True)
        return math.sqrt(sum(sum(f * x for f, x in zip(c, features, strict=True)) ** 2 for c in columns))

    def reasons(self, scores: Mapping[str, float], forms: Mapping[str, Form]) -> tuple[Reason, ...]:
        """The measures, those that speak loudest for it first; those that speak against it are left out.

        One that moved away from what is looked for is no reason either, even if its weight beside others makes it so.
        """
        found = []
        for term in self.terms:
            form, value = forms[term.measure], scores[term.measure]
            moved = form.of(value) - form.of(term.typical)
            here, usual = ((form.of(v) - term.middle) / term.spread for v in (value, term.typical))
            odds = term.weight * (here - usual) + term.bend * (bent(here) - bent(usual))
            if odds > 0 and moved * (form.of(term.found) - form.of(term.typical)) > 0:
                found.append(Reason(term.measure, value, term.typical, odds))
        return tuple(sorted(found, key=lambda r: -r.odds))


@dataclass(frozen=True)
class Probability:
    """A probability and the interval that holds 90 % of what other families of pictures would have made of it."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, odds: float, deviation: float) -> Probability:
        """From log odds and their standard deviation."""
        reach = NINETY * deviation
        return cls(probability(odds), probability(odds - reach), probability(odds + reach))

    def or_else(self, other: Probability) -> Probability:
        """That one or the other holds, were they independent."""
        pairs = ((self.value, other.value), (self.low, other.low), (self.high, other.high))
        return Probability(*(a + b - a * b for a, b in pairs))

    def unless(self, other: Probability) -> Probability:
        """That this one holds and the other does not, were they independent."""
        pairs = ((self.value, other.value), (self.low, other.high), (self.high, other.low))
        return Probability(*(a * (1 - b) for a, b in pairs))


def bent(z: float) -> float:
    """What a term's bend weighs: the square of a standardised measure, of at most `BENT`."""
    return min(z * z, BENT * BENT)


def clipped(odds: float, most: float = MOST) -> float:
    """Log odds within ±`most`."""
    return max(-most, min(most, odds))


def probability(odds: float) -> float:
    """The probability of log odds; 0..1 for any finite number."""
    return 1 / (1 + math.exp(-clipped(odds, 60.0)))


def log_odds(p: float, most: float = 8.0) -> float:
    """ln(p / (1 − p)), within ±`most`."""
    if p <= 0 or p >= 1:
        return -most if p <= 0 else most
    return clipped(math.log(p / (1 - p)), most)
