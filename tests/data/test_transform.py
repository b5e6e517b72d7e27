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
