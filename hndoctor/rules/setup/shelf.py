"""The web UI's folder of hypernetworks: what a new one would meet there."""

from __future__ import annotations

from collections.abc import Iterator

from hndoctor.records import Setup, Severity
from hndoctor.rules.engine import Sign, rule

LISTED = "hypernetworks:"  # key of a network in `Setup.webui`, before its name


@rule("HN586", Severity.WARNING, needs="setup")
def webui_network_taken(setup: Setup) -> Iterator[Sign]:
    """The web UI already has a hypernetwork of this name.

    At the end of a training it saves over models/hypernetworks/NAME.pt, whatever is there, and of two files of one name
    in different folders it shows only one.  Choose a new name, or keep a copy elsewhere (G34).
    """
    networks = {key.removeprefix(LISTED): files for key, files in setup.webui.items() if key.startswith(LISTED)}
    for name, files in networks.items():
        if setup.name and name.lower() == setup.name.lower():
            message = f"{files}: the web UI saves over it when training ends; choose another name than {setup.name}"
            yield Sign(message, subject=files, confidence=0.9)
        elif ", " in files:
            message = f"{files}: of files of one name the web UI shows only the last; rename all but one"
            yield Sign(message, subject=files.partition(", ")[0], severity=Severity.INFO, confidence=0.9)
