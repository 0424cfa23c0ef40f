"""What to load ahead, as pure policies: a situation goes in, an ordered wish list of indexes comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Situation:
    """What a policy decides from.

    Attributes:
        count: Images of the series.
        position: Index shown now, from 0.
        direction: 1 forwards, −1 backwards, 0 unknown.
        image_bytes: Bytes of one decoded image; 0 if unknown.
        budget_bytes: Bytes that prefetched images may take.
    """

    count: int
    position: int = 0
    direction: int = 0
    image_bytes: int = 0
    budget_bytes: int = 0

    @property
    def affordable(self) -> int:
        """Images that the budget holds."""
        return self.count if self.image_bytes == 0 else self.budget_bytes // self.image_bytes


class PrefetchPolicy(Protocol):
    """A pure function from a situation to an ordered wish list of indexes, the most wanted first."""

    def __call__(self, situation: Situation, /) -> Sequence[int]:
        """Indexes to load, without those that are not worth it."""
        ...


def around(situation: Situation) -> Sequence[int]:
    """The whole series from the position outwards, two steps ahead for one behind when a direction is known.

    >>> around(Situation(count=7, position=3))
    [3, 4, 2, 5, 1, 6, 0]
    >>> around(Situation(count=7, position=3, direction=-1))
    [3, 2, 1, 4, 0, 5, 6]
    """
    forwards = iter(range(situation.position + 1, situation.count))
    backwards = iter(range(min(situation.position, situation.count) - 1, -1, -1))
    ahead, behind = (forwards, backwards) if situation.direction >= 0 else (backwards, forwards)
    turns = (ahead, ahead, behind) if situation.direction else (ahead, behind)
    wishes = [situation.position] if 0 <= situation.position < situation.count else []
    while len(wishes) < situation.count:
        wishes.extend(index for turn in turns if (index := next(turn, None)) is not None)
    return wishes[: situation.affordable]


def in_order(situation: Situation) -> Sequence[int]:
    """The whole series from its first image to its last."""
    return list(range(min(situation.count, situation.affordable)))


@dataclass(frozen=True, slots=True)
class Window:
    """A policy: a few images around the position, more in the direction of travel; what falls out is cancelled.

    Args:
        ahead: Images beyond the position in the direction of travel.
        behind: Images on the other side.
    """

    ahead: int = 8
    behind: int = 2

    def __call__(self, situation: Situation, /) -> Sequence[int]:
        """The position, then its neighbours, the nearer first."""
        forwards, backwards = (self.ahead, self.behind) if situation.direction >= 0 else (self.behind, self.ahead)
        near = range(max(0, situation.position - backwards), min(situation.count, situation.position + forwards + 1))
        wishes = sorted(near, key=lambda index: (abs(index - situation.position), -situation.direction * index))
        return wishes[: max(1, situation.affordable)]
