"""Work on two threads keeps its order, its errors and its bounds."""

from __future__ import annotations

import threading
import time

import pytest

from hndoctor.vitals.ahead import AHEAD, in_order


def test_results_come_in_the_order_of_the_items():
    def work(n):
        time.sleep(0.002 * (n % 3))
        return n * n

    assert list(in_order(work, range(20))) == [n * n for n in range(20)]


def test_never_more_than_a_few_are_begun_before_they_are_asked_for():
    begun, lock = [], threading.Lock()

    def work(n):
        with lock:
            begun.append(n)
        return n

    running = in_order(work, range(50))
    next(running)
    time.sleep(0.05)
    assert len(begun) <= AHEAD + 1
    running.close()
    assert len(begun) <= AHEAD + 1


def test_an_error_comes_where_its_item_stands():
    def work(n):
        if n == 3:
            raise ValueError("three")
        return n

    found = []
    with pytest.raises(ValueError, match="three"):
        found.extend(in_order(work, range(9)))
    assert found == [0, 1, 2]


def test_nothing_to_do_is_nothing():
    assert list(in_order(str, ())) == []
