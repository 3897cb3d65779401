"""What to train, as a TOML file says it: read, checked, completed, written back."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hndoctor.formats.curve import SHAPES
from hndoctor.formats.layout import parse_structure
from hndoctor.formats.schedule import strict_schedule
from trainer.errors import TrainerError
from trainer.hub import name_of
from trainer.module import ACTIVATIONS, INITIALISATIONS
from trainer.values import KINDS, literal

VERSION = 1  # of the file; a later one migrates what it finds
POCKET = "pocket"  # the base model that comes with the package
DEFAULT_LEARN_RATE = "1e-3"  # the pocket model's own: learns a style in 200 steps, scenes intact (benchmarks/pocket)
DEFAULT_STEPS = 1000  # the pocket model's; guess from a first trial
SD_LEARN_RATE = "5e-5:100, 5e-6:12000, 5e-7:20000"  # other models': G23's beginning, lower from 12,000 on (G22, G24)
SD_STEPS = 15000  # other models': 12,500 to 15,000 (G19)
DEFAULT_TEMPLATE = ("[filewords]",)
OWN_RATE = frozenset({"Prodigy"})  # optimizers that find the rate by themselves: learn_rate multiplies it, 1 is right
EMPHASES = ("Original", "No norm", "Ignore", "None")  # the web UI's
PATH_TEXTS = ("vae", "base_config", "cache")  # paths that may be left empty
FORBIDDEN_IN_NAMES = '()/\\:*?"<>|'  # "(" truncates the name in the web UI; the rest no file system takes everywhere


@dataclass(frozen=True)
class Config:
    """Everything that decides a training.  The names are the web UI's where it has the setting."""

    name: str = "hypernetwork"
    data: Path = Path()  # folder of pictures and captions
    out: Path = Path("runs")  # gets the folder <name>/
    base_model: str = POCKET  # or a diffusers folder, a single .safetensors or .ckpt, "hub:owner/name"
    vae: str = ""  # a folder or file whose VAE replaces the base model's own
    base_config: str = ""  # for a single file of unknown shape: a diffusers folder with configurations and tokenizer
    prediction_type: str = "auto"  # "epsilon", "v_prediction": what the base model predicts, if it is told wrongly

    # the network (web UI, "Create hypernetwork")
    sizes: tuple[int, ...] = ()  # context widths; empty: all that the base model has
    layer_structure: str = "1, 2, 1"
    activation: str = "relu"
    weight_init: str = "Normal"
    layer_norm: bool = False
    use_dropout: bool = False
    dropout_structure: str = ""
    activate_output: bool = False

    # the course (web UI, "Train")
    learn_rate: str = DEFAULT_LEARN_RATE  # the web UI's schedule grammar; a default of their own for other models
    steps: int = DEFAULT_STEPS  # likewise
    lr_scheduler: str = "constant"  # what the schedule is multiplied by; also linear, cosine, cosine_with_restarts
    lr_warmup_steps: int = 0  # steps over which the rate rises from almost nothing
    lr_num_cycles: int = 1  # of cosine_with_restarts
    lr_min_ratio: float = 0.0  # share of the rate that is left at the end
    batch_size: int = 1
    gradient_step: int = 1
    seed: int = 0
    save_every: int = 500
    image_every: int = 500
    csv_every: int = 10
    save_optimizer_state: bool = True
    keep_last: int = 0  # checkpoints kept; 0: all
    keep_every: int = 0  # steps whose checkpoints are kept whatever keep_last says; 0: none
    safetensors: bool = False  # the network as .safetensors beside every .pt, too
    tensorboard: bool = False
    optimizer: str = "AdamW"  # or any of torch.optim; with their libraries AdamW8bit, Prodigy, AdamWScheduleFree ...
    optimizer_args: tuple[str, ...] = ()  # further options of it: "betas=(0.9, 0.99)"
    weight_decay: float = 0.01
    ema: float = 0.0  # decay of the moving average that is kept beside the weights, such as 0.999; 0: none
    min_snr_gamma: float = 0.0  # min-SNR weighting of the loss, 5 is usual; 0: off
    noise_offset: float = 0.0  # offset noise, 0.05 to 0.1 is usual; 0: off
    zero_terminal_snr: bool = False  # v-prediction models only
    min_timestep: int = 0  # timesteps that are trained; the last one excluded
    max_timestep: int = 0  # 0: all
    clip_grad_mode: str = "disabled"  # "value", "norm"; on true gradients
    clip_grad_value: str = "0.1"  # a number or a schedule
    precision: str = "fp32"  # "bf16", or "fp16" with a gradient scaler
    gradient_checkpointing: bool = False  # less memory, a third slower; comes on by itself when memory runs out
    compile: bool = False  # torch.compile; the first steps take minutes
    device: str = "auto"

    # the data
    template: tuple[str, ...] = DEFAULT_TEMPLATE  # lines, or one path of a file
    webui_template: bool = False  # as the web UI: blank lines are prompts, a picture keeps the first line it draws
    filename_regex: str = ""  # of pictures without a .txt: the words of the name (web UI, dataset_filename_word_regex)
    filename_join: str = " "  # what joins them (web UI, dataset_filename_join_string)
    repeats: int = 1  # times a picture comes in an epoch; those in a folder "5_name" come 5 times
    shuffle_tags: bool = False
    keep_first: int = 0  # tags that shuffling and dropping leave alone
    tag_drop_out: float = 0.0
    caption_drop_out: float = 0.0
    emphasis: str = "Original"  # of (brackets) in captions and prompts, the web UI's names
    latent_sampling: str = "once"
    width: int = 0  # pixels; 0: the base model's own
    height: int = 0
    resize: str = "crop"  # "distort": squeezed into the frame, as the web UI does
    buckets: bool = False  # pictures keep their aspect: a few sizes of about width × height pixels
    bucket_step: int = 0  # pixels; 0: what the base model needs
    bucket_min: int = 0  # pixels of the shorter side; 0: half the frame's
    bucket_max: int = 0  # pixels of the longer side; 0: twice the frame's
    flip: bool = False  # every picture also mirrored, by chance
    use_weight: bool = False  # transparency as loss weight
    cache: str = ""  # folder of encoded pictures and captions, kept from run to run; empty: none
    clip_skip: int = 1  # web UI's numbering
    data_changed_ok: bool = False

    # judged while it runs
    validation: float = 0.0  # held-out pictures: a count, or a share below 1
    validate_every: int = 0  # steps; 0: with every checkpoint
    preview_prompts: tuple[str, ...] = ()  # empty: the captions of two training pictures
    preview_seed: int = 1
    preview_steps: int = 20
    preview_cfg: float = 7.0
    preview_sampler: str = "Euler a"
    preview_scheduler: str = "Automatic"  # the sampler's own, as in web UI 1.9 and 1.10
    preview_noise: str = "cpu"  # "nv": an NVIDIA card's, on any machine
    preview_sheet: bool = False  # all prompts of a step in one picture, beside the single ones
    preview_negative_prompt: str = ""  # networks previewed with one give garbage without it (G25)

    version: int = VERSION
    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)  # keys that were not left to default

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.out / self.name


