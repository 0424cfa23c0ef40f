"""Frames of files on a server through a session: which requests they cost, and what is held for them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.errors import DecodeError, HttpStatusError, ImageIdError
from cornerstream.operators.read_wanted import HEADER_PIECE
from cornerstream.ranks import Lane
from cornerstream.server.app import create_app
from cornerstream.server.ledger import LEDGER
from cornerstream.server.running import running_app
from cornerstream.session import Session
from tests.support.cancelling import turn_until
from tests.support.leaks import nothing_left, turns
from tests.support.ranged import MIB, Answer, RangedServer, large_encapsulated, large_native
from tests.support.splitting import modest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from cornerstream.engine import Engine
    from cornerstream.images.image import Image

FRAMES = 200
SIDE = 128
FRAME = SIDE * SIDE * 2


@cache
def file_of(frames: int) -> bytes:
    return large_native(frames, SIDE)[0]


def image_ids(numbers: Sequence[int], name: str = "a") -> list[str]:
    return [f"wadouri:http://pacs/{name}.dcm?frame={number}" for number in numbers]


def numbers_of(images: Sequence[Image]) -> list[int]:
    """Which frames they are, by their pixels."""
    assert all(len(set(image.pixels.ravel().tolist())) == 1 for image in images)
    return [int(image.pixels[0, 0]) for image in images]


@asynccontextmanager
async def session_of(server: RangedServer, **options: Any) -> AsyncIterator[Session]:
    async with nothing_left():
        async with Session(transport=server, **options) as session:
            yield session
            assert engine_of(session).resources.held.nbytes >= 0
        assert server.open_now == 0
        assert engine_of(session).resources.held.nbytes == 0
        assert len(engine_of(session).resources.files) == 0


def engine_of(session: Session) -> Engine:
    engine = session._made
    assert engine is not None
    return engine


async def load(session: Session, *numbers: int, lane: Lane = Lane.INTERACTION) -> list[int]:
    loads = (session.load(one, lane=lane) for one in image_ids(numbers))
    return numbers_of(await asyncio.gather(*loads))


# ---- frames by their own bytes


async def test_one_frame_of_a_large_file() -> None:
    server = RangedServer(file_of(FRAMES))
    async with session_of(server) as session:
        assert await load(session, 150) == [150]
        assert (len(server.asked), server.sent) == (2, HEADER_PIECE + FRAME)
        assert await load(session, 20) == [20]  # where it lies is known
        assert (len(server.asked), server.sent) == (3, HEADER_PIECE + 2 * FRAME)
        assert session.stats().file_bytes < 20_000


@pytest.mark.parametrize(
    ("numbers", "requests"),
    [
        ([1], 1),
        ([FRAMES], 2),
        ([150, 151, 153], 2),  # one range spans them
        ([150, 20, 90], 4),
        ([1, 150], 2),  # the whole file, and the frame that it would bring late
        ([150, 1], 2),
        (range(1, FRAMES + 1), 1),
        (range(FRAMES, 0, -1), 1),
        ([3], 2),  # the header, and the rest
    ],
)
async def test_requests(numbers: Sequence[int], requests: int) -> None:
    server = RangedServer(file_of(FRAMES))
    async with session_of(server) as session:
        assert await load(session, *numbers) == list(numbers)
        assert len(server.asked) == requests


@modest
@given(st.lists(st.integers(1, FRAMES), min_size=1, max_size=12), st.sampled_from(["range", "200", "lies", "changes"]))
def test_any_frames_in_any_order_from_any_server(numbers: list[int], kind: str) -> None:
    server = RangedServer(file_of(FRAMES))

    def change(nth: int, answer: Answer) -> Answer:
        if kind == "changes" and nth == 2:
            server.etag = '"v2"'
        if kind == "200":
            return Answer(200, {}, server.body, len(server.body))
        return answer.but(Content_Range="bytes 5-9/10") if kind == "lies" and nth % 3 == 1 else answer

    async def run() -> None:
        server.change = change
        async with session_of(server) as session:
            half = len(numbers) // 2
            assert await load(session, *numbers[:half]) == numbers[:half]
            assert await load(session, *numbers[half:]) == numbers[half:]

    asyncio.run(run())


async def test_a_frame_that_a_running_download_brings_late() -> None:
    server = RangedServer(file_of(FRAMES), hold=0)
    async with session_of(server) as session:
        stuck = asyncio.ensure_future(load(session, FRAMES, 1))
        await server.held.wait()
        assert server.asked[0] is None
        assert await load(session, 150) == [150]  # it has passed already
        assert len(server.asked) == 2  # and the last frame by its own bytes
        assert await stuck == [FRAMES, 1]


async def test_what_nobody_is_in_a_hurry_for_waits_for_the_download() -> None:
    server = RangedServer(file_of(FRAMES))
    async with session_of(server) as session:
        loads = [load(session, number, lane=Lane.PREFETCH) for number in (1, 150)]
        assert await asyncio.gather(*loads) == [[1], [150]]
        assert len(server.asked) == 1


# ---- servers that lie, errors, leaving


async def test_servers_that_lie_are_remembered() -> None:
    server = RangedServer(file_of(FRAMES))
    server.change = lambda _, answer: answer.but(Content_Range="bytes 5-9/10")
    async with session_of(server, cache_bytes=4 * MIB) as session:
        assert await load(session, 150) == [150]
        assert [one is None for one in server.asked] == [False, True]
        await load(session, 180)
        assert [one is None for one in server.asked] == [False, True, True]
        other = session.load("wadouri:http://other/a.dcm?frame=150")
        await other
        assert server.asked[3] is not None


def other_version(nth: int, answer: Answer) -> Answer:
    return answer.but(ETag=f'"{nth}"')  # so that If-Range never holds


def other_total(nth: int, answer: Answer) -> Answer:
    return answer.but(Content_Range=f"{answer.headers['Content-Range']}{nth}") if answer.status == 206 else answer


@pytest.mark.parametrize("numbers", [(150,), (1, 150)])
@pytest.mark.parametrize(("change", "requests"), [(other_version, 2), (other_total, 3)])
async def test_a_range_that_always_fails_is_not_tried_for_ever(
    numbers: tuple[int, ...], change: Callable[[int, Answer], Answer], requests: int
) -> None:
    server = RangedServer(file_of(FRAMES))
    server.change = change
    async with session_of(server, cache_bytes=4 * MIB) as session:
        assert await load(session, *numbers) == list(numbers)
        assert len(server.asked) == requests


async def test_errors_and_frames_that_are_not_there() -> None:
    server = RangedServer(file_of(FRAMES))
    async with session_of(server) as session:
        for _ in range(2):
            with pytest.raises(ImageIdError, match="200 frames"):
                await load(session, FRAMES + 1)
        server.change = lambda _, answer: answer.but(404)
        with pytest.raises(HttpStatusError):
            await load(session, 150)
        server.change = lambda _, answer: answer
        assert await load(session, 150) == [150]


@pytest.mark.parametrize(
    ("hold", "numbers"), [(0, [150]), (1, [150]), (0, [1]), (1, [3])], ids=["header", "frame", "whole", "rest"]
)
async def test_cancelled_midway(hold: int, numbers: list[int]) -> None:
    server = RangedServer(file_of(FRAMES), hold=hold)
    async with session_of(server) as session:
        loads = [session.load(one, lane=Lane.PREFETCH) for one in image_ids([*numbers, FRAMES])]
        waiting = [asyncio.ensure_future(one._last()) for one in loads]
        await server.held.wait()
        for one in loads:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await turns()
        resources = engine_of(session).resources
        assert (server.open_now, resources.held.nbytes, len(resources.files)) == (0, 0, 0)
        assert session.stats().tasks == 0


# ---- streams


BUDGET = 2 * MIB


class Watch:
    """Looks at the bytes of a session each time it is asked."""

    def __init__(self, session: Session) -> None:
        self._budget = engine_of(session).budget
        self.most = 0
        self.look()

    def look(self) -> None:
        self.most = max(self.most, self._budget.nbytes)


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_stream_of_twenty_times_the_budget_is_one_download(ranges: bool) -> None:
    frames = 20 * BUDGET // FRAME
    server = RangedServer(file_of(frames), etag='"v1"' if ranges else "")
    async with session_of(server, cache_bytes=BUDGET) as session:
        seen = 0
        watch: Watch | None = None
        async for image in session.stream(image_ids(range(1, frames + 1))):
            seen += 1
            assert image.pixels[0, 0] == seen
            watch = watch or Watch(session)
            watch.look()
            if seen % 50 == 0:  # a reader that is behind: the download must not run away
                await turns(40)
                watch.look()
        assert seen == frames
        assert server.asked == [None]
        assert watch is not None
        assert watch.most <= BUDGET + FRAME


async def test_a_reader_that_stops_pauses_the_download_and_gives_its_slot_back() -> None:
    frames = 20 * BUDGET // FRAME
    server = RangedServer(file_of(frames))
    async with session_of(server, cache_bytes=BUDGET) as session:
        stream = aiter(session.stream(image_ids(range(1, frames + 1))))
        assert numbers_of([await anext(stream)]) == [1]
        await turns(500)
        sent = server.sent
        assert sent < BUDGET
        await turns(500)
        assert (server.sent, server.open_now, session.stats().open_requests) == (sent, 1, 0)
        assert engine_of(session).resources.held.nbytes > BUDGET // 8
        assert numbers_of([await anext(stream) for _ in range(99)]) == list(range(2, 101))
        assert server.sent > sent
        await stream.aclose()
        await turns()
        assert (server.open_now, engine_of(session).resources.held.nbytes) == (0, 0)


async def test_streams_of_more_files_than_requests_do_not_wait_for_each_other() -> None:
    frames = 3 * BUDGET // FRAME
    server = RangedServer(file_of(frames))
    async with session_of(server, cache_bytes=BUDGET, max_requests=2) as session:
        names = "abc"
        order = [one for number in range(1, frames + 1) for name in names for one in image_ids([number], name)]
        images = [int(image.pixels[0, 0]) async for image in session.stream(order)]
        assert images == [number for number in range(1, frames + 1) for _ in names]


async def test_two_streams_at_different_places_have_a_download_each() -> None:
    frames = 4 * BUDGET // FRAME
    server = RangedServer(file_of(frames))
    async with session_of(server, cache_bytes=BUDGET) as session:
        first = aiter(session.stream(image_ids(range(1, frames + 1))))
        for _ in range(frames // 2):
            await anext(first)
        second = aiter(session.stream(image_ids(range(1, frames + 1))))
        both = [await anext(stream) for _ in range(frames // 2) for stream in (first, second)]
        assert numbers_of(both[::2]) == list(range(frames // 2 + 1, frames + 1))
        assert numbers_of(both[1::2]) == list(range(1, frames // 2 + 1))
        await first.aclose()
        await second.aclose()
        assert len(server.asked) == 2


@pytest.mark.parametrize("order", [range(FRAMES, 0, -1), range(60, 160), range(1, FRAMES, 50)])
async def test_streams_in_another_order_take_few_requests(order: Sequence[int]) -> None:
    server = RangedServer(file_of(FRAMES))
    async with session_of(server) as session:
        assert [int(image.pixels[0, 0]) async for image in session.stream(image_ids(order))] == list(order)
        assert len(server.asked) <= 6


async def test_cached_and_held_bytes_are_within_the_budget() -> None:
    body, _ = large_native(100, SIDE)
    servers = RangedServer(body)
    async with session_of(servers, cache_bytes=BUDGET) as session:
        await session.load(image_ids([1], "warm")[0])
        watch = Watch(session)
        streams = [session.stream(image_ids(range(1, 101), name)) for name in "abcdef"]

        async def read(index: int) -> int:
            count = 0
            async for _ in streams[index]:
                count += 1
                watch.look()
                await turns(index)
            return count

        assert await asyncio.gather(*map(read, range(len(streams)))) == [100] * len(streams)
        assert BUDGET // 2 < watch.most <= BUDGET + FRAME


async def test_encapsulated_frames_by_ranges() -> None:
    body, frames = large_encapsulated(80)
    server = RangedServer(body)
    async with session_of(server) as session:
        with pytest.raises(DecodeError):  # these are no JPEGs, once they are looked at
            await load(session, 70)
        assert (len(server.asked), server.asked[-1]) == (2, range_of(body, frames[69]))


def range_of(body: bytes, frame: bytes) -> range:
    """Of a frame's item, the next one's header, and the next one's first bytes."""
    start = body.index(frame) - 8
    return range(start, start + 8 + len(frame) + 8 + 64)


async def test_over_a_connection(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(file_of(FRAMES))
    app = create_app(tmp_path, faults=True)
    async with nothing_left():
        async with running_app(app) as at, Session() as session:
            ledger = app[LEDGER]
            image = await session.load(f"wadouri:{at.file('a.dcm')}?frame=150")
            assert numbers_of([image]) == [150]
            await ledger.wait_until_idle()
            assert [one.bytes_sent for one in ledger.served] == [HEADER_PIECE, FRAME]
            cancelled = session.load(f"wadouri:{at.file('a.dcm')}?fault=hold-body:200&frame=100")
            waiting = asyncio.ensure_future(cancelled._last())
            await ledger.wait_until(lambda found: any(one.bytes_sent >= 200 for one in found.open))
            cancelled.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await ledger.wait_until_idle()
            assert ledger.served[-1].outcome == "client gone"
            await turn_until(lambda: not session.stats().tasks)
            assert session.stats().open_requests == 0
        await asyncio.get_running_loop().shutdown_default_executor()
