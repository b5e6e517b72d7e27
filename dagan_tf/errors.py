"""The one error that a command shows to its user as a sentence instead of a traceback."""


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message says what was expected, what was received and what to do. Commands print it after
    ``error:`` and exit with status 2; in a notebook it is an ordinary ``ValueError``.
    """
