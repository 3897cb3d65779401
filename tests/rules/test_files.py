"""HN0xx: each rule fires on its complaint, and is silent on a sound run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hndoctor.records import Refusal, Severity, Unreadable
from hndoctor.rules import files
from hndoctor.rules.files import RULES_FILES
from tests.rules.makers import checkpoint, course, optimizer, signs, vitals

SOUND = course(0.1, 0.12, 0.15)


@pytest.mark.parametrize("law", RULES_FILES, ids=lambda law: law.code)
def test_silent_on_a_sound_run(law):
    paired = replace(SOUND, checkpoints=tuple(replace(c, optimizer=optimizer(c.step)) for c in SOUND.checkpoints))
    assert signs(law, SOUND) == []
    assert signs(law, paired) == []


@pytest.mark.parametrize("law", RULES_FILES, ids=lambda law: law.code)
def test_every_rule_has_a_manual(law):
    assert law.title.endswith(".")
    assert len(law.manual.splitlines()) >= 3


def test_codes_are_in_order_and_single():
    codes = [law.code for law in RULES_FILES]
    assert codes == sorted(set(codes))


@pytest.mark.parametrize(
    ("law", "kind", "severity"),
    [
        (files.unsafe_file, Refusal.UNSAFE, Severity.ERROR),
        (files.damaged_file, Refusal.DAMAGED, Severity.ERROR),
        (files.not_a_checkpoint, Refusal.FOREIGN, Severity.ERROR),
        (files.still_being_written, Refusal.WRITING, Severity.INFO),
    ],
)
def test_unreadable_files(law, kind, severity):
    bad = Unreadable("hypernetworks/a-9000.pt", 9000, kind, "it would import os.system")
    (sign,) = signs(law, replace(SOUND, unreadable=(bad,)))
    assert (sign.step, sign.subject) == (9000, "hypernetworks/a-9000.pt")
    assert sign.message == "a-9000.pt: it would import os.system"
    assert law.severity is severity
    others = [other for other in RULES_FILES if other is not law]
    assert not any(signs(other, replace(SOUND, unreadable=(bad,))) for other in others)


def test_an_optimizer_state_that_would_run_a_program_is_unsafe_too():
    name = "hypernetworks/a-500.pt.optim"
    state = optimizer(500, unreadable="it would import os.system", refusal=Refusal.UNSAFE)
    (sign,) = signs(files.unsafe_file, vitals(checkpoint(500, optimizer=state)))
    assert (sign.step, sign.subject, sign.severity) == (500, name, None)
    assert sign.message == "a-500.pt.optim: it would import os.system"
    damaged = replace(state, refusal=Refusal.DAMAGED)
    assert signs(files.unsafe_file, vitals(checkpoint(500, optimizer=damaged))) == []


@pytest.mark.parametrize(("stored", "fires"), [(499, False), (500, False), (498, True), (501, True), (0, True)])
def test_name_and_step(stored, fires):
    found = signs(files.name_and_step_differ, vitals(checkpoint(500, stored_step=stored)))
    assert bool(found) is fires


def test_name_and_step_where_no_step_is_stored():
    silent = vitals(checkpoint(500, stored_step=0, provenance="NovelAI"), checkpoint(500, step=None, stored_step=7))
    assert signs(files.name_and_step_differ, silent) == []


def test_a_reason_is_told_once_for_all_its_checkpoints():
    wrapping, old = "web UI: the member is not on its list", "web UI to 1.9.4: the member is not on its list"
    fault = "web UI: 768.k: linear.1.weight is missing"
    run = vitals(*(checkpoint(s, refused_by=(wrapping, old, fault)) for s in (500, 1000, 1500)))
    first, second, third = signs(files.a_loader_will_refuse_it, run)
    assert first.message.startswith("web UI will refuse 3 checkpoints, from a-500.pt on: the member")
    assert (first.severity, second.severity, third.severity) == (Severity.INFO, Severity.INFO, None)
    assert first.step == 500


def test_a_loader_that_misreads():
    (sign,) = signs(files.a_loader_will_misread_it, vitals(checkpoint(500, misread_by=("ComfyUI: it adds one",))))
    assert sign.message == "ComfyUI will misread a-500.pt: it adds one"


def test_a_foreign_optimizer_state():
    run = vitals(*(checkpoint(s, optimizer=optimizer(s, hash_matches=s == 1500)) for s in (500, 1000, 1500)))
    (sign,) = signs(files.optimizer_state_of_another_network, run)
    assert (sign.step, sign.value) == (500, 2.0)
    assert "1 more" in sign.message
    assert sign.severity is Severity.INFO
    ours = vitals(checkpoint(500, provenance="hndoctor 0.1", optimizer=optimizer(500, hash_matches=False)))
    (sign,) = signs(files.optimizer_state_of_another_network, ours)
    assert sign.severity is None
    unknown = vitals(checkpoint(500, optimizer=optimizer(500, hash_matches=None)))
    assert signs(files.optimizer_state_of_another_network, unknown) == []


def test_partial_files_are_told():
    (sign,) = signs(files.examined_in_part, vitals(checkpoint(500, partial="a LoRA: only norms")))
    assert sign.message == "a-500.pt is a LoRA: only norms"
