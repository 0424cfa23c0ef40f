"""Volumes: where the slices of one lie in the patient, and their pixels as one array (PS3.3 C.7.6.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cornerstream.images.errors import GeometryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.image_id import ImageId
    from cornerstream.images.metadata import FrameMetadata

Vector = tuple[float, float, float]
EVEN_WITHIN = 0.02  # of the distance between slices: what headers round, and scanners jitter, and no more
_SHEARED_FROM = 0.1  # degrees; below it the rounded positions of a straight stack lie


class Placed(Protocol):
    """What tells where an image lies: `FrameMetadata`, an `Image`, or a `Place`."""

    @property
    def rows(self) -> int:
        """Rows."""
        ...

    @property
    def columns(self) -> int:
        """Columns."""
        ...

    @property
    def image_position_patient(self) -> Vector | None:
        """The centre of the first pixel."""
        ...

    @property
    def image_orientation_patient(self) -> tuple[float, float, float, float, float, float] | None:
        """Row direction, then column direction."""
        ...

    @property
    def pixel_spacing(self) -> tuple[float, float] | None:
        """Between rows, then between columns."""
        ...

    @property
    def slice_thickness(self) -> float | None:
        """In millimetres."""
        ...

    @property
    def frame_of_reference_uid(self) -> str | None:
        """In which the position holds."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where one image lies, and nothing else of it; see `FrameMetadata` for the attributes."""

    rows: int
    columns: int
    image_position_patient: Vector | None = None
    image_orientation_patient: tuple[float, float, float, float, float, float] | None = None
    pixel_spacing: tuple[float, float] | None = None
    slice_thickness: float | None = None
    frame_of_reference_uid: str | None = None

    @classmethod
    def of(cls, metadata: Placed | FrameMetadata) -> Place:
        """The place of a frame."""
        return cls(
            metadata.rows,
            metadata.columns,
            metadata.image_position_patient,
            metadata.image_orientation_patient,
            metadata.pixel_spacing,
            metadata.slice_thickness,
            metadata.frame_of_reference_uid,
        )


