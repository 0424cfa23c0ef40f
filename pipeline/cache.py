"""A cache counted in bytes: least recently used goes first, what is pinned stays."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Generic, TypeVar

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

V = TypeVar("V")


class ByteCache(Generic[V]):
    """Keeps values within a budget of bytes. Touched on the loop only.

    Args:
        budget: Bytes that values may take; pinned ones count, and stay even where they alone exceed it.
        nbytes: Size of a value.
    """

    def __init__(self, budget: int, nbytes: Callable[[V], int]) -> None:
        self.budget = budget
        self._nbytes = nbytes
        self._free: LRUCache[Hashable, V] = LRUCache(maxsize=max(budget, 1), getsizeof=nbytes)
        self._pinned: dict[Hashable, V] = {}
        self._pinned_bytes = 0
        self._pins: Counter[Hashable] = Counter()
        self.hits = 0
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._free) + len(self._pinned)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._pinned or key in self._free

    def __repr__(self) -> str:
        return f"<ByteCache {len(self)} values, {self.nbytes:,} of {self.budget:,} bytes>"

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return int(self._free.currsize) + self._pinned_bytes

    def get(self, key: Hashable) -> V | None:
        """The value, which becomes the most recently used; `None` if it is not there."""
        value = self._pinned[key] if key in self._pinned else self._free.get(key)
        self.hits += value is not None
        return value

    def put(self, key: Hashable, value: V) -> None:
        """Keep a value if it fits at all; others leave for it."""
        self.discard(key)
        size = self._nbytes(value)
        if self._pins[key]:
            self._hold(key, value, size)
        elif size + self._pinned_bytes <= self.budget:
            self._evict(self.budget - size)
            self._free[key] = value

    def discard(self, key: Hashable) -> None:
        """Forget a value; its pins stay in force for the next one of that key."""
        self._free.pop(key, None)
        pinned = self._pinned.pop(key, None)
        if pinned is not None:
            self._pinned_bytes -= self._nbytes(pinned)

    def clear(self) -> None:
        """Forget everything."""
        self._free.clear()
        self._pinned.clear()
        self._pinned_bytes = 0

    def pin(self, key: Hashable) -> None:
        """Keep the value of `key`, now or when it comes, until it is unpinned as often."""
        self._pins[key] += 1
        value = self._free.pop(key, None)
        if value is not None:
            self._hold(key, value, self._nbytes(value))

    def unpin(self, key: Hashable) -> None:
        """Take one pin back."""
        self._pins[key] -= 1
        if self._pins[key] <= 0:
            del self._pins[key]
            value = self._pinned.get(key)
            if value is not None:
                self.put(key, value)

    def _hold(self, key: Hashable, value: V, size: int) -> None:
        self._pinned[key] = value
        self._pinned_bytes += size
        self._evict(self.budget)

    def _evict(self, room: int) -> None:
        while self._free and self.nbytes > room:
            self._free.popitem()
            self.evictions += 1
