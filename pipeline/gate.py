"""The priority gate: a fixed number of slots, given to the best rank among those who wait."""

from __future__ import annotations

import asyncio
import heapq
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

from cornerstream.ranks import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cornerstream.ranks import Rank, RankCell

T = TypeVar("T")
_HEAP_SLACK = 64


class WaitingList(Generic[T]):
    """Those who wait, by rank; among equal ranks first come, first served. Touched on the loop only.

    Ranks may change while waiting; the change costs one push on a heap, and outdated entries are skipped when they come
    up.

    Args:
        changed: Called when another is first, or the first has another rank.
        undo: Takes back what was granted to one who was cancelled in the same turn of the loop.
    """

    __slots__ = ("_changed", "_heap", "_sequence", "_undo", "_waiting")

    def __init__(self, changed: Callable[[], None], undo: Callable[[T], None]) -> None:
        self._changed = changed
        self._undo = undo
        self._sequence = count()
        self._heap: list[_Entry[T]] = []
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    async def join(self, rank: RankCell) -> T:
        """Wait for what `admit` grants; cancelled, nothing is taken."""
        waiter: _Waiter[T] = _Waiter(rank, asyncio.get_running_loop().create_future(), next(self._sequence))
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
        while self._heap and not _is_current(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][-1].rank if self._heap else None

    def admit(self, granted: T) -> None:
        """End the wait of the one whose turn it is."""
        heapq.heappop(self._heap)[-1].granted.set_result(granted)

    def _push(self, waiter: _Waiter[T]) -> None:
        if waiter.granted.done():
            return  # it is on its way out
        if len(self._heap) > 2 * self._waiting + _HEAP_SLACK:
            self._heap = [entry for entry in self._heap if _is_current(entry)]
            heapq.heapify(self._heap)
        before = self.first()
        waiter.entry = next(self._sequence)
        rank = waiter.rank.value
        heapq.heappush(self._heap, (rank.lane, rank.distance, waiter.number, waiter.entry, waiter))
        if waiter.rank in (before, self.first()):
            self._changed()


class PriorityGate:
    """Slots of one resource, such as workers. Touched on the loop only.

    Args:
        slots: How many may hold one at a time, from 1.
        reserved: Slots that PREFETCH and BACKGROUND never take, so that a click finds one free.
    """

    def __init__(self, slots: int, *, reserved: int = 0) -> None:
        if slots < 1:
            raise ValueError(f"a gate has at least one slot, not {slots}")
        self.slots = slots
        self._reserved = min(reserved, slots - 1)
        self._held = 0
        self._waiters: WaitingList[None] = WaitingList(self._grant, lambda _: self.release())

    def __repr__(self) -> str:
        return f"<PriorityGate {self._held} of {self.slots} held, {self.waiting} waiting>"

    @property
    def held(self) -> int:
        """Slots in use."""
        return self._held

    @property
    def waiting(self) -> int:
        """Those who wait for a slot."""
        return len(self._waiters)

    @asynccontextmanager
    async def slot(self, rank: RankCell) -> AsyncIterator[None]:
        """Hold a slot inside the context; cancelled while waiting, the slot is never taken."""
        await self.acquire(rank)
        try:
            yield
        finally:
            self.release()

    async def acquire(self, rank: RankCell) -> None:
        """Wait for a slot in the order of ranks; among equal ranks first come, first served."""
        if self._waiters.first() is None and self._admits(rank.value):
            self._held += 1
        else:
            await self._waiters.join(rank)

    def release(self) -> None:
        """Give a slot back; the best waiter gets it."""
        self._held -= 1
        self._grant()

    def _admits(self, rank: Rank) -> bool:
        usable = self.slots - (self._reserved if rank.lane >= Lane.PREFETCH else 0)
        return self._held < usable

    def _grant(self) -> None:
        while (first := self._waiters.first()) is not None and self._admits(first.value):
            self._held += 1
            self._waiters.admit(None)


class _Waiter(Generic[T]):
    """One who waits; `number` is its place among equals, `entry` the number of its valid heap entry."""

    __slots__ = ("entry", "granted", "number", "rank")

    def __init__(self, rank: RankCell, granted: asyncio.Future[T], number: int) -> None:
        self.rank = rank
        self.granted = granted
        self.number = number
        self.entry = number


_Entry = tuple[int, float, int, int, _Waiter[T]]  # plain numbers: heaps compare them without a call into Python


def _is_current(entry: _Entry[T]) -> bool:
    waiter = entry[-1]
    return waiter.entry == entry[3] and not waiter.granted.done()
