"""The nouns: frozen records that every other module speaks.

Numbers and strings only, so that a whole measured run can be written to ``vitals.json`` and judged again elsewhere.
Every float is finite or None: what is not finite is *counted*, never stored.  Steps are counted as the file names count
them (``name-500.pt`` is step 500 although it stores 499); paths inside records are POSIX and relative to the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

SCHEMA = 1


class Severity(StrEnum):
    """How bad a finding is, apart from how sure we are of it."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class State(StrEnum):
    """What a network is at one step of its course."""

    STARTING = "starting"
    HEALTHY = "healthy"
    OVERTRAINED = "overtrained"
    BROKEN = "broken"
    UNREADABLE = "unreadable"


class Verdict(StrEnum):
    """The judgement of a run as a whole."""

    HEALTHY = "healthy"
    AILING = "ailing"
    BROKEN = "broken"
    UNEXAMINED = "unexamined"


class Action(StrEnum):
    """What to do now."""

    CONTINUE = "continue"
    RESUME = "resume"
    RESTART = "restart"
    STOP = "stop"


class Refusal(StrEnum):
    """Why a file could not be read."""

    UNSAFE = "unsafe"  # a global outside the short list, or a container made to deceive
    DAMAGED = "damaged"  # truncated, CRC, sizes that do not fit
    FOREIGN = "foreign"  # not a checkpoint of any kind we know
    WRITING = "writing"  # changed while it was read


# --- collect: paths only ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckpointPath:
    """One saved network and the optimizer state beside it."""

    path: Path
    step: int | None  # the file name's count; None for the final file without a number
    optim: Path | None = None


@dataclass(frozen=True)
class PreviewPath:
    """One preview picture; `step` from its name, None if it has none."""

    path: Path
    step: int | None


@dataclass(frozen=True)
class Run:
    """Where the parts of a run lie on disk, in order of step.  Nothing has been opened yet."""

    root: Path
    name: str
    checkpoints: tuple[CheckpointPath, ...] = ()
    previews: tuple[PreviewPath, ...] = ()
    loss_logs: tuple[Path, ...] = ()
    validation_logs: tuple[Path, ...] = ()
    settings: tuple[Path, ...] = ()
    vitals: Path | None = None  # measured before, and nothing else is there: judge this
    skipped: tuple[Skipped, ...] = ()  # what lies there but is not examined
    shares_folder: bool = False  # other networks lie in the same folder


# --- measured: weights ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TensorVitals:
    """The numbers of one tensor, over its finite values."""

    name: str  # "768.k.linear.0.weight"
    shape: tuple[int, ...]
    dtype: str  # "float32", "float16", "bfloat16"
    count: int
    nan: int
    posinf: int
    neginf: int
    zeros: int
    max_abs: float
    rms: float
    frobenius: float
    spectral: tuple[float, float] | None = None  # bracket [lower, upper] of the largest singular value; 2-D only
    stable_rank: float | None = None  # (frobenius / spectral)**2
    dead_rows: int | None = None  # rows of a matrix that are exactly zero
    effective_rank: float | None = None  # (sum s^2)^2 / sum s^4 over its singular values s, to about a tenth


@dataclass(frozen=True)
class ModuleVitals:
    """What one module of a pair (k or v of one context width) does."""

    size: int  # width of the context it rewrites: 320, 640, 768, 1024, 1280 ...
    side: str  # "k" or "v"
    gain: float | None  # ||h(x)|| / ||x|| for contexts of unit variance; None if it cannot be evaluated
    dead_units: float | None = None  # share of hidden units that never fire on those contexts
    rms: float = 0.0  # over all finite weights of the module
    update_rms: float | None = None  # RMS of the change since the checkpoint before
    update_cosine: float | None = None  # between this change and the change before it
    travel_rms: float | None = None  # RMS of the change since the first checkpoint of the run
    dead_outputs: float | None = None  # share of outputs that are zero for every context; only if activate_output
    best_rms: float | None = None  # RMS of the distance from the best checkpoint before it, by held-out loss
    varied: float | None = None  # the part of the gain that differs from context to context: ||h(x) - mean h|| / ||x||


@dataclass(frozen=True)
class NetworkMetadata:
    """The metadata keys of a hypernetwork file, as the web UI defaults them."""

    name: str | None = None
    step: int = 0  # as stored: one less than the file name's
    layer_structure: tuple[float, ...] | None = None
    activation_func: str | None = None
    is_layer_norm: bool = False
    weight_initialization: str = "Normal"
    activate_output: bool = True
    use_dropout: bool = False
    dropout_structure: tuple[float, ...] | None = None
    last_layer_dropout: bool = False
    sd_checkpoint: str | None = None
    sd_checkpoint_name: str | None = None
    optional_info: str | None = None
    skip_connection: bool = False
    odd: tuple[str, ...] = ()  # keys whose values are not of the kind they must be; the default stands in for them


