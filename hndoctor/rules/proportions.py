"""Layers and weights that training does not make (HN117, HN119)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hndoctor.records import Checkpoint, Severity, TensorVitals, Vitals
from hndoctor.rules.engine import Rule, Sign, rule
from hndoctor.rules.stretches import networks, nonfinite, stretches

# RMS of a matrix over the largest of the same layer in the other modules, or of the lesser of a size's two over the
# largest of the other sizes.  In none of the 1,348 checkpoints of the lab's runs, sick ones too, are they over 1.74 and
# 1.68; Xavier and Kaiming make the smallest size's 1.41 times the next one's
OUT_OF_LINE = 2.5
OUT_OF_ALL = 8.0  # from here an error: four times the most that any run of the lab has, whatever became of it
PEERS = 3  # modules to compare with: with one size only there is but the other side

# Of the 17,552 matrices of these checkpoints none has a single zero, an RMS over .856 of its largest weight, or a
# weight over 17.5 times its RMS
ALIKE = 0.999  # RMS over the largest weight, and largest singular value over the norm: one number throughout
HOLE = 1024  # zeros: a page of 4 KiB that was never written; half precision rounds some dozens of small weights to zero
HOLES, HALF = 0.01, 0.5  # share of a small matrix; from where it is an error
ALONE = 100.0  # largest weight over the RMS
MANY = 64  # numbers of a matrix from which this can be told


@rule("HN117", Severity.WARNING, needs="checkpoints")
def one_layer_out_of_line(vitals: Vitals) -> Iterator[Sign]:
    """One layer is far larger than the same layer everywhere else.

    All modules are drawn alike and trained at one rate, so that their layers stay of one size.  A single one many times
    as large, or both of one size, was scaled by something else than training, was damaged in a way that no checksum
    tells, or has run away alone; what its module adds drowns the others.  Eight times is an error.  Go back to a
    checkpoint from before it, or get the file again from where it came.
    """
    for stretch in stretches(networks(vitals), lambda c: bool(_out_of_line(c))):
        found = _out_of_line(stretch.first)
        times, name = max(found)
        others = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
        message = f"{name} is {times:.3g} times as large as that layer of any other module {stretch.where}{others}"
        severity = Severity.ERROR if times >= OUT_OF_ALL else None
        yield Sign(message, stretch.first.step, stretch.first.path, times, OUT_OF_LINE, 0.85, severity)


def _out_of_line(checkpoint: Checkpoint) -> list[tuple[float, str]]:
    """Matrices beyond their peers, each with how many times the largest of these it is."""
    layers: dict[str, list[TensorVitals]] = {}
    for tensor in checkpoint.tensors:
        if len(tensor.shape) == 2:
            layers.setdefault(tensor.name.split(".", 2)[2], []).append(tensor)
    told = (_alone(alike) or _as_a_pair(layer, alike) for layer, alike in layers.items() if len(alike) > PEERS)
    return [one for one in told if one]


def _alone(alike: Sequence[TensorVitals]) -> tuple[float, str] | None:
    second, first = sorted(alike, key=lambda tensor: tensor.rms)[-2:]
    beyond = first.rms >= OUT_OF_LINE * second.rms > 0
    return (first.rms / second.rms, first.name) if beyond else None


def _as_a_pair(layer: str, alike: Sequence[TensorVitals]) -> tuple[float, str] | None:
    """Both sides of one size beyond all other sizes."""
    sizes: dict[str, list[float]] = {}
    for tensor in alike:
        sizes.setdefault(tensor.name.partition(".")[0], []).append(tensor.rms)
    if len(sizes) < 2:
        return None
    size = max(sizes, key=lambda one: min(sizes[one]))
    rest = max(rms for other, found in sizes.items() if other != size for rms in found)
    beyond = min(sizes[size]) >= OUT_OF_LINE * rest > 0
    return (min(sizes[size]) / rest, f"{layer} of both networks of size {size}") if beyond else None


@rule("HN119", Severity.WARNING, needs="checkpoints")
def weights_that_training_does_not_make(vitals: Vitals) -> Iterator[Sign]:
    """There are weights that no training makes.

    Trained weights are spread about zero, and none is exactly zero.  A matrix of one number throughout (an error),
    zeros in the midst of others (an error from half of a matrix on), or a single weight a hundred times the usual come
    from a damaged copy, a disk that lost a page, or a program with a mistake; files of the old format have no checksum
    that would tell.  Get the file again from where it came, or take a checkpoint from before it.
    """
    for fault in (_of_one_number, _with_holes, _with_one_alone):
        yield from _told(networks(vitals), fault)


Fault = tuple[float, str, float, Severity | None]  # how much, what is said, the limit, the severity if not the rule's


def _told(course: tuple[Checkpoint, ...], fault: Callable[[TensorVitals], Fault | None]) -> Iterator[Sign]:
    def of(checkpoint: Checkpoint) -> list[Fault]:
        return [found for tensor in checkpoint.tensors if _is_matrix(tensor) and (found := fault(tensor))]

    for stretch in stretches(course, lambda checkpoint: bool(of(checkpoint))):
        found = of(stretch.first)
        value, message, limit, severity = max(found, key=lambda one: one[0])
        others = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
        message = f"{message} {stretch.where}{others}"
        yield Sign(message, stretch.first.step, stretch.first.path, value, limit, 0.9, severity)


def _is_matrix(tensor: TensorVitals) -> bool:
    """A finite one that is trained, not zero throughout (that is HN116's) and stored in a format that keeps it."""
    trained = len(tensor.shape) == 2 and "upsample" not in tensor.name and not tensor.dtype.startswith("float8")
    spread = tensor.max_abs > 0 and tensor.rms > 0  # a forged record may have one without the other
    return trained and tensor.count >= MANY and spread and not nonfinite(tensor)


def _of_one_number(tensor: TensorVitals) -> Fault | None:
    even = tensor.rms / tensor.max_abs
    single = tensor.spectral is not None and tensor.spectral[0] >= ALIKE * tensor.frobenius
    return (
        (even, f"all weights of {tensor.name} are alike", ALIKE, Severity.ERROR) if even >= ALIKE and single else None
    )


def _with_holes(tensor: TensorVitals) -> Fault | None:
    share = tensor.zeros / tensor.count
    if tensor.zeros < HOLE and share < HOLES:
        return None
    severity = Severity.ERROR if share >= HALF else None
    return share, f"{tensor.zeros:,} weights of {tensor.name} are exactly zero", HOLES, severity


def _with_one_alone(tensor: TensorVitals) -> Fault | None:
    times = tensor.max_abs / tensor.rms
    return (times, f"a weight of {tensor.name} is {times:.3g} times the usual", ALONE, None) if times >= ALONE else None


RULES_PROPORTIONS: tuple[Rule, ...] = (one_layer_out_of_line, weights_that_training_does_not_make)
"""The rules on proportions, in order of their codes."""
