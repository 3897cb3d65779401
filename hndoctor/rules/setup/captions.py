"""Captions: are they there, can they be read, and does the web UI read in them what was meant?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hndoctor.formats.counted import counted
from hndoctor.records import CaptionVitals, Setup, Severity
from hndoctor.rules.engine import Sign, rule
from hndoctor.rules.setup.common import Offender, listed, told

ORDER_CHANCE = -4.0  # log10 of the chance that so many captions are sorted by accident (guess); as setup.words has it
ORDER_SHARE = 0.5  # share of sortable captions that must be sorted: the rule is about the set (G3)
CHUNK = 75  # tokens the text encoder takes at once (web UI)
ROUGH_CONFIDENCE = 0.6  # of a token count made without a real vocabulary (guess)
_SHOWN = 4  # tags quoted from one caption


def place(caption: CaptionVitals) -> str:
    """The file a caption's words come from."""
    return caption.source or caption.picture


def quoted(tags: tuple[str, ...]) -> str:
    """A few tags in quotation marks."""
    return listed([f'"{tag}"' for tag in tags], _SHOWN)


@rule("HN501", Severity.WARNING, needs="setup")
def caption_missing(setup: Setup) -> Iterator[Sign]:
    """A picture has no caption file.

    The web UI then takes the picture's file name, without leading numbers, as the caption: whatever it does not say is
    learned as part of the subject (G1).  Write a text file of the same name beside the picture.
    """
    without = [caption for caption in setup.captions if caption.source is None]
    if without and len(without) == len(setup.captions):
        example = without[0]
        words = f'"{example.text}"' if example.text else "nothing"
        message = f"no picture has a caption file: file names are used, for {example.picture} {words}"
        yield Sign(f"{message}; write one text file per picture", value=len(without), limit=0)
        return
    offenders = (Offender(c.picture, f'no caption file, "{c.text}" is used') for c in without)
    yield from told(offenders, "pictures have no caption file", "write a .txt of the same name", limit=0)


@rule("HN502", Severity.WARNING, needs="setup")
def caption_empty(setup: Setup) -> Iterator[Sign]:
    """A caption file is empty.

    The picture is trained on the bare template, so the network learns that everything in it belongs to every prompt
    (G1). Describe the picture in the file.
    """
    empty = (c for c in setup.captions if c.source and not c.tags and not c.problem)
    offenders = (Offender(place(c), "the caption is empty") for c in empty)
    yield from told(offenders, "captions are empty", "describe the picture in it")


@rule("HN503", Severity.WARNING, needs="setup")
def caption_underscores(setup: Setup) -> Iterator[Sign]:
    """Words of a tag are parted by underscores.

    Stable Diffusion's text encoder learned plain English: `blue_eyes` becomes other tokens than `blue eyes`, with
    hardly any meaning (G2).  Use spaces; `hndoctor check --fix` rewrites the captions.
    """
    offenders = (
        Offender(place(c), f"underscores in {quoted(c.underscored)}", len(c.underscored))
        for c in setup.captions
        if c.underscored
    )
    yield from told(offenders, "captions have underscores in their tags", "use spaces, or run with --fix", limit=0)


@rule("HN504", Severity.WARNING, needs="setup")
def caption_alphabetical(setup: Setup) -> Iterator[Sign]:
    """The tags are in alphabetical order.

    Position carries weight: sorted by a tagger, digits and `a…` always come first and the same tags always meet (G3).
    Judged over the whole set; tags that all captions share are left out.  Put what matters first, or shuffle:
    `hndoctor check --fix`, or the trainer's `shuffle_tags`.
    """
    if setup.sortable_captions == 0:
        return
    share = setup.sorted_captions / setup.sortable_captions
    if share >= ORDER_SHARE and setup.sorted_chance < ORDER_CHANCE:
        of = counted(setup.sortable_captions, "caption")
        message = f"the tags of {setup.sorted_captions} of {of} are in alphabetical order"
        mend = "put what matters first, turn shuffle_tags on, or run with --fix"
        yield Sign(f"{message}; {mend}", value=share, limit=ORDER_SHARE, confidence=0.99)


@rule("HN505", Severity.WARNING, needs="setup")
def caption_emphasis(setup: Setup) -> Iterator[Sign]:
    """Brackets in a caption act as attention syntax.

    The web UI reads ( ), [ ] and (x:1.2) in captions as weights: the tag reaches the network stronger or weaker than
    the others, and without its brackets (G4).  Remove the brackets, or escape them: `saber \\(fate\\)`; `--fix` does
    it.
    """
    offenders = (
        Offender(place(c), f"brackets weigh {quoted(c.emphasised)}", len(c.emphasised))
        for c in setup.captions
        if c.emphasised
    )
    mend = "remove or escape the brackets \\( \\), or run with --fix"
    yield from told(offenders, "captions have brackets that act as weights", mend, limit=0)


@rule("HN509", Severity.INFO, needs="setup")
def caption_long(setup: Setup) -> Iterator[Sign]:
    """A caption has more than 75 tokens.

    The text encoder takes 75 at once; what comes after is encoded apart from the rest, and does not know of it.  Put
    what belongs together close together, or shorten the caption.
    """
    real = "rough" not in (setup.tokenizer or "rough")
    how = "" if real else " (a rough count, without CLIP's vocabulary)"
    offenders = (
        Offender(place(c), f"{c.tokens} tokens{how}, in the next chunk: {quoted(c.beyond)}", c.tokens)
        for c in setup.captions
        if c.tokens is not None and c.tokens > CHUNK and c.beyond
    )
    many = f"captions have more than {CHUNK} tokens{how}"
    confidence = 1.0 if real else ROUGH_CONFIDENCE
    yield from told(offenders, many, "shorten it to what matters", limit=CHUNK, confidence=confidence)


@rule("HN513", Severity.WARNING, needs="setup")
def caption_encoding(setup: Setup) -> Iterator[Sign]:
    """A caption file cannot be read, or is not plain UTF-8.

    The web UI reads UTF-8 only: other encodings stop the training when it loads the set, and a byte-order mark
    becomes a token of its own.  Save the file as UTF-8 without a mark; `hndoctor check --fix` does it.
    """
    offenders = (Offender(place(c), c.problem) for c in setup.captions if c.problem)
    yield from told(offenders, "captions are not plain UTF-8 text", "check the file, or run with --fix")


@rule("HN514", Severity.WARNING, needs="setup")
def caption_orphan(setup: Setup) -> Iterator[Sign]:
    """A caption file has no picture.

    Its picture is missing, or is called otherwise, and then trains on its file name.  Rename or remove the file.
    """
    offenders = (Offender(name, "no picture has this name") for name in setup.orphans)
    yield from told(offenders, "caption files have no picture", "rename it like its picture, or remove it")


@rule("HN515", Severity.WARNING, needs="setup")
def caption_shared(setup: Setup) -> Iterator[Sign]:
    """Two pictures share one caption file.

    `a.png` and `a.jpg` both read `a.txt`; one of them is a leftover copy, or has the wrong words.  Rename or remove
    one.
    """
    uses = Counter(c.source for c in setup.captions if c.source)
    for source in (source for source, count in uses.items() if count > 1):
        pictures = [c.picture for c in setup.captions if c.source == source]
        message = f"{source}: {listed(pictures)} share this caption; rename or remove all but one"
        yield Sign(message, subject=source, value=len(pictures), limit=1)
