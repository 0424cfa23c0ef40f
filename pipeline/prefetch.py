"""Prefetch: the wish list carries a policy's wishes out."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self

from reactivex.disposable import Disposable

from cornerstream.ranks import Lane, Rank

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.load import Load
    from cornerstream.loop_host import LoopHost
    from cornerstream.series import Series


class WishList:
    """Carries wishes out: new ones start, dropped ones are disposed, kept ones get their new rank. On the loop only.

    What has ended is not started again while it stays wished for; its image is in the session's cache.

    Args:
        series: The series the indexes are of.
        load: Makes a load of an image id at a rank.
        on_image: Hears of each image by its index.
        on_end: Hears of each end by its index, with the error if there was one.
    """

    def __init__(
        self,
        series: Series,
        load: Callable[[ImageId, Rank], Load],
        on_image: Callable[[int, Image], None],
        on_end: Callable[[int, Exception | None], None],
    ) -> None:
        self._series = series
        self._load = load
        self._on_image = on_image
        self._on_end = on_end
        self._loads: dict[int, Load] = {}
        self._ended: set[int] = set()
        self.cancelled = 0

    def __len__(self) -> int:
        return len(self._loads)

    def wish(self, wishes: Iterable[tuple[int, Rank]]) -> None:
        """Replace the wishes by others."""
        wanted = dict(wishes)
        for index in [index for index in self._loads if index not in wanted]:
            self._loads.pop(index).cancel()
            self.cancelled += 1
        self._ended &= wanted.keys()
        for index, rank in wanted.items():
            if index in self._loads:
                self._loads[index].rank = rank
            elif index not in self._ended:
                self._begin(index, rank)

    def renew(self, index: int) -> None:
        """Start an index that has ended once more when it is wished for again."""
        self._ended.discard(index)

    def clear(self) -> None:
        """Dispose everything."""
        self.wish(())

    def _begin(self, index: int, rank: Rank) -> None:
        load = self._loads[index] = self._load(self._series[index], rank)
        load.observable.subscribe(
            lambda image: self._on_image(index, image),
            lambda error: self._end(index, error),
            lambda: self._end(index, None),
        )

    def _end(self, index: int, error: Exception | None) -> None:
        self._loads.pop(index, None)
        self._ended.add(index)
        self._on_end(index, error)


class Prefetch(Disposable):
    """A prefetch that runs: `await` it, wait for it, or dispose it to cancel what has not come yet.

    Attributes:
        total: Images wished for.
        failures: Errors by index, of images that could not be had.
    """

    def __init__(
        self,
        series: Series,
        host: LoopHost,
        load: Callable[[ImageId, Rank], Load],
        order: Sequence[int],
        lane: Lane = Lane.PREFETCH,
    ) -> None:
        super().__init__(lambda: host.call(self._cancel))
        self.total = len(order)
        self.failures: dict[int, Exception] = {}
        self._remaining = len(order)
        self._finished: Future[None] = Future()
        self._wishes = WishList(series, load, lambda _index, _image: None, self._ended)
        host.call(self._start, [(index, Rank(lane, distance)) for distance, index in enumerate(order)])

    def __enter__(self) -> Self:
        return self

    def __await__(self) -> Generator[Any, None, None]:
        return asyncio.wrap_future(self._finished).__await__()

    @property
    def remaining(self) -> int:
        """Images still to come."""
        return self._remaining

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

    def _start(self, wishes: list[tuple[int, Rank]]) -> None:
        self._wishes.wish(wishes)
        self._check()

    def _ended(self, index: int, error: Exception | None) -> None:
        self._remaining -= 1
        if error is not None:
            self.failures[index] = error
        self._check()

    def _check(self) -> None:
        if self._remaining == 0 and not self._finished.done():
            self._finished.set_result(None)

    def _cancel(self) -> None:
        self._wishes.clear()
        self._finished.cancel()
