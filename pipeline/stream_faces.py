"""The faces of a stream: an observable, `async for` and plain `for` over one async generator."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactivex import Observable
from reactivex.disposable import SerialDisposable

from cornerstream.images.errors import ObserverError
from cornerstream.operators.bridge import from_async_generator, running_tasks

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Callable, Iterator

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.loop_host import LoopHost

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loop:
    """Where streams run.

    Attributes:
        host: The session's loop.
        tasks: Where the session holds its tasks.
    """

    host: LoopHost
    tasks: set[asyncio.Task[Any]]


class StreamFaces(Generic[T]):
    """What a stream emits, for whoever reads it, on whichever thread.

    Observers are called on the session's loop, one value at a time: while an on_next runs, nothing more is loaded than the
    stream's bounds allow. Operators that keep what they cannot hand on at once, such as `observe_on`, have no bounds.

    Args:
        loop: Where it runs.
        run: Makes a run; called once a subscription or iteration.

    Attributes:
        observable: The values; cold.
    """

    def __init__(self, loop: Loop, run: Callable[[], AsyncGenerator[T, None]]) -> None:
        self._host = loop.host
        self._tasks = loop.tasks
        self._begin = run
        self.observable: Observable[T] = Observable(self._subscribe)

    def subscribe(self, *args: Any, **kwargs: Any) -> DisposableBase:
        """As `Observable.subscribe`; observers are called on the session's loop."""
        return self.observable.subscribe(*args, **kwargs)

    def pipe(self, *operators: Callable[[Any], Any]) -> Any:
        """As `Observable.pipe`."""
        return self.observable.pipe(*operators)

    def __aiter__(self) -> AsyncGenerator[T, None]:  # noqa: PYI058 - one that can be closed
        return self._begin() if self._host.is_current() else self._from_elsewhere()

    def __iter__(self) -> Iterator[T]:
        values = self._begin()
        try:
            while (value := self._host.block(_next(values))) is not None:
                yield value
        finally:
            with self._unless_ended():
                self._host.block(_close(values))

    async def _from_elsewhere(self) -> AsyncGenerator[T, None]:
        values = self._begin()
        try:
            while (value := await self._host.run(_next(values))) is not None:
                yield value
        finally:
            with self._unless_ended():
                await self._host.run(_close(values))

    @contextmanager
    def _unless_ended(self) -> Iterator[None]:
        """A loop that has ended, or ends before it is asked, has closed what ran on it."""
        try:
            yield
        except RuntimeError:
            if not self._host.has_ended:
                raise

    def _subscribe(self, observer: ObserverBase[T], _: SchedulerBase | None = None) -> DisposableBase:
        subscription = SerialDisposable()

        def begin() -> None:
            if subscription.is_disposed:
                return
            token = running_tasks.set(self._tasks)
            try:
                subscription.disposable = from_async_generator(self._begin).subscribe(
                    lambda value: _hand_on(observer, value), observer.on_error, observer.on_completed
                )
            finally:
                running_tasks.reset(token)

        self._host.call(begin)
        return subscription


def _hand_on(observer: ObserverBase[T], value: T) -> None:
    try:
        observer.on_next(value)
    except Exception as error:
        image_id = getattr(value, "image_id", None) or getattr(getattr(value, "place", None), "image_id", None)
        raise ObserverError(f"on_next raised {error!r}", image_id=image_id) from error


async def _next(values: AsyncGenerator[T, None]) -> T | None:
    return await anext(values, None)


async def _close(values: AsyncGenerator[T, None]) -> None:
    await values.aclose()
