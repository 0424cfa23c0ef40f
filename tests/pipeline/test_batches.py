"""Lists of frames: who travels with whom, when, and who gets what."""

from __future__ import annotations

from reactivex.testing import TestScheduler

from cornerstream.images.errors import FetchError, TruncatedError
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import Limits
from cornerstream.ranks import Lane, Rank
from tests.support.part_server import ADDRESS, Member, PartServer, frame_data, turn


async def test_frames_wanted_together_travel_in_one_request() -> None:
    server = PartServer()
    members = await server.want(1, 2, 3)
    assert [len(server.requests), server.requests[0].send()] == [1, [1, 2, 3]]
    server.requests[0].answer(1)
    assert [member.got for member in members] == [[frame_data(1)], [], []]  # each when its own part is there
    server.requests[0].answer()
    assert [member.got for member in members] == [[frame_data(n)] for n in (1, 2, 3)]
    assert (len(server.lists), server.open) == (0, [])


async def test_a_lone_frame_goes_alone_and_at_once() -> None:
    server = PartServer()
    (member,) = await server.want(7, lane=Lane.INTERACTION)
    assert server.requests[0].send() == [7]
    server.requests[0].answer()
    assert member.got == [frame_data(7)]


async def test_the_list_is_settled_when_the_request_is_sent() -> None:
    server = PartServer()
    members = await server.want(1, 2, 3)
    members[1].leave()
    members[2].rank.change(Rank(Lane.PREFETCH, 0))
    server.join(9, Rank(Lane.PREFETCH, 0.5))
    assert server.requests[0].send() == [3, 9, 1]
    assert len(server.requests) == 1


async def test_what_is_looked_for_does_not_travel_with_what_fills_the_cache() -> None:
    server = PartServer()
    await server.want(1, 2)
    await server.want(500, lane=Lane.INTERACTION)
    assert server.requests[0].rank.value.lane is Lane.INTERACTION
    assert server.requests[0].send() == [500]
    await turn()
    assert server.requests[1].send() == [1, 2]


async def test_more_frames_than_fit_take_several_requests_two_at_a_time() -> None:
    server = PartServer(Limits(list_frames=2))
    await server.want(*range(1, 8))
    sent = []
    for request in iter(server.requests):  # grows as turns come
        sent.append(request.send())
        await turn()
        if len(sent) == 2:
            assert len(server.open) == 2  # no third one before one of them has ended
            server.requests[0].answer()
            await turn()
        elif len(sent) > 2:
            server.requests[len(sent) - 2].answer()
            await turn()
    assert sent == [[1, 2], [3, 4], [5, 6], [7]]


async def test_a_list_is_bounded_by_the_size_of_a_frame_once_it_is_known() -> None:
    server = PartServer(Limits(list_bytes=2500))
    await server.want(1)
    server.requests[0].send()
    server.requests[0].answer(size=996)
    await server.want(2, 3, 4)
    assert server.requests[1].send() == [2, 3]


async def test_a_list_is_bounded_by_the_length_of_its_url() -> None:
    server = PartServer()
    await server.want(*range(1_000_000, 1_000_100), address=ADDRESS + "?" + "x" * 3800)
    assert len(",".join(map(str, server.requests[0].send()))) + len(ADDRESS) + 3801 + len("/frames/") <= 4000


async def test_two_who_want_one_frame_share_it() -> None:
    server = PartServer()
    first, second = await server.want(1, 1)
    assert server.requests[0].send() == [1]
    (third,) = await server.want(1)
    first.leave()
    server.requests[0].answer()
    assert [first.got, second.got, third.got] == [[], [frame_data(1)], [frame_data(1)]]
    assert len(server.requests) == 1


async def test_the_last_one_who_leaves_cancels_what_waits_and_what_runs() -> None:
    server = PartServer()
    (waiting,) = await server.want(1)
    waiting.leave()
    assert (server.open, len(server.lists)) == ([], 0)
    members = await server.want(1, 2)
    server.requests[1].send()
    members[0].leave()
    assert len(server.open) == 1
    members[1].leave()
    assert (server.open, len(server.lists)) == ([], 0)


async def test_the_others_that_have_their_frames_do_not_keep_a_request_alive() -> None:
    server = PartServer()
    members = await server.want(1, 2, 3)
    server.requests[0].send()
    server.requests[0].answer(1)
    members[1].leave()
    members[2].leave()
    assert server.open == []
    assert members[0].got == [frame_data(1)]


async def test_a_jump_to_a_frame_far_behind_gets_a_request_of_its_own() -> None:
    server = PartServer()
    members = await server.want(*range(1, 51))
    server.requests[0].send()
    members[39].rank.change(Rank(Lane.INTERACTION))
    await turn()
    assert server.requests[1].send() == [40]
    server.requests[1].answer()
    server.requests[0].answer()
    assert all(member.got == [frame_data(member.number)] for member in members)
    assert server.open == []


async def test_a_jump_to_a_frame_that_is_about_to_come_does_not() -> None:
    server = PartServer()
    members = await server.want(*range(1, 51))
    server.requests[0].send()
    server.requests[0].answer(1)  # ten bytes: all of them are near now
    members[39].rank.change(Rank(Lane.INTERACTION))
    server.join(30, Rank(Lane.INTERACTION))
    await turn()
    assert len(server.requests) == 1


