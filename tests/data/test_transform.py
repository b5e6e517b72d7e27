"""Resizing, cropping and mirroring of one example, against PIL and against values worked out by hand."""

import numpy as np
from PIL import Image

from dagan_tf.data.transform import load_size, transform
from tests.data.test_pipeline import SIZE, Examples
from tests.helpers import run_python


def test_it_needs_no_tensorflow():
    script = "import sys, dagan_tf.data.transform; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    assert run_python(script).strip() == "[]"


def test_load_size_is_rounded():
    assert load_size((1024, 512), 1054 / 1024) == (1054, 527)
    assert load_size((256, 256), 286 / 256) == (286, 286)
    assert load_size((33, 35), 1.1) == (36, 38)  # 36.3 and 38.5


def test_evaluation_resizes_as_pil_does():
    noise = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    example = {"label": noise[..., 0] % 13, "image": noise, "instance": noise[..., 1].astype(np.int32) + 70000}
    found = transform(example, (20, 10))
    bicubic = Image.fromarray(noise).resize((10, 20), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(found["image"], np.asarray(bicubic))
    # Nearest neighbour: the source pixel under the middle of each target pixel.
    rows, columns = ((np.arange(20) + 0.5) * 1.5).astype(int), ((np.arange(10) + 0.5) * 5).astype(int)
    for key in ("label", "instance"):
        np.testing.assert_array_equal(found[key], example[key][np.ix_(rows, columns)])
        assert found[key].dtype == example[key].dtype


def test_label_image_and_instance_are_cropped_and_flipped_alike():
    source = Examples(1, 12, 24)
    seen = set()
    for seed in range(40):
        found = transform(source[0], SIZE, load_scale=1.5, flip=True, rng=np.random.default_rng(seed))
        np.testing.assert_array_equal(found["image"], np.stack([found["instance"] % 256] * 3, -1))
        assert {found[key].shape[:2] for key in found} == {SIZE}
        seen.add((found["instance"][0].min(), found["instance"][0, 0] > found["instance"][0, 1]))
    assert {mirrored for _, mirrored in seen} == {False, True}
    assert min(first for first, _ in seen) // 24 == 0
    assert max(first for first, _ in seen) // 24 == 4


def test_scale_jitter_draws_how_much_is_cropped_from():
    """With all of the room, the crop is that of a plain resize to the drawn size."""
    pixel = np.arange(12 * 24, dtype=np.int32).reshape(12, 24)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        load = load_size(SIZE, 1.5 * (1 + 0.4 * rng.random()))
        top, left = (int(rng.integers(room + 1)) for room in np.subtract(load, SIZE))
        whole = np.asarray(Image.fromarray(pixel).resize(load[::-1], Image.Resampling.NEAREST))
        expected = whole[top : top + SIZE[0], left : left + SIZE[1]]
        options = {"load_scale": 1.5, "scale_jitter": 0.4, "rng": np.random.default_rng(seed)}
        np.testing.assert_array_equal(transform({"label": pixel}, SIZE, **options)["label"], expected)


def test_colour_jitter_is_brightness_contrast_and_saturation():
    """Against the definitions, on float64: black, the mean grey, and each pixel's grey are what colours move from."""
    image = np.random.default_rng(0).integers(60, 190, (*SIZE, 3), np.uint8)
    example = {"label": image[..., 0], "image": image}
    found = transform(example, SIZE, colour_jitter=0.2, rng=np.random.default_rng(3))
    rng = np.random.default_rng(3)
    for _ in SIZE:  # the crop has no room, and still draws
        rng.integers(1)
    brightness, contrast, saturation = rng.uniform(0.8, 1.2, 3)
    weights = np.array([0.299, 0.587, 0.114])
    expected = image * brightness
    grey = np.rint((expected @ weights).mean())
    expected = grey + contrast * (expected - grey)
    grey = (expected @ weights)[..., None]
    expected = grey + saturation * (expected - grey)
    assert np.abs(found["image"] - expected).max() <= 4  # levels are rounded three times
    assert np.abs(found["image"].astype(int) - image).max() > 4
    np.testing.assert_array_equal(found["label"], example["label"])


def test_evaluation_knows_no_jitter():
    source = Examples(1, 12, 24)
    plain = transform(source[0], SIZE)
    jittered = transform(source[0], SIZE, scale_jitter=0.5, colour_jitter=0.5)
    for key, value in plain.items():
        np.testing.assert_array_equal(jittered[key], value)
