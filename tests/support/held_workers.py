"""Workers that wait, and a subscriber that remembers: for the case lists of operators that use workers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable

T = TypeVar("T")


class HeldWorkers:
    """Workers that run nothing before `release()`, and know what was asked of them.

    Attributes:
        asked: For each call, whether the function holds the interpreter lock.
        cancelled: Calls that were cancelled while they waited.
    """

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.cancelled = 0
        self._gate = asyncio.Event()

    def release(self) -> None:
        """Run what waits, and what comes from now on."""
        self._gate.set()

    async def run(self, function: Callable[..., Any], /, *args: object, holds_lock: bool = False) -> Any:
        """Run a function on the loop, after `release()`."""
        self.asked.append(holds_lock)
        try:
            await self._gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return function(*args)


async def collect(source: Observable[T]) -> tuple[list[T], Exception | None]:
    """All values, then the error if there was one."""
    values: list[T] = []
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    source.subscribe(values.append, done.set_result, lambda: done.set_result(None))
    return values, await done