async def test_a_frame_that_comes_sooner_than_its_own_request_ends_that() -> None:
    server = PartServer()
    members = await server.want(*range(1, 7))
    server.requests[0].send()
    members[4].rank.change(Rank(Lane.INTERACTION))
    await turn()
    server.requests[1].send()
    server.requests[0].answer()
    assert members[4].got == [frame_data(5)]
    assert server.requests[1].over


async def test_a_stream_has_the_frames_that_it_will_want_asked_for_along_with_the_first() -> None:
    server = PartServer()
    ids = [ImageId("wadors", ADDRESS, number) for number in range(1, 11)]
    server.cached.add(ids[4])
    upcoming = server.announce(ids)
    upcoming.position = 2
    members = await server.want(1, 2)
    assert server.requests[0].send() == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    server.requests[0].answer(4)
    (third,) = await server.want(3)
    assert third.got == [frame_data(3)]
    assert len(server.requests) == 1
    assert [member.got for member in members] == [[frame_data(1)], [frame_data(2)]]
    assert len(server.held) == 1  # frame 4
    upcoming.dispose()
    assert (server.open, len(server.held), len(server.lists)) == ([], 0, 0)


async def test_frames_that_come_early_are_bounded_in_bytes() -> None:
    server = PartServer(budget=4000)
    upcoming = server.announce([ImageId("wadors", ADDRESS, n) for n in range(1, 101)])
    upcoming.position = 1
    await server.want(1)
    server.requests[0].send()
    server.requests[0].answer(10, size=996)
    assert server.requests[0].over
    assert len(server.held) == 3  # the one that was too many ended the request
    upcoming.dispose()
    assert len(server.held) == 0


async def test_a_click_does_not_bring_what_a_stream_will_want() -> None:
    server = PartServer()
    server.announce([ImageId("wadors", ADDRESS, n) for n in range(1, 9)])
    await server.want(50, lane=Lane.INTERACTION)
    assert server.requests[0].send() == [50]


async def test_bytes_of_a_list_are_progress_of_those_whose_they_are() -> None:
    server = PartServer()
    members = await server.want(1, 2)
    server.requests[0].send()
    server.requests[0].answer()
    size = len(frame_data(1))
    assert [[one.bytes_received for one in member.progress] for member in members] == [[size], [size]]


async def test_clearing_cancels_everything_and_those_who_leave_later_find_nothing() -> None:
    server = PartServer(Limits(list_frames=1), scheduler=TestScheduler())
    members = await server.want(1, 2, 3)
    server.requests[0].send()
    server.requests[0].fail(TruncatedError("it broke"))
    await turn()
    server.requests[1].send()
    await turn()
    server.lists.clear()
    assert (server.open, len(server.lists)) == ([], 0)
    for member in members:
        member.leave()
    assert not any(member.got or member.errors for member in members)


async def test_the_next_frames_of_a_stream_are_asked_for_when_half_of_the_last_have_come() -> None:
    server = PartServer(Limits(list_frames=8))
    upcoming = server.announce([ImageId("wadors", ADDRESS, n) for n in range(1, 41)])
    upcoming.position = 1
    await server.want(1)
    server.requests[0].send()
    server.requests[0].answer(3)
    await turn()
    assert len(server.requests) == 1
    server.requests[0].answer(1)
    await turn()
    assert server.requests[1].send() == list(range(9, 17))
    upcoming.dispose()
    assert (server.open, len(server.held), len(server.lists)) == ([], 0, 0)


async def test_a_request_that_was_to_go_ahead_ends_with_its_stream() -> None:
    server = PartServer(Limits(list_frames=4))
    upcoming = server.announce([ImageId("wadors", ADDRESS, n) for n in range(1, 41)])
    upcoming.position = 1
    await server.want(1)
    server.requests[0].send()
    server.requests[0].answer(2)
    await turn()
    assert [bool(request.numbers) for request in server.open] == [True, False]
    upcoming.dispose()
    assert (server.open, len(server.lists)) == ([], 0)


async def test_nothing_is_left_when_only_frames_that_were_given_up_are_to_come() -> None:
    server = PartServer()
    members = await server.want(1, 2)
    server.requests[0].send()
    members[1].leave()
    server.requests[0].answer(1)
    assert members[0].got == [frame_data(1)]
    assert (server.open, len(server.lists)) == ([], 0)


async def test_a_request_that_fails_before_it_is_sent_fails_those_who_wait() -> None:
    server = PartServer()
    members = await server.want(1, 2)
    server.requests[0].fail(FetchError("not a URL"))
    assert [[type(one) for one in member.errors] for member in members] == [[FetchError]] * 2
    assert len(server.lists) == 0


async def test_who_wants_another_frame_when_the_last_request_fails_is_not_forgotten() -> None:
    server = PartServer()
    first, other = await server.want(1, 2)
    server.requests[0].send()
    wanted: list[Member] = []

    def turn_to_another() -> None:
        other.leave()
        wanted.append(server.join(3, Rank(Lane.PREFETCH, 3)))

    first.then = turn_to_another
    server.requests[0].fail(FetchError("gone"))
    await turn()
    assert (len(first.errors), other.errors, len(server.lists)) == (1, [], 1)
    assert [one.waits for one in wanted] == [True]
    server.lists.clear()
    assert [one.over for one in server.requests] == [True, True]
