"""Vitals made by hand: sound ones, to be spoiled in one respect."""

from __future__ import annotations

from dataclasses import replace

from hndoctor.records import Checkpoint, ModuleVitals, NetworkMetadata, OptimizerVitals, TensorVitals, Vitals

HIDDEN, WIDTH = 1536, 768


def tensor(name, shape, rms, **changes):
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    zeros = count if rms == 0 else 0
    made = TensorVitals(name, shape, "float32", count, 0, 0, 0, zeros, rms * 4, rms, rms * count**0.5)
    return replace(made, **changes)


def checkpoint(at, gain=0.1, rms=0.0103, drift=1e-5, metadata=None, **changes):
    """A sound network at one step: k and v differ, biases have moved, the weights too."""
    tensors = []
    for i, side in enumerate("kv"):
        tensors += [
            tensor(f"768.{side}.linear.0.weight", (HIDDEN, WIDTH), rms + i * 1e-6),
            tensor(f"768.{side}.linear.0.bias", (HIDDEN,), 1e-4 + i * 1e-6),
            tensor(f"768.{side}.linear.1.weight", (WIDTH, HIDDEN), rms + i * 2e-6),
            tensor(f"768.{side}.linear.1.bias", (WIDTH,), 1e-4 + i * 1e-6),
        ]
    modules = tuple(ModuleVitals(768, side, gain, 0.0, rms, drift, 0.5, drift) for side in "kv")
    made = Checkpoint(
        path=f"hypernetworks/a-{at}.pt",
        step=at,
        stored_step=at - 1,
        bytes=1000,
        modified=1e9,
        sha256="0" * 64,
        container="zip",
        provenance="web UI, since 10 January 2023",
        metadata=metadata or NetworkMetadata(activation_func="relu", layer_structure=(1, 2, 1)),
        tensors=tuple(tensors),
        modules=modules,
    )
    return replace(made, **changes)


def optimizer(at, **changes):
    return replace(
        OptimizerVitals(f"hypernetworks/a-{at}.pt.optim", "AdamW", 5e-6, at, "0123456789", True, 2, 16), **changes
    )


def vitals(*checkpoints, **changes):
    return Vitals("run", "a", checkpoints=checkpoints, **changes)


def course(*gains, **changes):
    """A run with these gains, 500 steps apart."""
    return vitals(*(checkpoint(500 * (i + 1), gain, **changes) for i, gain in enumerate(gains)))


def first_tensor(made, **changes):
    return replace(made, tensors=(replace(made.tensors[0], **changes), *made.tensors[1:]))


def each_module(made, **changes):
    return replace(made, modules=tuple(replace(module, **changes) for module in made.modules))


def signs(law, evidence):
    return list(law.look(evidence))
