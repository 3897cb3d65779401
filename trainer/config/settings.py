"""The settings of a training: one record, whose names are the web UI's where it has the setting."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

VERSION = 1  # of the file; a later one migrates what it finds
POCKET = "pocket"  # the base model that comes with the package
DEFAULT_LEARN_RATE = "1e-3"  # the pocket model's own: learns a style in 200 steps, scenes intact (benchmarks/pocket)
DEFAULT_STEPS = 1000  # the pocket model's; guess from a first trial
SD_LEARN_RATE = "5e-5:100, 5e-6:12000, 5e-7:20000"  # other models': G23's beginning, lower from 12,000 on (G22, G24)
SD_STEPS = 15000  # other models': 12,500 to 15,000 (G19)
DEFAULT_TEMPLATE = ("[filewords]",)
OWN_RATE = frozenset({"Prodigy"})  # optimizers that find the rate by themselves: learn_rate multiplies it, 1 is right


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
    comma_backtrack: int = 20  # tokens after a comma that move on where a chunk of 75 is full (web UI); 0: none
    latent_sampling: str = "once"
    width: int = 0  # pixels; 0: the base model's own
    height: int = 0
    resize: str = "crop"  # "distort": squeezed into the frame, as the web UI does
    varsize: bool = False  # pictures keep their own size, cut to the base model's grid (web UI, "Do not resize images")
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
    preview_seed: int = 1  # -1: another one every time, as the web UI's; steps can then not be compared (G27)
    preview_steps: int = 20
    preview_cfg: float = 7.0
    preview_sampler: str = "Euler a"
    preview_scheduler: str = "Automatic"  # the sampler's own, as in web UI 1.9 and 1.10
    preview_noise: str = "cpu"  # "nv": an NVIDIA card's, on any machine
    preview_ensd: int = 0  # what the seed of fresh noise differs by (web UI, "Eta noise seed delta"; NovelAI: 31337)
    preview_ema: bool = False  # the moving average's previews too, beside its networks
    preview_sheet: bool = False  # all prompts of a step in one picture, beside the single ones
    preview_negative_prompt: str = ""  # networks previewed with one give garbage without it (G25)

    version: int = VERSION
    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)  # keys that were not left to default

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.out / self.name


DEFAULTS = Config()
KEYS = tuple(f.name for f in fields(Config) if f.name != "given")
