"""Colours, against values worked out by hand."""

import numpy as np
import pytest

from dagan_tf.errors import UserError
from dagan_tf.palettes import colour
from dagan_tf.presets.facades import LABELS


def test_colour_looks_up_the_palette():
    label = np.array([[0, 12], [3, 3]], np.uint8)
    result = colour(label, LABELS.palette)
    assert result.dtype == np.uint8
    assert result.tolist() == [[[0, 0, 0], [235, 120, 40]], [[40, 70, 120], [40, 70, 120]]]


@pytest.mark.parametrize("num_classes", [2, 13, 19, 183, 300])
def test_classes_without_a_palette_get_distinct_colours(num_classes):
    colours = colour(np.arange(num_classes), num_classes)
    assert colours.shape == (num_classes, 3)
    assert len({tuple(c) for c in colours.tolist()}) == num_classes
    np.testing.assert_array_equal(colours, colour(np.arange(num_classes), num_classes))


def test_colours_of_few_classes_are_far_apart():
    colours = colour(np.arange(19), 19).astype(int)
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=-1) + 1000 * np.eye(19)
    assert distances.min() > 20


@pytest.mark.parametrize("label", [[13], [-1]])
def test_a_class_without_colour_is_refused(label):
    with pytest.raises(UserError, match=f"0 to 12.*{label[0]}"):
        colour(np.array(label), LABELS.palette)
