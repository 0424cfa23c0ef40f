"""Pixels into memory of the caller's: alone, as a series, from the cache, out of a load in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cornerstream.images.errors import DecodeError
from cornerstream.session import Session
from tests.support.fakes import HeldLoader, registry_of
from tests.support.leaks import nothing_left, turns
from tests.support.study import served

if TYPE_CHECKING:
    from cornerstream.images.image import Image
    from cornerstream.phantom import PhantomStudy

ROUTES = ("dicomfile", "wadouri", "wadors")


@pytest.mark.parametrize("isolated", [False, True])
async def test_a_series_fills_a_volume(small_study: PhantomStudy, isolated: bool) -> None:
    async with nothing_left(), Session(isolated=isolated) as session:
        series_list = [one for one in await session.folder(small_study.folder) if one.modality == "CT"]
        assert len(series_list) == 3  # explicit, JPEG 2000, HTJ2K
        for series in series_list:
            usual = [image.pixels async for image in session.stream(series)]
            volume = np.full((len(series), 64, 64), 99, usual[0].dtype)
            images = [image async for image in session.stream(series, out=volume)]
            assert np.array_equal(volume, usual)
            assert all(np.shares_memory(image.pixels, place) for image, place in zip(images, volume, strict=True))
            assert volume.flags.writeable
            assert not any(image.pixels.flags.writeable for image in images)


@pytest.mark.parametrize("route", ROUTES)
async def test_every_route(small_study: PhantomStudy, route: str) -> None:
    async with nothing_left(), served(small_study) as at, Session() as session:
        series = small_study.series[0]
        address = f"dicomfile:{series.files[0]}" if route == "dicomfile" else getattr(at, route)(series, 0)
        out = np.zeros((64, 64), np.float32)
        image = await session.load(address, out=out)
        assert not session.cached(address)  # the caller may write into it
        usual = await session.load(address)
        assert usual.pixels.dtype == np.uint16
        assert np.array_equal(out, usual.pixels)
        assert np.array_equal(image.to_display(), usual.to_display())
        assert np.array_equal(image.to_modality(), usual.to_modality())
        out[:] = 0
        again = await session.load(address, out=out)  # out of the cache
        assert np.array_equal(out, usual.pixels)
        assert np.shares_memory(again.pixels, out)
        assert (await session.load(address)) is usual


async def test_colour(small_study: PhantomStudy) -> None:
    async with Session() as session:
        (cine,) = [one for one in await session.folder(small_study.folder) if one.modality != "CT"]
        usual = [image.pixels async for image in session.stream(cine)]
        assert usual[0].ndim == 3
        volume = np.zeros((len(cine), *usual[0].shape), np.uint8)
        assert len([image async for image in session.stream(cine, out=volume)]) == len(cine)
        assert np.array_equal(volume, usual)


async def test_what_does_not_fit_is_an_error_that_names_the_image(small_study: PhantomStudy) -> None:
    address = f"dicomfile:{small_study.series[0].files[0]}"
    async with nothing_left(), Session() as session:
        with pytest.raises(DecodeError, match=r"shape \(64, 65\), the image has \(64, 64\)") as caught:
            await session.load(address, out=np.zeros((64, 65), np.int16))
        assert str(caught.value).startswith(address)
        with pytest.raises(DecodeError, match="do not fit uint8"):
            await session.load(address, dtype=np.uint8)
        with pytest.raises(ValueError, match="5 places for 6 images"):
            session.stream([address] * 6, out=np.zeros((5, 64, 64), np.int16))
        assert (await session.load(address, dtype=np.float64)).pixels.dtype == np.float64
        assert session.stats().running == 0


async def test_a_load_in_flight_is_joined_and_copied() -> None:
    loader = HeldLoader()
    out, wrong = np.ones((8, 8), np.uint16), np.ones((9, 9), np.uint16)
    async with nothing_left(), Session(registry=registry_of(held=loader)) as session:
        plain = session.load("held:1").begin()
        await loader.until_started(1)
        placed, refused = session.load("held:1", out=out).begin(), session.load("held:1", out=wrong).begin()
        await turns()
        assert loader.started == ["held:1"]
        loader.release("held:1")
        assert np.shares_memory((await placed).pixels, out)
        assert not out.any()
        with pytest.raises(DecodeError, match="`out` has the shape"):
            await refused
        assert wrong.all()
        image = await plain  # undisturbed, and not in anybody's memory
        assert not np.shares_memory(image.pixels, out)
        assert session.cached("held:1")


async def test_loads_into_memory_of_ones_own_are_shared_with_nobody() -> None:
    """A loader that knows nothing of targets fills them all the same."""
    loader = HeldLoader()
    one, other = np.ones((8, 8), np.uint16), np.ones((8, 8), np.float32)
    async with nothing_left(), Session(registry=registry_of(held=loader)) as session:
        loads = [session.load("held:1", out=one), session.load("held:1", out=other)]
        futures = [load.begin() for load in loads]
        await loader.until_started(2)
        assert loader.started == ["held:1"] * 2
        loads[1].cancel()
        await loader.until_ended(1)
        loader.release("held:1")
        assert np.shares_memory((await futures[0]).pixels, one)
        assert futures[1].cancelled()
        assert other.all()
        assert session.stats().cached_bytes == 0


async def test_each_image_of_rising_quality_is_placed() -> None:
    loader = HeldLoader()
    loader.partial = True
    out = np.ones((8, 8), np.uint16)
    seen: list[Image] = []
    async with nothing_left(), Session(registry=registry_of(held=loader)) as session:
        load = session.load("held:1", out=out)
        load.observable.subscribe(seen.append)
        await loader.until_started(1)
        loader.release("held:1")
        await session.load("held:1")
        await loader.until_ended(2)
        assert len(seen) == 2
        assert all(np.shares_memory(image.pixels, out) for image in seen)
