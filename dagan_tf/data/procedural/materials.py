"""Materials of the built-in facades: one shader per class.

A shader takes the :class:`~dagan_tf.data.procedural.paint.Pixels` of its class and returns their colours,
float32 (N, 3) in about 0..1, before light. Lengths are in ``px.unit``, a hundredth of the shorter side.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Kind(IntEnum):
    """Class ids of the CMP Facade Database."""

    BACKGROUND = 1
    FACADE = 2
    WINDOW = 3
    DOOR = 4
    CORNICE = 5
    SILL = 6
    BALCONY = 7
    BLIND = 8
    DECO = 9
    MOLDING = 10
    PILLAR = 11
    SHOP = 12


@dataclass(frozen=True)
class Style:
    """What one house is made of. Colours are float32 (3,) in 0..1."""

    texture: str
    wall: np.ndarray
    trim: np.ndarray
    frame: np.ndarray
    door: np.ndarray
    blind: np.ndarray
    shop: np.ndarray
    roof: np.ndarray
    neighbour: np.ndarray
    sky: np.ndarray
    stone_balcony: bool
    stone_base: bool
    arched: bool
    roof_height: float
    panes: int
    clouds: float
    sun: float
    exposure: float
    tint: np.ndarray


WALLS = {
    "brick": [(0.60, 0.29, 0.21), (0.68, 0.40, 0.29), (0.49, 0.27, 0.22), (0.75, 0.58, 0.38)],
    "plaster": [
        (0.93, 0.83, 0.60),
        (0.90, 0.70, 0.53),
        (0.72, 0.82, 0.74),
        (0.67, 0.76, 0.87),
        (0.88, 0.68, 0.64),
        (0.92, 0.90, 0.85),
        (0.82, 0.65, 0.38),
    ],
    "stone": [(0.74, 0.68, 0.58), (0.64, 0.63, 0.62), (0.80, 0.73, 0.60), (0.56, 0.52, 0.48)],
}
TRIMS = [(0.95, 0.93, 0.88), (0.88, 0.82, 0.70), (0.66, 0.60, 0.53)]
FRAMES = [(0.95, 0.95, 0.93), (0.90, 0.88, 0.82), (0.36, 0.24, 0.17), (0.27, 0.32, 0.30)]
DOORS = [(0.40, 0.23, 0.13), (0.30, 0.17, 0.11), (0.17, 0.30, 0.22), (0.17, 0.23, 0.37), (0.50, 0.14, 0.12)]
BLINDS = [(0.25, 0.42, 0.30), (0.28, 0.40, 0.52), (0.52, 0.36, 0.24), (0.55, 0.58, 0.56)]
SHOPS = [(0.62, 0.15, 0.14), (0.13, 0.33, 0.28), (0.16, 0.24, 0.44), (0.80, 0.58, 0.18), (0.20, 0.18, 0.18)]
ROOFS = [(0.55, 0.28, 0.21), (0.36, 0.36, 0.40), (0.46, 0.36, 0.30)]
SKIES = [(0.42, 0.62, 0.88), (0.55, 0.70, 0.86), (0.66, 0.72, 0.78)]
GLASS = np.float32([0.13, 0.18, 0.23])
WARM = np.float32([0.98, 0.82, 0.52])
CURTAIN = np.float32([0.82, 0.80, 0.75])
IRON = np.float32([0.12, 0.12, 0.13])
PAVEMENT = np.float32([0.60, 0.58, 0.55])
ROAD = np.float32([0.36, 0.36, 0.38])
WHITE = np.float32([1, 1, 1])


def draw_style(rng):
    """Draws the materials and the weather of one house, as a :class:`Style`."""
    texture = str(rng.choice(list(WALLS), p=[0.35, 0.4, 0.25]))
    wall = _vary(rng, WALLS[texture])
    return Style(
        texture=texture,
        wall=wall,
        trim=_vary(rng, [trim for trim in TRIMS if abs(sum(trim) - wall.sum()) > 0.4]),
        frame=_vary(rng, FRAMES),
        door=_vary(rng, DOORS),
        blind=_vary(rng, BLINDS),
        shop=_vary(rng, SHOPS),
        roof=_vary(rng, ROOFS),
        neighbour=_vary(rng, WALLS["plaster"] + WALLS["stone"]) * np.float32(0.85),
        sky=_vary(rng, SKIES),
        stone_balcony=bool(rng.random() < 0.3),
        stone_base=bool(rng.random() < 0.45),
        arched=bool(rng.random() < 0.25),
        roof_height=float(rng.uniform(0.04, 0.12) * (rng.random() < 0.6)),
        panes=int(rng.integers(1, 4)),
        clouds=float(rng.uniform(0.35, 0.6)),
        sun=float(rng.choice([-1, 1]) * rng.uniform(0.3, 1.0)),
        exposure=float(rng.uniform(0.92, 1.16)),
        tint=rng.uniform(0.96, 1.04, 3).astype(np.float32),
    )


def _vary(rng, colours):
    colour = np.float32(colours[rng.integers(len(colours))])
    return np.clip(colour * np.float32(rng.uniform(0.93, 1.07)) + rng.normal(0, 0.015, 3), 0.05, 1).astype(np.float32)


def _mix(one, other, share):
    return one + (other - one) * np.asarray(share, np.float32)[..., None]


def _line(distance, thickness):
    """Coverage 0..1 of a line whose half thickness in pixels is given, antialiased over one pixel."""
    return np.clip(thickness - distance + 0.5, 0, np.minimum(2 * thickness, 1))


def _wave(position):
    """Triangle wave of period 1 between 0 and 1."""
    return np.abs(position % 1 - 0.5) * 2


def _blocks(px, height, aspect):
    """Courses of bricks or stones: a random number 0..1 per block, and how much of a pixel is joint."""
    course = np.floor(px.y / height)
    along = px.x / (height * aspect) + 0.5 * (course % 2)
    column = np.floor(along)
    number = (course * 37 + column * 101).astype(int) % len(px.scene.table)
    across = np.abs(along - np.rint(along)) * height * aspect
    down = np.abs(px.y / height - np.rint(px.y / height)) * height
    return px.scene.table[number], _line(np.minimum(across, down), height * 0.07)


def _masonry(px, base, height, aspect, contrast, joint):
    value, mortar = _blocks(px, height, aspect)
    blocks = base * (1 + contrast * (value - 0.5))[:, None]
    return _mix(blocks, base * np.float32(joint), mortar * 0.7)


def _facade(px):
    style, wall = px.style, px.style.wall
    if style.texture == "brick":
        colour = _masonry(px, wall, max(1.5 * px.unit, 3), 2.6, 0.35, 1.3)
    elif style.texture == "stone":
        colour = _masonry(px, wall, max(4.5 * px.unit, 4), 2.0, 0.16, 0.75)
    else:
        colour = np.broadcast_to(wall, px.under.shape)
    if style.stone_base:
        base = _masonry(px, (style.trim + wall) / 2 * np.float32(0.88), max(5 * px.unit, 5), 2.2, 0.12, 0.65)
        colour = np.where((px.y > _door_top(px))[:, None], base, colour)
    return colour * (0.82 + 0.3 * px.mottle + 0.07 * px.rough - 0.1 * (px.v > 0.97))[:, None]


def _door_top(px):
    drawing = px.scene.drawing
    return drawing.boxes[drawing.kinds == Kind.DOOR, 1].min()


def _background(px):
    wall = px.scene.drawing.boxes[1]
    height, width = px.scene.size
    sky = _mix(px.style.sky, WHITE * np.float32(0.93), 0.75 * px.v)
    sky = _mix(sky, WHITE, np.clip((px.clouds - px.style.clouds) * 5, 0, 0.9))
    beside = (px.x < wall[0]) | (px.x > wall[2])
    houses = beside & (px.v > 0.1 + 0.25 * px.scene.table[(px.x > width / 2).astype(int)])
    colour = np.where(houses[:, None], _neighbour(px), sky)
    roof, tiles = _roof(px, wall)
    colour = np.where(roof[:, None], tiles, colour)
    depth = (px.y - wall[3]) / height
    street = _mix(PAVEMENT, ROAD, depth > 0.035) * (0.85 + 0.3 * px.rough)[:, None]
    return np.where((depth > 0)[:, None], street, colour)


def _neighbour(px):
    """The houses next door: plain walls with dim windows, in shade."""
    height, width = px.scene.size
    hole = (_wave(px.y / (0.17 * height)) < 0.5) & (_wave(np.minimum(px.x, width - px.x) / (0.11 * width)) > 0.45)
    wall = px.style.neighbour * (0.7 + 0.3 * px.mottle)[:, None]
    return _mix(wall, GLASS * np.float32(1.6), 0.7 * hole)


def _roof(px, wall):
    """Which pixels the roof above the wall covers, and the colours of its tiles."""
    height = px.scene.size[0]
    above = (wall[1] - px.y) / height
    slope = above * height * 0.8
    covered = (above > 0) & (above < px.style.roof_height) & (px.x > wall[0] + slope) & (px.x < wall[2] - slope)
    value, joint = _blocks(px, max(1.4 * px.unit, 2), 1.2)
    return covered, px.style.roof * (0.85 + 0.3 * value - 0.25 * joint)[:, None]


def _glass(px):
    """Dark below, sky above, with a slanted reflection that differs from pane to pane."""
    a, b, _, _ = px.dice.T
    shine = (0.25 + 0.45 * a) * (1 - px.v) + 0.14 * (_wave(0.8 * px.u + 0.5 * px.v + b) > 0.6)
    return _mix(GLASS, px.style.sky, shine)


def _window(px):
    _, b, c, d = px.dice.T
    colour = _glass(px)
    colour = _mix(colour, WARM, 0.75 * (d < 0.05))
    drawn = np.abs(px.u - 0.5) > 0.2 + 0.2 * b
    folds = CURTAIN * (0.75 + 0.25 * _wave(px.u * 9))[:, None]
    colour = np.where((drawn & (c < 0.4))[:, None], _mix(colour, folds, 0.7), colour)
    bars = _line(px.bars(px.u, px.style.panes, px.width), 0.35 * px.unit)
    transom = _line(np.abs(px.v - 0.3) * px.height, 0.4 * px.unit)
    frame = _line(px.border(), 0.8 * px.unit)
    colour = _mix(colour, px.style.frame, np.maximum(np.maximum(bars, transom), frame))
    return _arch(px, colour) if px.style.arched else colour


def _arch(px, colour):
    """Fills the two upper corners so that the opening ends in an arc."""
    rise = np.clip((0.22 - px.v) / 0.22, 0, 1)
    outside = np.sqrt((2 * px.u - 1) ** 2 + rise * rise) > 1.04
    return np.where(outside[:, None], px.style.trim * np.float32(0.92), colour)


def _door(px):
    """Two leaves of three panels under a glazed fanlight."""
    beside, above = 1 - _wave(2 * px.u), 1 - _wave((px.v - 0.22) / 0.26)
    inset = np.minimum(beside * px.width / 4, above * px.height * 0.13)
    raised = 1 + 0.25 * _line(np.abs(inset - 1.2 * px.unit), 0.3 * px.unit) - 0.12 * (inset > 1.5 * px.unit)
    colour = px.style.door * (raised * (0.92 + 0.16 * px.rough))[:, None]
    gap = _line(np.abs(px.u - 0.5) * px.width, 0.15 * px.unit)
    colour = _mix(colour, IRON, 0.8 * gap)
    colour = np.where((px.v < 0.2)[:, None], _glass(px), colour)
    frame = np.maximum(_line(px.border(), 0.7 * px.unit), _line(np.abs(px.v - 0.2) * px.height, 0.5 * px.unit))
    return _mix(colour, px.style.door * np.float32(0.65), frame)


def _shop(px):
    """A sign, in some shops a striped awning, a lit display window and a low base."""
    a, _, c, d = px.dice.T
    stock = px.scene.table[(px.u * 9).astype(int) + (px.dice[:, 1] * 900).astype(int)]
    colour = _mix(_glass(px), WARM, (0.2 + 0.35 * a) * (px.v > 0.3))
    colour = np.where((px.v > 1 - 0.12 - 0.35 * stock)[:, None], _mix(colour, px.style.shop, 0.5 * stock), colour)
    frame = np.maximum(_line(px.border(), 0.7 * px.unit), _line(px.bars(px.u, 2, px.width), 0.4 * px.unit))
    colour = _mix(colour, px.style.shop * np.float32(0.8), frame)
    stripes = np.where((px.u * 8 % 1 < 0.5)[:, None], px.style.shop, WHITE * np.float32(0.93))
    awning = (px.v > 0.18) & (px.v < 0.36) & (c < 0.55)
    colour = np.where(awning[:, None], stripes * (1.25 - px.v)[:, None], colour)
    colour = np.where(((px.v < 0.18) | (px.v > 0.9))[:, None], px.style.shop, colour)
    lettering = (np.abs(px.v - 0.09) < 0.035) & (np.abs(px.u - 0.5) < 0.32) & (_wave(px.u * 14 + d) > 0.35)
    return _mix(colour, CURTAIN, 0.85 * lettering)


def _blind(px):
    slats = _wave(px.y / max(1.6 * px.unit, 2))
    edge = _line(px.border(), 0.5 * px.unit)
    return px.style.blind * ((0.78 + 0.3 * slats) * (1 - 0.2 * edge))[:, None]


def _stone(px, brightness):
    """Smooth dressed stone, the material of everything that decorates the wall."""
    return px.style.trim * (brightness * (0.9 + 0.14 * px.mottle + 0.05 * px.rough))[:, None]


def _cornice(px):
    steps = 1.06 - 0.1 * np.floor(px.v * 3)
    teeth = (px.v > 0.4) & (px.v < 0.8) & (px.x / (2.4 * px.unit) % 1 < 0.45)
    return _stone(px, steps - 0.25 * teeth)


def _sill(px):
    return _stone(px, 1.08 - 0.2 * px.v)


def _molding(px):
    groove = _line(np.abs(px.border() - 0.8 * px.unit), 0.25 * px.unit)
    return _stone(px, 1.0 - 0.2 * groove)


def _pillar(px):
    rounded = 1.05 - 0.28 * (px.u - 0.4) ** 2 * 4
    ends = (px.v < 0.08) | (px.v > 0.95)
    return _stone(px, np.where(ends, 1.08, rounded - 0.1 * (_wave(px.u * 3) > 0.6)))


def _deco(px):
    """A round or a diamond-shaped relief on a darker panel."""
    across, down = np.abs(2 * px.u - 1), np.abs(2 * px.v - 1)
    radius = np.where(px.dice[:, 0] < 0.5, np.sqrt(across * across + down * down), across + down)
    relief = 0.72 + 0.3 * (radius < 0.85) - 0.2 * (np.abs(radius - 0.5) < 0.12)
    return _stone(px, relief) * np.float32([1.0, 0.9, 0.74])


def _balcony(px):
    """A slab with a railing one can look through, of iron bars or stone balusters."""
    step, share, colour = (3.0, 0.55, px.style.trim) if px.style.stone_balcony else (1.9, 0.32, IRON)
    step = max(step * px.unit, 2)
    distance = np.abs(px.x / step % 1 - 0.5) * step
    rail = np.maximum(_line(px.v * px.height, 0.1 * px.height), _line(distance, share * step / 2))
    slab = (px.v > 0.82)[:, None]
    return np.where(slab, _stone(px, 1.05 - 0.15 * px.v), _mix(px.under * np.float32(0.72), colour, rail))


SHADERS = {
    Kind.BACKGROUND: _background,
    Kind.FACADE: _facade,
    Kind.WINDOW: _window,
    Kind.DOOR: _door,
    Kind.CORNICE: _cornice,
    Kind.SILL: _sill,
    Kind.BLIND: _blind,
    Kind.DECO: _deco,
    Kind.MOLDING: _molding,
    Kind.PILLAR: _pillar,
    Kind.SHOP: _shop,
    Kind.BALCONY: _balcony,
}
