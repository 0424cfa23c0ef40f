from __future__ import annotations

import threading

import pytest

from cornerstream.images.errors import FetchError
from cornerstream.operators.fetch import Body, read_whole
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.transport import AiohttpTransport
from tests.support.leaks import nothing_left
from tests.support.raw_server import ok, raw_server


async def test_a_name_is_looked_up_and_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    async with raw_server((ok(b"body"),)) as server, nothing_left(), AiohttpTransport() as http:
        url = server.url("/x").replace("127.0.0.1", "localhost")
        assert await read_whole(Body(HttpRequest(url), http), 100) == b"body"
        assert any(thread.name.startswith("cornerstream-names") for thread in threading.enumerate())
    assert set(threading.enumerate()) <= before


async def test_a_name_that_nobody_has() -> None:
    async with AiohttpTransport() as http:
        with pytest.raises(FetchError, match=r"nobody\.invalid"):
            await read_whole(Body(HttpRequest("http://nobody.invalid/x"), http), 100)
