"""The one bridge between coroutines and observables: an async generator becomes a cold observable.

The generator runs as a task on the loop that is running when somebody subscribes. Disposing cancels that task; completion
and errors are sent after every `async with` inside has closed, so that a completed load has no socket left.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from contextlib import aclosing, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactivex.abc import DisposableBase

from cornerstream.images.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from reactivex import Observable
    from reactivex.abc import ObserverBase, SchedulerBase

T = TypeVar("T")

running_tasks: ContextVar[set[asyncio.Task[Any]] | None] = ContextVar("running_tasks", default=None)
"""Where new tasks are held until they end; a session sets it around `subscribe` to know what is left of it."""

_orphans: set[asyncio.Task[Any]] = set()


def spawn(coroutine: Awaitable[T], loop: asyncio.AbstractEventLoop) -> asyncio.Task[T]:
    """Start a task and hold it until it ends: asyncio itself keeps weak references only."""
    held = running_tasks.get()
    holder = _orphans if held is None else held
    task = asyncio.ensure_future(coroutine, loop=loop)
    assert isinstance(task, asyncio.Task)
    holder.add(task)
    task.add_done_callback(holder.discard)
    return task


def on_loop(loop: asyncio.AbstractEventLoop, action: Callable[[], object]) -> None:
    """Run an action on a loop: at once if that loop runs in this thread, else as soon as the loop gets to it."""
    if _running_loop() is loop:
        action()
        return
    with suppress(RuntimeError):  # the loop is closed, and whatever ran on it has ended
        loop.call_soon_threadsafe(action)


def was_cancelled(task: asyncio.Task[Any] | None) -> bool:
    """Somebody asked this task to stop; a CancelledError without that came out of what it awaited."""
    return task is not None and task.cancelling() > 0


def from_async_generator(factory: Callable[[], AsyncGenerator[T, None]]) -> Observable[T]:
    """Make a cold observable of an async generator.

    ::

        subscribe  ──▶ factory() runs as a task on the running loop
        yield a         a──────b──────|      completes after every `async with` has closed
        dispose         a──┄ task cancelled on the loop, nothing is sent any more

    Order is the generator's; one task a subscription; dispose cancels the task, from any thread. An on_next that raises
    ends the subscription; where no observer is left to hear of it, the loop's exception handler does. If what the
    generator awaits was cancelled by somebody else, that is a concurrent.futures.CancelledError.

    Args:
        factory: Called once a subscription.

    Raises:
        RuntimeError: Nothing runs a loop in the thread that subscribes.
    """

    def subscribe(observer: ObserverBase[T], _: SchedulerBase | None = None) -> DisposableBase:
        run = _Run(observer, asyncio.get_running_loop())
        run.start(factory())
        return run

    return Stage(subscribe)


def from_coroutine(function: Callable[[], Awaitable[T]]) -> Observable[T]:
    """Make a cold observable of one value out of a coroutine function; disposing cancels it.

    ::

        subscribe  ──▶ await function()
                        ───────a|
    """

    async def once() -> AsyncGenerator[T, None]:
        """One value."""
        yield await function()

    return from_async_generator(once)


class _Run(DisposableBase, Generic[T]):
    """One subscription: forwards while it is wanted."""

    __slots__ = ("_broken", "_loop", "_observer", "_task")

    def __init__(self, observer: ObserverBase[T], loop: asyncio.AbstractEventLoop) -> None:
        self._observer: ObserverBase[T] | None = observer
        self._loop = loop
        self._broken = False
        self._task: asyncio.Task[None] | None = None

    def start(self, generator: AsyncGenerator[T, None]) -> None:
        self._task = spawn(self.drive(generator), self._loop)

    def dispose(self) -> None:
        # A disposable may be held long after its load: it must not keep the observer, and what that holds, alive.
        self._observer = None
        task, self._task = self._task, None
        if task is not None and not task.done():
            on_loop(self._loop, lambda: _cancel_other(task))

    async def drive(self, generator: AsyncGenerator[T, None]) -> None:
        failure: Exception | None = None
        try:
            async with aclosing(generator):
                async for value in generator:
                    if not self._send(value):
                        return
        except asyncio.CancelledError:
            if was_cancelled(asyncio.current_task()):
                raise
            failure = CancelledError()
        except Exception as error:  # noqa: BLE001 - whatever the source raises is the observer's to see
            failure = error
        try:
            self._end(failure)
        finally:
            del failure  # its traceback holds this frame, and what lies here

    def _send(self, value: T) -> bool:
        """Hand a value on; true while more is wanted."""
        observer = self._observer  # once: another thread may dispose in between
        if observer is None:
            return False
        try:
            observer.on_next(value)
        except Exception:
            self._broken = True  # the observer's own: told apart from what the generator raises, and raised as well
            raise
        return self._observer is not None

    def _end(self, failure: Exception | None) -> None:
        observer, self._observer = self._observer, None
        if observer is None:
            if failure is not None and self._broken:
                raise failure  # the observer's own, and it has let go already
        elif failure is None:
            observer.on_completed()
        else:
            observer.on_error(failure)


def _cancel_other(task: asyncio.Task[None]) -> None:
    """Cancel a task; the one that disposes itself, from inside its on_next, ends by itself."""
    if task is not asyncio.current_task():
        task.cancel()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
