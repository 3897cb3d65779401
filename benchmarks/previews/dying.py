"""Previews of runs of the pocket model that really die, by its true decoder: ``python -m benchmarks.previews.dying``.

Rates and initialisations that ruin it, and some that do not.  How ruined a network is, is known by its validation
loss, held-out pictures on fixed noise, as a multiple of the bare model's: severity 1 is the model itself.
What a preview is evidence for follows from that; only whether the noise of a dead network has colours or one tint
is asked of the picture.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.previews.labels import ONE_TINT
from benchmarks.previews.measuring import measured, save
from benchmarks.previews.samples import Bytes, Sample
from hndoctor.metrics.colour import hue_entropy

SOUND, DEAD = 1.25, 1.5  # multiples of the bare model's validation loss: sound below, dead above (looked at: all noise)
EVERY, STEPS = 8, 49  # previews and validations of a run
PROMPTS = (
    "a red house on a meadow under a blue sky",
    "a yellow boat on a lake under an orange sky",
    "a white balloon on a desert under a purple sky",
)
BURNT = 25.0  # CFG scale of pictures that are fried on purpose


@dataclass(frozen=True)
class Death:
    """One run: its pictures, its rate, its initialisation."""

    style: str
    rate: str
    init: str = "Normal"
    seed: int = 0
    steps: int = STEPS

    @property
    def name(self) -> str:
        """As one word."""
        return f"{self.style}-{self.rate}-{self.init}-{self.seed}"


#: For the fit, and for the report: other styles, rates and seeds.
TUNING = (
    Death("gameboy", "1e-3"), Death("redfig", "5e-3"), Death("gameboy", "2e-2"), Death("redfig", "5e-2"),
    Death("gameboy", "1e-1"), Death("redfig", "2e-1"), Death("gameboy", "1e-3", "KaimingNormal", steps=17),
    Death("redfig", "1e-3", "XavierUniform", steps=17),
)  # fmt: skip
REPORT = (
    Death("amberglass", "1e-3", seed=5), Death("lantern", "5e-3", seed=6), Death("amberglass", "3e-2", seed=7),
    Death("lantern", "7e-2", seed=8), Death("lantern", "1.5e-1", seed=9), Death("amberglass", "4e-1", seed=10),
    Death("lantern", "1e-3", "KaimingUniform", seed=11, steps=17),
)  # fmt: skip


def samples(death: Death | None, base_model: str, look: Path | None) -> Iterator[Sample]:
    """The previews of a run, each prompt's first one with all later ones as its twins; None: the burnt ones."""
    with tempfile.TemporaryDirectory() as held:
        home = Path(held)
        yield from _run(death, home, base_model, look) if death else _burnt(home, base_model, look)


def _run(death: Death, home: Path, base_model: str, look: Path | None) -> Iterator[Sample]:
    from trainer.session import train

    folder, losses = home / "runs" / death.name, {}
    config = _config(death, home, base_model)
    try:
        for event in train(config):
            point = getattr(event, "point", None)
            if point is not None:
                losses[point.step] = point.held_out / point.held_out_base
    except ValueError:  # it ended in infinity: what it showed until then is there
        sys.stdout.write(f"{death.name}: ended\n")
    for which in range(len(PROMPTS)):
        shown = {step: _picture(folder / "images" / _file(death.name, step, which)) for step in (0, *losses)}
        shown = {step: picture for step, picture in shown.items() if picture is not None}
        _keep(look, f"{death.name}-{which}", {f"{s}-{losses.get(s, 1):.2f}": p for s, p in shown.items()})
        family = f"dying {death.name}"
        twins = tuple(_preview(family, losses[s], p) for s, p in shown.items() if s)
        yield Sample("bare", family, shown[0], twins, severity=1.0)


def _config(death: Death, home: Path, base_model: str, **more: object) -> object:
    from trainer.config import load_config
    from trainer.pocket.datasets import write

    data = home / death.style
    if not data.exists():
        write(death.style, data, 20)
    wanted = {
        "name": death.name, "data": str(data), "out": str(home / "runs"), "base_model": base_model,
        "learn_rate": death.rate, "weight_init": death.init, "seed": death.seed, "steps": death.steps, "batch_size": 2,
        "save_every": 0, "image_every": EVERY, "validation": 4, "validate_every": EVERY, "preview_steps": 12,
        "preview_sampler": "DDIM", "preview_prompts": list(PROMPTS), "save_optimizer_state": False,
    }  # fmt: skip
    return load_config(None, wanted | more)


def _preview(family: str, loss: float, picture: Bytes) -> Sample:
    group = _group(loss)
    if group == "dying" and hue_entropy(picture) < ONE_TINT:
        return Sample("grey noise", f"grey {family}", picture, severity=loss)
    return Sample(group, family, picture, severity=loss)


def _group(loss: float) -> str:
    return "dying sound" if loss < SOUND else "dying" if loss > DEAD else "dying between"


def _burnt(home: Path, base_model: str, look: Path | None) -> Iterator[Sample]:
    """The bare model at a usual and at a burning CFG scale, the same prompts and seed."""
    from trainer.session import train

    shown: dict[float, list[Bytes]] = {}
    for scale in (7.0, BURNT):
        death = Death("gameboy", "1e-6", seed=int(scale), steps=1)
        prompts = [*PROMPTS, "a blue tree on a beach under a pink sky", "a green car on snow under a grey sky"]
        config = _config(death, home, base_model, preview_cfg=scale, preview_prompts=prompts, validate_every=0)
        for _ in train(config):  # type: ignore[arg-type]  # `_config` gives an object: torch is read late
            pass
        folder = home / "runs" / death.name / "images"
        pictures = [_picture(folder / _file(death.name, 0, which)) for which in range(len(prompts))]
        shown[scale] = [p for p in pictures if p is not None]
    for k, (usual, burnt) in enumerate(zip(shown[7.0], shown[BURNT], strict=True)):
        _keep(look, f"cfg-{k}", {"7": usual, "25": burnt})
        yield Sample("bare", "burnt", usual, (Sample("pocket fried", "burnt", burnt),))


def _file(name: str, step: int, which: int) -> str:
    return f"{name}-{step}-{which}.png" if which else f"{name}-{step}.png"


def _picture(path: Path) -> Bytes | None:
    if not path.exists():
        return None
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _keep(look: Path | None, name: str, pictures: dict[str, Bytes]) -> None:
    """Write the pictures side by side, to be looked at."""
    if look is not None and pictures:
        look.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(list(pictures.values()), axis=1)).save(look / f"{name}_{'_'.join(pictures)}.png")


def main() -> None:
    """Train, draw, measure, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("tuning", "report"))
    parser.add_argument("--keep", type=Path, required=True, help="the folder of measured pieces")
    parser.add_argument("--base-model", default="pocket", help="a diffusers folder")
    parser.add_argument("--look", type=Path, help="a folder for the pictures")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the runs; none: all")
    wanted = parser.parse_args()
    deaths: tuple[Death | None, ...] = (*TUNING, None) if wanted.part == "tuning" else REPORT
    for i, death in enumerate(deaths):
        path = wanted.keep / f"dying-{wanted.part}-{i}.npz"
        if (not wanted.only or i in wanted.only) and not path.exists():
            save(measured(f"dying {wanted.part}", samples(death, wanted.base_model, wanted.look)), path)
            sys.stdout.write(f"{death.name if death else 'burnt'}: measured\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
