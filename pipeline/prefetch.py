"""Prefetch: loads what a policy wishes for into the cache."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

from reactivex.disposable import Disposable

from cornerstream.ranks import Lane, Rank
from cornerstream.study_policies import StudySituation, next_series
from cornerstream.wishes import WishList

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from reactivex.abc import DisposableBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.load import Load
    from cornerstream.loop_host import LoopHost
    from cornerstream.series import Series
    from cornerstream.study_policies import StudyPolicy
    from cornerstream.wishes import WishBoard


class Prefetch(Disposable):
    """A prefetch that runs: `await` it, wait for it, or dispose it to cancel what has not come yet.

    Cancelling a task that awaits it disposes it. It is done when everything has come or failed that the budget has room for, beside what others wish for.

    Args:
        wishes: Images, the most wanted first, with the bytes of each decoded one; 0 if unknown.
        host: The session's loop.
        load: Makes a load at a rank.
        board: The wishes of all the session's viewports.
        lane: The lane of its loads.
        announce: Tells the session what it wants, so that what belongs together comes together.

    Attributes:
        total: Images wished for.
        failures: Errors of images that could not be had, by their index in the series; in a study, by their index
            through all series in the order given.
    """

    def __init__(
        self,
        wishes: Sequence[Wanted],
        host: LoopHost,
        load: Callable[[ImageId, Rank], Load],
        board: WishBoard,
        lane: Lane = Lane.PREFETCH,
        announce: Callable[[Sequence[ImageId]], DisposableBase] = lambda _: Disposable(),
    ) -> None:
        super().__init__(lambda: host.call(self._cancel))
        self.total = len(wishes)
        self.failures: dict[int, Exception] = {}
        self._places = [wanted.place for wanted in wishes]
        self._left = set(range(len(wishes)))
        self._finished: Future[None] = Future()
        self._announce = announce
        self._announced: DisposableBase = Disposable()
        sizes = [wanted.nbytes for wanted in wishes]
        self._image_ids = [wanted.image_id for wanted in wishes]
        self._wishes = WishList(self._image_ids, load, board, self, size=sizes.__getitem__)
        host.call(self._start, [(index, Rank(lane, index)) for index in range(len(wishes))])

    def __enter__(self) -> Self:
        return self

    def __await__(self) -> Generator[Any, None, None]:
        try:
            yield from asyncio.wrap_future(self._finished).__await__()
        except asyncio.CancelledError:
            self.dispose()
            raise

    @property
    def remaining(self) -> int:
        """Images still to come; once it is done, those for which there was no room."""
        return len(self._left)

    @property
    def cancelled(self) -> int:
        """Loads that were disposed before they ended."""
        return self._wishes.cancelled

    def wait(self, timeout: float | None = None) -> None:
        """Block until everything has come or failed.

        Raises:
            TimeoutError: The time is over; the prefetch goes on.
            concurrent.futures.CancelledError: It was disposed.
        """
        self._finished.result(timeout)

    # What its wish list tells

    def on_image(self, index: int, image: Image) -> None:
        """The cache has it."""

    def on_bytes(self, index: int, nbytes: int) -> None:
        """The session counts them."""

    def on_begin(self, index: int) -> None:
        """Nobody waits for that."""

    def on_end(self, index: int, error: Exception | None) -> None:
        """One less to come."""
        self._left.discard(index)
        if error is not None:
            self.failures[self._places[index]] = error

    def on_idle(self) -> None:
        """All has come that there is room for: others may have the room that its wishes claim."""
        if not self._finished.done():
            self._finished.set_result(None)
            self._announced.dispose()
            self._wishes.clear()

    def _start(self, wishes: list[tuple[int, Rank]]) -> None:
        if not self.is_disposed:
            self._announced = self._announce(self._image_ids)
            self._wishes.wish(wishes)

    def _cancel(self) -> None:
        self._finished.cancel()
        self._announced.dispose()
        self._wishes.clear()


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image that a prefetch wishes for.

    Attributes:
        image_id: Which.
        place: How the user counts it.
        nbytes: Bytes of the decoded image; 0 if unknown.
    """

    image_id: ImageId
    place: int
    nbytes: int = 0


def wanted_of_series(series: Series, order: Iterable[int]) -> list[Wanted]:
    """Images of a series by their indexes."""
    return [Wanted(series[index], index, series.image_bytes) for index in order]


def wanted_of_study(
    series: Sequence[Series], current: int, budget_bytes: int, policy: StudyPolicy = next_series
) -> list[Wanted]:
    """Images of several series, as a policy orders them.

    Raises:
        IndexError: There is no series `current`.
    """
    if not 0 <= current < max(1, len(series)):
        raise IndexError(f"series {current} of {len(series)}")
    first = [0, *accumulate(map(len, series))]
    return [
        Wanted(series[place][index], first[place] + index, series[place].image_bytes)
        for place, index in policy(StudySituation(series, current, budget_bytes))
    ]
