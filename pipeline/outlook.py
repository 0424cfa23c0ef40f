"""What a scroll wishes for: its policy, within what the wheel's way and earlier bets allow."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

from cornerstream.cine import indexes_ahead
from cornerstream.policies import Situation, just_in_time
from cornerstream.ranks import Lane, Rank
from cornerstream.travel import Travel

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from cornerstream.cine import Cine
    from cornerstream.images.image_id import ImageId
    from cornerstream.policies import PrefetchPolicy
    from cornerstream.series import Series
    from cornerstream.thrift import Thrift

FIRST_OF_ALL = Rank(Lane.INTERACTION)
_PASSING = Rank(Lane.PREFETCH, -1.0)  # before what is ahead, which INTERACTION would keep from starting
_LATE = 1.1  # intervals: a wheel that is as late as this for its next move may have stopped
_PATIENCE = 0.4  # of the seconds of a load


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to wish for.

    Attributes:
        indexes: The one asked for last first.
        passing: The wheel will have passed that one before a load that begins now can end.
        delay: Seconds by which its load may begin later, so that its bytes do not come before it has been passed.
    """

    indexes: Sequence[int]
    passing: bool = False
    delay: float = 0.0

    def ranks(self) -> dict[int, Rank]:
        """Rank by index."""
        first, *others = self.indexes
        ranks = {first: _PASSING if self.passing and others else FIRST_OF_ALL}
        for distance, index in enumerate(others):
            ranks.setdefault(index, Rank(Lane.PREFETCH, distance))
        return ranks


class Outlook:
    """Decides what a scroll wishes for. Keeps nothing but what it is given.

    Args:
        series: What is scrolled through.
        policy: Which neighbours to keep near.
        cache: Tells which images are there.
        budget: Bytes that wishes may take, now.
        thrift: What was fetched, and what of it for nothing.
        loading: Indexes being loaded, now, and those of which bytes have come.
    """

    def __init__(
        self,
        series: Series,
        policy: PrefetchPolicy,
        cache: Container[ImageId],
        budget: Callable[[], int],
        thrift: Thrift,
        loading: Callable[[], tuple[AbstractSet[int], AbstractSet[int]]],
    ) -> None:
        self._series = series
        self._policy = policy
        self._cached = _Cached(series, cache)
        self._budget = budget
        self._thrift = thrift
        self._loading = loading

    def at_rest(self, travel: Travel) -> Wishes:
        """The wheel rests: the policy's wishes."""
        return self._first(travel, self._policy(self._situation(travel, 0.0)))

    def on_the_way(self, travel: Travel) -> Wishes:
        """The wheel turns: nothing ahead after a jump, and what can be there in time where it is fast."""
        if travel.jumped:
            return Wishes([travel.position])
        situation = self._situation(travel, travel.speed)
        wishes = self._policy(situation)
        if situation.speed * situation.load_seconds < 1:
            return self._first(travel, wishes)
        spare = self._thrift.spare
        due = just_in_time(wishes, situation, max(0, spare) if spare >= -1 else -1)
        return replace(self._first(travel, due), passing=True, delay=self._delay(travel))

    def playing(self, travel: Travel, cine: Cine) -> Wishes:
        """What is played next; what would be late comes last, unless every image is waited for."""
        situation = self._situation(travel, cine.fps)
        ahead = indexes_ahead(travel.position, situation.count, situation.count, loop=cine.loop)
        soonest = ceil(cine.fps * situation.load_seconds)
        late = 1 if cine.waits_for_all else max(1, soonest)
        wishes = situation.afford((ahead[0], *ahead[late:], *ahead[1:late]), least=1)
        return Wishes(wishes, passing=not cine.waits_for_all and soonest > 1)

    def _delay(self, travel: Travel) -> float:
        """Never so long that the image of the last index would be late by half of what its load takes."""
        if travel.position in self._cached or travel.position in self._loading()[0]:
            return 0.0
        delay = _LATE * travel.interval - self._thrift.first_byte_seconds
        return min(max(0.0, delay), _PATIENCE * self._thrift.load_seconds)

    def _first(self, travel: Travel, wishes: Sequence[int]) -> Wishes:
        """The index asked for is wished for first, whatever the policy says."""
        return Wishes([travel.position, *(index for index in wishes if index != travel.position)])

    def _situation(self, travel: Travel, speed: float) -> Situation:
        loading, arriving = self._loading()
        return Situation(
            count=len(self._series),
            position=travel.position,
            direction=travel.direction,
            image_bytes=self._series.image_bytes,
            budget_bytes=self._budget(),
            speed=speed,
            cached=self._cached,
            loading=loading,
            arriving=arriving,
            load_seconds=self._thrift.load_seconds,
        )


class _Cached(AbstractSet[int]):
    """The indexes whose images are in the cache, looked up when they are asked for."""

    def __init__(self, series: Series, cache: Container[ImageId]) -> None:
        self._series = series
        self._cache = cache

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and 0 <= index < len(self._series) and self._series[index] in self._cache

    def __iter__(self) -> Iterator[int]:
        return (index for index in range(len(self._series)) if index in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
