from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from cornerstream.server.ledger import LEDGER, Ledger, record
from cornerstream.server.running import running_app

if TYPE_CHECKING:
    import pytest


async def test_a_client_that_goes_while_an_answer_is_written_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    app = web.Application(middlewares=[record])
    app[LEDGER] = Ledger(4)

    async def handler(request: web.Request) -> web.StreamResponse:
        raise ConnectionResetError("Cannot write to closing transport")

    app.add_routes([web.get("/", handler)])

    with caplog.at_level(logging.WARNING):
        async with running_app(app) as at, aiohttp.ClientSession() as client, client.get(at.origin) as response:
            assert response.status == 499
    assert [one.outcome for one in app[LEDGER].served] == ["client gone"]
    assert caplog.records == []
