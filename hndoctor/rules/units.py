"""Layers and units that hold a network back (HN109, HN111 to HN114)."""

from __future__ import annotations

from collections.abc import Iterator

from hndoctor.records import Checkpoint, ModuleVitals, Severity, TensorVitals, Vitals
from hndoctor.rules.engine import Rule, Sign, rule
from hndoctor.rules.stretches import called, label, networks, stretches

HALF_LIMIT = 65504.0  # the largest float16
DEAD_UNITS = 0.7  # share; AutoTrainer's gamma for dying ReLU (ICSE 2021)
NORM_STUCK = 0.02  # RMS of a layer norm's weight: it starts at 0.01 in the web UI, where torch starts at 1
NORM_STEPS = 2000  # steps after which it should have left; guess, untested


@rule("HN109", Severity.WARNING, needs="checkpoints")
def layer_norm_holds_it_back(vitals: Vitals) -> Iterator[Sign]:
    """A layer norm keeps the network from doing anything.

    The web UI starts a layer norm's weights near zero instead of one, so that it wipes out what the layer before it
    has learned; after thousands of steps this one has hardly left that start.  Training with layer norm seldom
    succeeds (G15): start again without it.
    """
    late = [c for c in networks(vitals) if c.metadata.is_layer_norm and c.stored_step >= NORM_STEPS]
    for stretch in stretches(tuple(late), lambda c: bool(_stuck_norms(c))):
        about = stretch.members[-1]
        stuck = min(_stuck_norms(about), key=lambda tensor: tensor.rms)
        message = f"the weights of layer norm {stuck.name} have RMS {stuck.rms:.3g} {called(about)}, not about 1"
        yield Sign(message, about.step, about.path, stuck.rms, NORM_STUCK, 0.8)


def _stuck_norms(checkpoint: Checkpoint) -> list[TensorVitals]:
    """One-dimensional weights with a bias of the same shape, still near their start."""
    biases = {tensor.name: tensor.shape for tensor in checkpoint.tensors if tensor.name.endswith(".bias")}
    return [
        tensor
        for tensor in checkpoint.tensors
        if tensor.name.endswith(".weight")
        and len(tensor.shape) == 1
        and biases.get(tensor.name.removesuffix("weight") + "bias") == tensor.shape
        and tensor.rms < NORM_STUCK
    ]


@rule("HN111", Severity.WARNING, needs="checkpoints")
def dead_last_activation(vitals: Vitals) -> Iterator[Sign]:
    """The last activation is dead.

    With an activation behind the last layer, outputs that it holds at zero get no gradient and never come back, and
    the others can only push one way.  That is how ReLU networks of autumn 2022 failed.  Start again with
    `activate_output` off, as the web UI does since 4 November 2022.
    """
    for stretch in stretches(networks(vitals), lambda c: _worst(c, "dead_outputs") is not None):
        worst = _worst(stretch.first, "dead_outputs")
        if worst:
            name, share = worst
            message = f"{share:.0%} of the outputs of {name} are always zero {stretch.where}"
            yield Sign(message, stretch.first.step, stretch.first.path, share, DEAD_UNITS)


@rule("HN112", Severity.WARNING, needs="checkpoints")
def dead_hidden_units(vitals: Vitals) -> Iterator[Sign]:
    """Most hidden units never fire.

    A unit whose activation is zero for every context gets no gradient and stays dead; with most of them gone the
    network can hardly learn.  The rate was too high for this activation.  Go back to before it, or start again with
    Swish, Mish or leaky ReLU, which are safer (G16).
    """
    for stretch in stretches(networks(vitals), lambda c: _worst(c, "dead_units") is not None):
        worst = _worst(stretch.first, "dead_units")
        if worst:
            name, share = worst
            message = f"{share:.0%} of the hidden units of {name} never fire {stretch.where}"
            yield Sign(message, stretch.first.step, stretch.first.path, share, DEAD_UNITS)


def _worst(checkpoint: Checkpoint, field: str) -> tuple[str, float] | None:
    """The module with the largest share, if that is over the limit."""
    shares = [(getattr(module, field), label(module)) for module in checkpoint.modules]
    known = [(share, name) for share, name in shares if share is not None and share >= DEAD_UNITS]
    return (max(known)[1], max(known)[0]) if known else None


@rule("HN113", Severity.WARNING, needs="checkpoints")
def too_large_for_half_precision(vitals: Vitals) -> Iterator[Sign]:
    """A weight is too large for half precision.

    Loaders that run in half precision make an infinity of it, and black pictures.  Such a weight is a sign of
    explosion: go back to before it and lower the rate.
    """
    for stretch in stretches(vitals.checkpoints, lambda c: any(t.max_abs > HALF_LIMIT for t in c.tensors)):
        large = max(stretch.first.tensors, key=lambda tensor: tensor.max_abs)
        message = f"a weight of {large.name} is {large.max_abs:.3g} {stretch.where}"
        yield Sign(message, stretch.first.step, stretch.first.path, large.max_abs, HALF_LIMIT)


@rule("HN114", Severity.ERROR, needs="checkpoints")
def effect_not_examined(vitals: Vitals) -> Iterator[Sign]:
    """What the network does could not be examined.

    Its weights are finite, but its layers do not fit together, or its activation cannot be evaluated, so its gain is
    not known: it counts as not examined in this respect, not as sound.  A web UI cannot load such a network either.
    Take a checkpoint whose settings fit its layers, or create the network anew with one of the usual activations.
    """
    for stretch in stretches(networks(vitals), lambda c: bool(_unknown(c))):
        names = ", ".join(map(label, _unknown(stretch.first)))
        activation = stretch.first.metadata.activation_func
        message = f"the gain of {names} is not known {stretch.where} (activation {activation})"
        severity = None if stretch.to_the_end else Severity.WARNING
        yield Sign(message, stretch.first.step, stretch.first.path, severity=severity)


def _unknown(checkpoint: Checkpoint) -> list[ModuleVitals]:
    """Modules without a gain although all their weights are finite."""
    ill = {".".join(t.name.split(".")[:2]) for t in checkpoint.tensors if t.nan or t.posinf or t.neginf}
    return [module for module in checkpoint.modules if module.gain is None and label(module) not in ill]


RULES_UNITS: tuple[Rule, ...] = (
    layer_norm_holds_it_back,
    dead_last_activation,
    dead_hidden_units,
    too_large_for_half_precision,
    effect_not_examined,
)
"""The rules on layers and units."""
