"""What is inside the chest: lungs, heart and great vessels, airways, and below the diaphragm liver, spleen, stomach."""

from __future__ import annotations

from functools import lru_cache
from math import cos, radians, sin, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cornerstream.phantom.canvas import Canvas, Ellipse, Ellipsoid, axis, float32
from cornerstream.phantom.trees import Tree, grow_tree
from cornerstream.phantom.wall import FAT, wall_distance

if TYPE_CHECKING:
    from cornerstream.phantom.canvas import Array

LUNG, BLOOD, MYOCARDIUM, LIVER, SPLEEN = -862.0, 305.0, 118.0, 108.0, 125.0
HEART = Ellipsoid(22.0, -28.0, 158.0, 62.0, 47.0, 50.0, 28.0)
_LUNGS = (Ellipsoid(-68.0, 2.0, 130.0, 56.0, 80.0, 140.0), Ellipsoid(70.0, 4.0, 130.0, 54.0, 78.0, 140.0))
_NODULES = (Ellipsoid(-88.0, 22.0, 128.0, 8.5, 7.5, 8.0, 20.0), Ellipsoid(92.0, -18.0, 92.0, 3.2, 3.0, 3.2))
_CHAMBERS = (
    Ellipsoid(-26.0, -22.0, 152.0, 24.0, 27.0, 34.0, 10.0),  # right atrium
    Ellipsoid(6.0, -50.0, 160.0, 34.0, 19.0, 36.0, 28.0),  # right ventricle
    Ellipsoid(12.0, 8.0, 138.0, 30.0, 17.0, 22.0),  # left atrium
)
_LEFT_VENTRICLE = Ellipsoid(46.0, -20.0, 163.0, 36.0, 27.0, 36.0, 36.0)


class Trees(NamedTuple):
    """Everything that branches; lists hold the right side, then the left."""

    vessels: tuple[Tree, ...]
    airways: tuple[Tree, ...]
    liver: Tree


@lru_cache(maxsize=2)
def trees(seed: int) -> Trees:
    """Grow the trees of a phantom; the same for the same seed."""
    random = np.random.default_rng(seed)
    roots = ((-34.0, 2.0, 104.0), (36.0, 4.0, 102.0))
    vessels = tuple(grow_tree(root, lung, 1000, 10.5, random) for root, lung in zip(roots, _LUNGS, strict=True))
    airways = tuple(
        grow_tree((x * 0.8, y + 8.0, z - 2.0), lung, 45, 5.0, random)
        for (x, y, z), lung in zip(roots, _LUNGS, strict=True)
    )
    liver = grow_tree((-35.0, -5.0, 285.0), Ellipsoid(-62.0, -5.0, 255.0, 62.0, 68.0, 50.0), 150, 6.0, random)
    return Trees(vessels, airways, liver)


def paint_organs(canvas: Canvas, seed: int, texture: Array) -> None:
    """Paint the inside of the chest.

    Args:
        canvas: Its chest wall is painted already.
        seed: Of the trees.
        texture: Rows × columns, about -1 to 1: the unevenness of living tissue.
    """
    below = _below_diaphragm(canvas)
    cavity = canvas.edge(wall_distance(canvas) + 1.5)
    if below.max() > -2.0:
        _abdomen(canvas, cavity * canvas.edge(-below), seed, texture)
    _lungs(canvas, cavity * canvas.edge(below), seed, texture)
    _heart(canvas, canvas.edge(below + 3.0))
    _great_vessels(canvas)
    _windpipe(canvas)


def _below_diaphragm(canvas: Canvas) -> Array:
    """Height of the diaphragm above the slice: positive where the slice has passed it."""
    return np.float32(canvas.z) - _diaphragm(canvas.size)


@lru_cache(maxsize=2)
def _diaphragm(size: int) -> Array:
    """Where the diaphragm is along z: two domes."""
    x, y = axis(size)[None, :], axis(size)[:, None]
    right = 186.0 + 34.0 * (((x + 62.0) / 62.0) ** 2 + ((y + 8.0) / 80.0) ** 2) ** 1.3
    left = 200.0 + 34.0 * (((x - 66.0) / 58.0) ** 2 + ((y + 2.0) / 80.0) ** 2) ** 1.3
    return np.minimum(right, left).astype(np.float32)


def _lungs(canvas: Canvas, cavity: Array, seed: int, texture: Array) -> None:
    if cavity.max() <= 0:
        return
    for side, lung in enumerate(_LUNGS):
        shape = lung.at(canvas.z)
        if shape is None:
            continue
        distance = _lung_distance(canvas, shape, side)
        mask = canvas.edge(distance, 1.5) * cavity
        canvas.paint(mask, LUNG + 22.0 * texture + 40.0 * (axis(canvas.size)[:, None] / 100.0))
        grown = trees(seed)
        inner = canvas.edge(distance + 1.0) * cavity
        canvas.paint(grown.vessels[side].coverage(canvas.size, canvas.z) * inner, 150.0)
        canvas.paint(grown.airways[side].coverage(canvas.size, canvas.z, 0.9) * inner, -60.0)
        canvas.paint(grown.airways[side].coverage(canvas.size, canvas.z) * inner, -985.0)
        canvas.paint(_fissure(canvas, side) * inner, -690.0)
    for nodule in _NODULES:
        canvas.ellipse(nodule.at(canvas.z), 42.0, width=1.8)


