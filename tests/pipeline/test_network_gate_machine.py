"""The network gate: any order of requests, answers, ends, cancels and new ranks, against its rules."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cornerstream.hosts import origin_of_url
from cornerstream.network_gate import NetworkGate
from cornerstream.ranks import Lane, Rank
from tests.support.gate_requests import Requests
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import Callable


class AnyOrder(RuleBasedStateMachine):
    """Requests of three origins that come, change their rank, get answers, end and are cancelled, against the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 0.0
        self.requests = Requests(NetworkGate(4, reserved=1, per_host=3, max_bytes=3000, clock=lambda: self.now))

    def on_loop(self, action: Callable[[], object]) -> None:
        async def act() -> None:
            action()
            await turns(6)

        self.loop.run_until_complete(act())

    @rule(lane=st.sampled_from(Lane), distance=st.integers(0, 3), host=st.sampled_from("abc"))
    def ask(self, lane: Lane, distance: int, host: str) -> None:
        self.on_loop(lambda: self.requests.ask(lane, distance, f"http://{host}/"))

    @precondition(lambda self: self.requests.everybody)
    @rule(data=st.data(), lane=st.sampled_from(Lane), distance=st.integers(0, 3))
    def rank_anew(self, data: st.DataObject, lane: Lane, distance: int) -> None:
        request = data.draw(st.sampled_from(self.requests.everybody))
        self.on_loop(lambda: request.rank.change(Rank(lane, distance)))

    @precondition(lambda self: self.requests.everybody)
    @rule(data=st.data(), in_the_turn_of=st.booleans())
    def cancel(self, data: st.DataObject, in_the_turn_of: bool) -> None:
        request = data.draw(st.sampled_from(self.requests.everybody))
        other = data.draw(st.sampled_from(self.requests.everybody))

        def act() -> None:
            if in_the_turn_of:  # whoever is let in by this may be the other
                request.rank.change(Rank(Lane.BACKGROUND, 9))
            other.task.cancel()

        self.on_loop(act)

    @precondition(lambda self: self.requests.under_way())
    @rule(data=st.data(), nbytes=st.one_of(st.none(), st.integers(0, 5000)))
    def answer(self, data: st.DataObject, nbytes: int | None) -> None:
        passage = data.draw(st.sampled_from(self.requests.under_way())).passage
        assert passage is not None
        self.on_loop(lambda: passage.answered(nbytes))

    @precondition(lambda self: self.requests.under_way())
    @rule(data=st.data(), nbytes=st.integers(1, 3000), seconds=st.floats(0, 2))
    def receive(self, data: st.DataObject, nbytes: int, seconds: float) -> None:
        passage = data.draw(st.sampled_from(self.requests.under_way())).passage
        assert passage is not None
        self.now += seconds
        self.on_loop(lambda: passage.received(nbytes))

    @precondition(lambda self: self.requests.under_way())
    @rule(data=st.data(), complete=st.booleans())
    def finish(self, data: st.DataObject, complete: bool) -> None:
        request = data.draw(st.sampled_from(self.requests.under_way()))
        assert request.passage is not None
        request.passage.complete = complete
        self.on_loop(request.finish.set)

    @invariant()
    def counts_are_those_of_the_requests(self) -> None:
        gate, under_way = self.requests.gate, self.requests.under_way()
        assert (gate.held, gate.waiting) == (len(under_way), len(self.requests.waiting()))
        remaining = sum(one.passage.transfer.remaining for one in under_way if one.passage is not None)
        assert gate.bytes_in_flight == round(remaining)
        assert gate.held <= 4
        by_host: dict[str, int] = defaultdict(int)
        for one in under_way:
            by_host[origin_of_url(one.url)] += 1
        assert max(by_host.values(), default=0) <= 3

    @invariant()
    def nobody_waits_who_may_go(self) -> None:
        under_way = self.requests.under_way()
        first = min(self.requests.waiting(), key=lambda one: one.rank.value, default=None)
        if first is not None and not under_way:
            raise AssertionError(f"{first} waits, and nothing is under way")
        if first is not None and first.lane == Lane.INTERACTION and len(under_way) < 4:
            here = [one for one in under_way if one.url == first.url]
            urgent = [one for one in under_way if one.lane < Lane.PREFETCH]
            assert len(here) == 3 or urgent, "an interaction waits for what is fetched ahead"

    def teardown(self) -> None:
        self.loop.run_until_complete(self.requests.end())
        self.loop.close()


AnyOrder.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase
