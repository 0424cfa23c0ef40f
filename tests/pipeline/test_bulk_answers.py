"""One long answer gives way: it is not read on while the user waits for something of its origin."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cornerstream.hosts import Host
from cornerstream.network import RankedTransport
from cornerstream.network_gate import NetworkGate
from cornerstream.operators.protocols import HttpRequest
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.stats import Counters
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from cornerstream.network_gate import Passage

A, B = "http://a/series", "http://b/image"
CLICK = Rank(Lane.INTERACTION)
AHEAD = Rank(Lane.PREFETCH)


class Clocked:
    """A gate by a clock of its own, and what is under way."""

    def __init__(self, slots: int = 8) -> None:
        self.now = 0.0
        self.gate = NetworkGate(slots, clock=lambda: self.now)
        self.stack = AsyncExitStack()

    async def enter(self, url: str, rank: Rank, *, bulk: bool = False) -> Passage:
        return await self.stack.enter_async_context(self.gate.passage(url, RankCell(rank), bulk=bulk))

    async def is_clear(self, passage: Passage) -> bool:
        waiting = asyncio.ensure_future(passage.clear())
        await turns()
        waiting.cancel()
        return waiting.done()


@pytest.fixture
async def clocked() -> AsyncGenerator[Clocked, None]:
    one = Clocked()
    async with one.stack:
        yield one
    one.gate.close()


@pytest.mark.parametrize(
    ("url", "rank", "clear"),
    [(A, CLICK, False), (B, CLICK, True), (A, Rank(Lane.THUMBNAIL), True), (A, AHEAD, True)],
)
async def test_it_waits_for_interactions_of_its_origin(clocked: Clocked, url: str, rank: Rank, clear: bool) -> None:
    bulk = await clocked.enter(A, AHEAD, bulk=True)
    await clocked.enter(url, rank)
    assert await clocked.is_clear(bulk) is clear


async def test_other_answers_do_not_wait(clocked: Clocked) -> None:
    plain = await clocked.enter(A, AHEAD)
    await clocked.enter(A, CLICK)
    assert await clocked.is_clear(plain)


async def test_it_goes_on_when_the_interaction_is_over(clocked: Clocked) -> None:
    bulk = await clocked.enter(A, AHEAD, bulk=True)
    async with clocked.gate.passage(A, RankCell(CLICK)):
        waiting = asyncio.ensure_future(bulk.clear())
        await turns()
        assert not waiting.done()
    await turns()
    assert waiting.done()


async def test_it_goes_on_when_the_interaction_is_none_any_more(clocked: Clocked) -> None:
    bulk, cell = await clocked.enter(A, AHEAD, bulk=True), RankCell(CLICK)
    async with clocked.gate.passage(A, cell):
        waiting = asyncio.ensure_future(bulk.clear())
        await turns()
        cell.change(AHEAD)
        await turns()
        assert waiting.done()


async def test_one_that_falls_silent_holds_nobody_up(clocked: Clocked) -> None:
    bulk, click = await clocked.enter(A, AHEAD, bulk=True), await clocked.enter(A, CLICK)
    click.answered(1000)
    assert not await clocked.is_clear(bulk)
    clocked.now = 2.0
    await bulk.clear()


async def test_one_that_waits_for_its_slot_counts_as_well() -> None:
    clocked = Clocked(slots=1)
    async with clocked.stack:
        bulk = await clocked.enter(A, AHEAD, bulk=True)
        click = asyncio.ensure_future(clocked.enter(A, CLICK))
        await turns()
        assert not await clocked.is_clear(bulk)
        click.cancel()
        await asyncio.wait([click])
        assert await clocked.is_clear(bulk)
    clocked.gate.close()


def test_its_size_says_nothing_of_the_next_answers() -> None:
    host = Host(8, 1)
    bulk = host.begin(RankCell(AHEAD), 0.0)
    bulk.bulk = True
    host.answered(bulk, 1 << 30, 3.0)
    host.received(bulk, 100, 3.0, more=False)
    host.end(bulk, complete=True)
    assert host.average == 0
    plain = host.begin(RankCell(AHEAD), 4.0)
    host.answered(plain, 1000, 4.1)
    assert host.average == 1000
    assert host.link.latency == pytest.approx(0.1)


class Endless:
    """A transport whose one answer never ends; counts what is read."""

    content_length: int | None = None
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.read = 0

    @asynccontextmanager
    async def open(self, _: HttpRequest) -> AsyncIterator[Endless]:
        yield self

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        while True:
            self.read += 1
            yield b"x"


@pytest.mark.parametrize("bulk", [True, False])
async def test_the_next_piece_is_not_read_while_it_waits(clocked: Clocked, bulk: bool) -> None:
    transport = Endless()
    ranked = RankedTransport(transport, clocked.gate, Counters(), RankCell(AHEAD), lambda _: None)
    async with ranked.open(HttpRequest(A, bulk=bulk)) as response:
        chunks = response.chunks()
        await anext(chunks)
        await clocked.enter(A, CLICK)
        reading = asyncio.ensure_future(anext(chunks))
        await turns()
        assert (transport.read, reading.done()) == ((1, False) if bulk else (2, True))
        reading.cancel()
        await asyncio.wait([reading])
        await chunks.aclose()
