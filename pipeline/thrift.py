"""What a scroll has fetched, and what of that was for nothing."""

from __future__ import annotations

from collections import Counter, deque
from math import floor
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

WASTE_SHARE = 0.04  # of all bytes: what a fast scroll may fetch for images that it never shows
_ASSUMED_SECONDS = 0.1  # of a load, before one was seen
_REMEMBERED = 9  # loads


class Thrift:
    """Counts the bytes of a scroll and the seconds of its loads. Touched on the loop only.

    Bytes are wasted that came for a bet, an index ahead of a fast wheel, which is not wished for any more and was never
    shown. They are no longer once it is wished for again.

    Args:
        clock: Seconds now.

    Attributes:
        bets: Indexes that were ever bet on.
        received: Bytes that came.
        wasted: Those of lost bets.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: dict[int, float] = {}
        self._waiting: set[int] = set()
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        self._first_bytes: deque[float] = deque(maxlen=_REMEMBERED)
        self._bytes: Counter[int] = Counter()
        self._shown: set[int] = set()
        self.bets: set[int] = set()
        self._wished: AbstractSet[int] = frozenset()
        self.received = 0
        self.wasted = 0

    @property
    def load_seconds(self) -> float:
        """The median of what the last loads took."""
        return median(self._seconds) if self._seconds else _ASSUMED_SECONDS

    @property
    def first_byte_seconds(self) -> float:
        """The least that passed before bytes came, in the last loads."""
        return min(self._first_bytes, default=0.0)

    @property
    def spare(self) -> int:
        """Images that may still come for nothing; −1 while the next one would be the first too many, less beyond."""
        images = len(self._bytes)
        if not images or not self.received:
            return 0
        return floor((WASTE_SHARE * self.received - self.wasted) * images / self.received)

    def began(self, index: int) -> None:
        """A load has begun that the cache did not answer."""
        self._began[index] = self._clock()
        self._waiting.add(index)

    def came(self, index: int, nbytes: int) -> None:
        """Bytes came."""
        if index in self._waiting:
            self._waiting.discard(index)
            self._first_bytes.append(self._clock() - self._began[index])
        self._bytes[index] += nbytes
        self.received += nbytes
        if self._is_waste(index):
            self.wasted += nbytes

    def ended(self, index: int, error: Exception | None) -> None:
        """A load has ended."""
        self._waiting.discard(index)
        began = self._began.pop(index, None)
        if began is not None and error is None:
            self._seconds.append(self._clock() - began)

    def wish(self, indexes: AbstractSet[int]) -> None:
        """Other indexes are wished for from now on."""
        changed = self._wished ^ indexes
        self.wasted -= sum(self._bytes[index] for index in changed if self._is_waste(index))
        self._wished = indexes
        self.wasted += sum(self._bytes[index] for index in changed if self._is_waste(index))

    def bet(self, indexes: Iterable[int]) -> None:
        """These are wished for because the wheel is expected there."""
        self.bets.update(indexes)

    def show(self, index: int) -> None:
        """An image is shown."""
        if self._is_waste(index):
            self.wasted -= self._bytes[index]
        self._shown.add(index)

    def _is_waste(self, index: int) -> bool:
        return index in self.bets and index not in self._wished and index not in self._shown
