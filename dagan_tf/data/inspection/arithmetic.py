"""What SPADE's convolutions of the label map cost at each level of the generator, by its `ModelConfig` alone.

The network itself is not made: that would take Keras, and seconds. A test holds these figures against its layers.
"""

from typing import NamedTuple

WORK_OF_5X5, WORTHWHILE_WORK = 0.25, 0.85
"""As in `semantics/patch_table.py`: the work of a distinct 5x5 patch in that of a 3x3 patch, and the work a pixel up to
which patches are looked up."""
TAPS = 9  # of a 3x3 convolution


class Level(NamedTuple):
    """The blocks that work at one resolution."""

    factor: int
    """Image size over the level's."""
    multiplications: int
    """Of SPADE's convolutions of one label map, where each pixel is convolved."""


def levels(config):
    """The levels of a generator from fine to coarse: a list of `Level`."""
    costs = {}
    channels = 16 * config.base_filters
    for factor, filters in _blocks(config):
        pixels = (config.image_size[0] // factor) * (config.image_size[1] // factor)
        normalised = [channels, min(channels, filters)] + ([channels] if channels != filters else [])
        per_pixel = sum(
            TAPS * config.spade_filters * (config.semantic_channels + 2 * inputs) for inputs in normalised
        )  # fmt: skip
        costs[factor] = costs.get(factor, 0) + pixels * per_pixel
        channels = filters
    return [Level(factor, costs[factor]) for factor in sorted(costs)]


def _blocks(config):
    """(factor, filters) of the residual blocks from coarse to fine, as `networks/backbones/spade.py` lays them out."""
    multiples = [16, 16, 16, 8, 4, 2, 1] + ([0.5] if config.depth == "most" else [])
    factor = 2**config.upsamplings
    for place, multiple in enumerate(multiples):
        doubles = place == 1 or place > 2 or (place == 2 and config.depth != "normal")
        factor //= 2 if doubles else 1
        yield factor, int(multiple * config.base_filters)


def work_left(shares):
    """What a patch table leaves of a level's work, in [0, 1], by its shares of distinct 3x3 and 5x5 patches."""
    work = shares[0] + WORK_OF_5X5 * shares[1]
    return float(work) if work <= WORTHWHILE_WORK else 1.0
