"""What to load ahead, as pure policies: a situation goes in, an ordered wish list of indexes comes out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet


_LEEWAY = 0.25  # indexes: what a load may take longer than the last ones did


@dataclass(frozen=True, slots=True)
class Situation:
    """What a policy decides from.

    Attributes:
        count: Images of the series.
        position: Index shown now, from 0.
        direction: 1 forwards, −1 backwards, 0 unknown.
        image_bytes: Bytes of one decoded image; 0 if unknown.
        budget_bytes: Bytes that wished images may take.
        speed: Indexes a second; 0 at rest, or while it is not known yet.
        sizes: Bytes of each decoded image, where they differ; empty if all have `image_bytes`.
        cached: Indexes whose images are there.
        loading: Indexes being loaded.
        arriving: Those of which bytes have come.
        load_seconds: What a load takes from its wish to its image, as far as was seen.
    """

    count: int
    position: int = 0
    direction: int = 0
    image_bytes: int = 0
    budget_bytes: int = 0
    speed: float = 0.0
    sizes: Sequence[int] = ()
    cached: AbstractSet[int] = frozenset()
    loading: AbstractSet[int] = frozenset()
    arriving: AbstractSet[int] = frozenset()
    load_seconds: float = 0.0

    @property
    def affordable(self) -> int:
        """Images of `image_bytes` that the budget holds."""
        return self.count if self.image_bytes == 0 else max(0, self.budget_bytes) // self.image_bytes

    def size_of(self, index: int) -> int:
        """Bytes of one decoded image; 0 if unknown."""
        return self.sizes[index] if self.sizes else self.image_bytes

    def afford(self, wishes: Iterable[int], *, least: int = 0) -> list[int]:
        """The first wishes that the budget holds together, and `least` of them even if it does not.

        A larger budget gives a list that begins with that of a smaller one.
        """
        kept: list[int] = []
        left = self.budget_bytes
        for index in wishes:
            left -= self.size_of(index)
            if len(kept) >= least and left < 0 and self.size_of(index):
                break
            kept.append(index)
        return kept


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
    return situation.afford(_outwards(situation.count, situation.position, situation.direction))


def in_order(situation: Situation) -> Sequence[int]:
    """The whole series from its first image to its last."""
    return situation.afford(range(situation.count))


def middle_out(situation: Situation) -> Sequence[int]:
    """The whole series from its middle outwards: where one looks first in a series never seen.

    >>> middle_out(Situation(count=5))
    [2, 3, 1, 4, 0]
    """
    return situation.afford(_outwards(situation.count, situation.count // 2, 0))


def _outwards(count: int, position: int, direction: int) -> list[int]:
    """All indexes, those near a position first."""
    forwards = iter(range(position + 1, count))
    backwards = iter(range(min(position, count) - 1, -1, -1))
    ahead, behind = (forwards, backwards) if direction >= 0 else (backwards, forwards)
    turns = (ahead, ahead, behind) if direction else (ahead, behind)
    wishes = [position] if 0 <= position < count else []
    while len(wishes) < count:
        wishes.extend(index for turn in turns if (index := next(turn, None)) is not None)
    return wishes


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
        return situation.afford(wishes, least=1)


@dataclass(frozen=True, slots=True)
class Directional:
    """The policy of a scroll: around the position, and further ahead the faster it goes.

    What loads already stays wished for `slack` indexes beyond either end, last of all, so that a wobble of the wheel does
    not drop loads to start them again.

    Args:
        ahead: Images beyond the position in the direction of travel; on both sides at least `behind`.
        behind: Images on the other side.
        seconds: Of travel that are reached ahead beside.
        slack: Indexes by which the window may wobble.
    """

    ahead: int = 8
    behind: int = 2
    seconds: float = 0.5
    slack: int = 2

    def __call__(self, situation: Situation, /) -> Sequence[int]:
        """The position, then those ahead with those behind between them, then what wobbled out."""
        position, way = situation.position, -1 if situation.direction < 0 else 1
        reach = self.ahead + ceil(situation.speed * self.seconds)
        near = sorted(
            range(-self.behind, reach + 1), key=lambda offset: offset if offset >= 0 else -offset * self.ahead / 2
        )
        beyond = chain(
            range(reach + 1, reach + self.slack + 1), range(-self.behind - 1, -self.behind - self.slack - 1, -1)
        )
        inside = (position + way * offset for offset in near)
        wobbled = (index for offset in beyond if (index := position + way * offset) in situation.loading)
        return situation.afford((index for index in chain(inside, wobbled) if 0 <= index < situation.count), least=1)


def just_in_time(wishes: Sequence[int], situation: Situation, *, begin: bool = True) -> list[int]:
    """What of a wish list is worth starting in a scroll that goes faster than a load takes.

    An index that will have been passed before its image can be there is not; nor one that need not be loaded yet: the
    wheel may stop or jump before it comes there. The position stays, and what is there or arrives already ahead of it.

    Args:
        wishes: The wish list.
        situation: With a speed, and the seconds of a load.
        begin: Something new may begin.

    >>> just_in_time([3, 4, 5, 6, 7, 8], Situation(9, 3, 1, speed=20, load_seconds=0.08, cached={8}))
    [3, 5, 8]
    """
    soonest = ceil(situation.speed * situation.load_seconds + _LEEWAY)
    way = -1 if situation.direction < 0 else 1

    def is_worth_it(index: int) -> bool:
        distance = way * (index - situation.position)
        if distance <= 0:
            return not distance
        here = index in situation.cached or index in situation.arriving
        return here or (distance <= soonest and index in situation.loading) or (begin and distance == soonest)

    return [index for index in wishes if is_worth_it(index)]
