"""The base model: UNet, VAE, text encoder and noise levels of a diffusers folder or of a single file, frozen."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from hndoctor.formats.hashes import short_hash
from trainer import hub, single_file
from trainer.config import POCKET, Config
from trainer.diffusion import context_sizes
from trainer.errors import TrainerError, first_line
from trainer.quiet import quiet
from trainer.sampler import NoiseSchedule
from trainer.velocity import predicts_velocity

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
UNET_WEIGHTS = tuple(f"diffusion_pytorch_model{end}" for end in (".safetensors", ".fp16.safetensors", ".bin"))
NOISE_KEYS = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type")
VELOCITY = "v_prediction"
V_NATIVE = 96  # latents along a side of the 768-pixel models of Stable Diffusion 2, all of which predict velocity


@dataclass(frozen=True)
class Options:
    """What of a base model is chosen by hand."""

    vae: str = ""  # a folder or file that replaces its own
    base_config: str = ""  # a folder with the configurations and the tokenizer of a single file
    prediction_type: str = "auto"

    @classmethod
    def of(cls, config: Config) -> Options:
        """As a configuration has them."""
        return cls(config.vae, config.base_config, config.prediction_type)


@dataclass
class BaseModel:
    """What a training needs of a base model.  `vae` and `text_encoder` become None once they are no longer needed."""

    name: str
    hash: str | None  # ten hex digits: of the UNet file's SHA-256, of the whole file's if it is a single one
    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    schedule: NoiseSchedule
    device: torch.device
    vae_name: str | None = None  # of the VAE that replaces its own

    @property
    def sizes(self) -> tuple[int, ...]:
        """Context widths, cross-attention first."""
        return context_sizes(self.unet)

    @property
    def factor(self) -> int:
        """Pixels to a latent, along each side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def native_size(self) -> int:
        """The side in pixels it was trained at."""
        return int(self.unet.config.sample_size) * self.factor

    @property
    def grid(self) -> int:
        """Pixels of which a picture's sides must be multiples."""
        return int(self.factor * 2 ** (len(self.unet.config.block_out_channels) - 1))


def locate(base_model: str) -> Path:
    """The diffusers folder or the single file that a configuration names; fetched if it is a name of the hub.

    Raises `TrainerError` if there is none, or if it is not whole.
    """
    if base_model != POCKET and (name := hub.name_of(base_model)):
        return folder(str(hub.fetch(name)))
    path = Path(base_model)
    if base_model != POCKET and path.is_file():
        if path.suffix.lower() not in single_file.SUFFIXES:
            raise TrainerError(f'base_model "{base_model}": not a model; name a folder, a .safetensors or a .ckpt')
        return path
    return folder(base_model)


def folder(base_model: str) -> Path:
    """A diffusers folder by its path, or the pocket model's; raises `TrainerError` if it is not a whole one."""
    path = _pocket() if base_model == POCKET else Path(base_model)
    if not path.exists():
        raise TrainerError(
            f'base_model "{base_model}": no such folder or file; name a diffusers folder, a .safetensors, a .ckpt, '
            f'"{POCKET}", or "hub:owner/name" to fetch one'
        )
    missing = [part for part in PARTS if not (path / part).is_dir()]
    if missing:
        raise TrainerError(f'base_model "{base_model}": not a whole diffusers folder, {", ".join(missing)} missing')
    return path


def _pocket() -> Path:
    try:
        pocket = import_module("trainer.pocket")
    except ImportError:
        raise TrainerError(f'base_model "{POCKET}": not in this installation; name a diffusers folder') from None
    return Path(pocket.path())


