"""Example runs for the renderers: what `diagnose` and `prescribe` would hand over, made up and deterministic.

Five runs: one healthy, one that dies of colourful noise, one overtrained, one of which nothing could be examined, and
one whose names, prompts and messages are hostile.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
from PIL import Image

from hndoctor.records import (
    Action,
    Alternative,
    Checkpoint,
    Diagnosis,
    Finding,
    LossPoint,
    ModuleVitals,
    NetworkMetadata,
    Onset,
    OptimizerVitals,
    PictureJudgement,
    Prescription,
    Preview,
    Refusal,
    Settings,
    Severity,
    Skipped,
    State,
    Station,
    TensorVitals,
    Unreadable,
    ValidationPoint,
    Verdict,
    Vitals,
)
from hndoctor.rules.engine import Rule, Sign, rule

SIZES = (320, 640, 768, 1280)
STATES = ("starting", "healthy", "overtrained", "broken")
Example = tuple[Diagnosis, Vitals]


@rule("HN101", Severity.ERROR, needs="checkpoints")
def weights_not_finite(vitals: Vitals) -> Iterator[Sign]:
    """Weights are not finite.

    NaN or infinite weights spread to every picture: the network is broken and cannot be mended by training on.
    Go back to a checkpoint from before, and train on from there at a lower rate.
    """
    yield from ()


@rule("HN201", Severity.WARNING, needs="losses")
def loss_over_the_cap(vitals: Vitals) -> Iterator[Sign]:
    """The loss stays above 0.3.

    A single step's loss is mostly its timestep; a mean that stays above 0.3 says that the network is doing harm.
    Lower the learning rate, or go back to a checkpoint from before the rise.
    """
    yield from ()


@rule("HN301", Severity.ERROR, needs="previews")
def colourful_noise(vitals: Vitals) -> Iterator[Sign]:
    """A preview is colourful noise.

    The network is broken (G29).  Go back not a little but to a still earlier checkpoint, and train on at a lower rate.
    """
    yield from ()


@rule("HN402", Severity.WARNING, needs="validation")
def overtrained(vitals: Vitals) -> Iterator[Sign]:
    """The network learns the training pictures by heart.

    Held-out pictures are drawn worse than before while training pictures are still drawn better.
    Use an earlier checkpoint; a lower rate from there keeps more of the style and less of the pictures.
    """
    yield from ()


RULES: tuple[Rule, ...] = (weights_not_finite, loss_over_the_cap, colourful_noise, overtrained)


# --- pictures ---------------------------------------------------------------------------------------------------------


@cache
def picture(step: int, noise: float, size: int = 160, seed: int = 7) -> str:
    """A landscape that dissolves into colourful blobs as `noise` goes to 1, as a base64 JPEG."""
    rng = np.random.default_rng(seed * 1_000_003 + step)
    y, x = np.mgrid[0:size, 0:size] / size
    sky = np.stack([0.55 + 0.35 * y, 0.66 + 0.2 * y, 0.85 - 0.1 * y], -1)
    ridge = 0.62 + 0.09 * np.sin(9 * x + 1.1) + 0.04 * np.sin(23 * x)
    sky[y > ridge] = (0.25, 0.38, 0.33)
    sky[y > ridge + 0.17] = (0.66, 0.58, 0.38)
    sky[(x - 0.7) ** 2 + (y - 0.28) ** 2 < 0.008] = (0.98, 0.9, 0.72)
    warm = min(1.0, step / 9000)
    sky = sky * (1 - 0.25 * warm) + np.array([0.85, 0.6, 0.35]) * 0.25 * warm
    blobs = rng.random((size // 8, size // 8, 3)).repeat(8, 0).repeat(8, 1)
    mixed = sky * (1 - noise) + np.clip(blobs * 1.6 - 0.3, 0, 1) * noise
    out = io.BytesIO()
    Image.fromarray((np.clip(mixed, 0, 1) * 255).astype("uint8")).save(out, "JPEG", quality=78)
    return base64.b64encode(out.getvalue()).decode("ascii")


def preview(step: int, noise: float, *, name: str, thumbnail: bool = True, **changed: object) -> Preview:
    """One preview with the scores that go with its noise."""
    told: dict[str, object] = {
        "prompt": f"a landscape by {name}, mountains, river, evening light",
        "seed": 1234,
        "sampler": "Euler a",
        "sampling_steps": 20,
        "cfg_scale": 7.0,
        "width": 512,
        "height": 512,
        "noise": noise,
        "noise_share": max(0.0, noise - 0.1),
        "scores": {
            "gradient_kurtosis": 12.4 - 9 * noise,
            "colourfulness": 42 + 60 * noise,
            "local_entropy": 2 + 2.4 * noise,
        },
        "thumbnail": picture(step, noise) if thumbnail else None,
        "bytes": 402_113,
    }
    return Preview(path=f"images/{name}-{step}.png", step=step, **{**told, **changed})


# --- weights ----------------------------------------------------------------------------------------------------------


def tensors(step: int, boom: float, nan: bool) -> tuple[TensorVitals, ...]:
    """Weights and biases of two linear layers in k and v of each size; `boom` multiplies, `nan` puts holes in one."""
    made = []
    for size in SIZES:
        for side in "kv":
            for layer, (rows, columns) in ((0, (2 * size, size)), (2, (size, 2 * size))):
                rms = 0.0101 * (1 + step / 40_000) * (1 + (boom - 1) * (size == 768 or side == "k"))
                holes = 37 if nan and size == 768 and layer == 0 else 0
                made.append(_tensor(f"{size}.{side}.linear.{layer}.weight", (rows, columns), rms, holes))
                made.append(_tensor(f"{size}.{side}.linear.{layer}.bias", (rows,), rms * 0.11, 0))
    return tuple(made)


def _tensor(name: str, shape: tuple[int, ...], rms: float, nan: int) -> TensorVitals:
    count = math.prod(shape)
    norm = rms * math.sqrt(count)
    flat = len(shape) == 1
    return TensorVitals(
        name,
        shape,
        "float32",
        count,
        nan,
        0,
        0,
        0,
        round(rms * 4.8, 7),
        round(rms, 7),
        round(norm, 5),
        None if flat else (round(norm * 0.08, 5), round(norm * 0.083, 5)),
        None if flat else 151.2,
        None if flat else 0,
        None if flat else 88.0,
    )


def modules(step: int, boom: float, rate: float) -> tuple[ModuleVitals, ...]:
    """Gains that grow a little with the step and a lot with `boom`."""
    made = []
    for i, size in enumerate(SIZES):
        for side in "kv":
            gain = (0.012 + 0.000018 * step * (1 + 0.2 * i)) * (1.4 if side == "v" else 1.0) * boom**1.6
            made.append(
                ModuleVitals(
                    size,
                    side,
                    round(gain, 6),
                    0.08,
                    round(0.0101 * boom, 6),
                    round(rate * 11 * boom, 10),
                    0.31,
                    round(step * rate * 0.6, 8),
                )
            )
    return tuple(made)


def checkpoint(step: int, *, name: str, boom: float = 1.0, nan: bool = False, rate: float = 5e-6) -> Checkpoint:
    """One checkpoint with its optimizer state."""
    path = f"hypernetworks/{name}-{step}.pt"
    optimizer = OptimizerVitals(f"{path}.optim", "AdamW", rate, step, "0a1b2c3d4e", True, 2, 64, 0, 0.01, rate * 9)
    metadata = NetworkMetadata(
        name, step - 1, (1.0, 2.0, 1.0), "relu", False, "Normal", False, False, None, False, "81761151", "v1-5-pruned"
    )
    return Checkpoint(
        path,
        step,
        step - 1,
        87_767_607,
        1_700_000_000.0 + step,
        f"{step:064x}",
        "zip",
        "web UI 1.6 or later",
        metadata,
        tensors(step, boom, nan),
        modules(step, boom, rate),
        optimizer,
    )


def losses(last: int, rate: float, rise_from: int | None = None, every: int = 10) -> tuple[LossPoint, ...]:
    """A loss log: a slow fall with a timestep's noise on it, and a rise after `rise_from`."""
    rng = np.random.default_rng(last)
    made = []
    for step in range(every, last + 1, every):
        base = 0.118 + 0.03 * math.exp(-step / 2000)
        over = 0.0 if rise_from is None or step < rise_from else 0.0006 * (step - rise_from)
        made.append(LossPoint(step, round(float(base + over) * float(rng.gamma(6.0, 1 / 6.0)), 5), rate))
    return tuple(made)