def _lung_distance(canvas: Canvas, shape: Ellipse, side: int) -> Array:
    """Distance to the edge of a lung: its cut, less the space that heart and spine take."""
    x, y = axis(canvas.size)[None, :], axis(canvas.size)[:, None]
    towards = x if side else -x
    # The space between the lungs is widest at the roots, and narrow in front and beside the spine.
    middle = 27.0 + 10.0 * np.exp(-(((y + 5.0) / 34.0) ** 2)) - 12.0 * np.clip((-y - 40.0) / 40.0, 0.0, 1.3)
    middle = (middle - 8.0 * np.clip((y - 45.0) / 20.0, 0.0, 1.0)).astype(np.float32)
    ellipse = _turned(x, y, Ellipse(shape.x, shape.y, shape.rx * 1.12, shape.ry * 1.1), 0.0)
    distance = np.maximum(ellipse, middle - towards)
    heart = HEART.at(canvas.z)
    if heart is not None:
        distance = np.maximum(distance, -_turned(x, y, heart, 7.0))
    return float32(distance)


def _turned(x: Array, y: Array, shape: Ellipse, wider: float) -> Array:
    c, s = cos(radians(shape.angle)), sin(radians(shape.angle))
    dx, dy = x - np.float32(shape.x), y - np.float32(shape.y)
    u = dx * np.float32(c / (shape.rx + wider)) + dy * np.float32(s / (shape.rx + wider))
    v = dy * np.float32(c / (shape.ry + wider)) - dx * np.float32(s / (shape.ry + wider))
    return float32((np.sqrt(u * u + v * v) - np.float32(1.0)) * np.float32(min(shape.rx, shape.ry) + wider))


def _fissure(canvas: Canvas, side: int) -> Array:
    x, y = axis(canvas.size)[None, :], axis(canvas.size)[:, None]
    sheet = y - (60.0 - 0.72 * (canvas.z - 55.0)) + 0.0016 * (x - (70.0 if side else -70.0)) ** 2 * 6.0
    return canvas.edge(np.abs(sheet) * np.float32(0.8) - np.float32(0.3)) * np.float32(0.7)


def _heart(canvas: Canvas, above_diaphragm: Array) -> None:
    before = canvas.hu.copy()
    canvas.ellipse(HEART.at(canvas.z), MYOCARDIUM - 35.0, width=2.0)
    wall = _LEFT_VENTRICLE
    canvas.ellipse(wall.at(canvas.z), MYOCARDIUM, width=2.0)
    for chamber, blood in zip(_CHAMBERS, (250.0, 262.0, BLOOD), strict=True):
        canvas.ellipse(chamber.at(canvas.z), blood, width=2.5)
    cavity = Ellipsoid(wall.x, wall.y, wall.z - 4.0, wall.rx - 11.0, wall.ry - 10.5, wall.rz - 10.0, wall.angle)
    canvas.ellipse(cavity.at(canvas.z), BLOOD, width=2.5)
    papillary = Ellipsoid(53.0, -24.0, 168.0, 5.0, 4.0, 14.0)
    canvas.ellipse(papillary.at(canvas.z), MYOCARDIUM, width=2.0)
    canvas.hu[:] = before + above_diaphragm * (canvas.hu - before)


def _great_vessels(canvas: Canvas) -> None:
    z = canvas.z
    if z > 62:  # descending aorta, beside the spine, nearer to the middle further down
        canvas.ellipse(Ellipse(23.0 - 10.0 * max(0.0, (z - 180.0) / 130.0), 38.0, 12.5, 12.5), BLOOD)
    if 66 < z < 142:
        canvas.ellipse(Ellipse(-12.0 + 12.0 * max(0.0, (z - 110.0) / 40.0), -26.0, 16.0, 15.5), BLOOD)
    canvas.capsule((-10.0, -26.0), (6.0, -21.0), _tube(z, 65.0, 14.0), BLOOD)  # the arch, left of the windpipe
    canvas.capsule((6.0, -21.0), (24.0, 36.0), _tube(z, 64.0, 13.0), BLOOD)
    if z < 56:  # the arteries of head and arms, and the veins beside them
        rise = (56.0 - z) / 56.0
        for x, y, radius in ((-14.0, -18.0, 6.5), (6.0, -12.0, 4.4), (18.0, 4.0, 5.0)):
            canvas.ellipse(Ellipse(x * (1 + 0.6 * rise), y - 4.0 * rise, radius, radius), BLOOD)
        canvas.ellipse(Ellipse(-26.0 - 8.0 * rise, -24.0, 8.0, 7.0), 330.0)
        canvas.capsule((-24.0, -28.0), (26.0 + 8 * rise, -26.0), _tube(z, 40.0, 6.5), 330.0)
        canvas.ellipse(Ellipse(30.0 + 6.0 * rise, -22.0, 6.5, 6.0), 330.0)
    if 38 < z < 135:
        canvas.ellipse(Ellipse(-30.0, -18.0, 9.0, 10.0), 340.0)  # superior vena cava
    canvas.capsule((12.0, -42.0), (26.0, -8.0), _tube(z, 96.0, 14.5), 290.0)  # pulmonary trunk and its branches
    canvas.capsule((20.0, -14.0), (-36.0, 1.0), _tube(z, 100.0, 10.5), 290.0)
    canvas.capsule((24.0, -8.0), (42.0, 4.0), _tube(z, 93.0, 11.0), 290.0)
    canvas.capsule((-4.0, 10.0), (-42.0, 12.0), _tube(z, 132.0, 6.5), BLOOD)  # pulmonary veins
    canvas.capsule((20.0, 10.0), (46.0, 16.0), _tube(z, 130.0, 6.5), BLOOD)
    if z > 178:
        canvas.ellipse(Ellipse(-26.0, 12.0, 13.0, 10.5), 150.0)  # inferior vena cava


