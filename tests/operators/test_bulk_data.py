from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from cornerstream.images.errors import HttpStatusError, ImageLoadError, LimitError
from cornerstream.images.limits import Limits
from cornerstream.operators.bulk_data import fetch_tables, table_references
from cornerstream.operators.transport import AiohttpTransport
from cornerstream.server.running import running_app
from tests.support.leaks import nothing_left

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DATA = bytes(range(256))


def instance(uri: str) -> dict[str, Any]:
    return {
        "00281201": {"vr": "OW", "BulkDataURI": uri},
        "00281202": {"vr": "OW", "InlineBinary": "AAA="},
        "00283010": {"vr": "SQ", "Value": [{"00283006": {"vr": "OW", "BulkDataURI": uri}}]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "nobody/asks/for/the/pixels"},
        "00283000": {"vr": "SQ"},
    }


def test_only_tables_are_asked_for() -> None:
    assert [reference.uri for reference in table_references(instance("x"))] == ["x", "x"]
    assert table_references({"00281201": {"vr": "OW", "BulkDataURI": 7}, "00283010": {"Value": [3]}}) == []


@asynccontextmanager
async def answering(body: bytes, content_type: str) -> AsyncIterator[str]:
    app = web.Application()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": content_type})

    app.add_routes([web.get("/a/bulk/1", answer)])
    async with running_app(app) as at:
        yield at.origin


def parts(*bodies: bytes) -> bytes:
    head = b"\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n"
    return b"".join(head + body for body in bodies) + b"\r\n--b--\r\n"


MULTIPART = 'multipart/related; type="application/octet-stream"; boundary=b'


@pytest.mark.parametrize("uri", ["bulk/1", "/a/bulk/1", "{origin}/a/bulk/1"])
@pytest.mark.parametrize(("body", "content_type"), [(DATA, "application/octet-stream"), (parts(DATA), MULTIPART)])
async def test_tables_are_put_in_place(uri: str, body: bytes, content_type: str) -> None:
    async with answering(body, content_type) as origin, AiohttpTransport() as http:
        found = instance(uri.format(origin=origin))
        await fetch_tables(found, f"{origin}/a/metadata", http)
    assert base64.b64decode(found["00281201"]["InlineBinary"]) == DATA
    assert base64.b64decode(found["00283010"]["Value"][0]["00283006"]["InlineBinary"]) == DATA
    assert table_references(found) == []


@pytest.mark.parametrize("body", [parts(DATA, DATA), b"--b--\r\n"])
async def test_another_number_of_parts_is_refused(body: bytes) -> None:
    async with answering(body, MULTIPART) as origin, AiohttpTransport() as http:
        with pytest.raises(ImageLoadError):
            await fetch_tables(instance("bulk/1"), f"{origin}/a/metadata", http)


async def test_limits_and_statuses() -> None:
    async with answering(DATA, "application/octet-stream") as origin, AiohttpTransport() as http:
        with pytest.raises(LimitError):
            await fetch_tables(instance("bulk/1"), f"{origin}/a/metadata", http, Limits(metadata_bytes=255))
        with pytest.raises(HttpStatusError):
            await fetch_tables(instance("bulk/2"), f"{origin}/a/metadata", http)


async def test_cancelled_midway_closes_the_socket() -> None:
    app = web.Application()
    asked, gone = asyncio.Event(), asyncio.Event()

    async def hold(_: web.Request) -> web.Response:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return web.Response()

    app.add_routes([web.get("/a/bulk/1", hold)])
    async with running_app(app) as at, nothing_left(), AiohttpTransport() as http:
        found = instance("bulk/1")
        fetching = asyncio.ensure_future(fetch_tables(found, f"{at.origin}/a/metadata", http))
        await asked.wait()
        fetching.cancel()
        await gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        assert found == instance("bulk/1")
