"""Whatever the records hold, within their types: no renderer fails, and the page stays well-formed."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hndoctor.records import (
    Alternative,
    Checkpoint,
    Diagnosis,
    Finding,
    LossPoint,
    ModuleVitals,
    NetworkMetadata,
    Onset,
    OptimizerVitals,
    PictureJudgement,
    Prescription,
    Preview,
    Settings,
    Skipped,
    Station,
    TensorVitals,
    Unreadable,
    ValidationPoint,
    Vitals,
)
from hndoctor.render import RENDERERS, render_html, render_index

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SIZES = st.floats(min_value=0, max_value=1e30)
SHARES = st.floats(min_value=0, max_value=1)
STEPS = st.integers(min_value=0, max_value=10**7)
TEXTS = st.text(max_size=12)


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


def some(strategy: st.SearchStrategy[object], most: int = 3) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=most).map(tuple)


TENSORS = st.builds(
    TensorVitals, name=TEXTS, shape=some(st.integers(1, 9), 2), dtype=TEXTS, count=STEPS, nan=STEPS, posinf=st.just(0),
    neginf=st.just(0), zeros=STEPS, max_abs=SIZES, rms=SIZES, frobenius=SIZES, spectral=maybe(st.tuples(SIZES, SIZES)),
    stable_rank=maybe(SIZES), dead_rows=maybe(STEPS),
)  # fmt: skip
MODULES = st.builds(
    ModuleVitals, size=STEPS, side=st.sampled_from("kv"), gain=maybe(SIZES), rms=SIZES, update_rms=maybe(SIZES),
    update_cosine=maybe(NUMBERS), travel_rms=maybe(SIZES), dead_units=maybe(SHARES),
)  # fmt: skip
OPTIMIZERS = st.builds(
    OptimizerVitals, path=TEXTS, optimizer_name=maybe(TEXTS), learning_rate=maybe(SIZES), step=maybe(STEPS),
    hash=maybe(TEXTS), hash_matches=maybe(st.booleans()), hash_generation=st.none(), unreadable=maybe(TEXTS),
)  # fmt: skip
CHECKPOINTS = st.builds(
    Checkpoint, path=TEXTS, step=maybe(STEPS), stored_step=STEPS, bytes=STEPS, modified=SIZES, sha256=TEXTS,
    container=TEXTS, provenance=TEXTS, tensors=some(TENSORS), modules=some(MODULES), optimizer=maybe(OPTIMIZERS),
    metadata=st.builds(NetworkMetadata, name=maybe(TEXTS), layer_structure=maybe(some(SIZES))), refused_by=some(TEXTS),
    misread_by=some(TEXTS), partial=maybe(TEXTS),
)  # fmt: skip
PREVIEWS = st.builds(
    Preview, path=TEXTS, step=maybe(STEPS), prompt=maybe(TEXTS), negative_prompt=maybe(TEXTS), seed=maybe(STEPS),
    noise=maybe(SHARES), noise_share=maybe(SHARES), scores=st.dictionaries(TEXTS, NUMBERS, max_size=2),
    thumbnail=maybe(TEXTS), unreadable=maybe(TEXTS), cfg_scale=maybe(NUMBERS),
)  # fmt: skip
LOSSES = st.builds(LossPoint, step=STEPS, loss=maybe(NUMBERS), learn_rate=maybe(SIZES), nonfinite=st.booleans())
VALIDATIONS = st.builds(
    ValidationPoint, step=STEPS, held_out=SIZES, held_out_base=SIZES, train=maybe(SIZES), train_base=maybe(SIZES)
)
SETTINGS = st.builds(
    Settings, learn_rate=maybe(TEXTS), steps=maybe(STEPS), batch_size=maybe(st.integers(1, 9)),
    images=maybe(STEPS), data_fingerprints=some(TEXTS), resumed_at=some(STEPS),
)  # fmt: skip
VITALS = st.builds(
    Vitals, run=TEXTS, name=TEXTS, checkpoints=some(CHECKPOINTS), losses=some(LOSSES, 40), previews=some(PREVIEWS),
    validation=some(VALIDATIONS), settings=SETTINGS,
    unreadable=some(st.builds(Unreadable, path=TEXTS, step=maybe(STEPS), reason=TEXTS)),
)  # fmt: skip
FINDINGS = st.builds(
    Finding, code=st.just("HN101"), confidence=SHARES, message=TEXTS, step=maybe(STEPS), subject=maybe(TEXTS),
    value=maybe(NUMBERS), limit=maybe(NUMBERS),
)  # fmt: skip
STATIONS = st.builds(
    Station, step=STEPS, stored_step=maybe(STEPS), checkpoint=maybe(TEXTS), channels=some(TEXTS),
    p=st.just({}) | st.tuples(SHARES).map(lambda p: {"healthy": p[0], "broken": 1 - p[0]}),
)  # fmt: skip
ADVICE = st.builds(
    Prescription, sentence=TEXTS, checkpoint=maybe(TEXTS), step=maybe(STEPS), learning_rate=maybe(SIZES),
    schedule=maybe(TEXTS), because=some(st.just("HN101")), acceptable=some(st.tuples(STEPS, SHARES)),
    rejected=some(st.builds(Alternative, what=TEXTS, why_not=TEXTS)), how_hndoctor=some(TEXTS), how_webui=some(TEXTS),
)  # fmt: skip
DIAGNOSES = st.builds(
    Diagnosis, run=TEXTS, name=TEXTS, summary=TEXTS, findings=some(FINDINGS), course=some(STATIONS, 6), prior=TEXTS,
    not_examined=some(st.builds(Skipped, what=TEXTS, why=TEXTS)), prescription=maybe(ADVICE),
    onset=st.builds(Onset, overtrained=maybe(STEPS), broken=maybe(STEPS)),
)  # fmt: skip
JUDGEMENTS = st.builds(
    PictureJudgement, picture=TEXTS, p=st.just({"noise": None}), scores=st.just({}), because=some(TEXTS)
)
USUAL = settings(
    phases=(Phase.explicit, Phase.generate),
    derandomize=True,
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@USUAL
@given(DIAGNOSES, VITALS)
def test_any_page(diagnosis: Diagnosis, vitals: Vitals) -> None:
    page = render_html(diagnosis, vitals)
    page.encode("utf-8")
    assert page.count("<script") == 2
    block = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert block is not None
    json.loads(block[1])
    assert "nan%" not in page
    assert "inf%" not in page
    render_index([diagnosis, diagnosis])


@USUAL
@given(st.lists(DIAGNOSES, max_size=2), st.lists(JUDGEMENTS, max_size=2))
def test_any_text(diagnoses: list[Diagnosis], pictures: list[PictureJudgement]) -> None:
    told = {r.name: r.render(diagnoses, pictures) for r in RENDERERS}
    for text in told.values():
        text.encode("utf-8")
    json.loads(told["json"])
    json.loads(told["sarif"])
    ElementTree.fromstring(told["junit"])
    for line in told["github"].splitlines():
        assert line.startswith(("::error ", "::warning ", "::notice ", "hndoctor: "))
