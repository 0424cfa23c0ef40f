"""Stacks of planes that cover a volume: axial, coronal and sagittal in the patient's axes, or along any directions."""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cornerstream.images.errors import GeometryError
from cornerstream.images.plane import Plane
from cornerstream.images.volume import vector
from cornerstream.operators.resample_points import voxel_along

if TYPE_CHECKING:
    from cornerstream.images.volume import Vector, VolumeGeometry

Orientation = Literal["axial", "coronal", "sagittal"]

# Row and column directions in LPS as they are looked at: the patient's left on the right, the head or the face up.
ORIENTATIONS: dict[str, tuple[Vector, Vector]] = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}


def stack_of_planes(
    geometry: VolumeGeometry, directions: tuple[Vector, Vector], spacing: float | None = None, step: float | None = None
) -> tuple[Plane, float, int]:
    """The planes along two directions that cover a volume, from pixel centre to pixel centre.

    Args:
        geometry: Of the volume.
        directions: Along rows and along columns.
        spacing: Millimetres between pixels; those of the volume's own pixels, the smaller, if it is `None`.
        step: Millimetres between planes; the size of the volume's own voxels in that direction if it is `None`.

    Returns:
        The first plane, the step along the normal to the next, and how many there are.

    Raises:
        GeometryError: The directions, the spacing or the step are none.
    """
    row, column = directions
    spacing = min(geometry.pixel_spacing) if spacing is None else spacing
    pixel = Plane(geometry.origin, row, column, (spacing, spacing), 1, 1)  # refuses what is none before it divides
    step = voxel_along(geometry, pixel.normal) if step is None else step
    if not 0 < step < math.inf:
        raise GeometryError(f"planes are millimetres apart, more than 0, not {step}", reason="spacing")
    axes = np.asarray([row, column, pixel.normal])
    along = _corners(geometry) @ axes.T
    low, high = along.min(axis=0), along.max(axis=0)
    columns, rows, count = (int(extent) + 1 for extent in (high - low) / (spacing, spacing, step) + 1e-6)
    return replace(pixel, origin=vector(low @ axes), rows=rows, columns=columns), step, count


def volume_key(geometry: VolumeGeometry) -> str:
    """A short name of a volume, the same for the same images in the same places."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr((geometry.shape, geometry.row_direction, geometry.column_direction)).encode())
    digest.update(repr((geometry.pixel_spacing, geometry.positions)).encode())
    for image_id in geometry.image_ids:
        digest.update(f"{image_id}\n".encode())
    return digest.hexdigest()


def _corners(geometry: VolumeGeometry) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The outermost pixel centres of every slice: a tilted or uneven volume may have its corner at any of them."""
    ends = itertools.product((0, geometry.columns - 1), (0, geometry.rows - 1))
    between_rows, between_columns = geometry.pixel_spacing
    row, column = np.asarray(geometry.row_direction), np.asarray(geometry.column_direction)
    offsets = np.asarray([row * c * between_columns + column * r * between_rows for c, r in ends])
    corners: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = (
        np.asarray(geometry.positions)[:, None, :] + offsets[None, :, :]
    ).reshape(-1, 3)
    return corners
