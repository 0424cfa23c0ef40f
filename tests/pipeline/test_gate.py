from __future__ import annotations

import asyncio

from cornerstream.gate import WaitingList
from cornerstream.ranks import BestRank, Lane, Rank, RankCell


async def turn(times: int = 3) -> None:
    """Let the loop go round."""
    for _ in range(times):
        await asyncio.sleep(0)


class Waiting:
    """Waiters for tickets, and the order in which they got one."""

    def __init__(self) -> None:
        self.free = 0
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.list: WaitingList[None] = WaitingList(self.grant, lambda _: self.give())

    def give(self, tickets: int = 1) -> None:
        self.free += tickets
        self.grant()

    def grant(self) -> None:
        while self.free and self.list.first() is not None:
            self.free -= 1
            self.list.admit(None)

    def add(self, name: str, rank: RankCell) -> None:
        async def wait() -> None:
            await self.list.join(rank)
            self.order.append(name)

        self.tasks[name] = asyncio.ensure_future(wait())


async def test_the_best_rank_goes_first_and_equals_in_turn() -> None:
    waiting = Waiting()
    waiting.add("background", RankCell(Rank(Lane.BACKGROUND)))
    waiting.add("far", RankCell(Rank(Lane.PREFETCH, 9)))
    waiting.add("near", RankCell(Rank(Lane.PREFETCH, 1)))
    waiting.add("near too", RankCell(Rank(Lane.PREFETCH, 1)))
    waiting.add("click", RankCell(Rank(Lane.INTERACTION)))
    await turn()
    for _ in range(5):
        waiting.give()
        await turn()
    assert waiting.order == ["click", "near", "near too", "far", "background"]
    assert (waiting.free, len(waiting.list)) == (0, 0)


async def test_a_rank_that_changes_while_waiting_counts() -> None:
    waiting = Waiting()
    late = RankCell(Rank(Lane.PREFETCH, 50))
    waiting.add("first", RankCell(Rank(Lane.PREFETCH, 1)))
    waiting.add("late", late)
    await turn()
    for distance in range(400):
        late.change(Rank(Lane.PREFETCH, 100 + distance))
    late.change(Rank(Lane.INTERACTION))
    assert len(waiting.list._heap) < 200  # outdated entries do not pile up
    waiting.give()
    await turn()
    assert waiting.order == ["late"]
    waiting.give()
    await turn()
    assert waiting.order == ["late", "first"]


async def test_cancelled_while_waiting_takes_nothing() -> None:
    waiting = Waiting()
    waiting.add("gone", RankCell())
    waiting.add("stays", RankCell())
    await turn()
    waiting.tasks["gone"].cancel()
    await turn()
    waiting.give()
    await turn()
    assert waiting.order == ["stays"]
    assert (waiting.free, len(waiting.list)) == (0, 0)


async def test_cancelled_in_the_turn_of_the_grant_gives_it_back() -> None:
    waiting = Waiting()
    waiting.add("gone", RankCell())
    await turn()
    waiting.give()
    assert waiting.free == 0
    waiting.tasks["gone"].cancel()  # before it could run
    await turn()
    assert waiting.order == []
    assert waiting.free == 1


def test_best_rank_follows_its_cells() -> None:
    best = BestRank()
    heard: list[Rank] = []
    best.watch(lambda: heard.append(best.value))
    near, far = RankCell(Rank(Lane.PREFETCH, 1)), RankCell(Rank(Lane.PREFETCH, 5))
    best.join(far)
    best.join(near)
    far.change(Rank(Lane.INTERACTION))
    best.leave(far)
    best.leave(near)
    assert heard == [
        Rank(Lane.PREFETCH, 5),
        Rank(Lane.PREFETCH, 1),
        Rank(Lane.INTERACTION),
        Rank(Lane.PREFETCH, 1),
        Rank(Lane.BACKGROUND, float("inf")),
    ]
