"""Ranks: what is wanted first. A rank may change while its load waits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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
    """A rank that can change, and those who want to hear of it. Touched on the loop only."""

    __slots__ = ("_listeners", "_value")

    def __init__(self, value: Rank = LAST) -> None:
        self._value = value
        self._listeners: list[Callable[[], None]] = []

    @property
    def value(self) -> Rank:
        """The rank now."""
        return self._value

    def change(self, value: Rank) -> None:
        """Set another rank and tell those who watch."""
        if value != self._value:
            self._value = value
            for listener in tuple(self._listeners):
                listener()

    def watch(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)

    def unwatch(self, listener: Callable[[], None]) -> None:
        """Stop calling `listener`."""
        self._listeners.remove(listener)


class BestRank(RankCell):
    """The best of several cells: a load wanted twice goes as early as its keenest subscriber wants."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        super().__init__()
        self._cells: list[RankCell] = []

    def join(self, cell: RankCell) -> None:
        """Count a cell in."""
        self._cells.append(cell)
        cell.watch(self._update)
        self._update()

    def leave(self, cell: RankCell) -> None:
        """Count a cell out."""
        self._cells.remove(cell)
        cell.unwatch(self._update)
        self._update()

    def _update(self) -> None:
        self.change(min((cell.value for cell in self._cells), default=LAST))
