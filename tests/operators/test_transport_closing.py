"""What `AiohttpTransport` leaves behind when it is left, cancelled or closed: nothing."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing

import pytest
from aiohttp import web

from cornerstream.images.errors import FetchError
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.transport import AiohttpTransport
from tests.support.leaks import nothing_left, turns
from tests.support.raw_server import Script, Step, head, ok, raw_server

HANG = Step.HANG
BODY = bytes(range(256)) * 40


async def read(transport: AiohttpTransport, url: str) -> bytes:
    async with transport.open(HttpRequest(url)) as response, aclosing(response.chunks()) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_connection_is_used_again_when_its_body_was_read() -> None:
    async with nothing_left(), raw_server((ok(BODY),)) as server, AiohttpTransport() as transport:
        for _ in range(3):
            await read(transport, server.url())
        assert server.connections == 1


async def test_leaving_before_the_end_closes_the_socket() -> None:
    script: Script = (head(200, "Content-Length: 100"), b"abc", HANG)
    async with nothing_left(), raw_server(script) as server, AiohttpTransport() as transport:
        async with transport.open(HttpRequest(server.url())) as response:
            assert response.content_length == 100
            async with aclosing(response.chunks()) as chunks:
                assert await anext(chunks) == b"abc"
                assert response.received == 3
        await asyncio.wait_for(server.left.wait(), 5)


@pytest.mark.parametrize(
    "script", [(HANG,), (head(200, "Content-Length: 9"), HANG), (head(200, "Content-Length: 9"), b"abc", HANG)]
)
async def test_cancelling_closes_the_socket_at_once(script: Script) -> None:
    async with nothing_left(), raw_server(script) as server, AiohttpTransport() as transport:
        task = asyncio.create_task(read(transport, server.url()))
        await asyncio.wait_for(server.asked.wait(), 5)
        await turns(20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.left.wait(), 5)


async def test_cancelling_while_connecting_leaves_nothing() -> None:
    async with nothing_left(), raw_server((HANG,)) as server, AiohttpTransport() as transport:
        for steps in range(12):
            task = asyncio.create_task(read(transport, server.url().replace("http:", "https:")))
            await turns(steps)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_closing_fails_requests_in_flight_and_later_ones() -> None:
    async with nothing_left(), raw_server((HANG,)) as server:
        transport = AiohttpTransport()
        task = asyncio.create_task(read(transport, server.url()))
        await asyncio.wait_for(server.asked.wait(), 5)
        await transport.aclose()
        with pytest.raises(FetchError):
            await task
        await transport.aclose()
        with pytest.raises(FetchError, match="closed"):
            await read(transport, server.url())


async def test_nothing_is_reported_unclosed() -> None:
    async with raw_server((ok(BODY),)) as server:
        transport = AiohttpTransport()
        await read(transport, server.url())
        await transport.aclose()
        del transport
    gc.collect()  # a forgotten session would warn, and warnings are errors


async def test_a_slow_reader_slows_the_server() -> None:
    sent = 0

    async def stream(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(50):
            await response.write(bytes(1 << 20))
            sent += 1 << 20
        return response

    app = web.Application()
    app.router.add_get("/", stream)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with AiohttpTransport() as transport, transport.open(HttpRequest(site_url(runner))) as response:
        await anext(response.chunks())
        await turns(2000)
        assert sent < 20 << 20  # socket buffers, not the body
    await runner.cleanup()


def site_url(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}/"
