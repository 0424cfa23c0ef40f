"""Those who wait for a shared resource, and the run of its source that they wait for."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from reactivex import Observer
from reactivex.abc import DisposableBase
from reactivex.disposable import SingleAssignmentDisposable

from cornerstream.images.errors import ImageLoadError
from cornerstream.ranks import BestRank
from cornerstream.traces import Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.events import Recorder
    from cornerstream.images.load_object import Progress
    from cornerstream.images.subscriptions import Observer as Observing
    from cornerstream.ranks import RankCell

T = TypeVar("T")
NOBODY: Observer[Any] = Observer(on_error=lambda _: None)


class Waiter(Generic[T]):
    """One load that waits for a shared resource."""

    __slots__ = ("number", "observer", "on_progress", "rank")

    def __init__(
        self, observer: Observing[T], rank: RankCell, on_progress: Callable[[Progress], None], number: int = 1
    ) -> None:
        self.observer = observer
        self.rank = rank
        self.on_progress = on_progress
        self.number = number

    def succeed(self, value: T) -> None:
        """Hand the value over."""
        self.observer.on_next(value)
        self.observer.on_completed()

    def fail(self, error: Exception) -> None:
        """Give each waiter an error of its own: it will name that waiter's image."""
        own = error
        if isinstance(error, ImageLoadError):
            own = copy(error)
            own.image_id = None
            own.__cause__ = error
        self.observer.on_error(own)


class Left(Protocol):
    """What can be waited for."""

    def leave(self, waiter: Any, /) -> None:
        """Let one wait no longer."""
        ...


class Place(DisposableBase):
    """A waiter's place; disposing gives it up, and lets go of whom it waits for."""

    __slots__ = ("_run", "_waiter")

    def __init__(self, run: Left, waiter: Waiter[Any]) -> None:
        self._run: Left | None = run
        self._waiter = waiter

    def dispose(self) -> None:
        """Give the place up; more than once does nothing."""
        run, self._run = self._run, None
        if run is not None:
            self._waiter.observer = NOBODY
            run.leave(self._waiter)


class Run:
    """One subscription of a shared source and those who wait for it."""

    def __init__(self) -> None:
        self.rank = BestRank()
        self.upstream = SingleAssignmentDisposable()
        self.waiters: list[Waiter[Any]] = []

    def add(self, waiter: Waiter[Any]) -> None:
        """Let one more wait."""
        self.waiters.append(waiter)
        self.rank.join(waiter.rank)

    def remove(self, waiter: Waiter[Any]) -> None:
        """Let one wait no longer."""
        self.waiters.remove(waiter)
        self.rank.leave(waiter.rank)

    def take_all(self) -> list[Waiter[Any]]:
        """Let nobody wait any longer; those who did."""
        waiters = list(self.waiters)
        for waiter in waiters:
            self.remove(waiter)
        return waiters

    def give_up(self, recorder: Recorder | None) -> None:
        """Cancel the source: nobody waits for it any more."""
        if recorder is not None:
            recorder.given_up(self.rank.trace)
        self.upstream.dispose()

    def let_go(self) -> None:
        """Hold nothing of a source that has ended: its observer holds this run, and they would wait for the collector."""
        self.upstream.dispose()

    def progress(self, progress: Progress) -> None:
        """Tell everybody of bytes."""
        for waiter in tuple(self.waiters):
            waiter.on_progress(progress)

    def fail(self, error: Exception) -> None:
        """Let everybody hear of an error."""
        for waiter in self.take_all():
            waiter.fail(error)


def hand_over(giver: RankCell | None, nbytes: int, taker: RankCell | None, recorder: Recorder | None) -> None:
    """Let bytes received for all be those of the load that gets what they hold.

    Args:
        giver: Who received them; `None` where they were received earlier, for nobody in particular.
        nbytes: How many.
        taker: Who gets them; `None` where they are kept for later, for nobody in particular.
        recorder: Hears of it.
    """
    to = Trace() if taker is None or taker.trace is None else taker.trace
    if giver is None or giver.trace is None:
        to.received += nbytes
    else:
        giver.trace.hand_over(to, nbytes)
    if recorder is not None:
        recorder.received(to)
