"""Places among those who wait, and what becomes of a request that nobody waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactivex.subject import Subject

from cornerstream.frame_request import FrameRequest
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.waiting import Place, Waiter
from cornerstream.wanted import FrameWaiter, WaitingFrames

if TYPE_CHECKING:
    from reactivex import Observable


class Heard:
    """An observer that gives its place up when a value comes."""

    def __init__(self) -> None:
        self.signals: list[object] = []
        self.place: Place | None = None

    def on_next(self, value: object) -> None:
        self.signals.append(value)
        assert self.place is not None
        self.place.dispose()

    def on_error(self, error: Exception) -> None:
        self.signals.append(error)

    def on_completed(self) -> None:
        self.signals.append("completed")


class Left:
    def __init__(self) -> None:
        self.waiters: list[Waiter[Any]] = []

    def leave(self, waiter: Waiter[Any]) -> None:
        self.waiters.append(waiter)


def test_who_leaves_while_it_hears_of_its_value_hears_no_more() -> None:
    observer, run = Heard(), Left()
    waiter: Waiter[int] = Waiter(observer, RankCell(), lambda _: None)
    observer.place = Place(run, waiter)
    waiter.succeed(7)
    waiter.fail(OSError("too late"))
    observer.place.dispose()
    assert observer.signals == [7]
    assert run.waiters == [waiter]


class Instance:
    """As much of an instance as a request uses."""

    tasks = None

    def __init__(self) -> None:
        self.wanted = WaitingFrames()
        self.parts: Subject[Any] = Subject()

    def source(self, _: FrameRequest) -> Observable[Any]:
        return self.parts

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


def test_a_request_that_is_given_up_is_not_ranked_anew() -> None:
    instance, told = Instance(), list[Rank]()
    request = FrameRequest(instance)  # type: ignore[arg-type]  # as above
    waiter = FrameWaiter(Heard(), RankCell(Rank(Lane.INTERACTION)), lambda _: None, 1)  # type: ignore[arg-type]  # as above
    instance.wanted.add(waiter)
    request.begin()
    assert instance.parts.observers
    request.rank.watch(lambda: told.append(request.rank.value))
    instance.wanted.forget(waiter)
    request.give_up()
    instance.wanted.rank.leave(waiter.rank)
    assert told == []
    assert request.rank.value == Rank(Lane.INTERACTION)
    assert not instance.parts.observers