def station(step: int, name: str, *, state: str, sure: float, second: str, channels: tuple[str, ...]) -> Station:
    """One step of a course: `state` with probability `sure`, the rest mostly with `second`."""
    p = dict.fromkeys(STATES, 0.0)
    p[state] = sure
    p[second] = round(p[second] + (1 - sure) * 0.9, 4)
    rest = [s for s in STATES if s not in (state, second)]
    for other in rest:
        p[other] = round((1 - sure) * 0.1 / len(rest), 4)
    return Station(step, step - 1, f"hypernetworks/{name}-{step}.pt", State(state), p, channels)


SEEN = ("weights", "previews", "losses")


# --- the runs ---------------------------------------------------------------------------------------------------------


def healthy(name: str = "klimt-style") -> Example:
    """Twelve checkpoints, twelve previews, nothing wrong."""
    steps = range(500, 6001, 500)
    course = tuple(
        station(
            s,
            name,
            state="starting" if s < 1500 else "healthy",
            sure=min(0.97, 0.6 + abs(s - 1250) / 4000),
            second="healthy" if s < 1500 else "starting" if s < 3000 else "overtrained",
            channels=SEEN,
        )
        for s in steps
    )
    diagnosis = Diagnosis(
        run=f"runs/{name}",
        name=name,
        verdict=Verdict.HEALTHY,
        summary="The run is healthy at step 6,000: the style is being learned and nothing speaks of overtraining.",
        findings=(
            Finding(
                "HN406",
                Severity.INFO,
                0.7,
                "gains still grow evenly: the network has not finished learning",
                6000,
                None,
            ),
        ),
        not_examined=(Skipped("validation", "no validation log in this run"),),
        course=course,
        prior="the guide's band for SD1: 9,000 to 25,000 steps at 5e-6",
        prescription=Prescription(
            Action.CONTINUE,
            "Train on to step 9,000 at 5e-6.",
            f"hypernetworks/{name}-6000.pt",
            6000,
            5e-6,
            "5e-6:9000, 5e-7:15000",
            (),
            ((6000, 0.81), (5500, 0.19)),
            (),
            (Alternative("stop here", "previews still come closer to the style"),),
            (f"hndoctor train runs/{name}/config.toml --resume runs/{name}/hypernetworks/{name}-6000.pt",),
            (
                f"Copy hypernetworks/{name}-6000.pt to models/hypernetworks",
                "Learning rate: 5e-6:9000, 5e-7:15000",
                "Max steps: 15000",
            ),
        ),
    )
    vitals = Vitals(
        run=f"runs/{name}",
        name=name,
        checkpoints=tuple(checkpoint(s, name=name) for s in steps),
        previews=tuple(preview(s, 0.004 + s / 900_000, name=name) for s in steps),
        losses=losses(6000, 5e-6),
        settings=Settings(
            "settings-2023-03-01.json",
            "5e-6:9000, 5e-7:15000",
            15000,
            1,
            1,
            42,
            "v1-5-pruned",
            "81761151",
            None,
            "AdamW",
        ),
    )
    return diagnosis, vitals


