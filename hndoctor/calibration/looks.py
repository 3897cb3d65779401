"""What a picture that was judged alone is called, from its probabilities."""

from __future__ import annotations

from hndoctor.calibration.alone import PARTLY, either_noise
from hndoctor.records import PictureJudgement

EVEN = 0.5  # probability from which something is more likely than not


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
    known = [(kind, p) for kind, p in judged.p.items() if p is not None]
    return max([_either(judged), *known], key=lambda item: item[1])


def is_spoilt(judged: PictureJudgement) -> bool:
    """Whether a picture fails a gate: noise, or none at all, whatever is likelier still (one noise repeated)."""
    return max(_either(judged)[1], judged.p.get("flat") or 0.0) >= EVEN


def _either(judged: PictureJudgement) -> tuple[str, float]:
    return either_noise(judged.p.get("noise") or 0.0, judged.p.get("grey_noise") or 0.0)
