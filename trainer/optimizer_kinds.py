"""Which optimizers there are, how they are made, and which weights they mean.

torch's own by their class names, and, where their libraries are installed (extras `optimizers`, `eight-bit`),
Prodigy (prodigyopt), the schedule-free ones (schedulefree) and 8-bit ones (bitsandbytes).
"""

from __future__ import annotations

import ast
import difflib
import inspect
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config import OWN_RATE
from trainer.errors import TrainerError, first_line

EXTRAS: Mapping[str, str] = MappingProxyType(
    {
        "AdamW8bit": "bitsandbytes.optim",
        "PagedAdamW8bit": "bitsandbytes.optim",
        "Lion8bit": "bitsandbytes.optim",
        "Prodigy": "prodigyopt",
        "AdamWScheduleFree": "schedulefree",
        "RAdamScheduleFree": "schedulefree",
        "SGDScheduleFree": "schedulefree",
    }
)
"""Optimizers of other libraries: class name -> module."""

DECAYS = frozenset({"AdamW", "Adafactor", "Prodigy", "AdamWScheduleFree", "RAdamScheduleFree"})
"""Optimizers whose weight decay takes a share of a weight that follows the rate, as AdamW's does.

So do those with 8 bits, and those that can be told to (`DECOUPLED`).  The others add it to the gradient: that of a
hypernetwork is so small that weights then only shrink (pocket model, NAdam at 1e-3, 0.01: to a fiftieth in 100 steps).
"""
DECOUPLED = "decoupled_weight_decay"  # torch's option of Adam, NAdam and RAdam
UNFIT = frozenset({"Optimizer", "LBFGS", "SparseAdam", "Muon"})  # need closures, sparse gradients, matrices alone


def is_known(name: str) -> bool:
    """Whether there is one of that name, installed or not."""
    kind = getattr(torch.optim, name, None)
    return name in EXTRAS or (inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer) and name not in UNFIT)


def decays(name: str) -> bool:
    """Whether it has a weight decay of AdamW's kind.  Raises `TrainerError` if there is none of that name."""
    return name in DECAYS or name.endswith("8bit") or DECOUPLED in inspect.signature(_kind(name)).parameters


def require(name: str, args: Sequence[str] = ()) -> None:
    """Raise `TrainerError` if there is none of that name, its library is not installed, or it has not such options."""
    _options(name, args, inspect.signature(_kind(name)).parameters)


def make(
    name: str, parameters: Sequence[nn.Parameter], rate: float, weight_decay: float, args: Sequence[str] = ()
) -> torch.optim.Optimizer:
    """The optimizer of that class name, in its fastest form.  `args` are further options, "betas=(0.9, 0.99)".

    `weight_decay` is AdamW's kind; who has none gets none, unless `args` say so.
    Raises `TrainerError` if there is none of that name, its library is not installed, or an option does not fit.
    """
    kind = _kind(name)
    known = inspect.signature(kind).parameters
    options: dict[str, Any] = {"lr": rate, **_options(name, args, known)}
    if decays(name):
        options.setdefault("weight_decay", weight_decay)
    if DECOUPLED in known:
        options.setdefault(DECOUPLED, True)
    try:
        with redirect_stdout(io.StringIO()):  # prodigyopt prints
            made = _fastest(kind, list(parameters), options, "fused" in known)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        told = first_line(error)
        raise TrainerError(f'optimizer "{name}": refuses its settings: {told}; see optimizer_args') from None
    train(made)
    return made


def _fastest(kind: Any, parameters: list[nn.Parameter], options: dict[str, Any], fused: bool) -> torch.optim.Optimizer:
    """One kernel for all parameters where the device has it, else what torch chooses: foreach, or one by one."""
    if fused and "fused" not in options and "foreach" not in options:
        try:
            return kind(parameters, **options, fused=True)  # type: ignore[no-any-return]  # classes are found by name
        except RuntimeError:
            pass
    return kind(parameters, **options)  # type: ignore[no-any-return]  # the same


def _kind(name: str) -> Any:
    if name in EXTRAS:
        library = EXTRAS[name].partition(".")[0]
        try:
            return getattr(import_module(EXTRAS[name]), name)
        except ImportError:
            raise TrainerError(
                f'optimizer "{name}": needs {library}, which is not installed: pip install {library}'
            ) from None
        except AttributeError:
            raise TrainerError(f'optimizer "{name}": this {library} has none of that name; update it') from None
    if not is_known(name):
        known = {one.lower(): one for one in (*EXTRAS, *sorted(set(dir(torch.optim)) - UNFIT))}
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f'did you mean "{known[near[0]]}"?' if near else "use AdamW"
        raise TrainerError(
            f'optimizer "{name}": not one of torch.optim\'s classes that fit, nor of {", ".join(EXTRAS)}; {hint}'
        )
    return getattr(torch.optim, name)


def _options(name: str, args: Sequence[str], known: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for arg in args:
        key, sign, value = (part.strip() for part in arg.partition("="))
        if not sign or key not in known or key in ("params", "lr"):
            choices = ", ".join(option for option in known if option not in ("params", "lr"))
            raise TrainerError(f'optimizer_args "{arg}": write option=value; {name} has {choices}')
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise TrainerError(f'optimizer_args "{arg}": {value!r} is no number, true or false, or list') from None
    return options


def is_torchs(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it is one of torch's own."""
    return type(optimizer).__module__.startswith("torch.")


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def shown_rate(optimizer: torch.optim.Optimizer, rate: float) -> float:
    """The rate that really was at work: Prodigy multiplies what is asked for by its own estimate."""
    own = optimizer.param_groups[0].get("d") if type(optimizer).__name__ in OWN_RATE else None
    return rate if own is None else rate * float(own)


# --- schedule-free: the weights that are trained are not those that are meant -----------------------------------------


def switches(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it trains other weights than those that are to be used (schedule-free)."""
    return callable(getattr(optimizer, "eval", None)) and callable(getattr(optimizer, "train", None))


def train(optimizer: torch.optim.Optimizer) -> None:
    """Make it ready for steps."""
    if switches(optimizer):
        optimizer.train()  # type: ignore[attr-defined]  # it `switches`


@contextmanager
def meant(optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Put the weights that are to be used in the place of those that are trained, for a while.

    Gives copies of the trained ones (nothing, where both are the same).  Afterwards they are back bit for bit, which
    the library's own way back and forth is not.
    """
    if not switches(optimizer):
        yield []
        return
    trained = [parameter.detach().clone() for parameter in parameters]
    optimizer.eval()  # type: ignore[attr-defined]  # it `switches`
    try:
        yield trained
    finally:
        optimizer.train()  # type: ignore[attr-defined]  # it `switches`
        put(parameters, trained)


@torch.no_grad()
def put(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Overwrite parameters."""
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)
