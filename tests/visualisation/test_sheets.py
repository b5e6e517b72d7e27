"""Sheets, against values worked out by hand."""

import numpy as np

from dagan_tf.visualisation import sheets


def test_grid_places_images_and_leaves_white_gaps():
    images = [np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = sheets.grid([images[:2], images[2:]])
    expected = np.full((2 * 2 + sheets.GAP, 2 * 3 + sheets.GAP, 3), 255)
    expected[:2, :3], expected[:2, -3:], expected[-2:, :3] = 10, 20, 30
    np.testing.assert_array_equal(sheet, expected)
    assert sheet.dtype == np.uint8
