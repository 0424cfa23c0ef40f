"""Scrolling: the latest index wins, and what is no longer near is cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from reactivex.disposable import Disposable
from reactivex.subject import Subject

from cornerstream.policies import Situation, Window
from cornerstream.prefetch import WishList
from cornerstream.ranks import Lane, Rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable

    from cornerstream.cache import ByteCache
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.load import Load
    from cornerstream.loop_host import LoopHost
    from cornerstream.policies import PrefetchPolicy
    from cornerstream.series import Series


class Scroll(Disposable):
    """One viewport on one series.

    `to(index)` asks for an index: its load goes first, its neighbours follow by the policy, everything else of this
    scroll is disposed. `images` emits the image of the index asked for last, and never one for an earlier index. That
    image stays in the cache while it is shown.

    Args:
        series: What is scrolled through.
        host: The session's loop.
        load: Makes a load at a rank.
        cache: The session's images; its budget bounds the neighbours.
        policy: Which neighbours to keep near.
    """

    def __init__(
        self,
        series: Series,
        host: LoopHost,
        load: Callable[[ImageId, Rank], Load],
        cache: ByteCache[Image],
        policy: PrefetchPolicy | None = None,
    ) -> None:
        super().__init__(lambda: host.call(self._close))
        self.series = series
        self._host = host
        self._policy = policy or Window()
        self._cache = cache
        self._wishes = WishList(series, load, self._arrived, self._ended)
        self._images: Subject[Image] = Subject()
        self._errors: Subject[Exception] = Subject()
        self._index: int | None = None
        self._direction = 0

    def __enter__(self) -> Self:
        return self

    @property
    def images(self) -> Observable[Image]:
        """The images to show, on the session's loop; completes when the scroll is disposed."""
        return self._images

    @property
    def errors(self) -> Observable[Exception]:
        """Failures of the index asked for last; `images` goes on after them."""
        return self._errors

    @property
    def index(self) -> int | None:
        """The index asked for last, from 0."""
        return self._index

    @property
    def running(self) -> int:
        """Loads of this scroll in flight."""
        return len(self._wishes)

    @property
    def cancelled(self) -> int:
        """Loads of this scroll that were disposed before they ended."""
        return self._wishes.cancelled

    def to(self, index: int) -> None:
        """Ask for an index, from 0; may be called from any thread, as often as the wheel turns.

        Raises:
            IndexError: The series has no such index.
        """
        if not 0 <= index < len(self.series):
            raise IndexError(f"index {index} of a series of {len(self.series)} images")
        self._host.call(self._move, index)

    def _move(self, index: int) -> None:
        if self.is_disposed:
            return
        before = self._index
        if before is not None and before != index:
            self._direction = 1 if index > before else -1
        self._pin(index)
        situation = Situation(len(self.series), index, self._direction, self.series.image_bytes, self._cache.budget)
        ranks = {index: Rank(Lane.INTERACTION)}
        for distance, near in enumerate(self._policy(situation)):
            ranks.setdefault(near, Rank(Lane.PREFETCH, distance))
        self._wishes.renew(index)
        self._wishes.wish(ranks.items())

    def _pin(self, index: int | None) -> None:
        """What is shown cannot be evicted; what is shown no longer can."""
        before, self._index = self._index, index
        if index is not None:
            self._cache.pin(self.series[index])
        if before is not None:
            self._cache.unpin(self.series[before])

    def _arrived(self, index: int, image: Image) -> None:
        if index == self._index and not self.is_disposed:
            self._images.on_next(image)

    def _ended(self, index: int, error: Exception | None) -> None:
        if error is not None and index == self._index and not self.is_disposed:
            self._errors.on_next(error)

    def _close(self) -> None:
        self._wishes.clear()
        self._pin(None)
        self._images.on_completed()
        self._errors.on_completed()
