from __future__ import annotations

import asyncio

import pytest

from cornerstream.gate import PriorityGate
from cornerstream.ranks import BestRank, Lane, Rank, RankCell


async def turn(times: int = 3) -> None:
    """Let the loop go round."""
    for _ in range(times):
        await asyncio.sleep(0)


class Waiting:
    """Waiters on one gate and the order in which they were admitted."""

    def __init__(self, gate: PriorityGate) -> None:
        self.gate = gate
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, name: str, rank: RankCell) -> None:
        async def wait() -> None:
            await self.gate.acquire(rank)
            self.order.append(name)

        self.tasks[name] = asyncio.ensure_future(wait())


async def test_the_best_rank_goes_first_and_equals_in_turn() -> None:
    gate = PriorityGate(1)
    await gate.acquire(RankCell())
    waiting = Waiting(gate)
    waiting.add("background", RankCell(Rank(Lane.BACKGROUND)))
    waiting.add("far", RankCell(Rank(Lane.PREFETCH, 9)))
    waiting.add("near", RankCell(Rank(Lane.PREFETCH, 1)))
    waiting.add("near too", RankCell(Rank(Lane.PREFETCH, 1)))
    waiting.add("click", RankCell(Rank(Lane.INTERACTION)))
    await turn()
    for _ in range(5):
        gate.release()
        await turn()
    assert waiting.order == ["click", "near", "near too", "far", "background"]
    gate.release()
    assert (gate.held, gate.waiting) == (0, 0)


async def test_a_rank_that_changes_while_waiting_counts() -> None:
    gate = PriorityGate(1)
    await gate.acquire(RankCell())
    waiting = Waiting(gate)
    late = RankCell(Rank(Lane.PREFETCH, 50))
    waiting.add("first", RankCell(Rank(Lane.PREFETCH, 1)))
    waiting.add("late", late)
    await turn()
    for distance in range(400):
        late.change(Rank(Lane.PREFETCH, 100 + distance))
    late.change(Rank(Lane.INTERACTION))
    assert len(gate._waiters._heap) < 200  # outdated entries do not pile up
    gate.release()
    await turn()
    assert waiting.order == ["late"]
    gate.release()
    await turn()
    gate.release()


async def test_a_reserved_slot_is_never_prefetchs() -> None:
    gate = PriorityGate(2, reserved=1)
    waiting = Waiting(gate)
    waiting.add("one", RankCell(Rank(Lane.PREFETCH)))
    waiting.add("two", RankCell(Rank(Lane.PREFETCH)))
    await turn()
    assert waiting.order == ["one"]
    waiting.add("click", RankCell(Rank(Lane.INTERACTION)))
    await turn()
    assert waiting.order == ["one", "click"]
    gate.release()
    await turn()
    assert waiting.order == ["one", "click"]  # the other slot is still held
    gate.release()
    await turn()
    assert waiting.order == ["one", "click", "two"]
    gate.release()
    assert gate.held == 0


async def test_cancelled_while_waiting_takes_no_slot() -> None:
    gate = PriorityGate(1)
    await gate.acquire(RankCell())
    waiting = Waiting(gate)
    waiting.add("gone", RankCell())
    waiting.add("stays", RankCell())
    await turn()
    waiting.tasks["gone"].cancel()
    await turn()
    gate.release()
    await turn()
    assert waiting.order == ["stays"]
    gate.release()
    assert (gate.held, gate.waiting) == (0, 0)


async def test_cancelled_in_the_turn_of_the_grant_gives_the_slot_back() -> None:
    gate = PriorityGate(1)
    await gate.acquire(RankCell())
    waiting = Waiting(gate)
    waiting.add("gone", RankCell())
    await turn()
    gate.release()  # grants
    waiting.tasks["gone"].cancel()  # before it could run
    await turn()
    assert waiting.order == []
    assert gate.held == 0


async def test_slot_is_given_back_when_the_body_fails() -> None:
    gate = PriorityGate(1)
    with pytest.raises(KeyError):
        async with gate.slot(RankCell()):
            raise KeyError
    assert gate.held == 0


def test_a_gate_without_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        PriorityGate(0)


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
