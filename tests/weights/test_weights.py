"""Every number against obvious arithmetic: torch in double precision, scipy's SVD, and loops."""

from __future__ import annotations

import dataclasses
import math
import zipfile

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hndoctor.formats import activations as own
from hndoctor.formats import read
from hndoctor.formats.layout import ACTIVATIONS, layers
from hndoctor.formats.types import HypernetworkFile, Module, OptimizerFile
from hndoctor.records import NetworkMetadata
from hndoctor.weights import Past, effect, measure, measure_optimizer
from hndoctor.weights.network import contexts
from hndoctor.weights.spectral import TOLERANCE, largest_singular
from hndoctor.weights.tallies import Tallies, tally, zeros
from hndoctor.weights.tensors import vitals_of
from tests.formats.makers import rezip

FLOATS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.float16]),
    hnp.array_shapes(min_dims=1, max_dims=2, max_side=40),
    elements=st.floats(width=16) | st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan]),
)


@settings(max_examples=60, deadline=None)
@given(FLOATS)
def test_counts_and_norms(array):
    mine = tally(array)
    finite = [float(x) for x in array.ravel() if math.isfinite(x)]
    assert (mine.nan, mine.posinf, mine.neginf) == (
        sum(math.isnan(x) for x in array.ravel()),
        sum(x == math.inf for x in array.ravel()),
        sum(x == -math.inf for x in array.ravel()),
    )
    assert zeros(array) == sum(x == 0 for x in array.ravel())
    assert mine.count == array.size
    assert mine.max_abs == max(map(abs, finite), default=0.0)
    assert mine.norm == pytest.approx(math.sqrt(math.fsum(x * x for x in finite)), rel=1e-5)


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e-20, 1.0, 1e18, 1e30, 3e38])
def test_norms_neither_overflow_nor_vanish(scale):
    array = (np.random.default_rng(0).uniform(-1, 1, (70, 1000)) * scale).astype(np.float32)
    expected = np.linalg.norm(array.astype(np.float64) / scale) * scale
    mine = vitals_of("a", array, "float32")[0]
    assert mine.frobenius == pytest.approx(expected, rel=1e-5)
    true = np.linalg.svd(array.astype(np.float64), compute_uv=False)[0]
    assert mine.spectral[0] <= true * (1 + 1e-9) <= mine.spectral[1] * (1 + 1e-5)


def test_doubles_beyond_single_precision():
    mine = tally(np.array([1e300, -1e300, math.nan]))
    assert mine.norm == pytest.approx(math.sqrt(2) * 1e300)
    assert tally(np.full(4, 1e308)).norm == pytest.approx(1.7976931348623157e308)


def test_large_tensors_keep_their_precision():
    array = np.random.default_rng(0).normal(0, 0.01, (1280, 640)).astype(np.float32)
    assert tally(array).norm == pytest.approx(scipy.linalg.norm(array.astype(np.float64)), rel=1e-6)
    assert tally(array.T).norm == pytest.approx(scipy.linalg.norm(array.astype(np.float64)), rel=1e-6)


