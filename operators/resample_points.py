"""Where the points of a plane lie between the slices of a volume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import GeometryError, LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cornerstream.images.limits import Limits
    from cornerstream.images.plane import Plane, Sampling
    from cornerstream.images.volume import VolumeGeometry

POINT_BYTES = 48  # that a point takes while a plane is computed
_SNAP = 1e-5  # of the way to the next slice: so near to one, a point does without the other
_NOTHING = 1e-6  # of a point: what sums of fractions leave
_SPLINE_REACH = 10  # slices: a cubic spline's value depends on those so far away by 2e-6 of theirs (0.268 ** 10)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The points of a plane that lie inside a volume, in the order of slices.

    Attributes:
        shape: Points through the slab × rows × columns of the plane; some lie outside the volume.
        index: Where each point lies in that shape, flat.
        fraction: How far each point lies from the slice at or below it to the next, 0 to 1.
        row: Each point's row in the slices on both sides of it, which the shear of a tilted volume is already in.
        column: As well.
        starts: Where the points begin that lie at each slice or above it, and where the last ones end: slices + 1.
    """

    shape: tuple[int, int, int]
    index: NDArray[np.int32]
    fraction: NDArray[np.float32]
    row: NDArray[np.float32]
    column: NDArray[np.float32]
    starts: NDArray[np.int64]

    @property
    def below(self) -> NDArray[np.int64]:
        """The slice at or below each point; ascending."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def points_of(geometry: VolumeGeometry, plane: Plane, sampling: Sampling, limits: Limits) -> Points:
    """Find the points of a plane, or of its slab, in a volume.

    Points up to half a pixel outside the centres of the outermost pixels have the values of these.

    Args:
        geometry: Of the volume.
        plane: The plane.
        sampling: Says how thick it is, and whether points snap to their nearest slice.
        limits: Bounds for the number of points.

    Raises:
        LimitError: The plane has more than `limits.frame_pixels`, or all points take more than `limits.decode_bytes`.
        GeometryError: Cubic interpolation between slices that are not evenly spaced.
    """
    offsets = slab_offsets(geometry, plane, sampling)
    _need_room(len(offsets), plane, limits)
    if sampling.interpolation == "cubic" and not geometry.is_even:
        raise GeometryError(
            'the slices are not evenly spaced, and cubic splines need that; take interpolation="linear"',
            reason="uneven",
            image_ids=geometry.image_ids,
        )
    size = plane.rows * plane.columns
    parts: list[tuple[NDArray[Any], ...]] = [
        _inside(geometry, plane.moved(offset), sampling, number * size) for number, offset in enumerate(offsets)
    ]
    below, *others = _joined(parts)
    order = np.argsort(below.astype(np.int16) if len(geometry.positions) < 1 << 15 else below, kind="stable")
    index, fraction, row, column = (one[order] for one in others)
    starts = np.searchsorted(below[order], np.arange(len(geometry.positions) + 1))
    return Points((len(offsets), plane.rows, plane.columns), index, fraction, row, column, starts)


def _need_room(samples: int, plane: Plane, limits: Limits) -> None:
    points = samples * plane.rows * plane.columns
    too_large = plane.rows * plane.columns > limits.frame_pixels
    name = "frame_pixels" if too_large else "decode_bytes"
    if too_large or points * POINT_BYTES > limits.decode_bytes:
        raise LimitError(
            f"{samples} × {plane.rows} × {plane.columns} points are more than the limit `{name}` of "
            f"{getattr(limits, name)} allows; take a larger spacing, or a thinner slab"
        )


def _joined(parts: list[tuple[NDArray[Any], ...]]) -> Iterator[NDArray[Any]]:
    """Each kind of values of all parts, one after the other, so that not all are there twice at a time."""
    kinds = [list(kind) for kind in zip(*parts, strict=True)]
    parts.clear()
    for kind in kinds:
        yield np.concatenate(kind)
        kind.clear()


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
    count, starts = len(points.starts) - 1, points.starts
    above = np.diff(np.concatenate([[0], np.cumsum(points.fraction, dtype=np.float64)])[starts])
    weights = np.diff(starts) - above
    weights[1:] += above[:-1]
    weights[weights < _NOTHING] = 0
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
    geometry: VolumeGeometry, plane: Plane, sampling: Sampling, first: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Slice below, flat index, fraction, row and column of the points of a plane that lie inside a volume."""
    slices, rows, columns = geometry.shape
    positions = _extended(np.asarray(geometry.positions))
    heights = _extended(np.asarray(geometry.distances)[:, None])[:, 0]
    along = _projected(plane, geometry.normal) - float(np.dot(geometry.positions[0], geometry.normal))
    places = [np.interp(along, heights, np.arange(-1.0, slices + 1))]
    axes = (geometry.column_direction, geometry.row_direction)
    for axis, spacing in zip(axes, geometry.pixel_spacing, strict=True):
        corner = np.interp(along, heights, positions @ np.asarray(axis))  # of the slice at that height
        places.append((_projected(plane, axis) - corner) / spacing)
    inside = np.ones(along.shape, np.bool_)
    for place, size in zip(places, (slices, rows, columns), strict=True):
        inside &= (place >= -0.5) & (place <= size - 0.5)
    index = np.flatnonzero(inside)
    last = (slices - 1, rows - 1, columns - 1)
    depth, row, column = (np.clip(place.ravel()[index], 0, end) for place, end in zip(places, last, strict=True))
    if sampling.interpolation == "nearest":
        depth = np.minimum(np.floor(depth + 0.5), slices - 1)
    below = np.floor(depth + _SNAP)
    fraction = (depth - below).astype(np.float32)
    fraction[fraction < _SNAP] = 0
    whole = (below.astype(np.int32), (index + first).astype(np.int32))
    return *whole, fraction, row.astype(np.float32), column.astype(np.float32)


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


def runs_of(points: Points, number: int) -> tuple[slice, int]:
    """The points that a slice has a part in, and how many of them, the first ones, lie below it."""
    first, own, last = (int(points.starts[place]) for place in (max(0, number - 1), number, number + 1))
    return slice(first, last), own - first
