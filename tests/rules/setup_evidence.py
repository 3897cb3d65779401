"""Small pieces of evidence for the setup rules."""

from __future__ import annotations

from dataclasses import replace

from hndoctor.records import CaptionVitals, PictureVitals, PlanVitals, Setup
from hndoctor.rules.setup import RULES_SETUP

BY_CODE = {law.code: law for law in RULES_SETUP}
SHARP = PictureVitals(
    "a.png", 512, 512, "RGB", "PNG", "d0", "0123456789abcdef", sharpness=400, contrast=0.2, brightness=0.5
)


def caption(text: str, number: int = 0, source: bool = True, **more: object) -> CaptionVitals:
    tags = tuple(tag.strip() for tag in text.split(",") if tag.strip())
    made = CaptionVitals(f"{number}.png", f"{number}.txt" if source else None, text, tags, 10)
    return replace(made, **more)


def captions(*texts: str, **more: object) -> Setup:
    return Setup("data", captions=tuple(caption(text, n) for n, text in enumerate(texts)), **more)


def one(text: str = "a, b", **more: object) -> Setup:
    return Setup("data", captions=(caption(text, **more),))


def picture(count: int = 1, **more: object) -> Setup:
    made = (replace(SHARP, path=f"{n}.png", digest=f"d{n}", perceptual_hash=f"{n * 997:04x}" * 4) for n in range(count))
    return Setup("data", pictures=tuple(replace(p, **more) for p in made))


def plan(**more: object) -> Setup:
    return Setup("data", plan=PlanVitals(**more))


def config(**more: str) -> Setup:
    return Setup("data", webui={f"config.json:{key}": value for key, value in more.items()})


def tabs(settings: dict[str, str]) -> Setup:
    return Setup("data", webui={f"ui-config.json:{key}": value for key, value in settings.items()})


def launch(arguments: str) -> Setup:
    return Setup("data", webui={"webui-user.bat:COMMANDLINE_ARGS": arguments})


def old(arguments: str) -> Setup:
    return Setup("data", webui={"config.json": "read", "webui-user.bat:COMMANDLINE_ARGS": arguments})


def trap(kind: str, **more: object) -> Setup:
    return plan(traps=((kind, "what and how"),), **more)


SD1: dict[str, object] = {"context_width": 768, "steps": 20000, "onset": (9000, 15000, 25000)}
NAMED = {"kind": "character", "name": "fischl-pt"}
ARTIST = {"kind": "style", "name": "mucha-x"}
WORDY = ("red hair, hat", "red hair, boots", "red hair, cat", "red hair, dog", "red hair, rain")
TWICE = tuple(replace(SHARP, path=path, digest="same") for path in ("a.png", "b.png"))
ALIKE = (replace(SHARP, digest="d1"), replace(SHARP, path="b.jpg", digest="d2", perceptual_hash="0123456789abcdec"))
