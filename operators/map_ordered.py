"""`map_ordered`: an async function over a source, several at once, results in the order of the source."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactivex.abc import DisposableBase

from cornerstream.images.stage import Stage, follow
from cornerstream.operators.bridge import on_loop, spawn, was_cancelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reactivex import Observable
    from reactivex.abc import ObserverBase, SchedulerBase

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Ready(Generic[R]):
    """A result that costs less than a task would."""

    value: R


def map_ordered(
    function: Callable[[T], Awaitable[R]],
    max_concurrent: int = 4,
    max_waiting: int | None = None,
    at_once: Callable[[T], Ready[R] | None] | None = None,
) -> Callable[[Observable[T]], Observable[R]]:
    """Map each value through an async function, at most `max_concurrent` at a time.

    ::

        source   a──b──c──────|
                 function: b is ready before a
        result   ──────ab───c─|

    Order is the source's, which emits on the loop that runs at subscription; further values wait in a queue; the first
    error ends the sequence and cancels the other calls; dispose cancels every call, from any thread.

    Args:
        function: Called once a value, as its turn comes. A future that it returns is awaited as it is, a coroutine in a task.
        max_concurrent: Calls running at once, from 1.
        max_waiting: Results held because an earlier one is not there yet; while there are so many, no further call
            starts, so that one slow call does not fill the memory with what follows it. As many as `max_concurrent` if
            it is `None`.
        at_once: Called first, in the source's own time; where it has the result ready, `function` is not called.

    Raises:
        ValueError: A bound is too small.
    """
    waiting = max_concurrent if max_waiting is None else max_waiting
    if max_concurrent < 1 or waiting < 0:
        raise ValueError(f"max_concurrent is at least 1 and max_waiting 0, not {max_concurrent} and {waiting}")

    def operator(source: Observable[T]) -> Observable[R]:
        def subscribe(observer: ObserverBase[R], scheduler: SchedulerBase | None = None) -> DisposableBase:
            run = _Ordered(observer, function, at_once, max_concurrent, waiting)
            return _Both(run, follow(source, run, scheduler))

        return Stage(subscribe)

    return operator


class _Both(DisposableBase):
    """The run and its upstream, which may have ended already."""

    __slots__ = ("_run", "_upstream")

    def __init__(self, run: _Ordered[Any, Any], upstream: DisposableBase) -> None:
        self._run: _Ordered[Any, Any] | None = run
        self._upstream: DisposableBase | None = upstream

    def dispose(self) -> None:
        run, self._run = self._run, None
        upstream, self._upstream = self._upstream, None
        if run is not None:
            run.dispose()
        if upstream is not None:
            upstream.dispose()


class _Ordered(Generic[T, R]):
    """State of one subscription; touched on its loop only, but for `dispose`."""

    def __init__(
        self,
        observer: ObserverBase[R],
        function: Callable[[T], Awaitable[R]],
        at_once: Callable[[T], Ready[R] | None] | None,
        max_concurrent: int,
        max_waiting: int,
    ) -> None:
        self._observer: ObserverBase[R] | None = observer
        self._function = function
        self._at_once = at_once
        self._max_concurrent = max_concurrent
        self._max_calls = max_concurrent + max_waiting
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[T] = deque()
        self._calls: deque[_Call[R]] = deque()  # in the order of the source, the finished ones at the head not yet sent
        self._running = 0
        self._sending = False
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
        on_loop(self._loop, self._drop)

    def _drop(self) -> None:
        self._waiting.clear()
        calls, self._calls = self._calls, deque()
        for call in calls:
            if call.future is not None and call.future is not asyncio.current_task():
                call.future.cancel()

    def _start(self) -> None:
        while (
            self._observer is not None
            and self._waiting
            and self._running < self._max_concurrent
            and len(self._calls) < self._max_calls
        ):
            call: _Call[R] = _Call()
            self._calls.append(call)
            value = self._waiting.popleft()
            if self._at_once is None or not self._is_ready(call, self._at_once, value):
                self._begin(call, value)

    def _is_ready(self, call: _Call[R], at_once: Callable[[T], Ready[R] | None], value: T) -> bool:
        """Take and send a result that is ready; false where `function` is needed."""
        try:
            ready = at_once(value)
        except Exception as error:  # noqa: BLE001 - as for `function`
            call.error = error
        else:
            if ready is None:
                return False
            call.result.append(ready.value)
        call.done = True
        self._send()
        return True

    def _begin(self, call: _Call[R], value: T) -> None:
        self._running += 1
        try:
            result = self._function(value)
        except Exception as error:  # noqa: BLE001 - whatever the function raises is the observer's to see
            self._end(call, error)
            return
        call.future = result if isinstance(result, asyncio.Future) else spawn(result, self._loop)
        call.future.add_done_callback(partial(self._ended, call))

    def _ended(self, call: _Call[R], future: asyncio.Future[R]) -> None:
        failure: BaseException | None
        if not future.cancelled():
            failure = future.exception()
        elif isinstance(future, asyncio.Task) and was_cancelled(future):
            self._running -= 1
            return  # whoever cancelled it wants to hear no more
        else:
            failure = CancelledError()
        if failure is None:
            call.result.append(future.result())
        elif not isinstance(failure, Exception):
            raise failure  # it is the program's, and ends the loop
        self._end(call, failure)
        self._start()

    def _end(self, call: _Call[R], error: Exception | None) -> None:
        self._running -= 1
        call.future, call.error, call.done = None, error, True
        self._send()

    def _send(self) -> None:
        if self._sending:  # an on_next made the source go on: the outer turn sends what that completed
            return
        self._sending = True
        try:
            self._send_ready()
        except Exception:
            self.dispose()  # an on_next raised; what still runs is for nobody
            raise
        finally:
            self._sending = False

    def _send_ready(self) -> None:
        # `_observer` is read once a turn: another thread may dispose in between.
        while (observer := self._observer) is not None and self._calls and self._calls[0].done:
            call = self._calls.popleft()
            if call.error is not None:
                self.on_error(call.error)
                return
            observer.on_next(call.result.pop())
        if observer is not None and self._source_done and not self._calls and not self._waiting:
            self._observer = None
            observer.on_completed()


class _Call(Generic[R]):
    """One call: its future, then its result or its error."""

    __slots__ = ("done", "error", "future", "result")

    def __init__(self) -> None:
        self.future: asyncio.Future[R] | None = None
        self.result: list[R] = []
        self.error: Exception | None = None
        self.done = False
