"""The planned network: can it live, and is there room for it?"""

from __future__ import annotations

from collections.abc import Iterator

from hndoctor.formats.counted import counted
from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import Sign, rule

DEADLY_GAIN = 0.5  # ‖h(x)‖/‖x‖ at the start; Normal gives .05-.2, what users call broken .67-2 (web UI)
SURELY_DEADLY = 0.9  # the same; Xavier without ReLU and Kaiming lie above
SPARE = 1.1  # times the run's size that should be free (guess)
MEMORY_SURE = 0.6  # confidence of the memory arithmetic (guess)
_GB = 1e9


@rule("HN558", Severity.WARNING, needs="setup")
def plan_layer_norm(setup: Setup) -> Iterator[Sign]:
    """Layer normalization is on.

    Training with it seldom succeeds (G15): the norms start at almost nothing and what follows is unstable.  Turn it
    off.
    """
    if setup.plan and setup.plan.is_layer_norm:
        yield Sign("layer normalization is on, with which training seldom succeeds; turn it off", confidence=0.8)


@rule("HN559", Severity.ERROR, needs="setup")
def plan_dead_on_arrival(setup: Setup) -> Iterator[Sign]:
    """The network disturbs pictures from its first step.

    With this initialisation and structure it adds nearly as much as the context itself before it has learned anything;
    such networks give washes of colour and die within 500 steps (G18).  The gain is computed for this plan.  Use the
    initialisation Normal.
    """
    plan = setup.plan
    if plan is None or plan.initial_gain is None or plan.initial_gain < DEADLY_GAIN:
        return
    how = plan.weight_initialization or "this structure"
    mend = (
        "use the initialisation Normal"
        if plan.weight_initialization not in (None, "Normal")
        else "use fewer or narrower layers"
    )
    message = f"{how}: the new network adds {plan.initial_gain:.2f} times its context before the first step; {mend}"
    confidence = 0.95 if plan.initial_gain >= SURELY_DEADLY else 0.8
    yield Sign(message, value=plan.initial_gain, limit=DEADLY_GAIN, confidence=confidence)


@rule("HN560", Severity.WARNING, needs="setup")
def plan_activation(setup: Setup) -> Iterator[Sign]:
    """The activation is a poor choice.

    Swish and Mish are slow and safe, ReLU and linear are common (G16); some others cannot learn by their nature, and a
    ReLU on the output can only push one way.  Choose another, or turn activate_output off.
    """
    plan = setup.plan
    if plan is None:
        return
    if plan.activation_problem:
        yield Sign(f"activation {plan.activation_func}: {plan.activation_problem}; use swish, mish, relu or linear")
    if plan.activate_output and plan.activation_func in ("relu", "relu6", "sigmoid", "softplus", "hardsigmoid"):
        message = (
            f"activate_output with {plan.activation_func}: the output can only be positive; turn activate_output off"
        )
        yield Sign(message, confidence=0.8)


@rule("HN561", Severity.WARNING, needs="setup")
def plan_dropout(setup: Setup) -> Iterator[Sign]:
    """Dropout is on, but nowhere.

    The web UI takes dropout from the dropout structure only; without one, use_dropout does nothing but mark the file
    (G17).  Write a structure such as 0, 0.05, 0, as long as the layer structure.
    """
    plan = setup.plan
    if plan is not None and plan.use_dropout and not any(plan.dropout_structure or ()):
        yield Sign("use_dropout is on without a dropout_structure, so nothing is dropped; write one, e.g. 0, 0.05, 0")


@rule("HN569", Severity.WARNING, needs="setup")
def plan_disk(setup: Setup) -> Iterator[Sign]:
    """The disk may be too full for the run.

    Wider and more layers make larger files (G14), and the optimizer's state takes twice the network's room again.  Save
    less often, keep fewer (keep_last), or make room.
    """
    plan = setup.plan
    if plan is None or not (plan.checkpoints and plan.checkpoint_bytes and plan.free_bytes is not None):
        return
    need = plan.checkpoints * plan.checkpoint_bytes
    if need * SPARE > plan.free_bytes:
        each = plan.checkpoint_bytes / _GB
        many = f"{counted(plan.checkpoints, 'checkpoint')} of {each:.2f} GB"
        message = f"{many} {'needs' if plan.checkpoints == 1 else 'need'} {need / _GB:.1f} GB"
        room = f"{plan.free_bytes / _GB:.1f} GB are free; save less often, or make room"
        yield Sign(f"{message}, {room}", value=need, limit=plan.free_bytes, confidence=0.9)


def _too_large(parts: tuple[tuple[str, int], ...], card: int) -> str | None:
    """What fills the card, in words; None where it fits."""
    need = sum(size for _, size in parts)
    if not parts or need <= card:
        return None
    shown = ", ".join(f"{part} {size / _GB:.1f}" for part, size in sorted(parts, key=lambda part: -part[1]) if size)
    return f"needs about {need / _GB:.1f} GB of {card / _GB:.1f}: {shown}"


@rule("HN583", Severity.WARNING, needs="setup")
def plan_memory(setup: Setup) -> Iterator[Sign]:
    """The training may not fit the graphics card.

    Added up from the parts that must be there at once: base model, network with its optimizer, what each picture of a
    batch leaves behind.  An estimate, good to a fifth.  Set precision to bf16 or gradient_checkpointing to true; lower
    the batch (and raise gradient_step to make up for it), the picture size or the layers.
    """
    plan = setup.plan
    told = _too_large(plan.memory, plan.card_bytes) if plan and plan.card_bytes else None
    if plan and told:
        need = sum(size for _, size in plan.memory)
        mend = "use precision bf16 or gradient_checkpointing, or lower batch_size, picture size or layers"
        yield Sign(f"training {told}; {mend}", value=need, limit=plan.card_bytes, confidence=MEMORY_SURE)


@rule("HN584", Severity.WARNING, needs="setup")
def plan_memory_webui(setup: Setup) -> Iterator[Sign]:
    """The training may not fit the graphics card in the web UI.

    There the UNet's gradients lie on the card too, and VAE and text encoder unless they are moved away (G12).  People
    train 512 px at batch 1 on 8 GB.  Turn "Move VAE and CLIP to RAM" on, start without --no-half, lower batch or size.
    """
    plan = setup.plan
    told = _too_large(plan.memory_webui, plan.card_bytes) if plan and plan.card_bytes and setup.webui else None
    if plan and told:
        need = sum(size for _, size in plan.memory_webui)
        mend = 'turn "Move VAE and CLIP to RAM" on, start without --no-half, or lower batch and size'
        yield Sign(f"in the web UI it {told}; {mend}", value=need, limit=plan.card_bytes, confidence=MEMORY_SURE)
