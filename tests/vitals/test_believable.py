"""Vitals that nobody measured are refused in one line, before a rule computes with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hndoctor.records import Checkpoint, LossPoint, Preview, Settings, TensorVitals, ValidationPoint, Vitals
from hndoctor.vitals import VitalsError, from_json, to_json

SOUND = from_json((Path(__file__).parents[1] / "fuzz" / "corpus" / "vitals" / "full").read_bytes())


def with_checkpoint(change: Callable[[Checkpoint], Checkpoint]) -> Vitals:
    """The sound vitals with their first checkpoint changed."""
    first, *others = SOUND.checkpoints
    return replace(SOUND, checkpoints=(change(first), *others))


def with_tensor(**values: object) -> Vitals:
    """The same with a tensor of it changed."""

    def change(checkpoint: Checkpoint) -> Checkpoint:
        tensor: TensorVitals = replace(checkpoint.tensors[0], **values)  # type: ignore[arg-type]  # the wrong kind is meant
        return replace(checkpoint, tensors=(tensor, *checkpoint.tensors[1:]))

    return with_checkpoint(change)


def with_module(**values: object) -> Vitals:
    """The same with a module of it changed."""

    def change(checkpoint: Checkpoint) -> Checkpoint:
        module = replace(checkpoint.modules[0], **values)  # type: ignore[arg-type]  # the wrong kind is meant
        return replace(checkpoint, modules=(module, *checkpoint.modules[1:]))

    return with_checkpoint(change)


FORGED = {
    "a tensor's name": with_tensor(name="x"),
    "a negative norm": with_tensor(frobenius=-1.0),
    "a negative count": with_tensor(nan=-1),
    "a negative shape": with_tensor(shape=(-1, 2)),
    "a module of no width": with_module(size=0),
    "a module of no side": with_module(side="q"),
    "a negative gain": with_module(gain=-1.0),
    "a share above 1": with_module(dead_units=2.0),
    "a cosine above 1": with_module(update_cosine=1.5),
    "a negative step": with_checkpoint(lambda checkpoint: replace(checkpoint, step=-1)),
    "a picture's probability": replace(SOUND, previews=(Preview("a.png", 1, noise=1.5),)),
    "a picture's fingerprint": replace(SOUND, previews=(Preview("a.png", 1, fingerprint=(0.5,)),)),
    "a loss's step": replace(SOUND, losses=(LossPoint(10**12, 0.1),)),
    "a validation": replace(SOUND, validation=(ValidationPoint(1, -1.0, 0.1),)),
    "a caption gap": replace(SOUND, validation=(ValidationPoint(1, 0.1, 0.1, caption_gaps=(1e9,)),)),
    "settings": replace(SOUND, settings=Settings(batch_size=-2)),
}


def test_what_was_measured_is_taken() -> None:
    assert from_json(to_json(SOUND)) == SOUND


@pytest.mark.parametrize("name", sorted(FORGED))
def test_what_cannot_have_been_measured_is_refused(name: str) -> None:
    with pytest.raises(VitalsError, match=r"\Anot a vitals.json \(nothing measured gives [^\n]+; delete it and scan"):
        from_json(to_json(FORGED[name]))
