"""The priority gate: a fixed number of slots, given to the best rank among those who wait."""

from __future__ import annotations

import asyncio
import heapq
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

from cornerstream.ranks import Lane, Rank

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cornerstream.ranks import RankCell

_HEAP_SLACK = 64


class PriorityGate:
    """Slots of one resource: network requests, or workers. Touched on the loop only.

    Ranks may change while waiting; the change costs one push on the heap, and outdated entries are skipped when they
    come up.

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
        self._sequence = count()
        self._heap: list[tuple[Rank, int, _Waiter]] = []
        self._waiting = 0

    def __repr__(self) -> str:
        return f"<PriorityGate {self._held} of {self.slots} held, {self._waiting} waiting>"

    @property
    def held(self) -> int:
        """Slots in use."""
        return self._held

    @property
    def waiting(self) -> int:
        """Those who wait for a slot."""
        return self._waiting

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
        if not self._heap and self._admits(rank.value):
            self._held += 1
            return
        waiter = _Waiter(rank, asyncio.get_running_loop().create_future())
        self._waiting += 1
        self._push(waiter)
        rank.watch(push := lambda: self._push(waiter))
        try:
            self._grant()
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self.release()  # the slot came in the same turn of the loop as the cancellation
            raise
        finally:
            rank.unwatch(push)
            self._waiting -= 1

    def release(self) -> None:
        """Give a slot back; the best waiter gets it."""
        self._held -= 1
        self._grant()

    def _admits(self, rank: Rank) -> bool:
        usable = self.slots - (self._reserved if rank.lane >= Lane.PREFETCH else 0)
        return self._held < usable

    def _push(self, waiter: _Waiter) -> None:
        if len(self._heap) > 2 * self._waiting + _HEAP_SLACK:
            self._heap = [entry for entry in self._heap if entry[2].is_current(entry[1])]
            heapq.heapify(self._heap)
        waiter.entry = next(self._sequence)
        heapq.heappush(self._heap, (waiter.rank.value, waiter.entry, waiter))
        self._grant()

    def _grant(self) -> None:
        while self._heap:
            rank, entry, waiter = self._heap[0]
            if not waiter.is_current(entry):
                heapq.heappop(self._heap)
            elif self._admits(rank):
                heapq.heappop(self._heap)
                self._held += 1
                waiter.granted.set_result(None)
            else:
                return


class _Waiter:
    """One who waits; `entry` is the number of its valid heap entry."""

    __slots__ = ("entry", "granted", "rank")

    def __init__(self, rank: RankCell, granted: asyncio.Future[None]) -> None:
        self.rank = rank
        self.granted = granted
        self.entry = -1

    def is_current(self, entry: int) -> bool:
        return self.entry == entry and not self.granted.done()
