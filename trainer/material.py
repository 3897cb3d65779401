"""Pictures and captions made ready: through the VAE and the text encoder once, then both are let go (G12)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from trainer import buckets
from trainer.base import BaseModel
from trainer.cache import Cache
from trainer.config import Config
from trainer.data import Batch, TrainingData, plain_text, split, template_lines
from trainer.events import Event, Notice
from trainer.latents import Latents, View, encode
from trainer.masks import weight_map
from trainer.pictures import Picture, PictureSet
from trainer.preview import default_prompts
from trainer.prompt import TextEncoder
from trainer.texts import TEXT_CACHE_BYTES, Texts
from trainer.validation import items


@dataclass(frozen=True)
class Material:
    """Encoded pictures and captions."""

    data: TrainingData
    held_out: tuple[Picture, ...]
    held_out_latents: Latents
    held_out_weights: tuple[Tensor | None, ...]
    texts: Texts
    prompts: tuple[str, ...]
    size: tuple[int, int]


def prepare(base: BaseModel, pictures: PictureSet, config: Config) -> Generator[Event, None, Material]:
    """Encode everything; what the cache folder has is taken from there."""
    cache = Cache(Path(config.cache) if config.cache else None)
    train, held_out = split(pictures.pictures, config)
    views = _views(train, config, base, config.flip)
    apart = _views(held_out, config, base, False)
    if config.buckets or config.varsize:
        once = views[: len(train)]
        counts = [view.picture.repeats for view in once]
        yield Notice(f"sizes: {buckets.in_words([view.size for view in once], counts)} samples an epoch")
    weights = [_weight(view, config, base) for view in (*views, *apart)]
    latents = yield from _latents(base, [*views, *apart], config, cache)
    count = len(views)
    own = latents.part(0, count).chosen(config.latent_sampling, config.seed, [view.name for view in views])
    texts = _texts(base, config, cache)
    if texts.encoder and texts.encoder.clip_skip != config.clip_skip:
        yield Notice(f"clip_skip = {config.clip_skip} has no effect on Stable Diffusion 2, as in the web UI")
    data = TrainingData(train, own, texts, config, len(base.schedule.alphas), weights[:count])
    prompts = yield from _learn(base, data, held_out, config)
    _park_vae(base)
    yield from (Notice(text) for text in cache.notices())
    held_latents = latents.part(count, len(latents.mean))
    return Material(data, held_out, held_latents, tuple(weights[count:]), texts, prompts, buckets.frame(config, base))


def items_of(
    base: BaseModel, pictures: Sequence[Picture], config: Config
) -> Generator[Event, None, list[Batch]]:
    """Items of pictures that are measured and not trained on; the base model keeps its UNet alone."""
    cache = Cache(Path(config.cache) if config.cache else None)
    views = _views(pictures, config, base, False)
    weights = [_weight(view, config, base) for view in views]
    latents = yield from _latents(base, views, config, cache)
    texts, template = _texts(base, config, cache), template_lines(config)
    told = [plain_text(template, picture, config.name) for picture in pictures]
    yield from texts.learn(told)
    base.vae = base.text_encoder = None
    yield from (Notice(text) for text in cache.notices())
    context = [texts.batch([text])[0] for text in told]
    names = [picture.name for picture in pictures]
    return items(latents.mean, context, names, len(base.schedule.alphas), config.seed, weights)


def _texts(base: BaseModel, config: Config, cache: Cache) -> Texts:
    encoder = TextEncoder(base.tokenizer, base.text_encoder, config.clip_skip, config.emphasis, config.comma_backtrack)
    return Texts(encoder, cache)


def _views(pictures: Sequence[Picture], config: Config, base: BaseModel, flip: bool) -> list[View]:
    """Every picture at its size; after all of them the mirrored ones."""
    sizes = buckets.sizes_for(pictures, config, base)
    pairs = list(zip(pictures, sizes, strict=True))
    return [View(*pair, flipped) for flipped in ((False, True) if flip else (False,)) for pair in pairs]


def _weight(view: View, config: Config, base: BaseModel) -> Tensor | None:
    if not config.use_weight:
        return None
    weight = weight_map(view.picture.path, view.size, base.factor, config.resize == "distort")
    if weight is None:
        return None
    return (weight.flip(-1) if view.flipped else weight).to(base.device)


def _latents(
    base: BaseModel, views: Sequence[View], config: Config, cache: Cache
) -> Generator[Event, None, Latents]:
    for told in encode(base, views, config.resize == "distort", cache):
        if isinstance(told, Latents):
            return told
        yield told
    raise AssertionError("the latents come last")


def _learn(
    base: BaseModel, data: TrainingData, held_out: Sequence[Picture], config: Config
) -> Generator[Event, None, tuple[str, ...]]:
    """Encode the captions, all that can come if they are not too many; gives the prompts of the previews."""
    texts, train = data.texts, data.pictures
    prompts = config.preview_prompts or default_prompts([data.plain_text(picture) for picture in train])
    fixed = [*prompts, config.preview_negative_prompt, *(data.plain_text(p) for p in (*train, *held_out))]
    possible = data.possible_texts()
    all_known = possible is not None and texts.bytes_of(len(set(possible))) <= TEXT_CACHE_BYTES
    yield from texts.learn([*fixed, *(possible or [])] if all_known else fixed)
    if all_known:
        texts.close()
        base.text_encoder = None
    return prompts


def _park_vae(base: BaseModel) -> None:
    """The encoder has done its work; the decoder waits outside the device's memory for the previews."""
    base.vae.encoder = None
    base.vae.quant_conv = None
    if base.device.type != "cpu":
        base.vae.to("cpu")
