"""What every test shares."""

from __future__ import annotations

import math
import os
import re
import signal

import pytest
from hypothesis import HealthCheck, Phase, settings

from hndoctor.rules.engine import Sign

# A busy machine must not fail a test: no deadlines, and the same examples each time, so that a red run can be repeated.
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile(  # for many runs of which the first failure is enough: it is not made smaller
    "quick",
    parent=settings.get_profile("steady"),
    database=None,
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: no child would ever hear a Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test asks a hub for anything


@pytest.fixture(autouse=True)
def every_sign_keeps_its_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a rule says in any test: a confidence is a probability, numbers are numbers, sentences are whole."""
    made = Sign.__init__

    def checked(sign: Sign, *given: object, **named: object) -> None:
        made(sign, *given, **named)
        assert 0 < sign.confidence <= 1, sign
        assert all(number is None or math.isfinite(number) for number in (sign.value, sign.limit)), sign
        assert sign.step is None or sign.step >= 0, sign
        assert sign.message == sign.message.strip(), sign
        assert not re.search(r"\b(nan|inf)\b|  ", sign.message), sign

    monkeypatch.setattr(Sign, "__init__", checked)
