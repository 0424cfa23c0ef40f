"""The network gate: which request starts next, as caps, ranks and the links of the origins allow."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from cornerstream.gate import WaitingList
from cornerstream.hosts import Host, Transfer, UnderWay, origin_of_url
from cornerstream.ranks import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cornerstream.link import LinkEstimate
    from cornerstream.ranks import RankCell

_HOSTS = 64  # idle origins remembered
_LOOK_SECONDS = 0.1  # how often those who wait are looked at when nothing happens
_NEXT_LOOK_SECONDS = 0.001


class NetworkGate:
    """Lets requests start: the best rank first, as far as the caps and the link of its origin allow. On the loop only.

    INTERACTION starts whenever a slot is free. While one waits or is under way, no PREFETCH or BACKGROUND starts on its
    origin; at other times as many are under way as fill the link (see `LinkEstimate`), and never in the last slot.
    THUMBNAIL starts as INTERACTION does, and as far as the link goes while one of those is about.

    Args:
        slots: Requests under way at once, from 1.
        reserved: Slots, of all and of each origin, that PREFETCH and BACKGROUND never take.
        per_host: Requests under way at once to one origin; as many as `slots` by default.
        max_bytes: Bytes asked for and not here yet. What waits for the user counts against it alone, without what is
            fetched ahead; a request that is larger goes when nothing else is under way.
        clock: Seconds; the loop's by default.
    """

    def __init__(
        self,
        slots: int,
        *,
        reserved: int = 0,
        per_host: int | None = None,
        max_bytes: float = float("inf"),
        clock: Callable[[], float] | None = None,
    ) -> None:
        per_host = slots if per_host is None else per_host
        if slots < 1 or per_host < 1 or max_bytes <= 0:
            raise ValueError(f"a session has at least one request and one byte, not {slots}, {per_host}, {max_bytes}")
        self.slots = slots
        self._per_host = per_host
        self._reserved = reserved
        self._usable = slots - min(reserved, slots - 1)
        self._max_bytes = max_bytes
        self._clock = clock or monotonic  # which is the loop's own
        self._under_way = UnderWay()
        self._origins: dict[str, _Origin] = {}
        self._look: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<NetworkGate {self.held} of {self.slots} held, {self.waiting} waiting>"

    @property
    def held(self) -> int:
        """Requests under way."""
        return len(self._under_way)

    @property
    def waiting(self) -> int:
        """Requests that wait for their start."""
        return sum(len(origin.waiters) for origin in self._origins.values())

    @property
    def bytes_in_flight(self) -> int:
        """Bytes asked for that have not come, as far as they are known."""
        return self._under_way.nbytes

    @asynccontextmanager
    async def passage(self, url: str, rank: RankCell, *, bulk: bool = False) -> AsyncIterator[Passage]:
        """Be under way to a URL's origin inside the context; cancelled while waiting, nothing is taken.

        Args:
            url: Where to.
            rank: How soon it is wanted.
            bulk: It is one long answer, whose reader waits for `Passage.clear` before each piece.
        """
        origin = self._origin_of(url)
        try:
            passage = Passage(self, origin, await origin.waiters.join(rank))
        except asyncio.CancelledError:
            self._grant_soon()  # whoever was behind it may be first now
            raise
        passage.transfer.bulk = bulk
        passage.ranked_anew()
        rank.watch(passage.ranked_anew)
        try:
            yield passage
        finally:
            passage.go_on()
            rank.unwatch(passage.ranked_anew)
            self._end(passage.transfer, complete=passage.complete)

    def answered(self, passage: Passage, content_length: int | None) -> None:
        """The header of a response came."""
        remaining = passage.transfer.remaining
        passage.origin.host.answered(passage.transfer, content_length, self._clock())
        self._under_way.changed(passage.transfer, remaining)
        self._grant_soon()

    def received(self, passage: Passage, nbytes: int) -> None:
        """Bytes of a response came."""
        more, remaining = passage.origin.waiters.first() is not None, passage.transfer.remaining
        passage.origin.host.received(passage.transfer, nbytes, self._clock(), more=more)
        self._under_way.changed(passage.transfer, remaining)
        if more:
            self._grant_soon()

    def ranked_anew(self, passage: Passage) -> None:
        """A request under way is wanted sooner or later than before."""
        self._under_way.ranked_anew(passage.transfer)
        self._grant_soon()

    def rest(self, passage: Passage) -> None:
        """Nobody reads an answer for now: what waits for its slot goes."""
        self._under_way.discard(passage.transfer)
        passage.origin.host.rest(passage.transfer)
        self._grant_soon()

    def go_on(self, passage: Passage) -> None:
        """An answer is read on: it takes a slot, if there is none one more than there are."""
        self._under_way.add(passage.transfer)
        passage.origin.host.go_on(passage.transfer, self._clock())

    async def clear(self, passage: Passage) -> None:
        """Wait while the user waits for something else of the passage's origin."""
        while self.is_in_the_way(passage):
            with suppress(TimeoutError):  # an urgent answer that falls silent holds nobody up, and tells nobody
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._changed.wait()

    def link_to(self, url: str) -> tuple[LinkEstimate, int]:
        """The link of a URL's origin, and how many requests prefetch may have under way to it."""
        host = self._origin_of(url).host
        return host.link, min(self._usable, host.usable)

    def close(self) -> None:
        """Look no more at those who wait."""
        for handle in (self._look, self._soon):
            if handle is not None:
                handle.cancel()

    def _origin_of(self, url: str) -> _Origin:
        name = origin_of_url(url)
        origin = self._origins.get(name)
        if origin is None:
            if len(self._origins) >= _HOSTS:
                self._origins = {name: origin for name, origin in self._origins.items() if origin.is_used}
            origin = self._origins[name] = _Origin(
                Host(self._per_host, self._reserved), WaitingList(self._on_first, partial(self._end, complete=False))
            )
        return origin

    def _end(self, transfer: Transfer, *, complete: bool) -> None:
        self._under_way.discard(transfer)
        transfer.host.end(transfer, complete=complete)
        self._grant_soon()

    def _on_first(self) -> None:
        """Another is first, and may go at once."""
        self._grant()
        self._grant_soon()

    def _grant_soon(self) -> None:
        """Once for all that happens in one turn of the loop: hundreds of requests may end in it, and need no slots."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._grant_now)

    def _grant_now(self) -> None:
        self._soon = None
        self._grant()
        self._look_later()
        self._changed.set()
        self._changed.clear()  # those who wait look anew, others wait from now on

    def _grant(self) -> None:
        now = self._clock()
        while (found := self._next(now)) is not None:
            rank, origin = found
            transfer = origin.host.begin(rank, now)
            self._under_way.add(transfer)
            origin.waiters.admit(transfer)

    def _next(self, now: float) -> tuple[RankCell, _Origin] | None:
        """Who starts next. An origin that is full lets others pass; a cap on all of them stops everybody."""
        firsts = [(rank, origin) for origin in self._origins.values() if (rank := origin.waiters.first()) is not None]
        for rank, origin in sorted(firsts, key=lambda first: first[0].value):
            lane = rank.value.lane
            if not self._has_slot(lane) or not self._under_way.fits(lane, origin.host.average, self._max_bytes):
                return None
            if origin.host.admits(lane, now):
                return rank, origin
        return None

    def is_in_the_way(self, passage: Passage) -> bool:
        """The user waits for something else of the passage's origin."""
        first, others = passage.origin.waiters.first(), passage.origin.host.transfers - {passage.transfer}
        if first is not None and first.value.lane == Lane.INTERACTION:
            return True
        return bool(others) and any(transfer.holds_back(self._clock()) for transfer in others)

    def _has_slot(self, lane: Lane) -> bool:
        return self.held < (self._usable if lane >= Lane.PREFETCH else self.slots)

    def _look_later(self) -> None:
        """Time makes room without an event: the link comes to its end, or what is under way stalls."""
        waited_for = [origin.host for origin in self._origins.values() if origin.waiters.first() is not None]
        if not waited_for or not self._under_way:
            return
        now = self._clock()
        room = min((seconds for host in waited_for if (seconds := host.room_in(now)) > 0), default=_LOOK_SECONDS)
        at = asyncio.get_running_loop().time() + min(_LOOK_SECONDS, max(_NEXT_LOOK_SECONDS, room))
        if self._look is None or at < self._look.when() - _NEXT_LOOK_SECONDS:
            if self._look is not None:
                self._look.cancel()
            self._look = asyncio.get_running_loop().call_at(at, self._look_again)

    def _look_again(self) -> None:
        self._look = None
        self._grant_soon()


