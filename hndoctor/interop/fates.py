"""The table of what each loader does with a file: computes the same, computes something else, refuses, ignores.

Source: each loader's own code, named in `formats.loaders`; that and `formats.generations` hold the facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from hndoctor.formats.generations import KOHYA, NOVELAI, WEB_UIS, WEBUI, Generation, obstacle, reads
from hndoctor.formats.loaders import layout_problem, misread_by, refused_by, refused_in_autumn_2022
from hndoctor.formats.types import HypernetworkFile

SAME, OTHER, REFUSES, IGNORES = "computes the same", "computes something else", "refuses it", "ignores it"
_BEGAN = {NOVELAI.name: "2022-10-07", WEBUI.name: "2023-01-10"}  # where the name is not the day
_OLD_FORMS = ("NovelAI", "web UI, 10 to 19 October 2022")  # provenances whose layers are named linear1, linear2


@dataclass(frozen=True)
class Fate:
    """What one loader does with a file."""

    loader: str
    outcome: str
    why: str = ""


def fates(file: HypernetworkFile) -> tuple[Fate, ...]:
    """One row for each loader that is or was in use."""
    since = [_web_ui(file, form) for form in WEB_UIS]
    sd_next = replace(since[-1], loader="SD.Next to July 2025 (original backend)")
    return (
        *since,
        *_container(file),
        sd_next,
        Fate("Forge", IGNORES, "it reads the tag <hypernet:…> and applies nothing"),
        *_comfyui(file),
        Fate("InvokeAI", IGNORES, "it has no loader"),
        _kohya(file),
        Fate("diffusers", IGNORES, "it has no loader; hndoctor's apply_hypernetwork puts the file into a pipeline"),
    )


def ranged(rows: Iterable[Fate]) -> tuple[Fate, ...]:
    """The same table, shorter: neighbouring web UIs of one fate as one row with a range of days."""
    told: list[Fate] = []
    for (outcome, why), group in groupby(rows, key=lambda row: (row.outcome, row.why)):
        found = list(group)
        inside = [at for at, form in enumerate(WEB_UIS) if form.title in {row.loader for row in found}]
        if len(inside) > 1:
            told.append(Fate(_days(inside[0], inside[-1]), outcome, why))
        told += [row for row in found if len(inside) < 2 or row.loader not in {WEB_UIS[at].title for at in inside}]
    return tuple(told)


def _days(first: int, last: int) -> str:
    begins = [_BEGAN.get(form.name, form.name) for form in WEB_UIS]
    ended = last + 1 < len(begins)
    return f"web UI, {begins[first]} to {begins[last + 1]}" if ended else f"web UI since {begins[first]}"


def _web_ui(file: HypernetworkFile, form: Generation) -> Fate:
    """What the loader of one generation makes of names, settings and tensors."""
    if file.container == "safetensors":
        return Fate(form.title, REFUSES, "it has no support for safetensors hypernetworks")
    old = file.provenance.startswith(_OLD_FORMS)
    if form.old_names and not old:
        return Fate(form.title, REFUSES, "it takes only layers named linear1 and linear2")
    if form is WEB_UIS[0] and file.keys:
        return Fate(form.title, REFUSES, "it takes every key for a size")
    seen = reads(file.metadata, form)
    for module in file.modules:
        problem = layout_problem(replace(file, metadata=seen), module)
        if problem is not None:
            return Fate(form.title, REFUSES, problem)
    return _same_or_not(file, form)


def _same_or_not(file: HypernetworkFile, form: Generation) -> Fate:
    why = obstacle(file.metadata, (), form)
    return Fate(form.title, OTHER, why) if why else Fate(form.title, SAME)


def _container(file: HypernetworkFile) -> Iterator[Fate]:
    """What keeps the web UI's ``modules/safe.py`` from letting a sound network pass."""
    for reason in dict.fromkeys((*refused_in_autumn_2022(file), *refused_by(file))):
        loader, _, why = reason.partition(": ")
        if loader.startswith("web UI") and file.container != "safetensors" and "its list" in why:
            yield Fate(loader, REFUSES, why)


def _comfyui(file: HypernetworkFile) -> Iterator[Fate]:
    for outcome, reasons in ((REFUSES, refused_by(file)), (OTHER, misread_by(file))):
        for reason in reasons:
            loader, _, why = reason.partition(": ")
            if loader == "ComfyUI":
                yield Fate(loader, outcome, why)
                return
    yield Fate("ComfyUI", SAME)


def _kohya(file: HypernetworkFile) -> Fate:
    if file.container == "safetensors":
        return Fate(KOHYA.title, REFUSES, "it has no support for safetensors hypernetworks")
    if file.provenance.startswith(_OLD_FORMS):
        return Fate(KOHYA.title, REFUSES, "it does not take layers named linear1 and linear2")
    why = obstacle(file.metadata, tuple({m.size for m in file.modules}), KOHYA)
    return Fate(KOHYA.title, REFUSES, why) if why else Fate(KOHYA.title, SAME)