def _fate(step: int) -> tuple[str, float, str]:
    if step < 750:
        return "starting", 0.7, "healthy"
    if step < 2500:
        return "healthy", 0.94 if step < 2100 else 0.78, "broken"
    return "broken", 0.72 if step == 2500 else 0.995, "healthy"


def dying(name: str = "fischl") -> Example:
    """Colourful noise from step 3,000 on, NaN from 4,000 on, and the way back."""
    steps = range(250, 4501, 250)
    course = tuple(
        station(s, name, state=_fate(s)[0], sure=_fate(s)[1], second=_fate(s)[2], channels=SEEN) for s in steps
    )
    boom = {s: 1.0 if s < 2250 else 1.0 + ((s - 2000) / 420) ** 2 for s in steps}
    noise = {s: 0.01 if s < 2250 else min(0.999, ((s - 2000) / 950) ** 1.7) for s in steps}
    findings = (
        Finding(
            "HN301",
            Severity.ERROR,
            0.99,
            "the preview is colourful noise (0.98)",
            3000,
            f"images/{name}-3000.png",
            0.98,
            0.5,
        ),
        Finding(
            "HN101",
            Severity.ERROR,
            1.0,
            "37 weights of 768.k.linear.0.weight are NaN",
            4000,
            f"hypernetworks/{name}-4000.pt",
            37,
            0,
        ),
        Finding(
            "HN101",
            Severity.ERROR,
            1.0,
            "37 weights of 768.k.linear.0.weight are NaN",
            4250,
            f"hypernetworks/{name}-4250.pt",
            37,
            0,
        ),
        Finding("HN201", Severity.WARNING, 0.9, "mean loss is 0.42", 2600, f"{name}.csv", 0.42, 0.3),
        Finding(
            "HN501",
            Severity.WARNING,
            0.95,
            "the rate 5e-5 is ten times what trains well past step 1,500",
            None,
            None,
            5e-5,
            5e-6,
        ),
        Finding(
            "HN005",
            Severity.INFO,
            1.0,
            "the web UI will not use this optimizer state: its hash is another file's",
            2000,
            f"hypernetworks/{name}-2000.pt.optim",
        ),
    )
    diagnosis = Diagnosis(
        run=f"runs/{name}",
        name=name,
        verdict=Verdict.BROKEN,
        summary="The run breaks at step 2,500: weights explode, and from step 3,000 on previews are colourful noise.",
        findings=findings,
        not_examined=(
            Skipped("validation", "no validation log in this run"),
            Skipped(f"hypernetworks/{name}-4500.pt", "the file is truncated"),
        ),
        course=(*course[:-1], Station(4500, None, f"hypernetworks/{name}-4500.pt", State.UNREADABLE, {})),
        onset=Onset(None, 2500),
        prior="the guide's band for SD1: 9,000 to 25,000 steps at 5e-6",
        prescription=Prescription(
            Action.RESUME,
            "Go back to step 1,750 and continue at 5e-6.",
            f"hypernetworks/{name}-1750.pt",
            1750,
            5e-6,
            "5e-6:8000, 5e-7:15000",
            ("HN301", "HN101", "HN201"),
            ((1750, 0.62), (1500, 0.28), (2000, 0.1)),
            ("Remove the negative prompt from the preview settings.",),
            (
                Alternative(
                    "continue from step 2,250",
                    "weights already grow there; the guide goes back further than the last good picture",
                ),
                Alternative("start again", "the first 1,750 steps are sound and would be lost"),
            ),
            (
                f"hndoctor train runs/{name}/config.toml --resume runs/{name}/hypernetworks/{name}-1750.pt "
                f"--learn-rate '5e-6:8000, 5e-7:15000'",
            ),
            (
                f"Copy hypernetworks/{name}-1750.pt and hypernetworks/{name}-1750.pt.optim to models/hypernetworks",
                f"Hypernetwork: {name}-1750",
                "Learning rate: 5e-6:8000, 5e-7:15000",
                "Max steps: 15000",
            ),
        ),
    )
    vitals = Vitals(
        run=f"runs/{name}",
        name=name,
        checkpoints=tuple(checkpoint(s, name=name, boom=boom[s], nan=s >= 4000, rate=5e-5) for s in steps if s < 4500),
        unreadable=(
            Unreadable(
                f"hypernetworks/{name}-4500.pt",
                4500,
                Refusal.DAMAGED,
                "truncated: 1,048,576 of 87,767,607 bytes",
                1_048_576,
            ),
        ),
        previews=(
            *(preview(s, round(noise[s], 4), name=name) for s in steps),
            preview(2000, 0.02, name=f"{name}-alt", seed=99, negative_prompt="lowres, bad anatomy"),
        ),
        losses=losses(4500, 5e-5, rise_from=2300, every=5),
        settings=Settings(
            "settings-2022-12-04.json", "5e-5", 20000, 1, 1, 20, "nai-final-pruned", "925997e9", None, "AdamW"
        ),
    )
    return diagnosis, vitals


