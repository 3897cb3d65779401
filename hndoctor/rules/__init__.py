"""RULES: the table of contents.  A rule that is not listed here is not asked; the list is the switch.

HN0xx files, HN1xx weights, HN2xx losses and validation, HN3xx previews, HN4xx the course, HN5xx the set-up.
"""

from hndoctor.rules.course import RULES_COURSE
from hndoctor.rules.engine import Rule
from hndoctor.rules.files import RULES_FILES
from hndoctor.rules.losses import RULES_LOSSES
from hndoctor.rules.previews import RULES_PREVIEWS
from hndoctor.rules.setup import RULES_SETUP
from hndoctor.rules.weights import RULES_WEIGHTS

RULES: tuple[Rule, ...] = (
    *RULES_FILES,
    *RULES_WEIGHTS,
    *RULES_LOSSES,
    *RULES_PREVIEWS,
    *RULES_COURSE,
    *RULES_SETUP,
)
