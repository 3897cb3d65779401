"""The plan: what a configuration will do, worked out before anything is loaded."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from hndoctor.formats.captions import FILEWORDS
from hndoctor.formats.counted import counted
from hndoctor.formats.curve import Curve
from hndoctor.formats.layout import file_bytes, parameters, parse_dropout_structure, parse_structure
from hndoctor.formats.rates import in_words, power
from hndoctor.formats.schedule import find_traps, parse_schedule
from trainer import base
from trainer.config import OWN_RATE, POCKET, Config
from trainer.data import split, template_lines
from trainer.errors import TrainerError
from trainer.events import Plan
from trainer.network import Hypernetwork
from trainer.optimizer_kinds import decays
from trainer.pictures import PictureSet, Reading, read_folder
from trainer.processes import expected, fewer_than_asked

#: Prompt editing [from:to:when] and [from|to], and AND between prompts
_EDITED = re.compile(r"(?<!\\)\[[^\[\]]*(?::\s*[\d.]+|\|[^\[\]]*)\s*\]|\bAND\b")


def structure(config: Config) -> tuple[float, ...]:
    """The layer structure as numbers."""
    return parse_structure(config.layer_structure)


def dropouts(config: Config) -> tuple[float, ...]:
    """The dropout structure as numbers: as given, or the web UI's old fixed one where only `use_dropout` is."""
    layers = structure(config)
    if not config.use_dropout:
        return (0.0,) * len(layers)
    if not config.dropout_structure.strip():
        return parse_dropout_structure(layers, True, False)[: len(layers)]
    try:
        given = tuple(float(part) for part in config.dropout_structure.split(",") if part.strip())
    except ValueError:
        raise TrainerError(f'dropout_structure "{config.dropout_structure}": write numbers parted by commas') from None
    if len(given) != len(layers) or not all(0 <= p < 1 for p in given):
        raise TrainerError(
            f'dropout_structure "{config.dropout_structure}": needs {len(layers)} numbers, each 0 or between 0 and 1, '
            f'for layer_structure "{config.layer_structure}"'
        )
    return given


def chosen_sizes(config: Config, there: tuple[int, ...]) -> tuple[int, ...]:
    """The context widths to train: those asked for, in the base model's order, or all it has."""
    unknown = sorted(set(config.sizes) - set(there))
    if unknown:
        raise TrainerError(f"sizes: the base model has {list(there)}, not {unknown}")
    return tuple(size for size in there if not config.sizes or size in config.sizes)


def curve(config: Config, start: int = 0) -> Curve:
    """The rate of every step from `start` on.  Raises `ScheduleError`."""
    return Curve(
        parse_schedule(config.learn_rate, config.steps, start),
        config.lr_scheduler,
        config.lr_warmup_steps,
        config.lr_num_cycles,
        config.lr_min_ratio,
    )


def plan(config: Config, resume: Path | str | None = None) -> Plan:
    """What this configuration will do.  Loads no weights; reads the data folder and the base model's configuration.

    Raises `TrainerError` for everything that would stop the training later and can be known now.
    """
    start = Hypernetwork.load(resume).step if resume is not None else 0
    there = base.sizes_of(base.locate(config.base_model), config.base_config)
    return make(config, there, pictures_of(config), start)


def pictures_of(config: Config) -> PictureSet:
    """The training pictures, read as the configuration says."""
    return read_folder(config.data, Reading(config.repeats, config.filename_regex, config.filename_join))


