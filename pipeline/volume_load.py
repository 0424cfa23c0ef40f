"""A series as one array that is on its way: await it, block for it, watch it, cancel it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cornerstream.stream_faces import StreamFaces

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

    from reactivex import Observable

    from cornerstream.stream_faces import Loop
    from cornerstream.stream_progress import ProgressBoard, StreamProgress

T = TypeVar("T")


class VolumeLoad(Generic[T]):
    """One load of a whole series: cold, cancellable, awaitable.

    Nothing starts before somebody awaits, subscribes or asks for the result; all who do share one load, and the last one
    who gives up (a cancelled `await`, a time-out, a disposed subscription) cancels it. What it gave is kept as long as this
    object is. A failure is not: who asks again tries afresh.

    Args:
        loop: Where it runs.
        make: Makes the array.
        board: Shows how far it is.
    """

    def __init__(self, loop: Loop, make: Callable[[], Coroutine[Any, Any, T]], board: ProgressBoard) -> None:
        self._loop = loop
        self._host = loop.host
        self._make = make
        self._board = board
        self._task: asyncio.Task[T] | None = None
        self._waiting = 0
        self._cancelled = False

    def __repr__(self) -> str:
        progress = self._board.now
        state = "cancelled" if self._cancelled else f"{progress.images_done} of {progress.images_total} images"
        return f"<VolumeLoad, {state}>"

    def __await__(self) -> Generator[Any, None, T]:
        return self._host.run(self._join()).__await__()

    @property
    def observable(self) -> Observable[T]:
        """The result, then completion; cold. Made when it is asked for, since it would keep this object in a circle."""
        return StreamFaces(self._loop, self._once).observable

    @property
    def progress(self) -> Observable[StreamProgress]:
        """How far it is; completes with it."""
        return self._board.observable

    @property
    def progress_now(self) -> StreamProgress:
        """How far it is; after its end, how far it came."""
        return self._board.now

    @property
    def cancelled(self) -> bool:
        """`cancel()` was called."""
        return self._cancelled

    def result(self, timeout: float | None = None) -> T:
        """Block until it is there.

        Args:
            timeout: Seconds to wait; `None` waits without end.

        Raises:
            ImageLoadError: A slice failed; the error names it.
            concurrent.futures.CancelledError: The load was cancelled.
            TimeoutError: The time is over.
            RuntimeError: The loop that the load needs runs in this thread; use `await` there.
        """
        if self._host.is_current():
            raise RuntimeError(
                "this would block the event loop that the load needs; "
                "use `await session.volume(series)` or `await session.array(series)` here"
            )
        return self._host.block(self._join(), timeout)

    def cancel(self) -> None:
        """Stop every load of it and let go of the array; whoever waits gets CancelledError. May be called from any thread."""
        self._cancelled = True
        self._host.call(self._stop)

    async def _join(self) -> T:
        if self._cancelled:
            raise asyncio.CancelledError("the load of the series was cancelled")
        task = self._task = self._task or self._start()
        self._waiting += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting -= 1
            if not task.done() and not self._waiting:
                self._stop()
            elif task.done() and (task.cancelled() or task.exception() is not None):
                self._forget(task)

    def _start(self) -> asyncio.Task[T]:
        task = asyncio.ensure_future(self._make())
        self._loop.tasks.add(task)
        task.add_done_callback(self._loop.tasks.discard)
        return task

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._forget(self._task)

    def _forget(self, task: asyncio.Task[T]) -> None:
        if self._task is task:
            self._task = None

    async def _once(self) -> AsyncGenerator[T, None]:
        yield await self._join()
