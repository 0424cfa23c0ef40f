"""Those who subscribed to what a session tells of itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from reactivex import Observable
from reactivex.disposable import Disposable

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.loop_host import LoopHost

T = TypeVar("T")


class Listeners(Generic[T]):
    """Told on the session's loop, whichever thread they subscribed on; none of them can disturb it.

    One that raises is let go, and the loop's exception handler hears of it.

    Args:
        host: The session's loop.
        on_change: Called after one has come or gone; gets the one who came.

    Attributes:
        heard: There are any.
    """

    def __init__(self, host: LoopHost, on_change: Callable[[ObserverBase[T] | None], None] = lambda _: None) -> None:
        self._host = host
        self._on_change = on_change
        self._observers: list[ObserverBase[T]] = []
        self.heard = False
        self.observable: Observable[T] = Observable(self._subscribe)

    def tell(self, value: T) -> None:
        """Hand a value to all of them."""
        for observer in self._observers:  # the list is replaced, never changed
            self._guarded(observer, partial(observer.on_next, value))

    def tell_one(self, observer: ObserverBase[T], value: T) -> None:
        """Hand a value to one of them."""
        self._guarded(observer, partial(observer.on_next, value))

    def complete(self) -> None:
        """Tell all of them that nothing follows, and let them go."""
        observers, self._observers, self.heard = self._observers, [], False
        for observer in observers:
            self._guarded(observer, observer.on_completed)

    def _subscribe(self, observer: ObserverBase[T], _: SchedulerBase | None = None) -> DisposableBase:
        self._host.call(self._add, observer)
        return Disposable(lambda: self._host.call(self._remove, observer))

    def _add(self, observer: ObserverBase[T]) -> None:
        self._observers = [*self._observers, observer]
        self.heard = True
        self._on_change(observer)

    def _remove(self, observer: ObserverBase[T]) -> None:
        others = [other for other in self._observers if other is not observer]
        if len(others) < len(self._observers):
            self._observers, self.heard = others, bool(others)
            self._on_change(None)

    def _guarded(self, observer: ObserverBase[T], tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception as error:  # noqa: BLE001 - whatever a subscriber raises must not reach the loads
            self._remove(observer)
            report = {"message": "a subscriber of what a session tells of itself raised", "exception": error}
            self._host.loop.call_exception_handler(report)