def part_config(path: Path, part: str) -> dict[str, Any]:
    """The configuration of one part of a folder, without loading any weights."""
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    try:
        found = json.loads((path / part / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError(f"{path / part / name}: cannot be read ({error}); the base model is not whole") from None
    return dict(found)


def sizes_of(path: Path, base_config: str = "") -> tuple[int, ...]:
    """The context widths of a base model from its configuration alone."""
    from diffusers import UNet2DConditionModel

    config = _file(path, base_config).config("unet") if path.is_file() else part_config(path, "unet")
    with torch.device("meta"):
        return context_sizes(UNet2DConditionModel.from_config(config))


def _file(path: Path, base_config: str) -> single_file.SingleFile:
    return single_file.open_file(path, Path(base_config) if base_config else None)


# --- loading ----------------------------------------------------------------------------------------------------------


def load(
    base_model: str, device: torch.device, dtype: torch.dtype = torch.float32, options: Options | None = None
) -> BaseModel:
    """Load and freeze a base model; nothing is fetched but by its hub name.  `dtype` is the UNet's."""
    path, options = locate(base_model), options or Options()
    try:
        with quiet():
            base = _from_file(path, device, dtype, options) if path.is_file() else _from_folder(path, device, dtype)
            if options.vae:
                base.vae, base.vae_name = _other_vae(Path(options.vae), base, path, options), Path(options.vae).name
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        if isinstance(error, TrainerError):
            raise
        raise TrainerError(f'base_model "{base_model}": cannot be loaded: {first_line(error)[:300]}') from None
    finally:
        single_file.close_files()
    if base_model == POCKET:
        base.name = POCKET
    for model in (base.unet, base.vae, base.text_encoder):
        model.requires_grad_(False).eval().to(device)
    if options.prediction_type != "auto":
        base.schedule = replace(base.schedule, v_prediction=options.prediction_type == VELOCITY)
    return base


def _from_folder(path: Path, device: torch.device, dtype: torch.dtype) -> BaseModel:
    unet, vae, text_encoder, tokenizer = _load_parts(path, dtype)
    schedule = noise_schedule(part_config(path, "scheduler"), path)
    return BaseModel(path.resolve().name, unet_hash(path), unet, vae, text_encoder, tokenizer, schedule, device)


def _load_parts(path: Path, dtype: torch.dtype) -> tuple[Any, Any, Any, Any]:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    def part(kind: Any, name: str, wanted: torch.dtype) -> Any:
        halves = any((path / name).glob("*.fp16.*")) and not any((path / name).glob("*model.safetensors"))
        variant = "fp16" if halves else None
        return kind.from_pretrained(path, subfolder=name, local_files_only=True, variant=variant).to(wanted)

    return (
        part(UNet2DConditionModel, "unet", dtype),
        part(AutoencoderKL, "vae", torch.float32),  # half precision overflows in some VAEs
        part(CLIPTextModel, "text_encoder", torch.float32),
        CLIPTokenizer.from_pretrained(path, subfolder="tokenizer", local_files_only=True),
    )


def _from_file(path: Path, device: torch.device, dtype: torch.dtype, options: Options) -> BaseModel:
    file = _file(path, options.base_config)
    unet = single_file.load_unet(file, dtype).eval()
    vae = None if options.vae else single_file.load_vae(file)
    text_encoder, tokenizer = single_file.load_text_encoder(file), single_file.load_tokenizer(file)
    schedule = noise_schedule(file.config("scheduler"), file.configs)
    velocity = file.says_v()
    if velocity is None and file.open_clip and not options.base_config:
        velocity = predicts_velocity(unet)
        if velocity:
            unet.register_to_config(sample_size=V_NATIVE)
    if velocity is not None:
        schedule = replace(schedule, v_prediction=velocity)
    return BaseModel(path.stem, file.hash, unet, vae, text_encoder, tokenizer, schedule, device)


def _other_vae(other: Path, base: BaseModel, path: Path, options: Options) -> Any:
    from diffusers import AutoencoderKL

    if other.is_dir():
        inner = other / "vae" if (other / "vae" / "config.json").is_file() else other
        return AutoencoderKL.from_pretrained(inner, local_files_only=True).to(torch.float32)
    if not other.is_file():
        raise TrainerError(f'vae "{other}": no such file or folder; name a VAE, or leave vae out')
    if path.is_file():
        return single_file.load_vae_file(other, _file(path, options.base_config).config("vae"))
    return single_file.load_vae_file(other, base.vae.config)


def noise_schedule(config: dict[str, Any], path: Path) -> NoiseSchedule:
    """The noise levels that a scheduler's configuration names."""
    from diffusers import DDPMScheduler

    kept = {key: config[key] for key in NOISE_KEYS if key in config}
    kind = kept.get("prediction_type", "epsilon")
    if kind not in ("epsilon", VELOCITY):
        raise TrainerError(f"{path}: prediction type {kind!r} is not known; it must be epsilon or v_prediction")
    return NoiseSchedule(DDPMScheduler(**kept).alphas_cumprod.double(), kind == VELOCITY)


def unet_hash(path: Path) -> str | None:
    """The hash that stands for a base model in every file written: of its UNet's weights."""
    found = next((path / "unet" / name for name in UNET_WEIGHTS if (path / "unet" / name).is_file()), None)
    return short_hash(found) if found else None


def choose_device(name: str) -> torch.device:
    """ "auto" is the fastest there is; anything else torch's name for it."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainerError(f'device "{name}": cannot be used: {first_line(error)}; use "auto" or "cpu"') from None
    return device
