"""The trainer's one error type."""


class TrainerError(ValueError):
    """Something the user can mend: one line that says what, where and how."""


def why(error: OSError) -> str:
    """What the system says of it, without path and number."""
    return error.strerror or str(error)
