"""Which loads began and which ended, for tests that wait for either."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Key = TypeVar("Key")


class UnderWay(Generic[Key]):
    """What a held loader has begun and ended.

    Attributes:
        started: Keys of loads in the order in which they began.
        ended: Keys of loads that ended, in whatever way.
    """

    def __init__(self) -> None:
        self.started: list[Key] = []
        self.ended: list[Key] = []
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def under_way(self, key: Key) -> AsyncIterator[None]:
        """A load, from its beginning to its end."""
        self.started.append(key)
        try:
            await self._tell()
            yield
        finally:
            self.ended.append(key)
            await self._tell()

    async def until_started(self, count: int) -> None:
        """Wait until that many loads have begun."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.started) >= count)

    async def until_ended(self, count: int) -> None:
        """Wait until that many loads have ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.ended) >= count)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
