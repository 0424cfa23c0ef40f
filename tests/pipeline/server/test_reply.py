from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from cornerstream.server import running_app
from cornerstream.server.ledger import LEDGER, Ledger, record
from cornerstream.server.reply import CHUNK_BYTES, LINK, Link, Reply, file_chunks, send

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@pytest.mark.parametrize(("start", "length"), [(0, 0), (0, 1), (5, 100), (0, 2 * CHUNK_BYTES + 7), (CHUNK_BYTES, 9)])
async def test_a_piece_of_a_file(tmp_path: Path, start: int, length: int) -> None:
    content = bytes(range(251)) * 2200
    (tmp_path / "f").write_bytes(content)
    got = b"".join([chunk async for chunk in file_chunks(tmp_path / "f", start, length)])
    assert got == content[start : start + length]


async def test_a_file_that_becomes_shorter_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(2 * CHUNK_BYTES))
    async with aclosing(file_chunks(path, 0, 2 * CHUNK_BYTES)) as chunks:
        assert len(await anext(chunks)) == CHUNK_BYTES
        path.write_bytes(b"")
        with pytest.raises(OSError, match="became shorter"):
            await anext(chunks)


@pytest.mark.parametrize("length", [2 * CHUNK_BYTES, None])
async def test_a_client_sees_that_a_body_failed(tmp_path: Path, length: int | None) -> None:
    """Whether it has a length or comes in chunks, a body that fails midway never looks whole."""
    path = tmp_path / "f"
    path.write_bytes(bytes(CHUNK_BYTES))

    async def answer(request: web.Request) -> web.StreamResponse:
        return await send(request, Reply("a/b", file_chunks(path, 0, 2 * CHUNK_BYTES), length))

    app = web.Application(middlewares=[record])
    app[LEDGER], app[LINK] = Ledger(keep=1), Link()
    app.router.add_get("/", answer)
    async with running_app(app) as address, aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with client.get(address.origin) as response:
                await response.read()
        await app[LEDGER].wait_until_idle()
        assert [one.outcome for one in app[LEDGER].served] == ["failed"]


async def test_the_body_is_closed_when_the_client_goes() -> None:
    closed, begun = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncGenerator[bytes, None]:
        try:
            yield b"x"
            begun.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await send(request, Reply("a/b", body()))

    app = web.Application(middlewares=[record])
    app[LEDGER], app[LINK] = Ledger(), Link()
    app.router.add_get("/", answer)
    async with running_app(app) as address, aiohttp.ClientSession() as client:
        async with client.get(address.origin):
            await begun.wait()
        await closed.wait()
