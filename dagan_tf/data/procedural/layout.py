"""Where the parts of a built-in facade are: a list of rectangles, in fractions of the picture, and their pixels."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dagan_tf.data.procedural.paint import Drawing
from dagan_tf.data.procedural.style import Kind

# Later kinds cover earlier ones. Balconies come last: the painter shows what is behind their railings.
DRAW_ORDER = (
    Kind.BACKGROUND,
    Kind.FACADE,
    Kind.PILLAR,
    Kind.CORNICE,
    Kind.MOLDING,
    Kind.WINDOW,
    Kind.BLIND,
    Kind.SHOP,
    Kind.DOOR,
    Kind.SILL,
    Kind.DECO,
    Kind.BALCONY,
)

# What the floors of one house tend to share, with the probability of each choice.
HABITS = {
    "molding": {"none": 0.30, "frame": 0.35, "lintel": 0.35},
    "sill": {"yes": 0.80, "none": 0.20},
    "blind": {"none": 0.45, "shutters": 0.25, "roller": 0.30},
    "balcony": {"none": 0.54, "every": 0.13, "alternate": 0.13, "centre": 0.13, "wide": 0.07},
    "deco": {"none": 0.40, "above": 0.20, "below": 0.20, "between": 0.20},
    "windows": {"one": 0.75, "two": 0.25},
    "cornice": {"yes": 0.45, "none": 0.55},
}
FLOOR_DIFFERS = 0.22


class Part(NamedTuple):
    """One rectangle of a facade, in fractions of the picture's width and height."""

    kind: Kind
    x0: float
    y0: float
    x1: float
    y1: float


def rasterise(parts, size):
    """Puts a layout on a pixel grid.

    Args:
        parts: sequence of `Part`, later ones on top; the first covers the picture, the second is the wall.
        size: `(H, W)` in pixels.

    Returns:
        A `Drawing`. Every part is at least one pixel wide and high.
    """
    height, width = size
    corners = np.array([part[1:] for part in parts]) * [width, height, width, height]
    boxes = np.rint(corners).astype(int)
    boxes[:, :2] = np.clip(boxes[:, :2], 0, [width - 1, height - 1])
    boxes[:, 2:] = np.clip(boxes[:, 2:], boxes[:, :2] + 1, [width, height])
    top = np.zeros(size, int)
    behind = top
    for number, (part, (x0, y0, x1, y1)) in enumerate(zip(parts, boxes, strict=True)):
        if part.kind == Kind.BALCONY and behind is top:
            behind = top.copy()
        top[y0:y1, x0:x1] = number
    return Drawing(np.array([part.kind for part in parts], np.uint8), boxes, top, behind)


def draw_layout(rng):
    """Draws a house: a list of `Part` in the order they cover each other."""
    wall = _wall(rng)
    habits = {name: _choose(rng, name) for name in HABITS}
    bays = _bays(rng, wall)
    floors = _floors(rng, wall)
    parts = [Part(Kind.BACKGROUND, 0, 0, 1, 1), wall]
    parts += _pillars(rng, wall, bays)
    parts += _roof_cornice(rng, wall)
    shape = {"width": rng.uniform(0.42, 0.6), "top": rng.uniform(0.2, 0.26), "bottom": rng.uniform(0.76, 0.84)}
    for top, bottom in floors[:-1]:
        parts += _upper_floor(rng, habits, shape, bays, top, bottom)
    parts += _ground_floor(rng, habits, bays, *floors[-1])
    return sorted(parts, key=lambda part: DRAW_ORDER.index(part.kind))


def _choose(rng, name):
    return str(rng.choice(list(HABITS[name]), p=list(HABITS[name].values())))


def _wall(rng):
    left, right = rng.uniform(0.03, 0.13, 2) * (rng.random(2) < 0.65)
    top = rng.uniform(0.06, 0.2) * (rng.random() < 0.8)
    ground = rng.uniform(0.03, 0.09) * (rng.random() < 0.75)
    return Part(Kind.FACADE, left, top, 1 - right, 1 - ground)


