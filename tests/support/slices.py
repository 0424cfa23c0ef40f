"""Series of slices as files, each with what a test wants to be different."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.uid import CTImageStorage

from tests.support.part10 import image_data_set

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_slices(
    folder: Path,
    count: int,
    change: Callable[[int], dict[str, Any]] = lambda _: {},
    *,
    size: tuple[int, int] = (6, 5),
    spacing: float = 2.5,
) -> list[Path]:
    """Write axial CT slices of int16 whose values are 100 × index + pixel number.

    Args:
        folder: Where.
        count: Slices.
        change: Attributes of the slice of an index, by keyword; `None` leaves one out.
        size: Rows and columns.
        spacing: Millimetres between slices.
    """
    return [_write(folder / f"{index:04}.dcm", index, change(index), size, spacing) for index in range(count)]


def _write(path: Path, index: int, change: dict[str, Any], size: tuple[int, int], spacing: float) -> Path:
    rows, columns = size
    values = (np.arange(rows * columns) % 100 + 100 * index).astype("<i2")
    attributes: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": f"1.2.3.{index + 1}",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.99",
        "SeriesDescription": "Slices",
        "SeriesNumber": 4,
        "Modality": "CT",
        "InstanceNumber": index + 1,
        "FrameOfReferenceUID": "1.2.3.98",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "PixelSpacing": [0.5, 0.75],
        "SliceThickness": spacing,
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [-10, -20, spacing * index],
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "RescaleType": "HU",
        "WindowCenter": 40,
        "WindowWidth": 400,
        "PixelData": values.tobytes(),
    }
    attributes |= change
    data_set = image_data_set(**{name: value for name, value in attributes.items() if value is not None})
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    data_set.save_as(path, enforce_file_format=True)
    return path
