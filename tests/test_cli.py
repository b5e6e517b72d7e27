"""What the commands share: flags from fields, fields as flags in messages, and how commands end."""

import sys

import pytest

from dagan_tf import cli
from dagan_tf.config import LabelSpec, ModelConfig, RunOptions, TrainConfig
from dagan_tf.errors import HostLostError, UserError


def make_parser():
    result = cli.Parser()
    result.add_fields("model", ModelConfig, ("num_classes", "image_size", "depth", "use_instance_edges"))
    result.add_fields("training", TrainConfig)
    result.add_fields("devices", RunOptions, ("semantics", "xla"))
    return result


@pytest.fixture
def parser():
    return make_parser()


def test_only_what_was_given_counts(parser):
    arguments = parser.parse_args(["--image-size", "64", "128", "--ema", "0.5", "--no-use-instance-edges"])
    assert cli.given(arguments, ModelConfig) == {"image_size": (64, 128), "use_instance_edges": False}
    assert cli.given(arguments, TrainConfig) == {"ema": 0.5}
    assert cli.given(parser.parse_args(["--image-size", "64"]), ModelConfig) == {"image_size": (64, 64)}


def test_a_field_of_another_configuration_with_the_same_name_is_not_taken(parser):
    arguments = parser.parse_args(["--num-classes", "5"])
    assert cli.given(arguments, ModelConfig) == {"num_classes": 5}
    assert cli.given(arguments, LabelSpec) == {}


def test_help_shows_defaults_and_what_presets_change(parser):
    text = " ".join(parser.format_help().split())
    assert "(default: imagenet)" in text
    assert "(default by preset: facades 50, cityscapes 100, ade20k 100, celebamask_hq 50, coco_stuff 50)" in text
    assert "facades 1024x1024" in text
    assert "but for --semantics patch_table (default: auto)" in text


@pytest.mark.parametrize(
    "arguments",
    [["--depth", "deep"], ["--epochs", "many"], ["--no-such-flag"], ["--image-size", "1", "2", "3"], ["--image-size"]],
)
def test_flags_that_cannot_be(parser, arguments):
    with pytest.raises(SystemExit) as exit_:
        parser.parse_args(arguments)
    assert exit_.value.code == 2


def test_fields_become_the_flags_that_a_command_knows(parser):
    commands = cli.Parser()
    commands.add_subparsers().add_parser("one").add_argument("--output")
    assert commands.flags() == {"help": "--help", "output": "--output"}
    text = "`image_size` must be a multiple of 32. Give another `output`, or see `DualAttention`; `use_instance_edges`"
    assert cli.with_flags(text, parser.flags() | commands.flags()) == (
        "--image-size must be a multiple of 32. Give another --output, or see `DualAttention`; --use-instance-edges"
    )


@pytest.mark.parametrize(("seconds", "printed"), [(0.0, "Building ...\n"), (7.4, "Building ...\n... took 7 s\n")])
def test_what_takes_longer_than_a_moment_says_how_long(monkeypatch, capsys, seconds, printed):
    clock = iter([1.0, 1.0 + seconds])
    monkeypatch.setattr(cli.time, "monotonic", lambda: next(clock))
    with cli.timed("Building"):
        pass
    assert capsys.readouterr().out == printed


def raiser(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("main", "status", "message"),
    [
        (lambda: 0, 0, ""),
        (lambda: 143, 143, ""),
        (raiser(UserError("expected this, received that")), 2, "error: expected this, received that\n"),
        (lambda: TrainConfig(batch_size=0), 2, "error: --batch-size must be a whole number of at least 1. "),
        (raiser(HostLostError("give `seed`, not `step`")), 3, "error: give --seed, not `step`\n"),
        (raiser(KeyboardInterrupt()), 130, "interrupted\n"),
        (raiser(OSError(28, "No space left on device", "out/a.png")), 2, "error: out/a.png: No space left on device."),
    ],
)
def test_exit_statuses(main, status, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.run(main, make_parser)
    assert exit_.value.code == status
    printed = capsys.readouterr().err
    assert printed.startswith(message)
    assert bool(printed) == bool(message)


@pytest.mark.parametrize(
    ("in_place", "lines"), [(True, "\rreading: 1 of 2\rreading: 2 of 2\n"), (False, "reading: 2 of 2\n")]
)
def test_progress(monkeypatch, capsys, in_place, lines):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: in_place)
    times = iter((0.0, 1.0, 31.0))
    monkeypatch.setattr(cli.time, "monotonic", lambda: next(times))
    progress = cli.Progress("reading")
    progress(1, 2)
    progress(2, 2)
    assert capsys.readouterr().err == lines
