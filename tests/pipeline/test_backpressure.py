from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from cornerstream.network import RankedTransport
from cornerstream.network_gate import NetworkGate
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.transport import AiohttpTransport
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.server.ledger import LEDGER, Ledger, record
from cornerstream.server.reply import LINK, Link, Reply, send
from cornerstream.server.running import running_app
from cornerstream.session import Session
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

TOTAL = 64 << 20
BUFFERS = 24 << 20  # the kernel's, both ends; ours and the server's are below one megabyte
PIECE = bytes(1 << 18)


def large_body() -> web.Application:
    """Answers every request with 64 MiB, made while they are sent."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        for _ in range(TOTAL // len(PIECE)):
            yield PIECE

    async def answer(request: web.Request) -> web.StreamResponse:
        return await send(request, Reply("application/octet-stream", pieces(), TOTAL))

    app = web.Application(middlewares=[record])
    app[LEDGER] = Ledger(10)
    app[LINK] = Link()
    app.add_routes([web.get("/large", answer)])
    return app


async def until_paused(ledger: Ledger) -> int:
    """Let the loop, which is the server's as well, go round until nothing is sent any more; how much has been."""
    sent = -1
    while sent != (now := sum(request.bytes_sent for request in ledger.open)):
        sent = now
        await turns(100)
    return sent


@pytest.mark.parametrize("lane", [Lane.INTERACTION, Lane.PREFETCH])
async def test_a_reader_that_waits_pauses_the_server(lane: Lane) -> None:
    app, gate = large_body(), NetworkGate(2)
    async with running_app(app) as address, AiohttpTransport() as transport, Session() as session:
        counters = session._engine.counters
        http = RankedTransport(transport, gate, counters, RankCell(Rank(lane)), lambda _: None)
        async with http.open(HttpRequest(f"{address.origin}/large")) as response, aclosing(response.chunks()) as chunks:
            got = len(await anext(chunks))
            paused = await until_paused(app[LEDGER])
            assert paused - got < BUFFERS
            while got < TOTAL // 2:
                got += len(await anext(chunks))
            again = await until_paused(app[LEDGER])
            assert got <= again + len(PIECE)
            assert again - got < BUFFERS  # it went on, and stands again
            async for chunk in chunks:
                got += len(chunk)
        assert got == TOTAL
    assert (gate.held, gate.bytes_in_flight) == (0, 0)