_DEFAULTS = Config()
KEYS = tuple(f.name for f in fields(Config) if f.name != "given")
_CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "activation": tuple(name for name in ACTIVATIONS if name not in ("multiheadattention", "threshold", "glu")),
        "weight_init": tuple(INITIALISATIONS),
        "clip_grad_mode": ("disabled", "value", "norm"),
        "precision": ("fp32", "bf16", "fp16"),
        "lr_scheduler": tuple(SHAPES),
        "latent_sampling": ("once", "deterministic", "random"),
        "resize": ("crop", "distort"),
        "prediction_type": ("auto", "epsilon", "v_prediction"),
        "emphasis": EMPHASES,
        "preview_noise": ("cpu", "nv"),
    }
)
_AT_LEAST: Mapping[str, float] = MappingProxyType(
    {
        "steps": 1, "batch_size": 1, "gradient_step": 1, "clip_skip": 1, "preview_steps": 1, "repeats": 1,
        "bucket_step": 0, "bucket_min": 0, "bucket_max": 0,
        "save_every": 0, "image_every": 0, "csv_every": 0, "keep_last": 0, "keep_every": 0, "keep_first": 0,
        "width": 0, "height": 0, "validation": 0, "validate_every": 0, "weight_decay": 0, "preview_cfg": 0,
        "tag_drop_out": 0, "caption_drop_out": 0, "seed": 0, "preview_seed": 0,
        "lr_warmup_steps": 0, "lr_num_cycles": 1, "lr_min_ratio": 0, "ema": 0, "min_snr_gamma": 0, "noise_offset": 0,
        "min_timestep": 0, "max_timestep": 0,
    }
)  # fmt: skip


