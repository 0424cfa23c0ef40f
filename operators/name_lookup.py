"""Host names on threads of our own: asyncio's default executor would outlive the transport on the loop."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from aiohttp import ThreadedResolver

_THREADS = 4


class NameLookup:
    """What aiohttp's resolver asks of a loop, on threads that end with the transport."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="cornerstream-names")
        self._running: set[Future[Any]] = set()

    def resolver(self) -> ThreadedResolver:
        """A resolver of aiohttp's that looks names up here."""
        from aiohttp import ThreadedResolver  # noqa: PLC0415 - importing cornerstream stays quick

        return ThreadedResolver(cast("asyncio.AbstractEventLoop", self))

    async def getaddrinfo(self, host: str, port: int, **options: Any) -> Any:
        """As `socket.getaddrinfo`."""
        return await self._run(partial(socket.getaddrinfo, host, port, **options))

    async def getnameinfo(self, address: Any, flags: int = 0) -> tuple[str, str]:
        """As `socket.getnameinfo`."""
        found: tuple[str, str] = await self._run(partial(socket.getnameinfo, address, flags))
        return found

    def close(self) -> None:
        """End the threads; one that is in the middle of a look-up, which cannot be stopped, ends after it."""
        self._threads.shutdown(wait=not self._running, cancel_futures=True)

    async def _run(self, function: partial[Any]) -> Any:
        future = self._threads.submit(function)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(future)
