"""Images that are computed from others: their sources are loads of the session, at their rank."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from reactivex import operators as ops

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.loaders.context import no_session
from cornerstream.operators.map_stage import map_stage
from cornerstream.ranks import BestRank, Lane, Rank, RankCell
from cornerstream.session import Session
from tests.support.fakes import HeldLoader, make_image, registry_of
from tests.support.leaks import nothing_left, turns

if TYPE_CHECKING:
    from cornerstream.images.image import Image
    from cornerstream.loaders.context import LoadContext


def copied(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """`copy:<image id>`: another image, under another name."""

    def copy(image: Image) -> Image:
        return make_image(image_id, image.rows)

    return ImageLoadObject(image_id, context.load(ImageId.parse(image_id.address)).pipe(map_stage(copy)))


def session_with(held: HeldLoader) -> Session:
    return Session(registry=registry_of(held=held, copy=copied), max_requests=1, max_workers=1)


async def test_a_source_is_loaded_once_for_all_who_want_it_and_kept() -> None:
    held = HeldLoader()
    async with nothing_left(), session_with(held) as session:
        computed, itself = session.load("copy:held:1").begin(), session.load("held:1").begin()
        await held.until_started(1)
        held.release("held:1")
        images = await asyncio.gather(computed, itself)
        assert [str(image.image_id) for image in images] == ["copy:held:1", "held:1"]
        assert held.started == ["held:1"]
        assert session.cached("held:1")


async def test_it_is_cold() -> None:
    held = HeldLoader()
    async with nothing_left(), session_with(held) as session:
        session.load("copy:held:1")
        await turns()
        assert held.started == []


async def test_a_computed_image_of_a_computed_image_of_one() -> None:
    held = HeldLoader()
    held.release("held:1")
    async with nothing_left(), session_with(held) as session:
        image = await session.load("copy:copy:copy:held:1")
        assert image.rows == 8
        assert session.cached("copy:held:1")


async def test_cancelling_leaves_the_source_at_once_and_it_ends() -> None:
    held = HeldLoader()
    async with nothing_left(), session_with(held) as session:
        load = session.load("copy:held:1")
        heard: list[Image] = []
        load.observable.subscribe(heard.append)
        await held.until_started(1)
        assert session.stats().running == 2
        load.cancel()
        assert session.stats().running == 0
        await held.until_ended(1)
        assert (heard, session.cached("held:1"), session.cached("copy:held:1")) == ([], False, False)


async def test_cancelling_does_not_disturb_others_who_want_the_source() -> None:
    held = HeldLoader()
    async with nothing_left(), session_with(held) as session:
        load, other = session.load("copy:held:1"), session.load("held:1").begin()
        load.observable.subscribe()
        await held.until_started(1)
        load.cancel()
        held.release("held:1")
        assert str((await other).image_id) == "held:1"


async def test_the_source_goes_at_the_rank_of_what_it_is_for_also_when_that_changes() -> None:
    held = HeldLoader()
    async with nothing_left(), session_with(held) as session:
        load = session.load("copy:held:1", lane=Lane.BACKGROUND, distance=7)
        load.observable.subscribe()
        await held.until_started(1)
        rank = session._engine.loads.rank_of(ImageId.parse("held:1"))
        assert rank is not None
        assert rank.value == Rank(Lane.BACKGROUND, 7)
        load.rank = Rank(Lane.THUMBNAIL, 2)
        assert rank.value == Rank(Lane.THUMBNAIL, 2)
        load.cancel()


async def test_the_error_of_a_source_is_that_of_what_it_is_for() -> None:
    held = HeldLoader()
    held.fail("held:1", ImageLoadError("it broke"))
    async with nothing_left(), session_with(held) as session:
        with pytest.raises(ImageLoadError, match="held:1: it broke"):
            await session.load("copy:held:1")


def in_a_ring(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """`ring:n` is computed from `ring:n+1`, and `ring:3` from `ring:1`."""
    other = ImageId("ring", str(int(image_id.address) % 3 + 1))
    return ImageLoadObject(image_id, context.load(other).pipe(ops.map(lambda image: image)))


@pytest.mark.parametrize("start", ["ring:1", "ring:3"])
async def test_an_image_that_is_computed_from_itself_is_refused(start: str) -> None:
    async with nothing_left(), Session(registry=registry_of(ring=in_a_ring)) as session:
        with pytest.raises(ImageLoadError, match="it is computed from itself"):
            await session.load(start)


async def test_closing_the_session_ends_what_is_computed_and_its_sources() -> None:
    held = HeldLoader()
    async with nothing_left():
        session = session_with(held)
        load = session.load("copy:held:1").begin()
        await held.until_started(1)
        await session.aclose()
        with pytest.raises(asyncio.CancelledError):
            await load
        assert held.ended == ["held:1"]


def test_without_a_session_there_are_no_other_images() -> None:
    with pytest.raises(ImageLoadError, match="loads in a session only"):
        no_session(ImageId.parse("held:1"))


def test_a_rank_knows_whom_it_works_for() -> None:
    cell, first, second, other = RankCell(), BestRank(), BestRank(), BestRank()
    first.join(cell)
    second.join(first)
    assert all(second.works_for(one) for one in (second, first, cell))
    assert not any(second.works_for(one) for one in (other, RankCell()))
    assert not first.works_for(second)
