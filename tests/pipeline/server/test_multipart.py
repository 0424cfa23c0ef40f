from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.server.multipart import Part, related, related_stream
from cornerstream.server.reply import Reply, once
from tests.support.multipart import mail_parts


async def whole(reply: Reply) -> bytes:
    return b"".join([chunk async for chunk in reply.chunks])


if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


def parts_of(bodies: list[bytes]) -> list[Part]:
    return [Part("image/jls; transfer-syntax=1.2", len(body), partial(once, body)) for body in bodies]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.just(b"\r\n--x\r\n\r\n--"), min_size=1, max_size=5))
def test_a_mail_parser_reads_what_was_written(bodies: list[bytes]) -> None:
    reply = related(parts_of(bodies), "image/jls")
    written = asyncio.run(whole(reply))
    assert len(written) == reply.content_length
    assert written.startswith(b"--")
    assert mail_parts(reply.content_type, written) == [("image/jls; transfer-syntax=1.2", body) for body in bodies]


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_parts_made_on_the_way(count: int) -> None:
    async def made() -> AsyncGenerator[Part, None]:
        for part in parts_of([b"a"] * count):
            yield part

    reply = related_stream(made(), "image/jls")
    assert reply.content_length is None
    assert (await whole(reply)).count(b"Content-Type") == count


async def test_a_location_is_said() -> None:
    reply = related([Part("a/b", 1, partial(once, b"x"), location="http://localhost/1")], "a/b")
    assert b"\r\nContent-Location: http://localhost/1\r\n" in await whole(reply)
