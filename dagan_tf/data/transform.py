"""What becomes of one example on its way into a batch: resized, cropped and mirrored, with NumPy and PIL alone."""

import numpy as np
from PIL import Image, ImageEnhance


def load_size(image_size, load_scale):
    """The (height, width) that training examples are resized to before a part of `image_size` is cropped from them."""
    return tuple(round(side * load_scale) for side in image_size)


def transform(example, image_size, *, load_scale=1.0, flip=False, scale_jitter=0.0, colour_jitter=0.0, rng=None):
    """Brings one example to the size of the networks.

    Label map and instance map are resized by nearest neighbour, the image bicubically, as PIL does it. Both sides are
    resized: as in the authors' code, the aspect is not kept.

    Args:
        example: dictionary of `"label"` `(h, w)`, and where there are such `"image"` `(h, w, 3)` uint8 and
            `"instance"` `(h, w)` int32.
        image_size: `(H, W)` of the result.
        load_scale: multiple of `image_size` to resize to before a random crop, at least 1.
        flip: whether half of the examples are mirrored.
        scale_jitter: share by which examples are enlarged more than `load_scale` at most, at random.
        colour_jitter: share by which brightness, contrast and saturation of the image vary; maps have no colours.
        rng: `numpy.random.Generator` of crop, flip and jitter. `None`: resize to `image_size`, and nothing else.

    Returns:
        The dictionary with every array at `(H, W)`, dtypes unchanged.
    """
    if rng is None:
        return {key: _resize(value, image_size, key) for key, value in example.items()}
    if scale_jitter:
        load_scale *= 1 + scale_jitter * rng.random()
    load = load_size(image_size, load_scale)
    top, left = (int(rng.integers(room + 1)) for room in np.subtract(load, image_size))
    step = -1 if flip and rng.random() < 0.5 else 1
    result = {}
    for key, value in example.items():
        crop = _resize(value, load, key)[top : top + image_size[0], left : left + image_size[1]]
        result[key] = np.ascontiguousarray(crop[:, ::step])
    if colour_jitter and "image" in result:
        result["image"] = _other_colours(result["image"], colour_jitter, rng)
    return result


def _other_colours(image, jitter, rng):
    """The image with brightness, contrast and saturation each times a number in [1 - jitter, 1 + jitter]."""
    picture = Image.fromarray(image)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(rng.uniform(1 - jitter, 1 + jitter))
    return np.asarray(picture)


def _resize(array, size, key):
    if array.shape[:2] == tuple(size):
        return array
    resample = Image.Resampling.BICUBIC if key == "image" else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(array).resize((size[1], size[0]), resample))