def load_config(path: str | Path | None = None, overrides: Mapping[str, object] | None = None) -> Config:
    """The configuration of a TOML file, with options on top.

    Paths in the file count from the file's folder (inputs that are not there, from the working folder); paths in
    `overrides` from the working folder.  Their values may be text, as a command line gives it; None: not given.
    Without a name the network is called as the file is.  Raises `TrainerError`, in one line, for an unknown key (the
    nearest right one is named) or an impossible value.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _anchored(_checked(_read(Path(path)), f"{path}"), Path(path).parent)
        values.setdefault("name", Path(path).stem)
    values |= {key: value for key, value in _checked(overrides or {}, "option").items() if value is not None}
    given = frozenset(values)
    if values.get("base_model", POCKET) != POCKET:
        values = {"learn_rate": SD_LEARN_RATE, "steps": SD_STEPS} | values
    if values.get("optimizer") in OWN_RATE and "learn_rate" not in given:
        values["learn_rate"] = "1"
    config = replace(Config(given=given), **values)
    check(config)
    return config


def check(config: Config) -> None:
    """Raise `TrainerError` for the first setting that cannot work, without looking at any file."""
    _check_name(config.name)
    if config.data == Path():
        raise TrainerError('data is not set: name the folder of the training pictures, data = "…"')
    for key, choices in _CHOICES.items():
        if getattr(config, key) not in choices:
            raise TrainerError(_no_choice(key, getattr(config, key), choices))
    for key, least in _AT_LEAST.items():
        if not getattr(config, key) >= least:
            raise TrainerError(f"{key} = {getattr(config, key)}: must be {least:g} or more")
    for key in ("tag_drop_out", "caption_drop_out"):
        if getattr(config, key) > 1:
            raise TrainerError(f"{key} = {getattr(config, key)}: is a probability, from 0 to 1")
    for key in ("width", "height", "bucket_step", "bucket_min", "bucket_max"):
        if getattr(config, key) % 8:
            raise TrainerError(f"{key} = {getattr(config, key)}: must be a multiple of 8 pixels")
    try:
        parse_structure(config.layer_structure)
        strict_schedule(config.learn_rate, config.steps)
        if config.clip_grad_mode != "disabled":
            strict_schedule(config.clip_grad_value, config.steps)
        _check_course(config)
    except ValueError as error:
        raise TrainerError(str(error)) from None


def _check_course(config: Config) -> None:
    if not config.lr_warmup_steps < config.steps:
        raise ValueError(f"lr_warmup_steps = {config.lr_warmup_steps}: must be fewer than steps = {config.steps}")
    if config.lr_min_ratio > 1:
        raise ValueError(f"lr_min_ratio = {config.lr_min_ratio}: is a share of the rate, from 0 to 1")
    if config.ema >= 1:
        raise ValueError(f"ema = {config.ema}: is a decay, below 1; 0.999 is usual")
    if config.ema and config.optimizer.endswith("ScheduleFree"):
        raise ValueError(f'ema = {config.ema}: optimizer "{config.optimizer}" averages by itself; leave ema out')


def to_toml(config: Config) -> str:
    """The configuration, complete, as a TOML file that `load_config` reads back to the same."""
    return "".join(f"{key} = {literal(getattr(config, key))}\n" for key in KEYS)


def absolute(config: Config) -> Config:
    """The same with paths that hold wherever it is read from."""
    base = config.base_model
    if base != POCKET and not name_of(base):
        base = str(Path(base).absolute())
    others: dict[str, Any] = {key: str(Path(path).absolute()) for key in PATH_TEXTS if (path := getattr(config, key))}
    template = (str(Path(config.template[0]).absolute()),) if names_a_file(config.template) else config.template
    data, out = config.data.absolute(), config.out.absolute()
    return replace(config, data=data, out=out, base_model=base, template=template, **others)


def names_a_file(template: tuple[str, ...]) -> bool:
    """Whether a template is the path of a text file, not lines."""
    return len(template) == 1 and "[" not in template[0] and Path(template[0]).suffix.lower() == ".txt"


def as_dict(config: Config) -> dict[str, Any]:
    """The configuration in plain JSON values."""
    values = ((key, getattr(config, key)) for key in KEYS)
    return {key: str(v) if isinstance(v, Path) else list(v) if isinstance(v, tuple) else v for key, v in values}


def _check_name(name: str) -> None:
    bad = sorted(set(name) & set(FORBIDDEN_IN_NAMES))
    if bad:
        what = "the web UI cuts a name there" if bad[0] == "(" else "it cannot stand in a file name"
        raise TrainerError(f'name "{name}" has "{bad[0]}" in it: {what}; use letters, digits, . _ and -')
    if not name.strip(". ") or name != name.strip() or any(ord(mark) < 32 for mark in name):
        raise TrainerError(f'name "{name}": give the network a name of letters, digits, . _ and -')


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise TrainerError(f"{path}: there is no such file; name a configuration in TOML") from None
    except OSError as error:
        raise TrainerError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainerError(f"{path}: is not TOML: {error}") from None


def _checked(values: Mapping[str, object], where: str) -> dict[str, Any]:
    """Values by known key, each in its key's type."""
    for key in values:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.4)
            hint = f'; did you mean "{near[0]}"?' if near else f"; known are {', '.join(KEYS)}"
            raise TrainerError(f'{where}: unknown key "{key}"{hint}')
    checked = {key: None if value is None else _convert(key, value, where) for key, value in values.items()}
    if checked.get("version", VERSION) != VERSION:
        raise TrainerError(f"{where}: version {checked['version']} is not known; this program reads version {VERSION}")
    return checked


