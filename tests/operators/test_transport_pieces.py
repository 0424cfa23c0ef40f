"""What trickles is read in larger pieces, and nothing of it is lost when the connection breaks meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import ClientConnectionResetError, StreamReader
from aiohttp.base_protocol import BaseProtocol
from multidict import CIMultiDict
from yarl import URL

from cornerstream.images.errors import FetchError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators import response
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.response import AiohttpResponse
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PIECE = bytes(1000)
LENGTH = 100_000


@pytest.fixture(autouse=True)
def _from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "_PIECES_AFTER", 0)


class Answer:
    """As much of aiohttp's response as is read; its body is fed by hand."""

    connection = None
    status = 200

    def __init__(self, length: int | None = LENGTH) -> None:
        loop = asyncio.get_running_loop()
        self.content = StreamReader(BaseProtocol(loop), 1 << 16, loop=loop)
        self.content_length = length
        self.headers: CIMultiDict[str] = CIMultiDict({"Transfer-Encoding": "chunked"} if length is None else {})


def reading(answer: Answer) -> AsyncIterator[bytes]:
    """The chunks that are given out."""
    url = "http://127.0.0.1/"
    return AiohttpResponse(cast("Any", answer), URL(url), HttpRequest(url), DEFAULT_LIMITS).chunks()


async def test_what_comes_within_a_moment_is_one_piece() -> None:
    answer = Answer()
    asked = asyncio.ensure_future(anext(reading(answer)))
    for _ in range(3):
        answer.content.feed_data(PIECE)
        await asyncio.sleep(0)
    assert await asked == 3 * PIECE


@pytest.mark.parametrize("length", [40_000, None])
async def test_near_its_end_a_body_is_not_waited_for(length: int | None) -> None:
    answer = Answer(length)
    answer.content.feed_data(bytes(30_000))
    chunk = asyncio.ensure_future(anext(reading(answer)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert chunk.done()
    assert len(chunk.result()) == 30_000


async def test_what_came_before_the_break_is_given_out_first() -> None:
    answer = Answer()
    async with aclosing(cast("Any", reading(answer))) as chunks:
        asked = asyncio.ensure_future(anext(chunks))
        answer.content.feed_data(PIECE)
        await asyncio.sleep(0)
        answer.content.set_exception(ClientConnectionResetError("gone"))
        assert await asked == PIECE
        with pytest.raises(FetchError):
            await anext(chunks)


async def test_what_is_here_at_the_end_is_given_out_at_once() -> None:
    answer = Answer(None)
    answer.content.feed_data(PIECE)
    answer.content.feed_eof()
    assert [chunk async for chunk in reading(answer)] == [PIECE]


async def test_cancelled_while_more_is_let_gather_nothing_is_left() -> None:
    answer, before = Answer(), asyncio.all_tasks()
    asked = asyncio.ensure_future(anext(reading(answer)))
    answer.content.feed_data(PIECE)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not asked.done()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert asyncio.all_tasks() == before


async def test_the_beginning_of_a_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "_PIECES_AFTER", 2 * len(PIECE))
    answer = Answer()
    async with aclosing(cast("Any", reading(answer))) as chunks:
        for _ in range(2):
            asked = asyncio.ensure_future(anext(chunks))
            answer.content.feed_data(PIECE)
            await turns()
            assert asked.done()
        asked = asyncio.ensure_future(anext(chunks))
        answer.content.feed_data(PIECE)
        await turns()
        assert not asked.done()
        assert await asked == PIECE