def _drift(step: int) -> tuple[str, float, str]:
    if step < 2000:
        return "starting", 0.8, "healthy"
    if step < 13000:
        return "healthy", 0.9 - max(0, step - 9000) / 12_000, "overtrained"
    return "overtrained", min(0.96, 0.6 + (step - 13000) / 15_000), "healthy"


def overtrained_run(name: str = "night-city") -> Example:
    """Twenty checkpoints; from 13,000 on the training pictures are learned by heart."""
    steps = range(1000, 20_001, 1000)
    course = tuple(
        station(
            s,
            name,
            state=_drift(s)[0],
            sure=round(_drift(s)[1], 4),
            second=_drift(s)[2],
            channels=(*SEEN, "validation", "prior"),
        )
        for s in steps
    )
    validation = tuple(
        ValidationPoint(
            s,
            round(0.131 - 0.012 * math.exp(-(((s - 9000) / 5000) ** 2)) + max(0, s - 13000) * 1.1e-6, 6),
            0.131,
            round(0.13 - s * 1.4e-6, 6),
            0.13,
        )
        for s in steps
    )
    diagnosis = Diagnosis(
        run=f"runs/{name}",
        name=name,
        verdict=Verdict.AILING,
        summary="The run is overtrained from step 13,000 on: held-out pictures get worse, training pictures better.",
        findings=(
            Finding(
                "HN402",
                Severity.WARNING,
                0.86,
                "held-out loss is 4.0% over its best",
                13000,
                f"hypernetworks/{name}-13000.pt",
                0.04,
                0.02,
            ),
        ),
        course=course,
        onset=Onset(13000, None),
        prior="the guide's band for SD1: 9,000 to 25,000 steps at 5e-6",
        prescription=Prescription(
            Action.STOP,
            "Stop, and use the checkpoint of step 9,000.",
            f"hypernetworks/{name}-9000.pt",
            9000,
            None,
            None,
            ("HN402",),
            ((9000, 0.55), (10000, 0.25), (8000, 0.2)),
            ("Use the network at strength 0.8.",),
            (Alternative("continue at 5e-7", "a lower rate slows overtraining, it does not undo it"),),
            (f"cp runs/{name}/hypernetworks/{name}-9000.pt {name}.pt",),
            (f"Copy hypernetworks/{name}-9000.pt to models/hypernetworks", f"Prompt: <hypernet:{name}-9000:1>"),
        ),
    )
    vitals = Vitals(
        run=f"runs/{name}",
        name=name,
        checkpoints=tuple(checkpoint(s, name=name) for s in steps),
        previews=tuple(preview(s, 0.01 + s / 500_000, name=name) for s in steps),
        losses=losses(20_000, 5e-6, every=20),
        validation=validation,
        settings=Settings(
            "settings.json", "5e-6", 20000, 1, 1, 20, "v1-5-pruned", "81761151", 1, "AdamW",
            data_fingerprints=("a1", "b2"), resumed_at=(4000,),
        ),
    )
    return diagnosis, vitals