SINGLE_BITS = st.integers(0, 0xFFFFFFFF) | st.sampled_from(
    [0, 0x80000000, 1, 0x80000001, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(SINGLE_BITS, min_size=1, max_size=30))
def test_every_pattern_of_bits_is_counted_as_what_it_is(patterns):
    """NaN of either sign and any payload, both zeros, both infinities, subnormal numbers."""
    array = np.array(patterns, np.uint32).view(np.float32)
    finite = array[np.isfinite(array)].astype(np.float64)
    mine = tally(array)
    assert (mine.nan, mine.finite, zeros(array)) == (np.isnan(array).sum(), len(finite), (array == 0).sum())
    assert mine.max_abs == np.abs(finite).max(initial=0)
    assert mine.norm == pytest.approx(scipy.linalg.norm(finite), rel=1e-6)


def views_of_one_row():
    whole = torch.randn(700, 300, generator=torch.Generator().manual_seed(4))
    whole[3, 5], whole[9, 9] = math.nan, 0.0
    return {
        "whole": whole,
        "turned": whole.t(),
        "part": whole[100:200],
        "beginning": whole[:10],
        "comb": whole[::2, ::3],
        "own": torch.randn(50, 3),
        "half": torch.randn(50, 3).half(),
        "brain": torch.randn(50, 3).bfloat16(),
        "double": torch.randn(50, 3).double(),
        "whole_numbers": torch.arange(9),
        "no_rows": torch.empty(0, 7),
    }


@pytest.mark.parametrize("kind", ["zip", "legacy", "deflated", "no checksums"])
def test_what_is_counted_while_reading_is_what_is_counted_afterwards(tmp_path, kind):
    path = tmp_path / "a.pt"
    torch.serialization.set_crc32_options(kind != "no checksums")
    try:
        torch.save(views_of_one_row(), path, _use_new_zipfile_serialization=kind != "legacy")
    finally:
        torch.serialization.set_crc32_options(True)
    if kind == "deflated":
        rezip.write(path, rezip.read(path), zipfile.ZIP_DEFLATED)
    counted = Tallies()
    file = read(path, watch=counted.watch)
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hndoctor.weights.tallies.tally", lambda array: calls.append(array) or tally(array))
        for name, array in file.tensors.items():
            twin = array.astype(np.float64)[np.isfinite(array)]
            mine = counted.of(array)
            assert mine == tally(array), name
            assert mine.norm == pytest.approx(scipy.linalg.norm(twin), rel=1e-6), name
    assert len(calls) == (
        8 if kind in ("zip", "deflated") else 11
    )  # 3 of 11 are a stored row of float32, no more or less


def test_dead_rows_are_counted():
    array = np.ones((6, 4), np.float32)
    array[[1, 4]] = 0
    array[2, 0] = 0
    assert vitals_of("a", array, "float32")[0].dead_rows == 2


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (64, 64), (65, 64), (96, 192), (640, 320), (320, 640)])
@pytest.mark.parametrize("spectrum", ["noise", "spike", "low rank", "equal"])
def test_the_bracket_holds_the_largest_singular_value(shape, spectrum):
    rng = np.random.default_rng(5)
    array = rng.normal(0, 0.01, shape)
    if spectrum == "spike":
        array += 0.5 * np.outer(rng.normal(size=shape[0]), rng.normal(size=shape[1])) / math.sqrt(shape[0])
    elif spectrum == "low rank":
        array = rng.normal(size=(shape[0], 2)) @ rng.normal(size=(2, shape[1]))
    elif spectrum == "equal":
        array = np.eye(*shape) * 3
    array = array.astype(np.float32)
    true = scipy.linalg.svdvals(array.astype(np.float64))[0]
    found = largest_singular(array)
    assert found.lower <= true * (1 + 1e-7)
    assert true <= found.upper * (1 + 1e-6)
    assert found.lower == pytest.approx(true, rel=1e-3)
    assert found.upper <= found.lower * (1 + 2 * TOLERANCE) + 1e-12
    moved = (array + rng.normal(0, 1e-4, shape)).astype(np.float32)
    again = largest_singular(moved, found.direction)
    assert again.lower == pytest.approx(scipy.linalg.svdvals(moved.astype(np.float64))[0], rel=1e-3)


def true_rank(array):
    squares = scipy.linalg.svdvals(array.astype(np.float64)) ** 2
    return squares.sum() ** 2 / (squares**2).sum()


LARGE = (400, 200)  # of those that are not decomposed


@pytest.mark.parametrize("shape", [LARGE, LARGE[::-1]])
@pytest.mark.parametrize("kind", ["noise", "one", "three", "three and noise", "decaying", "heavy rows"])
def test_the_effective_rank(shape, kind):
    rng = np.random.default_rng(8)
    array = rng.normal(0, 0.01, shape)
    if kind in ("one", "three", "three and noise"):
        rank = 1 if kind == "one" else 3
        low = rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))
        array = low + (array if "noise" in kind else 0)
    elif kind == "decaying":
        array = array * np.exp(-np.arange(shape[1]) / 30)
    elif kind == "heavy rows":
        array[:5] *= 20
    array = array.astype(np.float32)
    cold = largest_singular(array)
    within = 0.15 if kind == "heavy rows" else 0.1  # from some of the rows, so where a few carry most it is less sure
    assert cold.effective_rank == pytest.approx(true_rank(array), rel=within)
    moved = (array + rng.normal(0, 1e-4 * array.std(), shape)).astype(np.float32)
    assert largest_singular(moved, cold.direction).effective_rank == pytest.approx(true_rank(moved), rel=within)


