"""The plan of a training, from its configuration: read leniently, measured, never judged."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hndoctor.formats.captions import CaptionError, read_template
from hndoctor.formats.curve import SHAPES, Curve
from hndoctor.formats.layout import ACTIVATIONS, file_bytes, layers, parameters
from hndoctor.formats.schedule import (
    ScheduleError,
    Segment,
    dose,
    effective_ends,
    find_traps,
    parse_schedule,
    step_at_dose,
)
from hndoctor.records import PlanVitals
from hndoctor.setup.base import SD1_WIDTH, Base
from hndoctor.setup.gain import initial_gain
from hndoctor.setup.reader import Reader, finite, flag, flat, numbers, structure_of, whole

BAND = (0.045, 0.075, 0.125)  # dose at which overtraining begins: low, middle, high end (G21; middle: geometric mean)
MOST_PARAMETERS = 4_000_000_000  # of a hypernetwork: 16 GB of weights, five times Stable Diffusion 1 (guess)
MOST_WEIGHTS = 50_000_000  # of one matrix that is drawn to compute the gain: 200 MB
_SD1_SIZES = (768, 320, 640, 1280)
_FOREVER = 10**9  # steps; long enough for any dose
_OPTIM = 2  # an .optim is twice its network (web UI)


def measure_plan(config: Mapping[str, Any], base: Base, pictures: int) -> PlanVitals:
    """Everything the plan rules ask about; values that cannot be used are named in `problems`."""
    read = Reader(flat(config))
    structure = read.take("layer_structure", structure_of, 'a structure, e.g. "1, 2, 1"')
    activation = read.take("activation", str, "a name, e.g. linear")
    init = read.take("weight_init", str, "a name, e.g. Normal")
    network = _Network(
        structure or (1.0, 2.0, 1.0),
        activation or "relu",  # the trainer's default
        init or "Normal",
        read.take("layer_norm", flag, "true or false") or False,
        read.take("activate_output", flag, "true or false") or False,
        read.take("dropout_structure", numbers, 'numbers, e.g. "0, 0.05, 0"') or None,
    )
    shown = PlanVitals(
        layer_structure=structure,
        activation_func=activation,
        weight_initialization=init,
        is_layer_norm=network.layer_norm,
        use_dropout=read.take("use_dropout", flag, "true or false") or False,
        dropout_structure=network.dropout,
        activate_output=network.activate_output,
        activation_problem=ACTIVATIONS.get(network.activation),
        base_model=read.take("base_model", str, "a folder or a name"),
        width=read.take("width", whole, "a whole number of pixels") or base.side,
        height=read.take("height", whole, "a whole number of pixels") or base.side,
        preview_negative_prompt=read.take("preview_negative_prompt", str, "text"),
        preview_seed=read.take("preview_seed", whole, "a whole number"),
        preview_cfg_scale=read.take("preview_cfg", finite, "a number, e.g. 7.0"),
        clip_skip=read.take("clip_skip", whole, "a whole number; 1 is off"),
        template=_template(read),
        validation=read.take("validation", finite, "a count of pictures, or a share below 1"),
        resize=read.take("resize", str, "crop or distort") or "crop",  # the trainer's default
        context_width=base.width,
        pictures=pictures,
    )
    return _with_epochs(_with_disk(_with_network(_with_course(shown, read, base), read, network, base), read))


@dataclass(frozen=True)
class _Network:
    structure: tuple[float, ...]
    activation: str
    init: str
    layer_norm: bool
    activate_output: bool
    dropout: tuple[float, ...] | None


def _template(read: Reader) -> tuple[str, ...] | None:
    """The template's lines; the setting is one path, or the lines themselves."""
    value = read.config.get("template")
    if not value:
        return None
    if not isinstance(value, str | list | tuple):
        read.problems.append(f"template = {value!r}: write lines, or the path of a text file")
        return None
    lines = [value] if isinstance(value, str) else [str(line) for line in value]
    is_path = len(lines) == 1 and "[" not in lines[0] and lines[0].lower().endswith(".txt")
    try:
        return read_template(Path(lines[0]) if is_path else lines, keep_blank=True)
    except CaptionError as error:
        read.problems.append(str(error))
        return None


def _with_course(plan: PlanVitals, read: Reader, base: Base) -> PlanVitals:
    """Steps, batch, schedule and dose."""
    steps = read.take("steps", whole, "a whole number of steps, e.g. 10000")
    batch = read.take("batch_size", whole, "a whole number, e.g. 1")
    accumulation = read.take("gradient_step", whole, "a whole number, e.g. 1")
    for name, value in (("steps", steps), ("batch_size", batch), ("gradient_step", accumulation)):
        if value is not None and value < 1:
            read.problems.append(f"{name} = {value}: write 1 or more")
    rate = read.take("learn_rate", str, "a rate or a schedule")
    course = replace(plan, learn_rate=rate, steps=steps, batch_size=batch, gradient_step=accumulation)
    if rate is None:
        return course
    width = base.width or SD1_WIDTH
    traps = tuple((trap.kind, trap.text) for trap in find_traps(rate, max(1, steps or _FOREVER), SD1_WIDTH / width))
    if steps is None or steps < 1:  # where it would end is not known
        return replace(course, traps=tuple(trap for trap in traps if trap[0] not in ("ends-early", "ignored")))
    try:
        segments = parse_schedule(rate, steps)
    except ScheduleError:
        return replace(course, traps=traps)
    items = max(1, batch or 1) * max(1, accumulation or 1)
    curve = _curve(read, segments)
    low, middle, high = (_onset(curve, items, share * SD1_WIDTH / width) for share in BAND)
    return replace(
        course,
        traps=traps,
        schedule=tuple(zip([s.rate for s in segments], effective_ends(segments), strict=True)),
        dose=_finite(curve.dose(items) if curve.bends else dose(segments, items)),
        onset=(low, middle, high),
    )


