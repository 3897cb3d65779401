"""How a run was made, as its files tell.

The web UI's `settings-*.json` and `settings.txt`, our `run.json`, `validation.jsonl` and `validated.jsonl`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from hndoctor.formats.bounded import read_text
from hndoctor.formats.run_files import RUN_FILE
from hndoctor.records import Settings, ValidationPoint

MAX_BYTES = 8 << 20  # of a settings file or a validation log; real ones are kilobytes to a few hundred of them
MAX_ITEMS = 4096  # held-out items of one validation; more are cut, they add nothing to a paired test
MAX_STEP = 10**9
MAX_LOSS = 1e12  # of a validation: a mean square of predictions; more is a damaged number, and its square no float
MAX_GAP = 60.0  # logarithm of a ratio of two losses, each of them from 1e-12 to `MAX_LOSS`


def read(path: Path) -> Settings:
    """One settings file of any kind.

    Raises ValueError, in one line, where the file is not one; OSError as `open` does.
    """
    text = _text(path)
    given = _lines(text) if path.suffix.lower() == ".txt" else _object(text, path)
    settings = _ours(given) if path.name == RUN_FILE else _webui(given)
    return replace(settings, source=path.name)


def read_validation(path: Path) -> tuple[ValidationPoint, ...]:
    """The points of a `validation.jsonl` or `validated.jsonl` in order of step; of two for one step the later.

    Broken lines are left out.  Raises OSError as `read_bounded` does.
    """
    points = {point.step: point for point in _points(_text(path))}
    return tuple(points[step] for step in sorted(points))


def merge(parts: Iterable[Settings]) -> Settings:
    """Several settings files of one run, oldest first: what the newest says holds, what it does not say is kept.

    Fingerprints of the data and resumptions are gathered over all of them.
    """
    merged = Settings()
    for part in parts:
        told = {f.name: getattr(part, f.name) for f in fields(part) if getattr(part, f.name) not in (None, ())}
        told["data_fingerprints"] = _joined(merged.data_fingerprints, part.data_fingerprints)
        told["resumed_at"] = tuple(sorted({*merged.resumed_at, *part.resumed_at}))
        merged = replace(merged, **told)
    return merged


def _joined(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    joined = list(before)
    joined += [one for at, one in enumerate(after) if one != (joined[-1] if joined else None) or at]
    return tuple(one for at, one in enumerate(joined) if at == 0 or one != joined[at - 1])


def _text(path: Path) -> str:
    return read_text(path, MAX_BYTES, "utf-8-sig", "replace").replace("\0", "")


def _object(text: str, path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{path.name}: not JSON ({problem}); delete it or write it again") from None
    if not isinstance(value, dict):
        raise ValueError(
            f"{path.name}: holds a {type(value).__name__}, not an object with settings; delete it or write it again"
        )
    return value


def _lines(text: str) -> Mapping[str, str]:
    """`key: value` lines; what is appended later wins (5-6 January 2023 the web UI appended)."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, mark, value in pairs if mark}


def _webui(given: Mapping[str, Any]) -> Settings:
    begun = _whole(given.get("initial_step"))
    return Settings(
        learn_rate=_word(given.get("learn_rate")),
        steps=_whole(given.get("steps")),
        batch_size=_whole(given.get("batch_size")),
        gradient_step=_whole(given.get("gradient_step")),
        images=_whole(given.get("num_of_dataset_images")),
        model_name=_word(given.get("model_name")),
        model_hash=_word(given.get("model_hash")),
        data=_word(given.get("data_root")),
        template=_word(given.get("template_file")),
        width=_whole(given.get("training_width")),
        height=_whole(given.get("training_height")),
        resumed_at=(begun,) if begun else (),
    )