def test_the_effective_rank_of_small_matrices_is_exact():
    array = np.random.default_rng(3).normal(size=(96, 48)).astype(np.float32)
    assert largest_singular(array).effective_rank == pytest.approx(true_rank(array), rel=1e-9)
    assert vitals_of("a", np.zeros((300, 200), np.float32), "float32")[0].effective_rank is None
    tiny = (np.random.default_rng(3).normal(size=(300, 200)) * 1e-30).astype(np.float32)
    assert vitals_of("a", tiny, "float32")[0].effective_rank == pytest.approx(true_rank(tiny * 1e30), rel=0.1)


def test_a_rough_bracket_is_honest_and_leaves_out_the_ranks():
    array = np.random.default_rng(3).normal(0, 0.01, LARGE).astype(np.float32)
    true = scipy.linalg.svdvals(array.astype(np.float64))[0]
    made, _ = vitals_of("a", array, "float32", None, True)
    sharp, _ = vitals_of("a", array, "float32")
    assert 0.5 * true < made.spectral[0] <= true <= made.spectral[1]
    assert (made.stable_rank, made.effective_rank) == (None, None)
    assert sharp.stable_rank == pytest.approx((np.linalg.norm(array) / true) ** 2, rel=3e-3)
    assert made.frobenius == sharp.frobenius


@pytest.mark.parametrize("steps", [1, 30])
def test_a_warm_start_stays_within_a_thousandth_along_a_course(steps):
    rng = np.random.default_rng(2)
    array = rng.normal(0, 0.01, LARGE).astype(np.float32)
    start = largest_singular(array).direction
    for _ in range(steps):
        array = (array + rng.normal(0, 3e-4, LARGE)).astype(np.float32)
        found = largest_singular(array, start)
        start = found.direction
    assert found.lower == pytest.approx(scipy.linalg.svdvals(array.astype(np.float64))[0], rel=1e-3)


# --- what a module does -----------------------------------------------------------------------------------------------

TORCH = {
    name.lower(): getattr(torch.nn, name) for name in torch.nn.modules.activation.__all__ if hasattr(torch.nn, name)
}
TORCH["swish"] = torch.nn.Hardswish
EVALUATED = sorted(set(own.ACTIVATIONS))


def twin_module(size, structure, name, norm, dropout, out):
    """The web UI's Sequential, built from the layout."""
    torch.manual_seed(size)
    made = []
    for layer in layers(size, structure, name, norm, dropout, out):
        if layer.kind == "linear":
            made.append(torch.nn.Linear(layer.n_in, layer.n_out))
        elif layer.kind == "activation":
            made.append(TORCH[name]())
        elif layer.kind == "layer_norm":
            made.append(torch.nn.LayerNorm(layer.n_out))
            torch.nn.init.normal_(made[-1].weight)
        else:
            made.append(torch.nn.Dropout(layer.p))
    sequential = torch.nn.Sequential(*made).eval()
    tensors = {f"linear.{key}": value.detach().numpy() for key, value in sequential.state_dict().items()}
    return sequential, Module(size, "k", tensors)


def metadata(name, norm=False, out=False):
    return NetworkMetadata(activation_func=name, is_layer_norm=norm, activate_output=out)


