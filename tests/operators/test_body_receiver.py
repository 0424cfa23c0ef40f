"""Long bodies received straight into their reader's memory: every byte, no byte too many, and nothing left behind."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import FetchError, LimitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.protocols import HttpRequest, ReadInto, into_of
from cornerstream.operators.transport import AiohttpTransport
from tests.support.leaks import nothing_left, turns
from tests.support.raw_server import RawServer, Step, chunked, head, ok, raw_server
from tests.support.tls import make_tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cornerstream.operators.protocols import HttpResponse

LENGTH = 3 << 20
BODY = bytes(range(251)) * (LENGTH // 251 + 1)
BODY = BODY[:LENGTH]
HEADER = head(200, f"Content-Length: {LENGTH}")


@asynccontextmanager
async def opened(
    server: RawServer, *, bulk: bool = True, limits: Limits = DEFAULT_LIMITS, ssl: ssl.SSLContext | None = None
) -> AsyncIterator[HttpResponse]:
    async with (
        AiohttpTransport(limits, ssl=ssl) as transport,
        transport.open(HttpRequest(server.url(), bulk=bulk)) as response,
    ):
        yield response


def reader(response: HttpResponse) -> ReadInto:
    into = into_of(response)
    assert into is not None
    return into


async def read_all(into: ReadInto, room: int) -> bytes:
    received, memory = bytearray(), memoryview(bytearray(room))
    while count := await into(memory):
        received += memory[:count]
    return bytes(received)


@pytest.mark.parametrize("room", [1000, 1 << 16, LENGTH, 2 * LENGTH])
async def test_every_byte_comes_whatever_the_room(room: int) -> None:
    async with nothing_left(), raw_server((ok(BODY),)) as server, opened(server) as response:
        assert await read_all(reader(response), room) == BODY
        assert await reader(response)(memoryview(bytearray(1))) == 0  # and goes on saying so


async def test_a_body_that_ends_with_its_connection() -> None:
    answer = head(200, "Connection: close") + BODY
    async with nothing_left(), raw_server((answer, Step.CLOSE)) as server, opened(server) as response:
        assert await read_all(reader(response), 1 << 18) == BODY


async def test_such_a_body_that_is_cut_by_a_reset() -> None:
    answer = head(200, "Connection: close") + BODY[:500_000]
    async with nothing_left(), raw_server((answer, Step.WAIT, Step.RESET)) as server, opened(server) as response:
        into, memory = reader(response), memoryview(bytearray(500_000))
        received = 0
        while received < 500_000:
            received += await into(memory)
        server.go.set()
        with pytest.raises((TruncatedError, FetchError)):
            await into(memory)


async def test_such_a_body_has_its_limit_as_well() -> None:
    limits = replace(DEFAULT_LIMITS, response_bytes=LENGTH - 1)
    answer = head(200, "Connection: close") + BODY
    with pytest.raises(LimitError, match="response_bytes"):
        async with (
            nothing_left(),
            raw_server((answer, Step.HANG)) as server,
            opened(server, limits=limits) as response,
        ):
            await read_all(reader(response), 1 << 18)


async def test_over_tls(tmp_path: Path) -> None:
    tls = make_tls(tmp_path)
    async with (
        nothing_left(),
        raw_server((ok(BODY),), tls=tls.serving()) as server,
        opened(server, ssl=tls.trusting()) as response,
    ):
        assert await read_all(reader(response), 1 << 18) == BODY


async def test_bytes_behind_the_body_are_not_of_it() -> None:
    async with raw_server((ok(BODY) + b"HTTP/1.1 200 of something else\r\n",)) as server, opened(server) as response:
        assert await read_all(reader(response), 1 << 20) == BODY


@pytest.mark.parametrize(
    ("answer", "bulk"),
    [
        (ok(BODY), False),
        (ok(BODY[:1000]), True),
        (head(200, "Transfer-Encoding: chunked") + chunked(BODY), True),
        (ok(BODY, "Content-Encoding: gzip"), True),
    ],
)
async def test_what_is_short_or_coded_or_of_unknown_length_comes_in_chunks(answer: bytes, *, bulk: bool) -> None:
    async with raw_server((answer,)) as server, opened(server, bulk=bulk) as response:
        assert into_of(response) is None


@pytest.mark.parametrize("end", [Step.CLOSE, Step.RESET])
@pytest.mark.parametrize("sent", [0, 1000, LENGTH - 1])
async def test_a_body_that_ends_too_early(end: Step, sent: int) -> None:
    with pytest.raises((TruncatedError, FetchError)) as caught:
        async with nothing_left(), raw_server((HEADER + BODY[:sent], end)) as server, opened(server) as response:
            await read_all(reader(response), 1 << 18)
    assert isinstance(caught.value, TruncatedError) or end is Step.RESET


@pytest.mark.parametrize(
    ("limits", "error", "message"),
    [
        (replace(DEFAULT_LIMITS, read_seconds=0.05), FetchError, "read_seconds"),
        (replace(DEFAULT_LIMITS, response_seconds=0.05), LimitError, "response_seconds"),
    ],
    ids=["of a silence", "of the whole"],
)
async def test_the_time_is_bounded(limits: Limits, error: type[FetchError], message: str) -> None:
    with pytest.raises(error, match=message):
        async with (
            nothing_left(),
            raw_server((HEADER + BODY[:500_000], Step.HANG)) as server,
            opened(server, limits=limits) as response,
        ):
            await read_all(reader(response), 1 << 18)


async def test_who_leaves_gets_nothing_written_any_more() -> None:
    async with nothing_left(), raw_server((HEADER, Step.WAIT, BODY, Step.HANG)) as server:
        memory = bytearray(LENGTH)
        async with opened(server) as response:
            reading = asyncio.ensure_future(reader(response)(memoryview(memory)))
            await turns()
            reading.cancel()
            await asyncio.wait([reading])
            server.go.set()
            await turns(100)
        await server.left.wait()  # the socket is closed in the middle of the body
        assert reading.cancelled()
        assert memory == bytes(LENGTH)


async def test_what_comes_while_nobody_reads_is_kept_and_the_server_waits() -> None:
    async with nothing_left(), raw_server((HEADER, Step.WAIT, BODY)) as server, opened(server) as response:
        first = memoryview(bytearray(1 << 10))
        reading = asyncio.ensure_future(reader(response)(first))
        await turns()
        server.go.set()
        count = await reading
        await turns(100)  # more arrives meanwhile, as much as the spare memory and the socket take
        rest = await read_all(reader(response), 1 << 16)
        assert bytes(first[:count]) + rest == BODY


async def test_the_connection_is_not_used_again() -> None:
    async with raw_server((ok(BODY),)) as server, AiohttpTransport() as transport:
        for _ in range(2):
            async with transport.open(HttpRequest(server.url(), bulk=True)) as response:
                assert len(await read_all(reader(response), 1 << 20)) == LENGTH
        assert server.connections == 2


async def test_a_session_that_closes_in_between_leaves_nothing() -> None:
    async with nothing_left(), raw_server((HEADER + BODY[:500_000], Step.HANG)) as server:
        transport = AiohttpTransport()
        async with transport.open(HttpRequest(server.url(), bulk=True)) as response:
            assert await reader(response)(memoryview(bytearray(1 << 16)))
            await transport.aclose()
            with pytest.raises(FetchError):
                await read_all(reader(response), 1 << 20)
