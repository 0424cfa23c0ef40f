"""The subscriptions of one load object: cut off from their sources, all at once, by its `cancel()`."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from reactivex.abc import DisposableBase

from cornerstream.images.stage import follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import SchedulerBase

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

    __slots__ = ("_live", "cancelled", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._live: set[_Subscription[Any]] = set()
        self.cancelled = False

    def __len__(self) -> int:
        return len(self._live)

    def connect(
        self, source: Observable[T], observer: Observer[T], scheduler: SchedulerBase | None = None
    ) -> DisposableBase:
        """Subscribe an observer to a source, until either ends or `cancel()` comes."""
        return self.attach(partial(_subscribed, source, scheduler), observer)

    def attach(self, subscribe: Callable[[Observer[T]], DisposableBase], observer: Observer[T]) -> DisposableBase:
        """As `connect`, to whatever `subscribe` subscribes to: no Rx observer stands in between."""
        subscription = _Subscription(observer, self)
        with self.lock:
            self._live.add(subscription)
            cancelled = self.cancelled
        if cancelled:
            subscription.cancel()
            return subscription
        try:
            subscription.follow(subscribe)
        except BaseException:
            subscription.dispose()
            raise
        return subscription

    def forget(self, subscription: _Subscription[T]) -> None:
        """Let go of a subscription that has ended; the lock is held."""
        self._live.discard(subscription)

    def cancel(self) -> None:
        """Dispose every subscription, and every one to come."""
        with self.lock:
            self.cancelled = True
            live = list(self._live)
        if len(live) == 1:  # mostly
            live[0].cancel()
            return
        with ExitStack() as stack:  # a source that raises when it is disposed does not keep the others running
            for subscription in live:
                stack.callback(subscription.cancel)


class _Subscription(DisposableBase, Generic[T]):
    """One subscriber: hears of its source until one thing, and one only, ends it. Its own observer and disposable."""

    __slots__ = ("_ended", "_observer", "_owner", "_upstream")

    def __init__(self, observer: Observer[T], owner: Subscriptions) -> None:
        self._observer: Observer[T] | None = observer
        self._owner = owner
        self._upstream: DisposableBase | None = None
        self._ended = False

    def follow(self, subscribe: Callable[[Observer[T]], DisposableBase]) -> None:
        upstream = subscribe(self)
        with self._owner.lock:
            if not self._ended:
                self._upstream = upstream
                return
        upstream.dispose()  # it ended, or was disposed, before this was there to be disposed

    def dispose(self) -> None:
        self._end(None)

    def cancel(self) -> None:
        self._end(_tell_cancelled)

    def on_next(self, value: T) -> None:
        observer = self._observer
        if observer is not None:
            # What it raises is the source's to answer, with an on_error for this subscriber only.
            observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        self._end(lambda observer: observer.on_error(error))

    def on_completed(self) -> None:
        self._end(_tell_completed)

    def _end(self, tell: Callable[[Observer[T]], None] | None) -> None:
        """Let go of the source and of the observer; only who comes first tells the observer.

        A disposable may be held long after its load: it must not keep the observer, and what that holds, alive.
        """
        with self._owner.lock:
            observer, self._observer = self._observer, None
            upstream, self._upstream = self._upstream, None
            self._ended = True
            self._owner.forget(self)
        try:
            if upstream is not None:
                upstream.dispose()
        finally:  # a source that raises when it is disposed does not leave its observer waiting
            if observer is not None and tell is not None:
                tell(observer)


def _subscribed(source: Observable[T], scheduler: SchedulerBase | None, observer: Observer[T]) -> DisposableBase:
    return follow(source, observer, scheduler)


def _tell_completed(observer: Observer[Any]) -> None:
    observer.on_completed()


def _tell_cancelled(observer: Observer[Any]) -> None:
    on_cancelled = getattr(observer, "on_cancelled", None)
    if on_cancelled is not None:
        on_cancelled()