@dataclass(slots=True)
class _Origin:
    """One origin and those who wait for it."""

    host: Host
    waiters: WaitingList[Transfer]

    @property
    def is_used(self) -> bool:
        return bool(self.host.transfers or len(self.waiters))


class Passage:
    """One request under way, as the one who sent it tells of it.

    Attributes:
        complete: The body came to its end.
    """

    __slots__ = ("_gate", "_rests", "complete", "origin", "transfer")

    def __init__(self, gate: NetworkGate, origin: _Origin, transfer: Transfer) -> None:
        self._gate = gate
        self.origin = origin
        self.transfer = transfer
        self.complete = False
        self._rests = False

    def ranked_anew(self) -> None:
        """It is wanted sooner or later than before."""
        if not self._rests:
            self._gate.ranked_anew(self)

    def rest(self) -> None:
        """It gives its slot back while nobody reads its answer."""
        if not self._rests:
            self._rests = True
            self._gate.rest(self)

    def go_on(self) -> None:
        """It takes a slot again, and waits for none."""
        if self._rests:
            self._rests = False
            self._gate.go_on(self)

    @property
    def is_in_the_way(self) -> bool:
        """It is a long answer, and the user waits for something else."""
        return self.transfer.bulk and self._gate.is_in_the_way(self)

    async def clear(self) -> None:
        """Wait while it is in the way."""
        if self.transfer.bulk:
            await self._gate.clear(self)

    def answered(self, content_length: int | None) -> None:
        """The header came."""
        self._gate.answered(self, content_length)

    def received(self, nbytes: int) -> None:
        """Bytes came."""
        self.go_on()  # who reads does not rest
        self._gate.received(self, nbytes)
