"""Loads that come with their series: whose loader is not asked, and when it is asked after all."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, cast

import pytest

from cornerstream.images.errors import DecodeError, SplitError
from cornerstream.ranks import Lane, Rank
from cornerstream.stats import Counters
from cornerstream.traces import Stage
from tests.support.part_server import turn
from tests.support.series_server import SIZE, SeriesServer

if TYPE_CHECKING:
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.ranks import RankCell
    from cornerstream.wanted import Upcoming
    from tests.support.series_server import Retrieval


class Decoding:
    """Decodes when the test says so."""

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[Image]] = []
        self.frames: list[EncodedFrame] = []

    def __call__(self, frame: EncodedFrame, _: ImageId, __: RankCell) -> asyncio.Future[Image]:
        self.frames.append(frame)
        self.calls.append(asyncio.get_running_loop().create_future())
        return self.calls[-1]


async def under_way(server: SeriesServer, lane: Lane = Lane.PREFETCH) -> tuple[Retrieval, Upcoming]:
    """A stream of 20 images whose retrieval has begun; of three loads one waits for it."""
    upcoming = server.announce(range(20))
    upcoming.lane = lane
    for index in range(3):
        server.join(index, Rank(lane, index), upcoming)
    await turn()
    (retrieval,) = server.open
    return retrieval, upcoming


async def test_what_the_series_brings_needs_no_loader() -> None:
    counters = Counters()
    server = SeriesServer(recorder=counters)
    retrieval, upcoming = await under_way(server)
    member = server.ride(3, upcoming=upcoming)
    assert (member.rode, member.rank.trace.stage) == (True, retrieval.rank.trace.stage)
    retrieval.send(3)
    assert (len(member.got), member.completed, server.asked) == (1, 1, [])
    assert "fetch" in member.got[0].timings
    assert member.rank.trace.received == SIZE
    assert not member.rank.trace._waits_for


async def test_the_stage_of_one_that_waits_is_that_of_the_retrieval() -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server)
    member = server.ride(3, upcoming=upcoming)
    retrieval.rank.trace.at = Stage.BODY
    stages = [member.rank.trace.stage]
    member.leave()
    assert [*stages, member.rank.trace.stage] == [Stage.BODY, Stage.ELSEWHERE]


async def test_what_came_early_is_there_at_once_and_once() -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server)
    retrieval.send(3)
    member = server.ride(3, upcoming=upcoming)
    assert (member.rode, len(member.got), member.completed, server.held) == (True, 1, 1, {})
    assert not server.ride(3).rode


async def test_what_came_early_and_had_to_go_is_asked_for() -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server)
    retrieval.send(3)
    server.held.clear()
    member = server.ride(3, upcoming=upcoming)
    assert (server.asked, server.alone[-1], member.got) == ([3], 3, [])
    server.own[-1].answer()
    assert (len(member.got), member.completed) == (1, 1)


@pytest.mark.parametrize(
    ("index", "lane"), [(3, Lane.INTERACTION), (3, Lane.THUMBNAIL), (0, Lane.PREFETCH)], ids=["look", "small", "passed"]
)
async def test_what_the_series_does_not_bring_soon_asks_its_loader(index: int, lane: Lane) -> None:
    server = SeriesServer()
    retrieval, _ = await under_way(server)
    server.own[0].send()
    retrieval.send(0)
    member = server.ride(index, Rank(lane))
    assert (member.rode, server.asked) == (False, [index])


async def test_without_a_retrieval_every_loader_is_asked() -> None:
    server = SeriesServer(known=False)
    upcoming = server.announce(range(20))
    assert not server.ride(0, upcoming=upcoming).rode
    await turn()
    assert not server.ride(1, upcoming=upcoming).rode


async def test_who_looks_at_its_place_does_not_wait_for_the_series() -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server)
    member = server.ride(3, upcoming=upcoming)
    member.rank.change(Rank(Lane.INTERACTION))
    assert not server.asked  # not from inside whatever changed the rank
    await turn()
    assert (server.asked, server.alone[-1]) == ([3], 3)
    retrieval.send(3)
    server.own[-1].answer()
    assert (len(member.got), member.completed, member.errors) == (1, 1, [])


@pytest.mark.parametrize("broken", [False, True])
async def test_what_the_series_leaves_out_is_asked_for(broken: bool) -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server)
    member = server.ride(3, upcoming=upcoming)
    if broken:
        retrieval.fail(SplitError("cut"))
    else:
        retrieval.end()
    await turn()
    assert server.asked == [3]
    server.own[-1].fail(DecodeError("none"))
    assert (member.got, [str(error) for error in member.errors]) == ([], ["none"])


async def test_a_loader_that_raises_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server)
    member = server.ride(3, upcoming=upcoming)
    monkeypatch.setattr(server, "_loaded", lambda _: 1 // 0)
    retrieval.end()
    await turn()
    assert [type(error) for error in member.errors] == [ZeroDivisionError]


async def test_a_decoder_that_raises_is_heard_of_and_the_series_goes_on() -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server)

    def refuse(*_: object) -> Image:
        raise DecodeError("not today")

    member, other = server.ride(3, upcoming=upcoming, decode=refuse), server.ride(4, upcoming=upcoming)
    retrieval.send(3, 4)
    assert [str(error) for error in member.errors] == ["not today"]
    assert (len(other.got), server.asked) == (1, [])


async def test_the_image_is_there_when_it_is_decoded() -> None:
    server, decoding = SeriesServer(), Decoding()
    retrieval, upcoming = await under_way(server)
    members = [server.ride(index, upcoming=upcoming, decode=decoding) for index in (3, 4, 5)]
    retrieval.send(3, 4, 5)
    decoding.calls[0].set_result(cast("Any", decoding.frames[0]))
    decoding.calls[1].set_exception(DecodeError("broken"))
    decoding.calls[2].cancel()  # by whoever
    await turn()
    assert [frame.metadata.sop_instance_uid for frame in members[0].got] == ["4"]
    assert [str(error) for error in members[1].errors] == ["broken"]
    assert [type(error) for error in members[2].errors] == [CancelledError]


async def test_one_that_leaves_while_it_waits_gets_nothing() -> None:
    server, decoding = SeriesServer(), Decoding()
    retrieval, upcoming = await under_way(server)
    member = server.ride(3, upcoming=upcoming, decode=decoding)
    member.leave()
    retrieval.send(3)
    assert (decoding.calls, server.asked) == ([], [])


async def test_the_last_one_that_leaves_ends_the_retrieval() -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server)
    member = server.ride(3, upcoming=upcoming)
    retrieval.send(2)
    upcoming.dispose()
    assert server.open == [retrieval]
    member.leave()
    assert server.open == []


async def test_one_that_leaves_while_it_is_decoded_takes_the_call_along() -> None:
    server, decoding = SeriesServer(), Decoding()
    retrieval, upcoming = await under_way(server)
    member = server.ride(3, upcoming=upcoming, decode=decoding)
    retrieval.send(3)
    member.leave()
    assert decoding.calls[0].cancelled()
    await turn()
    assert (member.got, member.errors) == ([], [])


async def test_one_that_leaves_before_its_loader_is_asked_never_asks_it() -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server)
    member = server.ride(3, upcoming=upcoming)
    retrieval.end()
    member.leave()
    await turn()
    assert server.asked == []


async def test_one_that_leaves_after_its_loader_was_asked_leaves_that() -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server)
    member = server.ride(3, upcoming=upcoming)
    retrieval.end()
    await turn()
    (request,) = [request for request in server.own if request.index == 3]
    member.leave()
    assert request.over


async def test_of_two_that_want_one_frame_the_first_may_send_the_other_away() -> None:
    server, decoding = SeriesServer(), Decoding()
    retrieval, upcoming = await under_way(server)

    def leaves(frame: EncodedFrame, *_: object) -> Image:
        second.leave()
        return cast("Image", frame)

    first = server.ride(3, upcoming=upcoming, decode=leaves)
    second = server.ride(3, decode=decoding)
    retrieval.send(3)
    assert (len(first.got), second.got, decoding.calls) == (1, [], [])


async def test_a_retrieval_in_the_background_is_as_urgent_as_those_who_ride() -> None:
    server = SeriesServer()
    retrieval, upcoming = await under_way(server, Lane.BACKGROUND)
    lanes = [retrieval.rank.value.lane]
    member = server.ride(3, Rank(Lane.PREFETCH), upcoming)
    lanes.append(retrieval.rank.value.lane)
    member.leave()
    assert [*lanes, retrieval.rank.value.lane] == [Lane.BACKGROUND, Lane.PREFETCH, Lane.BACKGROUND]
