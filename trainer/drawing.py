"""Previews of a run drawn and written, or the reason told why they were not: training goes on either way."""

from __future__ import annotations

from collections.abc import Iterator

from trainer import memory
from trainer.errors import why
from trainer.events import Event, Notice, Previewed
from trainer.interrupts import NEVER, LeftError, Stop
from trainer.network import Hypernetwork
from trainer.preview import Previewer, sheet
from trainer.runfolder import RunFolder


def draw(
    previewer: Previewer,
    folder: RunFolder,
    number: int,
    bare: bool = False,
    average: Hypernetwork | None = None,
    stop: Stop = NEVER,
) -> Iterator[Event]:
    """The previews of a number: by the base model alone, by the moving average, or by the network that is trained."""
    previewer = previewer.seeded(number)
    try:
        pictures = previewer.draw(bare, average, stop)
    except LeftError:
        yield Notice(f"preview {number} was left to stop at once; a resumed run draws it", number)
        return
    except (RuntimeError, MemoryError) as error:
        if not memory.is_shortage(error):
            raise
        memory.release(previewer.base.device)
        yield Notice(f"preview {number} was not drawn, training goes on: out of memory", number)
        return
    place = folder.average_preview if average else folder.preview
    paths = tuple(place(number, which) for which in range(len(pictures)))
    try:
        for path, picture, prompt in zip(paths, pictures, previewer.prompts, strict=True):
            folder.write(path, previewer.png(picture, prompt))
        if previewer.config.preview_sheet and len(pictures) > 1 and not average:
            folder.write(folder.sheet(number), previewer.png(sheet(pictures), previewer.prompts[0]))
    except OSError as error:
        yield Notice(f"preview {number} was not written: {why(error)}", number)
        return
    yield Previewed(paths, number, average is not None)
