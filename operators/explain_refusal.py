"""`explain_refusal`: why a server refuses a frame, where the metadata of its instance say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactivex.abc import DisposableBase

from cornerstream.images.errors import HttpStatusError, SplitError
from cornerstream.images.stage import Stage, follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import ObserverBase, SchedulerBase

    from cornerstream.images.subscriptions import Observer
    from cornerstream.operators.metadata import InstanceMetadata

T = TypeVar("T")


def explain_refusal(metadata: Observable[InstanceMetadata]) -> Callable[[Observable[T]], Observable[T]]:
    """Put what the metadata say of the instance in the place of a status such as 404 or 500.

    ::

        source   ──404
        metadata ─────"no pixel data"
        result   ─────"no pixel data"

    Order and time are the source's; after a refusal it waits for the metadata; dispose leaves both.

    Args:
        metadata: Fails with a `SplitError` where the instance is no image; whatever else it does, the refusal stands.
    """

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(observer: ObserverBase[T], scheduler: SchedulerBase | None = None) -> DisposableBase:
            run = _Explained(observer, metadata)
            run.follow(source, run, scheduler)
            return run

        return Stage(subscribe)

    return operator


class _Explained(DisposableBase, Generic[T]):
    """One subscription; the observer of its source. Without an observer of its own it has ended."""

    __slots__ = ("_metadata", "_observer", "_upstream")

    def __init__(self, observer: ObserverBase[T], metadata: Observable[InstanceMetadata]) -> None:
        self._observer: ObserverBase[T] | None = observer
        self._metadata = metadata
        self._upstream: list[DisposableBase] = []

    def follow(self, source: Observable[Any], observer: Observer[Any], scheduler: SchedulerBase | None = None) -> None:
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
        if self._observer is not None:
            self._observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        if self._observer is not None and isinstance(error, HttpStatusError):
            self.follow(self._metadata, _Reason(self, error))
        else:
            self.fail(error)

    def on_completed(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.on_completed()

    def fail(self, error: Exception) -> None:
        observer = self._observer
        self.dispose()
        if observer is not None:
            observer.on_error(error)


class _Reason:
    """The observer of the metadata of an instance that was refused."""

    __slots__ = ("_refusal", "_run")

    def __init__(self, run: _Explained[Any], refusal: HttpStatusError) -> None:
        self._run = run
        self._refusal = refusal

    def on_next(self, _: InstanceMetadata) -> None:
        """They are those of an image."""

    def on_error(self, error: Exception) -> None:
        self._run.fail(error if isinstance(error, SplitError) else self._refusal)

    def on_completed(self) -> None:
        self._run.fail(self._refusal)
