"""Those who wait for a shared resource: the best rank first, equal ranks in the order in which they came."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.ranks import RankCell

_HEAP_SLACK = 64


class Ranked(Protocol):
    """One who waits.

    Attributes:
        rank: Its rank, which may change; whoever changes it pushes it again.
        number: Its place among equals.
        entry: The heap's own: the number of its valid entry there.
    """

    rank: RankCell
    number: int
    entry: int

    def done(self) -> bool:
        """It waits no longer, and is passed over."""
        ...


T = TypeVar("T")
R = TypeVar("R", bound=Ranked)


class RankedHeap(Generic[R]):
    """A heap of those who wait. A change of rank costs one push; outdated entries are skipped when they come up."""

    __slots__ = ("_entries", "_sequence")

    def __init__(self) -> None:
        self._sequence = count(1)
        self._entries: list[_Entry[R]] = []

    def __len__(self) -> int:
        """Entries, the outdated ones included."""
        return len(self._entries)

    def push(self, one: R, waiting: int) -> None:
        """Put one in, or put it where its rank belongs now.

        Args:
            one: Who waits.
            waiting: How many wait: outdated entries beyond twice as many are thrown out.
        """
        if len(self._entries) > 2 * waiting + _HEAP_SLACK:
            self._entries = [entry for entry in self._entries if _is_current(entry)]
            heapq.heapify(self._entries)
        one.entry = next(self._sequence)
        rank = one.rank.value
        heapq.heappush(self._entries, (rank.lane, rank.distance, one.number, one.entry, one))

    def first(self) -> R | None:
        """Whose turn it is."""
        while self._entries and not _is_current(self._entries[0]):
            heapq.heappop(self._entries)
        return self._entries[0][-1] if self._entries else None

    def pop(self) -> R:
        """Take out what `first` has just said."""
        return heapq.heappop(self._entries)[-1]


class WaitingList(Generic[T]):
    """Coroutines that wait. Touched on the loop only.

    Args:
        changed: Called when another is first, or the first has another rank.
        undo: Takes back what was granted to one who was cancelled in the same turn of the loop.
    """

    __slots__ = ("_changed", "_heap", "_numbers", "_undo", "_waiting")

    def __init__(self, changed: Callable[[], None], undo: Callable[[T], None]) -> None:
        self._changed = changed
        self._undo = undo
        self._numbers = count()
        self._heap: RankedHeap[_Waiter[T]] = RankedHeap()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    async def join(self, rank: RankCell) -> T:
        """Wait for what `admit` grants; cancelled, nothing is taken."""
        waiter: _Waiter[T] = _Waiter(rank, asyncio.get_running_loop().create_future(), next(self._numbers))
        self._waiting += 1
        rank.watch(push := lambda: self._push(waiter))
        try:
            self._push(waiter)
            return await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self._undo(waiter.granted.result())
            raise
        finally:
            rank.unwatch(push)
            self._waiting -= 1

    def first(self) -> RankCell | None:
        """Whose turn it is."""
        if not self._waiting:
            return None
        first = self._heap.first()
        return None if first is None else first.rank

    def admit(self, granted: T) -> None:
        """End the wait of the one whose turn it is."""
        self._heap.pop().granted.set_result(granted)

    def _push(self, waiter: _Waiter[T]) -> None:
        if waiter.done():
            return  # it is on its way out
        before = self.first()
        self._heap.push(waiter, self._waiting)
        if waiter.rank in (before, self.first()):
            self._changed()


class _Waiter(Generic[T]):
    """One coroutine that waits."""

    __slots__ = ("entry", "granted", "number", "rank")

    def __init__(self, rank: RankCell, granted: asyncio.Future[T], number: int) -> None:
        self.rank = rank
        self.granted = granted
        self.number = number
        self.entry = 0

    def done(self) -> bool:
        """See `Ranked`."""
        return self.granted.done()


_Entry = tuple[int, float, int, int, R]  # plain numbers: heaps compare them without a call into Python


def _is_current(entry: _Entry[R]) -> bool:
    one = entry[-1]
    return one.entry == entry[3] and not one.done()
