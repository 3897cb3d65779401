"""The loop itself: what a step must not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.train_ways import ready
from trainer.config import Config
from trainer.loop import gradients


class Reads(TorchDispatchMode):
    """Counts numbers that are read back from tensors: there a host waits for its device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += "_local_scalar_dense" in str(func)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("values", [{}, {"min_snr_gamma": 5.0}, {"precision": "fp16"}, {"use_weight": True}])
def test_the_host_never_waits_for_the_device_between_micro_batches(
    changed: Callable[..., Config], values: dict[str, Any]
) -> None:
    training = ready(changed(gradient_step=3, **values))
    batches = training.course.batches(0)
    assert len(batches) == 3
    with Reads() as reads:
        loss = gradients(training.course, 0, batches)
    assert reads.count == 0
    with Reads() as reads:
        float(loss)
    assert reads.count == 1  # the counter counts
    training.close()
