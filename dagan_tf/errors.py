"""The one error that a command shows to its user as a sentence instead of a traceback."""


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message says what was expected, what was received and what to do. Commands print it after
    ``error:`` and exit with status 2; in a notebook it is an ordinary ``ValueError``.
    """


def check_choice(name, value, choices):
    """Raises `UserError` unless `value` is one of `choices`."""
    if value not in choices:
        raise UserError(f"{name} must be one of {', '.join(map(repr, choices))}. Received: {value!r}.")
