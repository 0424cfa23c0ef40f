"""Stages subscribe to each other directly, and to everything else as Rx does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import reactivex as rx
from reactivex import Observable
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from cornerstream.images.stage import Stage, follow
from tests.support.recording import Signals

if TYPE_CHECKING:
    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase


def test_a_stage_gets_the_observer_itself() -> None:
    subscribers: list[object] = []

    def subscribe(observer: ObserverBase[int], _: SchedulerBase | None = None) -> DisposableBase:
        subscribers.append(observer)
        observer.on_next(1)
        return Disposable()

    recorder = Signals[int]()
    follow(Stage(subscribe), recorder)
    follow(Observable(subscribe), recorder)
    assert [one is recorder for one in subscribers] == [True, False]
    assert recorder.signals == [1, 1]


def test_disposing_reaches_the_source_either_way() -> None:
    subject: Subject[int] = Subject()

    def subscribe(observer: ObserverBase[int], _: SchedulerBase | None = None) -> DisposableBase:
        return follow(subject, observer)

    recorder = Signals[int]()
    held = follow(Stage(subscribe), recorder)
    subject.on_next(1)
    held.dispose()
    subject.on_next(2)
    assert recorder.signals == [1]
    assert not subject.observers


def test_subscribed_in_the_usual_way_it_is_an_observable_like_any_other() -> None:
    def subscribe(observer: ObserverBase[int], _: SchedulerBase | None = None) -> DisposableBase:
        observer.on_completed()
        observer.on_next(1)
        return Disposable()

    recorder = Signals[int]()
    Stage(subscribe).subscribe(recorder.on_next, recorder.on_error, recorder.on_completed)
    assert recorder.signals == ["completed"]


def test_an_error_of_subscribing_is_the_callers() -> None:
    def subscribe(_: ObserverBase[int], __: SchedulerBase | None = None) -> DisposableBase:
        raise OSError("no")

    recorder = Signals[int]()
    with pytest.raises(OSError, match="no"):
        follow(Stage(subscribe), recorder)
    Stage(subscribe).subscribe(recorder.on_next, recorder.on_error, recorder.on_completed)
    assert [type(signal) for signal in recorder.signals] == [OSError]


def test_the_source_may_be_done_at_once() -> None:
    recorder = Signals[int]()
    follow(rx.of(1, 2), recorder)
    assert recorder.signals == [1, 2, "completed"]
