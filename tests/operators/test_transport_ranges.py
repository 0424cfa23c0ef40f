from __future__ import annotations

import pytest

from cornerstream.images.errors import FetchError, HttpStatusError, TruncatedError
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.transport import AiohttpTransport
from tests.support.leaks import nothing_left
from tests.support.raw_server import Script, Step, head, ok, raw_server

PART = (head(206, "Content-Length: 3", "Content-Range: bytes 5-7/10", 'ETag: "a"') + b"567",)


async def answer(*script: bytes | Step, byte_range: range | None = range(5, 8)) -> tuple[int, bytes, dict[str, str]]:
    async with nothing_left(), raw_server(script) as server, AiohttpTransport() as http:
        request = HttpRequest(server.url("/a.dcm"), {"If-Range": '"a"'}, byte_range=byte_range)
        async with http.open(request) as response:
            body = b"".join([chunk async for chunk in response.chunks()])
            return response.status, body, server.fields[0]


async def test_the_range_that_was_asked_for() -> None:
    status, body, fields = await answer(*PART)
    assert (status, body) == (206, b"567")
    assert (fields["range"], fields["if-range"]) == ("bytes=5-7", '"a"')
    assert fields["accept-encoding"] == "identity"


async def test_the_whole_instead() -> None:
    assert (await answer(ok(b"0123456789")))[:2] == (200, b"0123456789")


async def test_a_part_that_was_not_asked_for_is_an_error() -> None:
    with pytest.raises(HttpStatusError) as caught:
        await answer(*PART, byte_range=None)
    assert caught.value.status == 206


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ((head(416, "Content-Length: 0", "Content-Range: bytes */3"),), HttpStatusError),
        ((head(206, "Content-Length: 3", "Content-Range: bytes 5-7/10") + b"5", Step.CLOSE), TruncatedError),
        ((head(206, "Content-Length: 0", "Content-Range: bytes 5-7/10"),), FetchError),
    ],
)
async def test_what_is_no_range(script: Script, wanted: type[FetchError]) -> None:
    with pytest.raises(wanted):
        await answer(*script)


async def test_another_origin_is_asked_for_the_whole() -> None:
    async with raw_server((ok(b"whole"),)) as other:
        moved = (head(302, f"Location: {other.url('/b.dcm')}", "Content-Length: 0"),)
        async with (
            raw_server(moved) as server,
            AiohttpTransport(cross_origin_redirects=True) as http,
            http.open(HttpRequest(server.url(), byte_range=range(5, 8))) as response,
        ):
            assert response.status == 200
        assert "range" not in other.fields[0]


def test_a_request_keeps_its_range_when_its_turn_has_come() -> None:
    request = HttpRequest("http://a/", late_url=lambda: "http://a/late", byte_range=range(3), bulk=True)
    settled = request.settled()
    assert (settled.url, settled.byte_range, settled.bulk) == ("http://a/late", range(3), True)
