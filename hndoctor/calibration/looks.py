"""What a picture that was judged alone is called, from its probabilities."""

from __future__ import annotations

from hndoctor.calibration.alone import PARTLY
from hndoctor.records import PictureJudgement

EVEN = 0.5  # probability from which something is more likely than not
SPOILT = ("noise", "grey noise", "flat")  # what fails a gate


def looks_like(judged: PictureJudgement) -> str:
    """What a picture most likely is, if anything that is wrong: "noise", "flat" ...; empty where it is a picture."""
    kind, p = likeliest(judged)
    if p >= EVEN:
        return kind.replace("_", " ")
    return "partly noise" if (judged.noise_share or 0.0) >= PARTLY else ""


def likeliest(judged: PictureJudgement) -> tuple[str, float]:
    """What is likeliest to be wrong with a picture, and its probability: noise of either kind under the likelier one.

    A picture that is noise for sure, and with even odds colourful or of one tint, is noise.
    """
    known = {kind: p for kind, p in judged.p.items() if p is not None}
    noise, grey = known.get("noise", 0.0), known.get("grey_noise", 0.0)
    known |= {"noise" if noise >= grey else "grey_noise": noise + grey}
    return max(known.items(), key=lambda item: item[1])


def is_spoilt(judged: PictureJudgement) -> bool:
    """Whether a picture fails a gate: noise, or none at all."""
    return looks_like(judged) in SPOILT
