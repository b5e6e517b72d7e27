"""What the commands share: flags made from the configurations' fields, and errors as sentences."""

import argparse
import contextlib
import dataclasses
import importlib
import os
import re
import signal
import sys
import tempfile
import time
import types

from dagan_tf.config import RunOptions
from dagan_tf.errors import HostLostError, UserError
from dagan_tf.presets import PRESETS
from dagan_tf.signals import handling

ERROR, HOST_LOST, INTERRUPTED = 2, 3, 130
"""Exit statuses; 1 is Python's own, of an error that nobody expected."""


A_MOMENT = 2.0
"""Seconds up to which nobody wonders what a command is doing."""
A_BLINK, HALF_A_MINUTE = 0.2, 30.0
"""Seconds between two texts of `Progress`, on a terminal and elsewhere."""


class Parser(argparse.ArgumentParser):
    """A command's argument parser, some of whose flags are fields of configurations.

    Where texts of the library, such as the fields' help, name a field in backticks, `--help` shows its flag.
    """

    def __init__(self, **kwargs):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def add_fields(self, title, config_class, names=None, default=None):
        """Adds a flag per field of a configuration, in a group of its own.

        Flags that are not given are absent from the parsed namespace: see `given`.

        Args:
            title: of the group in `--help`.
            config_class: one of the dataclasses of `dagan_tf.config`.
            names: the fields that get a flag; `None`: all of them.
            default: what `--help` shows as the default where it is none of the fields', such as "the run's".
        """
        group = self.add_argument_group(title)
        fields = {f.name: f for f in dataclasses.fields(config_class)}
        for name in fields if names is None else names:
            shown = f"default: {default}" if default else _default_text(config_class, fields[name])
            options = {"dest": f"{config_class.__name__}.{name}", "default": argparse.SUPPRESS}
            options["help"] = f"{fields[name].metadata['help']} ({shown})".replace("%", "%%")
            group.add_argument("--" + name.replace("_", "-"), **options, **_kind(fields[name]))

    def flags(self):
        """The long flags, those of sub-commands, too: a dictionary such as `{"image_size": "--image-size"}`."""
        found = {}
        for action in self._actions:  # argparse has no public list
            if isinstance(action, argparse._SubParsersAction):
                for command in action.choices.values():
                    found |= command.flags()
            long = [text for text in action.option_strings if text.startswith("--")]
            found |= {text[2:].replace("-", "_"): text for text in long[:1]}
        return found

    def format_help(self):
        return with_flags(super().format_help(), self.flags())


def with_flags(text, flags):
    """A text of the library in which the fields in backticks that a command knows are its flags.

    Args:
        text: for example "`accumulate` must be at least 1".
        flags: a dictionary of names to flags, see `Parser.flags`; other names stay as they are.
    """
    return re.sub(r"`(\w+)`", lambda match: flags.get(match[1], match[0]), text)


def given(arguments, config_class):
    """The fields of a configuration that were given as flags: a dictionary for `Config.replace`.

    Args:
        arguments: what a `Parser` has parsed.
        config_class: a dataclass that `Parser.add_fields` has had.
    """
    prefix = f"{config_class.__name__}."
    return {name.removeprefix(prefix): value for name, value in vars(arguments).items() if name.startswith(prefix)}


class _Size(argparse.Action):
    """Height and width out of HEIGHTxWIDTH, of one number, or of two."""

    def __call__(self, parser, namespace, values, option_string=None):
        texts = values[0].lower().split("x") if len(values) == 1 else values
        if len(texts) > 2 or not all(text.isdecimal() for text in texts):
            parser.error(
                f"argument {option_string}: expected HEIGHTxWIDTH in pixels, or one number for both, for example "
                f"256x512; received {' '.join(values)}"
            )
        setattr(namespace, self.dest, (int(texts[0]), int(texts[-1])))


