"""The loss log: the web UI's bytes, and whatever is left of them."""

import pytest

from hndoctor.formats import losslog
from hndoctor.formats.losslog import append_row, read
from hndoctor.records import LossPoint


def log(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "hypernetwork_loss.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_writes_the_web_uis_bytes(tmp_path):
    path = tmp_path / "hypernetwork_loss.csv"
    append_row(path, 500, 0.12345678, 1e-05, steps_per_epoch=20)
    append_row(path, 501, float("nan"), 5e-06, steps_per_epoch=20)
    assert path.read_bytes() == (
        b"step,epoch,epoch_step,loss,learn_rate\r\n500,24,19,0.1234568,1e-05\r\n501,25,0,nan,5e-06\r\n"
    )
    assert read(path) == (
        LossPoint(500, 0.1234568, 1e-05),
        LossPoint(501, None, 5e-06, nonfinite=True),
    )


def test_appending_after_half_a_line_begins_a_new_one(tmp_path):
    path = log(tmp_path, "step,epoch,epoch_step,loss,learn_rate\r\n1,0,0,0.1000000,1e-05\r\n2,0,1,0.")
    append_row(path, 2, 0.3, 1e-05, steps_per_epoch=20)
    assert read(path) == (LossPoint(1, 0.1, 1e-05), LossPoint(2, 0.3, 1e-05))


def test_the_oldest_generation(tmp_path):
    assert read(log(tmp_path, "step,loss\r\n500,0.1\r\n1000,0.2\r\n")) == (LossPoint(500, 0.1), LossPoint(1000, 0.2))


def test_rows_without_a_header(tmp_path):
    assert read(log(tmp_path, "500,0,1,0.1,1e-05\n")) == (LossPoint(500, 0.1, 1e-05),)
    assert read(log(tmp_path, "500,0.1\n")) == (LossPoint(500, 0.1),)


def test_repeated_headers_resumed_and_unsorted_rows(tmp_path):
    header = "step,epoch,epoch_step,loss,learn_rate\r\n"
    text = (
        header + "500,0,1,0.1,1e-05\r\n1500,0,1,0.3,1e-05\r\n" + header + "1000,0,1,0.2,5e-06\r\n1500,0,1,0.4,5e-06\r\n"
    )
    assert read(log(tmp_path, text)) == (
        LossPoint(500, 0.1, 1e-05),
        LossPoint(1000, 0.2, 5e-06),
        LossPoint(1500, 0.4, 5e-06),
    )


@pytest.mark.parametrize(
    ("tail", "last"),
    [
        ("", None),
        ("10", None),
        ("1000,", None),
        ("1000,0,9,0.2", None),
        ("1000,0,9,0.2000000", LossPoint(1000, 0.2)),
        ("1000,0,9,0.2000000,", LossPoint(1000, 0.2)),
        ("1000,0,9,0.2000000,1e-0", LossPoint(1000, 0.2)),
        ("1000,0,9,0.2000000,1e-05", LossPoint(1000, 0.2, 1e-05)),
    ],
)
def test_a_half_written_last_line_never_invents_a_number(tmp_path, tail, last):
    text = "step,epoch,epoch_step,loss,learn_rate\r\n500,0,1,0.1,1e-05\r\n" + tail
    assert read(log(tmp_path, text)) == tuple(point for point in (LossPoint(500, 0.1, 1e-05), last) if point)


@pytest.mark.parametrize("word", ["nan", "-nan", "NaN", "inf", "-inf", "Infinity", "1.#QNAN", "nan(ind)", "1e999"])
def test_what_is_not_finite_is_marked(tmp_path, word):
    assert read(log(tmp_path, f"step,loss\n7,{word}\n")) == (LossPoint(7, None, nonfinite=True),)


def test_nonsense_is_left_out(tmp_path):
    text = "step,loss\nhello,world\n\n-5,0.1\n1.5,0.1\n99999999999999,0.1\nnan,0.1\n3,\n4,None\n5,0.5\n\0\0\0"
    assert read(log(tmp_path, text)) == (LossPoint(5, 0.5),)


def test_saved_again_by_a_spreadsheet(tmp_path):
    text = "step;epoch;epoch_step;loss;learn_rate\r\n500;0;1;0,25;0,00001\r\n"
    assert read(log(tmp_path, text, "utf-8-sig")) == (LossPoint(500, 0.25, 1e-05),)
    assert read(log(tmp_path, "step,loss\r\n500,0.25\r\n", "utf-16")) == (LossPoint(500, 0.25),)


def test_binary_and_empty_files_hold_no_rows(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(bytes(range(256)) * 100)
    assert read(path) == ()
    path.write_bytes(b"")
    assert read(path) == ()


def test_a_file_too_large_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(losslog, "MAX_BYTES", 10)
    with pytest.raises(OSError, match="not a loss log"):
        read(log(tmp_path, "step,loss\r\n1,2\r\n"))


def test_of_very_many_steps_some_are_left_out_but_none_that_is_no_number(tmp_path, monkeypatch):
    monkeypatch.setattr(losslog, "MOST_POINTS", 50)
    rows = "".join(f"{step},{'nan' if step == 333 else 0.5}\r\n" for step in range(1, 401))
    points = read(log(tmp_path, "step,loss\r\n" + rows))
    assert 25 <= len(points) <= 60
    assert [point.step for point in points if point.nonfinite] == [333]
    steps = [point.step for point in points]
    assert steps == sorted(steps)
    assert steps[0] <= 8
    assert steps[-1] >= 392
