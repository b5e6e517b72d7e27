"""Colours that can be told apart."""

import pytest

from dagan_tf.palettes import distinct_colours


@pytest.mark.parametrize("count", [0, 1, 19, 183, 300])
def test_colours_are_different_whole_numbers(count):
    colours = distinct_colours(count)
    assert len(set(colours)) == len(colours) == count
    assert all(value in range(256) for colour in colours for value in colour)


def test_more_colours_begin_with_the_same_ones():
    assert distinct_colours(50)[:20] == distinct_colours(20)


def test_the_first_is_a_bright_red_by_its_formula():
    assert distinct_colours(1) == ((255, 128, 128),)  # hue 0, saturation 0.5, brightness 1: 127.5 to the even level