@dataclass(frozen=True)
class VolumeGeometry:
    """Where the slices of a volume lie, exactly: each has a position of its own.

    Slices are parallel, of one size and one pixel spacing, and in order along their normal. They need not be evenly
    spaced, nor lie straight above each other (gantry tilt). Lengths are millimetres in the patient's LPS axes.

    Attributes:
        image_ids: Of the slices, in order along the normal.
        rows: Of a slice.
        columns: Of a slice.
        row_direction: Unit vector along a row, the way in which the column index grows.
        column_direction: Unit vector along a column, the way in which the row index grows.
        pixel_spacing: Between rows, then between columns, as in DICOM.
        positions: Of the centre of the first pixel of each slice.
        frame_of_reference_uid: In which these positions hold; empty where nothing says.
    """

    image_ids: tuple[ImageId, ...] = field(repr=False)
    rows: int
    columns: int
    row_direction: Vector
    column_direction: Vector
    pixel_spacing: tuple[float, float]
    positions: tuple[Vector, ...] = field(repr=False)
    frame_of_reference_uid: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices × rows × columns."""
        return len(self.positions), self.rows, self.columns

    @property
    def normal(self) -> Vector:
        """Unit vector from slice to slice: row direction × column direction."""
        return vector(np.cross(self.row_direction, self.column_direction))

    @cached_property
    def distances(self) -> tuple[float, ...]:
        """How far each slice lies from the first, along the normal; ascending."""
        along = (np.asarray(self.positions) - self.positions[0]) @ np.asarray(self.normal)
        return tuple(float(one) for one in along)

    @property
    def step(self) -> Vector:
        """From a slice's first pixel to that of the next, on average."""
        return vector(np.subtract(self.positions[-1], self.positions[0]) / (len(self.positions) - 1))

    @property
    def tilt_degrees(self) -> float:
        """The angle between the normal and the way from the first slice to the last; not 0 under gantry tilt."""
        return math.degrees(math.acos(min(1.0, float(np.dot(self.step, self.normal)) / math.hypot(*self.step))))

    @property
    def is_sheared(self) -> bool:
        """Slices do not lie straight above each other: the affine is right, a mere direction and spacing would not be."""
        return self.tilt_degrees > _SHEARED_FROM

    @cached_property
    def deviation(self) -> float:
        """How far a slice lies from where even spacing would have it, at most."""
        even = np.asarray(self.positions[0]) + np.arange(len(self.positions))[:, None] * np.asarray(self.step)
        return float(np.linalg.norm(np.asarray(self.positions) - even, axis=1).max())

    @property
    def is_even(self) -> bool:
        """No slice lies further than 2 % of the distance between slices from where even spacing has it."""
        return self.deviation <= EVEN_WITHIN * math.hypot(*self.step)

    @property
    def affine(self) -> NDArray[np.float64]:
        """4 × 4, from (column, row, slice, 1) to (x, y, z, 1) in LPS; indices count from 0 at pixel centres.

        An array of slices × rows × columns is indexed the other way round: `array[slice, row, column]`. Gantry tilt is in
        it, as a shear.

        Raises:
            GeometryError: The slices are not evenly spaced, so that there is none; `positions` has them all.
        """
        self._need_even()
        matrix = np.eye(4)
        between_rows, between_columns = self.pixel_spacing
        matrix[:3, 0] = np.multiply(self.row_direction, between_columns)
        matrix[:3, 1] = np.multiply(self.column_direction, between_rows)
        matrix[:3, 2] = self.step
        matrix[:3, 3] = self.positions[0]
        return matrix

    @property
    def origin(self) -> Vector:
        """The centre of the first pixel of the first slice."""
        return self.positions[0]

    @property
    def spacing(self) -> Vector:
        """Between columns, between rows, and from slice to slice (along the shear, if there is one).

        Raises:
            GeometryError: The slices are not evenly spaced.
        """
        self._need_even()
        return self.pixel_spacing[1], self.pixel_spacing[0], math.hypot(*self.step)

    @property
    def direction(self) -> NDArray[np.float64]:
        """3 × 3; its columns are the unit vectors along rows, along columns and from slice to slice.

        It is orthogonal unless `is_sheared`.

        Raises:
            GeometryError: The slices are not evenly spaced.
        """
        matrix: NDArray[np.float64] = self.affine[:3, :3] / np.asarray(self.spacing)
        return matrix

    def position_of(self, column: float, row: float, slice_index: float) -> Vector:
        """The point at an index, which may lie between pixels and between slices, which are joined by straight lines."""
        indices = np.arange(len(self.positions))
        corner = [float(np.interp(slice_index, indices, axis)) for axis in np.transpose(self.positions)]
        along_row = np.multiply(self.row_direction, column * self.pixel_spacing[1])
        return vector(corner + along_row + np.multiply(self.column_direction, row * self.pixel_spacing[0]))

    def _need_even(self) -> None:
        if not self.is_even:
            raise GeometryError(
                f"the slices are not evenly spaced: up to {self.deviation:.2f} mm from where they should be; "
                "use `positions`, or resample them (`Session.mpr`)",
                reason="uneven",
                image_ids=self.image_ids,
            )


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """The pixels of a series as one array, and where they lie.

    Attributes:
        array: Slices × rows × columns, or slices × rows × columns × 3 (RGB); slices in the order of `geometry`.
        geometry: Where they lie; `affine` and the like are there too.
    """

    array: NDArray[np.generic] = field(repr=False)
    geometry: VolumeGeometry

    def __post_init__(self) -> None:
        if self.array.shape[:3] != self.geometry.shape or self.array.shape[3:] not in ((), (3,)):
            raise GeometryError(
                f"an array of shape {self.array.shape} is no volume of {self.geometry.shape}",
                reason="size",
                image_ids=self.geometry.image_ids,
            )

    @property
    def image_ids(self) -> tuple[ImageId, ...]:
        """Of the slices."""
        return self.geometry.image_ids

    @property
    def affine(self) -> NDArray[np.float64]:
        """4 × 4, from (column, row, slice, 1) to millimetres in LPS; see `VolumeGeometry.affine`."""
        return self.geometry.affine

    @property
    def origin(self) -> Vector:
        """The centre of `array[0, 0, 0]` in LPS, in millimetres."""
        return self.geometry.origin

    @property
    def spacing(self) -> Vector:
        """Millimetres between columns, rows and slices; see `VolumeGeometry.spacing`."""
        return self.geometry.spacing

    @property
    def direction(self) -> NDArray[np.float64]:
        """3 × 3, unit vectors along rows, columns and slices; see `VolumeGeometry.direction`."""
        return self.geometry.direction


def vector(values: NDArray[np.float64]) -> Vector:
    """Three numbers of an array."""
    x, y, z = values.tolist()
    return x, y, z
