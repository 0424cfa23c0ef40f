"""`or_else`: another way where the first one ends in an error that speaks for it."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactivex.abc import DisposableBase

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.stage import Stage, follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import ObserverBase, SchedulerBase

T = TypeVar("T")


def first_of_both(first: Exception, second: Exception) -> Exception:
    """The first of two errors, whose message tells of the second."""
    if not isinstance(first, ImageLoadError):
        return first
    told = second.message if isinstance(second, ImageLoadError) else str(second)
    both = copy(first)
    both.message = f"{first.message}; the other way: {told}"
    both.__cause__ = second
    return both


def or_else(
    second: Observable[T],
    when: Callable[[Exception], bool],
    failing: Callable[[Exception, Exception], Exception] = first_of_both,
) -> Callable[[Observable[T]], Observable[T]]:
    """Go on with another observable where the source ends in an error that counts, and has emitted nothing.

    ::

        source   ──#
        second     ──a──b──|
        result   ────a──b──|

    Order is the source's, then the second's; one of them is subscribed to at a time; dispose leaves that one.

    Args:
        second: The other way; not subscribed to unless it is needed.
        when: The error counts; any other one ends the sequence.
        failing: The error of both, of the source's and the second's.
    """

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(observer: ObserverBase[T], scheduler: SchedulerBase | None = None) -> DisposableBase:
            run = _FirstWay(observer, second, when, failing)
            run.follow(source, run, scheduler)
            return run

        return Stage(subscribe)

    return operator


class _FirstWay(DisposableBase, Generic[T]):
    """One subscription; the observer of its source. Without an observer of its own it has ended."""

    __slots__ = ("_emitted", "_failing", "_observer", "_scheduler", "_second", "_upstream", "_when")

    def __init__(
        self,
        observer: ObserverBase[T],
        second: Observable[T],
        when: Callable[[Exception], bool],
        failing: Callable[[Exception, Exception], Exception],
    ) -> None:
        self._observer: ObserverBase[T] | None = observer
        self._second = second
        self._when = when
        self._failing = failing
        self._scheduler: SchedulerBase | None = None
        self._upstream: list[DisposableBase] = []
        self._emitted = False

    def follow(self, source: Observable[T], observer: Any, scheduler: SchedulerBase | None) -> None:
        self._scheduler = scheduler
        upstream = follow(source, observer, scheduler)
        if self._observer is None:  # it ended before this was there to be disposed
            upstream.dispose()
        else:
            self._upstream.append(upstream)

    def dispose(self) -> None:
        self._observer = None
        upstream, self._upstream = self._upstream, []
        for one in upstream:
            one.dispose()

    def on_next(self, value: T) -> None:
        self._emitted = True
        if self._observer is not None:
            self._observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        if self._observer is None or self._emitted or not self._when(error):
            self.fail(error)
        else:
            self.follow(self._second, _SecondWay(self, error), self._scheduler)

    def on_completed(self) -> None:
        observer = self._observer
        self.dispose()
        if observer is not None:
            observer.on_completed()

    def fail_both(self, first: Exception, second: Exception) -> None:
        self.fail(second if self._emitted else self._failing(first, second))

    def fail(self, error: Exception) -> None:
        observer = self._observer
        self.dispose()
        if observer is not None:
            observer.on_error(error)


class _SecondWay(Generic[T]):
    """The observer of the second way."""

    __slots__ = ("_first", "_run", "on_completed", "on_next")

    def __init__(self, run: _FirstWay[T], first: Exception) -> None:
        self._run = run
        self._first = first
        self.on_next = run.on_next
        self.on_completed = run.on_completed

    def on_error(self, error: Exception) -> None:
        self._run.fail_both(self._first, error)
