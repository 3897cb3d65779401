"""Base models in one file: told apart, read without unpickling, and the same numbers as from a folder."""

from __future__ import annotations

import pickle
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hndoctor.formats.hashes import short_hash
from trainer import base, hub, ldm, models, single_file
from trainer.base import Options
from trainer.config import POCKET, Config, absolute, load_config, to_toml
from trainer.errors import TrainerError
from trainer.events import Finished, Stepped
from trainer.export_ldm import export, original
from trainer.prompt import TextEncoder
from trainer.session import plan, train
from trainer.velocity import predicts_velocity

CPU = torch.device("cpu")
PARTS = ("unet", "vae", "text_encoder")
Change = Callable[..., Config]


@pytest.fixture(scope="module")
def file(pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pipeline as one file."""
    return export(str(pipeline), tmp_path_factory.mktemp("single") / "tiny.safetensors")


def same(a: Any, b: Any) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_a_file_gives_bit_for_bit_the_weights_of_the_folder(pipeline: Path, tmp_path: Path, suffix: str) -> None:
    path = export(str(pipeline), tmp_path / f"model{suffix}")
    folder = base.load(str(pipeline), CPU)
    single = base.load(str(path), CPU, options=Options(base_config=str(pipeline)))
    assert all(same(getattr(folder, part), getattr(single, part)) for part in PARTS)
    assert (single.name, single.hash, single.sizes) == ("model", short_hash(path), folder.sizes)
    assert torch.equal(single.schedule.alphas, folder.schedule.alphas)
    assert base.sizes_of(path, str(pipeline)) == folder.sizes
    assert not any(parameter.requires_grad for parameter in single.unet.parameters())


def test_training_from_a_file_takes_the_losses_of_the_folder(changed: Change, file: Path, pipeline: Path) -> None:
    def losses(config: Config) -> list[float]:
        events = list(train(config))
        assert isinstance(events[-1], Finished)
        return [event.loss for event in events if isinstance(event, Stepped)]

    single = changed(base_model=str(file), base_config=str(pipeline), steps=3, name="single")
    assert losses(single) == losses(changed(steps=3))
    assert plan(single).sizes == plan(changed()).sizes
    state = torch.load(single.run / "hypernetworks" / "single.pt", weights_only=True)
    assert (state["sd_checkpoint"], state["sd_checkpoint_name"]) == (short_hash(file), "tiny")


def test_the_pocket_model_is_recognised_in_a_file(tmp_path: Path) -> None:
    path = export(POCKET, tmp_path / "p.safetensors", torch.float16)
    folder, single = base.load(POCKET, CPU), base.load(str(path), CPU)
    assert all(same(getattr(folder, part), getattr(single, part)) for part in PARTS)
    assert single.native_size == 128


# --- names, against diffusers' own conversion -------------------------------------------------------------------------


def big(**changes: Any) -> Any:
    """A UNet of Stable Diffusion's depth and little width."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(
        **{"sample_size": 8, "block_out_channels": (8, 16, 16, 16), "layers_per_block": 2, "norm_num_groups": 4,
           "cross_attention_dim": 12, "attention_head_dim": 4} | changes
    )  # fmt: skip


@pytest.mark.parametrize("linear", [False, True])
def test_unet_names_are_those_that_diffusers_reads(linear: bool) -> None:
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    unet = big(use_linear_projection=linear)
    state = unet.state_dict()
    names = ldm.unet_names(unet.config, iter(state))
    assert len(set(names.values())) == len(names)
    converted = convert_ldm_unet_checkpoint({name: state[key] for key, name in names.items()}, dict(unet.config))
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[key], state[key]) for key in state)


def test_vae_names_are_those_that_diffusers_reads(pipeline: Path) -> None:
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    model = base.load(str(pipeline), CPU)
    tensors = {name: tensor for name, tensor in original(model).items() if name.startswith(ldm.VAE)}
    converted, state = convert_ldm_vae_checkpoint(tensors, dict(model.vae.config)), model.vae.state_dict()
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[key].reshape(state[key].shape), state[key]) for key in state)
    assert tensors["first_stage_model.decoder.mid.attn_1.q.weight"].dim() == 4


def open_clip() -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=9, hidden_act="gelu",
    )).eval()  # fmt: skip


def test_open_clip_names_are_those_that_diffusers_reads() -> None:
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    model = open_clip()
    fake = types.SimpleNamespace(unet=torch.nn.Module(), text_encoder=model)
    from trainer.export_ldm import _text

    tensors = dict(_text(fake.text_encoder))
    twin = convert_open_clip_checkpoint(model, dict(tensors), prefix=ldm.OPEN_CLIP)
    state = {key: value for key, value in model.state_dict().items() if not key.endswith("position_ids")}
    keys = [key.removeprefix("text_model.") for key in state]
    for key, own in zip(keys, state.values(), strict=True):
        found = twin.get(f"text_model.{key}", twin.get(key))
        assert torch.equal(found, own), key


