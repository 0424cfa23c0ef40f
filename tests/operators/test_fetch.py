from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
import reactivex as rx

from cornerstream.images.errors import FetchError, HttpStatusError, LimitError
from cornerstream.images.image_id import ImageId
from cornerstream.operators.fetch import Body, fetch, read_body, read_whole
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.transport import AiohttpTransport
from tests.support.leaks import nothing_left, turns
from tests.support.raw_server import Step, chunked, head, ok, raw_server
from tests.support.recording import Recorder

IMAGE = ImageId.parse("wadouri:http://pacs/wado?objectUID=1.2")


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_bodies_are_read_one_after_the_other_in_order(count: int) -> None:
    scripts = [(ok(bytes([65 + index])),) for index in range(3)]
    async with nothing_left(), raw_server(*scripts) as server, AiohttpTransport() as http:
        requests = [HttpRequest(server.url(f"/{index}")) for index in range(count)]
        seen = Recorder(rx.from_iterable(requests).pipe(fetch(http), read_body(10)))
        await seen.end()
    assert (seen.values, seen.error) == ([b"A", b"B", b"C"][:count], None)
    assert server.targets == ["/0", "/1", "/2"][:count]
    assert server.connections == min(count, 1)


async def test_nothing_is_sent_before_a_body_is_read_and_each_reading_sends_it() -> None:
    async with nothing_left(), raw_server((ok(b"a"),), (ok(b"b"),)) as server, AiohttpTransport() as http:
        seen = Recorder(rx.just(HttpRequest(server.url(), image_id=IMAGE)).pipe(fetch(http)))
        await turns()
        (body,) = seen.values
        assert (server.heads, body.image_id) == ([], IMAGE)
        assert await read_whole(body, 10) == b"a"
        assert await read_whole(body, 10) == b"b"


async def test_the_header_of_the_response_can_be_had() -> None:
    async with (
        raw_server((ok(b"a", "Content-Type: x/y"),)) as server,
        AiohttpTransport() as http,
        Body(HttpRequest(server.url()), http).open() as response,
    ):
        assert (response.headers["content-type"], response.content_length) == ("x/y", 1)


async def test_closing_the_chunks_closes_the_socket() -> None:
    script = (head(200, "Content-Length: 9"), b"abc", Step.HANG)
    async with nothing_left(), raw_server(script) as server, AiohttpTransport() as http:
        async with aclosing(Body(HttpRequest(server.url()), http).chunks()) as chunks:
            assert await anext(chunks) == b"abc"
        await asyncio.wait_for(server.left.wait(), 5)


async def test_dispose_midway_closes_the_socket() -> None:
    script = (head(200, "Content-Length: 9"), b"abc", Step.HANG)
    async with nothing_left(), raw_server(script) as server, AiohttpTransport() as http:
        seen = Recorder(rx.just(HttpRequest(server.url())).pipe(fetch(http), read_body(10)))
        await asyncio.wait_for(server.asked.wait(), 5)
        await turns(20)
        seen.dispose()
        await asyncio.wait_for(server.left.wait(), 5)
    assert (seen.values, seen.ended) == ([], False)


async def test_more_bytes_than_the_limit() -> None:
    script = (head(200, "Transfer-Encoding: chunked"), chunked(b"abcdef", b"ghijk"))
    async with nothing_left(), raw_server(script) as server, AiohttpTransport() as http:
        seen = Recorder(rx.just(HttpRequest(server.url(), image_id=IMAGE)).pipe(fetch(http), read_body(10)))
        await seen.end()
    assert isinstance(seen.error, LimitError)
    assert seen.error.image_id == IMAGE


async def test_an_error_ends_the_sequence() -> None:
    scripts = (ok(b"a"),), (head(404, "Content-Length: 0"),)
    async with nothing_left(), raw_server(*scripts) as server, AiohttpTransport() as http:
        seen = Recorder(rx.from_iterable([HttpRequest(server.url())] * 3).pipe(fetch(http), read_body(10)))
        await seen.end()
    assert isinstance(seen.error, HttpStatusError)
    assert (seen.values, len(server.heads)) == ([b"a"], 2)


async def test_an_error_upstream_passes() -> None:
    async with AiohttpTransport() as http:
        seen = Recorder(rx.throw(FetchError("upstream")).pipe(fetch(http), read_body(10)))
        await seen.end()
    assert str(seen.error) == "upstream"
