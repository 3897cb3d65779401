"""Few findings are told one by one, many together: with the numbers that the reports show."""

from __future__ import annotations

import pytest

from hndoctor.records import Severity
from hndoctor.rules.setup.common import Offender, listed, told
from hndoctor.rules.setup.synonyms import tag_near_synonym
from tests.rules.setup_evidence import captions


def offenders(count: int, *severities: Severity) -> list[Offender]:
    grades = severities or (None,)
    return [Offender(f"{n}.png", "is odd", 0.5 + n, grades[n % len(grades)]) for n in range(count)]


def test_five_are_told_one_by_one_with_their_numbers() -> None:
    signs = list(told(offenders(5), "pictures are odd", "mend them", limit=0.1, confidence=0.7))
    assert [sign.message for sign in signs] == [f"{n}.png: is odd; mend them" for n in range(5)]
    assert [(s.subject, s.value, s.limit, s.confidence) for s in signs][1] == ("1.png", 1.5, 0.1, 0.7)


def test_six_are_told_together_with_their_number_and_all_their_names() -> None:
    (sign,) = told(offenders(6), "pictures are odd", "mend them", limit=0.1, confidence=0.7)
    assert sign.message == "6 pictures are odd: 0.png, 1.png, 2.png, 3.png, 4.png, 5.png; mend them"
    assert (sign.value, sign.limit, sign.confidence, sign.subject) == (6, 0, 0.7, None)
    assert sign.subjects == tuple(f"{n}.png" for n in range(6))


@pytest.mark.parametrize(
    ("severities", "one"),
    [((Severity.ERROR,), Severity.ERROR), ((Severity.ERROR, Severity.INFO), None), ((), None)],
)
def test_many_keep_a_severity_of_their_own_only_where_they_share_it(severities, one) -> None:
    (sign,) = told(offenders(8, *severities), "pictures are odd", "mend them")
    assert sign.severity is one


def test_a_list_names_twenty_and_counts_the_rest() -> None:
    names = [f"n{n}" for n in range(23)]
    assert listed(names[:20]) == ", ".join(names[:20])
    assert listed(names) == ", ".join(names[:20]) + " and 3 more"
    assert listed(names, 2) == "n0, n1 and 21 more"


@pytest.mark.parametrize("count", [10, 11, 13])
def test_ten_groups_of_synonyms_are_told_and_the_rest_listed(count: int) -> None:
    words = [f"{letter}lace" for letter in "abcdefghijklm"][:count]
    signs = list(tag_near_synonym.look(captions(*(f"big {word}, {word} big" for word in words))))
    assert len(signs) == min(count, 10) + (count > 10)
    first = signs[0]
    assert (first.value, first.limit, first.confidence) == (2, 1, 0.6)
    assert first.message == '"big alace" (1) and "alace big" (1) mean nearly the same; choose one'
    if count > 10:
        rest = ", ".join(f"big {word} / {word} big" for word in words[10:])
        assert signs[-1].message == f"{count - 10} more tags have near-synonyms: {rest}; choose one of each"
