"""Whether pictures would be squeezed: their aspect against that of the image size."""

import numpy as np

from dagan_tf.presets import PRESETS

MOST = 4 / 3
"""By how much the two may differ before it is worth a warning."""
MULTIPLE = 32  # of the image sizes that are proposed


def own_choice(dataset, image_size):
    """The image size, or `None` where it is that of a data set's own recipe, which squeezes pictures on purpose."""
    own = PRESETS[dataset].model.image_size if dataset in PRESETS else None
    return None if tuple(image_size) == own else image_size


def check_aspect(report, sizes, image_size):
    """Adds a warning to a `Report` where the median aspect of some sizes differs from the image size's by a third.

    Args:
        report: the `Report`.
        sizes: (height, width) of the examples.
        image_size: (height, width) to which they are brought, or `None`.
    """
    if not len(sizes) or image_size is None:
        return
    height, width = median_size(sizes)
    aspect = float(np.median([w / h for h, w in sizes]))
    squeezed = _off(image_size[1] / image_size[0], aspect)
    if squeezed <= MOST:
        return
    if _off(image_size[0] / image_size[1], aspect) <= MOST:
        fitting, advice = image_size[::-1], "Height and width look swapped: give `image_size`"
    else:
        fitting, advice = _fitting(aspect, image_size), "To keep the aspect, give for example `image_size`"
    report.add(
        "aspect",
        f"Pictures of {height}x{width} (height x width, medians) would be squeezed {squeezed:.2g}-fold, to "
        f"{image_size[0]}x{image_size[1]}. {advice} {fitting[0]}x{fitting[1]}.",
    )


def median_size(sizes):
    """The median height and the median width of (height, width) pairs, whole numbers."""
    return tuple(int(side) for side in np.median(np.asarray(sizes), axis=0))


def _off(one, other):
    return max(one / other, other / one)


def _fitting(aspect, image_size):
    """About as many pixels as an image size has, in another aspect."""
    height = (image_size[0] * image_size[1] / aspect) ** 0.5
    return tuple(max(MULTIPLE, round(side / MULTIPLE) * MULTIPLE) for side in (height, height * aspect))
