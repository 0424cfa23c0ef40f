"""From slices to the pixels of a plane, slice by slice: no volume is made, and none has to be there.

Interpolation inside a slice, and splines, are scipy.ndimage's; from slice to slice it is linear.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import GeometryError, ImageLoadError, LimitError
from cornerstream.operators.resample_points import Points, box_of, points_of, runs_of, slices_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cornerstream.images.image import Image
    from cornerstream.images.limits import Limits
    from cornerstream.images.plane import Plane, Sampling
    from cornerstream.images.volume import VolumeGeometry

_WHERE = 1e-2  # millimetres that an image may lie from where its header in the listing had it

Slice = tuple[int, "Image"]


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """A plane on its way: what the slices so far add up to. Its arrays are written to by one call after another.

    Attributes:
        geometry: Of the volume.
        sampling: How values are had.
        points: Where the plane's points lie.
        order: The slices it needs, in the order in which they are wanted.
        total: Sum of weighted values at each point, float32, of the points' shape.
        weight: Sum of weights there; 1 where all slices have come that a point needs, 0 where none has.
        stack: The part of the volume that cubic splines need, in modality units; `None` where none are wanted.
        first: The slice that `stack` begins with.
    """

    geometry: VolumeGeometry
    sampling: Sampling
    points: Points
    order: tuple[int, ...]
    total: NDArray[np.float32]
    weight: NDArray[np.float32]
    stack: NDArray[np.float32] | None = None
    first: int = 0


def begin_plane(geometry: VolumeGeometry, plane: Plane, sampling: Sampling, limits: Limits) -> Sampled:
    """Find out which slices a plane needs.

    A plane outside the volume needs one all the same, for what it says of values and windows.

    Raises:
        ImageLoadError: SciPy is not installed.
        LimitError: The plane has too many points, or cubic splines need too much memory.
        GeometryError: Cubic interpolation between slices that are not evenly spaced.
    """
    scipy_ndimage()
    points = points_of(geometry, plane, sampling, limits)
    order = tuple(slices_of(points, sampling)) or (len(geometry.positions) // 2,)
    zeros = np.zeros(points.shape, np.float32)
    sampled = Sampled(geometry, sampling, points, order, zeros, zeros.copy())
    if sampling.interpolation != "cubic" or not len(points.index):
        return sampled
    rows, columns = box_of(points, geometry.rows, geometry.columns)
    shape = (max(order) - min(order) + 1, rows.stop - rows.start, columns.stop - columns.start)
    if 4 * np.prod(shape, dtype=np.int64) > limits.decode_bytes:
        raise LimitError(f'{shape} values are more than the limit `decode_bytes`; take interpolation="linear"')
    return replace(sampled, stack=np.zeros(shape, np.float32), first=min(order))


def add_slices(sampled: Sampled, slices: Sequence[Slice]) -> Sampled:
    """Add what slices give to a plane.

    Args:
        sampled: The plane so far; its arrays are written to.
        slices: Images, each with its number in the volume, from 0.

    Raises:
        GeometryError: An image does not lie where the volume has it, or is of another size, or in colour.
    """
    sampled = _writable(sampled)
    for number, image in slices:
        _check(sampled.geometry, number, image)
        _add(sampled, number, image)
    return sampled


def pixels_of(sampled: Sampled) -> NDArray[np.float32]:
    """The pixels of a plane, as far as the slices so far give them: rows × columns, in modality units."""
    has = sampled.weight > 0
    values = np.divide(sampled.total, sampled.weight, out=np.zeros_like(sampled.total), where=has)
    return _combined(sampled, values, has)


def spline_pixels_of(sampled: Sampled) -> NDArray[np.float32]:
    """The pixels of a plane all of whose slices have come, by a cubic B-spline through them (`stack` is used up)."""
    sampled = _writable(sampled)
    points, stack = sampled.points, sampled.stack
    if stack is None:
        return pixels_of(sampled)
    ndimage = scipy_ndimage()
    for axis, size in enumerate(stack.shape):
        if size > 1:
            ndimage.spline_filter1d(stack, order=3, axis=axis, output=stack, mode="mirror")
    rows, columns = box_of(points, sampled.geometry.rows, sampled.geometry.columns)
    places = [points.below - sampled.first + points.fraction, points.row - rows.start, points.column - columns.start]
    found = ndimage.map_coordinates(stack, places, order=3, mode="mirror", output=np.float32, prefilter=False)
    values, has = np.zeros(points.shape, np.float32), np.zeros(points.shape, np.bool_)
    values.ravel()[points.index], has.ravel()[points.index] = found, True
    return _combined(sampled, values, has)


def scipy_ndimage() -> Any:
    """The module that interpolates.

    Raises:
        ImageLoadError: It is not installed; says what to install.
    """
    try:
        return import_module("scipy.ndimage")
    except ImportError as error:
        raise ImageLoadError("planes through a volume need SciPy: pip install 'cornerstream[derived]'") from error


def _writable(sampled: Sampled) -> Sampled:
    """The same where its arrays can be written to; what came from another process cannot."""
    if sampled.total.flags.writeable:
        return sampled
    stack = None if sampled.stack is None else sampled.stack.copy()
    return replace(sampled, total=sampled.total.copy(), weight=sampled.weight.copy(), stack=stack)


def _combined(sampled: Sampled, values: NDArray[np.float32], has: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The points through the slab as one value; those outside the volume, or not there yet, do not count."""
    fill = np.float32(sampled.sampling.fill)
    any_here = has.any(axis=0)
    if len(values) == 1:
        return np.where(any_here, values[0], fill)
    if sampled.sampling.combine == "mean":
        sums = np.sum(values, axis=0, where=has)
        mean: NDArray[np.float32] = np.divide(sums, has.sum(axis=0), out=np.full(sums.shape, fill), where=any_here)
        return mean
    largest = sampled.sampling.combine == "maximum"
    chosen = np.max(values, 0, initial=-np.inf, where=has) if largest else np.min(values, 0, initial=np.inf, where=has)
    return np.where(any_here, chosen, fill)


