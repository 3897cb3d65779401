"""The step that an optimizer would make next, told from its state alone.

The next gradient is taken to be like those before: the mean that the state holds, corrected for its start at zero,
or, where it holds squares only, of their root mean square.  After gradients that did not change that is exactly the
step torch makes.  Weight decay is left out, as it does not come from the state.  Formulas: torch.optim's documentation;
Lion: Chen et al. 2023, algorithm 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hndoctor.formats.types import Array, OptimizerFile
from hndoctor.weights.groups import Settings, finite, share
from hndoctor.weights.tallies import blocks, clamped, rows_of

TELLING_EPS = 1e-12  # Adam's epsilon from which squares too small for single precision (1e-38) do not count
State = Mapping[str, Array]  # blocks of the state's tensors, cut alike


def next_update(file: OptimizerFile) -> float | None:
    """RMS of the next step over all parameters that have a state; None where that does not tell it.

    None too for those that find their rate themselves (Prodigy, D-Adaptation): they scale the moments in ways of their
    own.
    """
    return next_step(file)[0]


def next_step(file: OptimizerFile) -> tuple[float | None, float]:
    """The same, and the longest way of any single weight as a multiple of the longest that Adam can make it go.

    That is told of Adam's two moments only, 0 of others.  More than 1 is left behind by no gradients at all.
    """
    if any("d" in group for group in file.param_groups):
        return None, 0.0
    squares, count, beyond = 0.0, 0, 0.0
    with np.errstate(all="ignore"):
        for group in file.param_groups:
            for index in group.get("params", ()):
                try:
                    found = _squares(file.state.get(index, {}), group, file.optimizer_name or "")
                except (ValueError, OverflowError, ZeroDivisionError):
                    continue  # a setting is missing or no number
                squares, count, beyond = squares + found[0], count + found[1], max(beyond, found[2])
    if not count or not math.isfinite(squares):
        return None, clamped(beyond)
    return clamped(math.sqrt(squares / count)), clamped(beyond)


def _squares(entry: Mapping[str, Array | float | int], group: Mapping[str, Any], name: str) -> tuple[float, int, float]:
    """The sum of the squares of one parameter's next step over its finite elements, their number, and `next_step`'s
    multiple."""
    needed, step_of = _kind(entry, group, name)
    arrays = {key: value for key in needed if isinstance(value := entry.get(key), np.ndarray)}
    if len(arrays) < len(needed) or len({array.shape for array in arrays.values()}) != 1:
        raise ValueError("a moment is missing, or of another shape")
    made = entry.get("step")
    settings = Settings(group, None if made is None else finite(made))
    most = _most_of_adam(settings) if step_of is _adam else 0.0
    squares, count, longest = 0.0, 0, 0.0
    for parts in zip(*(blocks(rows_of(array)) for array in arrays.values()), strict=True):
        step = step_of(dict(zip(arrays, parts, strict=True)), settings)
        known = step[np.isfinite(step)].astype(np.float64)
        squares, count = squares + float(np.dot(known, known)), count + len(known)
        longest = max(longest, float(np.abs(known).max(initial=0)) if most else 0.0)
    return squares, count, longest / most if most else 0.0


StepOf = Callable[[State, Settings], Array]


def _kind(entry: Mapping[str, Any], group: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], StepOf]:
    """What the step needs of a state, and how it follows from that; told from the state, as names differ."""
    if "d" in group:
        raise ValueError("Prodigy's and D-Adaptation's moments hold the distance too")
    for key, step_of in (("acc_delta", _adadelta), ("sum", _adagrad), ("step_size", _rprop), ("square_avg", _rmsprop)):
        if key in entry:
            return tuple(k for k in _BESIDE[key] if k in entry), step_of
    if "exp_inf" in entry:
        return ("exp_avg", "exp_inf"), _adamax
    if "exp_avg" in entry and "exp_avg_sq" in entry:
        return _adaptive(entry, group, name)
    if "momentum_buffer" in entry:
        return ("momentum_buffer",), _momentum
    if "exp_avg" in entry and "lion" in name.lower():
        return ("exp_avg",), _lion
    raise ValueError("no state that tells a step")


_BESIDE = {
    "acc_delta": ("acc_delta", "square_avg"),
    "sum": ("sum",),
    "step_size": ("step_size", "prev"),
    "square_avg": ("square_avg", "grad_avg", "momentum_buffer"),
}


def _adaptive(entry: Mapping[str, Any], group: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], StepOf]:
    if "mu_product" in entry:
        product = finite(entry["mu_product"])
        return ("exp_avg", "exp_avg_sq"), lambda state, settings: _nadam(state, settings, product)
    if name.lower() == "radam" or ("decoupled_weight_decay" in group and "amsgrad" not in group):
        return ("exp_avg", "exp_avg_sq"), _radam
    return ("exp_avg", "max_exp_avg_sq" if "max_exp_avg_sq" in entry else "exp_avg_sq"), _adam


# --- the optimizers ---------------------------------------------------------------------------------------------------


def _corrected(state: State, settings: Settings) -> tuple[Array, Array]:
    """Adam's two moments without the zeros that they began with."""
    (beta1, beta2), done = settings.betas, settings.done
    second = state["max_exp_avg_sq"] if "max_exp_avg_sq" in state else state["exp_avg_sq"]
    return state["exp_avg"] / (1 - beta1**done), np.sqrt(second / (1 - beta2**done))


def _adam(state: State, settings: Settings) -> Array:
    mean, root = _corrected(state, settings)
    return settings["lr"] * mean / (root + settings.eps)


def _most_of_adam(settings: Settings) -> float:
    """The longest way of a weight, whatever gradients came; 0 where rounding could make it longer.

    With w_i = beta^i, m = (1 - beta1) sum w1_i g_i and v = (1 - beta2) sum w2_i g_i^2; by Cauchy and Schwarz
    m^2 <= (1 - beta1)^2 / (1 - beta2) * v * sum (beta1^2 / beta2)^i.  Kingma and Ba (2015), section 2.1, give the first
    two factors.  It is 1 rate after one step, 7.3 after many with the usual betas.
    """
    (beta1, beta2), done = settings.betas, settings.done
    if beta2 == 0 or settings.eps < TELLING_EPS or settings["lr"] <= 0:
        return 0.0
    ratio = beta1**2 / beta2
    terms = done if ratio == 1 else (1 - ratio**done) / (1 - ratio)
    first, second = (1 - beta1) / (1 - beta1**done), (1 - beta2**done) / (1 - beta2)
    return float(settings["lr"] * first * math.sqrt(second * terms))


def _nadam(state: State, settings: Settings, product: float) -> Array:
    (beta1, _), (mean, root) = settings.betas, _corrected(state, settings)
    next_one = settings.done + 1
    mu, after = (beta1 * (1 - 0.5 * 0.96 ** (step * settings["momentum_decay"])) for step in (next_one, next_one + 1))
    product *= mu
    ahead = after * (1 - beta1**next_one) / (1 - product * after)
    step: Array = settings["lr"] * mean * ((1 - mu) / (1 - product) + ahead) / (root + settings.eps)
    return step


def _radam(state: State, settings: Settings) -> Array:
    (_, beta2), (mean, root) = settings.betas, _corrected(state, settings)
    step = settings.done + 1
    left = 1 - beta2**step
    most = 2 / (1 - beta2) - 1
    length = most - 2 * step * beta2**step / left
    if length <= 5:
        return settings["lr"] * mean
    rectified = math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
    return settings["lr"] * rectified * mean / (root + settings.eps / math.sqrt(left))


def _adamax(state: State, settings: Settings) -> Array:
    beta1, _ = settings.betas
    step: Array = settings["lr"] / (1 - beta1**settings.done) * state["exp_avg"] / state["exp_inf"]
    return step


def _rmsprop(state: State, settings: Settings) -> Array:
    if "momentum_buffer" in state:
        return _momentum(state, settings)
    alpha, done = share(settings["alpha"]), settings.done
    grown = (1 - alpha ** (done + 1)) / (1 - alpha**done)
    spread = grown * state["square_avg"]
    if "grad_avg" in state:
        spread = spread - (grown * state["grad_avg"]) ** 2
    step: Array = settings["lr"] * np.sqrt(state["square_avg"] / (1 - alpha**done)) / (np.sqrt(spread) + settings.eps)
    return step


def _adagrad(state: State, settings: Settings) -> Array:
    done = settings.done
    square = (state["sum"] - finite(settings.group.get("initial_accumulator_value", 0))) / done
    rate = settings["lr"] / (1 + done * settings["lr_decay"])
    step: Array = rate * np.sqrt(square) / (np.sqrt(state["sum"] + square) + settings.eps)
    return step


def _adadelta(state: State, settings: Settings) -> Array:
    rho, done, eps = share(settings["rho"]), settings.done, settings.eps
    square = state["square_avg"] / (1 - rho**done)
    ahead = square * (1 - rho ** (done + 1))
    step: Array = settings["lr"] * np.sqrt((state["acc_delta"] + eps) * square / (ahead + eps))
    return step


def _rprop(state: State, settings: Settings) -> Array:
    _, faster = settings.pair("etas")
    _, most = settings.pair("step_sizes")
    return np.where(state["prev"] == 0, 0, np.minimum(state["step_size"] * faster, most))


def _momentum(state: State, settings: Settings) -> Array:
    """As large as it is now; Nesterov's step too is then the buffer itself."""
    return settings["lr"] * state["momentum_buffer"]


def _lion(state: State, settings: Settings) -> Array:
    step: Array = settings["lr"] * np.sign(state["exp_avg"])
    return step
