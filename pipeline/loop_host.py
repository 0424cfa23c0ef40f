"""The one loop of a session: the caller's, or that of a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class LoopHost:
    """Holds a loop and lets other threads in.

    Args:
        loop: A running loop; `None` starts one in a daemon thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._thread: threading.Thread | None = None
        self._door = threading.Lock()  # what comes in from other threads comes before `stop`, or not at all
        self._stopped = False
        self.loop = loop or self._start_thread()

    @property
    def owns_thread(self) -> bool:
        """The loop runs in a thread of its own."""
        return self._thread is not None

    @property
    def has_ended(self) -> bool:
        """The loop takes no more work from other threads."""
        return self._stopped or self.loop.is_closed()

    def is_current(self) -> bool:
        """This thread is the loop's."""
        return running_loop() is self.loop

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call on the loop: at once when this thread is the loop's, else as soon as it can.

        Calls from one thread keep their order. A loop that is closed has nothing left to be told.
        """
        if self.is_current():
            function(*args)
            return
        with self._door:
            if not self.has_ended:
                self.loop.call_soon_threadsafe(function, *args)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop, from another thread.

        Raises:
            RuntimeError: The loop has ended.
        """
        with self._door:
            if not self.has_ended:
                return asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        coroutine.close()
        raise RuntimeError("the session is closed: its event loop has ended")

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and await it here, on whichever loop that is."""
        if self.is_current():
            return await coroutine
        return await asyncio.wrap_future(self.submit(coroutine))

    def block(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine on the loop and wait for it here.

        Raises:
            RuntimeError: This thread is the loop's: waiting would stop it.
            TimeoutError: The time is over; the coroutine is cancelled.
        """
        if self.is_current():
            coroutine.close()
            raise RuntimeError("this would block the running event loop; use `await` here")
        future = self.submit(coroutine)
        try:
            return future.result(timeout)
        finally:
            future.cancel()

    def stop(self) -> None:
        """Stop the thread, if it is our own, and wait for its end; what still runs there is cancelled."""
        if self._thread is None:
            return
        with self._door:
            if not self.has_ended:
                self._stopped = True
                self.loop.call_soon_threadsafe(self.loop.stop)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _start_thread(self) -> asyncio.AbstractEventLoop:
        started = threading.Event()
        loop = asyncio.new_event_loop()

        def run() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(started.set)
            try:
                loop.run_forever()
                _cancel_all(loop)
                loop.run_until_complete(loop.shutdown_asyncgens())
            finally:
                loop.close()

        self._thread = threading.Thread(target=run, name="cornerstream-loop", daemon=True)
        self._thread.start()
        started.wait()
        return loop


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """Whoever waits in another thread for something of this loop must hear that it will not come."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks))
