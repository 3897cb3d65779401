"""The memory arithmetic, against what people reported, and the steps of an epoch, against the web UI's counting."""

from __future__ import annotations

import random

import pytest

from hndoctor.records import PlanVitals, Setup
from hndoctor.rules.engine import findings_of
from hndoctor.setup.base import Base
from hndoctor.setup.memory import GB, total, with_memory
from hndoctor.setup.plan import measure_plan
from tests.rules.setup_evidence import BY_CODE

SD1 = Base(768, (768, 320, 640, 1280), 512)
HALF, FULL = {}, {"webui-user.bat:COMMANDLINE_ARGS": "--no-half --xformers"}


def planned(webui: dict[str, str], card: float = 8, **config: object) -> PlanVitals:
    given = {"layer_structure": "1, 2, 1", "steps": 1000, "learn_rate": "5e-6", **config}
    return with_memory(measure_plan(given, SD1, 50), given, webui, round(card * GB))


@pytest.mark.parametrize(
    ("webui", "batch", "card", "fits"),
    [
        (HALF, 1, 8, True),  # #2549, GTX 1080, RTX 3070
        (FULL, 1, 10, False),  # #2574: a 3080 without half precision runs out
        (FULL, 1, 12, True),
        (HALF, 20, 24, True),  # a 4090 at batch 20
        (HALF, 30, 24, False),
        (HALF, 8, 8, False),
    ],
)
def test_the_web_uis_memory_agrees_with_what_people_report(
    webui: dict[str, str], batch: int, card: float, fits: bool
) -> None:
    plan = planned(webui, card, batch_size=batch)
    assert (total(plan.memory_webui) <= card * GB) is fits
    signs = list(findings_of(BY_CODE["HN584"], Setup("data", plan=plan, webui=webui or {"config.json": "read"})))
    assert bool(signs) is not fits


def test_g12_moving_vae_and_clip_away_frees_what_they_weigh() -> None:
    before = total(planned({}).memory_webui)
    after = total(planned({"config.json:unload_models_when_training": "true"}).memory_webui)
    assert before - after == pytest.approx((83.7 + 123.1) * 1e6 * 2, rel=1e-3)


def test_eight_gigabytes_are_enough_for_small_batches_in_half_precision() -> None:
    """trainers.md §Q2: 8 GB cards run batch 2 to 4 without checkpointing."""
    for batch, fits in ((2, True), (4, True), (8, False)):
        plan = planned({}, batch_size=batch, precision="bf16")
        assert (total(plan.memory) <= 8 * GB) is fits
        assert bool(list(findings_of(BY_CODE["HN583"], Setup("data", plan=plan)))) is not fits
    (finding,) = findings_of(BY_CODE["HN583"], Setup("data", plan=planned({}, batch_size=4)))
    assert "of 8.0" in finding.message
    assert "bf16" in finding.message


def test_the_network_counts_with_its_optimizer() -> None:
    parts = dict(planned({}).memory)
    assert parts["network"] == 21_939_840 * 16  # the published number of parameters
    wide = dict(planned({}, layer_structure="1, 3, 3, 1").memory)
    assert wide["network"] > 3 * parts["network"]


def test_nothing_is_said_of_a_model_that_is_not_known() -> None:
    given = {"steps": 10}
    plan = with_memory(measure_plan(given, Base(96, (96, 32), 128), 20), given, {}, 8 * GB)
    assert plan.memory == plan.memory_webui == ()
    assert plan.card_bytes == 8 * GB


def epoch_of_the_web_ui(pictures: int, batch: int, accumulation: int) -> tuple[int, int]:
    """One epoch played through: whole batches, then whole accumulations; what is left over is dropped."""
    batch = min(batch, pictures)
    accumulation = min(accumulation, pictures // batch)
    drawn = list(range(pictures))
    random.Random(0).shuffle(drawn)
    batches = [drawn[at : at + batch] for at in range(0, pictures, batch)]
    batches = [one for one in batches if len(one) == batch]
    steps, seen = 0, set()
    while len(batches) >= accumulation:
        for one in (batches.pop() for _ in range(accumulation)):
            seen |= set(one)
        steps += 1
    return steps, pictures - len(seen)


@pytest.mark.parametrize("pictures", [1, 7, 20, 27, 64])
@pytest.mark.parametrize(("batch", "accumulation"), [(1, 1), (4, 1), (3, 2), (8, 4), (100, 3)])
def test_the_steps_of_an_epoch_are_the_web_uis(pictures: int, batch: int, accumulation: int) -> None:
    config = {"steps": 100, "batch_size": batch, "gradient_step": accumulation}
    plan = measure_plan(config, Base(96, (96, 32), 128), pictures)
    assert (plan.steps_per_epoch, plan.left_out) == epoch_of_the_web_ui(pictures, batch, accumulation)


def test_g8_g19_few_and_many_passes_are_told() -> None:
    for pictures, steps, told in ((20, 10_000, False), (150, 5_000, False), (15, 20_000, False), (5, 20_000, True)):
        plan = measure_plan({"steps": steps}, Base(96, (96, 32), 128), pictures)
        assert bool(list(findings_of(BY_CODE["HN582"], Setup("data", plan=plan)))) is told
    few = measure_plan({"steps": 500}, Base(96, (96, 32), 128), 100)
    (finding,) = findings_of(BY_CODE["HN582"], Setup("data", plan=few))
    assert "100 steps an epoch" in finding.message
    assert "5 times" in finding.message
