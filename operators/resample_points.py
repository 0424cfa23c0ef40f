"""Where the points of a plane lie between the slices of a volume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import GeometryError, LimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cornerstream.images.limits import Limits
    from cornerstream.images.plane import Plane, Sampling
    from cornerstream.images.volume import VolumeGeometry

_SPLINE_REACH = 10  # slices: a cubic spline's value depends on those so far away by 2e-6 of theirs (0.268 ** 10)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The points of a plane that lie inside a volume, in the order of slices.

    Attributes:
        shape: Points through the slab × rows × columns of the plane; some lie outside the volume.
        index: Where each point lies in that shape, flat.
        below: The slice at or below each point; ascending.
        fraction: How far each point lies from that slice to the next, 0 to 1.
        row: Each point's row in the slices on both sides of it, which the shear of a tilted volume is already in.
        column: As well.
        starts: Where the points of each slice begin, and where the last ones end: slices + 1.
    """

    shape: tuple[int, int, int]
    index: NDArray[np.int32]
    below: NDArray[np.int32]
    fraction: NDArray[np.float32]
    row: NDArray[np.float32]
    column: NDArray[np.float32]
    starts: NDArray[np.int64]


def points_of(geometry: VolumeGeometry, plane: Plane, sampling: Sampling, limits: Limits) -> Points:
    """Find the points of a plane, or of its slab, in a volume.

    Points up to half a pixel outside the centres of the outermost pixels have the values of these.

    Args:
        geometry: Of the volume.
        plane: The plane.
        sampling: Says how thick it is, and whether points snap to their nearest slice.
        limits: Bounds for the number of points.

    Raises:
        LimitError: They are more than `limits.frame_pixels`.
        GeometryError: Cubic interpolation between slices that are not evenly spaced.
    """
    offsets = slab_offsets(geometry, plane, sampling)
    if len(offsets) * plane.rows * plane.columns > limits.frame_pixels:
        raise LimitError(
            f"{len(offsets)} × {plane.rows} × {plane.columns} points are more than the limit `frame_pixels` of "
            f"{limits.frame_pixels}; take a larger spacing, or a thinner slab"
        )
    if sampling.interpolation == "cubic" and not geometry.is_even:
        raise GeometryError(
            'the slices are not evenly spaced, and cubic splines need that; take interpolation="linear"',
            reason="uneven",
            image_ids=geometry.image_ids,
        )
    parts = [_inside(geometry, plane.moved(offset)) for offset in offsets]
    size = plane.rows * plane.columns
    index = np.concatenate([part[0] + np.int32(number * size) for number, part in enumerate(parts)])
    depth, row, column = (np.concatenate([part[one] for part in parts]) for one in (1, 2, 3))
    below, fraction = _between_slices(depth, len(geometry.positions), sampling)
    order = np.argsort(below.astype(np.int16) if len(geometry.positions) < 1 << 15 else below, kind="stable")
    below = below[order]
    return Points(
        shape=(len(offsets), plane.rows, plane.columns),
        index=index[order],
        below=below,
        fraction=fraction[order],
        row=row[order].astype(np.float32),
        column=column[order].astype(np.float32),
        starts=np.searchsorted(below, np.arange(len(geometry.positions) + 1)),
    )


def slab_offsets(geometry: VolumeGeometry, plane: Plane, sampling: Sampling) -> NDArray[np.float64]:
    """Distances from the plane at which a slab is sampled: about one voxel apart, in the middle of as many equal parts."""
    count = max(1, math.ceil(sampling.slab / voxel_along(geometry, plane.normal) - 1e-6))
    offsets: NDArray[np.float64] = ((np.arange(count) + 0.5) / count - 0.5) * sampling.slab
    return offsets


def voxel_along(geometry: VolumeGeometry, direction: Sequence[float]) -> float:
    """The size of a voxel along its own axis that is nearest to a direction."""
    slice_spacing = geometry.distances[-1] / (len(geometry.positions) - 1)
    axes = (geometry.column_direction, geometry.row_direction, geometry.normal)
    sizes = (*geometry.pixel_spacing, slice_spacing)
    return max(zip(axes, sizes, strict=True), key=lambda one: abs(float(np.dot(one[0], direction))))[1]


