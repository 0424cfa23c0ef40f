"""The worker lane under any order of calls, cancels, changes of rank, ends and turns of the loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.worker_calls import Terms
from cornerstream.worker_lane import WorkerLane
from tests.support.manual_pool import ManualPool, OnePool

if TYPE_CHECKING:
    from cornerstream.worker_calls import Call

RANKS = st.builds(Rank, st.sampled_from([Lane.INTERACTION, Lane.PREFETCH]), st.integers(0, 4))


@dataclass(frozen=True, slots=True)
class Wanted:
    """One call as the model sees it; its number is its name."""

    number: int
    cell: RankCell
    call: Call[object]
    terms: Terms

    @property
    def key(self) -> tuple[Rank, int]:
        """The smaller goes first."""
        return self.cell.value, self.number


class Workers(RuleBasedStateMachine):
    """A lane, two pools of as many workers as it has slots, and what was asked of it."""

    @initialize(slots=st.integers(1, 4), own=st.booleans())
    def begin(self, slots: int, own: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.slots = slots
        self.own = own
        self.threads, self.processes = ManualPool(slots), ManualPool(slots)
        self.lane = WorkerLane(self.loop, OnePool(self.threads, own=own, processes=self.processes), slots)
        self.asked: list[Wanted] = []
        self.ends: Counter[int] = Counter()
        self.cancelled_early: set[int] = set()
        self.settled = True

    @rule(rank=RANKS, in_process=st.sampled_from([False, False, True]))
    def call(self, rank: Rank, in_process: bool) -> None:
        number, cell = len(self.asked), RankCell(rank)
        terms = Terms(in_process=in_process)
        call = self.lane.call(abs, (number,), cell, terms)
        call.add_done_callback(lambda _: self.ends.update([number]))
        self.asked.append(Wanted(number, cell, call, terms))
        self.settled = False

    @precondition(lambda self: self.pending())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        wanted = data.draw(st.sampled_from(self.pending()))
        wanted.call.cancel()
        if wanted.number not in self.begun():
            self.cancelled_early.add(wanted.number)
        self.settled = False

    @precondition(lambda self: self.pending())
    @rule(data=st.data(), rank=RANKS)
    def change_rank(self, data: st.DataObject, rank: Rank) -> None:
        data.draw(st.sampled_from(self.pending())).cell.change(rank)
        self.settled = False

    @rule()
    def turn(self) -> None:
        async def go_round() -> None:
            for _ in range(4):
                await asyncio.sleep(0)

        self.loop.run_until_complete(go_round())
        self.settled = True

    @precondition(lambda self: self.threads.running or self.processes.running)
    @rule(data=st.data(), fails=st.booleans())
    def end(self, data: st.DataObject, fails: bool) -> None:
        names = [(pool, name) for pool in (self.threads, self.processes) for name in pool.running]
        pool, name = data.draw(st.sampled_from(names))
        waiting, begun = self.waiting(), set(self.begun())
        pool.end(name, KeyError(name) if fails else None)
        if not self.settled:
            return
        self.turn()
        if waiting:  # all is known: the best one has the slot, and nobody else
            best = min(waiting, key=lambda one: one.key)
            assert set(self.begun()) - begun == {best.number}

    @invariant()
    def never_more_than_the_slots_run(self) -> None:
        assert len(self.threads.running) + len(self.processes.running) <= self.slots
        assert self.lane.busy <= self.slots

    @invariant()
    def cancelled_before_it_began_it_never_begins(self) -> None:
        assert not self.cancelled_early & set(self.begun())

    @invariant()
    def figures_are_true(self) -> None:
        if self.settled:
            assert self.lane.busy == len(self.threads.running) + len(self.processes.running)
            assert self.lane.waiting == len(self.waiting())
            assert not self.waiting() or self.lane.busy == self.slots
        if not self.own:
            assert not self.threads.queued + self.processes.queued

    @invariant()
    def nobody_ends_twice(self) -> None:
        assert set(self.ends.values()) <= {1}

    def teardown(self) -> None:
        self.turn()
        while self.threads.running or self.processes.running:
            for pool in (self.threads, self.processes):
                for name in tuple(pool.running):
                    pool.end(name)
            self.turn()
        assert (self.lane.busy, self.lane.waiting, self.lane.jobs) == (0, 0, [])
        assert self.ends == Counter(range(len(self.asked)))
        assert not any(wanted.cell._listeners for wanted in self.asked)
        for wanted in self.asked:
            assert wanted.call.cancelled() or wanted.call.exception() or wanted.call.result() == wanted.number
        self.loop.close()

    def begun(self) -> list[int]:
        """Names in the order in which workers began them, pool by pool."""
        return [*self.threads.begun, *self.processes.begun]

    def pending(self) -> list[Wanted]:
        """Those who have no result yet."""
        return [wanted for wanted in self.asked if not wanted.call.done()]

    def waiting(self) -> list[Wanted]:
        """Those whom nobody has begun."""
        begun = set(self.begun())
        return [wanted for wanted in self.pending() if wanted.number not in begun]


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
