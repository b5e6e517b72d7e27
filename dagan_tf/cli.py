"""What the commands share: flags made from the configurations' fields, and errors as sentences."""

import argparse
import contextlib
import dataclasses
import importlib
import os
import signal
import sys
import tempfile
import types

from dagan_tf.errors import HostLostError, UserError
from dagan_tf.presets import PRESETS
from dagan_tf.signals import handling


def add_flags(parser, title, config_class, names, preset_part=None, default=None):
    """Adds a flag per field of a configuration, in a group of its own.

    Flags that were not given are absent from the parsed namespace: see `given`.

    Args:
        parser: an `argparse.ArgumentParser`.
        title: of the group in `--help`.
        config_class: one of the dataclasses of `dagan_tf.config`.
        names: the fields that get a flag.
        preset_part: "model", "labels" or "train" where presets set the fields, for the defaults that `--help` shows.
        default: what `--help` shows instead where the default is none of the fields', such as "the run's".
    """
    group = parser.add_argument_group(title)
    fields = {f.name: f for f in dataclasses.fields(config_class)}
    for name in names:
        field = fields[name]
        shown = f"default: {default}" if default else _default_text(field, preset_part)
        help = f"{field.metadata['help']} ({shown})".replace("%", "%%")
        options = {"dest": name, "default": argparse.SUPPRESS, "help": help}
        group.add_argument("--" + name.replace("_", "-"), **options, **_kind(field))


def _kind(field):
    """What argparse needs for a field's type."""
    if field.type is bool:
        return {"action": argparse.BooleanOptionalAction}
    if field.type is tuple:
        return {"nargs": "+", "type": int, "metavar": "PIXELS"}
    if field.metadata["choices"]:
        return {"choices": field.metadata["choices"]}
    is_union = isinstance(field.type, types.UnionType)
    kind = next(t for t in field.type.__args__ if t is not type(None)) if is_union else field.type
    return {"type": kind, "metavar": {str: "TEXT", int: "N", float: "X"}[kind]}


def _default_text(field, preset_part):
    if preset_part is None:
        return "required" if field.default is dataclasses.MISSING else f"default: {_shown(field.default)}"
    values = {name: getattr(getattr(preset, preset_part), field.name) for name, preset in PRESETS.items()}
    if len(set(values.values())) == 1:
        return f"default: {_shown(next(iter(values.values())))}"
    return "default by preset: " + ", ".join(f"{name} {_shown(value)}" for name, value in values.items())


def _shown(value):
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)


def positive(text):
    """argparse's type of a whole number above 0."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, received {text}")
    return value


def add_checkpoint_flag(parser):
    """Adds `--checkpoint`, which of a run's checkpoints is used."""
    parser.add_argument(
        "--checkpoint",
        default="newest",
        metavar="WHICH",
        help="of the run: newest, best (lowest mean of the loss that training had as --best), or a step's number "
        "(default: newest)",
    )


def given(arguments, config_class):
    """The fields of a configuration that were given as flags: a dictionary for `Config.replace`."""
    values = {f.name: getattr(arguments, f.name) for f in dataclasses.fields(config_class) if f.name in arguments}
    if "image_size" in values:
        size = values["image_size"]
        if len(size) not in (1, 2):
            raise UserError(f"--image-size takes one number or two, height and width. Received: {size}.")
        values["image_size"] = (size[0], size[-1])
    return values


def run(main):
    """Runs a command's `main()` and exits with its status; a `UserError` becomes a message and status 2.

    A `HostLostError` becomes a message and status 3.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what TensorFlow cannot do it raises, too
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except HostLostError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(3)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


@contextlib.contextmanager
def stoppable():
    """Turns SIGINT and SIGTERM in a block into `SystemExit` with status 130 or 143, so that it is cleaned up.

    Yields a function that raises it again, in case that a library in between has swallowed it.
    """
    received = []

    def stop(number, frame):
        received.append(number)
        check()

    def check():
        if received:
            print(f"\nstopped by {signal.Signals(received[0]).name}", file=sys.stderr)
            sys.exit(128 + received[0])

    with handling(stop):
        yield check


@contextlib.contextmanager
def quiet():
    """Keeps off the terminal what libraries write to stderr, past Python; it is shown if the block raises."""
    with tempfile.TemporaryFile() as notes:
        sys.stderr.flush()
        terminal = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except BaseException:
            notes.seek(0)
            os.write(terminal, notes.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def import_tensorflow():
    """Imports TensorFlow without the notes that it writes to the terminal before its log level counts."""
    with quiet():
        importlib.import_module("tensorflow")
