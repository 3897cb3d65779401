"""Pictures: how many, how good, and does the trainer see what a person sees? (G8: quality over quantity)"""

from __future__ import annotations

from collections.abc import Iterator

from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import Sign, rule
from hndoctor.rules.setup.common import FLAT, Offender, readable, told

SIDE = 512  # px; Stable Diffusion 1's training size, assumed where no plan says another
FEW = {  # pictures: warned below the first, mentioned below the second (G8; 40 and those of no kind: guess)
    "character": (15, 20),
    "style": (40, 80),
    None: (10, 15),
}
MANY_STYLE = 150  # pictures of a style from which on more are not better (G8)
ENLARGED = 1.25  # times a side is stretched before it is more than softness (guess)
DISTORTED = 1.25  # times one side is stretched more than the other by the web UI (guess)
ELONGATED = 2.0  # long side over short side at which a crop loses half of the picture
BLURRED = 10.0  # grey values squared at 512 px; ten photographs had 65 to 5,000, blurred by 2 px 0.4 to 16
ARTEFACTS = 70  # JPEG quality below which blocks are seen around lines (guess)
DARK = 0.04  # mean grey value 0..1: less is black to the eye (guess)
SEE_THROUGH = 0.001  # share of pixels; fewer are a stray edge (guess)
_DEEP = frozenset({"I;16", "I;16B", "I;16L", "I", "F"})  # modes that the web UI's conversion to RGB clips to white


@rule("HN520", Severity.WARNING, needs="setup")
def picture_count(setup: Setup) -> Iterator[Sign]:
    """There are few pictures for what is to be learned.

    About 20 good pictures do for a character, 15 for a simple one, 80 to 150 for a style; more of poor quality are no
    help (G8, by --kind).  Fewer are learned by heart.  Add pictures, or train fewer steps.
    """
    count = len(readable(setup))
    if not count:
        return
    poor, fair = FEW[setup.kind]
    what = f"a {setup.kind}" if setup.kind else "a hypernetwork"
    if count < fair:
        wanted = {"style": "80 to 150", "character": "about 20"}.get(setup.kind or "", "15 or more")
        few = "one picture is not enough" if count == 1 else f"{count} pictures are few"
        message = f"{few} for {what}: {wanted} are usual; add good ones, or train fewer steps"
        yield Sign(message, value=count, limit=fair, severity=None if count < poor else Severity.INFO, confidence=0.8)
    elif setup.kind == "style" and count > MANY_STYLE:
        message = f"{count} pictures are more than a style needs (80 to 150); quality matters more, remove the weakest"
        yield Sign(message, value=count, limit=MANY_STYLE, severity=Severity.INFO, confidence=0.5)


@rule("HN521", Severity.WARNING, needs="setup")
def picture_unreadable(setup: Setup) -> Iterator[Sign]:
    """A picture cannot be opened.

    The web UI leaves such files out without a word, so the set is smaller than it seems.  Save the picture again, or
    remove the file.  An error when no picture can be opened: then nothing can be trained.
    """
    if setup.pictures and not readable(setup):
        count = len(setup.pictures)
        none = "the only picture cannot be opened; save it again"
        message = none if count == 1 else f"none of the {count} pictures can be opened; save them again"
        yield Sign(message, severity=Severity.ERROR)
    offenders = (Offender(p.path, p.problem) for p in setup.pictures if p.problem)
    yield from told(offenders, "pictures cannot be opened", "save it again, or remove it")


def target(setup: Setup) -> tuple[int, int]:
    """Width and height at which the pictures are trained, as far as it is known."""
    plan = setup.plan
    return (plan and plan.width) or SIDE, (plan and plan.height) or SIDE


@rule("HN522", Severity.WARNING, needs="setup")
def picture_small(setup: Setup) -> Iterator[Sign]:
    """A picture is smaller than the training size.

    It is enlarged, and the network learns the softness as part of the style (G8).  Use a larger original, or leave it
    out.
    """
    width, height = target(setup)
    assumed = "" if setup.plan and setup.plan.width else " (Stable Diffusion 1's size, as no plan says another)"
    offenders = []
    for picture in readable(setup):
        times = max(width / picture.width, height / picture.height)
        if times > 1:
            text = f"{picture.width}×{picture.height} is enlarged {times:.1f} times to {width}×{height}{assumed}"
            severity = None if times >= ENLARGED else Severity.INFO
            offenders.append(Offender(picture.path, text, round(times, 3), severity))
    many = f"pictures are smaller than {width}×{height}{assumed}"
    yield from told(offenders, many, "use a larger original", limit=1)


