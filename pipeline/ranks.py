"""Ranks: what is wanted first. A rank may change while its load waits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from cornerstream.traces import Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.images.image_id import ImageId


class Lane(IntEnum):
    """Why an image is wanted; a lower lane goes first, whatever the distance."""

    INTERACTION = 0
    THUMBNAIL = 1
    PREFETCH = 2
    BACKGROUND = 3


@dataclass(frozen=True, order=True, slots=True)
class Rank:
    """A lane, and inside it the distance from what is shown; the smaller goes first."""

    lane: Lane = Lane.INTERACTION
    distance: float = 0.0


LAST = Rank(Lane.BACKGROUND, float("inf"))


class RankCell:
    """A rank that can change, and those who want to hear of it. Touched on the loop only.

    Attributes:
        received: Bytes of bodies that came for whoever has this rank.
    """

    __slots__ = ("_listeners", "_value", "received")

    trace: Trace | None = None

    def __init__(self, value: Rank = LAST) -> None:
        self._value = value
        self.received = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def value(self) -> Rank:
        """The rank now."""
        return self._value

    def change(self, value: Rank) -> None:
        """Set another rank and tell those who watch."""
        if value is not self._value and value != self._value:
            self._value = value
            for listener in tuple(self._listeners):
                listener()

    def watch(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)

    def unwatch(self, listener: Callable[[], None]) -> None:
        """Stop calling `listener`."""
        self._listeners.remove(listener)

    def silence(self) -> None:
        """Call nobody any more."""
        self._listeners.clear()


class BestRank(RankCell):
    """The best of several cells: a load wanted twice goes as early as its keenest subscriber wants.

    A cell may be counted in more than once. Joining, leaving and changing cost a push on a heap; outdated entries are
    skipped when they come up.

    Attributes:
        trace: What is done for those who joined; theirs, where they have one, wait for it.
    """

    __slots__ = ("_cells", "_heap", "_pushed", "_pushes", "trace")

    trace: Trace

    def __init__(self, image_id: ImageId | None = None) -> None:
        super().__init__()
        self.trace = Trace(image_id)
        self._cells: dict[RankCell, int] = {}  # how often each is counted in
        self._pushes: dict[RankCell, Callable[[], None]] = {}
        self._heap: list[tuple[Rank, int, RankCell]] = []
        self._pushed = 0

    def join(self, cell: RankCell) -> None:
        """Count a cell in."""
        self._cells[cell] = self._cells.get(cell, 0) + 1
        if cell not in self._pushes:
            push = self._pushes[cell] = partial(self._push, cell)
            if cell.trace is not None:
                cell.trace.follow(self.trace)
            cell.watch(push)
            if self._heap:
                push()
            else:  # mostly: it is alone
                self._heap.append((cell.value, self._pushed, cell))
                self.change(cell.value)

    def leave(self, cell: RankCell) -> None:
        """Count a cell out; none is counted in any longer after `abandon`."""
        if cell not in self._cells:
            return
        self._cells[cell] -= 1
        if not self._cells[cell]:
            self._forget(cell)
            self._settle()

    def abandon(self) -> None:
        """Count every cell out, and keep the rank: nobody ranks anew what is about to be cancelled."""
        for cell in tuple(self._cells):
            self._forget(cell)
        self._heap.clear()

    def works_for(self, other: RankCell) -> bool:
        """It is that one, or that one waits for it, be it through others."""
        seen: set[RankCell] = set()
        left: list[RankCell] = [self]
        while left:
            cell = left.pop()
            if cell is other:
                return True
            if cell not in seen and isinstance(cell, BestRank):
                left.extend(cell._cells)  # noqa: SLF001 - its own kind
            seen.add(cell)
        return False

    def _forget(self, cell: RankCell) -> None:
        del self._cells[cell]
        cell.unwatch(self._pushes.pop(cell))
        if cell.trace is not None:
            cell.trace.unfollow(self.trace)

    def _push(self, cell: RankCell) -> None:
        self._pushed += 1
        heappush(self._heap, (cell.value, self._pushed, cell))
        self._settle()

    def _settle(self) -> None:
        while self._heap and not self._is_current(*self._heap[0]):
            heappop(self._heap)
        self.change(self._heap[0][0] if self._heap else LAST)

    def _is_current(self, rank: Rank, _: int, cell: RankCell) -> bool:
        return cell in self._cells and (cell.value is rank or cell.value == rank)