def test_the_shipped_configurations_have_the_tensors_of_stable_diffusion() -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    for kind, projection, layers in (("sd1", 4, 12), ("sd2", 2, 23)):
        file = single_file.SingleFile(Path("x.ckpt"), {}, "", models.path(kind))
        with torch.device("meta"):
            unet = UNet2DConditionModel.from_config(file.config("unet"))
            vae = AutoencoderKL.from_config(file.config("vae"))
            text = CLIPTextModel(CLIPTextConfig(**file.config("text_encoder")))
        state = unet.state_dict()
        shapes = {name: tuple(state[key].shape) for key, name in ldm.unet_names(unet.config, iter(state)).items()}
        assert len(shapes) == 686  # as published checkpoints have them
        assert shapes["model.diffusion_model.output_blocks.5.2.conv.weight"] == (1280, 1280, 3, 3)
        assert shapes["model.diffusion_model.output_blocks.2.1.conv.weight"] == (1280, 1280, 3, 3)
        assert len(shapes["model.diffusion_model.input_blocks.1.1.proj_in.weight"]) == projection
        own = ldm.vae_names(vae.config, iter(vae.state_dict()))
        assert len(own) == 248
        assert "first_stage_model.decoder.up.3.upsample.conv.weight" in own.values()
        assert text.config.num_hidden_layers == layers
        width = text.config.hidden_size
        assert shapes["model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight"] == (1280, width)
        assert single_file._SHAPES[320, width] == kind


# --- told apart -------------------------------------------------------------------------------------------------------

INPUT, CONTEXT = single_file._INPUT, single_file._CONTEXT


def fake(path: Path, tensors: Mapping[str, tuple[int, ...]]) -> Path:
    save_file({name: torch.zeros(shape, dtype=torch.float16) for name, shape in tensors.items()}, path)
    return path


@pytest.mark.parametrize(("width", "kind"), [(768, "sd1"), (1024, "sd2")])
def test_stable_diffusion_1_and_2_are_told_by_their_shapes(tmp_path: Path, width: int, kind: str) -> None:
    path = fake(tmp_path / "m.safetensors", {INPUT: (320, 4, 3, 3), CONTEXT: (8, width)})
    assert single_file.open_file(path).configs == models.path(kind)
    assert base.sizes_of(path) == (width, 320, 640, 1280)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({INPUT: (320, 9, 3, 3), CONTEXT: (8, 768)}, "is an inpainting model"),
        ({INPUT: (320, 4, 3, 3), "conditioner.embedders.1.model.ln_final.weight": (4,)}, "is Stable Diffusion XL"),
        ({"lora.weight": (4,)}, "is no Stable Diffusion"),
        ({INPUT: (64, 4, 3, 3), CONTEXT: (8, 33)}, "name a diffusers folder with its configurations"),
        ({INPUT: (320, 4, 3, 3), CONTEXT: (8, 768)}, "684 of 686 tensors are not in it"),
    ],
)
def test_what_cannot_be_trained_on_is_said_in_one_line(
    tmp_path: Path, tensors: dict[str, tuple[int, ...]], said: str
) -> None:
    path = fake(tmp_path / "m.safetensors", tensors)
    with pytest.raises(TrainerError, match=said) as caught:
        base.load(str(path), CPU)
    assert "\n" not in str(caught.value)


