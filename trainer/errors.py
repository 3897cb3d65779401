"""The trainer's one error type."""


class TrainerError(ValueError):
    """Something the user can mend: one line that says what, where and how."""