def _ours(given: Mapping[str, Any]) -> Settings:
    """`run.json`: {config, base_model {name, hash}, data {fingerprint, images}, resumed_at}."""
    config, base, data = (_mapping(given.get(key)) for key in ("config", "base_model", "data"))
    return Settings(
        learn_rate=_word(_find(config, ("learn_rate", "learning_rate", "schedule"))),
        steps=_whole(_find(config, ("steps", "max_steps"))),
        batch_size=_whole(_find(config, ("batch_size", "batch"))),
        gradient_step=_whole(_find(config, ("gradient_step", "gradient_accumulation"))),
        images=_whole(data.get("images")),
        model_name=_word(base.get("name")),
        model_hash=_word(base.get("hash")),
        seed=_whole(_find(config, ("seed",)), least=None),
        optimizer=_word(_find(config, ("optimizer", "optimizer_name"))),
        lr_scheduler=_word(_find(config, ("lr_scheduler",))),
        lr_warmup_steps=_whole(_find(config, ("lr_warmup_steps",))),
        lr_num_cycles=_whole(_find(config, ("lr_num_cycles",))),
        lr_min_ratio=_share(_find(config, ("lr_min_ratio",))),
        data=_word(_find(config, ("data",))),
        data_fingerprints=tuple(_fingerprints(given, data)),
        resumed_at=tuple(sorted(set(_resumptions(given.get("resumed_at"))))),
    )


def _fingerprints(given: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[str]:
    """In order of time: those that the run had before it was resumed, then the present one, each once in a row."""
    told = [one.get("fingerprint", one.get("data")) for one in _list(given.get("resumed_at")) if isinstance(one, dict)]
    earlier = [*_list(data.get("fingerprints")), *_list(data.get("history")), *told]
    before: str | None = None
    for one in (_word(value) for value in (*earlier, data.get("fingerprint"))):
        if one and one != before:
            yield one
        before = one or before


def _resumptions(value: object) -> Iterator[int]:
    for one in _list(value):
        step = _whole(one.get("step") if isinstance(one, dict) else one)
        if step is not None:
            yield step


def _find(config: Mapping[str, Any], names: tuple[str, ...]) -> object:
    """The first of `names` in a configuration, at the top or one table below (`[train] learn_rate = …`)."""
    tables = [config, *(value for value in config.values() if isinstance(value, dict))]
    return next((table[name] for name in names for table in tables if table.get(name) is not None), None)


def _points(text: str) -> Iterator[ValidationPoint]:
    for line in text.splitlines():
        try:
            given = json.loads(line)
        except (ValueError, RecursionError):
            continue  # an empty line, or the last one, half written
        point = _point(given) if isinstance(given, dict) else None
        if point:
            yield point


def _point(given: Mapping[str, Any]) -> ValidationPoint | None:
    step, held_out, base = (
        _whole(given.get("step")),
        _loss(given.get("held_out")),
        _loss(given.get("held_out_base")),
    )
    if step is None or held_out is None or base is None:
        return None
    items, base_items = _items(given.get("items")), _items(given.get("base_items"))
    gaps, base_gaps = _gaps(given.get("caption_gaps")), _gaps(given.get("base_caption_gaps"))
    return ValidationPoint(
        step=step,
        held_out=held_out,
        held_out_base=base,
        train=_loss(given.get("train")),
        train_base=_loss(given.get("train_base")),
        items=items,
        base_items=base_items if len(base_items) == len(items) else (),
        caption_gaps=gaps if len(base_gaps) == len(gaps) else (),
        base_caption_gaps=base_gaps if len(base_gaps) == len(gaps) else (),
        content=(_word(given.get("content")) or "")[:64],
    )


def _items(value: object) -> tuple[float, ...]:
    """All items or none: an item that is not a number would shift its neighbours in a paired comparison."""
    items = tuple(_loss(one) for one in _list(value)[:MAX_ITEMS])
    return tuple(one for one in items if one is not None) if None not in items else ()


def _gaps(value: object) -> tuple[float, ...]:
    """All logarithms or none, as with items."""
    gaps = tuple(_finite(one) for one in _list(value)[:MAX_ITEMS])
    known = tuple(one for one in gaps if one is not None and abs(one) <= MAX_GAP)
    return known if len(known) == len(gaps) else ()


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: object) -> str | None:
    """Text, or a number as text (`learn_rate = 5e-6` is a legal way to write a schedule)."""
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return None
    return str(value).strip() or None


def _whole(value: object, least: int | None = 0) -> int | None:
    number = _finite(value)
    if number is None or number != int(number) or (least is not None and not least <= number <= MAX_STEP):
        return None
    return int(number)


def _share(value: object) -> float | None:
    number = _finite(value)
    return number if number is not None and 0 <= number <= 1 else None


def _loss(value: object) -> float | None:
    number = _finite(value)
    return number if number is not None and 0 <= number <= MAX_LOSS else None


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
