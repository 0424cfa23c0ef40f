"""A connection that is left in the very turn in which it is ready."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from cornerstream.operators.connections import Connector


class Ready(asyncio.Transport):
    """The transport of a protocol whose connection is made."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True


class Protocol(asyncio.Protocol):
    transport: Any = None


@pytest.mark.parametrize("transport", [Ready(), None])
async def test_it_is_cut(monkeypatch: pytest.MonkeyPatch, transport: Ready | None) -> None:
    async def made_and_cancelled(self: Connector, factory: Any, *args: object, **kwargs: object) -> None:
        factory().transport = transport
        raise asyncio.CancelledError

    monkeypatch.setattr(aiohttp.TCPConnector, "_wrap_create_connection", made_and_cancelled)
    connector = Connector()
    async with connector:
        with pytest.raises(asyncio.CancelledError):
            await connector._wrap_create_connection(Protocol)
    assert transport is None or transport.aborted


async def test_one_that_is_kept_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Ready()

    async def made(self: Connector, factory: Any, *args: object, **kwargs: object) -> tuple[Ready, Protocol]:
        protocol = factory()
        protocol.transport = transport
        return transport, protocol

    monkeypatch.setattr(aiohttp.TCPConnector, "_wrap_create_connection", made)
    connector = Connector()
    async with connector:
        assert (await connector._wrap_create_connection(Protocol))[0] is transport
    assert not transport.aborted