@dataclass(frozen=True)
class OptimizerVitals:
    """What an optimizer state file says, and whether it belongs to its network."""

    path: str
    optimizer_name: str | None
    learning_rate: float | None
    step: int | None  # the largest per-parameter step
    hash: str | None  # as stored
    hash_matches: bool | None  # None: nothing to compare with
    hash_generation: int | None  # 1: 8 hex of a 64 KiB window; 2: 10 hex of the whole file's SHA-256
    tensors: int = 0
    nonfinite: int = 0
    zero_second_moment: float = 0.0  # share of exp_avg_sq that is exactly zero
    update_rms: float | None = None  # RMS of the step it would make next, as weights/updates.py tells it
    unreadable: str | None = None  # the reason, when the file could not be read
    bytes: int = 0
    modified: float = 0.0
    content: str = ""  # XXH3 of its bytes, 32 hex digits
    misfits: int = 0  # parameters whose moments have no tensor of their shape in the network
    negative: int = 0  # second moments, means of squares, that are below zero
    wrong: tuple[str, ...] = ()  # step counts and settings that nothing can use: "step", "lr", "betas" ...
    refusal: Refusal | None = None  # of what kind the reason is, when the file could not be read
    parameters: int | None = None  # how many its groups name; None where they do not list them
    kept: int = 0  # parameters that it holds something of
    beyond: float = 0.0  # longest way of a weight in the next step over the longest that Adam can make; 0: not Adam's


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint that was read and measured."""

    path: str
    step: int | None
    stored_step: int
    bytes: int
    modified: float  # seconds since the epoch
    sha256: str  # 64 hex digits where an optimizer state is tied to it by this; else empty
    container: str  # "zip", "legacy", "safetensors"
    provenance: str  # who wrote it, told from its keys
    metadata: NetworkMetadata
    tensors: tuple[TensorVitals, ...]
    modules: tuple[ModuleVitals, ...]
    optimizer: OptimizerVitals | None = None
    refused_by: tuple[str, ...] = ()  # loaders that will refuse this file, with the reason
    misread_by: tuple[str, ...] = ()  # loaders that will compute something else, with the reason
    partial: str | None = None  # why only part of it was examined (an embedding, a LoRA)
    content: str = ""  # XXH3 of its bytes, 32 hex digits: what tells whether a copied file is the one measured


@dataclass(frozen=True)
class Unreadable:
    """A checkpoint that could not be read.  A type, not a flag: no rule on weights ever sees one."""

    path: str
    step: int | None
    kind: Refusal
    reason: str
    bytes: int = 0
    modified: float = 0.0


# --- measured: pictures and losses ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preview:
    """One preview picture: how it was made (from its own text) and its scores (field name = function in metrics/)."""

    path: str
    step: int | None
    width: int = 0
    height: int = 0
    prompt: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None
    sampler: str | None = None
    sampling_steps: int | None = None
    cfg_scale: float | None = None
    clip_skip: int | None = None
    model_hash: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    noise: float | None = None  # probability of colourful noise, judged without a reference
    noise_interval: tuple[float, float] | None = None  # that holds 90 % of what other tuning families would have given
    noise_share: float | None = None  # share of the frame's tiles that look like noise
    severity: float | None = None  # how far the picture has drowned in noise, 0 to 1
    grey_noise: float | None = None  # probability of noise in grey or in one tint, judged without a reference
    fingerprint: tuple[float, ...] = ()  # a small colour thumbnail (0..1), to compare previews with each other
    thumbnail: str | None = None  # base64 JPEG for the report
    unreadable: str | None = None
    gone: bool = False  # unreadable because it was removed or renamed while its run was read: no fault of the picture
    bytes: int = 0
    modified: float = 0.0


@dataclass(frozen=True)
class LossPoint:
    """One row of a loss log.  `loss` is None where the file says nan or inf (`nonfinite` is then True)."""

    step: int
    loss: float | None
    learn_rate: float | None = None
    nonfinite: bool = False


@dataclass(frozen=True)
class ValidationPoint:
    """Fixed-noise validation at one step: held-out and training items, each against the bare base model."""

    step: int
    held_out: float
    held_out_base: float
    train: float | None = None
    train_base: float | None = None
    items: tuple[float, ...] = ()  # held-out items one by one, for paired comparison
    base_items: tuple[float, ...] = ()
    # ln(loss under another picture's caption / under its own) of each picture, held-out ones first
    caption_gaps: tuple[float, ...] = ()
    base_caption_gaps: tuple[float, ...] = ()
    content: str = ""  # XXH3 of the checkpoint that was measured, 32 hex digits; empty: the trainer's own, as it went


@dataclass(frozen=True)
class Settings:
    """How the run was made, as far as its files tell.  None: not told."""

    source: str | None = None  # which file said so
    learn_rate: str | None = None  # the schedule string
    steps: int | None = None
    batch_size: int | None = None
    gradient_step: int | None = None
    images: int | None = None
    model_name: str | None = None
    model_hash: str | None = None
    seed: int | None = None
    optimizer: str | None = None
    lr_scheduler: str | None = None  # the shape that the schedule is multiplied by (formats/curve.py), and its terms
    lr_warmup_steps: int | None = None
    lr_num_cycles: int | None = None
    lr_min_ratio: float | None = None
    data: str | None = None  # the folder of training pictures, as the run wrote it down
    template: str | None = None  # the web UI's template file, as it wrote it down, or a line of ours
    width: int | None = None  # of the training, in pixels, as the web UI wrote it down
    height: int | None = None
    data_fingerprints: tuple[str, ...] = ()  # in order of time; more than one: the data was changed midway
    resumed_at: tuple[int, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """Something that was not examined, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Vitals:
    """Everything measured of one run, nothing judged."""

    run: str  # the path as the user gave it
    name: str
    checkpoints: tuple[Checkpoint, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    previews: tuple[Preview, ...] = ()
    training: tuple[Preview, ...] = ()  # a few training pictures, measured as previews are: what is normal here
    losses: tuple[LossPoint, ...] = ()
    validation: tuple[ValidationPoint, ...] = ()
    settings: Settings = field(default_factory=Settings)
    setup: Setup | None = None
    skipped: tuple[Skipped, ...] = ()
    schema: int = SCHEMA
    measured_by: str = ""  # the version of hndoctor; another one measures again instead of reusing


# --- measured: the set-up, before a step is taken ---------------------------------------------------------------------


@dataclass(frozen=True)
class CaptionVitals:
    """One caption file, or the file name standing in for it."""

    picture: str
    source: str | None  # the caption file; None: the file name was used
    text: str
    tags: tuple[str, ...]
    tokens: int | None = None
    problem: str | None = None  # unreadable, wrong encoding
    beyond: tuple[str, ...] = ()  # tags that end after the 75th token: they fall into the next chunk
    underscored: tuple[str, ...] = ()  # tags whose words are parted by underscores; emoticons are not among them
    emphasised: tuple[str, ...] = ()  # pieces that the web UI's attention syntax weighs differently


@dataclass(frozen=True)
class PictureVitals:
    """One training picture."""

    path: str
    width: int = 0
    height: int = 0
    mode: str = ""
    format: str = ""
    digest: str = ""  # SHA-256 of the decoded pixels
    perceptual_hash: str = ""  # 64 bits as 16 hex digits
    sharpness: float | None = None  # variance of the Laplacian of grey values 0..255 at 512 px
    contrast: float | None = None  # standard deviation of grey values, 0..1
    jpeg_quality: int | None = None
    transparent: float = 0.0  # share of pixels with alpha below 1
    orientation: int = 1  # EXIF
    profile: str | None = None  # an embedded colour profile other than sRGB
    difference_hash: str = ""  # 64 bits as 16 hex digits: a second opinion on near duplicates
    brightness: float | None = None  # mean grey value, 0..1
    problem: str | None = None


@dataclass(frozen=True)
class PlanVitals:
    """What is about to be trained."""

    learn_rate: str | None = None
    steps: int | None = None
    batch_size: int | None = None
    gradient_step: int | None = None
    layer_structure: tuple[float, ...] | None = None
    activation_func: str | None = None
    weight_initialization: str | None = None
    is_layer_norm: bool = False
    use_dropout: bool = False
    dropout_structure: tuple[float, ...] | None = None
    initial_gain: float | None = None  # computed, not guessed
    base_model: str | None = None
    width: int | None = None
    height: int | None = None
    preview_negative_prompt: str | None = None
    preview_seed: int | None = None
    preview_cfg_scale: float | None = None
    clip_skip: int | None = None
    template: tuple[str, ...] | None = None  # stripped lines, blank ones kept
    problems: tuple[str, ...] = ()  # settings that cannot be used, each in one line
    activate_output: bool = False
    activation_problem: str | None = None  # why this activation is broken by nature
    context_width: int | None = None  # of the base model's cross-attention; None: not known, 768 assumed
    schedule: tuple[tuple[float, int], ...] = ()  # (rate, the step at which it really ends)
    traps: tuple[tuple[str, str], ...] = ()  # (kind, sentence) of `formats.schedule.find_traps`
    dose: float | None = None  # sum of rate x sqrt(batch size x accumulation) over the plan's steps
    onset: tuple[int | None, int | None, int | None] = (
        None,
        None,
        None,
    )  # steps of low, middle, high end of G21's band
    pictures: int = 0
    validation: float | None = None  # held-out pictures: a count, or a share below 1
    resize: str | None = None  # "crop" or "distort"
    parameters: int | None = None
    checkpoint_bytes: int | None = None  # one network and its optimizer state
    checkpoints: int | None = None  # how many will be kept
    free_bytes: int | None = None  # on the disk that takes them
    steps_per_epoch: int | None = None  # optimizer steps in which the web UI sees the set once
    passes: float | None = None  # how often a picture is seen in the whole plan
    left_out: int = 0  # pictures that the web UI leaves out of each epoch: they fill no whole step
    memory: tuple[tuple[str, int], ...] = ()  # (part, bytes) of a graphics card's memory, with hndoctor; estimated
    memory_webui: tuple[tuple[str, int], ...] = ()  # the same in the web UI
    card_bytes: int | None = None  # of the user's card


@dataclass(frozen=True)
class Setup:
    """The evidence of the HN5xx rules."""

    data: str
    kind: str | None = None  # "style" or "character"
    name: str | None = None  # the network's name
    pictures: tuple[PictureVitals, ...] = ()
    captions: tuple[CaptionVitals, ...] = ()
    orphans: tuple[str, ...] = ()  # caption files without a picture
    plan: PlanVitals | None = None
    webui: dict[str, str] = field(default_factory=dict)  # "config.json:clip_skip" -> value as text
    tokenizer: str | None = None  # which vocabulary counted the tokens
    name_tokens: int | None = None  # of the network's name; None: no real vocabulary at hand
    sortable_captions: int = 0  # captions with enough tags to speak of an order
    sorted_captions: int = 0  # those of them whose tags are in alphabetical order
    sorted_chance: float = 0.0  # log10 of the probability that so many are sorted by accident
    skipped: tuple[Skipped, ...] = ()


# --- judged -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """One thing that one rule saw."""

    code: str
    severity: Severity
    confidence: float  # 0..1
    message: str
    step: int | None = None
    subject: str | None = None  # the file it is about, relative to the run
    value: float | None = None
    limit: float | None = None
    subjects: tuple[str, ...] = ()  # all the files, where it tells of several at once


@dataclass(frozen=True)
class Station:
    """One step of the course: the probabilities of the four states, and which channels spoke."""

    step: int
    stored_step: int | None
    checkpoint: str | None
    state: State
    p: dict[str, float]  # "starting", "healthy", "overtrained", "broken"; sums to 1 (empty when unreadable)
    channels: tuple[str, ...] = ()  # "weights", "previews", "losses", "validation", "captions", "prior"


@dataclass(frozen=True)
class Onset:
    """The first step of overtraining and of breakage; None: not seen."""

    overtrained: int | None = None
    broken: int | None = None


@dataclass(frozen=True)
class Alternative:
    """A treatment that was considered and rejected."""

    what: str
    why_not: str


@dataclass(frozen=True)
class Prescription:
    """What to do now: one imperative sentence, the settings it changes, the reasons."""

    action: Action
    sentence: str
    checkpoint: str | None = None
    step: int | None = None
    learning_rate: float | None = None
    schedule: str | None = None
    because: tuple[str, ...] = ()
    acceptable: tuple[tuple[int, float], ...] = ()  # (step, probability that it is the right one)
    free_remedies: tuple[str, ...] = ()
    rejected: tuple[Alternative, ...] = ()
    how_hndoctor: tuple[str, ...] = ()
    how_webui: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """The judgement of one run."""

    run: str
    name: str
    verdict: Verdict
    summary: str  # the verdict in one sentence
    findings: tuple[Finding, ...] = ()
    not_examined: tuple[Skipped, ...] = ()
    course: tuple[Station, ...] = ()
    onset: Onset = field(default_factory=Onset)
    prior: str = ""  # whose hazard band was used
    prescription: Prescription | None = None


@dataclass(frozen=True)
class PictureJudgement:
    """A picture judged alone, without a run.  None: cannot be judged without a reference."""

    picture: str
    p: dict[str, float | None]  # "noise", "flat", "fried", "repetition", "grey_noise"
    scores: dict[str, float]
    because: tuple[str, ...] = ()
    unreadable: str | None = None
    interval: dict[str, tuple[float, float]] = field(default_factory=dict)  # of `p`: 90 %, over families of pictures
    severity: float | None = None  # how far it has drowned in noise, 0 to 1
    noise_share: float | None = None  # share of the tiles that look like noise
    tiles: tuple[tuple[float, ...], ...] = ()  # probability of noise of each tile, row by row
    thumbnail: str | None = None  # JPEG, base64; where a page will show it
