"""Where slices lie: normals, positions along them, and the order of a series (PS3.3 C.7.6.2)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cornerstream.images.metadata import FrameMetadata

T = TypeVar("T")
Vector = tuple[float, float, float]


def slice_normal(image_orientation_patient: Sequence[float]) -> Vector:
    """The unit normal of a slice: row direction × column direction, in LPS axes.

    Args:
        image_orientation_patient: Six direction cosines, the row's then the column's.

    >>> slice_normal((1, 0, 0, 0, 1, 0))
    (0.0, 0.0, 1.0)
    """
    a, b, c, d, e, f = image_orientation_patient
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*normal) or 1.0
    return (normal[0] / length, normal[1] / length, normal[2] / length)


def position_along(normal: Vector, image_position_patient: Sequence[float]) -> float:
    """The distance of a slice's first pixel from the origin along a normal, in millimetres."""
    return sum(n * p for n, p in zip(normal, image_position_patient, strict=True))


def sort_by_position(items: Iterable[T], key: Callable[[T], FrameMetadata]) -> list[T]:
    """Sort by position along the slice normal, then instance number, then frame number; stable.

    One normal holds for the whole series, that of the first item with an orientation. Items without a position come
    last, by instance number.

    Args:
        items: What to sort.
        key: The metadata of an item.
    """
    known = list(items)
    orientations = (key(item).image_orientation_patient for item in known)
    orientation = next((one for one in orientations if one is not None), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    normal = slice_normal(orientation)

    def order(item: T) -> tuple[bool, float, float, int]:
        metadata = key(item)
        position = metadata.image_position_patient
        along = 0.0 if position is None else position_along(normal, position)
        number = math.inf if metadata.instance_number is None else metadata.instance_number
        return position is None, along, number, metadata.frame_number

    return sorted(known, key=order)
