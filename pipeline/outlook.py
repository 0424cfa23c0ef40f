"""What a scroll wishes for: its policy, within what the wheel's way and earlier bets allow."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING

from cornerstream.cine import indexes_ahead
from cornerstream.policies import Situation, just_in_time
from cornerstream.ranks import Lane, Rank

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    from cornerstream.cine import Cine
    from cornerstream.images.image_id import ImageId
    from cornerstream.policies import PrefetchPolicy
    from cornerstream.series import Series
    from cornerstream.thrift import Thrift
    from cornerstream.travel import Travel

FIRST_OF_ALL = Rank(Lane.INTERACTION)
_PASSING = Rank(Lane.PREFETCH, -1.0)  # before what is ahead, which INTERACTION would keep from starting
_LATE = 1.1  # intervals: a wheel that is as late as this for its next move may have stopped
_PATIENCE = 0.4  # of the seconds of a load
_MARGIN = 1.05  # of those: once a bet was lost they come no sooner than needed
_KEEPS_UP = 3.0  # images to be sent while the wheel moves on by one; above 1, for several may be on their way at once
_CREDIT = 4  # images that bets may cost beyond what is paid for
_PROVEN = 12  # moves one way, for each image that bets have cost beyond what was paid for


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to wish for.

    Attributes:
        indexes: The one asked for last first.
        passing: The wheel will have passed that one before a load that begins now can end.
        delays: Seconds by which loads begin later, by index: so that no bytes come for one that has been passed by then,
            and none too long before the wheel is there.
    """

    indexes: Sequence[int]
    passing: bool = False
    delays: Mapping[int, float] = field(default_factory=dict)

    def after(self, seconds: float) -> Wishes:
        """What is left when so much time has passed: shorter delays, and none that is over."""
        left = {index: delay - seconds for index, delay in self.delays.items() if delay > seconds}
        return replace(self, delays=left)

    def ranks(self) -> dict[int, Rank]:
        """Rank by index, of those that may begin now."""
        first, *others = self.indexes
        ranks = {first: _PASSING if self.passing and others else FIRST_OF_ALL}
        for distance, index in enumerate(others):
            ranks.setdefault(index, Rank(Lane.PREFETCH, distance))
        return {index: rank for index, rank in ranks.items() if index not in self.delays}


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
        bets = replace(situation, loading=situation.loading & self._thrift.bets)  # others began for a wheel at rest
        return self._first(travel, just_in_time(wishes, bets, begin=self._may_bet(travel)), bets)

    def _may_bet(self, travel: Travel) -> bool:
        """The link can keep up, and earlier bets have paid for this one, or the run is so long that it may well go on."""
        first = self._thrift.first_byte_seconds
        sending = self._thrift.load_seconds - first if first else 0.0
        return travel.speed * sending < _KEEPS_UP and travel.run >= _PROVEN * (-_CREDIT - self._thrift.spare)

    def playing(self, travel: Travel, cine: Cine) -> Wishes:
        """What is played next; what would be late comes last, unless every image is waited for."""
        situation = self._situation(travel, cine.fps)
        ahead = indexes_ahead(travel.position, situation.count, situation.count, loop=cine.loop)
        soonest = ceil(cine.fps * situation.load_seconds)
        late = 1 if cine.waits_for_all else max(1, soonest)
        wishes = situation.afford((ahead[0], *ahead[late:], *ahead[1:late]), least=1)
        return Wishes(wishes, passing=not cine.waits_for_all and soonest > 1)

    def _first(self, travel: Travel, wishes: Sequence[int], fast: Situation | None = None) -> Wishes:
        """The index asked for is wished for first, whatever the policy says."""
        indexes = [travel.position, *(index for index in wishes if index != travel.position)]
        if fast is None:
            return Wishes(indexes)
        new = [index for index in indexes if index not in fast.cached and index not in fast.loading]
        delays = {index: self._delay(abs(index - travel.position), travel.interval) for index in new}
        return Wishes(indexes, passing=True, delays={index: delay for index, delay in delays.items() if delay > 0})

    def _delay(self, distance: int, interval: float) -> float:
        """That of the index itself is never so long that the last image would come late by half of its load's time."""
        seconds = self._thrift.load_seconds
        if not distance:
            return min(_LATE * interval - self._thrift.first_byte_seconds, _PATIENCE * seconds)
        return distance * interval - _MARGIN * seconds if self._thrift.wasted else 0.0

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
