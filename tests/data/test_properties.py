"""Whatever a label map is: its ids survive decoding, resizing, cropping and mirroring, and stay where the photo is."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dagan_tf.config import LabelSpec
from dagan_tf.data.reading import read_instance, read_label
from dagan_tf.data.transform import load_size, transform
from dagan_tf.semantics.maps import instance_edges
from tests.data.pictures import save

sides = st.integers(1, 40)
small = settings(deadline=None, max_examples=60)  # a machine that is busy is no error


def maps(values, dtype=np.uint8):
    """Label maps (h, w) of some values."""
    return hnp.arrays(dtype, st.tuples(sides, sides), elements=values)


@small
@given(
    ids=maps(st.integers(0, 65532), np.uint16),
    first_id=st.integers(0, 3),
    suffix=st.sampled_from(["png", "tif", "npy"]),
)
def test_every_id_of_16_bits_survives_every_format(ids, first_id, suffix):
    spec = LabelSpec(65533, first_id=first_id)
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder, f"a.{suffix}"), ids + np.uint16(first_id))
        np.testing.assert_array_equal(read_label(path, spec), ids)
        np.testing.assert_array_equal(read_instance(path), ids.astype(int) + first_id)


@small
@given(
    ids=maps(st.integers(0, 255)),
    suffix=st.sampled_from(["png", "tif", "bmp", "npy"]),
    with_palette=st.booleans(),
    unknown=st.sampled_from([None, 255]),
)
def test_every_id_of_8_bits_survives_every_format(ids, suffix, with_palette, unknown):
    spec = LabelSpec(256, unknown_id=unknown)
    colours = [(7 * i) % 256 for i in range(768)] if with_palette and suffix != "npy" else None
    with tempfile.TemporaryDirectory() as folder:
        found = read_label(save(Path(folder, f"a.{suffix}"), ids, colours), spec)
    np.testing.assert_array_equal(found, ids)
    assert found.dtype == np.uint8


@st.composite
def transforms(draw):
    """Options of `transform` and the size that it is to reach."""
    options = {"load_scale": draw(st.floats(1, 2)), "flip": draw(st.booleans())}
    options |= {"scale_jitter": draw(st.sampled_from([0.0, 0.3])), "colour_jitter": draw(st.sampled_from([0.0, 0.3]))}
    rng = draw(st.one_of(st.none(), st.integers(0, 2**32 - 1).map(np.random.default_rng)))
    return (draw(sides), draw(sides)), {**options, "rng": rng}


@small
@given(shape=st.tuples(sides, sides), how=transforms())
def test_each_pixel_of_a_map_is_one_of_its_own_and_label_and_instance_map_agree(shape, how):
    size, options = how
    pixels = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    found = transform({"label": pixels, "instance": pixels, "image": np.zeros((*shape, 3), np.uint8)}, size, **options)
    assert {key: value.shape[:2] for key, value in found.items()} == dict.fromkeys(found, size)
    np.testing.assert_array_equal(found["label"], found["instance"])
    rows, columns = np.divmod(found["label"], shape[1])
    assert (rows == rows[:, :1]).all()  # a row of the result comes from one row, in order
    assert (columns == columns[:1]).all()
    assert (np.diff(rows[:, 0]) >= 0).all()
    steps = np.diff(columns[0])
    assert (steps >= 0).all() or (options["flip"] and options["rng"] is not None and (steps <= 0).all())


@small
@given(shape=st.tuples(sides, sides), size=st.tuples(sides, sides))
def test_a_resized_map_takes_the_pixel_under_the_middle_of_each(shape, size):
    pixels = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    found = transform({"label": pixels}, size)["label"]
    # In whole numbers, as (i + 1/2) * h / H is exact nowhere else; where it is whole PIL may take either neighbour.
    for axis in (0, 1):
        places = np.unravel_index(found, shape)[axis]
        middles = (2 * np.arange(size[axis]) + 1) * shape[axis]
        expected = middles // (2 * size[axis])
        exact = middles % (2 * size[axis]) == 0
        places = places[:, 0] if axis == 0 else places[0]
        assert ((places == expected) | (exact & (places == expected - 1))).all()


@small
@given(blocks=hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 3)), elements=st.integers(0, 255)),
       scale=st.floats(1, 2), jitter=st.sampled_from([0.0, 0.5]), seed=st.integers(0, 10**6))  # fmt: skip
def test_the_photo_shows_what_the_label_map_says(blocks, scale, jitter, seed):
    """In a photo of blocks as grey as their class, each pixel inside a block is as grey as the label map's class."""
    label = np.kron(blocks, np.ones((16, 16), np.uint8))
    example = {"label": label, "image": np.stack([label] * 3, -1)}
    options = {"load_scale": scale, "flip": True, "scale_jitter": jitter, "rng": np.random.default_rng(seed)}
    found = transform(example, label.shape, **options)
    reach = 7  # bicubic resizing to three times the size mixes pixels at most 6 apart; nobody knows what was cut off
    padded = np.pad(found["label"].astype(int), reach, constant_values=-1)
    views = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))
    inside = (views == found["label"][..., None, None]).all(axis=(2, 3))
    np.testing.assert_array_equal(found["image"][inside], np.stack([found["label"][inside]] * 3, -1))
    assert inside.any()


@small
@given(shape=st.tuples(sides, sides), size=st.tuples(sides, sides), seed=st.integers(0, 10**6))
def test_jitter_that_is_off_changes_no_draw(shape, size, seed):
    """So that runs from before it was there resume to the same numbers."""
    pixels = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    rng = np.random.default_rng(seed)
    load = load_size(size, 1.5)
    top, left = (int(rng.integers(room + 1)) for room in np.subtract(load, size))
    step = -1 if rng.random() < 0.5 else 1
    whole = transform({"label": pixels}, load)["label"]
    expected = whole[top : top + size[0], left : left + size[1]][:, ::step]
    found = transform({"label": pixels}, size, load_scale=1.5, flip=True, rng=np.random.default_rng(seed))["label"]
    np.testing.assert_array_equal(found, expected)


@small
@given(instance=maps(st.integers(0, 3), np.int32))
def test_an_edge_is_where_the_instance_differs_from_a_neighbours(instance):
    height, width = instance.shape
    expected = np.zeros((height, width))
    for y, x in np.ndindex(height, width):
        beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        there = [instance[v, u] for v, u in beside if 0 <= v < height and 0 <= u < width]
        expected[y, x] = any(other != instance[y, x] for other in there)
    found = np.asarray(instance_edges(instance[None]))
    np.testing.assert_array_equal(found.reshape(height, width), expected)
