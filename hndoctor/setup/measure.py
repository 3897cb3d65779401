"""A folder of pictures and a plan, measured into `Setup`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hndoctor.formats.captions import (
    PICTURE_SUFFIXES,
    CaptionError,
    caption_path,
    read_caption,
    read_template,
    tags,
)
from hndoctor.records import CaptionVitals, PictureVitals, PlanVitals, Setup, Skipped
from hndoctor.setup.base import POCKET, Base, find_base
from hndoctor.setup.memory import with_memory
from hndoctor.setup.pictures import measure_picture
from hndoctor.setup.plan import measure_plan
from hndoctor.setup.tokens import Tokenizer, find_tokenizer
from hndoctor.setup.webui import read_webui, template_file
from hndoctor.setup.words import emphasised, is_underscored, order_of, plain

KINDS = ("style", "character")


class SetupError(ValueError):
    """A data folder or a web UI folder that cannot be examined; one line says why and how to mend it."""


def measure_setup(
    data: Path,
    *,
    kind: str | None = None,
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    webui: Path | None = None,
    card_bytes: int | None = None,
) -> Setup:
    """Measure a data set, and as far as they are given a plan and a web UI folder; nothing is judged here.

    `data` is read flat, as the web UI reads it.  `config` is the parsed TOML of ``hndoctor train``; `card_bytes` the
    memory of the graphics card that it shall run on.
    Raises `SetupError` in one line when there is nothing to examine.
    """
    if kind is not None and kind not in KINDS:
        raise SetupError(f"kind {kind!r}: write style or character")
    pictures = find_pictures(data)
    base = find_base(_text(config, "base_model") or (POCKET if config else None))  # what the trainer trains on then
    network = name or _text(config, "name")
    setup = _with_captions(Setup(str(data), kind, network), data, pictures, find_tokenizer(base.folder, webui))
    setup = replace(setup, pictures=tuple(_pictures(pictures, data)), orphans=_orphans(data, pictures))
    if kind is None:
        setup = _skip(setup, "names in captions, and how many pictures they need", "no kind was given (--kind)")
    setup = _with_plan(setup, config, base)
    return _with_memory(_with_webui(setup, webui), config, card_bytes)


def _with_memory(setup: Setup, config: Mapping[str, Any] | None, card_bytes: int | None) -> Setup:
    """What the plan takes of the card; the web UI's settings decide part of it."""
    if setup.plan is None or config is None:
        return setup
    plan = with_memory(setup.plan, config, setup.webui, card_bytes)
    if card_bytes is None:
        setup = _skip(setup, "graphics card's memory", "no card was given (--vram 8 tells its gigabytes)")
    elif not plan.memory:
        setup = _skip(setup, "graphics card's memory", "nothing is known of the base model's size")
    return replace(setup, plan=plan)


def _text(config: Mapping[str, Any] | None, key: str) -> str | None:
    value = (config or {}).get(key)
    return str(value) if value else None


def find_pictures(data: Path) -> tuple[Path, ...]:
    """The pictures directly in a folder, in order of name.  Raises `SetupError` if there are none."""
    if not data.exists():
        raise SetupError(f"{data}: there is no such folder; name the folder of your training pictures")
    if not data.is_dir():
        raise SetupError(f"{data}: is a file; name the folder of your training pictures")
    found = tuple(sorted(path for path in data.iterdir() if _is_picture(path)))
    if not found:
        deeper = next((path.parent for path in sorted(data.rglob("*")) if _is_picture(path)), None)
        hint = f"; they lie in {deeper.name}, and only the folder itself is read" if deeper else ""
        raise SetupError(f"{data}: there is no picture in this folder (png, jpg, webp, bmp, gif, tiff){hint}")
    return found


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _pictures(paths: Iterable[Path], data: Path) -> Iterable[PictureVitals]:
    return (measure_picture(path, path.relative_to(data).as_posix()) for path in paths)


def _with_captions(setup: Setup, data: Path, pictures: Iterable[Path], tokenizer: Tokenizer) -> Setup:
    captions = tuple(_caption(path, data, tokenizer) for path in pictures)
    order = order_of([caption.tags for caption in captions if caption.source])
    return replace(
        setup,
        captions=captions,
        tokenizer=tokenizer.name,
        name_tokens=tokenizer.count(setup.name) if setup.name and tokenizer.real else None,
        sortable_captions=order.sortable,
        sorted_captions=order.sorted,
        sorted_chance=order.chance,
    )


def _caption(picture: Path, data: Path, tokenizer: Tokenizer) -> CaptionVitals:
    caption = read_caption(picture)
    words = tags(caption.text)
    seen = [plain(word) for word in words]
    return CaptionVitals(
        picture=picture.relative_to(data).as_posix(),
        source=caption.source.relative_to(data).as_posix() if caption.source else None,
        text=caption.text,
        tags=words,
        tokens=tokenizer.count(plain(caption.text)),
        problem=caption.problem,
        beyond=tokenizer.beyond(seen),
        underscored=tuple(word for word in words if is_underscored(word)),
        emphasised=emphasised(caption.text),
    )


def _orphans(data: Path, pictures: Iterable[Path]) -> tuple[str, ...]:
    """Text files that no picture reads."""
    used = {caption_path(path) for path in pictures}
    texts = (path for path in sorted(data.iterdir()) if path.suffix.lower() == ".txt" and path.is_file())
    return tuple(path.name for path in texts if path not in used and not path.name.startswith("."))


def _with_plan(setup: Setup, config: Mapping[str, Any] | None, base: Base) -> Setup:
    if config is None:
        return _skip(setup, "plan", "no configuration was given (--config)")
    readable = sum(picture.problem is None for picture in setup.pictures)
    return replace(setup, plan=measure_plan(config, base, readable))


def _with_webui(setup: Setup, webui: Path | None) -> Setup:
    if webui is None:
        return _skip(setup, "web UI", "no web UI folder was given (--webui)")
    if not webui.is_dir():
        raise SetupError(
            f"{webui}: there is no such folder; name the folder that holds webui-user.sh or webui-user.bat"
        )
    settings, skipped = read_webui(webui)
    if not settings and not skipped:
        raise SetupError(f"{webui}: holds no config.json and no webui-user file; name the web UI's own folder")
    setup = replace(setup, webui=settings, skipped=(*setup.skipped, *skipped))
    return _with_template(setup, template_file(webui, settings))


def _with_template(setup: Setup, template: Path | None) -> Setup:
    """The web UI's own template, where the plan names none."""
    if template is None or (setup.plan is not None and setup.plan.template is not None):
        return setup
    try:
        lines = read_template(template, keep_blank=True)
    except CaptionError as error:
        return _skip(setup, f"template {template.name}", str(error))
    return replace(setup, plan=replace(setup.plan or PlanVitals(), template=lines))


def _skip(setup: Setup, what: str, why: str) -> Setup:
    return replace(setup, skipped=(*setup.skipped, Skipped(what, why)))
