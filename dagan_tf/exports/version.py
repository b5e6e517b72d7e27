"""A version folder as model servers read it: SavedModel, warm-up requests and model card, in place all at once.

MODELS/NAME/3/                        numbers are versions; a server takes the highest
    saved_model.pb, variables/        see `signatures`
    assets.extra/
        tf_serving_warmup_requests    one request for each signature, run before a server says it is ready
        model_card.json               what the model is
    tflite/                           the files of `tflite`, where they were asked for
"""

import contextlib
import errno
import json
import pathlib

import tensorflow as tf

from dagan_tf.errors import UserError
from dagan_tf.exports import warm_up
from dagan_tf.exports.signatures import Signatures
from dagan_tf.files import aside, flush, flush_all

EXTRA = "assets.extra"
CARD = "model_card.json"
HIGHEST = 2**63 - 1
"""Of the versions that servers take."""


def next_version(folder):
    """The number after the highest version in a model's folder; 1 in a new one."""
    folder = pathlib.Path(folder)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    numbers = [int(name) for name in names if name.isascii() and name.isdecimal()]
    return max((number for number in numbers if number < HIGHEST), default=0) + 1


class NewVersion:
    """What `new_version` yields: `path` to write to and, when the block has ended, `number` and `target`."""

    def __init__(self, path):
        self.path, self.number, self.target = path, None, None


@contextlib.contextmanager
def new_version(folder, version=None):
    """A folder to write a version to, aside; it gets its number when the block ends, and is removed if that raises.

    Args:
        folder: MODELS/NAME.
        version: whole number above 0; `None`: the next one that is free when the block ends.

    Yields:
        A `NewVersion`.

    Raises:
        UserError: the version exists already, or the folder cannot be written.
    """
    folder = pathlib.Path(folder)
    if version is not None:
        _check_free(folder / str(version))
    try:
        with aside(folder / str(version or "next")) as unfinished:
            unfinished.mkdir()
            new = NewVersion(unfinished)
            yield new
            flush_all(unfinished)
            new.number = _place(unfinished, folder, version)
            new.target = folder / str(new.number)
            flush(folder)
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        reason = getattr(error, "message", error)
        raise UserError(f"{folder} cannot be written: {reason}. Make room there, or give another `output`.") from error


def _place(unfinished, folder, version):
    """Renames a finished folder to its number, which it returns; others may be exporting here, too."""
    while True:
        target = folder / str(version or next_version(folder))
        try:
            unfinished.rename(target)  # fails where there is a version: it has files, and is no empty folder
            return int(target.name)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if version is not None:
                _check_free(target)


def _check_free(target):
    if target.exists():
        raise UserError(
            f"{target} exists, and a version is never replaced: servers may have it loaded. Leave out `version` for "
            "the next free number, or give another one."
        )


def write(generator, labels, folder, card):
    """Writes SavedModel, warm-up requests and model card.

    Args:
        generator: a folded `Generator`.
        labels: the `LabelSpec` of its label files.
        folder: an empty folder, for example that of `new_version`.
        card: the dictionary of `card.model_card`.
    """
    Signatures(generator, labels).save(folder)
    extra = folder / EXTRA
    extra.mkdir()
    warm_up.write(extra / warm_up.FILE, warm_up.inputs(generator.config, labels), card["name"])
    (extra / CARD).write_text(json.dumps(card, indent=2) + "\n")
