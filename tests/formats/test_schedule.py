"""The learning-rate schedule against a twin of the web UI's own parser."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hndoctor.formats.rates import in_words, power
from hndoctor.formats.schedule import (
    ScheduleError,
    Segment,
    dose,
    find_traps,
    parse_schedule,
    rate_at,
    step_at_dose,
    traps,
)

GUIDE = "5e-5:100, 5e-6:1500, 5e-7:10000, 5e-8:20000"


class Twin:
    """`LearnScheduleIterator` and `LearnRateScheduler`, retold straight from their description."""

    def __init__(self, text: str, max_steps: int, start: int = 0) -> None:
        self.rates: list[tuple[float, int]] = []
        self._read(text, max_steps, start)
        if not self.rates:
            raise ValueError("no rates")
        self.at = 0
        self.finished = False

    def _read(self, text: str, max_steps: int, start: int) -> None:
        for pair in text.split(","):
            if not pair.strip():
                continue
            fields = pair.split(":")
            if len(fields) == 2:
                step = int(fields[1])
                if step > start:
                    self.rates.append((float(fields[0]), min(step, max_steps)))
                    if step > max_steps:
                        return
                elif step == -1:
                    self.rates.append((float(fields[0]), max_steps))
                    return
            else:
                self.rates.append((float(fields[0]), max_steps))
                return

    def step(self, number: int) -> float | None:
        if number >= self.rates[self.at][1]:
            if self.at + 1 == len(self.rates):
                self.finished = True
            else:
                self.at += 1
        return None if self.finished else self.rates[self.at][0]


numbers = st.sampled_from(["5e-5", "5e-6", " 1e-7", "0.00001", "5e-3", "0"])
ends = st.integers(-2, 60).map(str)
pairs = st.one_of(
    numbers,
    st.builds("{}:{}".format, numbers, ends),
    st.builds("{} : {} ".format, numbers, ends),
    st.builds("{}:{}:3".format, numbers, ends),
    st.builds("{}:{};1e-6:9".format, numbers, ends),
    st.sampled_from(["", " ", "x", "1e-5:1e2", "1e-5:", ":5", "1e-5;1e-6"]),
)
schedules = st.lists(pairs, max_size=5).map(",".join)


@settings(max_examples=60)
@given(schedules, st.integers(1, 80), st.integers(0, 40))
def test_segments_are_those_of_the_web_ui(text: str, max_steps: int, start: int) -> None:
    try:
        twin = Twin(text, max_steps, start)
    except ValueError:
        with pytest.raises(ScheduleError):
            parse_schedule(text, max_steps, start)
    else:
        assert parse_schedule(text, max_steps, start) == tuple(Segment(*pair) for pair in twin.rates)


@settings(max_examples=60)
@given(schedules, st.integers(1, 80))
def test_every_step_has_the_rate_that_the_web_ui_gives_it(text: str, max_steps: int) -> None:
    try:
        segments, twin = parse_schedule(text, max_steps), Twin(text, max_steps)
    except ValueError:
        return
    assert [rate_at(segments, step) for step in range(90)] == [twin.step(step) for step in range(90)]


@settings(max_examples=60)
@given(schedules, st.integers(1, 80), st.integers(1, 16))
def test_dose_is_the_sum_over_the_steps(text: str, max_steps: int, batch: int) -> None:
    try:
        segments = parse_schedule(text, max_steps)
    except ScheduleError:
        return
    slow = sum((rate_at(segments, step) or 0.0) * math.sqrt(batch) for step in range(200))
    assert dose(segments, batch) == pytest.approx(slow)


@settings(max_examples=60)
@given(schedules, st.integers(1, 80), st.floats(1e-7, 0.3))
def test_the_step_of_a_dose_is_the_first_that_reaches_it(text: str, max_steps: int, wanted: float) -> None:
    try:
        segments = parse_schedule(text, max_steps)
    except ScheduleError:
        return
    total, slow = 0.0, None
    for step in range(200):
        total += rate_at(segments, step) or 0.0
        if total >= wanted * (1 - 1e-9):
            slow = step + 1
            break
    found = step_at_dose(segments, 1, wanted)
    assert (found is None) == (slow is None) or math.isclose(total, wanted, rel_tol=1e-6)
    if found is not None and slow is not None:
        assert abs(found - slow) <= 1


@pytest.mark.parametrize(
    ("text", "max_steps", "start", "expected"),
    [
        ("1e-5:100, 1e-6:1000", 5000, 0, [(1e-5, 100), (1e-6, 1000)]),
        ("1e-5:100,1e-6:50,1e-7:200", 500, 0, [(1e-5, 100), (1e-6, 50), (1e-7, 200)]),
        ("1e-5,1e-6:200", 500, 0, [(1e-5, 500)]),
        ("1e-5:10:3", 500, 0, [(1e-5, 500)]),
        ("1e-5:100;1e-6:200", 500, 0, [(1e-5, 500)]),
        ("1e-5:100, 1e-6:-1, 1e-7:400", 500, 0, [(1e-5, 100), (1e-6, 500)]),
        ("1e-5:100, 1e-6:9999, 1e-7:99999", 500, 0, [(1e-5, 100), (1e-6, 500)]),
        ("1e-5:100, 1e-6:300,", 500, 100, [(1e-6, 300)]),
        (GUIDE, 20000, 0, [(5e-5, 100), (5e-6, 1500), (5e-7, 10000), (5e-8, 20000)]),
    ],
)
def test_the_reference_table(text: str, max_steps: int, start: int, expected: list[tuple[float, int]]) -> None:
    assert [(segment.rate, segment.end) for segment in parse_schedule(text, max_steps, start)] == expected


@pytest.mark.parametrize(
    ("text", "start", "words"),
    [
        ("", 0, "empty"),
        (" , ", 0, "empty"),
        ("1e-5:1e2", 0, "write 100"),
        ("1e-5:0", 0, "ends later"),
        ("1e-5:100", 100, "step 100"),
        ("1e-5;1e-6", 0, "commas"),
        ("fast", 0, "not a number"),
        ("nan", 0, "finite"),
        ("inf:10", 0, "finite"),
        ("-1e-5", 0, "finite"),
        ("1e-5:ten", 0, "whole number"),
    ],
)
def test_an_unusable_schedule_is_refused_in_one_clear_line(text: str, start: int, words: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text, 500, start)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("1e-5:100, 1e-6:300", "ends-early", "ends at step 300"),
        ("1e-5:100;1e-6:500", "semicolon", "semicolon"),
        ("1e-5:10:3", "fields", "too many fields"),
        ("1e-5:100,1e-6:50,1e-7:500", "order", "single step"),
        ("1e-5:0,1e-6:500", "order", "skipped"),
        ("1e-6:100, 1e-5:500", "rises", "rises from 1e-6"),
        ("5e-3", "ruinous", "NaN"),
        ("5e-5:100, 1e-9:500", "needless", "too low"),
        ("5e-5:100, 0:500", "needless", "nothing is learned"),
        ("1e-5, 1e-6:500", "ignored", "never reached"),
        ("1e-5:1e2", "invalid", "write 100"),
        ("nan", "invalid", "finite"),
    ],
)
def test_traps_are_named(text: str, kind: str, words: str) -> None:
    found = {trap.kind: trap.text for trap in find_traps(text, 500)}
    assert words in found[kind]
    assert found[kind] in traps(text, 500)


@pytest.mark.parametrize("text", ["5e-6", "5e-5:100, 5e-6:500", "5e-5:100, 5e-6:-1", "5e-5:100, 5e-6:800", "4.9e-3,"])
def test_a_sound_schedule_has_no_traps(text: str) -> None:
    assert traps(text, 500) == ()


def test_g23_the_guides_own_schedule_has_no_traps() -> None:
    assert traps(GUIDE, 20000) == ()


@settings(max_examples=60)
@given(schedules, st.integers(1, 80))
def test_traps_never_fail(text: str, max_steps: int) -> None:
    assert all(isinstance(trap, str) and "\n" not in trap for trap in traps(text, max_steps))


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (5e-7, "5e-7 = 0.0000005"),
        (2.5e-6, "2.5e-6 = 0.0000025"),
        (0.005, "5e-3 = 0.005"),
        (0.1, "1e-1 = 0.1"),
        (0.0, "0"),
        (1.0, "1"),
        (10.0, "10"),
    ],
)
def test_g23_rates_are_shown_in_words_and_powers(rate: float, words: str) -> None:
    assert in_words(rate) == words


@given(st.floats(1e-12, 10))
def test_a_power_reads_back_as_the_same_rate(rate: float) -> None:
    assert float(power(rate)) == rate
    assert float(in_words(rate).rsplit(" ", 1)[-1]) == rate


@pytest.mark.parametrize(("rate", "told"), [(1.0, "1"), (20.0, "20"), (2.5, "2.5"), (0.5, "5e-1"), (2e4, "2e4")])
def test_rates_from_one_on_are_written_plainly(rate: float, told: str) -> None:
    """As Prodigy, Adadelta and the schedule-free optimizers have them."""
    assert power(rate) == told


def test_g21_the_guides_band_is_a_dose() -> None:
    assert dose(parse_schedule("5e-6:25000", 25000), 1) == pytest.approx(0.125)
    assert step_at_dose(parse_schedule("5e-6", 25000), 1, 0.045) == 9000
    assert step_at_dose(parse_schedule("5e-6", 25000), 4, 0.045) == 4500
    assert step_at_dose(parse_schedule("5e-7", 25000), 1, 0.045) is None