def _add(sampled: Sampled, number: int, image: Image) -> None:
    points = sampled.points
    run, lower = runs_of(points, number)
    values, slope, intercept = _linear(image)
    if run.stop > run.start:
        weight = 1 - points.fraction[run]
        weight[:lower] = points.fraction[run][:lower]  # these lie between the slice before and this one
        order = 0 if sampled.sampling.interpolation == "nearest" else 1
        places = (points.row[run], points.column[run])
        found = scipy_ndimage().map_coordinates(
            values, places, order=order, mode="nearest", output=np.float32, prefilter=False
        )
        index = points.index[run]
        sampled.total.ravel()[index] += weight * (found * slope + intercept)
        sampled.weight.ravel()[index] += weight
    if sampled.stack is not None:
        box = box_of(points, sampled.geometry.rows, sampled.geometry.columns)
        sampled.stack[number - sampled.first] = values[box].astype(np.float32) * slope + intercept


def _linear(image: Image) -> tuple[NDArray[np.generic], np.float32, np.float32]:
    """Values, and by what line they become modality units: interpolated ones do as well then."""
    if image.modality_lut is not None:
        return image.to_modality(), np.float32(1), np.float32(0)
    return image.pixels, np.float32(image.rescale_slope), np.float32(image.rescale_intercept)


def _check(geometry: VolumeGeometry, number: int, image: Image) -> None:
    expected = geometry.positions[number]
    position = image.image_position_patient
    if image.pixels.shape != (geometry.rows, geometry.columns):
        raise GeometryError(
            f"{image.image_id} has pixels of shape {image.pixels.shape}, not {geometry.rows} × {geometry.columns} grey ones",
            reason="size",
            image_ids=[image.image_id],
        )
    if position is None or max(abs(a - b) for a, b in zip(position, expected, strict=True)) > _WHERE:
        raise GeometryError(
            f"{image.image_id} lies at {position}, not at {expected}, where it lay when the volume was put together",
            reason="position",
            image_ids=[image.image_id],
        )
