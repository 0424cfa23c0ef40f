"""The image load object, on Rx subjects: its observable and its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from cornerstream.images.errors import DecodeError, ObserverError, TruncatedError
from cornerstream.images.load_object import ImageLoadObject, Progress
from cornerstream.images.metadata import ImageQuality
from tests.support.load_objects import ID, Source, an_image, record

if TYPE_CHECKING:
    from cornerstream.images.image import Image


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
