"""The step that an optimizer would make next, beside the step that torch makes next."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hndoctor.formats.types import OptimizerFile
from hndoctor.weights.updates import next_step, next_update

FEW, MANY = 7, 400  # steps before; many where the state has no step count and a buffer has to fill

WAYS = [
    (torch.optim.Adam, {}, FEW),
    (torch.optim.AdamW, {"weight_decay": 0.0}, FEW),
    (torch.optim.Adam, {"amsgrad": True}, FEW),
    (torch.optim.NAdam, {"momentum_decay": 0.01}, FEW),
    (torch.optim.RAdam, {"betas": (0.9, 0.99)}, 3),  # too early for its second moment
    (torch.optim.RAdam, {"betas": (0.9, 0.99), "eps": 1e-3}, 12),
    (torch.optim.Adamax, {}, FEW),
    (torch.optim.RMSprop, {"alpha": 0.9}, FEW),
    (torch.optim.RMSprop, {"alpha": 0.9, "centered": True}, FEW),
    (torch.optim.RMSprop, {"alpha": 0.9, "momentum": 0.8}, MANY),
    (torch.optim.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.5}, FEW),
    (torch.optim.Adadelta, {"eps": 1e-4}, FEW),
    (torch.optim.Rprop, {"step_sizes": (1e-6, 0.02)}, FEW),
    (torch.optim.SGD, {"momentum": 0.9}, MANY),
    (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.3}, MANY),
    (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, MANY),
]


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al. 2023, in the obvious way."""

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.99)):
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                p -= group["lr"] * torch.sign(first * m + (1 - first) * p.grad)
                m.mul_(second).add_(p.grad, alpha=1 - second)


def after(kind, options, steps):
    """An optimizer after steps with an unchanging gradient, one element of which is zero, and its next step."""
    torch.manual_seed(3)
    weights = [torch.nn.Parameter(torch.randn(6, 4, dtype=torch.float64)), torch.nn.Parameter(torch.randn(5))]
    for weight in weights:
        weight.grad = torch.randn_like(weight)
        weight.grad.view(-1)[2] = 0
    optimizer = kind(weights, lr=1e-2, **options)
    for _ in range(steps):
        optimizer.step()
    saved = optimizer.state_dict()
    plain = {i: {k: _plain(v) for k, v in entry.items()} for i, entry in saved["state"].items()}
    before = torch.cat([weight.detach().double().ravel().clone() for weight in weights])
    optimizer.step()
    made = torch.cat([weight.detach().double().ravel() for weight in weights]) - before
    return OptimizerFile(None, kind.__name__, None, plain, tuple(saved["param_groups"]), "", 0), made


def _plain(value):
    if not isinstance(value, torch.Tensor):
        return value
    return value.numpy().copy() if value.ndim else float(value)


@pytest.mark.parametrize(("kind", "options", "steps"), [*WAYS, (Lion, {}, FEW)])
def test_the_next_step_is_torchs(kind, options, steps):
    file, made = after(kind, options, steps)
    assert next_update(file) == pytest.approx(float(made.pow(2).mean().sqrt()), rel=1e-5)


@pytest.mark.parametrize(("kind", "options"), [(torch.optim.SGD, {}), (torch.optim.ASGD, {})])
def test_a_state_that_does_not_tell_a_step_is_silent(kind, options):
    assert next_update(after(kind, options, FEW)[0]) is None


@pytest.mark.parametrize("key", ["lr", "betas", "step", "exp_avg", "exp_avg_sq"])
@pytest.mark.parametrize("value", [None, float("nan"), "x", True, (0.9,), (0.9, 1.5), np.ones(3)])
def test_a_spoilt_setting_or_moment_is_no_step(key, value):
    file, _ = after(torch.optim.Adam, {}, FEW)
    for entry in file.state.values():
        entry.update({key: value} if key in entry else {})
    for group in file.param_groups:
        group.update({key: value} if key in group else {})
    assert next_update(file) is None


def test_moments_that_are_not_finite_are_left_out():
    file, _ = after(torch.optim.Adam, {}, FEW)
    file.state[0]["exp_avg"][0, :2] = [np.nan, np.inf]
    assert next_update(file) == pytest.approx(1e-2 * np.sqrt((24 - 3 + 4) / (24 - 2 + 5)), rel=1e-5)


def test_prodigys_distance_is_not_taken_for_a_rate():
    file, _ = after(torch.optim.Adam, {}, FEW)
    for group in file.param_groups:
        group["d"] = 1e-3
    assert next_update(file) is None


# --- how far Adam can go ----------------------------------------------------------------------------------------------


def adam_after(gradients, betas=(0.9, 0.999), **options):
    """The state of torch's Adam after these gradients of some weights."""
    weight = torch.nn.Parameter(torch.zeros(len(gradients[0]), dtype=torch.float64))
    optimizer = torch.optim.Adam([weight], lr=1e-3, betas=betas, **options)
    for gradient in gradients:
        weight.grad = torch.as_tensor(gradient, dtype=torch.float64)
        optimizer.step()
    saved = optimizer.state_dict()
    plain = {i: {k: _plain(v) for k, v in entry.items()} for i, entry in saved["state"].items()}
    return OptimizerFile(None, "Adam", None, plain, tuple(saved["param_groups"]), "", 0)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.9, 0.99), (0.95, 0.98), (0.0, 0.9), (0.9, 0.81), (0.9, 0.5)])
@pytest.mark.parametrize("steps", [1, 2, 30, 300])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_no_gradients_take_adam_beyond_its_reach(betas, steps, amsgrad):
    """Heavy tails, long silences and single shocks."""
    rng = np.random.default_rng(4)
    wild = rng.standard_cauchy((steps, 200)) * (rng.random((steps, 200)) < rng.random(200))
    assert 0 < next_step(adam_after(wild, betas, amsgrad=amsgrad))[1] <= 1 + 1e-6


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.9, 0.99), (0.5, 0.9)])
@pytest.mark.parametrize("steps", [1, 2, 30, 100])
def test_the_reach_is_reached(betas, steps):
    worst = [[(betas[1] / betas[0]) ** i] for i in range(steps)]
    assert next_step(adam_after(worst, betas))[1] == pytest.approx(1, rel=1e-5)


def test_moments_of_no_gradients_are_beyond():
    file = adam_after(np.random.default_rng(4).normal(0, 1, (20, 50)))
    file.state[0]["exp_avg"][7] *= 1000
    assert next_step(file)[1] > 50
    file.state[0]["exp_avg"][7] = np.inf
    assert next_step(file)[1] <= 1, "what is not finite is counted elsewhere"


@pytest.mark.parametrize("change", [{"eps": 0.0}, {"lr": 0.0}, {"lr": -1.0}, {"betas": (0.9, 0.0)}])
def test_where_rounding_or_settings_leave_no_bound_none_is_told(change):
    file = adam_after(np.random.default_rng(4).normal(0, 1, (20, 50)))
    file.param_groups[0].update(change)
    assert next_step(file)[1] == 0


@pytest.mark.parametrize(
    ("kind", "options", "steps"), [way for way in WAYS if way[0].__name__ not in ("Adam", "AdamW")]
)
def test_the_reach_is_told_of_adam_only(kind, options, steps):
    assert next_step(after(kind, options, steps)[0])[1] == 0
