"""What a session learns about servers and lists of frames."""

from __future__ import annotations

from typing import Any

import pytest

from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.list_rules import ListRules
from cornerstream.ranks import Lane
from cornerstream.wanted import Upcoming

ORIGIN = ("http", "pacs")
ADDRESS = "http://pacs/studies/1/series/2/instances/3"


def unused(*_: object) -> Any:
    raise AssertionError("nothing is asked for, and nothing is held")


def rules() -> ListRules:
    return ListRules(DEFAULT_LIMITS, 1 << 20, unused, unused, unused, lambda _: False)


def frames(count: int) -> list[ImageId]:
    return [ImageId("wadors", ADDRESS, number) for number in range(1, count + 1)]


def test_lists_that_are_refused_again_and_again_are_asked_for_no_more() -> None:
    known = rules()
    for _ in range(2):
        known.list_refused(ORIGIN)
    assert known.without_lists == set()
    known.list_refused(ORIGIN)
    assert known.without_lists == {ORIGIN}


def test_a_list_that_is_answered_clears_what_was_refused_before() -> None:
    known = rules()
    for _ in range(5):
        known.list_refused(ORIGIN)
        known.list_refused(ORIGIN)
        known.frame_came(ORIGIN, listed=True, doubtful=True)
    assert known.without_lists == set()


@pytest.mark.parametrize(("doubtful", "without"), [(True, {ORIGIN}), (False, set())])
def test_the_doubtful_frame_that_comes_alone_proves_it(doubtful: bool, without: set[tuple[str, str]]) -> None:
    known = rules()
    known.frame_came(ORIGIN, listed=False, doubtful=doubtful)
    assert known.without_lists == without


@pytest.mark.parametrize(("wanted", "lists", "whole"), [(16, False, True), (15, False, False), (16, True, False)])
def test_many_frames_of_a_server_without_lists_are_better_whole(wanted: int, lists: bool, whole: bool) -> None:
    known = rules()
    if not lists:
        known.without_lists.add(ORIGIN)
    known.upcoming.append(Upcoming(frames(wanted), Lane.PREFETCH, lambda _: None))
    assert known.is_better_whole(frames(1)[0]) is whole
    assert not known.is_better_whole(ImageId("wadors", ADDRESS, 99))  # nobody has announced that one
