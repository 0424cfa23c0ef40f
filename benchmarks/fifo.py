"""The client that most programs begin with: a queue, eight requests at once, nothing ever cancelled or overtaken."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from benchmarks.floors import PIXELS, only_part
from benchmarks.machine import cores

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import aiohttp

    from benchmarks.common import Pixels


class FifoClient:
    """Fetches and decodes frames in the order they were first asked for; each is fetched once.

    Args:
        decode: The codec.
        at_once: Requests at once.

    Attributes:
        bytes_received: Bytes of all bodies.
    """

    def __init__(self, decode: Callable[[bytes], Pixels], at_once: int = 8) -> None:
        self._decode = decode
        self._slots = asyncio.Semaphore(at_once)
        self._pool = ThreadPoolExecutor(cores())
        self._tasks: dict[str, asyncio.Task[Pixels]] = {}
        self._http: aiohttp.ClientSession
        self.bytes_received = 0

    async def __aenter__(self) -> Self:
        import aiohttp  # noqa: PLC0415 - heavy

        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=PIXELS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._http.close()
        self._pool.shutdown()

    def ask(self, url: str) -> asyncio.Task[Pixels]:
        """Queue a frame, unless it is queued or there."""
        return self._tasks.setdefault(url, self._tasks.get(url) or asyncio.create_task(self._load(url)))

    async def load(self, url: str) -> Pixels:
        """Ask for a frame and wait for it."""
        return await self.ask(url)

    async def finish(self) -> None:
        """Wait for everything that was asked for."""
        await asyncio.gather(*self._tasks.values())

    async def _load(self, url: str) -> Pixels:
        async with self._slots, self._http.get(url, raise_for_status=True) as response:
            body = await response.read()
        self.bytes_received += len(body)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._decode, only_part(body))
