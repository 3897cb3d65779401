"""Loss logs and schedules at both sides of their limits."""

from __future__ import annotations

import pytest

from hndoctor.formats import losslog, rates, schedule
from hndoctor.records import LossPoint

# --- loss logs --------------------------------------------------------------------------------------------------------


def rows(tmp_path, text):
    file = tmp_path / "hypernetwork_loss.csv"
    file.write_bytes(text.encode())
    return losslog.read(file)


def test_rows_are_written_with_their_epochs_behind_a_half_line(tmp_path):
    file = tmp_path / "hypernetwork_loss.csv"
    for step, per_epoch in ((1, 3), (3, 3), (4, 3), (5, 0)):
        losslog.append_row(file, step, 0.25, 5e-6, per_epoch)
    lines = file.read_bytes().split(b"\r\n")
    assert lines[0] == b"step,epoch,epoch_step,loss,learn_rate"
    assert lines[1:] == [
        b"1,0,0,0.2500000,5e-06",
        b"3,0,2,0.2500000,5e-06",
        b"4,1,0,0.2500000,5e-06",
        b"5,4,0,0.2500000,5e-06",
        b"",
    ]
    file.write_bytes(file.read_bytes() + b"6,5")
    losslog.append_row(file, 7, 0.5, 5e-6, 3)
    assert file.read_bytes().endswith(b"\r\n6,5\r\n7,2,0,0.5000000,5e-06\r\n")


@pytest.mark.parametrize(
    ("row", "point"),
    [
        ("0,0,0,0.5,1e-5", LossPoint(0, 0.5, 1e-5)),
        (f"{losslog.MAX_STEP},0,0,0.5,1e-5", LossPoint(losslog.MAX_STEP, 0.5, 1e-5)),
        (f"{losslog.MAX_STEP + 1},0,0,0.5,1e-5", None),
        ("-1,0,0,0.5,1e-5", None),
        ("1.5,0,0,0.5,1e-5", None),
        ("x,0,0,0.5,1e-5", None),
        ("5,0,0,x,1e-5", None),
        ("5,0,0,nan,inf", LossPoint(5, None, None, True)),
        ("5,0,0,-1.#IND,x", LossPoint(5, None, None, True)),
        ("5,0,0,1e999,1e-5", LossPoint(5, None, 1e-5, True)),
        ("5;0;0;0,5;1e-5", LossPoint(5, 0.5, 1e-5)),
        ('"5","0","0","0.5","1e-5"', LossPoint(5, 0.5, 1e-5)),
        ("5,0.5", LossPoint(5, 0.5)),
    ],
)
def test_a_row_makes_sense_or_is_left_out(tmp_path, row, point):
    assert rows(tmp_path, row + "\r\n") == ((point,) if point else ())


def test_a_header_in_the_middle_begins_again_and_the_later_row_counts(tmp_path):
    text = "step,loss\r\n5,0.5\r\nstep,epoch,epoch_step,loss,learn_rate\r\n9,0,0,0.7,1e-5\r\n5,0,0,0.6,1e-5\r\n"
    assert rows(tmp_path, text) == (LossPoint(5, 0.6, 1e-5), LossPoint(9, 0.7, 1e-5))


def test_of_a_line_without_an_end_only_what_is_whole_counts(tmp_path):
    full = "5,0,0,0.5000000,1e-05\r\n"
    assert rows(tmp_path, full + "6,0,0,0.5000000,1e-05")[1] == LossPoint(6, 0.5, 1e-5)
    assert rows(tmp_path, full + "6,0,0,0.5000000,1e-0")[1] == LossPoint(6, 0.5)
    assert len(rows(tmp_path, full + "6,0,0,0.50")) == 1
    assert rows(tmp_path, full + "6,0,0,0.5000000")[1] == LossPoint(6, 0.5)


