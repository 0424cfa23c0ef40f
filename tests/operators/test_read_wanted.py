from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import reactivex as rx

from cornerstream.images.errors import FetchError, HttpStatusError, ImageLoadError, SplitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.fetch import Body
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.read_wanted import HEADER_PIECE, read_wanted
from tests.support.leaks import nothing_left, turns
from tests.support.part10 import encapsulated, item, jpeg_like, table, with_items
from tests.support.ranged import Answer, RangedServer, large_encapsulated, large_native

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import DisposableBase

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.operators.file_map import FileMap

FRAMES = 200
NATIVE, PIXELS = large_native(FRAMES)
CODED, CODESTREAMS = large_encapsulated(60)


@dataclass
class Wish:
    """What a test wants, and what it was told."""

    numbers: range | None = range(150, 151)
    whole: bool = False
    file_map: FileMap | None = None
    told: list[bool] = field(default_factory=list)
    maps: list[FileMap] = field(default_factory=list)
    room: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.room.set()

    def settle(self, file_map: FileMap) -> range | None:
        self.file_map = file_map
        return self.numbers

    def read_whole(self, *, refused: bool = False) -> None:
        self.told.append(refused)

    def mapped(self, file_map: FileMap) -> None:
        self.maps.append(file_map)

    async def ready(self) -> None:
        await self.room.wait()


