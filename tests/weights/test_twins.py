"""The list of the numbers, each with a slow twin: torch in double precision and scipy, on files that torch wrote.

A number without a twin fails here: the twins' names are compared with the fields of the records.
"""

from __future__ import annotations

import collections
import dataclasses
import math

import numpy as np
import pytest
import scipy.linalg
import torch

from hndoctor.formats import hashes
from hndoctor.formats.types import Module
from hndoctor.records import CheckpointPath, ModuleVitals, NetworkMetadata, OptimizerVitals, TensorVitals
from hndoctor.weights import effect, measure_checkpoint
from hndoctor.weights.network import contexts

SIZE, STEPS = 192, (500, 1000, 1500, 2000)
LOSSES = (0.10, 0.08, 0.09, 0.095)  # held out: the second checkpoint is the best
RATE, BETAS, EPS = 3e-4, (0.9, 0.99), 1e-8


class Twin(torch.nn.Module):
    """The web UI's module with a ReLU on its output too, in the obvious way."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Sequential(
            torch.nn.Linear(SIZE, 2 * SIZE), torch.nn.ReLU(), torch.nn.Linear(2 * SIZE, SIZE), torch.nn.ReLU()
        )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Four checkpoints of a training, as torch writes them, and what the third is measured as."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("twins")
    nets = [Twin(), Twin()]
    with torch.no_grad():
        nets[0].linear[0].weight[[3, 7]] = 0
        nets[0].linear[0].bias[[3, 7]] = -1
    weights = [w for net in nets for w in net.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=RATE, betas=BETAS, eps=EPS)
    states, memory, record = [], None, None
    for step, loss in zip(STEPS, LOSSES, strict=True):
        for _ in range(3):
            optimizer.zero_grad()
            x = torch.randn(4, SIZE)
            sum((net.linear(x) - x).pow(2).mean() for net in nets).backward()
            optimizer.step()
        states.append([{k: v.detach().double().clone() for k, v in net.state_dict().items()} for net in nets])
        path = folder / f"x-{step}.pt"
        held = tuple(collections.OrderedDict(net.state_dict()) for net in nets)
        torch.save({SIZE: held, "step": step - 1, "activation_func": "relu", "activate_output": True}, path)
        saved = {
            "optimizer_name": "AdamW",
            "hash": hashes.short_hash(path),
            "optimizer_state_dict": optimizer.state_dict(),
        }
        torch.save(saved, path.with_name(path.name + ".optim"))
        where = CheckpointPath(path, step, path.with_name(path.name + ".optim"))
        record, memory = measure_checkpoint(where, folder, memory, loss)
    return record, states, optimizer, path


def test_every_number_of_a_tensor(trained):
    record, states, _, _ = trained
    names = [(side, name) for side, state in enumerate(states[-1]) for name in state]
    for (side, name), mine in zip(names, record.tensors, strict=True):
        w = states[-1][side][name]
        s = scipy.linalg.svdvals(w.numpy()) if w.ndim == 2 else None
        twins = {
            "name": f"{SIZE}.{'kv'[side]}.{name}",
            "shape": tuple(w.shape),
            "dtype": "float32",
            "count": w.numel(),
            "nan": int(w.isnan().sum()),
            "posinf": int(w.isposinf().sum()),
            "neginf": int(w.isneginf().sum()),
            "zeros": int((w == 0).sum()),
            "max_abs": float(w.abs().max()),
            "rms": pytest.approx(float(w.pow(2).mean().sqrt()), rel=1e-6),
            "frobenius": pytest.approx(float(torch.linalg.norm(w)), rel=1e-6),
            "spectral": None if s is None else pytest.approx((s[0], s[0]), rel=4e-3),
            "stable_rank": None if s is None else pytest.approx((s**2).sum() / s[0] ** 2, rel=2e-3),
            "dead_rows": None if s is None else int((w == 0).all(1).sum()),
            "effective_rank": None if s is None else pytest.approx((s**2).sum() ** 2 / (s**4).sum(), rel=0.1),
        }
        assert set(twins) == {field.name for field in dataclasses.fields(TensorVitals)}
        for field, twin in twins.items():
            assert getattr(mine, field) == twin, (name, field)
        assert s is None or mine.spectral[0] == pytest.approx(s[0], rel=1e-3)


def row(state):
    return torch.cat([w.ravel() for w in state.values()])


def test_every_number_of_a_module(trained):
    record, states, _, _ = trained
    x = torch.from_numpy(contexts(SIZE)).double()
    for side, mine in enumerate(record.modules):
        first, best, before, now = (row(state[side]) for state in states)
        w = states[-1][side]
        hidden = torch.relu(x @ w["linear.0.weight"].T + w["linear.0.bias"])
        out = torch.relu(hidden @ w["linear.2.weight"].T + w["linear.2.bias"])
        cosine = torch.nn.functional.cosine_similarity(now - before, before - best, dim=0)
        twins = {
            "size": SIZE,
            "side": "kv"[side],
            "gain": pytest.approx(float(out.norm() / x.norm()), rel=1e-5),
            "varied": pytest.approx(float((out - out.mean(0)).norm() / x.norm()), rel=1e-5),
            "dead_units": float((hidden == 0).all(0).double().mean()),
            "rms": pytest.approx(float(now.pow(2).mean().sqrt()), rel=1e-6),
            "update_rms": pytest.approx(float((now - before).pow(2).mean().sqrt()), rel=1e-5),
            "update_cosine": pytest.approx(float(cosine), abs=1e-5),
            "travel_rms": pytest.approx(float((now - first).pow(2).mean().sqrt()), rel=1e-5),
            "dead_outputs": float((out == 0).all(0).double().mean()),
            "best_rms": pytest.approx(float((now - best).pow(2).mean().sqrt()), rel=1e-5),
        }
        assert set(twins) == {field.name for field in dataclasses.fields(ModuleVitals)}
        for field, twin in twins.items():
            assert getattr(mine, field) == twin, field
    assert record.modules[0].dead_units > 0


def reach(steps):
    """The longest way of a weight after the gradients that make it longest: each beta1 / beta2 of the next."""
    m = v = 0.0
    for i in range(steps):
        g = (BETAS[1] / BETAS[0]) ** i
        m, v = BETAS[0] * m + (1 - BETAS[0]) * g, BETAS[1] * v + (1 - BETAS[1]) * g * g
    return m / (1 - BETAS[0] ** steps) / math.sqrt(v / (1 - BETAS[1] ** steps))


def test_every_number_of_an_optimizer_state(trained):
    record, _, optimizer, path = trained
    moments = [(s["exp_avg"].double(), s["exp_avg_sq"].double(), float(s["step"])) for s in optimizer.state.values()]
    steps = [RATE * (m / (1 - BETAS[0] ** t)) / ((v / (1 - BETAS[1] ** t)).sqrt() + EPS) for m, v, t in moments]
    state = path.with_name(path.name + ".optim")
    squares = torch.cat([v.ravel() for _, v, _ in moments])
    twins = {
        "path": state.name,
        "optimizer_name": "AdamW",
        "learning_rate": RATE,
        "step": 12,
        "hash": hashes.sha256(path)[:10],
        "hash_matches": True,
        "hash_generation": 2,
        "tensors": 2 * len(moments),
        "nonfinite": 0,
        "zero_second_moment": pytest.approx(float((squares == 0).double().mean())),
        "update_rms": pytest.approx(float(torch.cat([s.ravel() for s in steps]).pow(2).mean().sqrt()), rel=1e-5),
        "unreadable": None,
        "refusal": None,
        "bytes": state.stat().st_size,
        "modified": state.stat().st_mtime,
        "content": record.optimizer.content,  # test_checkpoint compares it with the whole file's
        "misfits": 0,
        "negative": 0,
        "wrong": (),
        "parameters": len(moments),
        "kept": len(moments),
        "beyond": pytest.approx(max(float(s.abs().max()) for s in steps) / RATE / reach(12), rel=1e-5),
    }
    assert set(twins) == {field.name for field in dataclasses.fields(OptimizerVitals)}
    for field, twin in twins.items():
        assert getattr(record.optimizer, field) == twin, field


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("upsample", [False, True])
@pytest.mark.parametrize("name", ["relu", "tanh", "linear"])
def test_residual_blocks_in_the_obvious_way(norm, upsample, name):
    """MonkeyPatch: block(x) = interpolate(x) or linear(x) + activation(norm(linear(x))), and h(x) = blocks(x) - x."""
    torch.manual_seed(3)
    tensors, y = {}, torch.from_numpy(contexts(24)).double()
    x = y
    act = {"relu": torch.relu, "tanh": torch.tanh, "linear": lambda v: v}[name]
    with torch.no_grad():
        for i, (n_in, n_out) in enumerate(((24, 60), (60, 24))):
            linear, ln = torch.nn.Linear(n_in, n_out).double(), torch.nn.LayerNorm(n_out).double()
            torch.nn.init.normal_(ln.weight)
            up = torch.nn.Linear(n_in, n_out, bias=False).double()
            inner = ln(linear(y)) if norm else linear(y)
            skip = up(y) if upsample else torch.nn.functional.interpolate(y[None], n_out, mode="nearest-exact")[0]
            y = skip + act(inner)
            parts = [(0, linear), (1, ln)] if norm else [(0, linear)]
            for j, part in parts:
                tensors |= {f"linear.{i}.linear.{j}.{k}": v.numpy() for k, v in part.state_dict().items()}
            if upsample:
                tensors[f"linear.{i}.upsample_layer.weight"] = up.weight.detach().numpy()
    twin = float((y - x).norm() / x.norm())
    metadata = NetworkMetadata(activation_func=name, is_layer_norm=norm, skip_connection=True)
    single = {key: array.astype(np.float32) for key, array in tensors.items()}
    assert effect(Module(24, "k", single), metadata).gain == pytest.approx(twin, rel=1e-4)
    assert math.isfinite(twin)
