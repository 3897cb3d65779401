"""The contract of the rule family: what holds for every rule, so that a new one needs no other place to be right."""

import inspect
import re
from pathlib import Path

import pytest

from hndoctor.diagnose import diagnose
from hndoctor.records import Severity, Verdict
from hndoctor.rules import RULES
from hndoctor.rules.course import RULES_COURSE
from hndoctor.rules.files import RULES_FILES
from hndoctor.rules.losses import RULES_LOSSES
from hndoctor.rules.previews import RULES_PREVIEWS
from hndoctor.rules.setup import RULES_SETUP
from hndoctor.rules.weights import RULES_WEIGHTS
from tests.makers import STEPS, a_run, validation

NEEDS = {"checkpoints", "files", "optimizers", "previews", "losses", "validation", "course", "setup"}
FAMILIES = (RULES_FILES, RULES_WEIGHTS, RULES_LOSSES, RULES_PREVIEWS, RULES_COURSE, RULES_SETUP)
FILES = {path.name: path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("*.py")}
TESTS = "\n".join(text for name, text in FILES.items() if name != Path(__file__).name)
EVERY = pytest.mark.parametrize("law", RULES, ids=lambda law: f"{law.code}-{law.name}")


def test_no_code_is_used_twice():
    codes = [law.code for law in RULES]
    assert sorted(codes) == sorted(set(codes))


def test_no_name_is_used_twice():
    names = [law.name for law in RULES]
    assert sorted(names) == sorted(set(names))


def test_the_families_are_the_whole_table():
    assert tuple(law for family in FAMILIES for law in family) == RULES


@pytest.mark.parametrize("digit", range(len(FAMILIES)))
def test_the_family_number_is_that_of_its_file(digit):
    assert {law.code[2] for law in FAMILIES[digit]} == {str(digit)}


@EVERY
def test_code_severity_and_needs(law):
    assert re.fullmatch(r"HN\d{3}", law.code)
    assert isinstance(law.severity, Severity)
    assert law.needs in NEEDS
    assert inspect.isgeneratorfunction(law.look)


@EVERY
def test_the_docstring_law(law):
    """The complaint in one line, a blank line, then what it means and the remedy."""
    title, *rest = law.manual.splitlines()
    assert title == law.title
    assert title.endswith(".")
    assert len(title) <= 120
    assert rest
    assert rest[0] == ""
    told = " ".join(line.strip() for line in rest).strip()
    assert told.endswith((".", ")"))
    assert len(told) >= 60, "what it means, and the remedy"


@EVERY
def test_it_has_tests_by_name(law):
    """Tests under tests/rules call it by its name or by its code: that it fires, and that it is silent."""
    calls = [line for line in TESTS.splitlines() if not re.match(r"\s*(from|import|#)", line)]
    named = re.compile(rf"\b{re.escape(law.look.__name__)}\b|\"{law.code}\"|{law.code.lower()}")
    assert any(named.search(line) for line in calls), f"no test speaks of {law.code} {law.name}"


@pytest.mark.parametrize("law", [*RULES_LOSSES, *RULES_COURSE], ids=lambda law: f"{law.code}-{law.name}")
@pytest.mark.parametrize("says", ["fires", "is_silent"])
def test_two_tests_a_rule(law, says):
    assert re.search(rf"def test_{law.look.__name__}_{says}", TESTS), f"no test that {law.code} {says}"


def test_a_sound_run_is_told_nothing_worse_than_a_hint():
    """Silence of all at once: the same healthy run before every rule that a run has evidence for."""
    diagnosis = diagnose(a_run(validation=validation({step: 0.1 - step * 1e-6 for step in STEPS})))
    assert [finding for finding in diagnosis.findings if finding.severity is not Severity.INFO] == []
    assert diagnosis.verdict is Verdict.HEALTHY


@EVERY
def test_a_threshold_is_a_named_constant_with_a_source(law):
    """Each upper-case number in the rule's file has a comment on its line or above it."""
    lines = Path(inspect.getfile(law.look)).read_text(encoding="utf-8").splitlines()
    for at, line in enumerate(lines):
        if re.match(r"[A-Z][A-Z0-9_]+ = [-0-9.]", line):
            assert "#" in line or lines[at - 1].lstrip().startswith("#"), line