def _curve(read: Reader, segments: tuple[Segment, ...]) -> Curve:
    """The schedule under the shape that the trainer gives it."""
    shape = read.take("lr_scheduler", str, "a shape, e.g. cosine") or "constant"
    if shape not in SHAPES:
        read.problems.append(f'lr_scheduler = "{shape}": must be one of {", ".join(SHAPES)}')
        shape = "constant"
    warmup = read.take("lr_warmup_steps", whole, "a whole number of steps")
    cycles = read.take("lr_num_cycles", whole, "a whole number")
    floor = read.take("lr_min_ratio", finite, "a share of the rate, from 0 to 1")
    return Curve.of(segments, shape, warmup, cycles, floor)


def _onset(curve: Curve, items: int, wanted: float) -> int | None:
    """The step at which the dose is reached, the last rate of a plain schedule going on for as long as it takes."""
    if curve.bends:
        return curve.step_at_dose(items, wanted)
    segments = curve.segments
    endless = (*segments[:-1], Segment(segments[-1].rate, _FOREVER))
    return step_at_dose(endless, items, wanted)


def _with_network(plan: PlanVitals, read: Reader, network: _Network, base: Base) -> PlanVitals:
    """Initial gain, number of parameters and size on disk of the planned network."""
    dim, sizes = base.width or SD1_WIDTH, base.sizes or _SD1_SIZES
    plan_of = (network.structure, network.activation, network.layer_norm)
    try:
        layers(dim, *plan_of, network.dropout, network.activate_output)
        total = parameters(sizes, *plan_of, network.activate_output)
        weight = file_bytes(sizes, *plan_of, network.activate_output)
    except ValueError as error:
        read.problems.append(str(error))
        return plan
    if total > MOST_PARAMETERS:
        read.problems.append(f"layer_structure: {total:,} parameters fit no graphics card; write smaller numbers")
        return plan
    return replace(plan, initial_gain=_gain(read, network, dim), parameters=total, checkpoint_bytes=weight)


def _gain(read: Reader, network: _Network, dim: int) -> float | None:
    widest = sorted(dim * multiple for multiple in network.structure)[-2:]
    if widest[0] * widest[-1] > MOST_WEIGHTS:
        return None
    try:
        how = (network.structure, network.activation, network.init, network.layer_norm, network.activate_output)
        return _finite(initial_gain(dim, *how))
    except ValueError as error:
        read.problems.append(str(error))
    except KeyError:  # an activation that can be laid out but not evaluated
        pass
    return None


def _finite(value: float) -> float | None:
    """Records hold finite numbers only."""
    return value if math.isfinite(value) else None


def _with_disk(plan: PlanVitals, read: Reader) -> PlanVitals:
    """How much the run will write, and how much room there is.  The last thing measured: it closes `problems`."""
    every = read.take("save_every", whole, "a whole number of steps")
    keep = read.take("keep_last", whole, "a whole number")
    kept = None if not every or plan.steps is None else plan.steps // every + 1
    if kept is not None and keep:
        kept = min(kept, keep + 1)
    optim = 1 if read.config.get("save_optimizer_state") is False else 1 + _OPTIM
    weight = plan.checkpoint_bytes * optim if plan.checkpoint_bytes is not None else None
    room = _free(Path(str(read.config.get("out") or ".")))
    return replace(
        plan, checkpoints=kept, checkpoint_bytes=weight, free_bytes=room, problems=tuple(dict.fromkeys(read.problems))
    )


def _with_epochs(plan: PlanVitals) -> PlanVitals:
    """Steps in an epoch as the web UI counts them: it lowers batch and accumulation to the set, and drops the rest."""
    if plan.steps is None or plan.pictures < 1:
        return plan
    batch = min(max(1, plan.batch_size or 1), plan.pictures)
    accumulation = min(max(1, plan.gradient_step or 1), plan.pictures // batch)
    steps = plan.pictures // batch // accumulation
    return replace(
        plan,
        steps_per_epoch=steps,
        passes=plan.steps * batch * accumulation / plan.pictures,
        left_out=plan.pictures - steps * batch * accumulation,
    )


def _free(folder: Path) -> int | None:
    here = folder.absolute()
    try:
        while not here.exists() and here != here.parent:
            here = here.parent
        return shutil.disk_usage(here).free
    except (OSError, ValueError):
        return None
