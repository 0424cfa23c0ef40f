"""The result of an image load object: blocking, awaited and iterated, on Rx subjects and threads that meet at events."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
import reactivex as rx
from reactivex import operators as ops

from cornerstream.images.errors import ImageLoadError, TruncatedError
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.metadata import ImageQuality
from tests.support.load_objects import ID, Source, an_image, in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cornerstream.images.image import Image


class TestResult:
    def test_last_image(self) -> None:
        partial, whole = an_image(ImageQuality.PARTIAL), an_image()
        assert ImageLoadObject(ID, rx.of(partial, whole)).result() is whole

    def test_waits_for_another_thread(self) -> None:
        source = Source()
        load = source.load()
        result = in_thread(load.result)
        assert source.subscribed.wait(10)
        image = an_image()
        source.subject.on_next(image)
        assert not result.done()
        source.subject.on_completed()
        assert result.result(10) is image
        assert source.disposed == 1

    @pytest.mark.parametrize(
        "error", [TruncatedError("cut"), KeyError("odd"), TimeoutError("its own"), concurrent.futures.CancelledError()]
    )
    def test_any_error_comes_out_as_it_is(self, error: Exception) -> None:
        error.__cause__ = ValueError("cause")
        with pytest.raises(type(error)) as caught:
            ImageLoadObject(ID, rx.throw(error)).result(10)
        assert caught.value is error
        assert isinstance(caught.value.__cause__, ValueError)

    def test_no_image_is_an_error(self) -> None:
        with pytest.raises(ImageLoadError, match="without an image") as caught:
            ImageLoadObject(ID, rx.empty()).result(10)
        assert caught.value.image_id == ID

    def test_timeout_disposes(self) -> None:
        source = Source()
        with pytest.raises(TimeoutError, match=r"test:image\?frame=2.*0.01 s"):
            source.load().result(timeout=0.01)
        assert source.disposed == 1

    def test_cancel_from_another_thread_wakes_it(self) -> None:
        source = Source()
        load = source.load()
        result = in_thread(load.result)
        assert source.subscribed.wait(10)
        load.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            result.result(10)
        assert source.disposed == 1

    def test_after_cancel(self) -> None:
        load = ImageLoadObject(ID, rx.just(an_image()))
        load.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            load.result(10)

    def test_races_with_completion_end_in_an_image_or_cancelled(self) -> None:
        for _ in range(200):
            source = Source()
            load = source.load()
            result = in_thread(load.result)
            assert source.subscribed.wait(10)
            barrier = threading.Barrier(2)

            def complete(source: Source = source, barrier: threading.Barrier = barrier) -> None:
                source.subject.on_next(an_image())
                barrier.wait(10)
                source.subject.on_completed()

            completing = in_thread(complete)
            barrier.wait(10)
            load.cancel()
            completing.result(10)
            error = result.exception(10)
            assert error is None or isinstance(error, concurrent.futures.CancelledError)
            assert "cancelled" in repr(load)

    async def test_refused_on_a_loop(self) -> None:
        source = Source()
        with pytest.raises(RuntimeError, match="await load"):
            source.load().result()
        assert source.subscriptions == 0


class TestAwait:
    async def test_last_image(self) -> None:
        partial, whole = an_image(ImageQuality.PARTIAL), an_image()
        assert await ImageLoadObject(ID, rx.of(partial, whole)) is whole

    async def test_several_at_once(self) -> None:
        images = [an_image(), an_image()]
        loads = [ImageLoadObject(ID, rx.just(image)) for image in images]
        assert await asyncio.gather(*loads) == images

    async def test_from_another_thread(self) -> None:
        source = Source()
        load = source.load()
        image = an_image()

        def emit() -> None:
            assert source.subscribed.wait(10)
            source.subject.on_next(image)
            source.subject.on_completed()

        emitted = in_thread(emit)
        assert await asyncio.wait_for(load, 10) is image
        emitted.result(10)
        assert source.disposed == 1

    @pytest.mark.parametrize("error", [TruncatedError("cut"), KeyError("odd"), TimeoutError("its own")])
    async def test_any_error_comes_out_as_it_is(self, error: Exception) -> None:
        error.__cause__ = ValueError("cause")
        with pytest.raises(type(error)) as caught:
            await ImageLoadObject(ID, rx.throw(error))
        assert caught.value is error
        assert isinstance(caught.value.__cause__, ValueError)

    async def test_no_image_is_an_error(self) -> None:
        with pytest.raises(ImageLoadError, match="without an image"):
            await ImageLoadObject(ID, rx.empty())

    @pytest.mark.parametrize("from_thread", [False, True])
    async def test_cancel_raises_cancelled_error(self, from_thread: bool) -> None:
        source = Source()
        load = source.load()
        waiting = asyncio.ensure_future(load)
        await asyncio.to_thread(source.subscribed.wait, 10)
        if from_thread:
            await asyncio.to_thread(load.cancel)
        else:
            load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert source.disposed == 1

    async def test_cancel_wins_over_an_image_not_yet_handed_over(self) -> None:
        source = Source()
        load = source.load()
        waiting = asyncio.ensure_future(load)
        await asyncio.to_thread(source.subscribed.wait, 10)
        source.subject.on_next(an_image())
        source.subject.on_completed()
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    async def test_after_cancel(self) -> None:
        load = ImageLoadObject(ID, rx.just(an_image()))
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load

    async def test_task_that_is_cancelled_disposes(self) -> None:
        source = Source()
        load = source.load()
        waiting = asyncio.ensure_future(load)
        await asyncio.to_thread(source.subscribed.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert source.disposed == 1
        assert not load.cancelled

    async def test_timeout_around_it_disposes(self) -> None:
        source = Source()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(source.load(), 0.01)
        assert source.disposed == 1


class TestIterate:
    async def test_all_images(self) -> None:
        images = [an_image(ImageQuality.PARTIAL), an_image(ImageQuality.LOSSY), an_image()]
        load = ImageLoadObject(ID, rx.of(*images))
        assert [image async for image in load] == images

    async def test_empty(self) -> None:
        assert [image async for image in ImageLoadObject(ID, rx.empty())] == []

    async def test_error_after_an_image(self) -> None:
        source = rx.concat(rx.just(an_image(ImageQuality.PARTIAL)), rx.throw(TruncatedError("cut")))
        images = ImageLoadObject(ID, source).__aiter__()
        assert (await anext(images)).quality is ImageQuality.PARTIAL
        with pytest.raises(TruncatedError, match="cut"):
            await anext(images)

    async def test_left_early_disposes(self) -> None:
        source = Source()
        load = ImageLoadObject(ID, source.observable.pipe(ops.start_with(an_image(ImageQuality.PARTIAL))))
        async for _ in load:
            break
        gc.collect()
        await asyncio.to_thread(source.released.wait, 10)
        assert source.disposed == 1

    async def test_aclosing_disposes_at_once(self) -> None:
        source = Source()
        load = ImageLoadObject(ID, source.observable.pipe(ops.start_with(an_image(ImageQuality.PARTIAL))))
        images: AsyncGenerator[Image, None] = load.__aiter__()
        async with aclosing(images):
            await anext(images)
        assert source.disposed == 1

    async def test_cancel_drops_what_is_queued(self) -> None:
        source = Source()
        load = source.load()
        images = load.__aiter__()
        first = asyncio.ensure_future(anext(images))
        await asyncio.to_thread(source.subscribed.wait, 10)
        source.subject.on_next(an_image(ImageQuality.PARTIAL))
        await first
        source.subject.on_next(an_image())
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await anext(images)
        assert source.disposed == 1