def test_every_activation_that_can_be_evaluated_is_there():
    assert set(ACTIVATIONS) - set(EVALUATED) == {"linear", "glu", "multiheadattention", "threshold"}


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
@pytest.mark.parametrize("name", EVALUATED)
def test_activations_are_torchs(name):
    x = np.concatenate([np.linspace(-30, 30, 1201), [0.0, 0.5, -0.5, 3, -3, 6]]).astype(np.float32)
    with torch.no_grad():
        theirs = TORCH[name]().eval()(torch.from_numpy(x).reshape(1, 1, -1)).numpy().ravel()
    np.testing.assert_allclose(own.ACTIVATIONS[name](x), theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
@pytest.mark.parametrize("name", [*EVALUATED, "linear", None])
@pytest.mark.parametrize(("norm", "out", "dropout"), [(False, False, (0, 0, 0, 0)), (True, True, (0, 0.1, 0, 0))])
def test_the_gain_is_torchs(name, norm, out, dropout):
    sequential, module = twin_module(24, (1, 2, 1.5, 1), name, norm, dropout, out)
    x = torch.from_numpy(contexts(24)).double()
    with torch.no_grad():
        theirs = float(sequential.double()(x[None]).norm() / x.norm())
    assert effect(module, metadata(name, norm, out)).gain == pytest.approx(theirs, rel=1e-4)


def test_dead_units_and_dead_outputs():
    _, module = twin_module(24, (1, 2, 1), "relu", False, (0, 0, 0), True)
    tensors = {name: array.copy() for name, array in module.tensors.items()}
    tensors["linear.0.bias"][:12] = -1e3
    tensors["linear.2.weight"] = np.abs(tensors["linear.2.weight"])  # hidden units are positive: nothing dies by chance
    tensors["linear.2.bias"][:] = 0
    tensors["linear.2.bias"][:6] = -1e3
    found = effect(dataclasses.replace(module, tensors=tensors), metadata("relu", out=True))
    assert found.dead_units == pytest.approx(12 / 48)
    assert found.dead_outputs == pytest.approx(6 / 24)
    assert effect(module, metadata("tanh", out=True)).dead_units is None


@pytest.mark.parametrize("zeroed", ["linear.0.weight", "linear.2.weight"])
def test_a_layer_of_zeros_adds_the_same_to_every_context(zeroed):
    _, module = twin_module(24, (1, 2, 1), "relu", False, (0, 0, 0), False)
    told = metadata("relu")
    assert effect(module, told).varied > 0.001
    found = effect(dataclasses.replace(module, tensors={**module.tensors, zeroed: 0 * module.tensors[zeroed]}), told)
    assert found.varied < 1e-6


@pytest.mark.parametrize("scale", [1e20, 1e30])
def test_gains_beyond_single_precision(scale):
    _, module = twin_module(8, (1, 2, 1), "linear", False, (0, 0, 0), False)
    small = effect(module, metadata(None)).gain
    tensors = {
        name: array * np.float32(scale) if "1.weight" in name else array * 0 if "1.bias" in name else array
        for name, array in module.tensors.items()
    }
    assert effect(dataclasses.replace(module, tensors=tensors), metadata(None)).gain > small * scale / 2


@pytest.mark.parametrize("broken", ["shape", "names", "nan", "glu", "empty"])
def test_what_cannot_be_evaluated_has_no_gain(broken):
    _, module = twin_module(8, (1, 2, 1), "relu", False, (0, 0, 0), False)
    tensors, name = dict(module.tensors), "relu"
    if broken == "shape":
        tensors["linear.0.weight"] = tensors["linear.0.weight"][:, :5]
    elif broken == "names":
        tensors = {f"x.{key}": value for key, value in tensors.items()}
    elif broken == "nan":
        tensors["linear.0.bias"] = np.full(16, np.nan, np.float32)
    elif broken == "glu":
        name = "glu"
    else:
        tensors["linear.0.weight"] = np.empty((0, 0), np.float32)
    assert effect(dataclasses.replace(module, tensors=tensors), metadata(name)).gain is None


def test_residual_blocks_of_monkeypatch():
    torch.manual_seed(0)
    linears = [torch.nn.Linear(8, 16), torch.nn.Linear(16, 8)]
    tensors = {
        f"linear.{i}.linear.0.{key}": value.detach().numpy()
        for i, block in enumerate(linears)
        for key, value in block.state_dict().items()
    }
    x = torch.from_numpy(contexts(8))
    y = x
    with torch.no_grad():
        for block in linears:
            skip = torch.nn.functional.interpolate(y[None], block.out_features, mode="nearest-exact")[0]
            y = skip + torch.relu(block(y))
    found = effect(Module(8, "k", tensors), NetworkMetadata(activation_func="relu", skip_connection=True))
    assert found.gain == pytest.approx(float((y - x).norm() / x.norm()), rel=1e-5)


def test_residual_blocks_with_a_prelu():
    torch.manual_seed(4)
    block = torch.nn.Sequential(torch.nn.Linear(24, 24), torch.nn.PReLU(init=0.7))
    tensors = {f"linear.0.linear.{name}": value.detach().numpy() for name, value in block.state_dict().items()}
    told = NetworkMetadata(layer_structure=(1, 1), activation_func="prelu", activate_output=True, skip_connection=True)
    x = torch.from_numpy(contexts(24))
    with torch.no_grad():
        theirs = float(block(x).norm() / x.norm())
    assert effect(Module(24, "k", tensors), told).gain == pytest.approx(theirs, rel=1e-5)


def test_residual_blocks_with_a_map_of_their_own_and_a_layer_norm():
    torch.manual_seed(0)
    linear, norm, up = torch.nn.Linear(8, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 8, bias=False)
    tensors = {f"linear.0.linear.0.{key}": value.detach().numpy() for key, value in linear.state_dict().items()}
    tensors |= {f"linear.0.linear.1.{key}": value.detach().numpy() for key, value in norm.state_dict().items()}
    tensors["linear.0.upsample_layer.weight"] = up.weight.detach().numpy()
    x = torch.from_numpy(contexts(8))
    with torch.no_grad():
        y = up(x) + torch.relu(norm(linear(x)))
    told = NetworkMetadata(activation_func="relu", skip_connection=True)
    found = effect(Module(8, "k", tensors), told)
    assert found.gain == pytest.approx(float((y - x).norm() / x.norm()), rel=1e-5)
    narrow = {name: array[:4] if "linear.0.linear.0" in name else array for name, array in tensors.items()}
    del narrow["linear.0.upsample_layer.weight"], narrow["linear.0.linear.1.weight"], narrow["linear.0.linear.1.bias"]
    assert effect(Module(8, "k", narrow), told).gain is None


@pytest.mark.parametrize("tensors", [{}, {"linear.0.bias": np.ones(8, np.float32)}, {"other": np.ones((8, 8))}])
def test_what_is_no_module_has_no_gain(tensors):
    assert effect(Module(8, "k", tensors), metadata("relu")).gain is None


# --- the course -------------------------------------------------------------------------------------------------------


def network(path, seed, scale=1.0, nan=None):
    rng = np.random.default_rng(seed)
    tensors = {
        "linear.0.weight": (rng.normal(0, 0.01, (16, 8)) * scale).astype(np.float32),
        "linear.0.bias": (rng.normal(0, 0.01, 16) * scale).astype(np.float32),
        "linear.1.weight": (rng.normal(0, 0.01, (8, 16)) * scale).astype(np.float32),
        "linear.1.bias": np.zeros(8, np.float32),
    }
    if nan:
        tensors[nan].flat[0] = np.nan
    modules = (Module(8, "k", tensors), Module(8, "v", {n: a * 2 for n, a in tensors.items()}))
    return HypernetworkFile(path, "zip", modules, NetworkMetadata(), (), "", "", 0)


def flat(file, side=0, leave_out=()):
    return np.concatenate(
        [
            a.ravel().astype(np.float64)[len(leave_out) and n in leave_out :]
            for n, a in file.modules[side].tensors.items()
        ]
    )


def test_changes_against_the_checkpoints_before(tmp_path):
    now, before, earlier, first = (network(tmp_path, seed) for seed in (4, 3, 2, 1))
    _, modules, _ = measure(now, Past(before, earlier, first, earlier))
    for side in (0, 1):
        step, previous = flat(now, side) - flat(before, side), flat(before, side) - flat(earlier, side)
        found = modules[side]
        assert found.update_rms == pytest.approx(np.sqrt(np.mean(step**2)), rel=1e-5)
        cosine = step @ previous / np.linalg.norm(step) / np.linalg.norm(previous)
        assert found.update_cosine == pytest.approx(cosine, abs=1e-5)
        travel = flat(now, side) - flat(first, side)
        assert found.travel_rms == pytest.approx(np.sqrt(np.mean(travel**2)), rel=1e-5)
        away = flat(now, side) - flat(earlier, side)
        assert found.best_rms == pytest.approx(np.sqrt(np.mean(away**2)), rel=1e-5)
        assert found.rms == pytest.approx(np.sqrt(np.mean(flat(now, side) ** 2)), rel=1e-5)


def test_one_nan_hides_nothing_else(tmp_path):
    clean, ill = network(tmp_path, 4), network(tmp_path, 4, nan="linear.0.weight")
    before = network(tmp_path, 3)
    tensors, modules, _ = measure(ill, Past(before, first=before))
    twins, twin_modules, _ = measure(clean, Past(before, first=before))
    assert tensors[0].nan == 1
    assert tensors[0].frobenius == pytest.approx(twins[0].frobenius, rel=0.05)
    assert tensors[0].spectral is None
    assert tensors[1:4] == twins[1:4]
    assert modules[0].gain is None
    assert modules[0].update_rms == pytest.approx(twin_modules[0].update_rms, rel=0.05)
    assert modules[1].gain is None  # its weights were made from the same ones
    assert all(math.isfinite(m.rms) for m in modules)


def test_other_structures_are_not_compared(tmp_path):
    now, before = network(tmp_path, 1), network(tmp_path, 2)
    other = dataclasses.replace(before, modules=(Module(8, "k", {"linear.0.weight": np.ones((8, 8), np.float32)}),))
    _, modules, _ = measure(now, Past(other, first=other))
    assert [m.update_rms for m in modules] == [None, None]
    assert [m.travel_rms for m in modules] == [None, None]


# --- optimizer --------------------------------------------------------------------------------------------------------


def trained(steps=5, zero=False):
    torch.manual_seed(2)
    weights = [torch.nn.Parameter(torch.randn(6, 4)), torch.nn.Parameter(torch.randn(6))]
    optimizer = torch.optim.AdamW(weights, lr=3e-4, weight_decay=0)
    for _ in range(steps):
        optimizer.zero_grad()
        ((weights[0] ** 3).sum() + (0 if zero else (weights[1] ** 2).sum()) + 0 * weights[1].sum()).backward()
        optimizer.step()
    saved = optimizer.state_dict()
    state = {i: {k: v.numpy() if v.ndim else float(v) for k, v in s.items()} for i, s in saved["state"].items()}
    return weights, optimizer, state, tuple(saved["param_groups"])


def optimizer_file(path, state, groups, hashed=None):
    return OptimizerFile(path, "AdamW", hashed, state, groups, "", 0)


def test_the_next_update_is_torchs(tmp_path):
    _weights, _, state, groups = trained()
    found = measure_optimizer(optimizer_file(tmp_path / "a.optim", state, groups), tmp_path, "")
    total = []
    for entry in state.values():
        m = entry["exp_avg"] / (1 - 0.9**5)
        v = entry["exp_avg_sq"] / (1 - 0.999**5)
        total.append((3e-4 * m / (np.sqrt(v) + 1e-8)).ravel())
    assert found.update_rms == pytest.approx(float(np.sqrt(np.mean(np.concatenate(total) ** 2))), rel=1e-5)
    assert (found.step, found.learning_rate, found.tensors, found.nonfinite) == (5, 3e-4, 4, 0)


def test_sick_moments_are_counted(tmp_path):
    _, _, state, groups = trained(zero=True)
    state[0]["exp_avg"] = state[0]["exp_avg"].copy()
    state[0]["exp_avg"][0, :3] = [np.nan, np.inf, -np.inf]
    found = measure_optimizer(optimizer_file(tmp_path / "a.optim", state, groups), tmp_path, "")
    assert found.nonfinite == 3
    assert found.zero_second_moment == pytest.approx(6 / 30)
    assert math.isfinite(found.update_rms)


def test_both_hash_generations(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(b"abc")
    _, _, state, groups = trained()
    import hashlib

    whole = hashlib.sha256(b"abc").hexdigest()
    for stored, expected in [
        (whole[:10], (True, 2)),
        ("0" * 10, (False, 2)),
        ("e3b0c442", (True, 1)),
        ("0" * 8, (False, 1)),
        (None, (None, None)),
    ]:
        found = measure_optimizer(optimizer_file(tmp_path / "a.optim", state, groups, stored), path, whole)
        assert (found.hash_matches, found.hash_generation) == expected


def test_moments_must_have_the_shapes_of_the_networks_tensors(tmp_path):
    _, _, state, groups = trained()
    file = optimizer_file(tmp_path / "a.optim", state, groups)

    def misfits(*shapes):
        return measure_optimizer(file, tmp_path, "", "", shapes or None).misfits

    assert misfits((6, 4), (6,)) == misfits((6, 4), (6,), (9,)) == misfits() == 0
    assert (misfits((6,), (6, 4)), misfits((4, 6), (6,)), misfits((6, 4))) == (2, 1, 1)


@pytest.mark.parametrize("step", [math.nan, -4, 10**30, "x"])
def test_impossible_steps_of_an_optimizer_are_not_believed(tmp_path, step):
    _, _, state, groups = trained()
    for entry in state.values():
        entry["step"] = step
    assert measure_optimizer(optimizer_file(tmp_path / "a.optim", state, groups), tmp_path, "").step is None


@pytest.mark.parametrize(
    "groups", [(), ({},), ({"lr": None, "params": [0]},), ({"lr": 1e-3, "betas": (1, 2, 3), "params": [0, 9]},)]
)
def test_odd_optimizers_do_not_crash(tmp_path, groups):
    _, _, state, _ = trained()
    assert measure_optimizer(optimizer_file(tmp_path / "a", state, groups), tmp_path, "").update_rms is None


@pytest.mark.parametrize("estimate", [3e-4, 1e-6])
def test_the_rate_that_an_optimizer_found_itself(tmp_path, estimate):
    """D-Adaptation and Prodigy store a rate of 1 and, beside it, their estimate; their moments are of another scale."""
    _, _, state, groups = trained()
    own = tuple({**group, "lr": 1.0, "d": estimate} for group in groups)
    found = measure_optimizer(optimizer_file(tmp_path / "a.optim", state, own), tmp_path, "")
    assert found.learning_rate == pytest.approx(estimate)
    assert found.update_rms is None


def put(array, value):
    array.reshape(-1)[:3] = value


@pytest.mark.parametrize(
    ("spoil", "negative", "wrong"),
    [
        (lambda state, group: None, 0, ()),
        (lambda state, group: put(state[0]["exp_avg_sq"], -1e-9), 3, ()),
        (lambda state, group: put(state[1]["exp_avg_sq"], -math.inf), 3, ()),
        (lambda state, group: put(state[1]["exp_avg_sq"], -0.0), 0, ()),
        (lambda state, group: put(state[1]["exp_avg"], -1), 0, ()),  # a mean may be of any sign
        (lambda state, group: state[0].update(step=math.nan), 0, ("step",)),
        (lambda state, group: group.update(lr=math.nan, betas=(0.9, math.inf)), 0, ("betas", "lr")),
        (lambda state, group: state[1].update(step=-5.0), 0, ("step",)),
        (lambda state, group: group.update(lr=-1e-6), 0, ("lr",)),
        (lambda state, group: group.update(lr=0, eps=0.0, weight_decay=0), 0, ()),
        (lambda state, group: group.update(eps=-1e-8, weight_decay=-0.1), 0, ("eps", "weight_decay")),
        (lambda state, group: group.update(betas=(0.9, 1.0)), 0, ("betas",)),
        (lambda state, group: group.update(betas=(0.0, 0.9999999), momentum=1.5), 0, ()),
        (lambda state, group: group.update(growth_rate=math.inf, maximize=False), 0, ()),  # Prodigy's default
    ],
)
def test_squares_below_zero_and_numbers_that_are_none_are_counted(tmp_path, spoil, negative, wrong):
    _, _, state, groups = trained()
    spoil(state, groups[0])
    found = measure_optimizer(optimizer_file(tmp_path / "a.optim", state, groups), tmp_path, "")
    assert (found.negative, found.wrong) == (negative, wrong)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize(
    ("value", "signed"), [(0.0, False), (-0.0, True), (-1e-7, True), (1.0, False), (-math.inf, True)]
)
def test_a_minus_sign_is_seen_in_passing(dtype, value, signed):
    array = np.linspace(0.1, 1, 200_000).astype(dtype)
    array[150_000] = value
    assert tally(array).signed is signed
    assert zeros(array) == (value == 0)


def test_the_parameters_of_a_state_are_counted(tmp_path):
    _, _, state, groups = trained()
    found = measure_optimizer(optimizer_file(tmp_path / "a.optim", state, groups), tmp_path, "")
    assert (found.parameters, found.kept) == (len(groups[0]["params"]), len(state))
    nameless = tuple({key: value for key, value in group.items() if key != "params"} for group in groups)
    assert measure_optimizer(optimizer_file(tmp_path / "b.optim", state, nameless), tmp_path, "").parameters is None
    assert measure_optimizer(optimizer_file(tmp_path / "c.optim", state, ()), tmp_path, "").parameters == 0
