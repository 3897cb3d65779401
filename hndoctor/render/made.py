"""How the run was made, and its files: rows ready to lay out."""

from __future__ import annotations

from dataclasses import dataclass

from hndoctor.records import Checkpoint, NetworkMetadata, Settings, Vitals
from hndoctor.render.facts import Pairs
from hndoctor.render.figures import clean, size, steps
from hndoctor.render.templates import Words
from hndoctor.rules.dose import asked_words

FILES_LISTED = 400  # rows of the table of files; a longer one is not read


@dataclass(frozen=True)
class File:
    """A row of the table of files."""

    step: str
    stored: str
    path: str
    size: str
    by: str
    sha: str
    optimizer: str
    notes: tuple[str, ...]


def made_of(vitals: Vitals, t: Words) -> Pairs:
    """How the run was made, from its settings and the last checkpoint that was read; only what is told."""
    told = _settings(vitals.settings, t)
    if vitals.checkpoints:
        told |= _network(vitals.checkpoints[-1].metadata, t)
        told["provenance"] = t.listed(dict.fromkeys(t.told(c.provenance).text for c in vitals.checkpoints))
        told["container"] = t.listed(dict.fromkeys(c.container for c in vitals.checkpoints))
        if told["base"] == told["model"]:
            del told["model"]
    return tuple((t[f"made.{key}"], clean(str(value))) for key, value in told.items() if value not in (None, ""))


def _network(m: NetworkMetadata, t: Words) -> dict[str, object]:
    yes, no = t["made.yes"], t["made.no"]
    return {
        "name": m.name,
        "structure": ", ".join(f"{x:g}" for x in m.layer_structure or ()),
        "activation": m.activation_func,
        "last_activation": yes if m.activate_output else no,
        "layer_norm": yes if m.is_layer_norm else no,
        "initialization": m.weight_initialization,
        "dropout": ", ".join(f"{x:g}" for x in m.dropout_structure or ()) or (yes if m.use_dropout else no),
        "base": " ".join(filter(None, (m.sd_checkpoint_name, m.sd_checkpoint))),
    }


def _settings(s: Settings, t: Words) -> dict[str, object]:
    batch = None if s.batch_size is None else f"{s.batch_size} × {s.gradient_step or 1}"
    prints = [p[:12] for p in s.data_fingerprints]
    data = t("made.data_changed", list=" → ".join(prints)) if len(prints) > 1 else "".join(prints)
    return {
        "schedule": asked_words(s),
        "max_steps": None if s.steps is None else steps(s.steps),
        "batch": batch,
        "images": s.images,
        "model": " ".join(filter(None, (s.model_name, s.model_hash))),
        "optimizer": s.optimizer,
        "train_seed": s.seed,
        "data": data,
        "resumed": t.listed(map(steps, s.resumed_at)),
        "told_by": s.source,
    }


def files_of(vitals: Vitals, t: Words) -> tuple[File, ...]:
    """Every checkpoint as a file: what is stored, who wrote it, who will refuse it."""
    read = [_file(c, t) for c in vitals.checkpoints]
    lost = [
        File(
            steps(u.step),
            "–",
            clean(u.path),
            size(u.bytes),
            "–",
            "–",
            "–",
            (t("files.unreadable", why=t.told(u.reason).text),),
        )
        for u in vitals.unreadable
    ]
    return tuple((lost + read)[:FILES_LISTED])


def left_out(vitals: Vitals, t: Words) -> str:
    """How many files the table does not list; empty where it lists all."""
    more = len(vitals.checkpoints) + len(vitals.unreadable) - FILES_LISTED
    return t("files.left_out", n=steps(more)) if more > 0 else ""


def _file(c: Checkpoint, t: Words) -> File:
    notes = [t("files.refused", who=t.told(x).text) for x in c.refused_by] + [
        t("files.misread", who=t.told(x).text) for x in c.misread_by
    ]
    notes += [t.told(c.partial).text] if c.partial else []
    return File(
        steps(c.step),
        steps(c.stored_step),
        clean(c.path),
        size(c.bytes),
        t.told(c.provenance).text,
        _digest(c),
        _optimizer(c, t),
        tuple(notes),
    )


def _digest(c: Checkpoint) -> str:
    """Of the file's bytes, and which digest it is: only files with an optimizer state have the slower one."""
    kind, digest = ("SHA-256", c.sha256) if c.sha256 else ("XXH3", c.content)
    return f"{kind} {clean(digest[:12])}" if digest else "–"


def _optimizer(c: Checkpoint, t: Words) -> str:
    if c.optimizer is None:
        return t["files.none"]
    if c.optimizer.unreadable is not None:
        return t("files.unreadable", why=t.told(c.optimizer.unreadable).text)
    key = {True: "matches", False: "mismatch", None: "unknown"}[c.optimizer.hash_matches]
    return f"{clean(c.optimizer.optimizer_name or '?')}, {t[f'files.{key}']}"
