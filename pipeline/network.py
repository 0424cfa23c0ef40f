"""The network lane: any transport behind the network gate, with its bytes counted."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from cornerstream.images.load_object import Progress
from cornerstream.operators.protocols import into_of
from cornerstream.traces import Stage, Trace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from cornerstream.network_gate import NetworkGate, Passage
    from cornerstream.operators.protocols import HttpRequest, HttpResponse, ReadInto, Transport
    from cornerstream.ranks import RankCell
    from cornerstream.stats import Counters


class RankedTransport:
    """A transport as one load sees it: behind the network gate, its bytes reported.

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
        gate: NetworkGate,
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
        """Wait for the request's turn, open it, and stay under way until the response is closed."""
        trace, asked = self._rank.trace or Trace(), perf_counter()
        with trace.staying(Stage.NETWORK_QUEUE):
            async with self._gate.passage(request.url, self._rank, bulk=request.bulk) as passage:
                self._counters.requested(trace, perf_counter() - asked)
                trace.passage = passage
                try:
                    async with self._transport.open(request.settled()) as response:
                        passage.answered(response.content_length)
                        trace.at = Stage.BODY
                        counted = _CountedResponse(response, passage, self._counters, trace, self._on_progress)
                        try:
                            yield counted
                        finally:
                            counted.close()
                finally:
                    trace.passage = None


class _CountedResponse:
    """A response whose bytes are counted on their way."""

    def __init__(
        self,
        response: HttpResponse,
        passage: Passage,
        counters: Counters,
        trace: Trace,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._response = response
        self._passage = passage
        self._counters = counters
        self._trace = trace
        self._on_progress = on_progress
        self._received = 0
        self._promised = response.content_length

    @property
    def status(self) -> int:
        return getattr(self._response, "status", 200)

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def content_length(self) -> int | None:
        return self._promised

    @property
    def into(self) -> ReadInto | None:
        into = into_of(self._response)
        return None if into is None else partial(self._read_into, into)

    async def _read_into(self, into: ReadInto, room: memoryview) -> int:
        if self._received and self._passage.is_in_the_way:
            await self._passage.clear()
        count = await into(room)
        if count:
            self._count(count)
        else:
            self._end()
        return count

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._response.chunks()) as chunks:
            async for chunk in chunks:
                self._count(len(chunk))
                yield chunk
                if self._passage.is_in_the_way:
                    await self._passage.clear()
        self._end()

    def _count(self, nbytes: int) -> None:
        self._counters.chunk(self._trace, nbytes, first=not self._received)
        self._received += nbytes
        self._passage.received(nbytes)
        self._on_progress(Progress(self._received, self._promised))

    def _end(self) -> None:
        self._passage.complete = True
        self._counters.received(self._trace)

    def close(self) -> None:
        """Count what the server had promised and need not send."""
        self._counters.bytes_spared += max(0, (self._promised or 0) - self._received)
