"""Scrolling over a link in virtual time: 50 ms, 20 MB/s, 512 KiB an image."""

from __future__ import annotations

import random

import pytest
from reactivex.testing import TestScheduler

from cornerstream.images.image_id import ImageId
from cornerstream.policies import Window
from cornerstream.ranks import Lane
from cornerstream.scroll import SETTLE_SECONDS
from cornerstream.series import Series
from tests.support.fakes import make_image
from tests.support.virtual_link import Viewer, VirtualLink

COUNT = 300
SERIES = Series(tuple(ImageId.parse(f"held:{index}") for index in range(COUNT)))
IDLE_SECONDS = 0.05 + (512 << 10) / 20e6


def viewer() -> Viewer:
    return Viewer(VirtualLink(TestScheduler()), SERIES)


def storm_path(moves: int, seed: int) -> list[int]:
    """Runs one way of 10 to 45 moves, jumps between them, and one at the end."""
    rng = random.Random(seed)
    path: list[int] = []
    while len(path) < moves - 1:
        position, step = rng.randrange(COUNT), rng.choice((1, -1))
        path += [min(COUNT - 1, max(0, position + step * move)) for move in range(rng.randint(10, 45))]
    return [*path[: moves - 1], 250]


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_a_storm_shows_its_last_index_soon_and_wastes_little(seed: int) -> None:
    one, path = viewer(), storm_path(300, seed)
    one.follow(path, 30)
    last_move = one.link.now
    one.link.scheduler.advance_by(2)
    shown_at = next(at for at, index in one.shown if index == path[-1] and at >= last_move)
    assert shown_at - last_move <= 1.5 * IDLE_SECONDS
    window = set(Window()(one.scroll._outlook._situation(one.scroll._travel, 0.0)))  # type: ignore[arg-type]  # it moved
    assert one.wasted(window) <= 0.05
    assert len({index for _, index in one.shown}) > 100
    one.scroll.dispose()


def test_a_storm_too_fast_for_the_link_loads_next_to_nothing() -> None:
    one = viewer()
    one.follow(list(range(0, 290, 1)), 400)
    assert sum(one.link.sent.values()) <= 8 * one.link.image_bytes
    one.link.scheduler.advance_by(2)
    assert one.shown[-1][1] == 289
    one.scroll.dispose()


@pytest.mark.parametrize("path", [range(240), range(299, 59, -1)])
def test_one_way_at_15_a_second_the_images_are_there(path: range) -> None:
    one = viewer()
    hits = one.follow(list(path), 15)[15:]
    assert sum(hits) / len(hits) >= 0.95
    one.scroll.dispose()


def test_the_last_index_of_a_fast_run_is_shown_soon_wherever_it_ends() -> None:
    for moves in range(2, 14):
        for rate in (14, 20, 30):
            one = viewer()
            one.follow([100 + move for move in range(moves)], rate)
            last_move = one.link.now
            one.link.scheduler.advance_by(2)
            at = next(at for at, index in one.shown if index == 99 + moves and at >= last_move)
            # the images ahead, asked for while the wheel rested, may be on the line already
            assert at - last_move <= 1.5 * IDLE_SECONDS + 4 * 512 * 1024 / 20e6, (moves, rate)
            one.scroll.dispose()


def test_at_rest_the_neighbours_follow_at_once_and_after_a_jump_when_the_wheel_rests() -> None:
    one = viewer()
    one.scroll.to(100)
    assert one.scroll.running == 11
    one.link.scheduler.advance_by(0.1)
    one.scroll.to(200)
    assert set(one.scroll._wishes.wanted) == {200}
    one.link.scheduler.advance_by(SETTLE_SECONDS)
    assert set(one.scroll._wishes.wanted) == set(range(198, 209))
    one.scroll.dispose()


def test_what_was_passed_when_most_of_it_was_there_finishes_into_the_cache() -> None:
    one = viewer()
    one.scroll.to(100)
    one.link.scheduler.advance_to(0.07)
    one.scroll.to(200)
    assert one.scroll._wishes.in_grace == {100}
    one.link.scheduler.advance_by(2)
    assert SERIES[100] in one.link.cache
    assert [index for _, index in one.shown] == [200]
    one.scroll.dispose()


def test_while_images_ahead_are_worth_it_the_index_does_not_keep_them_from_starting() -> None:
    one = viewer()
    one.follow([10, 11, 12, 13], 30)
    wanted = one.scroll._wishes.wanted
    assert wanted[13].lane is Lane.PREFETCH
    assert wanted[13] == min(wanted.values())
    one.link.scheduler.advance_by(0.05)  # later than the next move was due
    assert one.scroll._wishes.wanted[13].lane is Lane.INTERACTION
    one.scroll.dispose()


def test_an_observer_that_moves_on_is_answered_after_all_have_heard() -> None:
    one = viewer()
    heard: list[tuple[str, ImageId]] = []
    one.scroll.images.subscribe(lambda image: heard.append(("late", image.image_id)))
    for index in (1, 2, 3):
        one.scroll.to(index)
        one.link.scheduler.advance_by(1)
    heard.clear()

    def onwards(index: int) -> None:
        if index < 3:
            one.scroll.to(index + 1)

    one.scroll.images.subscribe(lambda _: onwards(one.scroll.index or 0))
    one.scroll.images.subscribe(lambda image: heard.append(("last", image.image_id)))
    one.scroll.to(1)
    assert heard == [(who, SERIES[index]) for index in (1, 2, 3) for who in ("late", "last")]
    one.scroll.dispose()


def test_a_chain_of_cached_images_does_not_pile_up() -> None:
    one = viewer()
    for index in range(COUNT):
        one.link.cache.put(SERIES[index], make_image(SERIES[index]))
    left = [2000]

    def onwards(_: object) -> None:
        left[0] -= 1
        if left[0]:
            one.scroll.to(min(COUNT - 1, (one.scroll.index or 0) + 1))

    one.scroll.images.subscribe(onwards)
    one.scroll.to(0)
    assert (one.scroll.index, left) == (COUNT - 1, [0])
    one.scroll.dispose()


def test_two_scrolls_share_one_budget() -> None:
    link = VirtualLink(TestScheduler(), requests=30, prefetches=30)
    series = Series(SERIES.image_ids, image_bytes=link.cache.budget // 12)
    one = Viewer(link, series)
    other = Viewer(link, series, board=one.board)
    one.scroll.to(100)
    other.scroll.to(200)
    assert one.scroll.running + other.scroll.running == 12
    assert min(one.scroll.running, other.scroll.running) >= 5
    one.scroll.dispose()
    assert other.scroll.running == 11
    other.scroll.dispose()
    assert (len(one.board), link.open, link.waiting) == (0, [], [])


@pytest.mark.parametrize("index", [-1, -COUNT, COUNT])
def test_an_index_that_is_not_there_is_refused_and_changes_nothing(index: int) -> None:
    one = viewer()
    one.scroll.to(7)
    with pytest.raises(IndexError, match=f"index {index} of a series of {COUNT} images"):
        one.scroll.to(index)
    one.link.scheduler.advance_by(1)
    assert (one.scroll.index, [shown for _, shown in one.shown]) == (7, [7])
    one.scroll.dispose()
