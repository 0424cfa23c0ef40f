"""One slice to paint tissue on: shapes in millimetres, with soft edges as a scanner's partial volume makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, cos, floor, radians, sin, sqrt

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
FIELD_MM = 358.0
"""Width of the field of view; the origin of all coordinates lies in its middle, x to the patient's left, y to the back."""


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse, turned clockwise by `angle` degrees."""

    x: float
    y: float
    rx: float
    ry: float
    angle: float = 0.0

    def shrunk(self, by: float) -> Ellipse:
        """The ellipse within, `by` millimetres inside of the edge."""
        return Ellipse(self.x, self.y, max(self.rx - by, 0.1), max(self.ry - by, 0.1), self.angle)


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid; x, y, z is its centre."""

    x: float
    y: float
    z: float
    rx: float
    ry: float
    rz: float
    angle: float = 0.0

    def at(self, z: float) -> Ellipse | None:
        """Its cut with the slice at z, if any."""
        rest = 1.0 - ((z - self.z) / self.rz) ** 2
        if rest <= 0.0:
            return None
        return Ellipse(self.x, self.y, self.rx * sqrt(rest), self.ry * sqrt(rest), self.angle)


@dataclass(slots=True)
class Canvas:
    """Hounsfield units of one slice.

    Attributes:
        size: Rows and columns.
        z: Millimetres below the apex of the lungs.
        hu: Rows × columns, float32.
    """

    size: int
    z: float
    hu: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.hu = np.full((self.size, self.size), -1000.0, np.float32)

    @property
    def spacing(self) -> float:
        """Millimetres from pixel to pixel."""
        return FIELD_MM / self.size

    def paint(self, coverage: Array, value: float | Array) -> None:
        """Lay tissue over what is there; coverage is 0 to 1, rows × columns."""
        self.hu += coverage * (value - self.hu)

    def edge(self, distance: Array, width: float = 1.0) -> Array:
        """Coverage of a shape out of the distance to its edge in millimetres, negative inside."""
        soft = max(width, self.spacing)
        return float32(np.clip(0.5 - distance / np.float32(soft), 0.0, 1.0))

    def ellipse(self, shape: Ellipse | None, value: float, *, width: float = 1.0) -> None:
        """Paint an ellipse; nothing if there is none."""
        if shape is None:
            return
        box, distance = self._ellipse_distance(shape, width)
        part = self.hu[box]
        part += self.edge(distance, width) * (np.float32(value) - part)

    def capsule(self, start: tuple[float, float], end: tuple[float, float], radius: float, value: float) -> None:
        """Paint the neighbourhood of a line."""
        if radius <= 0:
            return
        box, x, y = self._box(min(start[0], end[0]) - radius, max(start[0], end[0]) + radius,
                              min(start[1], end[1]) - radius, max(start[1], end[1]) + radius)  # fmt: skip
        dx, dy = end[0] - start[0], end[1] - start[1]
        along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / max(dx * dx + dy * dy, 1e-6), 0.0, 1.0)
        distance = np.hypot(x - start[0] - along * dx, y - start[1] - along * dy) - radius
        part = self.hu[box]
        part += self.edge(distance.astype(np.float32)) * (np.float32(value) - part)

    def bone(self, shape: Ellipse | None, *, cortex: float = 2.0, spongy: float = 230.0) -> None:
        """Paint a bone: a cortical shell around spongy bone."""
        if shape is not None:
            self.ellipse(shape, 850.0)
            self.ellipse(shape.shrunk(cortex), spongy)

    def _ellipse_distance(self, shape: Ellipse, width: float) -> tuple[tuple[slice, slice], Array]:
        reach = max(shape.rx, shape.ry) + width
        box, x, y = self._box(shape.x - reach, shape.x + reach, shape.y - reach, shape.y + reach)
        c, s = cos(radians(shape.angle)), sin(radians(shape.angle))
        u = ((x - shape.x) * c + (y - shape.y) * s) / shape.rx
        v = ((y - shape.y) * c - (x - shape.x) * s) / shape.ry
        return box, ((np.hypot(u, v) - 1.0) * min(shape.rx, shape.ry)).astype(np.float32)

    def _box(self, left: float, right: float, top: float, bottom: float) -> tuple[tuple[slice, slice], Array, Array]:
        """The pixels of a rectangle: its slices, x of its columns (1 × n) and y of its rows (n × 1)."""
        rows, columns = self._pixels(top, bottom), self._pixels(left, right)
        x, y = axis(self.size)[columns][None, :], axis(self.size)[rows][:, None]
        return (rows, columns), x, y

    def _pixels(self, low: float, high: float) -> slice:
        middle = (self.size - 1) / 2
        first = max(0, floor(low / self.spacing + middle) - 1)
        last = min(self.size, ceil(high / self.spacing + middle) + 2)
        return slice(min(first, self.size), max(last, 0))


def axis(size: int) -> Array:
    """Millimetres of the pixel centres along one side of the field."""
    return ((np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)) * np.float32(FIELD_MM / size)).astype(
        np.float32
    )


def float32(values: npt.ArrayLike) -> Array:
    """The values in single precision, which is enough for tissue; not copied if they are already."""
    return np.asarray(values, np.float32)
