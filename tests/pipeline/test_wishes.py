"""Wish lists and the board where they meet, over a link in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactivex.testing import TestScheduler

from cornerstream.images.image_id import ImageId
from cornerstream.ranks import Lane, Rank
from cornerstream.wishes import WishBoard, WishList
from tests.support.virtual_link import VirtualLink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cornerstream.images.image import Image

IDS = [ImageId.parse(f"held:{index}") for index in range(20)]


class Heard:
    """A listener that writes down."""

    def __init__(self) -> None:
        self.images: list[int] = []
        self.ended: list[int] = []
        self.begun: list[int] = []
        self.nbytes = 0
        self.idle = 0

    def on_image(self, index: int, image: Image) -> None:
        self.images.append(index)

    def on_bytes(self, index: int, nbytes: int) -> None:
        self.nbytes += nbytes

    def on_begin(self, index: int) -> None:
        self.begun.append(index)

    def on_end(self, index: int, error: Exception | None) -> None:
        self.ended.append(index)

    def on_idle(self) -> None:
        self.idle += 1


class Room:
    """A board and its lists."""

    def __init__(self, budget: int = 100) -> None:
        self.budget = budget
        self.link = VirtualLink(TestScheduler(), requests=20, prefetches=20)
        self.board = WishBoard(lambda: self.budget)

    def list(self, *, size: int = 1, grace: int = 0) -> tuple[WishList, Heard]:
        heard = Heard()
        return WishList(IDS, self.link.load, self.board, heard, size=lambda _: size, grace=grace), heard


def ahead(indexes: Iterable[int], lane: Lane = Lane.PREFETCH) -> list[tuple[int, Rank]]:
    return [(index, Rank(lane, distance)) for distance, index in enumerate(indexes)]


def test_the_difference_is_carried_out() -> None:
    room = Room()
    wishes, heard = room.list()
    wishes.wish(ahead([1, 2, 3]))
    wishes.wish(ahead([3, 4]))
    assert wishes.running == {3, 4}
    assert (heard.begun, wishes.cancelled) == ([1, 2, 3, 4], 2)
    assert {load.image_id: load.rank.distance for load in room.link.open} == {IDS[3]: 0, IDS[4]: 1}
    room.link.scheduler.start()
    assert (sorted(heard.images), sorted(heard.ended), heard.idle) == ([3, 4], [3, 4], 1)
    wishes.wish(ahead([4, 3]))
    assert heard.begun == [1, 2, 3, 4]  # what has ended is not started again
    wishes.renew(3)
    wishes.wish(ahead([4, 3]))
    assert heard.images[2:] == [3]
    assert room.link.begun == IDS[1:5]
    wishes.clear()
    assert (len(room.board), room.board.nbytes, len(wishes)) == (0, 0, 0)


def test_two_lists_share_one_budget_by_rank() -> None:
    room = Room(budget=6)
    one, _ = room.list()
    other, _ = room.list()
    one.wish(ahead([0, 1, 2, 3, 4]))
    assert len(one) == 5
    other.wish(ahead([10, 11, 12, 13, 14]))
    assert (one.running, other.running) == ({0, 1, 2}, {10, 11, 12})
    other.wish(ahead([10]))
    assert one.running == {0, 1, 2, 3, 4}
    other.clear()
    assert one.running == {0, 1, 2, 3, 4}
    assert room.board.nbytes == 5


def test_what_two_wish_for_counts_once_and_stays_while_one_does() -> None:
    room = Room(budget=5)
    one, _ = room.list()
    other, _ = room.list()
    one.wish(ahead([0, 1, 2, 3]))
    other.wish(ahead([3, 2, 1, 0, 4]))
    assert (len(one), len(other), room.board.nbytes) == (4, 5, 5)
    one.clear()
    assert other.running == {0, 1, 2, 3, 4}
    assert room.board.nbytes == 5


def test_what_is_interaction_is_never_withheld() -> None:
    room = Room(budget=1)
    one, _ = room.list()
    other, _ = room.list()
    one.wish(ahead([0], Lane.INTERACTION))
    other.wish([*ahead([5], Lane.INTERACTION), *ahead([6, 7])])
    assert (one.running, other.running) == ({0}, {5})
    room.budget = 3
    one.wish(ahead([0], Lane.INTERACTION))
    assert other.running == {5, 6}


def test_what_is_withheld_is_idle() -> None:
    room = Room(budget=1)
    wishes, heard = room.list()
    wishes.wish(ahead([0, 1]))
    room.link.scheduler.start()
    assert (heard.images, heard.idle) == ([0], 1)


def test_grace_lets_what_is_nearly_there_finish_in_the_background() -> None:
    room = Room()
    wishes, heard = room.list(grace=1)
    wishes.wish(ahead([0, 1], Lane.INTERACTION))
    room.link.scheduler.advance_to(0.05 + 11 * 65536 / 20e6)  # some more than half of both
    wishes.wish(())
    assert (wishes.in_grace, wishes.cancelled) == ({0}, 1)
    assert [load.rank.lane for load in room.link.open] == [Lane.BACKGROUND]
    room.link.scheduler.start()
    assert (heard.images, heard.ended, wishes.in_grace) == ([], [], set())
    assert IDS[0] in room.link.cache
    assert IDS[1] not in room.link.cache


def test_no_grace_without_most_of_the_bytes() -> None:
    room = Room()
    wishes, _ = room.list(grace=2)
    wishes.wish(ahead([0, 1]))
    room.link.scheduler.advance_to(0.05 + 4 * 65536 / 20e6)
    wishes.wish(())
    assert (wishes.in_grace, wishes.cancelled) == (set(), 2)


def test_who_is_wished_for_again_leaves_its_grace() -> None:
    room = Room()
    wishes, heard = room.list(grace=2)
    wishes.wish(ahead([0]))
    room.link.scheduler.advance_to(0.05 + 5 * 65536 / 20e6)
    wishes.wish(())
    wishes.wish(ahead([0], Lane.INTERACTION))
    assert [load.rank.lane for load in room.link.open] == [Lane.INTERACTION]
    room.link.scheduler.start()
    assert (heard.images, room.link.begun) == ([0], [IDS[0]])


def test_clear_ends_grace() -> None:
    room = Room()
    wishes, _ = room.list(grace=2)
    wishes.wish(ahead([0]))
    room.link.scheduler.advance_to(0.05 + 5 * 65536 / 20e6)
    wishes.clear()
    assert (room.link.open, wishes.in_grace) == ([], set())


def test_a_listener_that_wishes_anew_is_not_answered_with_old_wishes() -> None:
    room = Room()
    wishes, heard = room.list()
    wishes.wish(ahead([0]))
    room.link.scheduler.start()  # index 0 is in the cache now
    heard.on_image = lambda *_: wishes.wish(ahead([9]))  # type: ignore[method-assign]  # this listener's own
    wishes.renew(0)
    wishes.wish(ahead([0, 1, 2]))
    assert wishes.running == {9}
