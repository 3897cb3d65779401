"""The lab's pictures: the pocket model's own data sets unchanged, and plain scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.lab import material
from trainer.pocket import datasets


@pytest.mark.parametrize("name", datasets.NAMES)
def test_the_pocket_models_data_sets_are_drawn_as_they_are(name: str) -> None:
    for ours, theirs in zip((material.picture(name, 3, at) for at in range(2)), _first(name), strict=True):
        assert ours[1] == theirs[1]
        assert np.array_equal(ours[0], theirs[0])


def _first(name: str) -> list[tuple[object, str]]:
    return [datasets.picture(name, 3, at) for at in range(2)]


def test_known_scenes_are_plain_and_captioned_and_those_held_out_are_others(tmp_path: Path) -> None:
    material.write(material.KNOWN, tmp_path, 3, 5)
    texts = sorted(path.read_text(encoding="utf-8").strip() for path in tmp_path.glob("*.txt"))
    assert len(set(texts)) == 3 == len(list(tmp_path.glob("*.png")))
    scenes = [material.scene_of(material.KNOWN, 5, at) for at in (0, 1, 2, material.AWAY)]
    assert {(scene.palette, scene.hand) for scene in scenes} == {("plain", "plain")}
    assert scenes[-1] not in scenes[:-1]
