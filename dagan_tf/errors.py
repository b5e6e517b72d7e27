"""The errors that a command shows to its user as a sentence instead of a traceback."""


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message says what was expected, what was received and what to do. Commands print it after
    `error:` and exit with status 2; in a notebook it is an ordinary `ValueError`.
    """

    # Keras and AutoGraph write what they were doing, with all arguments, around the message of an error that passes
    # through them. These marks, by which they know errors that need none of it, keep the message alone and first.
    _keras_call_info_injected = True
    ag_pass_through = True


class StorageError(UserError):
    """Something could not be written: the disk is full, or may not be written to. What was there before is intact."""


class HostLostError(RuntimeError):
    """Another of the hosts that train together has ended; the run's newest checkpoint is good."""


def check_choice(name, value, choices):
    """Raises `UserError` unless `value` is one of `choices`."""
    if value not in choices:
        raise UserError(f"`{name}` must be one of {', '.join(map(repr, choices))}. Received: {value!r}.")
