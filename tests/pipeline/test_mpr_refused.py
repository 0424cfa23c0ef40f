"""What is no plane, or no volume, ends in the error that says why; mere image ids are placed first."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import GeometryError, ImageIdError, ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import ImageQuality
from cornerstream.series import Series
from tests.support.cancelling import turn_until
from tests.support.leaks import nothing_left
from tests.support.volumes import HeldSlices, made_volume, session_of

if TYPE_CHECKING:
    from cornerstream.session import Session

MADE = made_volume(shear=(0.0, 0.3))


async def test_mere_image_ids_have_to_be_placed_first() -> None:
    slices = HeldSlices(MADE, held=False)
    async with nothing_left(), session_of(slices) as session:
        with pytest.raises(GeometryError, match="mere image ids") as caught:
            session.mpr(list(slices.series), "axial")
        assert caught.value.reason == "position"
        (series,) = await session.placed([str(image_id) for image_id in slices.series])
        assert session.mpr(series)[0] == session.mpr(slices.series)[0]
        assert (await asyncio.to_thread(series.to_volume)).array.shape == MADE.array.shape
        assert (await asyncio.to_thread(session.mpr(series, "axial").to_array)).ndim == 3
        assert (series.modality, series.rows, series.columns, series.image_bytes) == ("CT", 24, 30, 1440)


async def test_placing_ends_with_the_first_error_and_leaves_the_others() -> None:
    slices = HeldSlices(MADE)
    slices.errors[2] = ImageLoadError("it broke", image_id="slice:2")
    async with nothing_left(), session_of(slices) as session:
        listing = asyncio.ensure_future(listed(session, slices))
        await slices.until_started(len(MADE.array))
        slices.release(2)
        with pytest.raises(ImageLoadError, match="slice:2: it broke"):
            await listing
        assert session.stats().running == 0
        assert await session.placed([]) == [Series(())]


@pytest.mark.parametrize("way", ["leave", "close"])
async def test_placing_that_is_left_midway_leaves_every_load(way: str) -> None:
    slices = HeldSlices(MADE)
    async with nothing_left(), session_of(slices) as session:
        listing = asyncio.ensure_future(listed(session, slices))
        await slices.until_started(len(MADE.array))
        slices.release(3)
        await turn_until(lambda: session.cached(slices.series[3]))
        engine = session._engine
        if way == "leave":
            listing.cancel()
        else:
            await session.aclose()
        with pytest.raises(asyncio.CancelledError):
            await listing
        await slices.until_ended(len(MADE.array))
        stats = engine.stats()
        assert (stats.running, stats.tasks, stats.images) == (0, 0, 1)  # the one that had come


async def listed(session: Session, slices: HeldSlices) -> list[Series]:
    return await session.placed(list(slices.series))


async def test_a_series_that_is_no_volume_ends_in_the_reason() -> None:
    twice = HeldSlices(made_volume((0, 1, 1, 2)))
    gap = HeldSlices(made_volume((0, 1, 2, 4, 5, 6)), held=False)
    async with nothing_left(), session_of(gap) as session:
        with pytest.raises(GeometryError) as caught:
            session.mpr(twice.series)
        assert (caught.value.reason, [one.address for one in caught.value.image_ids]) == ("duplicate", ["1", "2"])
        with pytest.raises(GeometryError, match="slices are missing"):
            session.mpr(gap.series)
        image = await session.load(session.mpr(gap.series, allow_missing=True)[3])
        assert image.quality is ImageQuality.COMPLETE


@pytest.mark.parametrize("options", [{"plane": "axle"}, {"combine": "sum"}, {"interpolation": "magic"}, {"slab": -1}])
async def test_what_there_is_not_is_refused_at_once(options: dict[str, str]) -> None:
    slices = HeldSlices(MADE)
    async with session_of(slices) as session:
        with pytest.raises(ValueError, match=r"none of|0 mm thick"):
            session.mpr(slices.series, **options)  # type: ignore[arg-type]  # that is what is tested


async def test_directions_that_are_none_are_refused() -> None:
    slices = HeldSlices(MADE)
    async with session_of(slices) as session:
        for row in ((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, math.nan, 1.0)):
            with pytest.raises(GeometryError, match="perpendicular unit vectors"):
                session.mpr(slices.series, (row, (1.0, 0.0, 0.0)))


@pytest.mark.parametrize("amount", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["spacing", "step"])
async def test_planes_and_their_pixels_are_millimetres_apart(name: str, amount: float) -> None:
    slices = HeldSlices(MADE)
    async with session_of(slices) as session:
        with pytest.raises(GeometryError, match=rf"{amount}") as caught:
            session.mpr(slices.series, **{name: amount})  # type: ignore[arg-type]  # both are numbers
    assert caught.value.reason == "spacing"


async def test_a_volume_that_the_session_does_not_know_is_refused() -> None:
    slices = HeldSlices(MADE)
    async with nothing_left(), session_of(slices) as session, session_of(slices) as other:
        image_id = session.mpr(slices.series)[0]
        with pytest.raises(ImageIdError, match="knows no such volume"):
            await other.load(image_id)
        with pytest.raises(ImageIdError, match="there is no plane"):
            await session.load(ImageId.parse(image_id).with_frame(10_000))
