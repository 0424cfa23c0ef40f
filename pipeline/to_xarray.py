"""A series as an xarray DataArray: dimensions with names, coordinates in millimetres, attributes by DICOM keyword."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import GeometryError
from cornerstream.operators.volume_geometry import volume_geometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dask.array import Array as DaskArray
    from numpy.typing import NDArray
    from xarray import DataArray

    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.images.volume import Place, VolumeGeometry
    from cornerstream.series import Series

_NAMES = ("slice", "row", "column", "sample")
_OF_SERIES = ("study_instance_uid", "series_instance_uid", "modality", "series_number", "series_description")
_OF_FRAMES = (
    "photometric_interpretation",
    "pixel_spacing",
    "slice_thickness",
    "image_orientation_patient",
    "frame_of_reference_uid",
)


def data_array(
    data: NDArray[np.generic] | DaskArray,
    series: Series,
    first: FrameMetadata,
    places: Sequence[Place],
    *,
    modality: bool,
) -> DataArray:
    """Give pixels their names.

    Args:
        data: Images × rows × columns, or images × rows × columns × 3, in the order of the series.
        series: What they are of.
        first: What the header of the first image says.
        places: Where the images lie; empty if that is not known.
        modality: They are values after the modality LUT.
    """
    import xarray as xr  # noqa: PLC0415 - an extra

    geometry = geometry_of(series, places)
    names = _NAMES[: data.ndim]
    attributes = {name: getattr(series, name) for name in _OF_SERIES}
    attributes |= {name: getattr(first, name) for name in _OF_FRAMES}
    if modality:  # slope and intercept may differ from image to image, so that stored values have none to be named
        attributes["units"] = first.rescale_type or ("HU" if first.modality == "CT" else "")
    if geometry is not None:
        attributes["image_position_patient"] = geometry.origin
        if geometry.is_even:
            attributes["affine"] = geometry.affine.tolist()
    return xr.DataArray(
        data,
        dims=names,
        coords=_coordinates(series, first, geometry),
        attrs={name: value for name, value in attributes.items() if value not in (None, "")},
        name=series.modality or None,
    )


def geometry_of(series: Series, places: Sequence[Place]) -> VolumeGeometry | None:
    """Where the slices lie, if they are a volume in the order of the series."""
    if not places:
        return None
    try:
        geometry = volume_geometry(series.image_ids, places, allow_missing=True)
    except GeometryError:  # no volume, which is no fault: images side by side have no coordinates
        return None
    return geometry if geometry.image_ids == series.image_ids else None


def _coordinates(series: Series, first: FrameMetadata, geometry: VolumeGeometry | None) -> dict[str, Any]:
    """Millimetres from the first pixel of the first slice; slices along the normal, wherever gantry tilt shifts them."""
    coordinates: dict[str, Any] = {"image_id": ("slice", [str(image_id) for image_id in series])}
    in_mm = {"units": "mm"}
    if geometry is not None:
        between_rows, between_columns = geometry.pixel_spacing
        coordinates["slice"] = ("slice", np.asarray(geometry.distances), in_mm)
        coordinates["row"] = ("row", np.arange(first.rows) * between_rows, in_mm)
        coordinates["column"] = ("column", np.arange(first.columns) * between_columns, in_mm)
    return coordinates
