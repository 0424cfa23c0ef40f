"""The network lane: any transport behind a priority gate, with its bytes counted."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from cornerstream.images.load_object import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from cornerstream.gate import PriorityGate
    from cornerstream.operators.protocols import HttpRequest, HttpResponse, Transport
    from cornerstream.ranks import RankCell
    from cornerstream.stats import Counters


class RankedTransport:
    """A transport as one load sees it: a slot of the network lane for each open response, bytes reported.

    Args:
        transport: Opens the requests.
        gate: The network lane.
        counters: The session's figures.
        rank: The rank of the load.
        on_progress: Hears of bytes as they come.
    """

    def __init__(
        self,
        transport: Transport,
        gate: PriorityGate,
        counters: Counters,
        rank: RankCell,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._transport = transport
        self._gate = gate
        self._counters = counters
        self._rank = rank
        self._on_progress = on_progress

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[HttpResponse]:
        """Wait for a slot, open the request, and hold the slot until the response is closed."""
        async with self._gate.slot(self._rank):
            self._counters.requests += 1
            async with self._transport.open(request) as response:
                counted = _CountedResponse(response, self._counters, self._on_progress)
                try:
                    yield counted
                finally:
                    counted.close()


class _CountedResponse:
    """A response whose bytes are counted on their way."""

    def __init__(self, response: HttpResponse, counters: Counters, on_progress: Callable[[Progress], None]) -> None:
        self._response = response
        self._counters = counters
        self._on_progress = on_progress
        self._received = 0

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def content_length(self) -> int | None:
        return self._response.content_length

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        total = self._response.content_length
        async with aclosing(self._response.chunks()) as chunks:
            async for chunk in chunks:
                self._received += len(chunk)
                self._counters.bytes_received += len(chunk)
                self._on_progress(Progress(self._received, total))
                yield chunk

    def close(self) -> None:
        """Count what the server had promised and need not send."""
        self._counters.bytes_spared += max(0, (self._response.content_length or 0) - self._received)
