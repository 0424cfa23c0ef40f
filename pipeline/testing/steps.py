"""A load step by step: each request, header and chunk, and each call of a worker, can be where it is held."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from cornerstream.operators.protocols import HttpRequest, HttpResponse, Transport

_CHUNKS = 3  # of a body at which a load is held; those behind are alike


class Steps:
    """Counts the steps of a load and holds one of them until it is let go.

    Args:
        held: Which one, from 0.

    Attributes:
        place: What is held, in words; empty until it is reached.
    """

    def __init__(self, held: int) -> None:
        self._held = held
        self._count = 0
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._let_go = asyncio.Event()
        self.place = ""

    def release(self) -> None:
        """Let it go on; on the loop."""
        self._go.set()
        self._let_go.set()

    async def on_loop(self, place: str) -> None:
        """Pass a step on the loop."""
        if self._is_held(place):
            await self._let_go.wait()

    def on_worker(self, place: str) -> None:
        """Pass a step on a worker."""
        if self._is_held(place):
            self._go.wait()

    def _is_held(self, place: str) -> bool:
        with self._lock:
            here = self._count == self._held
            self._count += 1
        if here:
            self.place = place
        return here and not self._go.is_set()


class SteppedTransport:
    """A transport whose requests, headers and chunks are steps."""

    def __init__(self, transport: Transport, steps: Steps) -> None:
        self._transport = transport
        self._steps = steps

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[HttpResponse]:
        """Open a request."""
        await self._steps.on_loop("before a request")
        async with self._transport.open(request) as response:
            await self._steps.on_loop("behind the header of an answer")
            yield _SteppedResponse(response, self._steps)


class _SteppedResponse:
    """A response whose first chunks are steps."""

    def __init__(self, response: HttpResponse, steps: Steps) -> None:
        self._response = response
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body."""
        count = 0
        chunks = self._response.chunks()
        try:
            async for chunk in chunks:
                if count < _CHUNKS:
                    await self._steps.on_loop("in the middle of a body")
                count += 1
                yield chunk
        finally:
            await chunks.aclose()


class SteppedThreads(ThreadPoolExecutor):
    """Threads whose calls are two steps each."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(4, "conformance")
        self._steps = steps

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call."""

        def stepped() -> Any:
            self._steps.on_worker("before the call of a worker")
            result = fn(*args, **kwargs)
            self._steps.on_worker("behind the call of a worker")
            return result

        return super().submit(stepped)
