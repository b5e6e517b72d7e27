"""Broken and unusual data through the commands: read right, or one sentence that names the file; never a traceback."""

import os
import re
import warnings

import numpy as np
import pytest
from PIL import Image

from dagan_tf import check, train
from dagan_tf.data.datasets import open_source
from dagan_tf.errors import UserError
from dagan_tf.runs import session
from tests.data import unusual

CASES = unusual.all_cases()
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.encode("ascii", "replace").decode())
SMALL = [
    "--image-size",
    "32",
    "--base-filters",
    "4",
    "--spade-filters",
    "8",
    "--batch-size",
    "1",
    "--perceptual",
    "off",
]


class ReadyToTrainError(Exception):
    """All data were found to be good, and the networks would be built next."""


@pytest.fixture
def folders(case, tmp_path, monkeypatch):
    """The data set of a case, and the flags that name it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    case.write(tmp_path)
    classes = [] if "--num-classes" in case.flags else ["--num-classes", str(unusual.CLASSES)]
    folders = ["--label-dir", str(tmp_path / "labels"), "--image-dir", str(tmp_path / "photos")]
    return ["--dataset", "folder", *folders, *classes, *case.flags]


def test_there_are_more_than_two_hundred():
    assert len({case.name for case in CASES}) == len(CASES) > 200


@each_case
def test_train(case, folders, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise ReadyToTrainError

    monkeypatch.setattr(session, "build_model", stop)
    flags = [*folders, *SMALL, "--run-dir", str(tmp_path / "run")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of damaged files
        with pytest.raises((UserError, ReadyToTrainError)) as caught:
            train.main(flags)
        assert not (tmp_path / "run").exists()
        if caught.type is UserError:
            assert isinstance(case.expected, str), str(caught.value)  # else it should have been read
            assert_message(case, str(caught.value))
        else:
            assert str(case.expected) == unusual.SAFE or not isinstance(case.expected, str)
            assert_right(case, flags, tmp_path)


@each_case
def test_check(case, folders, capsys):
    """What `train` refuses is an error of `check`, which names the file too; what it reads is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            status = check.main([*folders, "--image-size", "32"])
        except UserError as error:  # the arguments: there is nothing to look over
            status, printed = 2, str(error)
        else:
            printed = capsys.readouterr().out
    if status == 2:
        assert isinstance(case.expected, str), printed
        assert_message(case, printed)
    else:
        assert status in (0, 1)
        assert str(case.expected) == unusual.SAFE or not isinstance(case.expected, str), printed


def assert_message(case, message):
    """The message says what is expected of the case; of a damaged file, that it is one and which."""
    pattern = r"(labels|photos)/a\.\w+: expected" if case.expected == unusual.SAFE else case.expected
    text = message.encode("utf-8", "backslashreplace").decode()
    assert re.search(pattern, text), text


def assert_right(case, flags, folder):
    """The example is that of the case to the last pixel."""
    _, config = train.open_run(train.parser().parse_args(flags))
    example = open_source(config.data, config.labels, split="train", size=config.model.image_size)[0]
    expected = unusual.LABEL if isinstance(case.expected, str) else case.expected
    np.testing.assert_array_equal(example["label"], np.asarray(expected))
    if isinstance(case.expected, str):
        suffix = os.listdir(folder / "photos")[0].rpartition(".")[2]
        options = {"lossless": True} if suffix == "webp" else {}
        whole = unusual.encoded(unusual.PHOTO, suffix, **options)
        (folder / f"whole.{suffix}").write_bytes(whole)
        from dagan_tf.data.decoding import read_photo

        np.testing.assert_array_equal(example["image"], read_photo(folder / f"whole.{suffix}"))
