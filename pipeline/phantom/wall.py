"""The chest wall: skin, fat, muscle, ribs, shoulder blades, spine and breastbone, and the table below."""

from __future__ import annotations

from functools import lru_cache
from math import pi, sin
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cornerstream.phantom.canvas import Ellipse, Ellipsoid, axis, float32

if TYPE_CHECKING:
    from cornerstream.phantom.canvas import Array, Canvas

FAT, MUSCLE, SKIN, CARTILAGE = -105.0, 58.0, 15.0, 130.0
_CENTER_Y = -2.0
_RIB_SPACING, _RIB_DROP = 25.0, 165.0
_VERTEBRA = 26.0


class Polar(NamedTuple):
    """The plane seen from the middle of the chest.

    Attributes:
        distance: To the middle, millimetres.
        wall: Distance of the inner chest wall in that direction.
        body: Distance of the skin in that direction.
        angle: 0 at the back to π at the front, the same on both sides.
        fall: How far the ribs have fallen in that direction, millimetres.
        front_muscle, side_muscle, back_muscle: Where these are, 0 to 1.
        ripple: Unevenness of the planes between muscles, millimetres.
    """

    distance: Array
    wall: Array
    body: Array
    angle: Array
    fall: Array
    front_muscle: Array
    side_muscle: Array
    back_muscle: Array
    ripple: Array


@lru_cache(maxsize=2)
def polar(size: int) -> Polar:
    """The plane of a canvas, in polar terms."""
    x, y = axis(size)[None, :], axis(size)[:, None] - np.float32(_CENTER_Y)
    distance = np.hypot(x, y)
    angle = np.arctan2(np.abs(x), y).astype(np.float32)
    return Polar(
        distance,
        distance / _super(x, y, 131.0, 92.0, 2.35),
        distance / _super(x, y, 166.0, 119.0, 2.5),
        angle,
        np.float32(_RIB_DROP) * (angle / np.float32(pi)) ** np.float32(1.15),
        _bump(angle, 0.76 * pi, 0.30),
        _bump(angle, 0.34 * pi, 0.34),
        _bump(angle, 0.10 * pi, 0.22),
        np.float32(1.5) * np.sin(5 * angle),
    )


def wall_distance(canvas: Canvas) -> Array:
    """Distance to the inner chest wall, negative inside."""
    plane = polar(canvas.size)
    return plane.distance - plane.wall * np.float32(_widening(canvas.z))


def paint_wall(canvas: Canvas) -> None:
    """Paint everything outside of the lungs' cavity, which is left full of fat."""
    plane = polar(canvas.size)
    _table(canvas)
    outside = plane.distance - plane.body * np.float32(0.965 + 0.035 * sin(canvas.z / 60.0))
    outside = float32(outside)
    canvas.paint(canvas.edge(outside), SKIN)
    canvas.paint(canvas.edge(outside + 2.2), FAT)
    wall = wall_distance(canvas)
    _muscles(canvas, plane, wall, outside)
    _shoulder_blades(canvas, plane, wall)
    canvas.paint(canvas.edge(wall), FAT)
    _ribs(canvas, plane, wall)


def paint_midline(canvas: Canvas) -> None:
    """Paint spine and breastbone."""
    _breastbone(canvas)
    _spine(canvas)


def _super(x: Array, y: Array, a: float, b: float, power: float) -> Array:
    """Superelliptic radius: 1 on the edge; never 0."""
    return float32(np.maximum((np.abs(x / a) ** power + np.abs(y / b) ** power) ** (1 / power), 1e-3))


def _widening(z: float) -> float:
    """The chest is narrow at its apex and widest at the diaphragm."""
    return float(0.62 + 0.38 * np.tanh((z + 28.0) / 62.0))


def _muscles(canvas: Canvas, plane: Polar, wall: Array, outside: Array) -> None:
    # Chest muscles in front, the broad back muscles at the side, the long ones beside the spine.
    upper = float(np.exp(-(((canvas.z - 60.0) / 75.0) ** 2)))
    thickness = 13.0 + 17.0 * upper * plane.front_muscle + 16.0 * upper * plane.side_muscle + 15.0 * plane.back_muscle
    thickness = np.minimum(thickness, wall - outside - 8.0)
    canvas.paint(canvas.edge(wall - thickness), MUSCLE)
    for depth in (0.42, 0.72):  # fat planes between the layers
        plane_of_fat = np.abs(wall - thickness * np.float32(depth) - plane.ripple) - 0.55
        thick_enough = np.clip((thickness - 13.0) / 8.0, 0.0, 1.0)
        canvas.paint(canvas.edge(plane_of_fat) * thick_enough * (wall > 0), FAT + 30)