@rule("HN523", Severity.WARNING, needs="setup")
def picture_aspect(setup: Setup) -> Iterator[Sign]:
    """A picture's shape is far from the training size's.

    The web UI squeezes every picture into the training size, so faces grow wide or narrow; a trainer that crops instead
    loses the outer parts (G8).  Crop the picture yourself, or train at its shape.
    """
    width, height = target(setup)
    crops = setup.plan is not None and setup.plan.resize == "crop"
    limit = ELONGATED if crops else DISTORTED
    offenders = []
    for picture in readable(setup):
        ratio = (picture.width / picture.height) / (width / height)
        times = max(ratio, 1 / ratio)
        if times >= limit:
            done = (
                f"the crop loses {100 * (1 - 1 / times):.0f}% of it" if crops else f"it is squeezed {times:.2f} times"
            )
            text = f"{picture.width}×{picture.height} does not fit {width}×{height}: {done}"
            offenders.append(Offender(picture.path, text, round(times, 3)))
    yield from told(offenders, f"pictures do not fit {width}×{height}", "crop it to that shape", limit=limit)


@rule("HN526", Severity.WARNING, needs="setup")
def picture_blurred(setup: Setup) -> Iterator[Sign]:
    """A picture is blurred.

    Quality over quantity (G8): a network that sees blur paints blur.  Measured as the variance of the Laplacian at
    512 px; a soft background counts as blur, so look before you remove.
    """
    offenders = (
        Offender(p.path, f"blurred (sharpness {p.sharpness:.1f})", p.sharpness)
        for p in readable(setup)
        if p.sharpness is not None and p.sharpness < BLURRED and (p.contrast or 0) >= FLAT
    )
    yield from told(offenders, "pictures are blurred", "use a sharper one", limit=BLURRED, confidence=0.7)


@rule("HN527", Severity.WARNING, needs="setup")
def picture_compressed(setup: Setup) -> Iterator[Sign]:
    """A picture is a heavily compressed JPEG.

    Blocks and ringing around lines are learned like everything else (G8).  Use the original; saving it as PNG now does
    not bring it back.
    """
    offenders = (
        Offender(p.path, f"JPEG quality {p.jpeg_quality}", p.jpeg_quality)
        for p in readable(setup)
        if p.jpeg_quality is not None and p.jpeg_quality < ARTEFACTS
    )
    yield from told(offenders, "pictures are heavily compressed", "use the original", limit=ARTEFACTS, confidence=0.8)


@rule("HN528", Severity.WARNING, needs="setup")
def picture_transparent(setup: Setup) -> Iterator[Sign]:
    """A picture has transparent parts.

    The trainer drops the transparency and sees whatever colour lies beneath it, often black; read as loss weights, it
    hides those parts from training instead.  Put the picture on a plain background.
    """
    offenders = (
        Offender(p.path, f"{100 * p.transparent:.1f}% transparent", p.transparent)
        for p in readable(setup)
        if p.transparent > SEE_THROUGH
    )
    yield from told(offenders, "pictures have transparent parts", "put it on a plain background", limit=SEE_THROUGH)


@rule("HN529", Severity.WARNING, needs="setup")
def picture_turned(setup: Setup) -> Iterator[Sign]:
    """A picture is stored turned.

    Viewers turn it by its EXIF orientation, trainers often do not: it is learned lying on its side.  Turn the pixels
    and save it anew.
    """
    offenders = (
        Offender(p.path, f"stored turned (EXIF orientation {p.orientation})", p.orientation)
        for p in readable(setup)
        if p.orientation != 1
    )
    yield from told(offenders, "pictures are stored turned", "save it upright", limit=1)


@rule("HN530", Severity.INFO, needs="setup")
def picture_profile(setup: Setup) -> Iterator[Sign]:
    """A picture has a colour profile other than sRGB.

    Trainers read the numbers as sRGB, so its colours come out paler or shifted.  Convert it to sRGB.
    """
    offenders = (Offender(p.path, f"colour profile {p.profile}") for p in readable(setup) if p.profile)
    yield from told(offenders, "pictures have a colour profile other than sRGB", "convert it to sRGB")


@rule("HN531", Severity.WARNING, needs="setup")
def picture_flat(setup: Setup) -> Iterator[Sign]:
    """A picture is flat or black.

    There is nothing to learn but a colour; a set of such pictures even lowers the loss while every preview becomes the
    same.  Remove it.
    """
    offenders = []
    for picture in readable(setup):
        if picture.contrast is not None and picture.contrast < FLAT:
            offenders.append(Offender(picture.path, "is one flat colour", picture.contrast))
        elif picture.brightness is not None and picture.brightness < DARK:
            offenders.append(Offender(picture.path, "is almost black", picture.brightness, limit=DARK))
    yield from told(offenders, "pictures are flat or black", "remove it", limit=FLAT, confidence=0.9)


@rule("HN532", Severity.WARNING, needs="setup")
def picture_deep(setup: Setup) -> Iterator[Sign]:
    """A picture has more than 8 bits a channel.

    Converted to RGB as trainers do it, everything above the lowest 8 bits becomes white.  Save it with 8 bits.
    """
    offenders = (Offender(p.path, f"stored as {p.mode}") for p in readable(setup) if p.mode in _DEEP)
    yield from told(offenders, "pictures have more than 8 bits a channel", "save it with 8 bits a channel")
