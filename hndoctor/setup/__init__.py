"""Before the first step: captions, pictures, templates, plan and web UI settings, measured into `Setup`."""

from hndoctor.setup.fix import Change, fix_captions
from hndoctor.setup.measure import SetupError, measure_setup

__all__ = ["Change", "SetupError", "fix_captions", "measure_setup"]
