"""`concat_stage`: the observables that values stand for, one after the other, in a stage of its own."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactivex.abc import DisposableBase

from cornerstream.images.stage import Stage, follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import ObserverBase, SchedulerBase

T = TypeVar("T")
R = TypeVar("R")


def concat_stage(function: Callable[[T], Observable[R]]) -> Callable[[Observable[T]], Observable[R]]:
    """Map each value to an observable and emit what those emit, as `reactivex.operators.concat_map` does.

    ::

        source   a──b─────────|
        result   ──A1──A2B1──B2─|

    Order is the source's; one observable is subscribed to at a time, the next when it has completed; the first error of
    any ends the sequence; dispose leaves the source and the observable of the moment.

    Args:
        function: Called once a value, when that comes.
    """

    def operator(source: Observable[T]) -> Observable[R]:
        def subscribe(observer: ObserverBase[R], scheduler: SchedulerBase | None = None) -> DisposableBase:
            run = _InTurn(observer, function)
            run.follow(source, scheduler)
            return run

        return Stage(subscribe)

    return operator


class _InTurn(DisposableBase, Generic[T, R]):
    """One subscription; the observer of its source. Without an observer of its own it has ended."""

    __slots__ = ("_busy", "_done", "_function", "_inner", "_observer", "_outer", "_starting", "_waiting")

    def __init__(self, observer: ObserverBase[R], function: Callable[[T], Observable[R]]) -> None:
        self._observer: ObserverBase[R] | None = observer
        self._function = function
        self._waiting: deque[Observable[R]] = deque()
        self._outer: DisposableBase | None = None
        self._inner: DisposableBase | None = None
        self._busy = False
        self._starting = False
        self._done = False

    def follow(self, source: Observable[T], scheduler: SchedulerBase | None) -> None:
        self._outer = follow(source, self, scheduler)
        if self._observer is None:
            self.dispose()

    def dispose(self) -> None:
        self._observer = None
        self._waiting.clear()
        outer, self._outer = self._outer, None
        inner, self._inner = self._inner, None
        for upstream in (inner, outer):
            if upstream is not None:
                upstream.dispose()

    def on_next(self, value: T) -> None:
        try:
            self._waiting.append(self._function(value))
        except Exception as error:  # noqa: BLE001 - whatever the function raises is the observer's to see
            self.on_error(error)
        else:
            self._go_on()

    def on_error(self, error: Exception) -> None:
        observer = self._observer
        self.dispose()
        if observer is not None:
            observer.on_error(error)

    def on_completed(self) -> None:
        self._done = True
        self._go_on()

    def emit(self, value: R) -> None:
        if self._observer is not None:
            self._observer.on_next(value)

    def inner_completed(self) -> None:
        self._busy = False
        self._inner = None
        self._go_on()

    def _go_on(self) -> None:
        """Subscribe to the next; one that completes meanwhile is followed here, and not from inside itself."""
        if self._starting:
            return
        self._starting = True
        while self._observer is not None and self._waiting and not self._busy:
            self._start(self._waiting.popleft())
        self._starting = False
        observer = self._observer
        if observer is not None and self._done and not self._busy:
            self.dispose()
            observer.on_completed()

    def _start(self, observable: Observable[R]) -> None:
        self._busy = True
        try:
            inner = follow(observable, _Inner(self))
        except Exception as error:  # noqa: BLE001 - as above
            self.on_error(error)
            return
        if self._observer is None:
            inner.dispose()  # disposed of before this was there to be disposed
        elif self._busy:
            self._inner = inner


class _Inner(Generic[R]):
    """The observer of the observable of the moment."""

    __slots__ = ("_run",)

    def __init__(self, run: _InTurn[Any, R]) -> None:
        self._run = run

    def on_next(self, value: R) -> None:
        self._run.emit(value)

    def on_error(self, error: Exception) -> None:
        self._run.on_error(error)

    def on_completed(self) -> None:
        self._run.inner_completed()
