"""What the loaders of DICOM owe beyond the conformance suite: the attributes of the data set, and every frame."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import ImageQuality
from cornerstream.session import Session
from tests.support.leaks import nothing_left
from tests.support.study import Served, served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy

SCHEMES = ["dicomfile", "dicomweb", "wadors", "wadouri"]


@dataclass(frozen=True, slots=True)
class World:
    """Where the images of one scheme are."""

    scheme: str
    at: Served

    def one(self) -> str:
        """A single-frame grey image."""
        return self._id(0, 2)

    def cine(self, frame_number: int) -> str:
        """A frame of the colour cine."""
        return self._id(-1, frame_number - 1)

    def file(self) -> Path:
        """The file of `one`."""
        return self.at.study.series[0].files[2]

    def _id(self, series: int, index: int) -> str:
        of = self.at.study.series[series]
        if self.scheme == "dicomfile":
            one = len(of.files) == 1
            return f"dicomfile:{of.files[0 if one else index]}" + (f"?frame={index + 1}" if one else "")
        if self.scheme == "wadors":
            return self.at.wadors(of, index)
        return self.at.wadouri(of, index).replace("wadouri:", f"{self.scheme}:")


@pytest.fixture(params=SCHEMES)
async def world(request: pytest.FixtureRequest, small_study: PhantomStudy) -> AsyncGenerator[World, None]:
    async with nothing_left(), served(small_study) as at:
        yield World(request.param, at)


async def test_the_image_is_right_and_complete(world: World) -> None:
    async with Session() as session:
        images = [image async for image in session.load(world.one())]
    header = pydicom.dcmread(world.file())
    qualities = [image.quality for image in images]
    assert qualities == sorted(qualities)
    last = images[-1]
    assert last.quality is ImageQuality.COMPLETE
    np.testing.assert_array_equal(last.pixels, header.pixel_array)
    assert not last.pixels.flags.writeable
    assert last.image_id == ImageId.parse(world.one())
    assert last.sop_instance_uid == header.SOPInstanceUID
    assert last.transfer_syntax_uid == header.file_meta.TransferSyntaxUID
    assert last.image_position_patient == tuple(header.ImagePositionPatient)
    assert last.image_orientation_patient == tuple(header.ImageOrientationPatient)
    assert last.pixel_spacing == tuple(header.PixelSpacing)
    assert last.frame_of_reference_uid == header.FrameOfReferenceUID
    assert last.instance_number == header.InstanceNumber
    assert (last.rescale_slope, last.rescale_intercept) == (header.RescaleSlope, header.RescaleIntercept)
    assert last.timings["decompress"] >= 0
    assert last.to_display().dtype == np.uint8


async def test_each_frame_of_a_multi_frame_instance(world: World) -> None:
    async with Session() as session:
        numbers = list(range(1, 13))
        images = await asyncio.gather(*(session.load(world.cine(number)) for number in numbers))
    assert [image.frame_number for image in images] == numbers
    assert [image.pixels.shape for image in images] == [(64, 64, 3)] * 12
    assert len({image.pixels.tobytes() for image in images}) == 12
    assert {image.photometric_interpretation for image in images} == {"RGB"}
    assert {image.photometric_interpretation_found for image in images} == {"YBR_FULL_422"}
