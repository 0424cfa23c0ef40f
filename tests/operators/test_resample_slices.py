"""Planes of volumes, slice by slice, as SimpleITK has them of the whole."""

from __future__ import annotations

import math
import random
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import GeometryError, ImageLoadError, LimitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.images.metadata import LookupTable
from cornerstream.images.plane import Plane, Sampling
from cornerstream.operators.resample_planes import ORIENTATIONS, stack_of_planes
from cornerstream.operators.resample_points import slab_offsets
from cornerstream.operators.resample_slices import add_slices, begin_plane, pixels_of, spline_pixels_of
from tests.support.resampler import between_centres, itk_plane
from tests.support.volumes import MadeVolume, made_volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.plane import Combination, Interpolation

VOLUMES = {
    "straight": made_volume(),
    "tilted gantry": made_volume(shear=(0.0, math.tan(math.radians(20)))),
    "turned": made_volume(turned=0.7),
    "turned and sheared": made_volume(turned=-1.9, shear=(0.2, -0.1)),
    "two slices": made_volume((0, 3)),
}
UNEVEN = {
    "uneven": made_volume((0, 1, 2, 3, 7, 11, 15)),
    "uneven and tilted": made_volume((0, 4, 8, 12, 13, 20, 27, 34), shear=(0.0, -0.3), turned=0.4),
}
OBLIQUE = ((0.6, 0.8, 0.0), (-0.48, 0.36, -0.8))
INTERPOLATIONS: list[Interpolation] = ["nearest", "linear", "cubic"]


def whole(made: MadeVolume, plane: Plane, sampling: Sampling) -> NDArray[np.float32]:
    """The plane after the slices it asks for, in any order."""
    sampled = begin_plane(made.geometry, plane, sampling, DEFAULT_LIMITS)
    slices = [(number, made.image(number)) for number in sampled.order]
    random.Random(3).shuffle(slices)
    for start in range(0, len(slices), 3):
        sampled = add_slices(sampled, slices[start : start + 3])
    return spline_pixels_of(sampled)


