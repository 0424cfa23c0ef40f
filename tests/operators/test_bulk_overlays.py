"""Overlays and ICC profiles behind a BulkDataURI: fetched with the tables, and what is not there harms only itself."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from cornerstream.images.errors import FetchError, HttpStatusError
from cornerstream.images.limits import Limits
from cornerstream.operators.bulk_data import fetch_tables, table_references
from cornerstream.operators.transport import AiohttpTransport
from cornerstream.server.running import running_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DATA = bytes(range(64))
OVERLAYS = ("60003000", "60023000", "601E3000")


@asynccontextmanager
async def answering(status: int = 200, content_type: str = "application/octet-stream") -> AsyncIterator[str]:
    app = web.Application()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=DATA, headers={"Content-Type": content_type})

    app.add_routes([web.get("/bulk", answer)])
    async with running_app(app) as at:
        yield at.origin


def instance(*tags: str, uri: str = "/bulk") -> dict[str, Any]:
    return {tag: {"vr": "OW", "BulkDataURI": uri} for tag in tags}


def test_overlays_and_profiles_are_asked_for() -> None:
    found = instance(*OVERLAYS, "00282000", "60203000", "60013000", "60000010")
    found["00480105"] = {"vr": "SQ", "Value": [instance("00282000", uri="first"), instance("00282000", uri="second")]}
    references = table_references(found)
    assert [(reference.uri, reference.needed) for reference in references] == [
        ("/bulk", True),
        ("first", True),
        *[("/bulk", False)] * 3,
    ]


async def test_they_are_put_in_place() -> None:
    async with answering() as origin, AiohttpTransport() as http:
        found = instance(*OVERLAYS, "00282000")
        await fetch_tables(found, f"{origin}/metadata", http)
    assert {base64.b64decode(element["InlineBinary"]) for element in found.values()} == {DATA}
    assert table_references(found) == []


@pytest.mark.parametrize("status", [404, 406, 410, 501])
async def test_an_overlay_that_the_server_does_not_have_stays_a_reference(status: int) -> None:
    async with answering(status) as origin, AiohttpTransport() as http:
        found = instance("60003000")
        await fetch_tables(found, f"{origin}/metadata", http)
        assert found == instance("60003000")
        with pytest.raises(HttpStatusError):
            await fetch_tables(instance("00282000"), f"{origin}/metadata", http)


@pytest.mark.parametrize("status", [401, 403, 429, 503])
async def test_a_server_that_refuses_or_is_busy_is_an_error(status: int) -> None:
    async with answering(status) as origin, AiohttpTransport() as http:
        with pytest.raises(HttpStatusError):
            await fetch_tables(instance("60003000"), f"{origin}/metadata", http)


@pytest.mark.parametrize(
    ("limits", "content_type", "uri"),
    [
        (Limits(metadata_bytes=63), "application/octet-stream", "/bulk"),
        (Limits(), "multipart/related; boundary=b", "/bulk"),
        (Limits(), "application/octet-stream", "http://elsewhere.invalid/bulk"),
        (Limits(), "application/octet-stream", "file:///etc/passwd"),
    ],
)
async def test_an_overlay_that_cannot_be_used_stays_a_reference(limits: Limits, content_type: str, uri: str) -> None:
    async with answering(content_type=content_type) as origin, AiohttpTransport() as http:
        found = instance("60003000", uri=uri)
        await fetch_tables(found, f"{origin}/metadata", http, limits)
        assert found == instance("60003000", uri=uri)


async def test_a_connection_that_cannot_be_made_is_an_error() -> None:
    async with answering() as origin:
        gone = f"{origin}/metadata"
    async with AiohttpTransport() as http:
        with pytest.raises(FetchError):
            await fetch_tables(instance("60003000"), gone, http)
