"""The Rx operator over the splitter, on real connections."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
import reactivex as rx

from cornerstream.images.errors import HttpStatusError, ImageLoadError, SplitError, TruncatedError
from cornerstream.images.image_id import ImageId
from cornerstream.operators.fetch import Body, fetch
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.split_multipart import parts_of, split_multipart
from cornerstream.operators.transport import AiohttpTransport
from tests.operators.test_split_multipart import CT, build
from tests.support.leaks import nothing_left
from tests.support.raw_server import Script, Step, head, ok, raw_server
from tests.support.recording import Recorder

IMAGE = ImageId.parse("wadors:http://pacs/studies/1/frames/1")


def answer(data: bytes, content_type: str = CT) -> Script:
    return (ok(data, f"Content-Type: {content_type}"),)


async def test_the_operator_on_none_one_and_many_bodies() -> None:
    scripts = answer(build([b"a", b"b"])), answer(build([b"c"]))
    async with nothing_left(), raw_server(*scripts) as server, AiohttpTransport() as http:
        for count, expect in ((0, []), (1, [b"a", b"b"]), (2, [b"c", b"c"])):
            requests = [HttpRequest(server.url())] * count
            seen = Recorder(rx.from_iterable(requests).pipe(fetch(http), split_multipart()))
            await seen.end()
            assert [part.data for part in seen.values] == expect
            assert seen.error is None


async def test_a_part_comes_before_the_response_has_ended_and_dispose_closes_the_socket() -> None:
    script: Script = (head(200, f"Content-Type: {CT}"), build([b"a", b"b"])[:-20], Step.HANG)
    async with nothing_left(), raw_server(script) as server, AiohttpTransport() as http:
        seen = Recorder(rx.just(HttpRequest(server.url())).pipe(fetch(http), split_multipart()))
        await seen.count(1)
        seen.dispose()
        await asyncio.wait_for(server.left.wait(), 5)
        assert [part.data for part in seen.values] == [b"a"]
        assert not seen.ended


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (answer(build([b"a"])[:-5]), TruncatedError),
        (answer(build([b"a"]), ""), SplitError),
        (answer(build([b"a"]), "multipart/related"), SplitError),
        ((head(503, "Content-Length: 0"),), HttpStatusError),
        ((head(200, f"Content-Type: {CT}", "Content-Length: 500"), build([b"a"]), Step.CLOSE), TruncatedError),
    ],
)
async def test_errors_name_the_image(script: Script, error: type[ImageLoadError]) -> None:
    async with nothing_left(), raw_server(script) as server, AiohttpTransport() as http:
        seen = Recorder(rx.just(HttpRequest(server.url(), image_id=IMAGE)).pipe(fetch(http), split_multipart()))
        await seen.end()
    assert isinstance(seen.error, error)
    assert seen.error.image_id == IMAGE


async def test_an_error_upstream_passes() -> None:
    seen = Recorder(rx.throw(ValueError("upstream")).pipe(split_multipart()))
    await seen.end()
    assert str(seen.error) == "upstream"


async def test_parts_of_leaves_nothing_when_it_is_left() -> None:
    script = answer(build([b"a", bytes(1 << 20)]))
    async with (
        nothing_left(),
        raw_server(script) as server,
        AiohttpTransport() as http,
        aclosing(parts_of(Body(HttpRequest(server.url()), http))) as parts,
    ):
        assert (await anext(parts)).data == b"a"
