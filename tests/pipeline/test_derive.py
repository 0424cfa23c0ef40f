"""Images that a session computes pixel by pixel from others."""

from __future__ import annotations

import numpy as np
import pytest

from cornerstream.images.errors import GeometryError, ImageIdError, ImageLoadError
from cornerstream.ranks import Lane, Rank
from cornerstream.registry import LoaderRegistry
from cornerstream.session import Session
from tests.support.leaks import nothing_left, turns
from tests.support.volumes import HeldSlices, made_volume

MADE = made_volume()


def session_of(slices: HeldSlices) -> Session:
    registry = LoaderRegistry()
    registry.register("slice", slices)
    return Session(registry=registry, max_workers=1)


async def planes(slices: HeldSlices, session: Session) -> tuple[str, str]:
    """Two planes of one grid, half a voxel apart in depth of the slab only."""
    coronal = session.mpr(slices.series, "coronal")
    thick = session.mpr(slices.series, "coronal", slab=5.0, combine="maximum")
    return str(coronal[10]), str(thick[10])


async def test_of_planes_that_are_computed_themselves() -> None:
    slices = HeldSlices(MADE, held=False)
    async with nothing_left(), session_of(slices) as session:
        thin, thick = await planes(slices, session)
        image = await session.load(session.derive("difference", thick, thin))
        fused = await session.load(session.derive("fusion", thin, thick, opacity=0.4))
        a, b = await session.load(thick), await session.load(thin)
        np.testing.assert_array_equal(image.pixels, a.pixels.astype(np.float32) - b.pixels.astype(np.float32))
        assert (np.nan_to_num(image.pixels) >= -1e-3).all()
        assert fused.pixels.shape == (*image.pixels.shape, 3)
        assert sorted(slices.started) == list(range(len(MADE.array)))


async def test_of_images_as_they_are_and_again_after_eviction() -> None:
    slices = HeldSlices(MADE, held=False)
    async with nothing_left(), session_of(slices) as session:
        image_id = session.derive("average", "slice:2", "slice:2", "slice:2")
        image = await session.load(str(image_id))
        np.testing.assert_allclose(np.asarray(image.pixels, np.float32), MADE.hounsfield[2], atol=1e-3)
        session._engine.cache.clear()
        assert not session.cached(image_id)
        again = await session.load(image_id)
        np.testing.assert_array_equal(again.pixels, image.pixels)


async def test_cancelling_leaves_the_sources_at_once() -> None:
    slices = HeldSlices(MADE)
    async with nothing_left(), session_of(slices) as session:
        load = session.load(session.derive("difference", "slice:0", "slice:1"), lane=Lane.BACKGROUND)
        heard: list[object] = []
        load.observable.subscribe(heard.append, heard.append)
        await slices.until_started(2)
        rank = session._engine.loads.rank_of(slices.series[1])
        assert rank is not None
        load.rank = Rank(Lane.THUMBNAIL)
        assert rank.value == Rank(Lane.THUMBNAIL)
        load.cancel()
        assert session.stats().running == 0
        await slices.until_ended(2)
        await turns()
        assert (heard, session.cached("slice:0")) == ([], False)


async def test_what_does_not_lie_in_one_place_is_refused() -> None:
    slices = HeldSlices(MADE, held=False)
    async with nothing_left(), session_of(slices) as session:
        with pytest.raises(GeometryError, match="slice:1 differs from slice:0 in position") as caught:
            await session.load(session.derive("difference", "slice:0", "slice:1"))
        assert str(caught.value.image_id) == "derived:difference?image=slice:0&image=slice:1"


async def test_an_error_of_a_source_names_the_source() -> None:
    slices = HeldSlices(MADE, held=False)
    slices.errors[1] = ImageLoadError("it broke", image_id="slice:1")
    async with nothing_left(), session_of(slices) as session:
        with pytest.raises(ImageLoadError, match="slice:1: it broke"):
            await session.load(session.derive("average", "slice:0", "slice:1"))


async def test_what_there_is_not_is_refused_at_once() -> None:
    slices = HeldSlices(MADE)
    async with nothing_left(), session_of(slices) as session:
        with pytest.raises(ValueError, match="'sum' is none of"):
            session.derive("sum", "slice:0", "slice:1")  # type: ignore[arg-type]  # that is what is tested
        with pytest.raises(ValueError, match="takes 2 images, not 1"):
            session.derive("fusion", "slice:0")
        with pytest.raises(ValueError, match="opacity is 0 to 1"):
            session.derive("fusion", "slice:0", "slice:1", opacity=7)
        with pytest.raises(ImageIdError, match="not an image id"):
            session.derive("average", "slice:0", "nothing")
        with pytest.raises(ImageIdError, match="not the image id of a derived image: 'sum' is none of"):
            await session.load("derived:sum?image=slice:0&image=slice:1")
    assert slices.started == []
