"""The trainer's one error type."""


class TrainerError(ValueError):
    """Something the user can mend: one line that says what, where and how."""


def first_line(error: BaseException) -> str:
    """What another library says of it, in one line; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def why(error: OSError) -> str:
    """What the system says of it, without path and number."""
    return error.strerror or str(error)
