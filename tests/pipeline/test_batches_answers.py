"""Lists of frames whose answers fail, break, come short, or do not say which frame is which."""

from __future__ import annotations

import pytest
from reactivex.testing import TestScheduler

from cornerstream.images.errors import FetchError, HttpStatusError, SplitError, TruncatedError
from tests.support.part_server import PartServer, frame_data, turn


@pytest.mark.parametrize("status", [400, 404, 406, 414, 501])
async def test_a_server_without_lists_is_asked_for_single_frames(status: int) -> None:
    server = PartServer()
    members = await server.want(1, 2)
    server.requests[0].send()
    server.requests[0].fail(HttpStatusError("no lists", status=status))
    await turn()
    for request in iter(server.requests[1:]):
        request.send()
        request.answer()
    await turn()
    server.requests[2].send()
    server.requests[2].answer()
    assert [request.numbers for request in server.requests] == [[1, 2], [1], [2]]
    assert [member.got for member in members] == [[frame_data(1)], [frame_data(2)]]
    await server.want(8, 9, address="http://pacs/studies/1/series/2/instances/4")  # remembered for the origin
    assert server.requests[3].send() == [8]


async def test_a_list_with_a_frame_that_is_not_there_says_nothing_about_lists() -> None:
    server = PartServer()
    members = await server.want(1, 99)
    server.requests[0].send()
    server.requests[0].fail(HttpStatusError("the instance has 9 frames", status=404))
    await turn()
    server.requests[1].send()
    server.requests[1].answer()
    await turn()
    server.requests[2].send()
    server.requests[2].fail(HttpStatusError("the instance has 9 frames", status=404))
    assert members[0].got == [frame_data(1)]
    assert [type(error) for error in members[1].errors] == [HttpStatusError]
    await server.want(1, 2)
    assert server.requests[3].send() == [1, 2]


@pytest.mark.parametrize("error", [HttpStatusError("who are you", status=401), FetchError("no connection")])
async def test_what_concerns_all_frames_fails_all_of_them_at_once(error: FetchError) -> None:
    server = PartServer(scheduler=TestScheduler())
    members = await server.want(1, 2)
    server.requests[0].send()
    server.requests[0].fail(error)
    await turn()
    assert [[type(one) for one in member.errors] for member in members] == [[type(error)]] * 2
    assert members[0].errors[0] is not members[1].errors[0]  # each will name an image of its own
    assert (len(server.requests), len(server.lists)) == (1, 0)


async def test_what_breaks_in_its_middle_is_asked_for_again_without_what_has_come() -> None:
    time = TestScheduler()
    server = PartServer(scheduler=time)
    members = await server.want(1, 2, 3)
    server.requests[0].send()
    server.requests[0].answer(1)
    server.requests[0].fail(TruncatedError("it broke"))
    await turn()
    assert len(server.requests) == 1
    time.advance_by(1)
    await turn()
    assert server.requests[1].send() == [2, 3]
    server.requests[1].answer()
    assert [member.got for member in members] == [[frame_data(n)] for n in (1, 2, 3)]


async def test_the_frame_at_which_it_breaks_each_time_fails_alone() -> None:
    time = TestScheduler()
    server = PartServer(scheduler=time)
    members = await server.want(1, 2, 3)
    for _ in range(10):
        for request in server.open:
            numbers = request.send()
            request.answer(numbers.index(2) if 2 in numbers else None)
            if 2 in numbers:
                request.fail(TruncatedError("frame 2 cannot be sent"))
        await turn()
        time.advance_by(10)
        await turn()
    assert [bool(member.got) for member in members] == [True, False, True]
    assert [type(error) for error in members[1].errors] == [TruncatedError]
    assert len([request for request in server.requests if 2 in request.numbers]) <= 5
    assert (server.open, len(server.lists)) == ([], 0)


async def test_one_who_leaves_while_it_waits_to_try_again_is_not_asked_for() -> None:
    time = TestScheduler()
    server = PartServer(scheduler=time)
    (member,) = await server.want(1)
    server.requests[0].send()
    server.requests[0].fail(TruncatedError("it broke"))
    member.leave()
    time.advance_by(10)
    await turn()
    assert (len(server.requests), len(server.lists)) == (1, 0)


async def test_fewer_parts_than_asked_for_are_an_error_for_the_rest_which_goes_alone() -> None:
    server = PartServer()
    members = await server.want(1, 2, 3)
    server.requests[0].send()
    server.requests[0].answer(2)
    server.requests[0].end()
    await turn()
    assert server.requests[1].send() == [3]
    server.requests[1].end()
    assert [type(error) for error in members[2].errors] == [SplitError]
    await server.want(4, 5)
    assert server.requests[2].send() == [4]  # its lists cannot be relied on


async def test_more_parts_than_asked_for_are_an_error() -> None:
    server = PartServer()
    (member,) = await server.want(1)
    server.requests[0].send()
    server.requests[0].part(frame_data(1))
    assert member.got == []  # until it is known that no other follows
    server.requests[0].part(frame_data(2))
    assert [type(error) for error in member.errors] == [SplitError]
    assert server.open == []


async def test_parts_that_do_not_say_which_frame_they_are_wait_for_the_proof_of_their_number() -> None:
    server = PartServer()
    members = await server.want(1, 2, 3)
    request = server.requests[0]
    request.send()
    request.located = False
    request.answer(2)
    assert [member.got for member in members] == [[], [], []]
    request.answer()
    assert [member.got for member in members] == [[frame_data(1)], [frame_data(2)], [frame_data(3)]]


async def test_a_frame_that_is_left_out_in_silence_moves_no_other_into_its_place() -> None:
    server = PartServer()
    members = await server.want(1, 2, 3)
    request = server.requests[0]
    request.send()
    request.part(frame_data(1))
    request.part(frame_data(3))  # the server has no frame 2 and does not say so
    request.end()
    await turn()
    assert [member.got for member in members] == [[], [], []]
    position = 1
    while position < len(server.requests):
        assert len(server.requests[position].send()) == 1  # one by one from now on
        server.requests[position].answer()
        await turn()
        position += 1
    assert [member.got for member in members] == [[frame_data(1)], [frame_data(2)], [frame_data(3)]]


async def test_who_leaves_while_nameless_parts_are_handed_out_gets_none() -> None:
    server = PartServer()
    members = await server.want(1, 2, 3)
    request = server.requests[0]
    request.send()
    request.located = False
    members[1].leave()
    request.answer()
    assert [member.got for member in members] == [[frame_data(1)], [], [frame_data(3)]]
    assert (server.open, len(server.lists)) == ([], 0)


async def test_content_location_decides_which_frame_a_part_is() -> None:
    server = PartServer()
    members = await server.want(1, 2, 3)
    request = server.requests[0]
    request.send()
    for number in (2, 1):
        request.part(frame_data(number), f"../instances/3/frames/{number}")
    assert [member.got for member in members] == [[frame_data(1)], [frame_data(2)], []]
    request.part(frame_data(1), "/frames/1")  # once more, in the place of 3
    await turn()
    assert server.requests[1].send() == [3]
    assert members[2].got == []
