"""`map_ordered`: an async function over a source, several at once, results in the order of the source."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from reactivex import Observable
from reactivex.disposable import CompositeDisposable, Disposable

from cornerstream.operators.bridge import spawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

T = TypeVar("T")
R = TypeVar("R")


def map_ordered(
    function: Callable[[T], Awaitable[R]], max_concurrent: int = 4
) -> Callable[[Observable[T]], Observable[R]]:
    """Map each value through an async function, at most `max_concurrent` at a time.

    ::

        source   a──b──c──────|
                 function: b is ready before a
        result   ──────ab───c─|

    Order is the source's; further values wait in a queue; the first error ends the sequence and cancels the others;
    dispose cancels every running call. The loop is the one running at subscription.

    Args:
        function: Called once a value, as its turn comes.
        max_concurrent: Calls running at once, from 1.
    """
    if max_concurrent < 1:
        raise ValueError(f"max_concurrent is at least 1, not {max_concurrent}")

    def operator(source: Observable[T]) -> Observable[R]:
        def subscribe(observer: ObserverBase[R], scheduler: SchedulerBase | None = None) -> DisposableBase:
            run = _Ordered(observer, function, max_concurrent, asyncio.get_running_loop())
            # The inner subscription is the disposable's, so that an upstream that ends at once is let go as well.
            upstream = source.subscribe(run.on_next, run.on_error, run.on_completed, scheduler=scheduler)
            return CompositeDisposable(upstream, Disposable(run.dispose))

        return Observable(subscribe)

    return operator


class _Ordered(Generic[T, R]):
    """State of one subscription; touched on its loop only."""

    def __init__(
        self,
        observer: ObserverBase[R],
        function: Callable[[T], Awaitable[R]],
        max_concurrent: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._observer: ObserverBase[R] | None = observer
        self._function = function
        self._max_concurrent = max_concurrent
        self._loop = loop
        self._waiting: deque[T] = deque()
        self._calls: deque[_Call[R]] = deque()  # in the order of the source, the finished ones at the head not yet sent
        self._running = 0
        self._source_done = False

    def on_next(self, value: T) -> None:
        self._waiting.append(value)
        self._start()

    def on_error(self, error: Exception) -> None:
        observer = self._observer
        self.dispose()
        if observer is not None:
            observer.on_error(error)

    def on_completed(self) -> None:
        self._source_done = True
        self._send()

    def dispose(self) -> None:
        self._observer = None
        self._waiting.clear()
        calls, self._calls = self._calls, deque()
        for call in calls:
            if call.task is not asyncio.current_task(self._loop):
                call.cancel()

    def _start(self) -> None:
        while self._observer is not None and self._waiting and self._running < self._max_concurrent:
            call: _Call[R] = _Call()
            self._calls.append(call)
            self._running += 1
            call.task = spawn(self._run(call, self._waiting.popleft()), self._loop)

    async def _run(self, call: _Call[R], value: T) -> None:
        try:
            call.result.append(await self._function(value))
        except Exception as error:  # noqa: BLE001 - whatever the function raises is the observer's to see
            call.error = error
        finally:
            self._running -= 1
        call.done = True
        self._send()
        self._start()

    def _send(self) -> None:
        while self._observer is not None and self._calls and self._calls[0].done:
            call = self._calls.popleft()
            if call.error is not None:
                self.on_error(call.error)
                return
            self._observer.on_next(call.result.pop())
        if self._observer is not None and self._source_done and not self._calls and not self._waiting:
            observer, self._observer = self._observer, None
            observer.on_completed()


class _Call(Generic[R]):
    """One call: its task, then its result or its error."""

    __slots__ = ("done", "error", "result", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.result: list[R] = []
        self.error: Exception | None = None
        self.done = False

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()
