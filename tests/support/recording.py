"""A subscription that writes down what it gets, and lets a test wait for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable

T = TypeVar("T")


class Signals(Generic[T]):
    """An observer that is followed directly, and writes down what it hears, after its end too.

    Attributes:
        signals: Values, the error, `"completed"`.
    """

    def __init__(self) -> None:
        self.signals: list[object] = []

    def on_next(self, value: T) -> None:
        self.signals.append(value)

    def on_error(self, error: Exception) -> None:
        self.signals.append(error)

    def on_completed(self) -> None:
        self.signals.append("completed")


class Recorder(Generic[T]):
    """Subscribes at once.

    Attributes:
        values: What came.
        error: What ended the source, if an error did.
        ended: The source has completed or failed.
    """

    def __init__(self, source: Observable[T], on_next: Callable[[T], None] | None = None) -> None:
        self.values: list[T] = []
        self.error: Exception | None = None
        self.ended = False
        self._on_next = on_next
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._subscription = source.subscribe(self._next, self._fail, self._complete)

    def dispose(self) -> None:
        self._subscription.dispose()

    async def count(self, wanted: int, seconds: float = 10) -> None:
        """Wait until so many values are there."""
        await self._wait(lambda: len(self.values) >= wanted, seconds)

    async def end(self, seconds: float = 10) -> None:
        """Wait until the source has completed or failed."""
        await self._wait(lambda: self.ended, seconds)

    async def _wait(self, reached: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    def _next(self, value: T) -> None:
        self.values.append(value)
        self._changed.set()
        if self._on_next is not None:
            self._on_next(value)

    def _fail(self, error: Exception) -> None:
        self.error, self.ended = error, True
        self._changed.set()

    def _complete(self) -> None:
        self.ended = True
        self._changed.set()
