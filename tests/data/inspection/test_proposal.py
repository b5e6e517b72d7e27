"""Which classes ids suggest, and the command for them."""

import pytest

from dagan_tf.config import DataConfig
from dagan_tf.data.inspection.proposal import in_words, propose, training_command
from dagan_tf.labels import LabelSpec


@pytest.mark.parametrize(
    ("ids", "num_classes", "first_id", "unknown_id"),
    [
        ([0, 1, 2, 3, 4, 255], 6, 0, 255),
        ([0, 1, 2], 3, 0, None),
        ([1, 2, 3], 3, 1, None),
        ([2, 3], 4, 0, None),
        ([0, 2, 7], 8, 0, None),
        ([0, 255], 2, 0, 255),
        ([-1, 0, 1], 3, 0, -1),
        ([0, 1, 254, 255], 256, 0, None),
        ([0, 300, 65535], 302, 0, 65535),
        ([255], 1, 0, 255),
    ],
)
def test_proposals_are_specs_that_hold_the_ids(ids, num_classes, first_id, unknown_id):
    found = propose(ids)
    assert (found["num_classes"], found["first_id"], found["unknown_id"]) == (num_classes, first_id, unknown_id)
    assert set(ids) <= set(LabelSpec(num_classes, first_id, unknown_id).ids)


def test_ids_in_words():
    assert in_words([0, 1, 2, 3, 4, 255]) == "0 to 4 and 255"
    assert in_words([0, 2, 7]) == "0, 2 and 7"
    assert in_words([3, 4]) == "3 to 4"


def test_the_command_can_be_parsed():
    from dagan_tf import train

    data = DataConfig(dataset="folder", data_dir="/my pictures")
    command = training_command(propose([1, 2, 255]), data, (128, 256))
    assert command == (
        "python -m dagan_tf.train --dataset folder --data-dir '/my pictures' --num-classes 3 --first-id 1 "
        "--unknown-id 255 --image-size 128x256"
    )
    import shlex

    _, config = train.open_run(train.parser().parse_args(shlex.split(command)[3:]))
    assert config.data == data
    assert (config.labels.ids, config.model.image_size) == ((1, 2, 255), (128, 256))