def _convert(key: str, value: object, where: str) -> object:
    kind = KINDS["integers" if key == "sizes" else type(getattr(_DEFAULTS, key)).__name__]
    try:
        return kind.convert(value)
    except (TypeError, ValueError):
        raise TrainerError(f"{where}: {key} = {value!r}: must be {kind.said}") from None


def _anchored(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Relative paths of a file counted from the file's own folder."""
    for key in ("data", "out"):
        if key in values:
            values[key] = _from(folder, values[key], must_exist=key == "data")
    if (base := values.get("base_model", POCKET)) != POCKET:
        values["base_model"] = base if name_of(base) else str(_from(folder, Path(base).expanduser()))
    for key in PATH_TEXTS:
        if values.get(key):
            values[key] = str(_from(folder, Path(values[key]).expanduser(), must_exist=key != "cache"))
    if names_a_file(values.get("template", ())):
        values["template"] = (str(_from(folder, Path(values["template"][0]))),)
    return values


def _from(folder: Path, path: Path, must_exist: bool = True) -> Path:
    anchored = folder / path
    return path if must_exist and not anchored.exists() and path.exists() else anchored


def _no_choice(key: str, value: str, choices: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(value, choices, n=1, cutoff=0.4)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f'{key} = "{value}": must be one of {", ".join(choices)}{hint}'
