"""A link, and a server behind it, in virtual time: answers share it piece by piece."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING

from cornerstream.ranks import Lane, Rank, RankCell

if TYPE_CHECKING:
    from cornerstream.hosts import Host, Transfer

_PIECE = 1 << 14


@dataclass(slots=True)
class Answer:
    """One answer on its way."""

    transfer: Transfer
    left: int


@dataclass(slots=True)
class SimulatedLink:
    """Starts as many requests as a host admits, for ever, and delivers their answers.

    Attributes:
        latency: Seconds to each answer.
        rate: Bytes a second.
        size: Bytes of an answer.
        framed: Answers tell their length.
        serial: The server makes one answer at a time, for `latency` seconds each.
        delivered: Bytes by whole seconds.
        most: Requests that were under way at once, the most of each second.
        under_way: Bytes on their way whenever a request had started.
    """

    host: Host
    latency: float
    rate: float
    size: int = 500_000
    framed: bool = True
    serial: bool = False
    lane: Lane = Lane.PREFETCH
    now: float = 0.0
    delivered: dict[int, int] = field(default_factory=dict)
    most: dict[int, int] = field(default_factory=dict)
    under_way: list[tuple[float, float]] = field(default_factory=list)
    _ready: list[tuple[float, int, Transfer]] = field(default_factory=list)
    _sending: deque[Answer] = field(default_factory=deque)
    _number: count[int] = field(default_factory=count)
    _made_at: float = 0.0
    _sent_at: float = 0.0

    def run(self, until: float) -> None:
        """Let time pass."""
        self._fill()
        while self.now < until:
            self._step()
            self._fill()

    def ask(self, lane: Lane) -> Transfer:
        """Start one request of a lane."""
        transfer = self.host.begin(RankCell(Rank(lane)), self.now)
        begun = max(self.now, self._made_at) if self.serial else self.now
        self._made_at = begun + self.latency
        heappush(self._ready, (self._made_at, next(self._number), transfer))
        return transfer

    def _fill(self) -> None:
        while self.host.admits(self.lane, self.now):
            self.ask(self.lane)
            self.under_way.append((self.now, sum(transfer.remaining for transfer in self.host.transfers)))
        second = int(self.now)
        self.most[second] = max(self.most.get(second, 0), len(self.host.transfers))

    def _step(self) -> None:
        sent = self._sent_at or self.now + _PIECE / self.rate if self._sending else inf
        self._sent_at = sent if self._sending else 0.0
        room = self.now + max(0.001, self.host.room_in(self.now))
        if room < min(sent, self._ready[0][0] if self._ready else inf):
            self.now = room
            return
        if self._ready and self._ready[0][0] <= sent:
            self.now, _, transfer = heappop(self._ready)
            self.host.answered(transfer, self.size if self.framed else None, self.now)
            self._sending.append(Answer(transfer, self.size))
        else:
            self._send(sent)

    def _send(self, now: float) -> None:
        self.now, self._sent_at = now, 0.0
        answer = self._sending.popleft()
        nbytes = min(_PIECE, answer.left)
        answer.left -= nbytes
        self.delivered[int(now)] = self.delivered.get(int(now), 0) + nbytes
        self.host.received(answer.transfer, nbytes, now, more=True)
        if answer.left:
            self._sending.append(answer)
        else:
            self.host.end(answer.transfer, complete=True)
