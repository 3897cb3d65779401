"""Into other houses: conversion between generations, export to web UI and ComfyUI, merging.  Without torch."""

from hndoctor.interop.convert import Converted, convert
from hndoctor.interop.errors import InteropError
from hndoctor.interop.export import Exported, Order, export
from hndoctor.interop.fates import Fate, fates
from hndoctor.interop.home import Home, find_home
from hndoctor.interop.merge import Merged, merge

__all__ = [
    "Converted",
    "Exported",
    "Fate",
    "Home",
    "InteropError",
    "Merged",
    "Order",
    "convert",
    "export",
    "fates",
    "find_home",
    "merge",
]
