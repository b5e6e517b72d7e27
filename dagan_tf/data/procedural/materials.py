"""Materials of the built-in facades: one shader for each class.

A shader takes the `Pixels` of its class (see `paint`) and returns their colours, float32 `(N, 3)` in about 0..1, before
light falls on them. Lengths are in `px.unit`, a hundredth of the picture's shorter side.
"""

import numpy as np

from dagan_tf.data.procedural.style import CURTAIN, GLASS, IRON, PAVEMENT, ROAD, WARM, WHITE, Kind


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
