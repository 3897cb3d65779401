"""A picture judged beside others: of the same prompt and seed, or of the kind that the network is trained on.

A dense mosaic is statistically noise; beside a mosaic that the untrained model drew it is plain that the network did
not make the noise.  Both must speak: the picture looks like noise, and it differs from what it is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from hndoctor.calibration.forms import FORMS
from hndoctor.calibration.logistic import Branch, Form, Probability, Reason, clipped
from hndoctor.calibration.table import FLOORS, TABLE

Scores = Mapping[str, float]
REACH = 3.0  # units of natural spread to which one measure's change counts
NEW = 4.0  # log odds that a novelty of one unit more is worth: 3 units, the most there is, are as good as any looks
MAD = 1.4826  # of a normal distribution: standard deviation over median absolute deviation

#: Measures that noise moves one way, whatever the picture: +1 raises.
TOWARDS_NOISE = {
    "broad_gradient_kurtosis": -1.0,
    "gradient_kurtosis": -1.0,
    "calm_tile_chroma": 1.0,
    "local_colour_entropy": 1.0,
    "joint_entropy": 1.0,
    "long_lag_autocorrelation": -1.0,
}
COMPARED: dict[str, Form] = {
    "looks": Form(-8.0, 8.0),
    "rise": Form(-8.0, 16.0),
    "change": Form(-REACH, REACH),
    "novelty": Form(0.0, REACH),
    "both": Form(-8.0, 8.0),
}
FRIED: dict[str, Form] = {
    "colour": Form(-2.0, 3.0),
    "clipped": Form(-1.0, 1.0),
    "halo": Form(-1.0, 1.0),
    "contrast": Form(-2.0, 2.0),
}


@dataclass(frozen=True)
class Usual:
    """What is usual among pictures: the middle of each measure and its natural spread, on its form's scale."""

    measures: Mapping[str, tuple[float, float]]  # those that any of the pictures has

    @classmethod
    def of(cls, pictures: Sequence[Scores], floors: Mapping[str, float] = FLOORS) -> Usual:
        """`floors`: least spreads, of the measures that count.  Science §A.3: 1.4826 · MAD, or the floor."""
        found = {}
        for name, floor in floors.items():
            there = [FORMS[name].of(scores[name]) for scores in pictures if name in scores]
            if there:
                middle = median(there)
                found[name] = middle, max(MAD * median(abs(value - middle) for value in there), floor)
        return cls(found)

    def moves(self, scores: Scores) -> dict[str, float]:
        """How far each measure of a picture lies from the middle, in spreads, within ±`REACH`."""
        return {
            name: clipped((FORMS[name].of(scores[name]) - middle) / spread, REACH)
            for name, (middle, spread) in self.measures.items()
            if name in scores
        }


@dataclass(frozen=True)
class Compared:
    """How a picture stands beside its references."""

    looks: float  # log odds of noise, judged alone, ±8
    rise: float  # the same less the references' where those look like noise themselves
    change: float  # mean movement of `TOWARDS_NOISE`, units of natural spread, ±3
    novelty: float  # mean distance over all measures, in the same units, 0 to 3
    both: float  # the lesser of `looks` and of novelty on a scale of its own: noise both looks so and is new here

    @classmethod
    def of(cls, scores: Scores, looks: float, usual: Usual, odds: Sequence[float]) -> Compared:
        """`usual` among the references, whose log odds are `odds`.  Measures that one side lacks are left out."""
        known = usual.moves(scores)
        towards = [sign * known[name] for name, sign in TOWARDS_NOISE.items() if name in known]
        here, novelty = clipped(looks, 8.0), _mean([abs(move) for move in known.values()])
        return cls(
            looks=here,
            rise=here - max(0.0, clipped(median(odds), 8.0)),
            change=_mean(towards),
            novelty=novelty,
            both=min(here, NEW * (novelty - 1)),
        )


def compare(seen: Compared, deviation: float = 0.0) -> Probability:
    """Probability that the network made noise of this prompt and seed.  `deviation`: of `looks`."""
    return _judged(TABLE["beside itself"], seen, deviation)


def compare_kind(seen: Compared, deviation: float = 0.0) -> Probability:
    """The same beside pictures of the kind only: training pictures, or earlier previews of other prompts."""
    return _judged(TABLE["beside its kind"], seen, deviation)


def compare_grey(seen: Compared) -> Probability:
    """As `compare`, of noise without colours of its own; `looks` and `rise` are of that noise too."""
    return _judged(TABLE["grey beside itself"], seen, 0.0)


def compare_grey_kind(seen: Compared) -> Probability:
    """As `compare_kind`, of noise without colours of its own."""
    return _judged(TABLE["grey beside its kind"], seen, 0.0)


def compare_odds(seen: Compared) -> float:
    """Log odds of `compare`: finer than a probability near 0 and 1."""
    branch = TABLE["beside itself"]
    return branch.log_odds(branch.features(vars(seen), COMPARED))


def _judged(branch: Branch, seen: Compared, deviation: float) -> Probability:
    features = branch.features(vars(seen), COMPARED)
    slope = sum(t.weight / t.spread for t in branch.terms if t.measure in ("looks", "rise"))
    own = branch.deviation(features)
    return Probability.of(branch.log_odds(features), (own**2 + (slope * deviation) ** 2) ** 0.5)


def fried(scores: Scores, references: Sequence[Scores]) -> tuple[Probability, tuple[Reason, ...]]:
    """Whether colours burn and edges overshoot, against the same picture before; raises KeyError without measures."""
    branch, seen = TABLE["fried"], fried_features(scores, references)
    features = branch.features(seen, FRIED)
    return Probability.of(branch.log_odds(features), branch.deviation(features)), branch.reasons(seen, FRIED)


def fried_features(scores: Scores, references: Sequence[Scores]) -> dict[str, float]:
    """What frying moves: ln of the ratio of colourfulness and of contrast, rise of clipping and of edge overshoot."""
    return {
        "colour": _rise("colourfulness", scores, references),
        "clipped": scores["clipping"] - median(r["clipping"] for r in references),
        "halo": scores["edge_overshoot"] - median(r["edge_overshoot"] for r in references),
        "contrast": _rise("contrast", scores, references),
    }


def _rise(name: str, scores: Scores, references: Sequence[Scores]) -> float:
    form = FORMS[name]
    return form.of(scores[name]) - median(form.of(r[name]) for r in references)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
