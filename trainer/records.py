"""What a run says of itself: `run.json`, and the web UI's settings file."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainer.base import BaseModel
from trainer.config import as_dict
from trainer.events import Plan
from trainer.loop import Course
from trainer.pictures import Picture, PictureSet

RUN_VERSION = 1  # of run.json


def run_json(
    course: Course,
    plan: Plan,
    base: BaseModel,
    pictures: PictureSet,
    held_out: Sequence[Picture],
    before: Mapping[str, Any],
    resumed_from: str | None,
) -> dict[str, Any]:
    """How the run was made and with what; `before` is what it said when it was resumed."""
    resumed = list(before.get("resumed_at", []))
    if resumed_from is not None:
        earlier = before.get("data", {}).get("fingerprint", pictures.fingerprint)
        resumed.append({"step": plan.start, "fingerprint": earlier, "checkpoint": resumed_from})
    return {
        "version": RUN_VERSION,
        "started": before.get("started", datetime.now(UTC).isoformat(timespec="seconds")),
        "config": as_dict(course.config),
        "base_model": {
            "name": base.name,
            "hash": base.hash,
            "vae": base.vae_name,
            "prediction_type": "v_prediction" if base.schedule.v_prediction else "epsilon",
        },
        "network": {"parameters": plan.parameters, "sizes": list(course.network.sizes)},
        "data": {
            "fingerprint": pictures.fingerprint,
            "images": plan.pictures,
            "pictures": pictures.listing(),
            "held_out": [picture.name for picture in held_out],
            "skipped": [list(one) for one in pictures.skipped],
        },
        "resumed_at": resumed,
        "device": str(base.device),
        "python": platform.python_version(),
    }


def webui_settings(course: Course, plan: Plan, base: BaseModel, folder: Path, size: tuple[int, int]) -> dict[str, Any]:
    """The keys of the web UI's `settings-<date>.json` (web UI, `save_settings_to_file`)."""
    config, network = course.config, course.network
    return {
        "model_name": base.name,
        "model_hash": base.hash,
        "num_of_dataset_images": plan.pictures,
        "hypernetwork_name": config.name,
        "layer_structure": network.layer_structure,
        "activation_func": network.activation_func or "linear",
        "weight_init": network.weight_initialization,
        "add_layer_norm": network.is_layer_norm,
        "use_dropout": network.use_dropout,
        "learn_rate": config.learn_rate,
        "batch_size": config.batch_size,
        "gradient_step": config.gradient_step,
        "data_root": str(config.data),
        "log_directory": str(folder),
        "training_width": size[0],
        "training_height": size[1],
        "steps": config.steps,
        "clip_grad_mode": config.clip_grad_mode,
        "clip_grad_value": config.clip_grad_value,
        "latent_sampling_method": config.latent_sampling,
        "create_image_every": config.image_every,
        "save_hypernetwork_every": config.save_every,
        "template_file": config.template[0] if len(config.template) == 1 else list(config.template),
        "initial_step": plan.start,
    }
