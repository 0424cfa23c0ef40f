"""From images to the geometry of a volume, or to the reason why they are none (PS3.3 C.7.6.2).

| found | what becomes of it |
| --- | --- |
| gantry tilt up to 45° | represented: positions as they are, a shear in the affine |
| uneven spacing | represented: positions as they are; there is no affine (its property says so) |
| missing slices | refused, or bridged with `allow_missing` |
| several images in one place, other orientation, size, spacing, frame of reference, no position, one slice | refused |
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import GeometryError
from cornerstream.images.volume import Vector, VolumeGeometry, vector
from cornerstream.operators.geometry import position_along, slice_normal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cornerstream.images.image_id import ImageId
    from cornerstream.images.volume import Placed

_COSINE = 1e-4  # in a direction; what rounding to four digits leaves
_UNIT = 1e-2  # of the length of a direction, and of the angle between two
_RELATIVE = 1e-4  # of a pixel spacing
_SAME_PLACE = 1e-3  # millimetres; or that part of the usual distance between slices
_GAP = 1.5  # times the distances on both sides of it: a slice is missing
_LONGEST_GAP_RUN = 2  # more such distances in a row are how the scan was made
_MAX_TILT = 45.0  # degrees; gantries tilt by 30 at most


def volume_geometry(
    image_ids: Sequence[ImageId], places: Sequence[Placed], *, allow_missing: bool = False
) -> VolumeGeometry:
    """Find out where the slices of a volume lie.

    Args:
        image_ids: The images, in any order.
        places: Where each lies: images, their metadata, or `Place`s, in the same order.
        allow_missing: Where slices are missing their neighbours are joined, as in a series with uneven spacing.

    Raises:
        GeometryError: They are no volume; `reason` says why and `image_ids` which images are concerned.
    """
    found = list(zip(image_ids, places, strict=True))
    if len(found) < 2:
        raise GeometryError("one slice is no volume", reason="single", image_ids=tuple(image_ids))
    _need_places(found)
    _need_alike(found)
    normal = slice_normal(_orientation(found[0][1]))
    along = sorted((position_along(normal, _position(place)), index) for index, (_, place) in enumerate(found))
    ordered = [found[index] for _, index in along]
    distances = [distance for distance, _ in along]
    _need_distances(ordered, distances)
    if not allow_missing:
        _need_all(ordered, distances)
    geometry = _geometry(ordered)
    if geometry.tilt_degrees > _MAX_TILT:
        raise GeometryError(
            f"the slices are shifted by {geometry.tilt_degrees:.0f}° against their normal: they are no stack",
            reason="tilt",
            image_ids=geometry.image_ids,
        )
    return geometry


def missing_after(distances: Sequence[float], thicknesses: Sequence[float | None]) -> list[int]:
    """After which slices others are missing.

    A distance of 1.5 times those on both sides of it or more is a gap, and so are two in a row, unless the slices are as
    thick as it. A scan with several spacings has longer runs of each, and its last run may be any.

    Args:
        distances: Of each slice from the first, along the normal; ascending.
        thicknesses: Of each slice, where it is known.

    >>> missing_after([0, 2, 4, 8, 10, 12], [None] * 6)
    [2]
    >>> missing_after([0, 4, 8, 12, 19, 26, 33], [None] * 7)
    []
    """
    steps = [after - before for before, after in pairwise(distances)]
    return [
        index
        for first, last in _runs(steps)
        if _stands_out(steps, first, last)
        for index in range(first, last)
        if not _covered(steps[index], thicknesses[index], thicknesses[index + 1])
    ]


def _runs(steps: Sequence[float]) -> list[tuple[int, int]]:
    """Runs of about the same distance: [first, last)."""
    starts = [0, *(i for i in range(1, len(steps)) if not _alike(steps[i - 1], steps[i])), len(steps)]
    return list(pairwise(starts))


def _stands_out(steps: Sequence[float], first: int, last: int) -> bool:
    before, after = steps[max(0, first - 1) : first], steps[last : last + 1]
    longest = _LONGEST_GAP_RUN if before and after else 1
    beside = [*before, *after]
    return bool(beside) and last - first <= longest and min(steps[first:last]) >= _GAP * max(beside)


def _alike(a: float, b: float) -> bool:
    return max(a, b) < _GAP * min(a, b)


def _covered(step: float, *thicknesses: float | None) -> bool:
    return all(thickness is not None and thickness >= 0.95 * step for thickness in thicknesses)


_Found = tuple["ImageId", "Placed"]


def _need_places(found: Sequence[_Found]) -> None:
    """Every image says where it lies, and that is possible."""
    _refuse(
        found,
        lambda place: place.image_position_patient is None or not _finite(place.image_position_patient),
        "position",
        "without Image Position (Patient): they are no slices in space",
    )
    _refuse(
        found,
        lambda place: place.image_orientation_patient is None or not _is_orientation(place.image_orientation_patient),
        "orientation",
        "without an Image Orientation (Patient) of two perpendicular unit vectors",
    )
    _refuse(
        found,
        lambda place: place.pixel_spacing is None or not _finite(place.pixel_spacing) or min(place.pixel_spacing) <= 0,
        "spacing",
        "without Pixel Spacing",
    )


def _need_alike(found: Sequence[_Found]) -> None:
    """All images are of one orientation, size, spacing and frame of reference."""
    first = found[0][1]
    orientation, spacing = np.asarray(_orientation(first)), np.asarray(first.pixel_spacing)
    size, frame = (first.rows, first.columns), first.frame_of_reference_uid or ""
    other = "than the first image; a series of several volumes has to be divided first"
    _refuse(
        found,
        lambda place: bool(np.abs(np.asarray(_orientation(place)) - orientation).max() > _COSINE),
        "orientation",
        f"with another orientation {other}",
    )
    _refuse(found, lambda place: (place.rows, place.columns) != size, "size", f"of another size {other}")
    _refuse(
        found,
        lambda place: bool(np.abs(np.asarray(place.pixel_spacing) / spacing - 1).max() > _RELATIVE),
        "spacing",
        f"with another pixel spacing {other}",
    )
    _refuse(
        found,
        lambda place: (place.frame_of_reference_uid or "") != frame,
        "frame_of_reference",
        f"in another frame of reference {other}",
    )


def _need_distances(ordered: Sequence[_Found], distances: Sequence[float]) -> None:
    """No two slices lie in one place."""
    steps = np.diff(distances)
    near = max(_SAME_PLACE, _SAME_PLACE * float(np.median(steps)))
    same = sorted({index + one for index in np.flatnonzero(steps <= near).tolist() for one in (0, 1)})
    if same:
        raise GeometryError(
            f"{len(same)} of {len(ordered)} images share their place with another: they are several volumes (times, "
            "echoes, localizers) or copies; pass one of each place",
            reason="duplicate",
            image_ids=[ordered[index][0] for index in same],
        )


def _need_all(ordered: Sequence[_Found], distances: Sequence[float]) -> None:
    """No slice is missing."""
    gaps = missing_after(distances, [place.slice_thickness for _, place in ordered])
    if gaps:
        widths = ", ".join(f"{distances[index + 1] - distances[index]:.2f}" for index in gaps[:5])
        raise GeometryError(
            f"slices are missing: {len(gaps)} gaps, of {widths} mm; `allow_missing=True` interpolates across",
            reason="missing",
            image_ids=[ordered[index + side][0] for index in gaps for side in (0, 1)],
        )


def _geometry(ordered: Sequence[_Found]) -> VolumeGeometry:
    first = ordered[0][1]
    row, column = _directions(_orientation(first))
    assert first.pixel_spacing is not None
    return VolumeGeometry(
        image_ids=tuple(image_id for image_id, _ in ordered),
        rows=first.rows,
        columns=first.columns,
        row_direction=row,
        column_direction=column,
        pixel_spacing=first.pixel_spacing,
        positions=tuple(_position(place) for _, place in ordered),
        frame_of_reference_uid=first.frame_of_reference_uid or "",
    )


def _directions(orientation: Sequence[float]) -> tuple[Vector, Vector]:
    """The two directions, exactly of length 1 and perpendicular."""
    row = np.asarray(orientation[:3], dtype=np.float64)
    row /= np.linalg.norm(row)
    column = np.asarray(orientation[3:], dtype=np.float64)
    column -= row * (row @ column)
    column /= np.linalg.norm(column)
    return vector(row), vector(column)


def _refuse(found: Sequence[_Found], is_wrong: Callable[[Placed], bool], reason: str, message: str) -> None:
    wrong = [image_id for image_id, place in found if is_wrong(place)]
    if wrong:
        raise GeometryError(f"{len(wrong)} of {len(found)} images {message}", reason=reason, image_ids=wrong)


def _is_orientation(values: Sequence[float]) -> bool:
    row, column = np.asarray(values[:3]), np.asarray(values[3:])
    if not _finite(values):
        return False
    lengths = (np.linalg.norm(row), np.linalg.norm(column))
    return all(abs(length - 1) <= _UNIT for length in lengths) and abs(float(row @ column)) <= _UNIT


def _finite(values: Iterable[float]) -> bool:
    return all(math.isfinite(value) for value in values)


def _position(place: Placed) -> Vector:
    assert place.image_position_patient is not None
    return place.image_position_patient


def _orientation(place: Placed) -> tuple[float, ...]:
    assert place.image_orientation_patient is not None
    return place.image_orientation_patient
