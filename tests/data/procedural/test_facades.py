"""The built-in facades: the same everywhere, complete, and pictures that agree with their label maps."""

import numpy as np
import pytest

from dagan_tf.data.procedural import ProceduralFacades
from dagan_tf.data.procedural.layout import draw_layout
from dagan_tf.data.procedural.style import Kind
from dagan_tf.errors import UserError

COUNT = 50


@pytest.fixture(scope="module")
def examples():
    source = ProceduralFacades(COUNT, (64, 64))
    return [source[index] for index in range(COUNT)]


def _same(one, other):
    return np.array_equal(one["label"], other["label"]) and np.array_equal(one["image"], other["image"])


def test_examples_do_not_depend_on_instance_order_or_count(examples):
    other = ProceduralFacades(7, (64, 64))
    for index in (5, 0, 6, 5):
        assert _same(other[index], examples[index])


@pytest.mark.parametrize("change", [{"split": "test"}, {"seed": 1}])
def test_another_split_or_seed_gives_other_houses(examples, change):
    other = ProceduralFacades(COUNT, (64, 64), **change)
    labels = {example["label"].tobytes() for example in examples}
    assert len(labels) == COUNT
    assert not labels & {other[index]["label"].tobytes() for index in range(10)}


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (48, 96), (96, 48), (33, 57), (129, 101)])
def test_shapes_types_and_ids_at_any_size(size):
    source = ProceduralFacades(6, size)
    for index in range(6):
        example = source[index]
        assert set(example) == {"label", "image"}
        assert example["label"].shape == size
        assert example["image"].shape == (*size, 3)
        assert example["label"].dtype == example["image"].dtype == np.uint8
        assert example["label"].min() >= 1
        assert example["label"].max() <= 12


def test_every_class_occurs_and_the_wall_leads(examples):
    fractions = np.bincount(np.stack([example["label"] for example in examples]).ravel(), minlength=13)
    fractions = fractions / fractions.sum()
    assert fractions[0] == 0
    assert (fractions[1:] > 0.002).all()
    assert fractions.argmax() == Kind.FACADE


def test_every_house_has_a_door_and_windows(examples):
    for example in examples:
        assert {Kind.DOOR, Kind.WINDOW, Kind.CORNICE} <= set(np.unique(example["label"]).tolist())


def test_windows_and_walls_differ_in_colour(examples):
    """In nearly every picture the mean colours are more than a tenth of the range apart."""
    differences = []
    for example in examples:
        label, image = example["label"], example["image"].astype(float)
        differences.append(np.abs(image[label == Kind.FACADE].mean(0) - image[label == Kind.WINDOW].mean(0)).max())
    assert np.mean(np.array(differences) > 25) > 0.85


def test_edges_of_picture_and_label_coincide(examples):
    """The picture steps where the label steps, and less so if it is moved by two pixels."""
    wins = 0
    for example in examples:
        step = np.abs(np.diff(example["image"].astype(float), axis=1)).mean(-1)
        border = np.diff(example["label"].astype(int), axis=1) != 0
        moved = np.roll(border, 2, axis=1) & ~border
        wins += step[border].mean() > 1.5 * step[moved].mean() and step[border].mean() > 2 * step[~border].mean()
    assert wins >= 0.8 * COUNT


def test_pictures_vary_and_use_the_range(examples):
    images = np.stack([example["image"] for example in examples]).astype(float)
    assert images.mean((1, 2, 3)).std() > 8
    assert (images.std((1, 2, 3)) > 25).all()
    assert 90 < images.mean() < 180


def test_layout_is_the_same_at_any_size():
    """Each small pixel has the label in the middle of its block of the large picture, but for thin parts."""
    small, large = ProceduralFacades(8, (64, 64), seed=3), ProceduralFacades(8, (256, 256), seed=3)
    wide = ProceduralFacades(8, (256, 512), seed=3)
    for index in range(8):
        label = large[index]["label"]
        assert np.mean(label[2::4, 2::4] == small[index]["label"]) > 0.85
        assert np.mean(wide[index]["label"][:, 1::2] == label) > 0.97


def test_colours_are_the_same_at_any_size():
    small, large = ProceduralFacades(8, (64, 64), seed=3), ProceduralFacades(8, (128, 128), seed=3)
    for index in range(8):
        means = [
            source[index]["image"][source[index]["label"] == Kind.FACADE].mean(0, dtype=float)
            for source in (small, large)
        ]
        assert np.abs(means[0] - means[1]).max() < 15


def test_layout_stays_in_order_and_starts_with_the_wall():
    for seed in range(20):
        parts = draw_layout(np.random.default_rng(seed))
        assert [part.kind for part in parts[:2]] == [Kind.BACKGROUND, Kind.FACADE]
        assert all(part.x0 < part.x1 and part.y0 < part.y1 for part in parts)


def test_length_and_names():
    source = ProceduralFacades(20, split="test")
    assert len(source) == 20
    assert source.name(12) == "procedural/test/000012"


@pytest.mark.parametrize("index", [-1, 3, 100])
def test_index_outside_the_set(index):
    source = ProceduralFacades(3, (32, 32))
    with pytest.raises(IndexError, match=r"outside 0\.\.2"):
        source[index]
    with pytest.raises(IndexError):
        source.name(index)


def test_iteration_ends():
    assert len(list(ProceduralFacades(3, (32, 32)))) == 3


@pytest.mark.parametrize("size", [(31, 64), (64, 0), (64,), 64, None, ("a", "b")])
def test_bad_size(size):
    with pytest.raises(UserError, match="`size` must be"):
        ProceduralFacades(3, size)


@pytest.mark.parametrize("arguments", [{"num_examples": 0}, {"num_examples": 2, "seed": -1}])
def test_bad_count_or_seed(arguments):
    with pytest.raises(UserError):
        ProceduralFacades(**arguments)