def _bays(rng, wall):
    """Left and right ends of the window columns; the middle one is wider in some houses."""
    count = int(rng.integers(3, 7))
    widths = np.ones(count)
    if count % 2 and rng.random() < 0.4:
        widths[count // 2] = rng.uniform(1.15, 1.4)
    side = rng.uniform(0.01, 0.04) * (wall.x1 - wall.x0)
    edges = _split(wall.x0 + side, wall.x1 - side, widths)
    return list(pairwise(edges))


def _floors(rng, wall):
    """Top and bottom of each floor from the highest to the ground floor."""
    count = int(rng.integers(2, 5))
    heights = rng.uniform(0.95, 1.1, count + 1)
    heights[0] *= rng.uniform(0.85, 1.0)
    heights[-1] *= rng.uniform(1.05, 1.35)
    edges = _split(wall.y0 + 0.03, wall.y1, heights)
    return list(pairwise(edges))


def _split(start, end, weights):
    shares = np.concatenate([[0], np.cumsum(weights)]) / np.sum(weights)
    return (start + (end - start) * shares).tolist()


def _pillars(rng, wall, bays):
    """Vertical strips: none, at the two corners, or between all bays too."""
    where = rng.choice(["none", "corners", "all"], p=[0.5, 0.25, 0.25])
    if where == "none":
        return []
    width = rng.uniform(0.018, 0.028)
    inner = [x0 - width / 2 for x0, _ in bays[1:]] if where == "all" else []
    lefts = [wall.x0, *inner, wall.x1 - width]
    return [Part(Kind.PILLAR, x, wall.y0, x + width, wall.y1) for x in lefts]


def _roof_cornice(rng, wall):
    height, over = rng.uniform(0.024, 0.042), rng.uniform(0.0, 0.012)
    return [Part(Kind.CORNICE, max(wall.x0 - over, 0), wall.y0, min(wall.x1 + over, 1), wall.y0 + height)]


def _band(bays, y, height):
    """A cornice as wide as all bays, hanging down from y."""
    return Part(Kind.CORNICE, bays[0][0], y, bays[-1][1], y + height)


def _upper_floor(rng, habits, shape, bays, top, bottom):
    plan = {name: _choose(rng, name) if rng.random() < FLOOR_DIFFERS else habit for name, habit in habits.items()}
    height = bottom - top
    parts = [_band(bays, bottom - 0.09 * height, 0.018)] if plan["cornice"] == "yes" else []
    for column, bay in enumerate(bays):
        balcony = _has_balcony(plan["balcony"], column, len(bays))
        y0 = top + shape["top"] * height
        y1 = top + (0.86 if balcony else shape["bottom"]) * height
        for x0, x1 in _openings(plan, shape["width"], bay):
            parts += _window(rng, plan, (x0, y0, x1, y1), sill=plan["sill"] == "yes" and not balcony)
        parts += _bay_deco(plan["deco"], bay, y0, y1, height, last=column == len(bays) - 1)
        if balcony:
            parts += _balcony(plan["balcony"] == "wide", bays, bay, y0, y1)
    return parts


def _has_balcony(habit, column, columns):
    centre = abs(column - (columns - 1) / 2) < 1
    return {"none": False, "alternate": column % 2 == 0, "centre": centre}.get(habit, True)


def _openings(plan, share, bay):
    """Left and right ends of the one or two windows of a bay."""
    left, right = bay
    width = right - left
    middle = (left + right) / 2
    if plan["blind"] == "shutters":
        half = 0.2 * width
        return [(middle - half, middle + half)]
    if plan["windows"] == "two":
        return [(middle - 0.36 * width, middle - 0.05 * width), (middle + 0.05 * width, middle + 0.36 * width)]
    return [(middle - share * width / 2, middle + share * width / 2)]


def _window(rng, plan, box, sill):
    """A window with its frame or lintel, sill, and shutters or roller blind."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    parts = [Part(Kind.WINDOW, *box)]
    if plan["molding"] == "frame" and plan["blind"] != "shutters":
        parts.append(Part(Kind.MOLDING, x0 - 0.016, y0 - 0.02, x1 + 0.016, y1 + 0.012))
    elif plan["molding"] != "none":
        parts.append(Part(Kind.MOLDING, x0 - 0.14 * width, y0 - 0.13 * height, x1 + 0.14 * width, y0))
    if sill:
        parts.append(Part(Kind.SILL, x0 - 0.12 * width, y1, x1 + 0.12 * width, y1 + 0.016))
    if plan["blind"] == "shutters":
        parts.append(Part(Kind.BLIND, x0 - 0.5 * width, y0, x0, y1))
        parts.append(Part(Kind.BLIND, x1, y0, x1 + 0.5 * width, y1))
    elif plan["blind"] == "roller" and rng.random() < 0.7:
        parts.append(Part(Kind.BLIND, x0, y0, x1, y0 + height * rng.uniform(0.2, 0.7)))
    return parts


def _bay_deco(habit, bay, y0, y1, floor_height, last):
    """An ornament above or below a window, or between it and the next."""
    if habit == "none" or (habit == "between" and last):
        return []
    half, tall = {"above": (0.09, 0.10), "below": (0.2, 0.075), "between": (0.08, 0.2)}[habit]
    half, tall = half * (bay[1] - bay[0]), tall * floor_height
    x = bay[1] if habit == "between" else sum(bay) / 2
    y = {"above": y0 - 0.08 * floor_height, "below": y1 + 0.09 * floor_height, "between": y0}[habit]
    return [Part(Kind.DECO, x - half, y - tall / 2, x + half, y + tall)]


def _balcony(wide, bays, bay, y0, y1):
    over = 0.1 * (bay[1] - bay[0])
    left, right = (bays[0][0], bays[-1][1]) if wide else bay
    if wide and bay is not bays[0]:
        return []
    return [Part(Kind.BALCONY, left + over, y1 - 0.38 * (y1 - y0), right - over, y1 + 0.12 * (y1 - y0))]


def _ground_floor(rng, habits, bays, top, bottom):
    height = bottom - top
    doors = _door_columns(rng, len(bays))
    shops = rng.choice([0.0, 0.5, 1.0], p=[0.35, 0.2, 0.45])
    plan = {**habits, "blind": "none", "windows": "one"}
    parts = [_band(bays, top, 0.022)] if rng.random() < 0.6 else []
    for column, (x0, x1) in enumerate(bays):
        width, middle = x1 - x0, (x0 + x1) / 2
        if column in doors:
            parts += _door(rng, middle, width, top, bottom)
        elif rng.random() < shops:
            parts.append(Part(Kind.SHOP, x0 + 0.06 * width, top + 0.2 * height, x1 - 0.06 * width, bottom - 0.02))
        else:
            box = (middle - 0.28 * width, top + 0.27 * height, middle + 0.28 * width, top + 0.74 * height)
            parts += _window(rng, plan, box, sill=True)
    return parts


def _door_columns(rng, columns):
    """One door, often in the middle, or one at each end."""
    if columns > 3 and rng.random() < 0.25:
        return {0, columns - 1}
    return {columns // 2 if rng.random() < 0.5 else int(rng.integers(columns))}


def _door(rng, middle, bay_width, top, bottom):
    half = bay_width * rng.uniform(0.22, 0.3)
    height = bottom - top
    y0 = top + 0.28 * height
    parts = [Part(Kind.DOOR, middle - half, y0, middle + half, bottom)]
    if rng.random() < 0.7:
        parts.append(Part(Kind.MOLDING, middle - half - 0.018, y0 - 0.022, middle + half + 0.018, bottom))
    if rng.random() < 0.5:
        parts.append(Part(Kind.DECO, middle - half / 2, top + 0.13 * height, middle + half / 2, y0))
    return parts
