"""Stages: observables of our own operators, which a neighbouring stage subscribes to without Rx in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from reactivex import Observable

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.images.subscriptions import Observer

T = TypeVar("T")


class Stage(Observable[T]):
    """An observable that keeps the rules by itself: nothing after its end, and none but its own errors.

    Whoever subscribes in the usual way gets what every observable of Rx gives: an observer that detaches itself, and the
    current thread's trampoline. Between two stages of one load both would be paid for again and again.
    """

    def follow(self, observer: Observer[T], scheduler: SchedulerBase | None = None) -> DisposableBase:
        """Subscribe an observer as it is; it may hear of everything before this returns."""
        disposable: DisposableBase = self._subscribe(observer, scheduler)  # type: ignore[misc, arg-type]  # ours is never None, and asks for no more of an observer
        return disposable


def follow(source: Observable[T], observer: Observer[T], scheduler: SchedulerBase | None = None) -> DisposableBase:
    """Subscribe to a stage directly, to any other observable in the usual way."""
    if isinstance(source, Stage):
        return source.follow(observer, scheduler)
    return source.subscribe(observer.on_next, observer.on_error, observer.on_completed, scheduler=scheduler)


def deferred(make: Callable[[], Observable[T]]) -> Observable[T]:
    """An observable that is made when somebody subscribes, as `reactivex.defer` makes it, and is a stage."""

    def subscribe(observer: ObserverBase[T], scheduler: SchedulerBase | None = None) -> DisposableBase:
        return follow(make(), observer, scheduler)

    return Stage(subscribe)
