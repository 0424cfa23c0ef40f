"""A cache counted in bytes, a tier of a budget: the farthest from being used goes first, what is pinned stays."""

from __future__ import annotations

from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING, Generic, TypeVar

from cornerstream.budget import SMALL, Budget, Victim

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

V = TypeVar("V")


class _Entry(Generic[V]):
    """A value, its size as it was when it came, and when it was used last."""

    __slots__ = ("nbytes", "touched", "value")

    def __init__(self, value: V, nbytes: int, touched: int) -> None:
        self.value = value
        self.nbytes = nbytes
        self.touched = touched


class ByteCache(Generic[V]):
    """Keeps values within a budget of bytes. Touched on the loop only.

    Args:
        budget: Bytes that values may take, those of the budget's other tiers included; pinned ones count, and stay even
            where they alone exceed it.
        nbytes: Size of a value.
        share: The part of the budget that this tier's users should count on; the tier itself may take more.
        worth: A value stays this many times as long as one of a tier of worth 1.

    Attributes:
        nbytes: Bytes of all values.
        budget: Bytes that this tier's users should count on.
        hits: Values found.
        misses: Values asked for in vain.
        evictions: Values that left for others.
        on_evict: Hears of each of them by its key.
        refused: Values that came ahead of their use, and for which something nearer would have had to go.
    """

    def __init__(
        self, budget: Budget | int, nbytes: Callable[[V], int], *, share: float = 1.0, worth: float = 1.0
    ) -> None:
        self.shared = budget if isinstance(budget, Budget) else Budget(budget)
        self.shared.join(self)
        self.budget = int(self.shared.total * share)
        self._size = nbytes
        self._worth = worth
        self._free: dict[Hashable, _Entry[V]] = {}  # the least recently used first
        self._pinned: dict[Hashable, _Entry[V]] = {}
        self._pins: Counter[Hashable] = Counter()
        self._small = 0  # how many of those that are not pinned
        self.nbytes = 0
        self._pinned_bytes = 0
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self.on_evict: Callable[[Hashable], None] | None = None
        self.refused = 0

    def __len__(self) -> int:
        return len(self._free) + len(self._pinned)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._free or (bool(self._pinned) and key in self._pinned)  # a key's hash is not for nothing

    def __repr__(self) -> str:
        return f"<ByteCache {len(self)} values, {self.nbytes:,} of {self.shared.total:,} bytes>"

    @property
    def pinned_bytes(self) -> int:
        """Bytes of what is pinned."""
        return self._pinned_bytes

    def get(self, key: Hashable) -> V | None:
        """The value, which becomes the most recently used; `None` if it is not there."""
        entry = self._free.pop(key, None)
        if entry is not None:
            self._free[key] = entry
        elif self._pinned:
            entry = self._pinned.get(key)
        if entry is None:
            self.misses += 1
            return None
        entry.touched = self.shared.tick()
        self.hits += 1
        return entry.value

    def put(self, key: Hashable, value: V, *, ahead: bool = False) -> bool:
        """Keep a value if it fits at all; others leave for it.

        Args:
            key: Its key.
            value: Its value.
            ahead: Nobody waits for it: on a viewport's series it is kept only if nothing nearer has to go.

        Returns:
            It is kept.
        """
        if key in self:
            self.discard(key)
        entry = _Entry(value, self._size(value), self.shared.tick())
        if key in self._pins:
            self._hold(key, entry)
            return True
        if self.shared.nbytes + entry.nbytes <= self.shared.total:
            self._let(key, entry)
            return True
        if entry.nbytes + self.shared.pinned_bytes <= self.shared.total:
            distance = self.shared.distance(key) if ahead else float("inf")
            if self.shared.make_room(entry.nbytes, self._weighed(distance, entry) if isfinite(distance) else -1.0):
                self._let(key, entry)
                return True
            self.refused += 1
        return False

    def discard(self, key: Hashable) -> None:
        """Forget a value; its pins stay in force for the next one of that key."""
        free, pinned = self._free.pop(key, None), self._pinned.pop(key, None)
        if free is not None:
            self.nbytes -= free.nbytes
            self._small -= free.nbytes < SMALL
        if pinned is not None:
            self.nbytes -= pinned.nbytes
            self._pinned_bytes -= pinned.nbytes

    def clear(self) -> None:
        """Forget every value; pins stay in force."""
        self._free.clear()
        self._pinned.clear()
        self.nbytes = self._pinned_bytes = self._small = 0

    def pin(self, key: Hashable) -> None:
        """Keep the value of `key`, now or when it comes, until it is unpinned as often."""
        self._pins[key] += 1
        entry = self._free.get(key)
        if entry is not None:
            self.discard(key)
            self._hold(key, entry)

    def unpin(self, key: Hashable) -> None:
        """Take one pin back."""
        self._pins[key] -= 1
        if self._pins[key] <= 0:
            del self._pins[key]
            entry = self._pinned.get(key)
            if entry is not None:
                self.discard(key)
                entry.touched = self.shared.tick()
                self._let(key, entry)
                self.shared.make_room(0)

    def look(self, viewer: Hashable, keys: Sequence[Hashable], index: int | None) -> None:
        """Note where a viewport stands in a series of keys: what is far from all viewports goes first.

        Args:
            viewer: Who looks.
            keys: The series; the same object while it is the same.
            index: Where; `None` when it looks no longer.
        """
        self.shared.look(viewer, keys, index)

    def victim(self) -> Victim | None:
        """What would go first here."""
        if not self._free:
            return None
        keys = self.shared.sample(self._free, alike=self._small in {0, len(self._free)})
        return max((self._victim(key) for key in keys), key=lambda victim: victim.farness)

    def evict(self, key: Hashable) -> None:
        """Let a value go for others."""
        self.discard(key)
        self.evictions += 1
        if self.on_evict is not None:
            self.on_evict(key)

    def _victim(self, key: Hashable) -> Victim:
        entry = self._free[key]
        uses = min(self.shared.now - entry.touched, self.shared.distance(key))
        return Victim(self._weighed(uses, entry), self, key)

    def _weighed(self, uses: float, entry: _Entry[V]) -> float:
        return uses / (self._worth * max(1.0, SMALL / max(entry.nbytes, 1)))

    def _let(self, key: Hashable, entry: _Entry[V]) -> None:
        self._free[key] = entry
        self.nbytes += entry.nbytes
        self._small += entry.nbytes < SMALL

    def _hold(self, key: Hashable, entry: _Entry[V]) -> None:
        self._pinned[key] = entry
        self.nbytes += entry.nbytes
        self._pinned_bytes += entry.nbytes
        self.shared.make_room(0)
