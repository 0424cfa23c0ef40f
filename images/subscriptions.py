"""The subscriptions of one load object: cut off from their sources, all at once, by its `cancel()`."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from reactivex.disposable import Disposable, SingleAssignmentDisposable

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import DisposableBase, SchedulerBase

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Observer(Protocol[T_contra]):
    """What is asked of an Rx observer; one with `on_cancelled` hears of `cancel()` as well."""

    def on_next(self, value: T_contra, /) -> None:
        """Take a value."""
        ...

    def on_error(self, error: Exception, /) -> None:
        """Hear that the source failed; nothing follows."""
        ...

    def on_completed(self) -> None:
        """Hear that the source is done; nothing follows."""
        ...


class Subscriptions:
    """The live subscriptions of one load object; its state is guarded, since all may come from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: set[_Subscription[Any]] = set()
        self.cancelled = False

    def __len__(self) -> int:
        return len(self._live)

    def connect(
        self, source: Observable[T], observer: Observer[T], scheduler: SchedulerBase | None = None
    ) -> DisposableBase:
        """Subscribe an observer to a source, until either ends or `cancel()` comes."""
        subscription = _Subscription(observer, self._forget)
        with self._lock:
            self._live.add(subscription)
            cancelled = self.cancelled
        if cancelled:
            subscription.cancel()
            return Disposable()
        try:
            subscription.follow(source, scheduler)
        except BaseException:
            subscription.dispose()
            raise
        return Disposable(subscription.dispose)

    def cancel(self) -> None:
        """Dispose every subscription, and every one to come."""
        with self._lock:
            self.cancelled = True
            live = list(self._live)
        with ExitStack() as stack:  # a source that raises when it is disposed does not keep the others running
            for subscription in live:
                stack.callback(subscription.cancel)

    def _forget(self, subscription: _Subscription[T]) -> None:
        with self._lock:
            self._live.discard(subscription)


class _Subscription(Generic[T]):
    """One subscriber: hears of its source until one thing, and one only, ends it."""

    __slots__ = ("_forget", "_lock", "_observer", "_upstream")

    def __init__(self, observer: Observer[T], forget: Callable[[_Subscription[T]], None]) -> None:
        self._observer: Observer[T] | None = observer
        self._forget = forget
        self._lock = threading.Lock()
        self._upstream = SingleAssignmentDisposable()

    def follow(self, source: Observable[T], scheduler: SchedulerBase | None) -> None:
        self._upstream.disposable = source.subscribe(
            self._on_next, self._on_error, self._on_completed, scheduler=scheduler
        )

    def dispose(self) -> None:
        self._end(lambda _: None)

    def cancel(self) -> None:
        self._end(_tell_cancelled)

    def _on_next(self, value: T) -> None:
        observer = self._observer
        if observer is not None:
            # What it raises is the source's to answer, with an on_error for this subscriber only.
            observer.on_next(value)

    def _on_error(self, error: Exception) -> None:
        self._end(lambda observer: observer.on_error(error))

    def _on_completed(self) -> None:
        self._end(lambda observer: observer.on_completed())

    def _end(self, tell: Callable[[Observer[T]], None]) -> None:
        """Let go of the source and of the observer; only who comes first tells the observer.

        A disposable may be held long after its load: it must not keep the observer, and what that holds, alive.
        """
        with self._lock:
            observer, self._observer = self._observer, None
        self._forget(self)
        try:
            self._upstream.dispose()
        finally:  # a source that raises when it is disposed does not leave its observer waiting
            if observer is not None:
                tell(observer)


def _tell_cancelled(observer: Observer[T]) -> None:
    on_cancelled = getattr(observer, "on_cancelled", None)
    if on_cancelled is not None:
        on_cancelled()