def middle(made: MadeVolume, directions: tuple[tuple[float, float, float], ...], spacing: float = 0.71) -> Plane:
    first, step, count = stack_of_planes(made.geometry, (directions[0], directions[1]), spacing)
    return first.moved(step * (count // 2) + 0.17)


def compare(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Equal where both lie inside; on the rim it is rounding that decides."""
    both = np.isfinite(found) & np.isfinite(expected)
    assert both.sum() >= 0.9 * max(np.isfinite(found).sum(), np.isfinite(expected).sum()) > 0
    np.testing.assert_allclose(found[both], expected[both], atol=0.2)


@pytest.mark.parametrize("directions", [*ORIENTATIONS.values(), OBLIQUE], ids=[*ORIENTATIONS, "oblique"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("made", VOLUMES.values(), ids=VOLUMES)
def test_planes_of_even_volumes(
    made: MadeVolume, interpolation: Interpolation, directions: tuple[tuple[float, float, float], ...]
) -> None:
    plane = middle(made, directions)
    found = whole(made, plane, Sampling(interpolation))
    expected = itk_plane(made.hounsfield, made.geometry, plane, interpolation)
    if interpolation == "cubic":
        expected[~between_centres(made.geometry, plane)] = found[~between_centres(made.geometry, plane)]
    if interpolation != "nearest":
        compare(found, expected)
        return
    same = np.isclose(found, expected, equal_nan=True)  # half way between two pixels either is the nearest
    assert same.mean() > 0.98


@pytest.mark.parametrize("directions", [*ORIENTATIONS.values(), OBLIQUE], ids=[*ORIENTATIONS, "oblique"])
@pytest.mark.parametrize("made", UNEVEN.values(), ids=UNEVEN)
def test_planes_of_uneven_volumes(made: MadeVolume, directions: tuple[tuple[float, float, float], ...]) -> None:
    plane = middle(made, directions)
    found, expected = whole(made, plane, Sampling()), itk_plane(made.hounsfield, made.geometry, plane)
    both = np.isfinite(found) & np.isfinite(expected)  # ours has half a slice more at both ends
    assert both.sum() >= 0.95 * np.isfinite(expected).sum() > 0
    np.testing.assert_allclose(found[both], expected[both], atol=0.2)


def test_a_slice_s_own_plane_is_the_slice() -> None:
    made = made_volume((0, 1, 2, 3, 7, 11), turned=0.3, shear=(0.1, 0.2))
    of = made.geometry
    for number in (0, 3, 5):
        plane = Plane(
            of.positions[number], of.row_direction, of.column_direction, of.pixel_spacing, of.rows, of.columns
        )
        np.testing.assert_allclose(whole(made, plane, Sampling()), made.hounsfield[number], atol=0.1)
        assert number in begin_plane(of, plane, Sampling(), DEFAULT_LIMITS).order


@pytest.mark.parametrize("combine", ["mean", "maximum", "minimum"])
def test_slabs_are_planes_combined(combine: Combination) -> None:
    made = VOLUMES["turned"]
    plane, sampling = middle(made, OBLIQUE), Sampling(slab=6.0, combine=combine)
    offsets = slab_offsets(made.geometry, plane, sampling)
    assert len(offsets) >= 3
    assert np.ptp(offsets) < 6
    planes = [itk_plane(made.hounsfield, made.geometry, plane.moved(offset)) for offset in offsets]
    combined: dict[str, Any] = {"mean": np.nanmean, "maximum": np.nanmax, "minimum": np.nanmin}
    everywhere = np.isfinite(planes).all(axis=0)
    found = whole(made, plane, sampling)
    assert everywhere.sum() > 200
    np.testing.assert_allclose(found[everywhere], combined[combine](np.stack(planes)[:, everywhere], axis=0), atol=0.2)


def test_a_slab_of_splines() -> None:
    made = VOLUMES["straight"]
    plane, sampling = middle(made, ORIENTATIONS["coronal"]), Sampling("cubic", slab=3.0)
    offsets = slab_offsets(made.geometry, plane, sampling)
    planes = [itk_plane(made.hounsfield, made.geometry, plane.moved(offset), "cubic") for offset in offsets]
    compare(whole(made, plane, sampling), np.mean(planes, axis=0))


def test_outside_is_nan_or_what_is_asked_for() -> None:
    made = made_volume()
    plane = middle(made, ORIENTATIONS["axial"]).moved(500)
    assert np.isnan(whole(made, plane, Sampling())).all()
    assert (whole(made, plane, Sampling(fill=-1000.0)) == -1000).all()
    assert (whole(made, plane, Sampling("cubic", fill=-1000.0)) == -1000).all()
    assert len(begin_plane(made.geometry, plane, Sampling(), DEFAULT_LIMITS).order) == 1


def test_only_slices_that_a_plane_meets_are_wanted_the_nearest_first() -> None:
    made = made_volume()
    first, step, _ = stack_of_planes(made.geometry, ORIENTATIONS["axial"])
    sampled = begin_plane(made.geometry, first.moved(3.3 * step), Sampling(), DEFAULT_LIMITS)
    assert sampled.order == (3, 4)
    assert begin_plane(made.geometry, first.moved(3.3 * step), Sampling("nearest"), DEFAULT_LIMITS).order == (3,)
    assert begin_plane(made.geometry, first.moved(4 * step), Sampling(), DEFAULT_LIMITS).order[0] == 4
    across = begin_plane(made.geometry, middle(made, ORIENTATIONS["coronal"]), Sampling(), DEFAULT_LIMITS)
    assert sorted(across.order) == list(range(11))
    assert max(abs(a - b) for a, b in zip(across.order[:3], across.order[1:4], strict=True)) >= 2


@pytest.mark.parametrize("nearly", [0.0, 1e-6, -1e-6])
def test_a_plane_on_a_slice_needs_no_other(nearly: float) -> None:
    made = made_volume()
    of = made.geometry
    plane = Plane(of.positions[4], of.row_direction, of.column_direction, of.pixel_spacing, of.rows, of.columns)
    assert begin_plane(of, plane.moved(nearly), Sampling(), DEFAULT_LIMITS).order == (4,)
    np.testing.assert_allclose(whole(made, plane.moved(nearly), Sampling()), made.hounsfield[4], atol=0.01)


def test_what_has_come_so_far_is_shown_as_far_as_it_goes() -> None:
    made = made_volume()
    plane = middle(made, ORIENTATIONS["coronal"])
    sampled = begin_plane(made.geometry, plane, Sampling(fill=7.0), DEFAULT_LIMITS)
    expected, shown = whole(made, plane, Sampling(fill=7.0)), [0]
    for number in sampled.order:
        sampled = add_slices(sampled, [(number, made.image(number))])
        shown.append(int((pixels_of(sampled) != 7).sum()))
    assert shown == sorted(shown)
    assert 0 < shown[1] < shown[-1]
    np.testing.assert_array_equal(pixels_of(sampled), expected)


def test_a_modality_table_is_applied_before_values_are_mixed() -> None:
    made = made_volume((0, 2))
    table = LookupTable(np.arange(4096, dtype=np.uint16)[::-1].copy(), -2048, 16)
    of = made.geometry
    plane = Plane((of.positions[0]), of.row_direction, of.column_direction, of.pixel_spacing, of.rows, of.columns)
    sampled = begin_plane(of, plane, Sampling(), DEFAULT_LIMITS)
    slices = [(number, made.image(number, modality_lut=table)) for number in (0, 1)]
    expected = slices[0][1].to_modality().astype(np.float32)
    np.testing.assert_allclose(pixels_of(add_slices(sampled, slices)), expected, atol=0.1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_position_patient": (0.0, 0.0, 0.0)}, "position"),
        ({"image_position_patient": None}, "position"),
        ({"rows": 2, "columns": 2, "pixels": np.zeros((2, 2), np.int16)}, "size"),
        ({"pixels": np.zeros((24, 30, 3), np.uint8)}, "size"),
    ],
)
def test_a_slice_that_is_not_what_the_volume_has_is_refused(changes: dict[str, object], reason: str) -> None:
    made = made_volume()
    sampled = begin_plane(made.geometry, middle(made, ORIENTATIONS["axial"]), Sampling(), DEFAULT_LIMITS)
    with pytest.raises(GeometryError) as caught:
        add_slices(sampled, [(5, made.image(5, **changes))])
    assert caught.value.reason == reason
    assert [str(one) for one in caught.value.image_ids] == ["slice:5"]


def test_cubic_splines_between_uneven_slices_are_refused() -> None:
    made = UNEVEN["uneven"]
    with pytest.raises(GeometryError, match='interpolation="linear"') as caught:
        begin_plane(made.geometry, middle(made, OBLIQUE), Sampling("cubic"), DEFAULT_LIMITS)
    assert caught.value.reason == "uneven"


@pytest.mark.parametrize(
    ("limits", "sampling", "name"),
    [
        (Limits(frame_pixels=100), Sampling(), "frame_pixels"),
        (Limits(decode_bytes=1_000_000), Sampling(slab=500.0), "decode_bytes"),
        (Limits(decode_bytes=1000), Sampling("cubic"), "decode_bytes"),
    ],
)
def test_more_than_the_limits_allow_is_refused_before_it_is_allocated(
    limits: Limits, sampling: Sampling, name: str
) -> None:
    made = made_volume()
    with pytest.raises(LimitError, match=name):
        begin_plane(made.geometry, middle(made, ORIENTATIONS["axial"]), sampling, limits)


def test_without_scipy_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.ndimage", None)
    made = made_volume()
    with pytest.raises(ImageLoadError, match=r"pip install 'cornerstream\[derived\]'"):
        begin_plane(made.geometry, middle(made, OBLIQUE), Sampling(), DEFAULT_LIMITS)


def test_slices_of_another_slope_each_keep_their_own() -> None:
    made = made_volume((0, 2))
    of = made.geometry
    plane = Plane(of.positions[0], of.row_direction, of.column_direction, of.pixel_spacing, of.rows, of.columns).moved(
        1
    )
    sampled = begin_plane(of, plane, Sampling(), DEFAULT_LIMITS)
    slices = [(0, made.image(0)), (1, made.image(1, rescale_slope=5.0, rescale_intercept=3.0))]
    expected = (made.hounsfield[0] + 5.0 * made.array[1] + 3) / 2
    np.testing.assert_allclose(pixels_of(add_slices(sampled, slices)), expected, atol=0.1)
    assert replace(slices[0][1]).rescale_slope == 2


def hundredths(most: float) -> st.SearchStrategy[float]:
    """Numbers that SimpleITK's own inverse of a matrix bears."""
    return st.integers(round(-100 * most), round(100 * most)).map(lambda number: number / 100)


@settings(max_examples=60)
@given(st.data())
def test_any_plane_of_any_volume(data: st.DataObject) -> None:
    angle, shear = hundredths(3.1), hundredths(0.4)
    heights = np.cumsum(data.draw(st.lists(st.sampled_from([0.7, 1.0, 2.5]), min_size=2, max_size=8))).tolist()
    made = made_volume(
        heights, shape=(9, 11), shear=(data.draw(shear), data.draw(shear)), turned=data.draw(angle), seed=5
    )
    a, b = data.draw(angle), data.draw(hundredths(1.5))
    row = (math.cos(a) * math.cos(b), math.sin(a) * math.cos(b), math.sin(b))
    first, step, count = stack_of_planes(made.geometry, (row, (-math.sin(a), math.cos(a), 0.0)), 0.9)
    plane = first.moved(step * abs(data.draw(hundredths(1.0))) * count)
    found, expected = whole(made, plane, Sampling()), itk_plane(made.hounsfield, made.geometry, plane)
    both = np.isfinite(found) & np.isfinite(expected)
    np.testing.assert_allclose(found[both], expected[both], atol=0.3)
    if made.geometry.deviation < 1e-3:
        rim = np.isfinite(found) != np.isfinite(expected)
        assert rim.sum() <= 0.02 * found.size  # within rounding of half a pixel outside
