"""A scroll in any order of moves, arrivals, failures and play: what its observers may have heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from reactivex import Observable
from reactivex.disposable import Disposable
from reactivex.subject import Subject
from reactivex.testing import TestScheduler

from cornerstream.cache import ByteCache
from cornerstream.images.errors import FetchError
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import Progress
from cornerstream.scroll import GRACE, Scroll
from cornerstream.series import Series
from cornerstream.wishes import WishBoard
from tests.support.fakes import make_image
from tests.support.virtual_link import HereAndNow

if TYPE_CHECKING:
    from reactivex.abc import DisposableBase, ObserverBase

    from cornerstream.images.image import Image
    from cornerstream.ranks import Rank

COUNT = 30
SERIES = Series(tuple(ImageId.parse(f"held:{index}") for index in range(COUNT)), image_bytes=128)
INDEXES = st.integers(0, COUNT - 1)
PICKS = st.integers(0, 1 << 16)


class HandLoad:
    """A load that ends when the test says so, or at once when the cache has its image."""

    def __init__(self, machine: ScrollMachine, image_id: ImageId, rank: Rank) -> None:
        self.image_id = image_id
        self.rank = rank
        self.progress: Subject[Progress] = Subject()
        self.observable: Observable[Image] = Observable(self._subscribe)
        self.observer: ObserverBase[Image] | None = None
        self._machine = machine

    def cancel(self) -> None:
        self.observer = None
        self._machine.open.pop(self, None)

    def end(self, error: Exception | None = None) -> None:
        observer, self.observer = self.observer, None
        self._machine.open.pop(self, None)
        assert observer is not None
        if error is not None:
            observer.on_error(error)
            return
        image = make_image(self.image_id)
        self._machine.cache.put(self.image_id, image)
        observer.on_next(image)
        observer.on_completed()

    def _subscribe(self, observer: ObserverBase[Image], _: object = None) -> DisposableBase:
        self.observer = observer
        self._machine.open[self] = None
        if self._machine.cache.get(self.image_id) is not None:
            self.end()
        return Disposable(self.cancel)


class ScrollMachine(RuleBasedStateMachine):
    """Model: the moves, in order. Each image heard is that of the last move when it was heard."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = TestScheduler()
        self.cache: ByteCache[Image] = ByteCache(12 * 128, lambda image: image.nbytes)
        self.board = WishBoard(lambda: self.cache.budget)
        self.open: dict[HandLoad, None] = {}
        self.heard: list[int] = []
        self.completed = 0
        self.disposed = False
        host: Any = HereAndNow()
        self.scroll = Scroll(SERIES, host, self.load, self.cache, self.board, None, self.scheduler)
        self.scroll.images.subscribe(self.hear, None, self.complete)
        self.scroll.errors.subscribe(lambda _: self.silent_after_dispose())

    def load(self, image_id: ImageId, rank: Rank) -> Any:
        assert not self.disposed
        return HandLoad(self, image_id, rank)

    def hear(self, image: Image) -> None:
        self.silent_after_dispose()
        index = SERIES.image_ids.index(image.image_id)
        assert index == self.scroll.index  # of the last move: never one asked for before it
        self.heard.append(index)

    def complete(self) -> None:
        self.completed += 1

    def silent_after_dispose(self) -> None:
        assert not self.completed

    def pick(self, number: int) -> HandLoad:
        return list(self.open)[number % len(self.open)]

    @rule(index=INDEXES)
    def to(self, index: int) -> None:
        self.scroll.to(index)
        assert self.disposed or self.scroll.index == index

    @rule(step=st.sampled_from([-1, 1]), moves=st.integers(1, 6), seconds=st.sampled_from([0.01, 0.03, 0.2]))
    def turn(self, step: int, moves: int, seconds: float) -> None:
        for _ in range(moves):
            self.to(min(COUNT - 1, max(0, (self.scroll.index or 0) + step)))
            self.scheduler.advance_by(seconds)

    @precondition(lambda self: self.open)
    @rule(number=PICKS, tenths=st.integers(1, 10))
    def bytes_come(self, number: int, tenths: int) -> None:
        self.pick(number).progress.on_next(Progress(10 * tenths, 100))

    @precondition(lambda self: self.open)
    @rule(number=PICKS)
    def arrive(self, number: int) -> None:
        self.pick(number).end()

    @precondition(lambda self: self.open)
    @rule(number=PICKS)
    def fail(self, number: int) -> None:
        self.pick(number).end(FetchError("gone"))

    @precondition(lambda self: self.scroll.index is not None and not self.disposed)
    @rule()
    def the_image_asked_for_comes(self) -> None:
        self.scheduler.advance_by(0.2)  # those of a fast wheel wait for a moment
        wanted = [load for load in self.open if load.image_id == SERIES[self.scroll.index or 0]]
        for load in wanted:
            load.end()
        assert not wanted or self.heard[-1] == self.scroll.index

    @rule(fps=st.sampled_from([5.0, 50.0]), loop=st.booleans(), drop=st.sampled_from(["late", "never"]))
    def play(self, fps: float, drop: Any, *, loop: bool) -> None:
        self.scroll.play(fps, loop=loop, drop=drop)

    @rule()
    def pause(self) -> None:
        self.scroll.pause()

    @rule(seconds=st.sampled_from([0.01, 0.1, 1.0]))
    def wait(self, seconds: float) -> None:
        self.scheduler.advance_by(seconds)

    @rule()
    def forget(self) -> None:
        self.cache.clear()

    @precondition(lambda self: self.heard)
    @rule()
    def dispose(self) -> None:
        self.scroll.dispose()
        self.disposed = True

    @invariant()
    def grace_is_bounded_and_wishes_fit(self) -> None:
        wishes = self.scroll._wishes
        assert len(wishes.in_grace) <= GRACE
        assert not wishes.in_grace & wishes.running
        assert len(wishes) * 128 <= self.board.budget
        assert len(self.open) == len(wishes) + len(wishes.in_grace)

    @invariant()
    def what_is_shown_is_pinned_and_nothing_else(self) -> None:
        index = self.scroll.index
        assert dict(self.cache._pins) == ({} if index is None else {SERIES[index]: 1})

    @invariant()
    def nothing_is_left_after_dispose(self) -> None:
        if self.disposed:
            assert (self.completed, self.open, len(self.board), self.board.nbytes) == (1, {}, 0, 0)
            assert not self.scroll.playing

    def teardown(self) -> None:
        self.scroll.dispose()
        assert (self.open, dict(self.cache._pins)) == ({}, {})


TestScroll = ScrollMachine.TestCase
TestScroll.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