def test_a_file_cut_short_and_a_file_of_no_model_are_refused(file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(TrainerError, match="cut short"):
        base.load(str(cut), CPU)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(TrainerError, match="not a model"):
        base.locate(str(tmp_path / "notes.txt"))


def test_a_checkpoint_is_never_unpickled_freely(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (trap,)

    torch.save({"state_dict": {INPUT: torch.zeros(1)}, "evil": Trap()}, tmp_path / "evil.ckpt")
    with pytest.raises(TrainerError, match="would import") as caught:
        base.load(str(tmp_path / "evil.ckpt"), CPU)
    assert "is not used" in str(caught.value)
    assert not trap.exists()


def test_an_old_checkpoint_with_its_training_state_is_read(
    file: Path, pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CompVis' own files list Lightning's callbacks by their class."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    for part in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    kind = type("ModelCheckpoint", (), {"__module__": name})
    monkeypatch.setattr(sys.modules[name], "ModelCheckpoint", kind, raising=False)
    whole = {"epoch": 6, "global_step": 470000, "callbacks": {kind: {"best_model_path": None}},
             "state_dict": load_file(file), "lr_schedulers": []}  # fmt: skip
    assert pickle.dumps(kind)
    path = tmp_path / "old.ckpt"
    torch.save(whole, path)
    loaded = base.load(str(path), CPU, options=Options(base_config=str(pipeline)))
    assert same(loaded.unet, base.load(str(pipeline), CPU).unet)


def test_names_of_old_merges_are_understood(file: Path, pipeline: Path, tmp_path: Path) -> None:
    tensors = load_file(file)
    moved = {name.replace(ldm.CLIP, "cond_stage_model.transformer."): tensor for name, tensor in tensors.items()}
    save_file(moved, tmp_path / "m.safetensors")
    loaded = base.load(str(tmp_path / "m.safetensors"), CPU, options=Options(base_config=str(pipeline)))
    assert same(loaded.text_encoder, base.load(str(pipeline), CPU).text_encoder)


# --- another VAE ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["prefixed", "bare", "diffusers", "folder", "vae.pt"])
def test_another_vae_takes_the_place_of_its_own(file: Path, pipeline: Path, tmp_path: Path, form: str) -> None:
    tensors = {k: v + 1 for k, v in load_file(file).items() if k.startswith(ldm.VAE)}
    bare = {name.removeprefix(ldm.VAE): tensor for name, tensor in tensors.items()}
    other = base.load(str(pipeline), CPU).vae
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    path = tmp_path / f"other.{'vae.pt' if form == 'vae.pt' else 'safetensors'}"
    if form == "folder":
        path = tmp_path / "other"
        other.save_pretrained(path)
    elif form == "vae.pt":
        torch.save({"state_dict": bare | {"loss.logvar": torch.zeros(())}}, path)
    else:
        save_file({"prefixed": tensors, "bare": bare, "diffusers": dict(other.state_dict())}[form], path)
    for model, options in (
        (pipeline, Options(vae=str(path))),
        (file, Options(vae=str(path), base_config=str(pipeline))),
    ):
        loaded = base.load(str(model), CPU, options=options)
        assert same(loaded.vae, other)
        assert loaded.vae_name == path.name


def test_a_file_without_a_vae_asks_for_one(file: Path, pipeline: Path, tmp_path: Path) -> None:
    tensors = load_file(file)
    pruned, vae = tmp_path / "pruned.safetensors", tmp_path / "vae.safetensors"
    save_file({k: v for k, v in tensors.items() if not k.startswith(ldm.VAE)}, pruned)
    save_file({k: v for k, v in tensors.items() if k.startswith(ldm.VAE)}, vae)
    with pytest.raises(TrainerError, match="has no VAE in it; name one"):
        base.load(str(pruned), CPU, options=Options(base_config=str(pipeline)))
    assert base.load(str(pruned), CPU, options=Options(str(vae), str(pipeline))).vae is not None
    with pytest.raises(TrainerError, match="no such file or folder"):
        base.load(str(pipeline), CPU, options=Options(vae=str(tmp_path / "none.pt")))


# --- what it predicts -------------------------------------------------------------------------------------------------


def test_velocity_is_told_by_a_mark_a_yaml_or_the_user(file: Path, pipeline: Path, tmp_path: Path) -> None:
    def predicts(path: Path, wanted: str = "auto") -> bool:
        return base.load(str(path), CPU, options=Options("", str(pipeline), wanted)).schedule.v_prediction

    assert not predicts(file)
    assert predicts(file, "v_prediction")
    marked = tmp_path / "marked.safetensors"
    save_file(load_file(file) | {"v_pred": torch.zeros(0)}, marked)
    assert predicts(marked)
    assert not predicts(marked, "epsilon")
    plain = tmp_path / "plain.safetensors"
    plain.write_bytes(file.read_bytes())
    (tmp_path / "plain.yaml").write_text('model:\n  params:\n    parameterization: "v"\n', encoding="utf-8")
    assert predicts(plain)


def test_velocity_is_told_by_what_the_unet_does() -> None:
    """At the last timestep noise prediction gives its input back; velocity is about minus the picture."""

    class Unet(torch.nn.Module):
        config = types.SimpleNamespace(in_channels=4, cross_attention_dim=6)
        dtype, device = torch.float32, CPU

        def __init__(self, shift: float) -> None:
            super().__init__()
            self.shift = shift

        def forward(self, x: torch.Tensor, *_: Any, return_dict: bool = True) -> tuple[torch.Tensor]:
            return (x + self.shift,)

    assert predicts_velocity(Unet(-1.5))
    assert not predicts_velocity(Unet(0.0))


def test_a_stable_diffusion_2_of_little_width_end_to_end(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """open_clip's text encoder, linear projections, CLIP's own vocabulary, the probe: all but the width is SD2's."""
    from transformers import CLIPTextConfig, CLIPTextModel

    made = base.load(str(pipeline), CPU)
    made.unet = big(use_linear_projection=True)
    made.text_encoder = CLIPTextModel(CLIPTextConfig(
        vocab_size=49408, hidden_size=12, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=77, hidden_act="gelu", pad_token_id=0,
    )).eval()  # fmt: skip
    configs, path = tmp_path / "configs", tmp_path / "sd2.safetensors"
    for part in PARTS:
        getattr(made, part).config.save_pretrained(configs / part) if part == "text_encoder" else getattr(
            made, part
        ).save_config(configs / part)
    (configs / "scheduler").mkdir()
    told = (pipeline / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8")
    (configs / "scheduler" / "scheduler_config.json").write_text(told, encoding="utf-8")
    save_file({name: tensor.contiguous() for name, tensor in original(made).items()}, path)
    monkeypatch.setitem(single_file._SHAPES, (8, 12), "sd2")
    monkeypatch.setattr(models, "path", lambda kind, real=models.path: configs if kind == "sd2" else real(kind))
    loaded = base.load(str(path), CPU)
    assert all(same(getattr(loaded, part), getattr(made, part)) for part in PARTS)
    assert (loaded.schedule.v_prediction, loaded.unet.config.sample_size) == (False, 8)
    encoder = TextEncoder(loaded.tokenizer, loaded.text_encoder, clip_skip=2)
    assert (encoder.open_clip, encoder.clip_skip, encoder.pad) == (True, 1, 0)  # the web UI skips nothing there
    assert encoder.encode("a photo of a cat").shape == (77, 12)
    monkeypatch.setattr(base, "predicts_velocity", lambda unet: True)
    again = base.load(str(path), CPU)
    assert (again.schedule.v_prediction, again.unet.config.sample_size) == (True, 96)


def test_a_velocity_model_is_exported_with_its_mark(pipeline: Path) -> None:
    model = base.load(str(pipeline), CPU, options=Options(prediction_type="v_prediction"))
    assert single_file.V_MARK in original(model)


# --- the hub ----------------------------------------------------------------------------------------------------------


def test_a_name_of_the_hub_is_said_to_be_one(tmp_path: Path) -> None:
    assert hub.name_of("hub:a/b") == "a/b"
    for path in ("models/sd15", "someone/model-1.5", "model", "a/b/c", "a/b.safetensors", "./a/b", "/a/b", "C:/a"):
        assert hub.name_of(path) is None, path
    (tmp_path / "x.toml").write_text('data = "d"\nbase_model = "hub:someone/model"\n', encoding="utf-8")
    config = load_config(tmp_path / "x.toml")
    assert (config.base_model, absolute(config).base_model) == ("hub:someone/model", "hub:someone/model")
    with pytest.raises(TrainerError, match="written owner/name"):
        base.locate("hub:model")


def test_nothing_is_fetched_for_a_path_and_offline_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[str] = []

    def offline(name: str, **_: Any) -> str:
        asked.append(name)
        raise ConnectionError("no route to host\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainerError, match=r'no such folder or file.*"hub:owner/name" to fetch'):
        base.locate("someone/model")
    assert not asked
    with pytest.raises(TrainerError, match=r"hub cannot be reached \(no route to host\)") as caught:
        base.locate("hub:someone/model")
    assert asked == ["someone/model"]
    assert "\n" not in str(caught.value)


def test_a_model_of_the_hub_is_loaded_as_a_folder(pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(pipeline))
    hub.fetch.cache_clear()
    assert base.locate("hub:someone/tiny") == pipeline
    hub.fetch.cache_clear()


def test_paths_in_a_file_count_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('data = "d"\nvae = "v.pt"\ncache = "c"\n', encoding="utf-8")
    config = load_config(tmp_path / "x.toml")
    assert (config.vae, config.cache) == (str(tmp_path / "v.pt"), str(tmp_path / "c"))
    (tmp_path / "y.toml").write_text(to_toml(absolute(config)), encoding="utf-8")
    assert load_config(tmp_path / "y.toml") == absolute(config)


# --- text -------------------------------------------------------------------------------------------------------------


def test_the_shipped_vocabulary_is_clips() -> None:
    from trainer import clip_vocabulary

    sentence = "a photo of an astronaut riding a horse"
    known = [320, 1125, 539, 550, 18376, 6765, 320, 4558]  # published
    for open_clip_kind, pad in ((False, 49407), (True, 0)):
        tokenizer = clip_vocabulary.tokenizer(open_clip_kind)
        assert tokenizer(sentence)["input_ids"] == [49406, *known, 49407]
        assert (len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id) == (49408, pad, 49407)
