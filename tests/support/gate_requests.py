"""Requests that wait at the network gate, are under way as long as a test says, and end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cornerstream.ranks import Lane, Rank, RankCell

if TYPE_CHECKING:
    from cornerstream.network_gate import NetworkGate, Passage


@dataclass(eq=False)
class Request:
    """One request: it waits, is under way, or has ended."""

    url: str
    rank: RankCell
    task: asyncio.Task[None]
    finish: asyncio.Event
    passage: Passage | None = None

    @property
    def lane(self) -> Lane:
        return self.rank.value.lane

    @property
    def waits(self) -> bool:
        return self.passage is None and not self.task.done()


@dataclass
class Requests:
    """Requests on one gate, by a clock of their own."""

    gate: NetworkGate
    everybody: list[Request] = field(default_factory=list)
    started: list[Request] = field(default_factory=list)

    def ask(self, lane: Lane, distance: float = 0.0, url: str = "http://a/1") -> Request:
        finish = asyncio.Event()
        rank = RankCell(Rank(lane, distance))

        async def run() -> None:
            async with self.gate.passage(url, rank) as passage:
                request.passage = passage
                self.started.append(request)
                await finish.wait()

        request = Request(url, rank, asyncio.ensure_future(run()), finish)
        self.everybody.append(request)
        return request

    def under_way(self) -> list[Request]:
        return [one for one in self.everybody if one.passage is not None and not one.task.done()]

    def waiting(self) -> list[Request]:
        return [one for one in self.everybody if one.waits]

    async def end(self) -> None:
        for request in self.everybody:
            request.task.cancel()
        await asyncio.gather(*(request.task for request in self.everybody), return_exceptions=True)
        assert (self.gate.held, self.gate.waiting, self.gate.bytes_in_flight) == (0, 0, 0)
        self.gate.close()
