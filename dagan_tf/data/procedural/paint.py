"""Paints the built-in facades: a layout of rectangles on the pixel grid becomes a picture.

Every pixel knows the part (rectangle) that it belongs to, hence where it is inside that part. One shader for each class
(see `materials`) turns these coordinates into the colours of all its pixels at once; light and shadow come from a
height for each class. Only additions, products and square roots are used, so that all machines draw the same picture.
"""

from dataclasses import dataclass

import numpy as np

from dagan_tf.data.procedural.materials import SHADERS
from dagan_tf.data.procedural.style import Kind


@dataclass(frozen=True)
class Drawing:
    """A layout on the pixel grid.

    Attributes:
        kinds: uint8 (P,), the class of each part; part 0 is the whole picture, part 1 the wall.
        boxes: int (P, 4), `x0, y0, x1, y1` of each part in pixels, ends excluded.
        top: int (H, W), the number of the part seen at each pixel.
        behind: int (H, W), the same as if there were no balconies.
    """

    kinds: np.ndarray
    boxes: np.ndarray
    top: np.ndarray
    behind: np.ndarray

    @property
    def label(self):
        """uint8 (H, W), class ids 1..12."""
        return self.kinds[self.top]


# How far each class stands out of the wall: what casts shadows on what.
HEIGHTS = np.zeros(13, np.float32)
HEIGHTS[[Kind.WINDOW, Kind.DOOR, Kind.SHOP]] = -1.2, -1.5, -1.0
HEIGHTS[[Kind.CORNICE, Kind.SILL, Kind.BALCONY]] = 1.7, 1.2, 2.0
HEIGHTS[[Kind.BLIND, Kind.DECO, Kind.MOLDING, Kind.PILLAR]] = 0.1, 0.5, 0.4, 0.7


def paint(drawing, style, rng):
    """Paints a drawing.

    Args:
        drawing: a `Drawing` of `(H, W)` pixels.
        style: the `Style` of the house.
        rng: `numpy.random.Generator` of textures and noise.

    Returns:
        `(H, W, 3)` uint8, red, green and blue.
    """
    scene = Scene(drawing, style, rng)
    colour = np.empty((*drawing.top.shape, 3), np.float32)
    for kind, shader in SHADERS.items():
        scene.shade(colour, drawing.behind, kind, shader)
    scene.shade(colour, drawing.top, Kind.BALCONY, SHADERS[Kind.BALCONY])
    colour *= _light(drawing, style, scene.mottle)[..., None]
    colour *= style.tint * np.float32(style.exposure)
    grain = rng.random(colour.shape, np.float32) + rng.random(drawing.top.shape, np.float32)[..., None] - 1
    return np.rint(np.clip(colour + 0.022 * grain, 0, 1) * 255).astype(np.uint8)


class Scene:
    """What all shaders share: the drawing, the style, and random numbers per pixel, per part and per block."""

    def __init__(self, drawing, style, rng):
        self.drawing, self.style = drawing, style
        self.size = drawing.top.shape
        self.unit = min(self.size) / 100
        self.mottle = _cloudy(rng, self.size, (5, 11, 23))
        self.clouds = _cloudy(rng, self.size, (3, 6, 12, 24))
        self.rough = rng.random(self.size, np.float32)
        self.dice = rng.random((len(drawing.kinds), 4), np.float32)
        self.table = rng.random(1021, np.float32)

    def shade(self, colour, parts, kind, shader):
        """Writes the colours of one class into `colour`, given the part number of every pixel."""
        where = np.nonzero(self.drawing.kinds[parts] == kind)
        if len(where[0]):
            colour[where] = shader(Pixels(self, parts, where, colour))


class Pixels:
    """The pixels of one class. Arrays are float32 (N,) unless said otherwise.

    Attributes:
        x, y: places in pixels of the picture.
        u, v: places in 0..1 of the part.
        width, height: of the part, in pixels.
        dice: random numbers (N, 4), equal within a part.
        rough, mottle, clouds: noise of single pixels, of patches, and of clouds, in 0..1.
        under: (N, 3), the colours painted before.
    """

    def __init__(self, scene, parts, where, colour):
        number = parts[where]
        x0, y0, x1, y1 = scene.drawing.boxes.astype(np.float32).T
        self.scene, self.style, self.unit = scene, scene.style, scene.unit
        self.y, self.x = (axis.astype(np.float32) + np.float32(0.5) for axis in where)
        self.width, self.height = (x1 - x0)[number], (y1 - y0)[number]
        self.u, self.v = (self.x - x0[number]) / self.width, (self.y - y0[number]) / self.height
        self.dice = scene.dice[number]
        self.rough, self.mottle, self.clouds = scene.rough[where], scene.mottle[where], scene.clouds[where]
        self.under = colour[where]

    def border(self):
        """Distance in pixels to the nearest side of the part."""
        across = np.minimum(self.u, 1 - self.u) * self.width
        return np.minimum(across, np.minimum(self.v, 1 - self.v) * self.height)

    def bars(self, fraction, count, length):
        """Distance in pixels to the nearest of the lines that split a side of `length` pixels in `count`."""
        place = np.clip(fraction * count, 0.5, count - 0.5)
        return np.abs(fraction * count - np.rint(place)) * length / count


def _cloudy(rng, size, cells):
    """Smooth noise with about the mean 0.5, float32 (H, W): finer grids count less."""
    weights = [0.6**octave for octave in range(len(cells))]
    layers = (weight * _smooth(rng, size, count) for weight, count in zip(weights, cells, strict=True))
    return sum(layers) / np.float32(sum(weights))


def _smooth(rng, size, cells):
    grid = rng.random((cells + 1, cells + 1), np.float32)
    low_y, share_y = _between(size[0], cells)
    low_x, share_x = _between(size[1], cells)
    rows = grid[low_y] + (grid[low_y + 1] - grid[low_y]) * share_y[:, None]
    steps = np.diff(rows, axis=1)
    return rows[:, low_x] + steps[:, low_x] * share_x


def _between(length, cells):
    place = (np.arange(length, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / length)
    low = place.astype(int)
    share = place - low
    return low, share * share * (3 - 2 * share)


def _light(drawing, style, mottle):
    """Brightness of every pixel, float32 (H, W): shadows, lit edges, and a soft fall-off."""
    height, width = drawing.top.shape
    label = drawing.label
    shadow, lit = _relief(HEIGHTS[label], style.sun)
    across = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(-0.07 * style.sun)
    down = np.linspace(0.05, -0.09, height, dtype=np.float32)[:, None]
    direct = 1 - 0.45 * shadow + 0.1 * lit
    return np.where(label == Kind.BACKGROUND, 1, direct * (1 + across + down)) * (0.97 + 0.06 * mottle)


def _relief(heights, sun):
    """Shadow and highlight, both 0..1: what stands out darkens what lies away from the sun."""
    rows, _ = heights.shape
    reach = 0.011 * rows
    step = max(1, round(rows / 256))
    count = int(3.5 * reach / step) + 1
    shadow = np.zeros_like(heights)
    lit = np.clip(heights - _shifted(heights, round(sun * step), step), 0, 1)
    for distance in range(step, count * step + 1, step):
        taller = _shifted(heights, round(sun * distance), distance) - heights
        np.maximum(shadow, np.clip((taller * reach - distance) / step + 0.5, 0, 1), out=shadow)
    return shadow, lit


def _shifted(array, right, down):
    """The array moved right (left if negative) and down; borders repeat."""
    height, width = array.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return array[rows][:, columns]
