"""Cine over a link in virtual time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from reactivex.testing import TestScheduler

from cornerstream.images.image_id import ImageId
from cornerstream.series import Series
from tests.support.fakes import make_image
from tests.support.virtual_link import Viewer, VirtualLink

SERIES = Series(tuple(ImageId.parse(f"held:{index}") for index in range(20)))


def viewer(*, cached: bool = True, series: Series = SERIES) -> Viewer:
    one = Viewer(VirtualLink(TestScheduler()), series)
    for image_id in SERIES if cached else ():
        one.link.cache.put(image_id, make_image(image_id))
    return one


def indexes(one: Viewer) -> list[int]:
    return [index for _, index in one.shown]


def test_it_keeps_the_pace_and_begins_again() -> None:
    one = viewer()
    one.scroll.play(10)
    one.link.scheduler.advance_to(2.55)
    assert indexes(one) == [*range(20), *range(6)]
    assert [round(at, 6) for at, _ in one.shown] == [number / 10 for number in range(26)]
    assert one.scroll.playing
    one.scroll.dispose()


def test_it_ends_behind_the_last_image_if_it_is_not_looped() -> None:
    one = viewer()
    one.scroll.to(17)
    one.scroll.play(10, loop=False)
    one.link.scheduler.advance_to(3)
    assert indexes(one) == [17, 17, 18, 19]
    assert not one.scroll.playing
    one.scroll.dispose()


def test_it_pauses_goes_on_and_changes_its_pace() -> None:
    one = viewer()
    one.scroll.play(10)
    one.link.scheduler.advance_to(0.25)
    one.scroll.pause()
    one.link.scheduler.advance_to(5)
    assert indexes(one) == [0, 1, 2]
    one.scroll.play(2)
    one.link.scheduler.advance_to(6.1)
    assert indexes(one) == [0, 1, 2, 2, 3, 4]
    one.scroll.play(100)
    one.link.scheduler.advance_to(6.155)
    assert indexes(one)[6:] == [4, 5, 6, 7, 8, 9]
    one.scroll.dispose()


def test_a_move_goes_on_from_there() -> None:
    one = viewer()
    one.scroll.play(10)
    one.link.scheduler.advance_to(0.15)
    one.scroll.to(12)
    one.link.scheduler.advance_to(0.36)
    assert indexes(one) == [0, 1, 12, 13, 14]
    one.scroll.dispose()


def test_late_images_are_dropped_and_the_pace_is_kept() -> None:
    one = viewer(cached=False)  # the link brings 38 images a second
    one.scroll.play(50)
    one.link.scheduler.advance_to(0.4)
    assert one.scroll.index == 0  # 20 steps of 20 images
    assert len(one.shown) < 20
    one.link.scheduler.advance_to(3)
    late = [index for at, index in one.shown if at > 2]
    assert len(late) in (49, 50)  # in the second round all are there
    one.scroll.dispose()


def test_without_a_drop_every_image_is_shown_in_order() -> None:
    one = viewer(cached=False)
    one.scroll.play(100, loop=False, drop="never")
    one.link.scheduler.advance_to(3)
    assert indexes(one) == list(range(20))
    assert all(later - sooner >= 0.01 - 1e-5 for (sooner, _), (later, _) in pairwise(one.shown))
    assert not one.scroll.playing
    one.scroll.dispose()


def test_nothing_moves_after_dispose() -> None:
    one = viewer()
    one.scroll.play(10)
    one.link.scheduler.advance_to(0.15)
    one.scroll.dispose()
    one.scroll.play(10)
    one.link.scheduler.advance_to(5)
    assert (indexes(one), one.scroll.playing, one.link.cache._pins) == ([0, 1], False, {})


def test_what_cannot_be_played() -> None:
    one = viewer()
    with pytest.raises(ValueError, match="fps > 0"):
        one.scroll.play(0)
    with pytest.raises(ValueError, match="drop late or never"):
        one.scroll.play(1, drop="wait")  # type: ignore[arg-type]  # what a user may write
    with pytest.raises(ValueError, match="of 0 images"):
        viewer(series=Series(())).scroll.play(1)
    one.scroll.dispose()
