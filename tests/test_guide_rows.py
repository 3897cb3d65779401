"""Every row of the guide that concerns the time before the first step, and the tests that show it.

G10 is the guide's tenth row.  A row without a test here, or a test that is gone, fails.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SETUP_RULES = "rules/test_setup.py"  # one case a rule, fires and is silent, by guide row
WHOLE = "setup/test_check_whole.py"
HOME = "test_webui_home.py"

ROWS: dict[int, tuple[tuple[str, str], ...]] = {
    1: (("formats/test_captions.py", "test_g1_"), (SETUP_RULES, "G1-HN501")),
    2: (
        ("setup/test_fix_captions.py", "test_g2_g3_g4_"),
        ("cli/test_exchange.py", "test_g2_"),
        (SETUP_RULES, "G2-HN503"),
    ),
    3: (("setup/test_fix_captions.py", "test_g2_g3_g4_"), (SETUP_RULES, "G3-HN504")),
    4: (("setup/test_fix_captions.py", "test_g4_"), (SETUP_RULES, "G4-HN505")),
    5: (("rules/test_setup_details.py", "test_g5_"), (SETUP_RULES, "G5-HN506"), (SETUP_RULES, "G5-HN585")),
    6: (("rules/test_setup_details.py", "test_g6_"), (SETUP_RULES, "G6-HN512")),
    7: (("rules/test_setup_details.py", "test_g7_"), (SETUP_RULES, "G7-HN510"), (SETUP_RULES, "G7-HN511")),
    8: ((WHOLE, "test_g8_"), ("rules/test_setup_details.py", "test_g8_"), (SETUP_RULES, "G8-HN520")),
    9: (("formats/test_captions.py", "test_g9_"), (SETUP_RULES, "G9-HN540"), (SETUP_RULES, "G9-HN542")),
    10: (("setup/test_measure_webui.py", "test_g10_"), (HOME, "test_g10_"), (SETUP_RULES, "G10-HN570")),
    11: ((HOME, "test_g10_g11_"), (SETUP_RULES, "G11-HN571"), (SETUP_RULES, "G11-HN572")),
    12: (("setup/test_measure_memory.py", "test_g12_"), (SETUP_RULES, "G12-HN573"), (SETUP_RULES, "G12-HN584")),
    13: (("setup/test_measure_plan.py", "test_g13_"), (SETUP_RULES, "G13-HN517"), (SETUP_RULES, "G13-HN550")),
    14: (("setup/test_measure_plan.py", "test_g14_"), (SETUP_RULES, "G14-HN569")),
    15: (("setup/test_measure_gain.py", "test_g15_"), (SETUP_RULES, "G15-HN558")),
    16: (("setup/test_measure_gain.py", "test_g18_"), (SETUP_RULES, "G16-HN560")),
    17: ((SETUP_RULES, "G17-HN561"), ("interop/test_convert.py", "test_dropout_that_flags_can_tell_is_kept")),
    18: (("setup/test_measure_gain.py", "test_g18_"), (SETUP_RULES, "G18-HN559")),
    19: (("setup/test_measure_memory.py", "test_g8_g19_"), (SETUP_RULES, "G19-HN557"), (SETUP_RULES, "G19-HN582")),
    23: (("formats/test_schedule.py", "test_g23_"), (SETUP_RULES, "G23-HN552")),
    24: ((SETUP_RULES, "G24-HN554"), (SETUP_RULES, "G24-HN556")),
    25: ((SETUP_RULES, "G25-HN562"), (SETUP_RULES, "G25-G27-HN580")),
    26: ((SETUP_RULES, "G26-HN563"), (SETUP_RULES, "G26-HN564"), (SETUP_RULES, "G26-HN575")),
    27: ((SETUP_RULES, "G27-HN565"),),
    28: ((SETUP_RULES, "G28-HN576"), (SETUP_RULES, "G28-HN577")),
    32: (("rules/test_course.py", "data"), ("trainer/test_trainer_session.py", "data")),
    33: ((HOME, "test_g33_"), (SETUP_RULES, "G33-HN574")),
    34: ((HOME, "test_g34_"), ("cli/test_exchange.py", "test_g34_"), (SETUP_RULES, "G34-HN586")),
}
WANTED = (*range(1, 20), *range(23, 29), *range(32, 35))


@cache
def names(file: str) -> tuple[str, ...]:
    """The tests of a module; of the table of setup rules also its cases, as pytest calls them."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    found = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    tests = tuple(name for name in found if name.startswith("test_"))
    if file != SETUP_RULES:
        return tests
    from tests.rules.test_setup import IDS

    return (*tests, *IDS)


def test_no_row_is_missing() -> None:
    assert tuple(ROWS) == WANTED
    assert all(ROWS.values())


@pytest.mark.parametrize(
    ("row", "file", "name"), [(row, *shown) for row, tests in ROWS.items() for shown in tests], ids=str
)
def test_each_row_is_shown_by_tests_that_are_there(row: int, file: str, name: str) -> None:
    found = [one for one in names(file) if name in one]
    assert found, f"G{row}: {file} has no test {name}"
