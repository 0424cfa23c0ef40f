"""Where a wheel is going, from its moves; and what bets on that have cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cornerstream.thrift import Thrift
from cornerstream.travel import JUMP, REST_SECONDS, Travel


def went(*moves: tuple[int, float]) -> Travel:
    (index, at), *others = moves
    travel = Travel(index, at)
    for one in others:
        travel = travel.to(*one)
    return travel


def test_a_speed_needs_two_moves_one_way() -> None:
    assert went((5, 0.0), (6, 0.1)).speed == 0
    travel = went((5, 0.0), (6, 0.1), (7, 0.2))
    assert (round(travel.speed), travel.direction, travel.run) == (10, 1, 2)
    assert round(travel.interval, 6) == 0.1
    assert went((5, 0.0), (4, 0.1), (3, 0.2)).direction == -1


def test_one_step_back_does_not_turn_and_a_second_one_does() -> None:
    wobbled = went((5, 0.0), (6, 0.2), (7, 0.4), (6, 0.6))
    assert (wobbled.direction, wobbled.speed, wobbled.jumped) == (1, 0, False)
    assert wobbled.to(5, 0.8).direction == -1


def test_who_turns_in_a_hurry_may_go_anywhere() -> None:
    turned = went((5, 0.0), (6, 0.03), (7, 0.06), (6, 0.09))
    assert turned.jumped
    assert not turned.to(5, 0.12).jumped


def test_a_jump_ends_a_run_until_two_moves_one_way() -> None:
    jumped = went((5, 0.0), (6, 0.1), (7, 0.2), (7 + JUMP + 1, 0.3))
    assert (jumped.jumped, jumped.speed, jumped.run) == (True, 0, 0)
    once = jumped.to(jumped.position + 1, 0.4)
    assert (once.jumped, once.speed) == (True, 0)
    assert not once.to(once.position + 1, 0.5).jumped


def test_after_a_rest_nothing_is_known() -> None:
    rested = went((5, 0.0), (6, 0.1), (7, 0.2)).to(90, 0.3 + REST_SECONDS)
    assert (rested.jumped, rested.speed, rested.direction) == (False, 0, 1)


def test_asking_again_is_no_move() -> None:
    travel = went((5, 0.0), (6, 0.1), (7, 0.2))
    again = travel.to(7, 0.3)
    assert (again.speed, again.run, again.at) == (travel.speed, travel.run, 0.3)


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 2)), min_size=1))
def test_speed_and_direction_are_what_they_may_be(moves: list[tuple[int, float]]) -> None:
    now, travel = 0.0, Travel(0)
    for index, seconds in moves:
        now += seconds
        travel = travel.to(index, now)
        assert travel.position == index
        assert travel.direction in (-1, 0, 1)
        assert travel.speed >= 0
        assert not (travel.jumped and travel.speed)


def test_bytes_of_a_lost_bet_are_wasted_until_they_are_wished_for_or_shown() -> None:
    now = [0.0]
    thrift = Thrift(lambda: now[0])
    thrift.bet([1, 2])
    thrift.wish(frozenset({0, 1, 2}))
    for index in range(3):
        thrift.came(index, 100)
    thrift.wish(frozenset({5}))
    assert thrift.wasted == 200  # index 0 was no bet
    thrift.came(1, 50)
    assert thrift.wasted == 250
    thrift.wish(frozenset({1}))
    assert thrift.wasted == 100
    thrift.show(1)
    thrift.wish(frozenset())
    thrift.show(2)
    assert (thrift.wasted, thrift.received) == (0, 350)


def test_what_bets_may_cost_is_a_share_of_all_bytes() -> None:
    thrift = Thrift(lambda: 0.0)
    assert thrift.spare == 0
    thrift.wish(frozenset(range(100)))
    for index in range(100):
        thrift.came(index, 10)
    assert thrift.spare == 4
    thrift.bet(range(94, 100))
    thrift.wish(frozenset())
    assert thrift.spare == -2


def test_seconds_of_loads() -> None:
    now = [0.0]
    thrift = Thrift(lambda: now[0])
    assert (thrift.load_seconds, thrift.first_byte_seconds) == (0.1, 0.0)
    for seconds in (1.0, 2.0, 9.0):
        thrift.began(1)
        now[0] += seconds / 2
        thrift.came(1, 1)
        thrift.came(1, 1)
        now[0] += seconds / 2
        thrift.ended(1, None)
    thrift.ended(2, None)  # out of the cache
    thrift.began(3)
    now[0] += 100
    thrift.ended(3, ValueError())
    assert (thrift.load_seconds, thrift.first_byte_seconds) == (2.0, 0.5)