def _bump(angle: Array, middle: float, width: float) -> Array:
    return float32(np.exp(-(((angle - np.float32(middle)) / np.float32(width)) ** 2)))


def _ribs(canvas: Canvas, plane: Polar, wall: Array) -> None:
    # Every rib falls from the spine to the front, so that one slice cuts several of them, each at another place.
    course = plane.angle / np.float32(pi)
    height = np.float32(canvas.z + 45.0) - plane.fall
    number = np.rint(height / _RIB_SPACING)
    off = (height - number * _RIB_SPACING) / 7.0
    across = (wall - 4.6) / 4.4
    radius = np.sqrt(off * off + across * across)
    present = ((number >= 0) & (number < 12) & (course < 0.93) & (plane.distance * np.sin(plane.angle) > 20.0)).astype(
        np.float32
    )
    bony = np.clip((np.float32(0.80) - course) * np.float32(50), 0.0, 1.0)  # cartilage towards the front
    shell = canvas.edge((radius - 1.0) * 4.4) * present
    canvas.paint(shell, CARTILAGE + bony * 700.0)
    canvas.paint(canvas.edge((radius - 0.62) * 4.4) * present, CARTILAGE - 30.0 + bony * 130.0)


def _shoulder_blades(canvas: Canvas, plane: Polar, wall: Array) -> None:
    if not -20 < canvas.z < 118:
        return
    length = 0.15 * (1.0 - abs(canvas.z - 45.0) / 90.0) * pi
    along = np.abs(plane.angle - np.float32(0.31 * pi)) - np.float32(max(length, 0.01))
    thickness = np.abs(wall - 20.0 - 9.0 * (plane.angle - np.float32(0.31 * pi))) - 2.6
    blade = np.maximum(thickness, along * 90.0).astype(np.float32)
    canvas.paint(canvas.edge(blade), 760.0)
    canvas.paint(canvas.edge(blade + 1.7), 260.0)


def _breastbone(canvas: Canvas) -> None:
    front = _CENTER_Y - 92.0 * _widening(canvas.z) + 0.5
    if 22 < canvas.z < 165:
        width = 19.0 - 7.0 * np.tanh((canvas.z - 60.0) / 18.0)
        canvas.bone(Ellipse(0.0, front, width, 6.2), cortex=1.5, spongy=190.0)
    for side in (-1, 1):  # collar bones
        canvas.bone(Ellipsoid(side * 42.0, front + 4.0, 8.0, 36.0, 6.5, 13.0, side * 14.0).at(canvas.z), cortex=1.7)


def _spine(canvas: Canvas) -> None:
    back = 50.0 + 6.0 * np.sin(canvas.z / 120.0)
    phase = (canvas.z / _VERTEBRA) % 1.0
    if phase < 0.80:
        waist = 1.0 - 0.10 * np.sin(phase / 0.80 * pi)
        canvas.bone(Ellipse(0.0, back, 17.5 * waist, 14.0 * waist), cortex=1.5, spongy=205.0)
    else:
        canvas.ellipse(Ellipse(0.0, back, 18.0, 14.5), 95.0)
    arch = 1.0 if phase < 0.62 else max(0.0, 1.0 - (phase - 0.62) / 0.1)
    if arch:
        for side in (-1, 1):
            canvas.bone(Ellipse(side * 24.0, back + 21.0, 15.0 * arch, 5.0, side * 24.0), cortex=1.6)
            canvas.bone(Ellipse(side * 10.5, back + 15.0, 4.5, 8.0), cortex=1.6)
            canvas.bone(Ellipse(side * 7.0, back + 30.0, 10.0 * arch, 4.0, side * -38.0), cortex=1.4)
    canvas.bone(Ellipse(0.0, back + 43.0 + 6.0 * phase, 3.6, 13.0 * (1.0 - 0.6 * abs(phase - 0.5))), cortex=1.3)
    canvas.ellipse(Ellipse(0.0, back + 21.5, 9.5, 8.5), -10.0)
    canvas.ellipse(Ellipse(0.0, back + 21.5, 8.2, 7.2), 12.0)
    canvas.ellipse(Ellipse(0.0, back + 21.5, 5.2, 4.4), 42.0)


def _table(canvas: Canvas) -> None:
    x, y = axis(canvas.size)[None, :], axis(canvas.size)[:, None]
    top = y - 131.0 + (x / 70.0) ** 2 * np.float32(3.2)
    inside = np.maximum(np.abs(top - 9.0) - 9.0, np.abs(x) - 155.0).astype(np.float32)
    canvas.paint(canvas.edge(inside), -130.0)
    canvas.paint(canvas.edge(inside + 2.0), -930.0)
