"""Planes through a volume: where their pixels lie, and how values between those of the volume are had."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from cornerstream.images.errors import GeometryError
from cornerstream.images.volume import vector

if TYPE_CHECKING:
    from cornerstream.images.volume import Vector

Interpolation = Literal["nearest", "linear", "cubic"]
Combination = Literal["mean", "maximum", "minimum"]
_UNIT = 1e-6


@dataclass(frozen=True, slots=True)
class Plane:
    """The grid of one computed image, in the patient's LPS axes, in millimetres.

    Attributes:
        origin: The centre of the first pixel.
        row_direction: Unit vector along a row, the way in which the column index grows.
        column_direction: Unit vector along a column; perpendicular to the other.
        pixel_spacing: Between rows, then between columns, as in DICOM.
        rows: Number of rows.
        columns: Number of columns.

    Raises:
        GeometryError: That is no plane; `reason` is `orientation`, `spacing`, `size` or `position`.
    """

    origin: Vector
    row_direction: Vector
    column_direction: Vector
    pixel_spacing: tuple[float, float]
    rows: int
    columns: int

    def __post_init__(self) -> None:
        _need(np.isfinite(self.origin).all(), "position", f"no point in space: {self.origin}")
        row, column = np.asarray(self.row_direction), np.asarray(self.column_direction)
        of_unit_length = abs(np.linalg.norm(row) - 1) <= _UNIT and abs(np.linalg.norm(column) - 1) <= _UNIT
        _need(of_unit_length and abs(row @ column) <= _UNIT, "orientation", "directions are perpendicular unit vectors")
        spacing = np.asarray(self.pixel_spacing)
        _need(np.isfinite(spacing).all() and spacing.min() > 0, "spacing", f"no pixel spacing: {self.pixel_spacing}")
        _need(self.rows >= 1 and self.columns >= 1, "size", f"no size of an image: {self.rows} × {self.columns}")

    @property
    def normal(self) -> Vector:
        """Unit vector: row direction × column direction."""
        return vector(np.cross(self.row_direction, self.column_direction))

    def moved(self, distance: float) -> Plane:
        """The plane that lies so many millimetres further along the normal."""
        return replace(self, origin=vector(np.add(self.origin, np.multiply(self.normal, distance))))


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the values of a plane are had.

    Attributes:
        interpolation: `nearest`, `linear` or `cubic` (a B-spline of the third order through all values).
        slab: Thickness in millimetres over which values are combined, half of it on either side; 0 takes the plane's own.
        combine: How they are: their mean, maximum (MIP) or minimum.
        fill: Value outside the volume; NaN, which is shown black, says that nothing is known there.

    Raises:
        ValueError: There is no such way.
    """

    interpolation: Interpolation = "linear"
    slab: float = 0.0
    combine: Combination = "mean"
    fill: float = float("nan")

    def __post_init__(self) -> None:
        for value, known in ((self.interpolation, Interpolation), (self.combine, Combination)):
            if value not in get_args(known):
                raise ValueError(f"{value!r} is none of {', '.join(get_args(known))}")
        if not 0 <= self.slab < np.inf:
            raise ValueError(f"a slab is 0 mm thick or more, not {self.slab}")


def _need(condition: object, reason: str, message: str) -> None:
    if not condition:
        raise GeometryError(message, reason=reason)
