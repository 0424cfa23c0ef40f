"""Cancelling an image load object, on Rx subjects and threads that meet at events."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops
from reactivex.disposable import Disposable

from cornerstream.images.errors import DecodeError
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.metadata import ImageQuality
from tests.support.load_objects import ID, Recorder, Source, an_image, in_thread, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.images.image import Image


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
