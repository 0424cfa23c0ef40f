"""The image load object, on Rx subjects and threads that meet at events."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import threading
import weakref
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from cornerstream.images.errors import DecodeError, ImageLoadError, ObserverError, TruncatedError
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject, Progress
from cornerstream.images.metadata import ImageQuality

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

ID = ImageId.parse("test:image?frame=2")


def an_image(quality: ImageQuality = ImageQuality.COMPLETE) -> Image:
    return Image(
        image_id=ID,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=2,
        columns=3,
        photometric_interpretation="MONOCHROME2",
        pixels=np.zeros((2, 3), np.uint8),
        quality=quality,
    )


class Source:
    """A subject that knows who listens, and can be watched from other threads."""

    def __init__(self) -> None:
        self.subject: Subject[Image] = Subject()
        self.subscriptions = 0
        self.disposed = 0
        self.subscribed = threading.Event()
        self.released = threading.Event()
        self.observable: Observable[Image] = Observable(self._subscribe)

    def _subscribe(self, observer: Any, scheduler: Any = None) -> Disposable:
        inner = self.subject.subscribe(observer, scheduler=scheduler)
        self.subscriptions += 1
        self.subscribed.set()

        def dispose() -> None:
            self.disposed += 1
            inner.dispose()
            self.released.set()

        return Disposable(dispose)

    def load(self) -> ImageLoadObject:
        return ImageLoadObject(ID, self.observable)


class Recorder:
    """Writes down every signal."""

    def __init__(self) -> None:
        self.signals: list[Any] = []

    def on_next(self, value: Any) -> None:
        self.signals.append(value)

    def on_error(self, error: Exception) -> None:
        self.signals.append(error)

    def on_completed(self) -> None:
        self.signals.append("completed")


def record(load: ImageLoadObject) -> Recorder:
    recorder = Recorder()
    load.observable.subscribe(recorder.on_next, recorder.on_error, recorder.on_completed)
    return recorder


def in_thread(function: Callable[[], Any]) -> concurrent.futures.Future[Any]:
    """Run beside the test; the future keeps what it raised."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - the future carries it to the test
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class TestObservable:
    def test_is_cold_and_each_subscription_is_a_load(self) -> None:
        source = Source()
        load = source.load()
        assert source.subscriptions == 0
        first, second = record(load), record(load)
        assert source.subscriptions == 2
        partial, whole = an_image(ImageQuality.PARTIAL), an_image()
        for image in (partial, whole):
            source.subject.on_next(image)
        source.subject.on_completed()
        assert first.signals == second.signals == [partial, whole, "completed"]
        assert source.disposed == 2
        assert "0 subscribed" in repr(load)

    def test_source_that_completes_at_once(self) -> None:
        image = an_image()
        load = ImageLoadObject(ID, rx.just(image))
        assert record(load).signals == [image, "completed"]
        assert "0 subscribed" in repr(load)

    def test_empty_source(self) -> None:
        assert record(ImageLoadObject(ID, rx.empty())).signals == ["completed"]

    def test_error_comes_out_as_it_is(self) -> None:
        error = TruncatedError("cut")
        assert record(ImageLoadObject(ID, rx.throw(error))).signals == [error]

    def test_source_whose_subscribe_raises(self) -> None:
        error = RuntimeError("no loop")

        def subscribe(observer: Any, scheduler: Any = None) -> Disposable:
            raise error

        load = ImageLoadObject(ID, Observable(subscribe))
        assert record(load).signals == [error]
        assert "0 subscribed" in repr(load)

    def test_source_that_goes_on_after_its_error(self) -> None:
        error = DecodeError("bad")

        def subscribe(observer: Any, scheduler: Any = None) -> Disposable:
            observer.on_error(error)
            observer.on_next(an_image())
            observer.on_error(DecodeError("again"))
            observer.on_completed()
            return Disposable()

        assert record(ImageLoadObject(ID, Observable(subscribe))).signals == [error]

    def test_disposing_leaves_the_others(self) -> None:
        source = Source()
        load = source.load()
        left: list[Image] = []
        leaving = load.observable.subscribe(left.append)
        staying = record(load)
        leaving.dispose()
        image = an_image()
        source.subject.on_next(image)
        assert (left, staying.signals, source.disposed) == ([], [image], 1)

    def test_disposing_inside_on_next(self) -> None:
        source = Source()
        load = source.load()
        seen: list[Image] = []
        load.observable.pipe(ops.take(1)).subscribe(seen.append)
        source.subject.on_next(an_image(ImageQuality.PARTIAL))
        source.subject.on_next(an_image())
        assert len(seen) == 1
        assert source.disposed == 1

    def test_what_on_next_raises_is_for_the_source_to_answer(self) -> None:
        cause = KeyError("user")
        answer = ObserverError("on_next raised", image_id=ID)
        errors: list[Exception] = []

        def subscribe(observer: Any, scheduler: Any = None) -> Disposable:
            try:
                observer.on_next(an_image())
            except KeyError as error:
                assert error is cause  # noqa: PT017 - the source sees it, the test cannot
                observer.on_error(answer)
            return Disposable()

        def explode(_: Image) -> None:
            raise cause

        load = ImageLoadObject(ID, Observable(subscribe))
        load.observable.subscribe(explode, errors.append)
        assert errors == [answer]
        assert "0 subscribed" in repr(load)

    def test_progress_is_empty_unless_given_and_silent_after_cancel(self) -> None:
        done: list[str] = []
        ImageLoadObject(ID, rx.never()).progress.subscribe(on_completed=lambda: done.append("done"))
        assert done == ["done"]
        counter: Subject[Progress] = Subject()
        load = ImageLoadObject(ID, rx.never(), counter)
        seen: list[Progress] = []
        load.progress.subscribe(seen.append)
        counter.on_next(Progress(10, 20))
        load.cancel()
        counter.on_next(Progress(20, 20))
        assert seen == [Progress(10, 20)]


