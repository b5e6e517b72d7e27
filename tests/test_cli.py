"""What the commands share: flags from fields, and how they end."""

import argparse

import pytest

from dagan_tf import cli
from dagan_tf.config import ModelConfig, TrainConfig
from dagan_tf.errors import UserError


@pytest.fixture
def parser():
    result = argparse.ArgumentParser()
    cli.add_flags(result, "model", ModelConfig, ("num_classes", "image_size", "depth", "use_instance_edges"), "model")
    cli.add_flags(result, "training", TrainConfig, ("epochs", "ema", "perceptual"), "train")
    return result


def test_only_what_was_given_counts(parser):
    arguments = parser.parse_args(["--image-size", "64", "128", "--ema", "0.5", "--no-use-instance-edges"])
    assert cli.given(arguments, ModelConfig) == {"image_size": (64, 128), "use_instance_edges": False}
    assert cli.given(arguments, TrainConfig) == {"ema": 0.5}
    assert cli.given(parser.parse_args(["--image-size", "64"]), ModelConfig) == {"image_size": (64, 64)}
    with pytest.raises(UserError, match="one number or two"):
        cli.given(parser.parse_args(["--image-size", "1", "2", "3"]), ModelConfig)


def test_help_shows_defaults_and_what_presets_change(parser):
    text = " ".join(parser.format_help().split())
    assert "(default: imagenet)" in text
    assert "(default by preset: facades 50, cityscapes 100, ade20k 100, celebamask_hq 50, coco_stuff 50)" in text
    assert "facades 1024x1024" in text


@pytest.mark.parametrize("arguments", [["--depth", "deep"], ["--epochs", "many"], ["--no-such-flag"]])
def test_flags_that_cannot_be(parser, arguments):
    with pytest.raises(SystemExit) as exit_:
        parser.parse_args(arguments)
    assert exit_.value.code == 2


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
        (raiser(KeyboardInterrupt()), 130, "interrupted\n"),
    ],
)
def test_exit_statuses(main, status, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.run(main)
    assert exit_.value.code == status
    assert capsys.readouterr().err == message
