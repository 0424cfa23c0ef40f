"""A transport whose answers the test holds in its hands."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from cornerstream.operators.protocols import HttpRequest


class HeldTransport:
    """Answers every request with what the test sends, to the one that is open.

    Attributes:
        asked: The requests, in order.
        headers_held: Requests wait for their header while this is cleared.
    """

    def __init__(self) -> None:
        self.asked: list[HttpRequest] = []
        self.headers_held = asyncio.Event()
        self.headers_held.set()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[_Response]:
        self.asked.append(request)
        async with self._changed:
            self._changed.notify_all()
        await self.headers_held.wait()
        yield _Response(self._chunks)

    async def until_asked(self, count: int) -> None:
        """Wait until so many requests are here."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.asked) >= count)

    async def send(self, chunk: bytes) -> None:
        """Send bytes, and wait until they have been read."""
        await self._chunks.put(chunk)
        await self._chunks.join()

    def end(self) -> None:
        """End the body."""
        self._chunks.put_nowait(None)


class _Response:
    def __init__(self, chunks: asyncio.Queue[bytes | None]) -> None:
        self._chunks = chunks

    @property
    def headers(self) -> Mapping[str, str]:
        return {}

    @property
    def content_length(self) -> int | None:
        return None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        while True:
            chunk = await self._chunks.get()
            if chunk is None:
                self._chunks.task_done()
                return
            try:
                yield chunk
            finally:
                self._chunks.task_done()
