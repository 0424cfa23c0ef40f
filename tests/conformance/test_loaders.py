"""What every loader owes: each built-in scheme, against a file and a server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from cornerstream.images.errors import ImageIdError, ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import ImageQuality
from cornerstream.loaders import BUILT_IN
from cornerstream.session import Session
from tests.support.leaks import nothing_left, turns
from tests.support.study import Served, served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from cornerstream.images.image import Image
    from cornerstream.phantom import PhantomStudy

SCHEMES = [scheme for scheme, _ in BUILT_IN]


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

    def nothing(self) -> str:
        """An image that is not there."""
        return self.one().replace(self.at.study.series[0].files[2].name, "no.dcm").replace("2.25.", "2.24.")

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


async def test_it_is_cold_and_two_subscriptions_are_two_loads(world: World) -> None:
    async with Session() as session:
        load = session.load(world.one(), keep=False)
        await turns()
        assert session.stats().running == 0
        first = await load
        second = await load
        assert first is not second
        assert session.stats().images == 2


async def test_cancelled_before_it_begins(world: World) -> None:
    async with Session() as session:
        load = session.load(world.one())
        load.cancel()
        heard: list[object] = []
        load.observable.subscribe(heard.append, heard.append, lambda: heard.append("completed"))
        with pytest.raises(asyncio.CancelledError):
            await load
        await turns()
        assert (heard, session.stats().images, session.stats().requests) == ([], 0, 0)


async def test_cancelled_at_every_turn_of_the_loop(world: World) -> None:
    """As many turns as a load takes, and one load cancelled at each of them."""
    async with Session() as session:
        for moment in range(40):
            load = session.load(world.one(), keep=False)
            heard: list[object] = []
            load.observable.subscribe(heard.append, heard.append, lambda: None)
            await turns(moment)
            load.cancel()
            count = len(heard)
            await turns()
            assert len(heard) == count
        await world.at.ledger.wait_until_idle()
        stats = session.stats()
        assert (stats.running, stats.open_requests, stats.cached_bytes) == (0, 0, 0)


async def test_cancelled_after_it_has_ended(world: World) -> None:
    async with Session() as session:
        load = session.load(world.one())
        images: list[Image] = []
        load.observable.subscribe(images.append)
        await load
        load.cancel()
        load.cancel()
        assert len(images) == 1
        assert session.cached(world.one())


async def test_what_is_not_there_is_a_typed_error_that_names_it(world: World) -> None:
    async with Session() as session:
        with pytest.raises(ImageLoadError) as caught:
            await session.load(world.nothing())
        assert str(caught.value).startswith(world.nothing())


async def test_frame_zero_and_one_too_many_are_refused(world: World) -> None:
    async with Session() as session:
        with pytest.raises(ImageIdError):
            session.load(world.cine(1).replace("frames/1", "frames/0").replace("frame=1", "frame=0"))
        with pytest.raises(ImageLoadError) as caught:
            await session.load(world.cine(13))
        assert str(caught.value).startswith(world.cine(13))