def make(config: Config, there: tuple[int, ...], pictures: PictureSet, start: int) -> Plan:
    """The plan of what has been read already."""
    sizes, layers = chosen_sizes(config, there), structure(config)
    shape = (sizes, layers, config.activation, config.layer_norm, config.activate_output)
    rates = curve(config, start)
    end = min(config.steps, rates.end)
    train, held_out = split(pictures.pictures, config)
    samples = config.batch_size * config.gradient_step * expected()
    every = config.save_every
    return Plan(
        name=config.name,
        run=config.run,
        base_model=config.base_model,
        sizes=sizes,
        layer_structure=", ".join(f"{m:g}" for m in layers),
        activation=config.activation,
        parameters=parameters(*shape),
        file_bytes=file_bytes(*shape),
        optimizer_bytes=2 * file_bytes(*shape) if config.save_optimizer_state else 0,
        checkpoints=1 + ((end + 1) // every - (start + 1) // every if every else 0),
        start=start,
        steps=end,
        pictures=len(train),
        held_out=len(held_out),
        epochs=(end - start) * samples / sum(picture.repeats for picture in train),
        rates=tuple(
            (stop, segment.rate, in_words(segment.rate) + _shaped(config))
            for stop, segment in zip(rates.ends, rates.segments, strict=True)
        ),
        dose=rates.dose(samples, start),
        samples=samples,
        save_every=every,
        warnings=tuple(_warnings(config, pictures)),
    )


def _warnings(config: Config, pictures: PictureSet) -> list[str]:
    told = [*pictures.notes, *_skipped(pictures), *filter(None, [fewer_than_asked()])]
    told += _caption_warnings(config, pictures)
    told += [
        f'preview prompt "{prompt}": {found[0]} is taken for plain text; the web UI would edit or mix prompts there'
        for prompt in (*config.preview_prompts, config.preview_negative_prompt)
        if (found := _EDITED.search(prompt))
    ]
    if config.lr_scheduler != "constant" and "," in config.learn_rate:
        told.append(f"lr_scheduler {config.lr_scheduler} bends a schedule that falls by itself: both multiply")
    # the pocket model is ten times narrower than SD1, so its rates are about ten times SD1's
    own_scale = config.base_model == POCKET or config.optimizer in OWN_RATE
    told += [
        trap.text
        for trap in find_traps(config.learn_rate, config.steps)
        if not (own_scale and trap.kind in ("ruinous", "needless"))
    ]
    if config.weight_decay and not decays(config.optimizer):
        told.append(
            f"{config.optimizer} has no weight decay of AdamW's kind: weight_decay is not used "
            '(optimizer_args = ["weight_decay=0.01"] adds it to the gradient, which it may outweigh)'
        )
    if config.use_dropout and not any(dropouts(config)):
        told.append(
            f'use_dropout without dropout_structure drops nothing in a structure of "{config.layer_structure}"; '
            f'give dropout_structure, such as "{_example(config)}"'
        )
    return told


def _shaped(config: Config) -> str:
    """What is done to a rate, in words."""
    shape = {
        "constant": "",
        "linear": f", falling evenly to {power(config.lr_min_ratio)} of it",
        "cosine": f", falling in a cosine to {power(config.lr_min_ratio)} of it",
        "cosine_with_restarts": f", in {config.lr_num_cycles} falling cosine(s) to {power(config.lr_min_ratio)} of it",
    }[config.lr_scheduler]
    return shape + (f", after {counted(config.lr_warmup_steps, 'step')} of warm-up" if config.lr_warmup_steps else "")


def _skipped(pictures: PictureSet) -> list[str]:
    """What cannot be read, by name, and how many of how many if it is more than one."""
    told = [f"{name} is left out: {why}" for name, why in pictures.skipped]
    count = len(told)
    return [*told, f"{count} of {count + len(pictures.pictures)} pictures are left out"] if count > 1 else told


def _caption_warnings(config: Config, pictures: PictureSet) -> list[str]:
    """Pictures that would be trained with an empty caption; all of them is refused."""
    if not any(FILEWORDS in line for line in template_lines(config)):
        return []
    blank = [picture.name for picture in pictures.pictures if not picture.caption.strip()]
    if len(blank) == len(pictures.pictures):
        raise TrainerError(
            f"data {pictures.folder}: all captions are empty; write what each picture shows into a .txt file of its "
            f"name ({Path(blank[0]).stem}.txt), or use a template without {FILEWORDS}"
        )
    return [f"without caption: {', '.join(blank)}"] if blank else []


def _example(config: Config) -> str:
    middle = len(structure(config)) - 2
    return ", ".join(["0", *["0.1"] * middle, "0"])


def measured(known: Plan, seconds_per_step: float) -> Plan:
    """The plan with the time of a step."""
    return replace(known, seconds_per_step=seconds_per_step)
