"""Colours, against values worked out by hand."""

import numpy as np
import pytest

from dagan_tf.errors import UserError
from dagan_tf.palettes import colour, distinct_colours
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


@pytest.mark.parametrize("count", [0, 1, 19, 183, 300])
def test_colours_are_different_whole_numbers(count):
    colours = distinct_colours(count)
    assert len(set(colours)) == len(colours) == count
    assert all(value in range(256) for colour in colours for value in colour)


def test_more_colours_begin_with_the_same_ones():
    assert distinct_colours(50)[:20] == distinct_colours(20)


def test_the_first_is_a_bright_red_by_its_formula():
    assert distinct_colours(1) == ((255, 128, 128),)  # hue 0, saturation 0.5, brightness 1: 127.5 to the even level