def unexamined(name: str = "empty") -> Example:
    """A folder in which every file refused to be read."""
    path = f"hypernetworks/{name}-500.pt"
    diagnosis = Diagnosis(
        f"runs/{name}",
        name,
        Verdict.UNEXAMINED,
        "Nothing of this run could be examined.",
        (
            Finding(
                "HN001", Severity.ERROR, 1.0, "asks for os.system, which no checkpoint needs: do not load it", 500, path
            ),
        ),
        (
            Skipped("checkpoints", "the only checkpoint was refused"),
            Skipped("previews", "no images in this run"),
            Skipped("losses", "no loss log in this run"),
            Skipped("validation", "no validation log in this run"),
        ),
        (Station(500, None, path, State.UNREADABLE, {}),),
    )
    refused = Unreadable(path, 500, Refusal.UNSAFE, "asks for os.system", 1234)
    return diagnosis, Vitals(f"runs/{name}", name, unreadable=(refused,))


HOSTILE = (
    "\"'><script>alert(1)</script>\u202egnp.exe\n{{ 7*7 }}{% raw %}</script><img src=x onerror=alert(2)>\x1b[31m\udce9&"
)


def hostile() -> Example:
    """Every text that can come from a file is an attack."""
    name = HOSTILE
    steps = (500, 1000)
    finding = Finding("HN301", Severity.ERROR, 0.9, HOSTILE, 1000, HOSTILE, 1.0, 0.5)
    diagnosis = Diagnosis(
        f"runs/{name}",
        name,
        Verdict.BROKEN,
        HOSTILE,
        (finding,),
        (Skipped(HOSTILE, HOSTILE),),
        tuple(station(s, name, state="broken", sure=0.9, second="healthy", channels=SEEN) for s in steps),
        Onset(500, 1000),
        HOSTILE,
        Prescription(
            Action.RESUME,
            HOSTILE,
            HOSTILE,
            500,
            5e-7,
            HOSTILE,
            ("HN301",),
            ((500, 1.0),),
            (HOSTILE,),
            (Alternative(HOSTILE, HOSTILE),),
            (HOSTILE,),
            (HOSTILE,),
        ),
    )
    odd = preview(1000, 0.9, name=HOSTILE, prompt=HOSTILE, negative_prompt=HOSTILE, sampler=HOSTILE, model_hash=HOSTILE)
    forged = preview(500, 0.9, name="forged", thumbnail=False)
    forged = replace(forged, thumbnail='"><script>alert(3)</script>', scores={HOSTILE: 1.0})
    vitals = Vitals(
        f"runs/{name}",
        name,
        tuple(checkpoint(s, name=HOSTILE) for s in steps),
        (Unreadable(HOSTILE, None, Refusal.FOREIGN, HOSTILE),),
        (odd, forged),
        settings=Settings(HOSTILE, HOSTILE, model_name=HOSTILE),
        skipped=(Skipped(HOSTILE, HOSTILE),),
    )
    return diagnosis, vitals


