"""A run on disk, measured: everything in its place, what cannot be read named, and nothing measured twice."""

import json
import os
import time

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import hndoctor
from hndoctor.collect import CollectError, beside, find_runs
from hndoctor.formats import losslog, read
from hndoctor.formats.write import write_hypernetwork, write_optimizer
from hndoctor.records import Verdict, Vitals
from hndoctor.vitals import measure_run, measuring, save
from hndoctor.weights import CHUNK, series

TEXT = "a house\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x64, Model hash: abcdef0123"
OLD = 1_600_000_000


def network(path, step, size=0.01, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"linear.0.weight": (48, 24), "linear.0.bias": (48,), "linear.1.weight": (24, 48), "linear.1.bias": (24,)}
    drift = rng.normal(0, 0.001, 48 * 24).astype(np.float32)
    state = {}
    for name, shape in shapes.items():
        start = np.random.default_rng(9).normal(0, size, shape).astype(np.float32)
        state[name] = start + (step / 500) * drift[: start.size].reshape(shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_hypernetwork(path, [(24, state, state)], {"step": step - 1, "name": "x"})
    os.utime(path, (OLD + step, OLD + step))


def picture(path, step):
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", TEXT)
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    Image.fromarray(ramp).save(path, pnginfo=info)
    os.utime(path, (OLD + step, OLD + step))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "x"
    for step in (500, 1000, 1500, 2000):
        network(root / "hypernetworks" / f"x-{step}.pt", step)
        picture(root / "images" / f"x-{step}.png", step)
        losslog.append_row(root / "hypernetwork_loss.csv", step, 0.1, 5e-6, 20)
    (root / "settings-2023-01-01-10-00-00.json").write_text('{"learn_rate": "5e-6", "steps": 2000}', encoding="utf-8")
    return root


def only(root):
    (run,) = find_runs(root)
    return run


def test_everything_in_its_place(folder):
    vitals = measure_run(only(folder))
    assert [checkpoint.path for checkpoint in vitals.checkpoints] == [
        f"hypernetworks/x-{n}.pt" for n in (500, 1000, 1500, 2000)
    ]
    assert [preview.path for preview in vitals.previews] == [f"images/x-{n}.png" for n in (500, 1000, 1500, 2000)]
    assert [point.step for point in vitals.losses] == [500, 1000, 1500, 2000]
    assert (vitals.settings.learn_rate, vitals.settings.steps) == ("5e-6", 2000)
    assert (vitals.run, vitals.name, vitals.measured_by) == (str(folder), "x", hndoctor.__version__)
    shown = vitals.previews[0]
    assert (shown.prompt, shown.negative_prompt, shown.seed, shown.sampler) == ("a house", "", 5, "Euler a")
    assert (shown.sampling_steps, shown.cfg_scale, shown.clip_skip, shown.model_hash) == (20, 7, 1, "abcdef0123")
    assert vitals.checkpoints[3].modules[0].update_rms is not None


def test_the_public_functions(folder):
    vitals = hndoctor.measure(folder)
    diagnosis = hndoctor.judge(vitals)
    assert hndoctor.scan(folder.parent) == (diagnosis,)
    assert diagnosis.verdict is not Verdict.UNEXAMINED
    assert diagnosis.prescription is not None


def test_measure_wants_one_run(folder):
    network(folder.parent / "y" / "hypernetworks" / "y-500.pt", 500)
    with pytest.raises(CollectError, match="2 runs"):
        hndoctor.measure(folder.parent)
    assert len(hndoctor.scan(folder.parent)) == 2


def test_what_cannot_be_read_is_named(folder):
    (folder / "hypernetworks" / "x-1000.pt").write_bytes(b"PK\3\4 cut short")
    (folder / "images" / "x-1000.png").write_bytes(b"not a picture")
    (folder / "settings-2023-01-02-10-00-00.json").write_text("{", encoding="utf-8")
    vitals = measure_run(only(folder))
    assert [file.path for file in vitals.unreadable] == ["hypernetworks/x-1000.pt"]
    assert vitals.previews[1].unreadable
    assert [skip.what for skip in vitals.skipped] == ["settings-2023-01-02-10-00-00.json"]
    diagnosis = hndoctor.judge(vitals)
    assert diagnosis.verdict is not Verdict.HEALTHY
    assert diagnosis.prescription.checkpoint != "hypernetworks/x-1000.pt"


def test_progress_can_be_stopped_and_kept(folder):
    events = measuring(only(folder))
    seen = [next(events) for _ in range(4)]
    events.close()
    assert [event.done for event in seen] == [0, 1, 2, 3]
    assert {event.total for event in seen} == {8}
    assert len(seen[-1].vitals.checkpoints) == 3
    assert len(seen[-1].vitals.losses) == 4


@pytest.fixture
def counted(monkeypatch):
    calls = []
    real = series.measure_checkpoint
    monkeypatch.setattr(
        series, "measure_checkpoint", lambda where, *more: calls.append(where.path.name) or real(where, *more)
    )
    return calls


def test_nothing_is_measured_twice(folder, counted):
    first = measure_run(only(folder))
    assert len(counted) == 4
    save(first, beside(only(folder), "vitals.json"))
    counted.clear()
    assert measure_run(only(folder)) == first
    assert counted == []
    measure_run(only(folder), cache=False)
    assert len(counted) == 4


def test_a_grown_run_is_measured_as_if_anew_from_where_its_chunk_began(folder, counted):
    steps = [500 * n for n in range(1, CHUNK + 3)]
    for step in steps[4:]:
        network(folder / "hypernetworks" / f"x-{step}.pt", step)
    save(measure_run(only(folder)), beside(only(folder), "vitals.json"))
    network(folder / "hypernetworks" / "x-9000.pt", 9000, seed=4)
    counted.clear()
    grown = measure_run(only(folder))
    assert counted == [*(f"x-{step}.pt" for step in steps[CHUNK:]), "x-9000.pt"]
    assert grown == measure_run(only(folder), cache=False)


def test_a_touched_file_is_recognised_by_its_content_and_a_changed_one_is_read_again(folder, counted):
    save(measure_run(only(folder)), beside(only(folder), "vitals.json"))
    path = folder / "hypernetworks" / "x-1500.pt"
    os.utime(path, (OLD, OLD))
    counted.clear()
    assert measure_run(only(folder)).checkpoints[2].modified == OLD
    assert counted == []
    network(path, 1500, size=0.5)
    os.utime(path, (OLD, OLD))
    assert measure_run(only(folder)) == measure_run(only(folder), cache=False)


@pytest.mark.skipif(os.name == "nt", reason="there a file keeps the time when it was made, not when it was changed")
def test_other_bytes_of_the_same_length_and_time_are_noticed(folder, counted):
    """As a copy does that keeps times (cp -p, rsync -t, an archive), over a file of the same network."""
    path = folder / "hypernetworks" / "x-2000.pt"
    save(measure_run(only(folder)), beside(only(folder), "vitals.json"))
    before = path.stat()
    time.sleep(0.02)  # a tick of the file system's clock
    network(path, 2000, seed=9)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    counted.clear()
    again = measure_run(only(folder))
    assert "x-2000.pt" in counted
    assert again == measure_run(only(folder), cache=False)


def test_a_broken_or_older_cache_is_ignored(folder, counted):
    cache = beside(only(folder), "vitals.json")
    cache.write_bytes(b"{")
    assert len(measure_run(only(folder)).checkpoints) == 4
    save(Vitals("r", "x", measured_by="0.0.1"), cache)
    counted.clear()
    measure_run(only(folder))
    assert len(counted) == 4


def test_a_run_with_a_damaged_file_is_not_measured_again_either(folder, counted):
    bad = folder / "hypernetworks" / "x-1000.pt"
    bad.write_bytes(b"PK\3\4 cut short")
    os.utime(bad, (OLD, OLD))
    first = measure_run(only(folder))
    save(first, beside(only(folder), "vitals.json"))
    counted.clear()
    assert measure_run(only(folder)) == first
    assert counted == []
    network(folder / "hypernetworks" / "x-2500.pt", 2500)
    assert measure_run(only(folder)) == measure_run(only(folder), cache=False)


@pytest.mark.parametrize("gone", [500, 1000, 2000])
def test_what_followed_a_file_that_is_gone_is_compared_anew(folder, counted, gone):
    save(measure_run(only(folder)), beside(only(folder), "vitals.json"))
    (folder / "hypernetworks" / f"x-{gone}.pt").unlink()
    counted.clear()
    shrunk = measure_run(only(folder))
    assert (counted == []) is (gone == 2000)
    assert shrunk == measure_run(only(folder), cache=False)


def test_a_copied_run_is_recognised_by_its_content(folder, counted):
    optim = folder / "hypernetworks" / "x-2000.pt.optim"
    state = {0: {"step": 9.0, "exp_avg": np.ones(4, np.float32), "exp_avg_sq": np.ones(4, np.float32)}}
    write_optimizer(optim, "AdamW", state, [{"lr": 5e-6, "params": [0]}], "0" * 10)
    os.utime(optim, (OLD, OLD))
    save(measure_run(only(folder)), beside(only(folder), "vitals.json"))
    for path in folder.glob("hypernetworks/*"):
        os.utime(path, (OLD + 7, OLD + 7))
    counted.clear()
    assert [c.optimizer is None for c in measure_run(only(folder)).checkpoints] == [True, True, True, False]
    assert counted == []


def test_the_best_checkpoint_so_far_is_the_one_of_the_lowest_held_out_loss(folder, counted):
    rows = [(500, 0.9), (1000, 0.7), (1500, 0.8), (2000, 0.9)]
    log = "".join(json.dumps({"step": s, "held_out": x, "held_out_base": 1.0}) + "\n" for s, x in rows)
    (folder / "validation.jsonl").write_text(log, encoding="utf-8")
    vitals = measure_run(only(folder))
    assert len(vitals.validation) == 4
    assert vitals.checkpoints[0].modules[0].best_rms is None
    arrays = [read(folder / "hypernetworks" / f"x-{step}.pt").modules[0].tensors for step, _ in rows]
    for at, best in ((1, 0), (2, 1), (3, 1)):
        far = np.concatenate([(arrays[at][n] - arrays[best][n]).ravel() for n in arrays[at]])
        assert vitals.checkpoints[at].modules[0].best_rms == pytest.approx(np.sqrt(np.mean(far**2)), rel=1e-4)
    save(vitals, beside(only(folder), "vitals.json"))
    network(folder / "hypernetworks" / "x-2500.pt", 2500)
    counted.clear()
    grown = measure_run(only(folder))
    assert counted[-1] == "x-2500.pt"
    assert grown == measure_run(only(folder), cache=False)


def test_a_lone_vitals_file_is_judged(folder, tmp_path):
    vitals = measure_run(only(folder))
    moved = tmp_path / "elsewhere" / "vitals.json"
    moved.parent.mkdir()
    save(vitals, moved)
    (diagnosis,) = hndoctor.scan(moved)
    assert diagnosis.course == hndoctor.judge(vitals).course
    assert hndoctor.scan(moved.parent) == (diagnosis,)


def test_a_run_over_two_days_is_measured_as_one(tmp_path):
    for day, steps in (("2023-01-01", (500, 1000)), ("2023-01-02", (1500,))):
        for step in steps:
            network(tmp_path / day / "x" / "hypernetworks" / f"x-{step}.pt", step)
            losslog.append_row(tmp_path / day / "x" / "hypernetwork_loss.csv", step, 0.1, 5e-6, 20)
    vitals = measure_run(only(tmp_path))
    paths = [checkpoint.path for checkpoint in vitals.checkpoints]
    assert paths[0] == "../../2023-01-01/x/hypernetworks/x-500.pt"
    assert paths[2] == "hypernetworks/x-1500.pt"
    assert [point.step for point in vitals.losses] == [500, 1000, 1500]
    assert vitals.checkpoints[2].modules[0].update_rms is not None


def test_a_shelf_gives_each_network_its_own_name(tmp_path):
    for name in ("a-500", "a-1000", "b"):
        network(tmp_path / f"{name}.pt", 500)
    runs = {run.name: measure_run(run).run for run in find_runs(tmp_path)}
    assert runs == {"a": str(tmp_path / "a-*.pt"), "b": str(tmp_path / "b.pt")}


def test_measured_by_others_it_is_the_same(folder):
    """As `--jobs` and `--dask` do it: pieces of work handed over, and their answers put together again."""
    (run,) = find_runs(folder)
    handed = []

    def mapped(work, pieces):
        handed.append(work.__name__)
        return map(work, pieces)

    alone, others = (list(measuring(run, False, mapped=how))[-1].vitals for how in (None, mapped))
    assert others == alone
    assert len(others.previews) > 1
    assert handed


def test_an_optimizer_state_that_comes_or_goes_or_changes_is_noticed(folder):
    """Without it the checkpoint's record of before would be taken for today's."""
    (run,) = find_runs(folder)
    save(measure_run(run), beside(run, "vitals.json"))
    network = next(one.path for one in run.checkpoints if one.optim is None)
    state = network.with_name(network.name + ".optim")

    def of_now():
        (now,) = find_runs(folder)
        vitals = measure_run(now)
        save(vitals, beside(now, "vitals.json"))
        return next(one.optimizer for one in vitals.checkpoints if one.path.endswith(network.name))

    assert of_now() is None
    for rate in (1e-5, 2e-5):
        write_optimizer(state, "AdamW", {}, [{"lr": rate, "params": [0, 1, 2, 3, 4, 5, 6, 7]}], None)
        told = of_now()
        assert told is not None
        assert told.learning_rate == rate
    state.unlink()
    assert of_now() is None


def validated(path, *told):
    """`told`: (step, held-out loss, content of the checkpoint)."""
    points = ({"step": s, "held_out": loss, "held_out_base": 0.2, "content": content} for s, loss, content in told)
    path.write_text("".join(json.dumps(point) + "\n" for point in points), encoding="utf-8")


def losses_of(vitals):
    return {point.step: point.held_out for point in vitals.validation}


def test_what_was_validated_afterwards_stands_for_its_span(folder):
    validated(folder / "validation.jsonl", (250, 0.19, ""), (500, 0.18, ""), (750, 0.17, ""), (1000, 0.16, ""))
    validated(folder / "validated.jsonl", (500, 0.15, ""), (1000, 0.14, ""))
    assert losses_of(measure_run(only(folder), cache=False)) == {250: 0.19, 500: 0.15, 1000: 0.14}


def test_a_run_that_has_gone_on_since_is_told_by_its_own(folder):
    validated(folder / "validation.jsonl", (500, 0.18, ""), (1000, 0.16, ""), (1500, 0.15, ""))
    validated(folder / "validated.jsonl", (500, 0.15, ""), (1000, 0.14, ""))
    vitals = measure_run(only(folder), cache=False)
    assert losses_of(vitals) == {500: 0.18, 1000: 0.16, 1500: 0.15}
    (skipped,) = [one for one in vitals.skipped if one.what == "validated.jsonl"]
    assert "goes further, to step 1,500" in skipped.why


def test_what_was_measured_of_a_file_that_was_replaced_is_not_believed(folder):
    now = {one.step: one.content for one in measure_run(only(folder), cache=False).checkpoints}
    validated(folder / "validated.jsonl", (500, 0.15, now[500]), (1000, 0.14, "0" * 32), (1500, 0.13, now[1500]))
    for _ in range(2):  # the second time from the cache
        run = only(folder)
        vitals = measure_run(run)
        assert losses_of(vitals) == {500: 0.15, 1500: 0.13}
        (skipped,) = vitals.skipped
        assert (skipped.what, "hndoctor validate" in skipped.why) == ("hypernetworks/x-1000.pt", True)
        save(vitals, beside(run, "vitals.json"))
