"""A worker lane on a pool whose workers begin and end when the test says so."""

from __future__ import annotations

import asyncio

from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.stats import Counters
from cornerstream.worker_calls import Call, Terms
from cornerstream.worker_lane import WorkerLane
from tests.support.manual_pool import ManualPool, OnePool

IN_PROCESS = Terms(in_process=True)


async def turn(times: int = 3) -> None:
    """Let the loop go round."""
    for _ in range(times):
        await asyncio.sleep(0)


def same(value: object) -> object:
    """The pool never calls it."""
    return value


class Bench:
    """A lane, its pool, and calls with names; made on the loop."""

    def __init__(self, slots: int = 1, *, own: bool = True, processes: ManualPool | None = None) -> None:
        self.pool = ManualPool(slots)
        self.counters = Counters()
        self.pools = OnePool(self.pool, own=own, processes=processes)
        self.lane = WorkerLane(asyncio.get_running_loop(), self.pools, slots, self.counters)

    def call(self, name: str, distance: float = 0.0, terms: Terms = Terms()) -> Call[object]:  # noqa: B008 - frozen
        return self.lane.call(same, (name,), RankCell(Rank(Lane.PREFETCH, distance)), terms)

    @property
    def figures(self) -> tuple[int, int]:
        return self.lane.busy, self.lane.waiting
