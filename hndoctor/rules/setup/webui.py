"""The web UI's own settings (G10, G11, G12, G25-G28, G33), read from its folder."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import Sign, rule

RUINOUS_RATE = 5e-3  # rate; reaches NaN very quickly (G20)
SPARSE_CSV = 500  # steps; the web UI's default interval, beyond which the loss curve has too few points
_CONFIG, _UI = "config.json", "ui-config.json"
_TXT2IMG = "train/Read parameters (prompt, etc...) from txt2img tab when making previews/value"
_ALPHA = "train/Use PNG alpha channel as loss weight/value"


def option(setup: Setup, key: str) -> str | None:
    """One option of config.json, as text; None: not set there."""
    return setup.webui.get(f"{_CONFIG}:{key}")


def tab(setup: Setup, key: str) -> str | None:
    """The value with which a field of a tab starts, by ui-config.json."""
    return setup.webui.get(f"{_UI}:{key}")


def number(text: str | None) -> float | None:
    """The number a setting holds, if it holds one."""
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def launches(setup: Setup) -> Iterator[tuple[str, list[str]]]:
    """Each launch script and the arguments it passes."""
    for key, value in setup.webui.items():
        if key.endswith(":COMMANDLINE_ARGS"):
            yield key.partition(":")[0], value.replace('"', " ").replace("'", " ").split()


@rule("HN570", Severity.WARNING, needs="setup")
def webui_medvram(setup: Setup) -> Iterator[Sign]:
    """The web UI is started with --medvram or --lowvram.

    Training gives worse results with --medvram (G10) and does not start at all with --lowvram.  Remove it from the
    launch script while training.
    """
    for script, arguments in launches(setup):
        if "--lowvram" in arguments:
            message = f"{script}: --lowvram makes training impossible; remove it"
            yield Sign(message, subject=script, severity=Severity.ERROR)
        for flag in ("--medvram", "--medvram-sdxl"):
            if flag == "--medvram" and flag in arguments:
                yield Sign(f"{script}: remove --medvram while training", subject=script, confidence=0.8)


@rule("HN571", Severity.WARNING, needs="setup")
def webui_tagger(setup: Setup) -> Iterator[Sign]:
    """The web UI's tagger sorts tags, or writes underscores.

    Captions made with it are then in alphabetical order or have underscores (G11; G2, G3).  In Settings, Interrogate:
    turn "sort alphabetically" off and "use spaces" on.
    """
    harmless = Severity.INFO if setup.captions and not setup.sorted_captions else None  # it will harm the next set
    for key in ("deepbooru_sort_alpha", "interrogate_deepbooru_sort_alpha"):
        if option(setup, key) == "true":
            message = f'{_CONFIG}: {key} is on; turn "deepbooru: sort tags alphabetically" off before tagging'
            yield Sign(message, subject=_CONFIG, confidence=0.9, severity=harmless)
    if option(setup, "deepbooru_use_spaces") == "false":
        message = f'{_CONFIG}: deepbooru_use_spaces is off; turn "deepbooru: use spaces in tags" on before tagging'
        yield Sign(message, subject=_CONFIG, confidence=0.9)


@rule("HN572", Severity.INFO, needs="setup")
def webui_deepdanbooru_flag(setup: Setup) -> Iterator[Sign]:
    """The web UI is started without --deepdanbooru.

    Versions before November 2022 offer the anime tagger only with it (G11); later ones always.  Add it if the button is
    missing.
    """
    # config.json lists all options of its version, and saving the optimizer's state came in November 2022.
    old = _CONFIG in setup.webui and option(setup, "save_optimizer_state") is None
    for script, arguments in launches(setup):
        if old and "--deepdanbooru" not in arguments:
            message = f"{script}: no --deepdanbooru; add it if the interrogate button for tags is missing"
            yield Sign(message, subject=script, confidence=0.4)


@rule("HN573", Severity.INFO, needs="setup")
def webui_unload(setup: Setup) -> Iterator[Sign]:
    """VAE and CLIP stay in video memory while training.

    "Move VAE and CLIP to RAM when training" frees more than a gigabyte for batch and size (G12).  Turn it on.
    """
    if option(setup, "unload_models_when_training") == "false":
        message = f'{_CONFIG}: turn "Move VAE and CLIP to RAM when training" on (unload_models_when_training)'
        yield Sign(message, subject=_CONFIG, confidence=0.7)


@rule("HN574", Severity.WARNING, needs="setup")
def webui_optimizer_state(setup: Setup) -> Iterator[Sign]:
    """The web UI does not save the optimizer's state.

    Without the .optim file beside the network a resumed training starts its moments from nothing (G33).  Turn "Saves
    Optimizer state as separate *.optim file" on; it takes twice the network's room.
    """
    if option(setup, "save_optimizer_state") == "false":
        message = f'{_CONFIG}: turn "Saves Optimizer state as separate *.optim file" on (save_optimizer_state)'
        yield Sign(message, subject=_CONFIG, confidence=0.9)


@rule("HN575", Severity.WARNING, needs="setup")
def webui_clip_skip(setup: Setup) -> Iterator[Sign]:
    """Clip skip is on in the web UI.

    Keep it at 1 while training (G26): it changes what the network learns from.
    """
    value = number(option(setup, "CLIP_stop_at_last_layers"))
    if value is not None and value != 1:
        message = f"{_CONFIG}: clip skip is {value:g} (CLIP_stop_at_last_layers); set it to 1 while training"
        yield Sign(message, subject=_CONFIG, value=value, limit=1, confidence=0.8)


@rule("HN576", Severity.INFO, needs="setup")
def webui_vae(setup: Setup) -> Iterator[Sign]:
    """An external VAE is loaded in the web UI.

    It may interfere with training (G28).  If results disappoint, train with the VAE set to None.
    """
    value = option(setup, "sd_vae")
    if value not in (None, "", "None", "Automatic", "auto"):
        message = f"{_CONFIG}: the VAE {value} is loaded (sd_vae); try None if training disappoints"
        yield Sign(message, subject=_CONFIG, confidence=0.5)


@rule("HN577", Severity.WARNING, needs="setup")
def webui_other_network(setup: Setup) -> Iterator[Sign]:
    """Another hypernetwork is loaded in the web UI.

    Unload other networks while training, and leave the strength at 1: until January 2023 both changed what was trained
    (G28).  Set "Hypernetwork" to None.
    """
    value = option(setup, "sd_hypernetwork")
    if value not in (None, "", "None"):
        message = f'{_CONFIG}: the hypernetwork "{value}" is loaded (sd_hypernetwork); set it to None while training'
        yield Sign(message, subject=_CONFIG, confidence=0.7)
    strength = number(option(setup, "sd_hypernetwork_strength"))
    if strength is not None and strength != 1:
        message = f"{_CONFIG}: hypernetwork strength is {strength:g}; set it to 1 while training"
        yield Sign(message, subject=_CONFIG, value=strength, limit=1, confidence=0.7)


@rule("HN578", Severity.WARNING, needs="setup")
def webui_loss_log(setup: Setup) -> Iterator[Sign]:
    """The web UI keeps no loss log.

    An interval of 0 writes no hypernetwork_loss.csv, and above 500 steps it has too few points to show a rise: nobody
    can tell afterwards when the loss went wrong (G30).  Set "Save an csv containing the loss" to 500 or less.
    """
    every = number(option(setup, "training_write_csv_every"))
    board = option(setup, "training_enable_tensorboard") == "true"
    if every == 0:
        instead = " (only TensorBoard's is written)" if board else ""
        message = f"{_CONFIG}: training_write_csv_every is 0, so no loss log is written{instead}; set it to 100"
        yield Sign(message, subject=_CONFIG, value=0, limit=1, severity=Severity.INFO if board else None)
    elif every is not None and every > SPARSE_CSV:
        message = f"{_CONFIG}: the loss is logged every {every:g} steps only (training_write_csv_every); set it to 100"
        yield Sign(message, subject=_CONFIG, value=every, limit=SPARSE_CSV, severity=Severity.INFO)


@rule("HN579", Severity.WARNING, needs="setup")
def webui_train_tab(setup: Setup) -> Iterator[Sign]:
    """The Train tab starts with a ruinous rate.

    ui-config.json keeps the value with which the field starts; 5e-3 destroys a hypernetwork (G20).  Change it there
    or on the tab before every training.
    """
    for field in ("Hypernetwork Learning rate", "Learning rate"):
        for part in (tab(setup, f"train/{field}/value") or "").split(","):
            rate = number(part.split(":")[0].strip() or None)
            if rate is not None and rate >= RUINOUS_RATE:
                message = f'{_UI}: "{field}" starts at {rate:g}; write 5e-5 or less'
                yield Sign(message, subject=_UI, value=rate, limit=RUINOUS_RATE, confidence=0.9)


@rule("HN580", Severity.WARNING, needs="setup")
def webui_previews(setup: Setup) -> Iterator[Sign]:
    """The web UI's previews take over a negative prompt or a random seed.

    With "Read parameters from txt2img tab", the tab's negative prompt (G25), CFG scale (G26) and seed (G27) make the
    previews; without it, every preview has a new seed and a random caption.  Turn it on, with the negative prompt empty
    and a fixed seed.
    """
    if not any(key.startswith(f"{_UI}:train/") for key in setup.webui):
        return
    if tab(setup, _TXT2IMG) != "true":
        message = (
            f'{_UI}: previews have a random seed; turn "Read parameters from txt2img tab" on and fix the seed there'
        )
        yield Sign(message, subject=_UI, severity=Severity.INFO, confidence=0.6)
        return
    if (tab(setup, "txt2img/Negative prompt/value") or "").strip():
        yield Sign(
            f"{_UI}: txt2img starts with a negative prompt; empty it while training", subject=_UI, confidence=0.8
        )
    seed = number(tab(setup, "txt2img/Seed/value"))
    if seed is not None and seed < 0:
        yield Sign(f"{_UI}: txt2img starts with a random seed; fix it while training", subject=_UI, confidence=0.8)


@rule("HN581", Severity.ERROR, needs="setup")
def webui_alpha_weights(setup: Setup) -> Iterator[Sign]:
    """Opaque pictures are used as loss weights.

    "Use PNG alpha channel as loss weight" divides by the alpha channel's spread: a picture that is opaque throughout
    gives a loss of NaN (web UI).  Turn it off, or give every picture a transparent part.
    """
    if tab(setup, _ALPHA) != "true":
        return
    opaque = [p.path for p in setup.pictures if p.problem is None and p.mode == "RGBA" and p.transparent == 0]
    if opaque:
        message = (
            f'{opaque[0]}: opaque, and "Use PNG alpha channel as loss weight" is on: the loss becomes NaN; turn it off'
        )
        yield Sign(message, subject=opaque[0], value=len(opaque), limit=0, confidence=0.9)
