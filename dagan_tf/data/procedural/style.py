"""What a built-in facade is made of: its classes, and the colours, materials and weather of one house."""

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
    """Draws the materials and the weather of one house, as a `Style`."""
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
