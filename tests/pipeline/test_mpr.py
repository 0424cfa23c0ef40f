"""Planes through a series: as a series, refined while slices come, cancelled, evicted, and of one another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cornerstream.images.errors import GeometryError, ImageLoadError
from cornerstream.images.metadata import ImageQuality
from cornerstream.images.plane_address import PlaneAddress
from cornerstream.operators.derive_sources import AT_ONCE
from cornerstream.ranks import Lane, Rank
from cornerstream.registry import LoaderRegistry
from cornerstream.session import Session
from tests.support.cancelling import turn_until
from tests.support.leaks import nothing_left, turns
from tests.support.resampler import itk_plane
from tests.support.volumes import HeldSlices, made_volume, session_of

if TYPE_CHECKING:
    from cornerstream.images.image import Image
    from cornerstream.operators.resample_planes import Orientation

MADE = made_volume(shear=(0.0, 0.3))


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
async def test_planes_are_a_series_that_streams(plane: Orientation) -> None:
    slices = HeldSlices(MADE, held=False)
    async with nothing_left(), session_of(slices) as session:
        series = session.mpr(slices.series, plane, spacing=1.0, step=4.0)
        images = [image async for image in session.stream(series)]
    assert [image.image_id for image in images] == list(series)
    assert len(images) > 3
    assert sorted(slices.started) == list(range(len(MADE.array)))  # each once, for all planes
    for image, place in zip(images, series.places, strict=True):
        expected = itk_plane(MADE.hounsfield, MADE.geometry, PlaneAddress.of(image.image_id).at(image.frame_number))
        both = np.isfinite(expected) & np.isfinite(image.pixels)
        assert both.sum() > 0.9 * np.isfinite(expected).sum() > 30
        np.testing.assert_allclose(image.pixels[both], expected[both], atol=0.2)
        assert image.image_position_patient == place.image_position_patient
        assert image.image_orientation_patient == place.image_orientation_patient
        assert image.pixel_spacing == (1.0, 1.0) == place.pixel_spacing


async def test_planes_scroll_and_are_prefetched() -> None:
    slices = HeldSlices(MADE, held=False)
    async with nothing_left(), session_of(slices) as session:
        series = session.mpr(slices.series, "sagittal")
        await session.prefetch(series, around=7)
        assert all(session.cached(image_id) for image_id in series)
        shown: list[Image] = []
        with session.scroll(series) as scroll:
            scroll.images.subscribe(shown.append)
            scroll.to(12)
            await turn_until(lambda: shown)
        assert shown[-1].image_id == series[12]


async def test_planes_of_an_uneven_tilted_series_are_an_even_straight_volume() -> None:
    slices = HeldSlices(made_volume((0, 1, 2, 3, 7, 11, 15), shear=(0.0, 0.4)), held=False)
    async with nothing_left(), session_of(slices) as session:
        volume = await session.volume(session.mpr(slices.series, "axial", spacing=1.0, step=1.0))
    assert volume.geometry.is_even
    assert not volume.geometry.is_sheared
    assert volume.spacing == (1.0, 1.0, 1.0)
    assert volume.array.dtype == np.float32


async def test_an_image_says_where_it_lies_and_how_it_is_shown() -> None:
    slices = HeldSlices(MADE, held=False)
    async with nothing_left(), session_of(slices) as session:
        series = session.mpr(slices.series, "coronal", slab=3.0)
        image = await session.load(series[5])
    assert (image.modality, image.rescale_type, image.windows) == ("CT", "HU", MADE.image(0).windows)
    assert image.pixels.dtype == np.float32
    assert (image.rescale_slope, image.rescale_intercept) == (1, 0)
    assert (image.frame_number, image.number_of_frames) == (6, len(series))
    assert image.frame_of_reference_uid == "1.2.3.4"
    assert image.slice_thickness == 3.0
    assert list(image.image_orientation_patient or ()) == [1, 0, 0, 0, 0, -1]
    assert (image.rows, image.columns) == (series.rows, series.columns)
    assert series.image_bytes == image.nbytes
    assert image.to_display().shape == image.pixels.shape
    assert not image.pixels.flags.writeable


async def test_partial_images_come_while_slices_do_and_the_last_is_complete() -> None:
    slices = HeldSlices(MADE)
    async with nothing_left(), session_of(slices) as session:
        load = session.load(session.mpr(slices.series, "coronal")[10])
        images = aiter(load)
        first = asyncio.ensure_future(anext(images))
        await slices.until_started(len(MADE.array))
        order = list(slices.started)
        seen: list[Image] = []
        for number in order[:-1]:
            slices.release(number)
            seen.append(await first)
            first = asyncio.ensure_future(anext(images))
        slices.release(order[-1])
        seen.append(await first)
        assert [one async for one in images] == []
        assert session.cached(load.image_id)
    assert [image.quality for image in seen] == [ImageQuality.PARTIAL] * 10 + [ImageQuality.COMPLETE]
    covered = [int(np.isfinite(image.pixels).sum()) for image in seen]
    assert covered == sorted(covered)
    assert covered[0] < covered[-1]


async def test_the_nearest_slices_are_loaded_first_and_no_others() -> None:
    slices = HeldSlices(made_volume(), held=False)
    async with nothing_left(), session_of(slices) as session:
        (first, *_) = session.mpr(slices.series, "axial")
        origin = MADE.geometry.origin
        between = session.mpr_plane(
            slices.series,
            origin=(origin[0], origin[1], origin[2] + 6.5),
            row_direction=(1.0, 0.0, 0.0),
            column_direction=(0.0, 1.0, 0.0),
            spacing=1.0,
            size=(10, 10),
        )
        await session.load(between)
        assert slices.started == [3, 2]
        await session.load(first)
        assert slices.started == [3, 2, 0]


async def test_cancelling_leaves_the_slices_at_once_and_keeps_nothing() -> None:
    slices = HeldSlices(MADE)
    async with nothing_left(), session_of(slices) as session:
        load = session.load(session.mpr(slices.series, "coronal")[10])
        heard: list[Image] = []
        load.observable.subscribe(heard.append)
        await slices.until_started(len(MADE.array))
        slices.release(slices.started[0])
        await turn_until(lambda: heard)
        assert session.stats().running == len(MADE.array)  # the plane, and the ten slices that are left
        load.cancel()
        assert session.stats().running == 0
        await slices.until_ended(len(MADE.array))
        await turns()
        assert [image.quality for image in heard] == [ImageQuality.PARTIAL]
        assert not session.cached(load.image_id)


async def test_cancelled_at_every_turn_of_the_loop() -> None:
    slices = HeldSlices(MADE, held=False)
    async with nothing_left(), session_of(slices, cache_bytes=0) as session:
        image_id = session.mpr(slices.series, "coronal")[10]
        for moment in range(60):
            load = session.load(image_id)
            heard: list[object] = []
            load.observable.subscribe(heard.append, heard.append)
            await turns(moment)
            load.cancel()
            count = len(heard)
            assert session.stats().running == 0
            await turns()
            assert len(heard) == count


async def test_two_planes_share_their_slices_and_cancelling_one_leaves_the_other() -> None:
    slices = HeldSlices(MADE)
    async with nothing_left(), session_of(slices) as session:
        series = session.mpr(slices.series, "coronal")
        gone, stays = session.load(series[10]), session.load(series[11])
        gone.observable.subscribe()
        image = stays.begin()
        await slices.until_started(len(MADE.array))
        loads = session._engine.loads._loads  # both planes wait for each slice, whichever was planned first
        await turn_until(
            lambda: all(len(load.members) == 2 for load in loads.values() if load.image_id.scheme == "slice")
        )
        gone.cancel()
        slices.release(*range(len(MADE.array)))
        assert (await image).quality is ImageQuality.COMPLETE
        assert len(slices.started) == len(MADE.array)


async def test_after_eviction_it_is_computed_again_and_its_slices_are_loaded_again() -> None:
    slices = HeldSlices(MADE, held=False)
    async with nothing_left(), session_of(slices, cache_bytes=0) as session:
        image_id = session.mpr(slices.series, "sagittal")[7]
        first = await session.load(image_id)
        second = await session.load(str(image_id))
        assert first is not second
        np.testing.assert_array_equal(first.pixels, second.pixels)
        assert len(slices.started) == 2 * len(MADE.array)


async def test_an_error_of_a_slice_ends_it_and_leaves_the_others() -> None:
    slices = HeldSlices(MADE)
    slices.errors[4] = ImageLoadError("it broke", image_id="slice:4")
    async with nothing_left(), session_of(slices) as session:
        load = session.load(session.mpr(slices.series, "coronal")[10]).begin()
        await slices.until_started(len(MADE.array))
        slices.release(4)
        with pytest.raises(ImageLoadError, match="slice:4: it broke"):
            await load
        assert session.stats().running == 0


async def test_a_slice_that_lies_elsewhere_now_is_refused() -> None:
    slices = HeldSlices(MADE, held=False)
    async with nothing_left(), session_of(slices) as session:
        image_id = session.mpr(slices.series, "coronal")[10]
        slices.made = made_volume((100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100))
        with pytest.raises(GeometryError, match="when the volume was put together"):
            await session.load(image_id)


async def test_waiting_for_slices_takes_no_slot_of_a_lane() -> None:
    waiting, ready = HeldSlices(MADE), HeldSlices(made_volume(turned=0.5, scheme="other"), held=False)
    registry = LoaderRegistry()
    registry.register("slice", waiting)
    registry.register("other", ready)
    async with nothing_left(), Session(registry=registry, max_workers=1, max_requests=1) as session:
        load = session.load(session.mpr(waiting.series, "coronal")[10]).begin()
        await waiting.until_started(len(MADE.array))
        image = await session.load(session.mpr(ready.series, "coronal")[10])
        assert (image.quality, load.done()) == (ImageQuality.COMPLETE, False)
        waiting.release(*range(len(MADE.array)))
        await load


async def test_the_rank_of_a_plane_is_that_of_its_slices_also_when_it_changes() -> None:
    slices = HeldSlices(MADE)
    async with nothing_left(), session_of(slices) as session:
        load = session.load(session.mpr(slices.series, "coronal")[10], lane=Lane.BACKGROUND)
        load.observable.subscribe()
        await slices.until_started(len(MADE.array))
        ranks = [session._engine.loads.rank_of(image_id) for image_id in slices.series]
        assert {rank.value for rank in ranks if rank} == {Rank(Lane.BACKGROUND)}
        load.rank = Rank(Lane.INTERACTION, 2)
        assert [rank.value for rank in ranks if rank] == [Rank(Lane.INTERACTION, 2)] * len(MADE.array)
        load.cancel()


async def test_a_few_slices_are_under_way_at_a_time_however_many_there_are() -> None:
    slices = HeldSlices(made_volume([0.5 * number for number in range(100)], shape=(8, 8)))
    async with nothing_left(), session_of(slices) as session:
        load = session.load(session.mpr(slices.series, "coronal")[3]).begin()
        await slices.until_started(AT_ONCE)
        await turns()
        assert len(slices.started) == AT_ONCE
        slices.release(*range(100))
        await load
        assert sorted(slices.started) == list(range(100))


async def test_a_plane_of_planes_is_that_of_the_volume() -> None:
    slices = HeldSlices(made_volume(), held=False)
    async with nothing_left(), session_of(slices, max_workers=1) as session:
        coronal = session.mpr(slices.series, "coronal", interpolation="nearest", spacing=2.5, step=0.8)
        axial = session.mpr(coronal, "axial", interpolation="nearest", spacing=2.5)
        image = await session.load(axial[3])
        direct = await session.load(session.mpr(slices.series, "axial", interpolation="nearest", spacing=2.5)[3])
        assert image.image_position_patient == pytest.approx(direct.image_position_patient)
        np.testing.assert_array_equal(image.pixels[: direct.rows], direct.pixels[: image.rows])


def test_a_session_with_a_thread_of_its_own() -> None:
    slices = HeldSlices(MADE, held=False)
    with session_of(slices) as session:
        image = session.load(session.mpr(slices.series)[5]).result(20)
        assert image.quality is ImageQuality.COMPLETE
