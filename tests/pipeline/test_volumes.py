"""Whole series of real scanners: order, spacing and every voxel, from the folder and over DICOMweb."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cornerstream.operators.geometry import position_along, slice_normal
from cornerstream.server.running import running_server
from cornerstream.session import Session
from tests.support.corpus import corpus_root, expected

if TYPE_CHECKING:
    from cornerstream.images.image import Image
    from cornerstream.series import Series

pytestmark = pytest.mark.corpus
NAMES = ["ct_ge_head_28", "mr_brain_21", "mr_structural_t1w_120of384", "mr_tfl_96_jpegll_fragmented"]


def test_every_series_is_here() -> None:
    corpus_root()
    assert sorted(expected("series")) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_from_the_folder(name: str) -> None:
    async with Session() as session:
        listing = session.folder(corpus_root() / "series" / name)
        (series,) = await listing
        assert listing.skipped == {}
        await check(session, series, expected("series")[name])


@pytest.mark.parametrize("name", NAMES)
async def test_over_dicomweb(name: str) -> None:
    async with running_server(corpus_root() / "series" / name) as at, Session() as session:
        (study,) = await session.studies(at.dicomweb)
        (series,) = await session.study(at.dicomweb, study.study_instance_uid)
        await check(session, series, expected("series")[name])


async def check(session: Session, series: Series, wanted: dict[str, Any]) -> None:
    images: list[Image] = [image async for image in session.stream(series)]
    assert [image.sop_instance_uid for image in images] == [one["sop"] for one in wanted["slices_"]]
    positions = [position_of(image) for image in images]
    np.testing.assert_allclose(positions, [one["position_along_normal"] for one in wanted["slices_"]], atol=1e-3)
    spacing = np.diff(positions)
    assert spacing.min() == pytest.approx(wanted["spacing_between"]["min"], abs=1e-3)
    assert spacing.max() == pytest.approx(wanted["spacing_between"]["max"], abs=1e-3)
    assert images[0].pixel_spacing == pytest.approx(tuple(wanted["pixel_spacing"]), abs=1e-6)
    assert [(image.rescale_slope, image.rescale_intercept) for image in images] == [
        (one["slope"], one["intercept"]) for one in wanted["slices_"]
    ]
    volume = np.stack([image.pixels for image in images])
    assert volume.dtype == wanted["volume_dtype"]
    assert list(volume.shape) == wanted["volume_shape"]
    assert hashlib.sha256(volume.tobytes()).hexdigest() == wanted["volume_sha256"]


def position_of(image: Image) -> float:
    assert image.image_orientation_patient is not None
    assert image.image_position_patient is not None
    return position_along(slice_normal(image.image_orientation_patient), image.image_position_patient)