class Heard:
    """One subscription, and what it heard."""

    def __init__(
        self,
        server: RangedServer,
        wish: Wish | None,
        source: Observable[Body] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.frames: dict[int, bytes] = {}
        self.errors: list[Exception] = []
        self.ended = asyncio.Event()
        bodies = rx.just(Body(HttpRequest("http://pacs/a.dcm"), server)) if source is None else source
        self.subscription: DisposableBase = bodies.pipe(read_wanted(limits, wish)).subscribe(
            self._on_next, self._on_error, self.ended.set
        )

    def _on_next(self, frame: EncodedFrame) -> None:
        assert frame.timings["fetch"] >= 0
        self.frames[frame.metadata.frame_number] = bytes(frame.data)

    def _on_error(self, error: Exception) -> None:
        self.errors.append(error)
        self.ended.set()


async def heard(server: RangedServer, wish: Wish | None, limits: Limits = DEFAULT_LIMITS) -> Heard:
    async with nothing_left():
        found = Heard(server, wish, limits=limits)
        await found.ended.wait()
        await turns()
        assert server.open_now == 0
    return found


async def test_the_header_and_one_frame() -> None:
    server, wish = RangedServer(NATIVE), Wish()
    assert (await heard(server, wish)).frames == {150: PIXELS[149]}
    assert server.sent == HEADER_PIECE + len(PIXELS[149])
    assert server.asked[0] == range(HEADER_PIECE)
    again = await heard(server, Wish(range(10, 12), file_map=wish.file_map))
    assert again.frames == {10: PIXELS[9], 11: PIXELS[10]}
    assert len(server.asked) == 3
    assert wish.told == []


@pytest.mark.parametrize("numbers", [range(1, 2), range(30, 40), range(60, 61), range(1, 61)])
async def test_frames_by_their_offsets(numbers: range) -> None:
    server = RangedServer(CODED)
    found = await heard(server, Wish(numbers))
    assert found.frames == {number: CODESTREAMS[number - 1] for number in numbers}
    assert len(server.asked) == 2


@pytest.mark.parametrize("wish", [None, Wish(whole=True)])
async def test_everything(wish: Wish | None) -> None:
    server = RangedServer(NATIVE)
    assert list((await heard(server, wish)).frames.values()) == PIXELS
    assert server.asked == [None]
    if wish is not None:
        assert [one.number_of_frames for one in wish.maps] == [FRAMES]


async def test_the_whole_file_after_all_goes_on_behind_its_header() -> None:
    server, wish = RangedServer(NATIVE), Wish(None)
    assert list((await heard(server, wish)).frames.values()) == PIXELS
    assert server.asked == [range(HEADER_PIECE), range(HEADER_PIECE, len(NATIVE))]
    assert server.sent == len(NATIVE)


async def test_a_file_that_is_there_with_its_header() -> None:
    body, frames = large_native(3, 8)
    server = RangedServer(body)
    assert list((await heard(server, Wish(None))).frames.values()) == frames
    assert server.asked == [range(HEADER_PIECE)]


async def test_a_server_without_ranges_is_asked_once() -> None:
    server, wish = RangedServer(NATIVE), Wish()
    server.change = lambda _, answer: Answer(200, {}, NATIVE, len(NATIVE))
    assert list((await heard(server, wish)).frames.values()) == PIXELS
    assert (len(server.asked), wish.told, wish.maps) == (1, [False], [])


def without_condition(answer: Answer) -> Answer:
    """The server sends a range of another version, although it was asked not to."""
    return answer.but(ETag='"other"')


LIES: dict[str, tuple[Callable[[Answer], Answer], bool]] = {
    "another start": (lambda a: a.but(Content_Range=f"bytes 1-{len(a.body)}/{len(NATIVE)}"), True),
    "another end": (lambda a: a.but(Content_Range=f"bytes 0-{len(a.body)}/{len(NATIVE)}"), True),
    "another total": (lambda a: a.but(Content_Range=a.headers["Content-Range"] + "0"), False),
    "no Content-Range": (lambda a: a.but(Content_Range=""), True),
    "no version": (lambda a: a.but(ETag=""), True),
    "weak version": (lambda a: a.but(ETag='W/"v1"'), True),
    "several parts": (lambda a: a.but(Content_Type="multipart/byteranges; boundary=b"), True),
    "coded": (lambda a: a.but(Content_Encoding="gzip"), True),
    "416": (lambda a: a.but(416), True),
    "short": (lambda a: Answer(206, a.headers, a.body[:-1]), True),
    "long": (lambda a: Answer(206, a.headers, a.body + b"0"), True),
    "changed": (without_condition, False),
}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", LIES)
async def test_a_server_that_lies_is_asked_for_the_whole_file(name: str, number: int) -> None:
    lie, lasting = LIES[name]
    if number == 0 and name in {"another total", "changed"}:
        return  # nothing to compare the first answer with
    server, wish = RangedServer(NATIVE), Wish()
    server.change = lambda nth, answer: lie(answer) if nth == number else answer
    found = await heard(server, wish)
    assert [found.frames[frame_number] for frame_number in range(1, FRAMES + 1)] == PIXELS
    assert found.errors == []
    assert server.asked[-1] is None
    assert wish.told == [lasting]


async def test_a_total_that_changes_after_the_header_is_another_file() -> None:
    server, wish = RangedServer(NATIVE), Wish()
    server.change = lambda nth, answer: (
        answer.but(Content_Range=answer.headers["Content-Range"].partition("/")[0] + "/9999999") if nth == 1 else answer
    )
    assert sorted((await heard(server, wish)).frames.values()) == sorted(PIXELS)
    assert wish.told == [False]


async def test_a_file_that_changes_in_the_middle_is_read_whole_as_it_is_now() -> None:
    other, pixels = large_native(FRAMES, 32)
    server, wish = RangedServer(NATIVE), Wish()

    def change(nth: int, answer: Answer) -> Answer:
        if nth == 0:
            server.body, server.etag = other, '"v2"'
        return answer

    server.change = change
    assert list((await heard(server, wish)).frames.values()) == pixels
    assert (len(server.asked), wish.told) == (2, [False])


@pytest.mark.parametrize("has_table", [True, False])
async def test_frames_that_only_the_whole_file_tells(has_table: bool) -> None:
    frames = [jpeg_like(bytes([number]) * 9000) for number in range(1, 30)]
    offsets = [sum(len(frame) + 8 for frame in frames[:index]) + (index == 20) * 4 for index in range(29)]
    body = with_items([table(*offsets), *map(item, frames)], 29) if has_table else encapsulated(frames, has_bot=False)
    server, wish = RangedServer(body), Wish(range(21, 22))
    assert list((await heard(server, wish)).frames.values()) == frames
    assert wish.told == [False]


async def test_none_and_several_files() -> None:
    server = RangedServer(NATIVE)
    body = Body(HttpRequest("http://pacs/a.dcm"), server)
    empty = Heard(server, Wish(), rx.empty())
    several = Heard(server, Wish(), rx.from_iterable([body, body]))
    await several.ended.wait()
    assert (empty.frames, empty.ended.is_set(), empty.errors) == ({}, True, [])
    assert several.frames == {150: PIXELS[149]}
    assert len(server.asked) == 3  # where the frames lie is known the second time


async def test_errors_of_the_source_and_of_the_server() -> None:
    server = RangedServer(NATIVE)
    cause = FetchError("no body")
    assert Heard(server, Wish(), rx.throw(cause)).errors == [cause]
    server.change = lambda _, answer: answer.but(503)
    for wish in (Wish(), Wish(whole=True)):
        found = await heard(server, wish)
        assert [type(error) for error in found.errors] == [HttpStatusError]
        assert wish.told == []


@pytest.mark.parametrize(
    ("body", "wanted"),
    [(NATIVE[:-9], TruncatedError), (b"nothing of DICOM" * 9000, SplitError), (NATIVE[:9999], TruncatedError)],
)
async def test_what_is_wrong_with_a_file_is_said_as_of_the_whole(body: bytes, wanted: type[ImageLoadError]) -> None:
    errors = [(await heard(RangedServer(body), wish)).errors for wish in (Wish(), Wish(whole=True))]
    assert [[type(error) for error in one] for one in errors] == [[wanted], [wanted]]
    assert str(errors[0][0]) == str(errors[1][0])


async def test_a_file_over_the_limit_is_not_read_by_the_back_door() -> None:
    server, limits = RangedServer(NATIVE), Limits(response_bytes=len(NATIVE) - 1)
    found = await heard(server, Wish(None), limits)
    assert server.asked == [range(HEADER_PIECE), None]  # where the transport refuses it
    assert len(found.frames) == FRAMES


@pytest.mark.parametrize(
    ("hold", "wish"),
    [(0, Wish()), (1, Wish()), (1, Wish(None)), (0, Wish(whole=True))],
    ids=["header", "frame", "rest", "whole"],
)
async def test_disposed_midway(hold: int, wish: Wish) -> None:
    async with nothing_left():
        server = RangedServer(NATIVE, hold=hold)
        found = Heard(server, wish)
        await server.held.wait()
        assert server.open_now == 1
        seen = dict(found.frames)
        found.subscription.dispose()
        await turns()
        assert (server.open_now, found.ended.is_set(), found.frames) == (0, False, seen)


async def test_nothing_is_read_while_there_is_no_room() -> None:
    server, wish = RangedServer(NATIVE), Wish(whole=True)
    wish.room.clear()
    found = Heard(server, wish)
    await turns(50)
    assert (found.frames, server.sent <= 4 * server.chunk) == ({}, True)
    wish.room.set()
    await found.ended.wait()
    assert len(found.frames) == FRAMES
