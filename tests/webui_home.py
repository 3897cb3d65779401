"""A web UI's folder as it lay on disks from October 2022 to 1.10: settings, launch scripts, networks, run folders.

Everything is made here, in each generation's own form: keys, names inside the file, hashes, loss log, infotext.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image, ImageDraw, PngImagePlugin

from tests.interop.conftest import KINDS, Kind, root_of

STEPS = (500, 1000, 1500)
NAME = "fischl"
OLD_NAMES = (("linear.0", "linear1"), ("linear.1", "linear2"))
HEADER = "step,epoch,epoch_step,loss,learn_rate"


@dataclass(frozen=True)
class Era:
    """What a web UI of some weeks wrote and had."""

    day: str  # of the run's folder
    form: str  # as `formats.generations` calls the file's form
    without: tuple[str, ...]  # metadata keys that did not exist yet
    kind: Kind = KINDS["relu"]
    options: tuple[tuple[str, object], ...] = ()
    hashing: int = 0  # 0: no .optim at all; 1: 8 digits; 2: 10 digits
    old_names: bool = False
    stores: int = 0  # what the stored step is less than the name's
    settings: str = ""  # "txt", "json"
    infotext: str = ""  # what it writes beside the usual
    model_hash: str = "81761151"
    rate: object = "0.00001"  # with which the Train tab starts


_LATE = ("optional_info", "dropout_structure")
_BEFORE_NOV = (*_LATE, "last_layer_dropout", "activate_output")
_OPTIONS_22 = (
    ("CLIP_stop_at_last_layers", 1),
    ("sd_hypernetwork", "None"),
    ("sd_hypernetwork_strength", 1.0),
    ("interrogate_deepbooru_sort_alpha", True),
)
_OPTIONS_23 = (
    ("CLIP_stop_at_last_layers", 1),
    ("deepbooru_sort_alpha", True),
    ("deepbooru_use_spaces", True),
    ("save_optimizer_state", False),
    ("sd_vae", "Automatic"),
    ("training_enable_tensorboard", False),
    ("training_write_csv_every", 500.0),
    ("unload_models_when_training", False),
)
_OCTOBER = Era(
    "2022-10-12",
    "2022-10-11",
    (*_BEFORE_NOV, "weight_initialization", "use_dropout", "activation_func", "is_layer_norm", "layer_structure"),
    KINDS["plain"],
    _OPTIONS_22,
    old_names=True,
    rate=0.005,
)
_NOVEMBER = Era(
    "2022-11-25", "2022-11-04", _LATE, KINDS["relu"], _OPTIONS_23, hashing=1, stores=1, infotext=f"Hypernet: {NAME}"
)
_JANUARY = replace(_NOVEMBER, day="2023-01-12", form="webui", without=(), settings="json")
_SHA = replace(_JANUARY, day="2023-06-01", hashing=2, model_hash="6ce0161689", infotext="")
ERAS: tuple[Era, ...] = (
    _OCTOBER,
    replace(_OCTOBER, day="2022-10-20", form="2022-10-19", without=_OCTOBER.without[:-2], old_names=False),
    replace(
        _OCTOBER, day="2022-10-23", form="2022-10-22", without=(*_BEFORE_NOV, "weight_initialization"),
        kind=KINDS["relu-out"], old_names=False, rate="0.00005",
    ),
    replace(
        _OCTOBER, day="2022-10-28", form="2022-10-26", without=_BEFORE_NOV, kind=KINDS["relu-out"], old_names=False,
        rate="0.00005",
    ),
    _NOVEMBER,
    replace(_NOVEMBER, day="2023-01-05", settings="txt"),
    _JANUARY,
    _SHA,
    replace(_SHA, day="2024-08-01", infotext="Schedule type: Automatic, Version: v1.10.1"),
)  # fmt: skip


def torch_1(root: dict) -> bytes:
    """The zip of torch 1.12: only data.pkl, data/N and version, below `archive`."""
    made = io.BytesIO()
    torch.save(root, made)
    packed = io.BytesIO()
    with zipfile.ZipFile(made) as new, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as old:
        for name in new.namelist():
            inner = name.partition("/")[2]
            if inner in ("data.pkl", "version") or inner.startswith("data/"):
                old.writestr(f"archive/{inner}", new.read(name))
    return packed.getvalue()


def network(era: Era, step: int, name: str = NAME) -> dict:
    """The dictionary that this web UI saves."""
    root = root_of(era.kind, seed=step, step=step, name=name, sd_checkpoint=era.model_hash)
    root = {key: value for key, value in root.items() if key not in era.without}
    if not era.old_names:
        return root
    for size in era.kind.sizes:
        root[size] = tuple(OrderedDict((_old(key), tensor) for key, tensor in state.items()) for state in root[size])
    return root


def _old(key: str) -> str:
    for new, old in OLD_NAMES:
        key = key.replace(new, old)
    return key


def hash_of(path: Path, hashing: int) -> str:
    """What the web UI of a generation calls a file's hash."""
    data = path.read_bytes()
    if hashing == 1:
        return hashlib.sha256(data[0x100000 : 0x100000 + 0x10000]).hexdigest()[:8]
    return hashlib.sha256(data).hexdigest()[:10]


