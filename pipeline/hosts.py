"""What is under way to and from one origin, and whether one request more may start there. No clock, no loop: pure state."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from cornerstream.link import LinkEstimate
from cornerstream.ranks import Lane

if TYPE_CHECKING:
    from cornerstream.ranks import RankCell

_MEMORY = 0.5  # what one answer counts in the average of all
_STALLED_LATENCIES = 4.0
_STALLED_SECONDS = 0.25
_SILENT_SECONDS = 1.0


def origin_of_url(url: str) -> str:
    """Scheme and authority, without user information: what requests are counted by."""
    scheme, slashes, rest = url.partition("://")
    authority = rest.partition("/")[0].partition("?")[0]
    return f"{scheme}{slashes}{authority.rpartition('@')[2]}".lower()


class Transfer:
    """One request under way, from its start until its response is closed.

    Attributes:
        host: Where it goes.
        rank: How soon it is wanted, which may change.
        begun: When it started.
        alone: Nothing else was under way then.
        expected: Bytes of its body, promised or guessed.
        received: Bytes that came.
        heard: When something came last.
        answered: The header of its response has come.
        bulk: It is one long answer for much, which says nothing of the next.
    """

    __slots__ = ("alone", "answered", "begun", "bulk", "expected", "heard", "host", "rank", "received")

    def __init__(self, host: Host, rank: RankCell, now: float) -> None:
        self.host = host
        self.rank = rank
        self.begun = now
        self.heard = now
        self.alone = not host.transfers
        self.expected = round(host.average)
        self.received = 0
        self.answered = False
        self.bulk = False

    @property
    def remaining(self) -> int:
        """Bytes asked for that have not come."""
        return max(0, self.expected - self.received)

    @property
    def lane(self) -> Lane:
        """Why it is wanted now."""
        return self.rank.value.lane

    def is_stalled(self, now: float) -> bool:
        """Nothing came for long: its server, or its reader, is at something else, and the link is free for others."""
        latency = self.host.link.latency
        patience = max(_STALLED_SECONDS, _STALLED_LATENCIES * latency)
        return now - self.heard > patience

    def holds_back(self, now: float) -> bool:
        """Prefetch waits for it: it is urgent, and its answer is awaited or on its way."""
        return self.lane == Lane.INTERACTION and not (self.answered and now - self.heard > _SILENT_SECONDS)


class UnderWay:
    """Everything under way, counted as it comes and goes: each question costs the same however much there is."""

    __slots__ = ("_eager", "_requests", "bytes_of")

    def __init__(self) -> None:
        self._eager: dict[Transfer, bool] = {}
        self._requests = {False: 0, True: 0}
        self.bytes_of = {False: 0, True: 0}  # of what the user waits for, and of what is fetched ahead

    def __len__(self) -> int:
        return len(self._eager)

    @property
    def nbytes(self) -> int:
        """Bytes asked for that have not come."""
        return self.bytes_of[False] + self.bytes_of[True]

    def fits(self, lane: Lane, expected: float, most: float) -> bool:
        """So many bytes more are within a bound; what waits for the user is counted without what is fetched ahead."""
        if lane >= Lane.PREFETCH:
            return not self._eager or self.nbytes + expected <= most
        return not self._requests[False] or self.bytes_of[False] + expected <= most

    def add(self, transfer: Transfer) -> None:
        """Count one in, with what it asks for."""
        eager = self._eager[transfer] = transfer.lane >= Lane.PREFETCH
        self._requests[eager] += 1
        self.bytes_of[eager] += transfer.remaining

    def discard(self, transfer: Transfer) -> None:
        """Count one out."""
        eager = self._eager.pop(transfer)
        self._requests[eager] -= 1
        self.bytes_of[eager] -= transfer.remaining

    def ranked_anew(self, transfer: Transfer) -> None:
        """Count one by the lane that it has now."""
        if self._eager[transfer] is not (transfer.lane >= Lane.PREFETCH):
            self.discard(transfer)
            self.add(transfer)

    def changed(self, transfer: Transfer, remaining: int) -> None:
        """Count what came of one, or what its answer promises; `remaining` is what it had to come before that."""
        self.bytes_of[self._eager[transfer]] += transfer.remaining - remaining


class Host:
    """One origin.

    Args:
        slots: Most requests under way to it.
        reserved: Those of them that PREFETCH and BACKGROUND never take.

    Attributes:
        link: What its link can carry.
        average: Bytes of its answers so far; 0 before the first.
        transfers: What is under way.
    """

    def __init__(self, slots: int, reserved: int) -> None:
        self._slots = slots
        self._reserved = min(reserved, slots - 1)
        self.link = LinkEstimate()
        self.average = 0.0
        self.transfers: set[Transfer] = set()

    @property
    def usable(self) -> int:
        """Most requests of prefetch under way."""
        return self._slots - self._reserved

    def admits(self, lane: Lane, now: float) -> bool:
        """One more request may start of a lane that nobody who waits for this origin is before."""
        eager = lane >= Lane.PREFETCH
        if len(self.transfers) >= self._slots - (self._reserved if eager else 0):
            return False
        if lane == Lane.INTERACTION:
            return True
        if any(transfer.holds_back(now) for transfer in self.transfers):
            return not eager and self._has_room(now)
        return not eager or self._has_room(now)

    def room_in(self, now: float) -> float:
        """Seconds until the link has less under way than it carries, if nothing happens; 0 or less: it has."""
        if not self.transfers:
            return 0.0
        if self.link.drains(now):
            return inf
        if not self.link.rate:
            return 0.0
        under_way = [
            (0.0 if transfer.answered else transfer.begun, transfer.remaining)
            for transfer in self.transfers
            if not transfer.is_stalled(now)
        ]
        return self.link.empty_at(now, under_way) - now - self.link.lead_seconds

    def begin(self, rank: RankCell, now: float) -> Transfer:
        """Count a request in."""
        transfer = Transfer(self, rank, now)
        self.transfers.add(transfer)
        return transfer

    def answered(self, transfer: Transfer, content_length: int | None, now: float) -> None:
        """The header of a response came, with the length of its body if it says so."""
        transfer.answered = True
        transfer.heard = now
        if content_length is not None:
            transfer.expected = content_length
            if not transfer.bulk:
                self._learn(content_length)
        self.link.answered(now, now - transfer.begun, alone=transfer.alone and not transfer.bulk)

    def received(self, transfer: Transfer, nbytes: int, now: float, *, more: bool) -> None:
        """Bytes came; `more`: other requests wait for this origin."""
        transfer.received += nbytes
        transfer.heard = now
        filled = more and not any(other.holds_back(now) for other in self.transfers)
        self.link.received(now, nbytes, filled=filled)

    def rest(self, transfer: Transfer) -> None:
        """Nobody reads an answer for now; it takes nothing of the link."""
        self.transfers.discard(transfer)
        if not self.transfers:
            self.link.idle()

    def go_on(self, transfer: Transfer, now: float) -> None:
        """It is read on."""
        self.transfers.add(transfer)
        transfer.heard = now

    def end(self, transfer: Transfer, *, complete: bool) -> None:
        """Count a request out; `complete`: its body came to its end."""
        self.transfers.discard(transfer)
        if complete and transfer.expected != transfer.received and not transfer.bulk:
            self._learn(transfer.received)
        if not self.transfers:
            self.link.idle()

    def _has_room(self, now: float) -> bool:
        return self.room_in(now) <= 0

    def _learn(self, nbytes: int) -> None:
        self.average += (nbytes - self.average) * (_MEMORY if self.average else 1.0)
