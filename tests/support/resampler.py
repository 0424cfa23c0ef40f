"""SimpleITK, the resampler that is compared with."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.plane import Plane
    from cornerstream.images.volume import VolumeGeometry

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # SWIG's types, on Python 3.12 and later
    sitk: Any = import_module("SimpleITK")  # its stubs have no types

INTERPOLATORS = {"nearest": "sitkNearestNeighbor", "linear": "sitkLinear", "cubic": "sitkBSpline3"}


def itk_plane(
    array: NDArray[np.generic], geometry: VolumeGeometry, plane: Plane, interpolation: str = "linear"
) -> NDArray[np.float32]:
    """A plane of a volume by SimpleITK, in the array's values; NaN outside.

    Its images have one affine, which may have a shear. A volume of uneven spacing is resampled between each two of its
    slices by itself, which is the whole of it for linear interpolation.
    """
    if geometry.is_even and geometry.deviation < 1e-3:
        return _resampled(array, geometry.affine, plane, interpolation)
    result = np.full((plane.rows, plane.columns), np.nan, np.float32)
    for number in range(len(array) - 1):
        affine = np.eye(4)
        affine[:3, 0] = np.multiply(geometry.row_direction, geometry.pixel_spacing[1])
        affine[:3, 1] = np.multiply(geometry.column_direction, geometry.pixel_spacing[0])
        affine[:3, 2] = np.subtract(geometry.positions[number + 1], geometry.positions[number])
        affine[:3, 3] = geometry.positions[number]
        part = _resampled(array[number : number + 2], affine, plane, interpolation)
        height = _heights(geometry, plane)
        low, high = geometry.distances[number], geometry.distances[number + 1]
        between = (height >= low) & (height <= high)
        result[between] = part[between]
    return result


def between_centres(geometry: VolumeGeometry, plane: Plane) -> NDArray[np.bool_]:
    """The points of a plane that lie between pixel centres on all sides: beyond, splines are continued in several ways.

    The last centres do not count. There ITK's spline gives a weight of nought to a pixel beyond, which it takes from its
    mirror image; of two slices there is none, it reads beside its memory, and nought times that is not always a number.
    """
    columns, rows = np.meshgrid(np.arange(plane.columns), np.arange(plane.rows))
    points = np.asarray(plane.origin) + np.multiply.outer(columns * plane.pixel_spacing[1], plane.row_direction)
    points += np.multiply.outer(rows * plane.pixel_spacing[0], plane.column_direction)
    affine = np.linalg.inv(geometry.affine)
    indices = points @ affine[:3, :3].T + affine[:3, 3]
    inside: NDArray[np.bool_] = ((indices >= 0) & (indices < np.array(geometry.shape)[::-1] - 1 - 1e-6)).all(axis=-1)
    return inside


def _heights(geometry: VolumeGeometry, plane: Plane) -> NDArray[np.float64]:
    down = np.arange(plane.rows)[:, None, None] * plane.pixel_spacing[0] * np.asarray(plane.column_direction)
    across = np.arange(plane.columns)[None, :, None] * plane.pixel_spacing[1] * np.asarray(plane.row_direction)
    points = np.asarray(plane.origin) + down + across - np.asarray(geometry.positions[0])
    heights: NDArray[np.float64] = points @ np.asarray(geometry.normal)
    return heights


def _resampled(
    array: NDArray[np.generic], affine: NDArray[np.float64], plane: Plane, interpolation: str
) -> NDArray[np.float32]:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(1)  # where a line of pixels begins decides how its rim is rounded
    resampler.SetSize([plane.columns, plane.rows, 1])
    resampler.SetOutputSpacing([plane.pixel_spacing[1], plane.pixel_spacing[0], 1.0])
    resampler.SetOutputOrigin(plane.origin)
    axes = np.column_stack([plane.row_direction, plane.column_direction, plane.normal])
    resampler.SetOutputDirection(axes.ravel().tolist())
    resampler.SetInterpolator(getattr(sitk, INTERPOLATORS[interpolation]))
    resampler.SetDefaultPixelValue(float("nan"))
    result: NDArray[np.float32] = sitk.GetArrayFromImage(resampler.Execute(image))[0]
    return result