def _windpipe(canvas: Canvas) -> None:
    z = canvas.z
    canvas.ellipse(Ellipse(7.0, 33.0 if z > 70 else 28.0, 8.0, 6.0, 15.0), 48.0)  # gullet
    canvas.ellipse(Ellipse(7.0, 32.0 if z > 70 else 27.0, 2.6, 1.3, 15.0), -500.0)
    fork = np.clip((z - 76.0) / 28.0, 0.0, 1.0)
    if z < 106:
        sides = (-9.0,) if fork == 0.0 else (-9.0 - 18.0 * fork, -9.0 + 38.0 * fork)
        radius = 9.2 if fork == 0.0 else 7.2 - 1.2 * fork
        for x in sides:
            canvas.ellipse(Ellipse(x, 8.0 + 2.0 * fork, radius + 2.0, radius + 1.6), 40.0)
        for x in sides:
            canvas.ellipse(Ellipse(x, 8.0 + 2.0 * fork, radius, radius * 0.92), -995.0)


def _tube(z: float, middle: float, radius: float) -> float:
    """Radius that a lying tube shows in the slice at z."""
    return sqrt(max(0.0, radius**2 - (z - middle) ** 2))


def _abdomen(canvas: Canvas, mask: Array, seed: int, texture: Array) -> None:
    inner = Canvas(canvas.size, canvas.z)
    inner.hu[:] = FAT
    inner.ellipse(Ellipsoid(92.0, 36.0, 250.0, 30.0, 44.0, 52.0, 18.0).at(canvas.z), SPLEEN)
    _liver(inner, seed)
    _stomach(inner)
    inner.hu += 9.0 * texture
    canvas.paint(mask, inner.hu)


def _liver(inner: Canvas, seed: int) -> None:
    x, y = axis(inner.size)[None, :], axis(inner.size)[:, None]
    depth = min(1.0, (inner.z - 180.0) / 60.0)
    right, spine = _liver_shapes(inner.size)
    left = _turned(x, y, Ellipse(12.0, -52.0, 26.0 + 44.0 * depth, 24.0 + 12.0 * depth, -8.0), 0.0)
    lobes = _joined(right, left, 30.0)
    coverage = inner.edge(-_joined(-lobes, spine, 20.0), 1.5)
    inner.paint(coverage, LIVER)
    inner.paint(trees(seed).liver.coverage(inner.size, inner.z) * coverage, 172.0)


@lru_cache(maxsize=2)
def _liver_shapes(size: int) -> tuple[Array, Array]:
    """Distances to the right lobe, and to the spine and what lies around it."""
    x, y = axis(size)[None, :], axis(size)[:, None]
    return _turned(x, y, Ellipse(-66.0, -6.0, 88.0, 92.0), 0.0), _turned(x, y, Ellipse(8.0, 54.0, 44.0, 38.0), 0.0)


def _joined(one: Array, other: Array, softness: float) -> Array:
    """Distance to two shapes that run into each other smoothly (a polynomial minimum)."""
    near = np.maximum(np.float32(softness) - np.abs(one - other), 0)
    return float32(np.minimum(one, other) - near * near * np.float32(0.25 / softness))


def _stomach(inner: Canvas) -> None:
    shape = Ellipsoid(56.0, -26.0, 252.0, 46.0, 42.0, 48.0, -20.0).at(inner.z)
    if shape is None:
        return
    inner.ellipse(shape, 62.0)
    inside = Canvas(inner.size, inner.z)
    inside.hu[:] = 0.0
    inside.ellipse(shape.shrunk(4.5), 1.0)
    y = axis(inner.size)[:, None]
    gas = inner.edge((y - np.float32(shape.y - 6.0)) + np.zeros_like(inner.hu))  # a level: fluid below, gas above
    inner.paint(inside.hu, 18.0 + gas * -980.0)