def all_runs() -> dict[str, Example]:
    """Every example by name."""
    return {
        "healthy": healthy(),
        "dying": dying(),
        "overtrained": overtrained_run(),
        "unexamined": unexamined(),
        "hostile": hostile(),
    }


def large(checkpoints: int, previews: int, name: str = "large", side: int = 256) -> Example:
    """A run of any size, for budgets and speed."""
    diagnosis, vitals = healthy(name)
    steps = range(100, 100 * checkpoints + 1, 100)
    course = tuple(station(s, name, state="healthy", sure=0.9, second="overtrained", channels=SEEN) for s in steps)
    thumb = picture(100, 0.35, side)
    shown = tuple(preview(100 * i, 0.01, name=name, thumbnail=False) for i in range(1, previews + 1))
    shown = tuple(replace(p, thumbnail=thumb) for p in shown)
    one = checkpoint(1000, name=name)
    files = tuple(replace(one, path=f"hypernetworks/{name}-{s}.pt", step=s, stored_step=s - 1) for s in steps)
    log = losses(100 * checkpoints, 5e-6, every=5)
    made = Vitals(vitals.run, name, files, (), shown, losses=log, settings=vitals.settings)
    return replace(diagnosis, course=course), made


PICTURES = (
    PictureJudgement(
        "a.png",
        {"noise": 0.99, "flat": 0.0, "fried": None, "repetition": 0.01},
        {"gradient_kurtosis": 3.1},
        ("colourful noise",),
    ),
    PictureJudgement("b.png", {}, {}, (), "not a picture"),
)