def _kind(field):
    """What argparse needs for a field's type."""
    if field.type is bool:
        return {"action": argparse.BooleanOptionalAction}
    if field.type is tuple:
        return {"action": _Size, "nargs": "+", "metavar": "HxW"}
    if field.metadata["choices"]:
        return {"choices": field.metadata["choices"]}
    is_union = isinstance(field.type, types.UnionType)
    kind = next(t for t in field.type.__args__ if t is not type(None)) if is_union else field.type
    return {"type": kind, "metavar": {str: "TEXT", int: "N", float: "X"}[kind]}


def _default_text(config_class, field):
    """A field's default for `--help`: the presets' where they have a value of that class, else the field's own."""
    values = {
        name: getattr(part, field.name)
        for name, preset in PRESETS.items()
        for part in vars(preset).values()
        if isinstance(part, config_class)
    }
    if not values:
        return "required" if field.default is dataclasses.MISSING else f"default: {_shown(field.default)}"
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


def add_classes_flag(parser):
    """Adds `--classes`, the file that says what the ids of one's own label maps mean."""
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="what ids mean: a dataset.json, or a table id,name,r,g,b, whose colours then name the classes of label "
        "maps in colours (default: a dataset.json in --data-dir, or in or beside --label-dir, if there is one)",
    )


def set_pixel_limit(options):
    """Sets how many pixels a picture file may have, of the `RunOptions` that were given; takes it out of them."""
    from dagan_tf.data.decoding import set_pixel_limit

    set_pixel_limit(RunOptions(max_pixels=options.pop("max_pixels", RunOptions.max_pixels)).max_pixels)


def add_checkpoint_flag(parser):
    """Adds `--checkpoint`, which of a run's checkpoints is used."""
    parser.add_argument(
        "--checkpoint",
        default="newest",
        metavar="WHICH",
        help="of the run: newest, best (lowest mean of the loss that training had as --best), or a step's number "
        "(default: newest)",
    )


@contextlib.contextmanager
def timed(text):
    """Says what takes a while before it begins and, where it took longer than a moment, how long it took."""
    print(f"{text} ...", flush=True)
    began = time.monotonic()
    yield
    seconds = time.monotonic() - began
    if seconds > A_MOMENT:
        print(f"... took {seconds:.0f} s", flush=True)


class Progress:
    """How far work is, on stderr: one line in place on a terminal, elsewhere a line every half minute.

    Args:
        words: what is done, for the beginning of the line.

    Call: `progress(done, total)`, as often as there is news.
    """

    def __init__(self, words):
        self._words, self._in_place, self._last = words, sys.stderr.isatty(), time.monotonic()

    def __call__(self, done, total):
        now = time.monotonic()
        if now - self._last >= (A_BLINK if self._in_place else HALF_A_MINUTE) or (self._in_place and done == total):
            self._last = now
            end = "\n" if done == total or not self._in_place else ""
            start = "\r" if self._in_place else ""
            print(f"{start}{self._words}: {done:,} of {total:,}", end=end, file=sys.stderr, flush=True)


def run(main, parser):
    """Runs a command's `main()` and exits with its status; errors that a user can mend become a message on stderr.

    Args:
        main: the command; a `UserError` of it ends with status 2, a `HostLostError` with status 3.
        parser: a function to the command's `Parser`, whose flags the messages name.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what TensorFlow cannot do it raises, too
    sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    try:
        sys.exit(main())
    except (UserError, HostLostError) as error:
        print(f"error: {with_flags(str(error), parser().flags())}", file=sys.stderr)
        sys.exit(ERROR if isinstance(error, UserError) else HOST_LOST)
    except OSError as error:
        if error.filename is None:  # no file of the user's
            raise
        print(f"error: {error.filename}: {error.strerror}. Check the path, its rights and the disk.", file=sys.stderr)
        sys.exit(ERROR)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


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


def import_keras():
    """Imports TensorFlow and Keras; `UserError` if Keras is set to what these commands cannot work with."""
    import_tensorflow()
    from dagan_tf import backend

    backend.require_tensorflow("This command")
    backend.check_settings()