def optimizer(era: Era, step: int, hashed: str) -> dict:
    """An AdamW state of the network."""
    tensors = [t for size in era.kind.sizes for state in root_of(era.kind, step)[size] for t in state.values()]
    state = {
        i: {"step": torch.tensor(float(step)), "exp_avg": t / 100, "exp_avg_sq": t * t} for i, t in enumerate(tensors)
    }
    group = {"lr": 1e-5, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01, "params": list(range(len(tensors)))}
    return {
        "optimizer_name": "AdamW",
        "hash": hashed,
        "optimizer_state_dict": {"state": state, "param_groups": [group]},
    }


def infotext(era: Era, step: int) -> str:
    """As the web UI writes it into a preview: a random caption, a random seed."""
    more = f", {era.infotext}" if era.infotext else ""
    return (
        f"fischl, (red hair:1.1), standing {step}\nsecond line\n"
        f"Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: {step * 7919}, Size: 64x64, "
        f"Model hash: {era.model_hash}{more}"
    )


def preview(era: Era, path: Path, step: int) -> None:
    picture = Image.new("RGB", (64, 64), (step % 255, 90, 140))
    ImageDraw.Draw(picture).ellipse((8, 8, 50, 56), fill=(220, 180, 90), outline=(0, 0, 0))
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", infotext(era, step))
    picture.save(path, pnginfo=text)


def loss_log(era: Era, run: Path, steps: tuple[int, ...]) -> None:
    """13 and 14 October 2022 it lay among the networks, with two columns."""
    oldest = era.form == "2022-10-11"
    path = run / ("hypernetworks" if oldest else "") / "hypernetwork_loss.csv"
    rows = [f"{s},0.1234567" if oldest else f"{s},{(s - 1) // 20},{(s - 1) % 20},0.1234567,1e-05" for s in steps]
    path.write_bytes("\r\n".join(["step,loss" if oldest else HEADER, *rows, ""]).encode())


def settings(era: Era, run: Path, initial: int) -> None:
    given = {
        "model_name": "v1-5-pruned", "model_hash": era.model_hash, "num_of_dataset_images": 20, "batch_size": 2,
        "gradient_step": 3, "learn_rate": "1e-5:20000", "steps": 20000, "initial_step": initial,
        "hypernetwork_name": NAME,
    }  # fmt: skip
    if era.settings == "txt":
        (run / "settings.txt").write_text("".join(f"{k}: {v}\n" for k, v in given.items()), encoding="utf-8")
    elif era.settings == "json":
        given["datetime"] = f"{era.day} 12:00:00"
        name = f"settings-{era.day}-12-00-00.json"
        (run / name).write_text(json.dumps(given, indent=4), encoding="utf-8")


def run_folder(root: Path, era: Era, steps: tuple[int, ...] = STEPS, day: str = "", initial: int = 0) -> Path:
    """`textual_inversion/<day>/fischl`, with previews at another interval than networks."""
    run = root / "textual_inversion" / (day or era.day) / NAME
    for part in ("hypernetworks", "images"):
        (run / part).mkdir(parents=True)
    original = root / "models" / "hypernetworks" / f"{NAME}.pt"
    for step in steps:
        path = run / "hypernetworks" / f"{NAME}-{step}.pt"
        stored = NAME if era.day > "2022-10-30" else path.stem
        path.write_bytes(torch_1(network(era, step - era.stores, stored)))
        if era.hashing:  # generation 2 stores the hash of the file that training began from
            hashed = hash_of(original if era.hashing == 2 else path, era.hashing)
            path.with_name(path.name + ".optim").write_bytes(torch_1(optimizer(era, step, hashed)))
    for step in (at for at in range(750, steps[-1] + 1, 750) if at >= steps[0]):
        preview(era, run / "images" / f"{NAME}-{step}.png", step)
    loss_log(era, run, steps)
    settings(era, run, initial)
    return run


def home(root: Path, era: Era, arguments: str = "") -> Path:
    """A whole web UI's folder; the network's last file lies in models/hypernetworks, without a number."""
    for folder in ("models/hypernetworks", "modules/hypernetworks"):
        (root / folder).mkdir(parents=True)
    final = torch_1(network(era, STEPS[-1]))
    (root / "models" / "hypernetworks" / f"{NAME}.pt").write_bytes(final)
    words = [key for key in root_of(era.kind) if isinstance(key, str) and key not in era.without]
    source = "class HypernetworkModule:\n" + "".join(f"    {word} = None\n" for word in words)
    (root / "modules" / "hypernetworks" / "hypernetwork.py").write_text(source, encoding="utf-8")
    if era.hashing == 2:
        (root / "modules" / "hashes.py").write_text("def sha256(): ...\n", encoding="utf-8")
    (root / "config.json").write_text(json.dumps(dict(era.options), indent=4), encoding="utf-8")
    tabs = {
        "train/Learning rate/value" if era.rate == 0.005 else "train/Hypernetwork Learning rate/value": era.rate,
        "train/Read parameters (prompt, etc...) from txt2img tab when making previews/value": False,
        "txt2img/Negative prompt/value": "",
        "txt2img/Seed/value": -1.0,
    }
    (root / "ui-config.json").write_text(json.dumps(tabs, indent=4), encoding="utf-8")
    script = f"@echo off\n\nset PYTHON=\nset GIT=\nset VENV_DIR=\nset COMMANDLINE_ARGS={arguments}\n\ncall webui.bat\n"
    (root / "webui-user.bat").write_bytes(script.replace("\n", "\r\n").encode())
    (root / "webui-user.sh").write_text('#!/bin/bash\n#export COMMANDLINE_ARGS="--medvram"\n', encoding="utf-8")
    return root
