"""The images of a series, by requests of their own and all in one answer: who comes how, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import FetchError, HttpStatusError, SplitError, TruncatedError
from cornerstream.operators.split_instances import RetrievedInstance
from cornerstream.ranks import Lane, Rank
from cornerstream.stats import Counters
from tests.support.part_server import turn
from tests.support.series_server import ORIGIN, SERIES, SIZE, SeriesServer, frame_of, image_of

if TYPE_CHECKING:
    from cornerstream.wanted import Upcoming
    from tests.support.series_server import Member

KEY = ("wadors", SERIES)


async def started(server: SeriesServer, count: int = 20, window: int = 4) -> tuple[list[Member], Upcoming]:
    """A stream of so many images that has begun with a window of loads, and its retrieval."""
    upcoming = server.announce(range(count))
    members = [server.join(index, upcoming=upcoming) for index in range(window)]
    await turn()
    return members, upcoming


async def test_the_first_images_go_alone_and_one_answer_brings_the_rest() -> None:
    server = SeriesServer()
    members, _ = await started(server)
    (retrieval,) = server.open
    assert server.alone == [0, 1]
    assert retrieval.rank.value == Rank(Lane.PREFETCH, 2)
    retrieval.send(3, 2)
    assert [member.index for member in members if member.completed] == [2, 3]
    assert [one.got[0].metadata.sop_instance_uid for one in members[2:]] == ["3", "4"]


async def test_what_comes_before_it_is_wanted_is_given_out_once() -> None:
    server = SeriesServer()
    _, upcoming = await started(server)
    server.open[0].send(10)
    assert len(server.held) == 1
    upcoming.position = 10
    member = server.join(10, upcoming=upcoming)
    assert (len(member.got), server.held, server.rules.held) == (1, {}, 0)
    again = server.join(10)
    assert not again.got
    assert 10 in server.alone


async def test_one_who_comes_when_the_image_has_passed_has_a_request_of_its_own() -> None:
    server = SeriesServer()
    await started(server)
    server.open[0].send(3)
    server.join(3)
    assert server.alone == [0, 1, 3]


async def test_an_image_that_comes_before_its_own_request_is_sent_is_taken() -> None:
    server = SeriesServer()
    members, _ = await started(server)
    server.own[1].send()
    server.open[0].send(0, 1)
    assert len(members[0].got) == 1
    assert not members[1].got
    assert server.alone == [1]


async def test_bytes_that_come_twice_are_wasted() -> None:
    counters = Counters()
    server = SeriesServer(recorder=counters)
    members, _ = await started(server)
    server.own[1].send()
    server.open[0].send(1)
    assert counters.bytes_wasted == SIZE
    assert members[1].rank.trace.received == 0


async def test_every_byte_belongs_to_the_load_that_gets_it() -> None:
    counters = Counters()
    server = SeriesServer(recorder=counters)
    members, upcoming = await started(server)
    server.open[0].send(2, 9)
    assert members[2].rank.trace.received == SIZE
    upcoming.position = 9
    late = server.join(9, upcoming=upcoming)
    assert late.rank.trace.received == SIZE
    assert (counters.bytes_wasted, counters.bytes_cancelled) == (0, 0)


async def test_somebody_who_looks_does_not_wait_for_the_servers_order() -> None:
    server = SeriesServer()
    members, _ = await started(server)
    members[3].rank.change(Rank(Lane.INTERACTION))
    await turn()
    assert server.alone == [0, 1, 3]
    assert server.open[0].rank.value == Rank(Lane.PREFETCH, 2)
    looking = server.join(15, Rank(Lane.THUMBNAIL))
    assert server.alone == [0, 1, 3, 15]
    server.own[-1].answer()
    assert looking.completed == 1


async def test_nothing_starts_for_those_who_look() -> None:
    server = SeriesServer()
    server.announce(range(20))
    for index in range(20):
        server.join(index, Rank(Lane.INTERACTION))
    await turn()
    assert not server.retrievals


@pytest.mark.parametrize("total", [20, 41])
async def test_a_part_of_a_series_is_asked_for_whole_only_if_it_is_half(total: int) -> None:
    server = SeriesServer()
    upcoming = server.announce(range(20), total=total)
    server.join(0, upcoming=upcoming)
    await turn()
    assert len(server.retrievals) == (total == 20)


async def test_what_is_cached_is_not_missing() -> None:
    server = SeriesServer()
    server.cached.update(image_of(index) for index in range(10, 20))
    upcoming = server.announce(range(20))
    server.join(0, upcoming=upcoming)
    await turn()
    assert not server.retrievals


async def test_it_has_to_fit_into_the_room() -> None:
    server = SeriesServer(room=20 * SIZE - 1)
    await started(server)
    assert not server.retrievals


async def test_the_first_images_of_an_origin_show_whether_it_is_worth_it() -> None:
    server = SeriesServer(known=False)
    members, _ = await started(server, 40, 10)
    assert (server.retrievals, len(server.alone)) == ([], 10)
    for request in tuple(server.own[:8]):
        request.answer()
    server.own[8].send()
    await turn()
    assert len(server.open) == 1
    assert server.alone == [8, 9]  # one was under way, and one more does not wait
    assert [member.index for member in members if member.completed] == list(range(8))


async def test_images_of_unknown_size_show_it_first() -> None:
    server = SeriesServer()
    upcoming = server.announce(range(40), image_bytes=0)
    for index in range(3):
        server.join(index, upcoming=upcoming)
    await turn()
    assert not server.retrievals
    server.own[0].answer()
    await turn()
    assert len(server.open) == 1


async def test_a_prefetch_asks_for_all_at_once() -> None:
    server = SeriesServer()
    upcoming = server.announce(range(20))
    upcoming.position = 20
    members = [server.join(index) for index in range(20)]
    await turn()
    server.open[0].send(*reversed(range(20)))
    assert all(member.completed == 1 for member in members[2:])
    assert (server.open, server.alone, server.held) == ([], [0, 1], {})  # it ends when it brings nothing more


@pytest.mark.parametrize(
    "error",
    [
        *(HttpStatusError("no", status=status) for status in (400, 404, 406, 415, 500, 501)),
        SplitError("not DICOM"),
        TruncatedError("it broke"),
        FetchError("reset"),
    ],
)
async def test_a_retrieval_that_fails_costs_nobody_anything(error: Exception) -> None:
    server = SeriesServer()
    members, upcoming = await started(server)
    server.open[0].send(2, 12)
    server.open[0].fail(error)
    await turn()
    assert server.alone == [0, 1, 3]
    assert not any(member.errors for member in members)
    upcoming.position = 12
    assert server.join(12, upcoming=upcoming).completed == 1  # what came is not lost
    server.join(13, upcoming=upcoming)
    await turn()
    assert (len(server.retrievals), server.rules.refused) == (1, {ORIGIN})


async def test_a_series_that_does_not_come_whole_is_remembered() -> None:
    server = SeriesServer()
    members, _ = await started(server)
    server.open[0].send(*range(2, 19), 3)
    server.open[0].end()
    await turn()
    assert server.rules.refused == {KEY}
    assert all(member.completed for member in members[2:])


async def test_one_who_waits_for_what_was_left_out_gets_it_alone() -> None:
    server = SeriesServer()
    members, _ = await started(server)
    server.open[0].send(2, *range(4, 20))
    server.open[0].end()
    await turn()
    assert server.alone == [0, 1, 3]
    server.own[-1].answer()
    assert members[3].completed == 1


async def test_what_cannot_be_read_goes_alone() -> None:
    server = SeriesServer()
    await started(server)
    server.open[0].instance(RetrievedInstance(None, SIZE))
    server.open[0].send(2, *range(4, 20))
    server.open[0].end()
    await turn()
    assert server.alone == [0, 1, 3]


async def test_foreign_instances_are_ignored_and_too_many_end_it() -> None:
    counters = Counters()
    server = SeriesServer(recorder=counters)
    members, _ = await started(server)
    retrieval = server.open[0]
    retrieval.send(*range(100, 120))
    assert server.open
    assert (server.held, counters.bytes_wasted) == ({}, 20 * SIZE)
    retrieval.send(120)
    await turn()
    assert (server.open, server.alone) == ([], [0, 1, 2, 3])
    assert ORIGIN in server.rules.refused
    assert not any(member.got or member.errors for member in members)


async def test_when_too_much_comes_before_what_is_waited_for_it_is_given_up() -> None:
    server = SeriesServer(room=20 * SIZE)
    members, upcoming = await started(server)
    server.open[0].send(*range(19, 4, -1), size=SIZE)
    assert server.open
    server.open[0].send(4, size=10 * SIZE)
    await turn()
    assert (server.open, server.alone) == ([], [0, 1, 2, 3])
    assert ORIGIN in server.rules.refused
    upcoming.position = 19
    assert server.join(19, upcoming=upcoming).completed == 1
    assert not any(member.errors for member in members)


async def test_it_goes_on_for_what_comes_later() -> None:
    server = SeriesServer()
    members, upcoming = await started(server)
    for member in members:
        member.leave()
    assert server.open
    upcoming.dispose()
    assert (server.open, server.alone, len(server.series), server.rules.held) == ([], [], 0, 0)


async def test_it_goes_on_for_those_who_wait() -> None:
    server = SeriesServer()
    members, upcoming = await started(server)
    server.open[0].send(15)
    upcoming.dispose()
    assert server.open
    assert (server.held, server.rules.held) == ({}, 0)
    server.open[0].send(2)
    members[3].leave()
    assert not server.open
    for member in members[:2]:
        member.leave()
    assert (server.alone, len(server.series)) == ([], 0)


async def test_frames_of_larger_instances_are_no_part_of_it() -> None:
    server = SeriesServer()
    await started(server)
    found = next(server.rules.announced(KEY))[0]
    assert len(found.by_series[KEY].images) == 20
    ids = [*map(image_of, range(20)), image_of(7).with_frame(2)]
    found = type(found)(ids, Lane.PREFETCH, lambda _: None)
    assert len(found.by_series[KEY].images) == 19


async def test_clearing_ends_everything() -> None:
    server = SeriesServer()
    await started(server)
    server.open[0].send(9)
    server.series.clear()
    await turn()
    assert (server.open, server.held, server.rules.held, len(server.series)) == ([], {}, 0, 0)


async def test_an_image_that_left_the_budget_is_asked_for_again() -> None:
    server = SeriesServer()
    _, upcoming = await started(server)
    server.open[0].send(9)
    server.held.clear()
    upcoming.position = 9
    server.join(9, upcoming=upcoming)
    assert (9 in server.alone, server.rules.held) == (True, 0)
    assert frame_of(9).nbytes == SIZE


async def test_what_somebody_is_getting_already_is_not_held_for_a_stream() -> None:
    server = SeriesServer()
    await started(server)
    server.join(15, Rank(Lane.INTERACTION))
    server.own[-1].send()
    server.open[0].send(15)
    assert server.held == {}


@pytest.mark.parametrize(("milliseconds", "expected"), [(5, 1), (30, 0)])
async def test_the_first_images_show_what_an_idle_link_carries(milliseconds: int, expected: int) -> None:
    server = SeriesServer(known=False)
    server.link.latency = 0.05
    await started(server, 40, 10)
    for count, request in enumerate(tuple(server.own[:8]), 1):
        server.time = server.link.latency + count * milliseconds / 1000
        request.answer()
    await turn()
    assert len(server.open) == expected
