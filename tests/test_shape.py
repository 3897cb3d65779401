"""The nouns stay what they are: records are frozen, so that no one changes what another holds."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import hndoctor

WORKING = {  # not nouns but tools that count and gather while they work
    "NumpyArray", "NumpyType", "Parameters", "Pool", "Reader", "Reports", "Watched", "_Basis",
}  # fmt: skip


def dataclasses():
    for module in pkgutil.walk_packages(hndoctor.__path__, "hndoctor."):
        if module.name.endswith("__main__"):
            continue
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if "__dataclass_params__" in vars(found) and found.__module__ == module.name:
                yield found


def test_records_are_frozen():
    open_ones = {found.__qualname__ for found in dataclasses() if not found.__dataclass_params__.frozen}
    assert open_ones == WORKING
