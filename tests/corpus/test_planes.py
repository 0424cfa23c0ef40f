"""Planes through the real series, as SimpleITK has them: mean absolute difference of 0.01 HU at most (1 HU is wanted)."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest

from cornerstream.images.errors import GeometryError
from cornerstream.images.plane import Interpolation
from cornerstream.images.plane_address import PlaneAddress
from cornerstream.operators.volume_geometry import volume_geometry
from cornerstream.session import Session
from tests.support.corpus import corpus_root
from tests.support.resampler import between_centres, itk_plane

if TYPE_CHECKING:
    from cornerstream.images.volume import VolumeGeometry
    from cornerstream.operators.resample_planes import Orientation
    from cornerstream.series import Series

pytestmark = pytest.mark.corpus
OBLIQUE = ((0.6, 0.8, 0.0), (-0.48, 0.36, -0.8))
PLANES: list[Orientation | tuple[tuple[float, float, float], tuple[float, float, float]]] = [
    "axial",
    "coronal",
    "sagittal",
    OBLIQUE,
]
SERIES = {  # slices, tilted, even
    "ct_ge_head_28": (28, True, False),
    "mr_brain_21": (20, False, True),
    "mr_tfl_96_jpegll_fragmented": (96, False, True),
    "mr_structural_t1w_120of384": (120, False, True),
}


async def listed(session: Session, name: str) -> tuple[Series, VolumeGeometry]:
    (series,) = await session.folder(corpus_root() / "series" / name)
    return series, volume_geometry(series.image_ids, series.places)


@pytest.mark.parametrize("name", SERIES)
async def test_each_series_is_the_volume_that_it_is(name: str) -> None:
    slices, tilted, even = SERIES[name]
    async with Session() as session:
        _, geometry = await listed(session, name)
    assert (len(geometry.positions), geometry.is_sheared, geometry.is_even) == (slices, tilted, even)
    if name == "ct_ge_head_28":
        assert geometry.tilt_degrees == pytest.approx(18.5, abs=0.1)
        steps = np.diff(geometry.distances)
        assert (steps.min(), steps.max()) == pytest.approx((1.081, 6.999), abs=0.001)
        with pytest.raises(GeometryError, match="not evenly spaced"):
            _ = geometry.affine


@pytest.mark.parametrize("plane", PLANES, ids=str)
@pytest.mark.parametrize("name", ["ct_ge_head_28", "mr_structural_t1w_120of384"])
async def test_planes_are_those_of_simpleitk(
    name: str, plane: Orientation | tuple[tuple[float, float, float], tuple[float, float, float]]
) -> None:
    async with Session() as session:
        series, geometry = await listed(session, name)
        images = await session.volume(series, modality=True)
        planes = session.mpr(series, plane)
        for number in (len(planes) // 3, len(planes) // 2):
            image = await session.load(planes[number])
            expected = itk_plane(images.array, geometry, PlaneAddress.of(image.image_id).at(image.frame_number))
            both = np.isfinite(image.pixels) & np.isfinite(expected)
            difference = np.abs(np.asarray(image.pixels, np.float32) - expected)[both]
            assert both.sum() > 0.9 * np.isfinite(expected).sum() > 10_000
            assert difference.mean() <= 0.01


@pytest.mark.parametrize("first", [0, 14], ids=["4 mm", "7 mm"])
@pytest.mark.parametrize("interpolation", get_args(Interpolation))
async def test_the_evenly_spaced_parts_of_the_tilted_ct_by_every_interpolation(
    first: int, interpolation: Interpolation
) -> None:
    async with Session() as session:
        whole, _ = await listed(session, "ct_ge_head_28")
        (series,) = await session.placed(whole.image_ids[first : first + 14])
        geometry = volume_geometry(series.image_ids, series.places)
        assert geometry.is_even
        assert geometry.is_sheared
        images = await session.volume(series, modality=True)
        for plane in PLANES:
            planes = session.mpr(series, plane, interpolation=interpolation)
            image = await session.load(planes[len(planes) // 2])
            at = PlaneAddress.of(image.image_id).at(image.frame_number)
            expected = itk_plane(images.array, geometry, at, interpolation)
            inside = between_centres(geometry, at)
            assert inside.sum() > 50_000
            difference = np.abs(np.asarray(image.pixels, np.float32) - expected)[inside]
            assert difference.mean() <= 0.01  # NaN if a point of them is beyond the volume in one of both