@pytest.mark.parametrize("first", range(3, 20))
def test_very_long_logs_are_thinned_but_keep_the_first_that_is_no_number(tmp_path, monkeypatch, first):
    monkeypatch.setattr(losslog, "MOST_POINTS", 8)
    text = "".join(f"{step},0,0,{'nan' if step in (first, 30) else 0.5},1e-5\r\n" for step in range(40))
    found = rows(tmp_path, text)
    assert len(found) <= 10
    assert found[0].step == 0
    assert next(point.step for point in found if point.nonfinite) == first
    monkeypatch.setattr(losslog, "MOST_POINTS", 40)
    assert [point.step for point in rows(tmp_path, text)] == list(range(40))


def test_a_long_log_without_a_number_is_thinned_too(tmp_path, monkeypatch):
    monkeypatch.setattr(losslog, "MOST_POINTS", 64)
    found = rows(tmp_path, "".join(f"{step},0,0,nan,1e-5\r\n" for step in range(1000)))
    assert len(found) <= 64
    assert (found[0].step, found[-1].step) == (0, 999)


# --- schedules --------------------------------------------------------------------------------------------------------


def kinds(text, steps=1000, scale=1.0):
    return [trap.kind for trap in schedule.find_traps(text, steps, scale)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("4.9e-3", []),
        ("5e-3", ["ruinous"]),
        ("5e-8", []),
        ("4.9e-8", ["needless"]),
        ("0", ["needless"]),
        ("5e-5:100, 5e-6:1000", []),
        ("5e-5:100, 5e-6:999", ["ends-early"]),
        ("5e-6:100, 5e-5:1000", ["rises"]),
        ("5e-5:100, 5e-6:100, 5e-7:1000", ["order"]),
        ("5e-5:0, 5e-6:1000", ["order"]),
        ("5e-5:1000, 5e-6:2000", ["order"]),
        ("5e-5:1001, 5e-6:2000", ["ignored"]),
        ("5e-5, 5e-6", ["ignored"]),
        ("5e-5:-1, 5e-6", ["ignored"]),
        ("5e-5:5:6", ["fields"]),
        ("5e-5:5;6", ["invalid"]),
        ("5e-5:5;6:7", ["semicolon"]),
        ("x", ["invalid"]),
    ],
)
def test_traps_at_both_sides(text, told):
    assert [kind for kind in kinds(text) if kind != "ends-early" or "ends-early" in told] == told


def test_bounds_on_rates_go_with_the_scale():
    assert kinds("4.9e-2", scale=10.0) == []
    assert kinds("5e-2", scale=10.0) == ["ruinous"]
    assert kinds("4.9e-7", scale=10.0) == ["needless"]
    assert "untested" in schedule.find_traps("5e-2", 9, 10.0)[0].text
    assert "begin with 5e-4 = 0.0005" in schedule.find_traps("5e-2", 9, 10.0)[0].text
    assert "Stable Diffusion 1;" in schedule.find_traps("5e-3", 9)[0].text


@pytest.mark.parametrize(
    ("rate", "words"), [(5e-7, "5e-7 = 0.0000005"), (1.0, "1"), (0.0, "0"), (0.25, "2.5e-1 = 0.25"), (20.0, "20")]
)
def test_rates_in_words(rate, words):
    assert rates.in_words(rate) == words


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the schedule is empty"),
        (" , ", "the schedule is empty"),
        ("5e-5:0", "ends at or before step 0"),
        ("5e-5;6", "separate the parts with commas"),
        ("5e-5:1e2", "write 100"),
        ("5e-5:1.5", 'write e.g. "5e-5:100'),
        ("nan", "a finite number"),
        ("-1e-5", "a finite number"),
    ],
)
def test_what_is_wrong_with_a_schedule_and_how_to_mend_it(text, why):
    with pytest.raises(schedule.ScheduleError, match=why):
        schedule.parse_schedule(text, 100)


def test_a_dose_is_counted_from_where_training_starts():
    """Beyond the end of the first part: it gives nothing, not even a step."""
    parts = (schedule.Segment(5e-3, 100), schedule.Segment(5e-6, 1000))
    assert schedule.dose(parts, 1, 500) == pytest.approx(500 * 5e-6)
    assert schedule.step_at_dose(parts, 1, 100 * 5e-6, 500) == 600
    assert schedule.step_at_dose(parts, 4, 100 * 5e-6, 500) == 550
    assert schedule.step_at_dose(parts, 1, 501 * 5e-6, 500) is None
