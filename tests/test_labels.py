"""Ids to classes and back, worked out by hand for the data sets of the paper."""

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.errors import UserError
from dagan_tf.labels import LabelSpec
from dagan_tf.presets import PRESETS

SHIFTED = LabelSpec(num_classes=3, first_id=5, unknown_id=200)
CASES = [
    (LabelSpec(3), [0, 2, 5, -1], [0, 2, 5, -1], "0 to 2"),
    (SHIFTED, [5, 6, 7, 200, 4, 8], [0, 1, -1, 2, -1, 3], "5 to 6 and 200"),
    (PRESETS["ade20k"].labels, [0, 1, 150, 151, 152], [150, 0, 149, -1, 151], "1 to 150 and 0"),
    (PRESETS["cityscapes"].labels, [0, 33, 34, 35, 255], [0, 33, -1, 35, 34], "0 to 33 and 255"),
    (PRESETS["coco_stuff"].labels, [181, 182, 183, 255], [181, -1, 183, 182], "0 to 181 and 255"),
]


@pytest.mark.parametrize(("labels", "ids", "classes", "text"), CASES)
def test_ids_to_classes(labels, ids, classes, text):
    found = labels.to_classes(np.array([ids], np.int32))
    assert found.tolist() == [classes]
    tensor = labels.to_classes(tf.constant([ids]), tf.where)
    assert tensor.dtype == tf.int32
    np.testing.assert_array_equal(tensor, found)
    assert labels.describe_ids() == text


@pytest.mark.parametrize("labels", [SHIFTED, *(preset.labels for preset in PRESETS.values())])
def test_the_id_of_a_class_is_read_as_that_class(labels):
    ids = [labels.id_of(index) for index in range(labels.num_classes)]
    assert labels.to_classes(np.array(ids)).tolist() == list(range(labels.num_classes))


def test_the_last_class_is_the_unknown_one():
    assert [SHIFTED.id_of(index) for index in range(3)] == [5, 6, 200]
    assert LabelSpec(3, first_id=5).id_of(2) == 7


def test_names():
    assert PRESETS["facades"].labels.name_of(3) == "window"
    assert LabelSpec(5).name_of(3) is None


@pytest.mark.parametrize("unknown", [1, 2, 3])
def test_an_unknown_id_that_is_another_class_is_refused(unknown):
    with pytest.raises(UserError, match=rf"ids 1 to 3.*Received: {unknown}\."):
        LabelSpec(4, first_id=1, unknown_id=unknown)
    for other in (0, 4, 5):
        assert LabelSpec(4, first_id=1, unknown_id=other).to_classes(np.array([other])).tolist() == [3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ("a", "b")}, "`class_names` must have an entry for each of 3 classes, or none. Received: 2"),
        ({"palette": ((0, 0, 0),) * 4}, "`palette` must have .* Received: 4"),
        ({"num_classes": 0}, "num_classes`? must be"),
    ],
)
def test_values_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        LabelSpec(3).replace(**changes)