def slices_of(points: Points, sampling: Sampling) -> list[int]:
    """The slices that points need: those first that give most of the plane, and of those alike evenly spread ones."""
    count = len(points.starts) - 1
    weights = np.bincount(points.below, 1 - points.fraction, count)
    weights += np.bincount(np.minimum(points.below + 1, count - 1), points.fraction, count)
    needed = np.flatnonzero(weights > 0)
    if not len(needed):
        return []
    steps = np.round(8 * weights[needed] / weights.max())
    spread = _spread(len(needed))
    ordered = [int(needed[place]) for place in np.lexsort((spread, -steps))]
    if sampling.interpolation != "cubic":
        return ordered
    reach = range(max(0, needed[0] - _SPLINE_REACH), min(count, needed[-1] + _SPLINE_REACH + 1))
    return ordered + [one for one in reach if one not in set(ordered)]


def box_of(points: Points, rows: int, columns: int) -> tuple[slice, slice]:
    """The rows and columns of slices that cubic splines through points need."""
    return _reach(points.row, rows), _reach(points.column, columns)


def _reach(places: NDArray[np.float32], size: int) -> slice:
    first, last = math.floor(places.min()) - _SPLINE_REACH, math.ceil(places.max()) + _SPLINE_REACH
    return slice(max(0, first), min(size, last + 1))


def _spread(count: int) -> NDArray[np.float64]:
    """Places in a walk through 0 … count - 1 whose steps become finer: bits reversed, as in 0, 4, 2, 6, 1, 5, 3, 7."""
    numbers, places, weight = np.arange(count), np.zeros(count), 0.5
    while numbers.any():
        places += (numbers & 1) * weight
        numbers, weight = numbers >> 1, weight / 2
    return places


def _inside(
    geometry: VolumeGeometry, plane: Plane
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Flat index, and slice, row and column (between pixels) of the points of a plane that lie inside a volume."""
    slices, rows, columns = geometry.shape
    positions = _extended(np.asarray(geometry.positions))
    heights = _extended(np.asarray(geometry.distances)[:, None])[:, 0]
    along = _projected(plane, geometry.normal) - float(np.dot(geometry.positions[0], geometry.normal))
    depth = np.interp(along, heights, np.arange(-1.0, slices + 1))
    places = [depth]
    axes = (geometry.column_direction, geometry.row_direction)
    for axis, spacing in zip(axes, geometry.pixel_spacing, strict=True):
        corner = np.interp(along, heights, positions @ np.asarray(axis))  # of the slice at that height
        places.append((_projected(plane, axis) - corner) / spacing)
    inside = np.ones(depth.shape, np.bool_)
    for place, size in zip(places, (slices, rows, columns), strict=True):
        inside &= (place >= -0.5) & (place <= size - 0.5)
    index = np.flatnonzero(inside).astype(np.int32)
    last = (slices - 1, rows - 1, columns - 1)
    depth, row, column = (np.clip(place.ravel()[index], 0, end) for place, end in zip(places, last, strict=True))
    return index, depth, row, column


def _extended(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """One more slice on both sides, as far away as the next one."""
    return np.concatenate([2 * values[:1] - values[1:2], values, 2 * values[-1:] - values[-2:-1]])


def _projected(plane: Plane, axis: Sequence[float]) -> NDArray[np.float64]:
    """How far each point of a plane lies along an axis: rows × columns."""
    between_rows, between_columns = plane.pixel_spacing
    down = np.arange(plane.rows) * between_rows * float(np.dot(plane.column_direction, axis))
    across = np.arange(plane.columns) * between_columns * float(np.dot(plane.row_direction, axis))
    result: NDArray[np.float64] = float(np.dot(plane.origin, axis)) + down[:, None] + across[None, :]
    return result


def _between_slices(
    depth: NDArray[np.float64], slices: int, sampling: Sampling
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The slice below each point, and how far the point lies from it to the next."""
    if sampling.interpolation == "nearest":
        depth = np.minimum(np.floor(depth + 0.5), slices - 1)
    below = np.floor(depth)
    return below.astype(np.int32), (depth - below).astype(np.float32)


def runs_of(points: Points, number: int) -> slice:
    """The points that a slice has a part in: those below it, up to the slice before, and those above."""
    first = points.starts[max(0, number - 1)]
    return slice(int(first), int(points.starts[number + 1]))
