"""The images that another is computed from: a few at a time, in order, left at once."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import pytest
import reactivex as rx
from reactivex import Subject

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import ImageQuality
from cornerstream.operators.derive_sources import Sources
from tests.support.fakes import make_image

if TYPE_CHECKING:
    from reactivex import Observable

    from cornerstream.images.image import Image


class Shelf:
    """Sources that the test holds."""

    def __init__(self) -> None:
        self.subjects: dict[str, Subject[Image]] = {}

    def load(self, image_id: ImageId) -> Observable[Image]:
        return self.subjects.setdefault(image_id.address, Subject())

    def give(self, *names: str) -> None:
        for name in names:
            self.subjects[name].on_next(make_image(f"held:{name}", quality=ImageQuality.PARTIAL))
            self.subjects[name].on_next(make_image(f"held:{name}"))
            self.subjects[name].on_completed()

    @property
    def held(self) -> list[str]:
        """Names of sources that somebody is subscribed to."""
        return [name for name, subject in self.subjects.items() if subject.observers]


def wanted(count: int) -> list[tuple[int, ImageId]]:
    return [(number, ImageId("held", str(number))) for number in range(count)]


async def collected(sources: Sources, count: int) -> list[list[int]]:
    return [[number for number, _ in batch] async for batch in sources.batches(wanted(count))]


async def test_none_are_no_batch() -> None:
    with Sources(Shelf().load) as sources:
        assert await collected(sources, 0) == []


@pytest.mark.parametrize("count", [1, 5])
async def test_those_that_are_there_come_at_once(count: int) -> None:
    with Sources(lambda image_id: rx.just(make_image(image_id))) as sources:
        assert await collected(sources, count) == [list(range(count))]


async def test_batches_are_what_came_meanwhile_and_the_last_image_of_each_counts() -> None:
    shelf = Shelf()
    with Sources(shelf.load) as sources:
        async with aclosing(sources.batches(wanted(4))) as batches:
            first = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(0)
            shelf.give("2")
            ((number, image),) = await first
            assert (number, image.quality) == (2, ImageQuality.COMPLETE)
            shelf.give("3", "0")
            assert [number for number, _ in await anext(batches)] == [3, 0]
            shelf.give("1")
            assert [number for number, _ in await anext(batches)] == [1]
            with pytest.raises(StopAsyncIteration):
                await anext(batches)


async def test_no_more_are_loaded_than_there_is_room_for() -> None:
    shelf = Shelf()
    with Sources(shelf.load, at_once=2) as sources:
        async with aclosing(sources.batches(wanted(5))) as batches:
            first = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(0)
            assert shelf.held == ["0", "1"]
            shelf.give("0", "1")
            assert len(await first) == 2
            assert list(shelf.subjects) == ["0", "1"]
            second = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(0)
            assert shelf.held == ["2", "3"]
            second.cancel()
            with suppress(asyncio.CancelledError):
                await second


async def test_the_first_error_is_raised_and_leaving_disposes_the_others() -> None:
    shelf = Shelf()
    with Sources(shelf.load) as sources:
        task = asyncio.ensure_future(collected(sources, 3))
        await asyncio.sleep(0)
        shelf.subjects["1"].on_error(ImageLoadError("it broke"))
        with pytest.raises(ImageLoadError, match="it broke"):
            await task
    assert shelf.held == []


async def test_a_source_without_an_image_is_an_error() -> None:
    missing = pytest.raises(ImageLoadError, match="held:0: its loader completed without an image")
    with Sources(lambda _: rx.empty()) as sources, missing:
        await collected(sources, 1)


async def test_released_midway_every_source_is_left_before_that_returns() -> None:
    shelf = Shelf()
    sources = Sources(shelf.load)
    task = asyncio.ensure_future(collected(sources, 3))
    await asyncio.sleep(0)
    assert shelf.held == ["0", "1", "2"]
    sources.release()
    assert shelf.held == []
    sources.release()
    task.cancel()


async def test_released_while_one_is_subscribed_to_nothing_more_is() -> None:
    begun: list[str] = []

    def load(image_id: ImageId) -> Observable[Image]:
        begun.append(image_id.address)
        sources.release()
        return rx.never()

    sources = Sources(load)
    task = asyncio.ensure_future(collected(sources, 3))
    await asyncio.sleep(0)
    assert begun == ["0"]
    task.cancel()
