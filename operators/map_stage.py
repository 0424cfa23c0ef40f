"""`map_stage`: a synchronous function over a source, as `reactivex.operators.map`, in a stage of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from cornerstream.images.stage import Stage, follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

T = TypeVar("T")
R = TypeVar("R")


def map_stage(function: Callable[[T], R]) -> Callable[[Observable[T]], Observable[R]]:
    """Map each value through a function.

    ::

        source   ──a───b──|
        result   ──A───B──|

    Order and time are the source's; synchronous; the function's first error ends the sequence; dispose is the source's.

    Args:
        function: Called once a value.
    """

    def operator(source: Observable[T]) -> Observable[R]:
        def subscribe(observer: ObserverBase[R], scheduler: SchedulerBase | None = None) -> DisposableBase:
            return follow(source, _Mapping(observer, function), scheduler)

        return Stage(subscribe)

    return operator


class _Mapping(Generic[T, R]):
    """One subscription; silent after its first end."""

    __slots__ = ("_function", "_observer")

    def __init__(self, observer: ObserverBase[R], function: Callable[[T], R]) -> None:
        self._observer: ObserverBase[R] | None = observer
        self._function = function

    def on_next(self, value: T) -> None:
        if self._observer is None:
            return
        try:
            result = self._function(value)
        except Exception as error:  # noqa: BLE001 - whatever the function raises is the observer's to see
            self.on_error(error)
        else:
            self._observer.on_next(result)

    def on_error(self, error: Exception) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.on_error(error)

    def on_completed(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.on_completed()