class TestCancel:
    def test_cuts_every_subscriber_and_every_one_to_come(self) -> None:
        source = Source()
        load = source.load()
        recorders = [record(load), record(load)]
        load.cancel()
        load.cancel()
        assert load.cancelled
        assert "cancelled" in repr(load)
        late = record(load)
        source.subject.on_next(an_image())
        source.subject.on_completed()
        assert [r.signals for r in (*recorders, late)] == [[], [], []]
        assert (source.subscriptions, source.disposed) == (2, 2)

    def test_other_load_objects_of_the_source_go_on(self) -> None:
        source = Source()
        cancelled, other = source.load(), source.load()
        silent, heard = record(cancelled), record(other)
        cancelled.cancel()
        source.subject.on_next(an_image())
        assert (len(silent.signals), len(heard.signals)) == (0, 1)

    def test_inside_on_next(self) -> None:
        source = Source()
        load = source.load()
        seen: list[Image] = []

        def stop(image: Image) -> None:
            seen.append(image)
            load.cancel()

        load.observable.subscribe(stop)
        other = record(load)
        source.subject.on_next(an_image(ImageQuality.PARTIAL))
        source.subject.on_next(an_image())
        assert len(seen) == 1
        assert other.signals == []
        assert source.disposed == 2

    def test_after_completion_changes_nothing(self) -> None:
        load = ImageLoadObject(ID, rx.just(an_image()))
        recorder = record(load)
        load.cancel()
        assert len(recorder.signals) == 2

    def test_while_subscribing_on_another_thread(self) -> None:
        entered, go_on = threading.Event(), threading.Event()
        disposed: list[str] = []

        def subscribe(observer: Any, scheduler: Any = None) -> Disposable:
            entered.set()
            assert go_on.wait(10)
            observer.on_next(an_image())
            return Disposable(lambda: disposed.append("source"))

        load = ImageLoadObject(ID, Observable(subscribe))
        recorded = in_thread(lambda: record(load))
        assert entered.wait(10)
        load.cancel()
        go_on.set()
        assert recorded.result(10).signals == []
        assert disposed == ["source"]

    def test_source_that_raises_when_disposed_does_not_stop_the_others(self) -> None:
        disposed: list[int] = []

        def subscribe(observer: Any, scheduler: Any = None) -> Disposable:
            number = len(disposed)

            def dispose() -> None:
                disposed.append(number)
                raise OSError("cannot close")

            return Disposable(dispose)

        load = ImageLoadObject(ID, Observable(subscribe))
        record(load)
        record(load)
        with pytest.raises(OSError, match="cannot close"):
            load.cancel()
        assert len(disposed) == 2

    def test_source_that_raises_when_disposed_leaves_nobody_waiting(self) -> None:
        class Waiting(Recorder):
            def on_cancelled(self) -> None:
                self.signals.append("cancelled")

        def close() -> None:
            raise OSError("cannot close")

        waiting = Waiting()
        load = ImageLoadObject(ID, rx.never())
        load._subscriptions.connect(rx.never().pipe(ops.finally_action(close)), waiting)
        with pytest.raises(OSError, match="cannot close"):
            load.cancel()
        assert waiting.signals == ["cancelled"]

    def test_races_with_subscribing_leave_nothing_behind(self) -> None:
        for _ in range(200):
            source = Source()
            load = source.load()
            barrier = threading.Barrier(3)

            def subscribe(load: ImageLoadObject = load, barrier: threading.Barrier = barrier) -> Recorder:
                barrier.wait(10)
                return record(load)

            racing = [in_thread(subscribe), in_thread(subscribe)]
            barrier.wait(10)
            load.cancel()
            recorders = [race.result(10) for race in racing]
            source.subject.on_next(an_image())
            assert [r.signals for r in recorders] == [[], []]
            assert source.subscriptions == source.disposed
            assert not source.subject.observers

    @pytest.mark.parametrize("end", ["cancel", "dispose", "complete", "error"])
    def test_held_disposables_keep_no_observer_and_no_image(self, end: str) -> None:
        source = Source()
        load = source.load()
        image = an_image()
        recorder = Recorder()
        gone = weakref.ref(image), weakref.ref(recorder)
        connect = load._subscriptions.connect
        held = connect(source.observable, recorder)
        source.subject.on_next(image)
        ends: dict[str, Callable[[], None]] = {
            "cancel": load.cancel,
            "dispose": held.dispose,
            "complete": source.subject.on_completed,
            "error": lambda: source.subject.on_error(DecodeError("bad")),
        }
        ends[end]()
        del image, recorder
        gc.collect()
        assert [ref() for ref in gone] == [None, None]


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
